//! The message as the command line gives it: a file, or made from its parts. Read and checked before anything
//! is said to anyone.

use super::compose::Draft;
use super::content::Content;
use super::field::{self, Field};
use super::limits::{MESSAGE_LINE_OCTETS_MAX, MESSAGE_OCTETS_MAX, PARTS_MAX};
use crate::command::Failure;
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::Args;
use postrider_mail::{ForwardPath, ReversePath};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file, or the parts of a message.
#[derive(Debug, Args)]
pub(super) struct Message {
    /// A whole message to send as it is; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "body", "header", "attach"])]
    file: Option<PathBuf>,
    /// The subject
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = field::one_line)]
    subject: Option<String>,
    /// The text; - reads standard input
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    body: Option<String>,
    /// A header field; one that is written anyway, such as From, is replaced
    #[arg(long, value_name = "'NAME: VALUE'")]
    header: Vec<Field>,
    /// A file to go with the message
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
}

impl Message {
    /// The message as it goes on the wire.
    pub(super) fn content(&self, from: &ReversePath, to: &[ForwardPath]) -> Result<Content, Failure> {
        if self.attach.len().max(self.header.len()) > PARTS_MAX {
            let text = format!("a message has at most {PARTS_MAX} attachments and {PARTS_MAX} --header");
            return Err(Failure::usage(text));
        }
        if self.attach.iter().any(|file| file == Path::new("-")) {
            return Err(Failure::usage(
                "an attachment has a name: --attach takes a file, not standard input",
            ));
        }
        if let Some(file) = &self.file {
            let octets = read(file)?;
            return Content::new(octets)
                .map_err(|why| Failure::data(format!("{} cannot be sent: {why}", named(file))));
        }
        if self.subject.is_none() && self.body.is_none() && self.attach.is_empty() {
            return Err(Failure::usage(
                "there is nothing to send: add --subject and --body, --attach, or --file",
            ));
        }
        let message = self.composed(from, to)?;
        let content = Content::new(message)
            .map_err(|why| Failure::data(format!("the message cannot be sent: {why}")))?;
        if content.longest_line() > MESSAGE_LINE_OCTETS_MAX {
            return Err(Failure::usage(format!(
                "a word of more than {MESSAGE_LINE_OCTETS_MAX} octets in a --header cannot be folded"
            )));
        }
        Ok(content)
    }

    fn composed(&self, from: &ReversePath, to: &[ForwardPath]) -> Result<Vec<u8>, Failure> {
        let text = self.text()?;
        let attachments = self.attach.iter().map(|file| Ok((file.clone(), read(file)?)));
        let attachments: Vec<(PathBuf, Vec<u8>)> = attachments.collect::<Result<_, Failure>>()?;
        let draft = Draft {
            from,
            to,
            subject: self.subject.as_deref(),
            text: &text,
            fields: &self.header,
            attachments: &attachments,
        };
        let message =
            draft.compose(wall_clock()(), u128::from_ne_bytes(random()?)).map_err(Failure::usage)?;
        if message.len() as u64 > MESSAGE_OCTETS_MAX {
            return Err(too_large("the message"));
        }
        Ok(message)
    }

    /// The text with CRLF at its line ends; empty when none was given.
    fn text(&self) -> Result<String, Failure> {
        let octets = match self.body.as_deref() {
            None | Some("") => return Ok(String::new()),
            Some("-") => read(Path::new("-"))?,
            Some(text) => text.as_bytes().to_vec(),
        };
        let bad = |why: &str| Failure::data(format!("the text cannot be sent: {why}"));
        if octets.is_empty() {
            return Ok(String::new());
        }
        let content = Content::new(octets).map_err(|why| bad(&why.to_string()))?;
        String::from_utf8(content.into_octets())
            .map_err(|_| bad("it is not UTF-8; anything else goes with --attach"))
    }
}

/// All of a file, or of standard input for `-`.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    let outcome = if file == Path::new("-") {
        io::stdin().lock().take(MESSAGE_OCTETS_MAX + 1).read_to_end(&mut octets)
    } else {
        File::open(file).and_then(|file| file.take(MESSAGE_OCTETS_MAX + 1).read_to_end(&mut octets))
    };
    outcome.map_err(|error| Failure::Said(Exit::NoInput, format!("{}: {error}", named(file))))?;
    if octets.len() as u64 > MESSAGE_OCTETS_MAX { Err(too_large(&named(file))) } else { Ok(octets) }
}

fn named(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}

fn too_large(what: &str) -> Failure {
    Failure::data(format!("{what} has more than {MESSAGE_OCTETS_MAX} octets"))
}

/// What makes a Message-ID one of its own, and what equal hosts are drawn by.
pub(super) fn random<const OCTETS: usize>() -> Result<[u8; OCTETS], Failure> {
    let mut octets = [0; OCTETS];
    getrandom::fill(&mut octets)
        .map_err(|error| Failure::os(format!("the system gives no randomness: {error}")))?;
    Ok(octets)
}

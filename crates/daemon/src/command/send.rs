//! `postrider send`: brings one message to a host, shows the conversation as it happens, and explains a
//! refusal.
//!
//! | module | what is in it |
//! |---|---|
//! | `peer` | the host and the connection to it |
//! | `path` | the envelope's addresses |
//! | `compose`, `field`, `attachment` | a message made from the command line |
//! | `content` | any message, as it goes on the wire |
//! | `conversation` | drives the client engine |
//! | `show` | the conversation on the terminal |
//! | `advice` | what refusals mean |
//! | `report` | what became of the message |
//! | `limits` | sizes and timeouts |

pub(super) mod advice;
mod attachment;
mod compose;
mod content;
mod conversation;
mod field;
pub(super) mod limits;
mod path;
pub(super) mod peer;
mod report;
pub(super) mod show;

use super::{Failure, unwritten};
use crate::config::units::parse_duration;
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::Args;
use compose::Draft;
use content::Content;
use conversation::Conversation;
use field::Field;
use limits::{MESSAGE_LINE_OCTETS_MAX, MESSAGE_OCTETS_MAX, PARTS_MAX, RECIPIENTS_MAX};
use peer::Peer;
use postrider_mail::{Body, ForwardPath, Host, ReversePath};
use postrider_smtp::client::Transaction;
use postrider_smtp::server::Dialect;
use report::Report;
use show::Show;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;

/// Where `postrider dev` listens when it is not told otherwise.
const DEV: &str = "127.0.0.1:2525";

/// Send one message and watch the conversation
#[derive(Debug, Args)]
#[command(
    long_about = "Send one message and watch the conversation.\n\n\
        The message is a file, sent as it is but for its line ends, or is made from --subject, --body, --header and \
        --attach: encoded where it is not ASCII, with a Date and a Message-ID. Refusals are explained.",
    after_help = "\
Examples:
  postrider send --from me@example.org --to you@example.org --subject Hello --body 'It works.'
  postrider send --from me@example.org --to a@example.org --to b@example.org --file message.eml
  postrider send --from me@example.org --to you@example.org --body - --attach photo.jpg < text
  postrider send --server 127.0.0.1:24 --lmtp --from '<>' --to you@example.org --file - < m.eml

Exit codes:
   0  accepted for every recipient
  64  the command line makes no sense
  65  the message cannot be sent: a NUL, a CR that stands alone, nothing at all
  66  a file cannot be read
  68  the server's name is not known
  69  refused for good (5yz), for at least one recipient
  75  not now: refused for the moment (4yz), no connection, or a connection lost; try again later
  76  the server does not speak SMTP
In JSON, a recipient's fate is accepted, deferred (4yz), refused (5yz), unsent or unknown.
Where only some recipients were accepted, the others decide: 69 if any was refused for good, else
75. The same again brings a second copy to those that accepted; --json tells which they are."
)]
pub(super) struct Send {
    /// The reverse-path, where notices go; '<>' for none
    #[arg(long, value_name = "ADDRESS", value_parser = path::reverse_path)]
    from: ReversePath,
    /// A recipient; may be given many times
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = path::forward_path)]
    to: Vec<ForwardPath>,
    /// The server to hand the message to; without a port 25, or 24 with --lmtp [default: 127.0.0.1:2525, where
    /// `postrider dev` listens]
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<Peer>,
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
    /// The name to say in EHLO [default: the address of this end, as in [127.0.0.1]]
    #[arg(long, value_name = "NAME")]
    helo: Option<Host>,
    /// Speak LMTP: an answer for each recipient
    #[arg(long)]
    lmtp: bool,
    /// The longest wait, for the connection and for each answer, as in 30s [default: minutes, as RFC 5321 has
    /// it]
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    timeout: Option<Duration>,
    /// Show nothing unless something was not accepted
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Show no conversation; tell what became of each recipient in JSON
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if self.to.len() > RECIPIENTS_MAX || self.attach.len().max(self.header.len()) > PARTS_MAX {
            return Err(Failure::usage(format!(
                "a message has at most {RECIPIENTS_MAX} recipients, {PARTS_MAX} attachments and {PARTS_MAX} --header"
            )));
        }
        if self.attach.iter().any(|file| file == Path::new("-")) {
            return Err(Failure::usage(
                "an attachment has a name: --attach takes a file, not standard input",
            ));
        }
        let content = self.content()?;
        let mut show = Show::new(self.quiet || self.json);
        let server = match &self.server {
            Some(server) => server.clone(),
            None => {
                show.note(&format!("no --server is named: trying {DEV}, where `postrider dev` listens"));
                DEV.parse().map_err(Failure::os)?
            }
        };
        let runtime = runtime()?;
        let report = runtime.block_on(self.converse(&server, &content, &mut show));
        // A look-up that hangs is not waited for.
        runtime.shutdown_background();
        Ok(self.end(&server, &content, &report, &mut show))
    }

    fn dialect(&self) -> Dialect {
        if self.lmtp { Dialect::Lmtp } else { Dialect::Smtp }
    }

    async fn converse(&self, server: &Peer, content: &Content, show: &mut Show) -> Report<'_> {
        let dialect = self.dialect();
        let stream = match peer::connect(server, dialect, self.timeout).await {
            Ok(stream) => stream,
            Err(unreached) => return Report::unreached(&self.to, unreached),
        };
        show.note(&connected(&stream));
        let name = self.helo.clone().unwrap_or_else(|| own_name(&stream));
        let transaction = Transaction {
            reverse_path: self.from.clone(),
            recipients: self.to.clone(),
            size: u64::try_from(content.octets().len()).ok(),
            body: content.has_8bit().then_some(Body::EightBitMime),
        };
        let conversation = Conversation::new(stream, dialect, name, self.timeout, show);
        let ended = conversation.send(transaction, content.octets()).await;
        let warnings = warnings(content, ended.body_undeclared);
        Report::of(&self.to, ended, warnings)
    }

    /// Says what became of the message. Its fate decides the exit code, not whether it could be shown.
    fn end(&self, server: &Peer, content: &Content, report: &Report<'_>, show: &mut Show) -> Exit {
        let exit = report.exit();
        if self.json {
            let json = report.json(&server.shown(self.dialect()), content.octets().len(), exit.code());
            super::answer(&format!("{json:#}\n"), exit);
        } else if report.is_unreached() || (self.quiet && !report.is_good()) {
            // There is nowhere else to say it.
            let _ = io::stderr().lock().write_all(report.plain().as_bytes());
        } else {
            report.show(show);
        }
        if let Some(error) = show.failed() {
            unwritten(error);
        }
        exit
    }

    /// The message, read and checked before anything is said to anyone.
    fn content(&self) -> Result<Content, Failure> {
        if let Some(file) = &self.file {
            let octets = read(file)?;
            return Content::new(octets).map_err(|why| {
                Failure::Said(Exit::DataErr, format!("{} cannot be sent: {why}", named(file)))
            });
        }
        if self.subject.is_none() && self.body.is_none() && self.attach.is_empty() {
            return Err(Failure::usage(
                "there is nothing to send: add --subject and --body, --attach, or --file",
            ));
        }
        let message = self.composed()?;
        let content = Content::new(message)
            .map_err(|why| Failure::Said(Exit::DataErr, format!("the message cannot be sent: {why}")))?;
        if content.longest_line() > MESSAGE_LINE_OCTETS_MAX {
            return Err(Failure::usage(format!(
                "a word of more than {MESSAGE_LINE_OCTETS_MAX} octets in a --header cannot be folded"
            )));
        }
        Ok(content)
    }

    fn composed(&self) -> Result<Vec<u8>, Failure> {
        let text = self.text()?;
        let attachments = self.attach.iter().map(|file| Ok((file.clone(), read(file)?)));
        let attachments: Vec<(PathBuf, Vec<u8>)> = attachments.collect::<Result<_, Failure>>()?;
        let draft = Draft {
            from: &self.from,
            to: &self.to,
            subject: self.subject.as_deref(),
            text: &text,
            fields: &self.header,
            attachments: &attachments,
        };
        let message = draft.compose(wall_clock()(), random()?).map_err(Failure::usage)?;
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
        let bad = |why: &str| Failure::Said(Exit::DataErr, format!("the text cannot be sent: {why}"));
        if octets.is_empty() {
            return Ok(String::new());
        }
        let content = Content::new(octets).map_err(|why| bad(&why.to_string()))?;
        String::from_utf8(content.into_octets())
            .map_err(|_| bad("it is not UTF-8; anything else goes with --attach"))
    }
}

/// What may harm the message on its way.
fn warnings(content: &Content, body_undeclared: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if body_undeclared {
        let text =
            "octets beyond ASCII were sent to a host that does not offer 8BITMIME: they may not survive";
        warnings.push(text.to_owned());
    }
    if content.longest_line() > MESSAGE_LINE_OCTETS_MAX {
        warnings.push(format!(
            "a line has {} octets, and RFC 5322 allows {MESSAGE_LINE_OCTETS_MAX}: some hosts refuse or break it",
            content.longest_line()
        ));
    }
    warnings
}

/// The runtime of one conversation.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::os(format!("the runtime cannot be started: {error}")))
}

/// To whom the connection leads.
pub(super) fn connected(stream: &TcpStream) -> String {
    match stream.peer_addr() {
        Ok(address) => format!("connected to {address}"),
        Err(error) => format!("connected, and lost again: {error}"),
    }
}

/// `30s`: how long to wait at most.
pub(super) fn patience(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration has a unit and is not zero, as in 500ms, 30s or 5m".into()),
    }
}

/// Our own address as a literal: true of every host, and tells nobody anything new (RFC 5321 §4.1.4).
fn own_name(stream: &TcpStream) -> Host {
    let unspecified = std::net::Ipv4Addr::UNSPECIFIED.into();
    Host::Literal(stream.local_addr().map_or(unspecified, |address| address.ip().to_canonical()))
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
    Failure::Said(Exit::DataErr, format!("{what} has more than {MESSAGE_OCTETS_MAX} octets"))
}

/// What makes a Message-ID one of its own.
fn random() -> Result<u128, Failure> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets)
        .map_err(|error| Failure::os(format!("the system gives no randomness: {error}")))?;
    Ok(u128::from_ne_bytes(octets))
}

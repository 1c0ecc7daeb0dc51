//! Numbered messages. Everything about one follows from its number and its shape, and the number stands in its
//! envelope and its content: a content under a wrong envelope is found out as damage is.

use std::io;

/// The host of every mailbox here but one.
pub const HOST: &str = "local.example";

/// The shape of a message.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// Octets of its body, about.
    pub octets: usize,
    /// The local parts it is addressed to.
    pub to: &'static [&'static str],
    /// Whether its sender asks to hear of success.
    pub is_curious: bool,
}

impl Letter {
    /// A message that stays inside the database.
    pub const fn small(to: &'static [&'static str]) -> Self {
        Self { octets: 700, to, is_curious: false }
    }

    /// A message that just stays inside the database, and fills its log.
    pub const fn middling(to: &'static [&'static str]) -> Self {
        Self { octets: 15_000, to, is_curious: false }
    }

    /// A message just too large for the database.
    pub const fn large(to: &'static [&'static str]) -> Self {
        Self { octets: 20_000, to, is_curious: false }
    }

    /// A message that is written in many parts.
    pub const fn huge(to: &'static [&'static str]) -> Self {
        Self { octets: 300_000, to, is_curious: false }
    }

    /// The same, and its sender asks to hear of success.
    #[must_use]
    pub const fn curious(self) -> Self {
        Self { is_curious: true, ..self }
    }

    /// The content as it is sent; needs no dot-stuffing.
    pub fn content(self, number: usize) -> String {
        let mut content = format!(
            "From: sender-{number}@client.example\r\nSubject: letter {number}\r\n\
             Message-ID: <{number}@client.example>\r\n\r\n"
        );
        let mut line = 0;
        while content.len() < self.octets {
            line += 1;
            content.push_str(&format!("line {line} of letter {number}, and there is more to come\r\n"));
        }
        content.push_str(&format!("the end of letter {number}\r\n"));
        content
    }
}

/// The reverse-path of a letter.
pub fn sender(number: usize) -> String {
    format!("sender-{number}@client.example")
}

/// The number of the letter with this reverse-path.
pub fn number_of(sender: &str) -> Option<usize> {
    sender.strip_prefix("sender-")?.strip_suffix("@client.example")?.parse().ok()
}

/// The local parts of the mailboxes behind one.
pub fn behind<'a>(local: &'a &'a str) -> &'a [&'a str] {
    match *local {
        "team" => &["anna", "bert", "carl"],
        _ => std::slice::from_ref(local),
    }
}

/// The address with this local part: "far" is at another host.
pub fn address(local: &str) -> String {
    if local == "far" { "far@far.example".to_owned() } else { format!("{local}@{HOST}") }
}

/// The number of the letter in a file of a mailbox, if it is all that was sent: the letter under its own envelope.
///
/// # Errors
/// What is wrong with it, in words.
pub fn judge(file: &[u8], letters: &[Letter]) -> io::Result<usize> {
    let text = String::from_utf8_lossy(file);
    let sender = text.strip_prefix("Return-Path: <").and_then(|rest| rest.split('>').next());
    let number = sender.and_then(number_of);
    let Some((number, letter)) = number.and_then(|number| Some((number, letters.get(number)?))) else {
        return Err(io::Error::other("no letter has this reverse-path"));
    };
    let content = letter.content(number).replace("\r\n", "\n");
    let Some(above) = text.strip_suffix(content.as_str()) else {
        return Err(io::Error::other(format!("not the content of letter {number}: {} octets", file.len())));
    };
    if !above.contains("\nReceived: from ") {
        return Err(io::Error::other(format!("letter {number} has no trace")));
    }
    Ok(number)
}

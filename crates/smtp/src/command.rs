//! Commands: a line in, one command or one reason out (RFC 5321 §4.1.1, RFC 2033 §4.1).
//!
//! Strict in what is understood, lenient in how it is spelled: see `command/spelling.rs`. Printing gives the spelling
//! of the standard; parsing what was printed gives the same command.

mod envelope;
mod parameters;
mod spelling;
mod verbs;

pub use envelope::{MailFrom, RcptTo};
pub use parameters::Parameter;

use crate::forward::{self, Attributes};
use postrider_mail::address::AddressError;
use postrider_mail::{Domain, HeloName, Text};
use std::fmt;

/// A command that was understood. EHLO, HELO and LHLO differ in the dialect they choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `HELO name`; the name may be missing.
    Helo(HeloName),
    /// `EHLO name`
    Ehlo(HeloName),
    /// `LHLO name` (RFC 2033)
    Lhlo(HeloName),
    /// `MAIL FROM:<reverse-path> [parameters]`
    Mail(MailFrom),
    /// `RCPT TO:<forward-path> [parameters]`
    Rcpt(RcptTo),
    /// `DATA`
    Data,
    /// `BDAT octets [LAST]` (RFC 3030)
    Bdat(Chunk),
    /// `RSET` (RFC 5321 §4.1.1.5)
    Rset,
    /// `NOOP`; what follows it is ignored (RFC 5321 §4.1.1.9).
    Noop,
    /// `QUIT` (RFC 5321 §4.1.1.10)
    Quit,
    /// `VRFY string [SMTPUTF8]` (RFC 5321 §4.1.1.6)
    Vrfy(Sought),
    /// `EXPN string [SMTPUTF8]` (RFC 5321 §4.1.1.7)
    Expn(Sought),
    /// `HELP [topic]` (RFC 5321 §4.1.1.8)
    Help(Option<Text>),
    /// `ETRN node` (RFC 1985)
    Etrn(TurnNode),
    /// `XCLIENT attributes`
    Xclient(Box<Attributes>),
    /// `XFORWARD attributes`
    Xforward(Box<Attributes>),
}

impl Command {
    /// Its verb.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Helo(_) => "HELO",
            Self::Ehlo(_) => "EHLO",
            Self::Lhlo(_) => "LHLO",
            Self::Mail(_) => "MAIL",
            Self::Rcpt(_) => "RCPT",
            Self::Data => "DATA",
            Self::Bdat(_) => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Vrfy(_) => "VRFY",
            Self::Expn(_) => "EXPN",
            Self::Help(_) => "HELP",
            Self::Etrn(_) => "ETRN",
            Self::Xclient(_) => "XCLIENT",
            Self::Xforward(_) => "XFORWARD",
        }
    }
}

/// What BDAT announces (RFC 3030 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Octets that follow the command's line end.
    pub octets: u64,
    /// `LAST`: the content ends with them.
    pub is_last: bool,
}

/// What VRFY and EXPN ask about (RFC 6531 §3.7.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// A user's name, an address, or an alias.
    pub string: Text,
    /// `SMTPUTF8`: the answer may hold UTF-8.
    pub smtputf8: bool,
}

/// Whose waiting mail ETRN asks for (RFC 1985 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnNode {
    /// `ETRN example.org`
    Domain(Domain),
    /// `ETRN @example.org`: it and all below it.
    Below(Domain),
    /// `ETRN #queue`
    Queue(Text),
}

/// Why a line is no command we can carry out. The wording is [`crate::server`]'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Nothing we know begins like this.
    Unknown,
    /// A command of SMTP or of an extension that is not offered here.
    NotOffered(&'static str),
    /// The verb of another protocol: a browser, or one made to speak to us.
    ForeignProtocol,
    /// The argument is missing or of the wrong form; `usage` is the right one.
    Usage(&'static str),
    /// BDAT with a size but not the right form: so many octets follow none the less.
    BadChunk {
        /// The size.
        octets: u64,
        /// The right form.
        usage: &'static str,
    },
    /// BDAT with a size that cannot be read: nobody can say where the next command begins.
    Boundless,
    /// The header of the PROXY protocol, where none is expected.
    ProxyHeader,
    /// VRFY or EXPN with UTF-8 and without SMTPUTF8 (RFC 6531 §3.7.4.2).
    NotAscii,
    /// The argument of MAIL is no reverse-path.
    ReversePath(PathError),
    /// The argument of RCPT is no forward-path.
    ForwardPath(PathError),
    /// A parameter of MAIL or RCPT that is not known here.
    UnknownParameter(Text),
    /// A parameter whose value is missing, too much or not well formed.
    BadParameter(Parameter, Text),
    /// A parameter that was given before, or that another one excludes.
    RepeatedParameter(Parameter),
}

/// Why the argument of MAIL or RCPT is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Brackets, display name and words do not yield exactly one address.
    Ambiguous,
    /// UTF-8 in a transaction without SMTPUTF8 (RFC 6531 §3.4).
    NotAscii,
    /// Octets that are no UTF-8.
    NotUtf8,
    /// What stands for the address is none.
    Address(AddressError),
}

/// Parses one line, without its line end.
///
/// # Errors
/// See [`CommandError`].
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let line = line.trim_ascii_end();
    let end = line.iter().position(|b| matches!(b, b' ' | b'\t' | b':')).unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    let argument = rest.trim_ascii();
    if verb.len() > 8 || !verb.iter().all(u8::is_ascii_alphabetic) {
        return Err(CommandError::Unknown);
    }
    let mut upper = [0; 8];
    let upper = &mut upper[..verb.len()];
    upper.copy_from_slice(verb);
    upper.make_ascii_uppercase();
    match &*upper {
        b"HELO" if argument.is_empty() => Ok(Command::Helo(HeloName::none())),
        b"HELO" => verbs::helo(argument, "HELO client.example").map(Command::Helo),
        b"EHLO" => verbs::helo(argument, "EHLO client.example").map(Command::Ehlo),
        b"LHLO" => verbs::helo(argument, "LHLO client.example").map(Command::Lhlo),
        b"MAIL" => envelope::mail(argument).map(Command::Mail),
        b"RCPT" => envelope::rcpt(argument).map(Command::Rcpt),
        b"DATA" => verbs::alone(argument, Command::Data, "DATA, alone on its line"),
        b"BDAT" => verbs::bdat(argument).map(Command::Bdat),
        b"RSET" => verbs::alone(argument, Command::Rset, "RSET, alone on its line"),
        b"QUIT" => verbs::alone(argument, Command::Quit, "QUIT, alone on its line"),
        b"NOOP" => Ok(Command::Noop),
        b"VRFY" => verbs::whom(argument, "VRFY friend").map(Command::Vrfy),
        b"EXPN" => verbs::whom(argument, "EXPN staff").map(Command::Expn),
        b"HELP" => Ok(Command::Help((!argument.is_empty()).then(|| Text::from_peer(argument)))),
        b"ETRN" => verbs::etrn(argument).map(Command::Etrn),
        b"XCLIENT" => forward::xclient(argument).map(Command::Xclient),
        b"XFORWARD" => forward::xforward(argument).map(Command::Xforward),
        b"PROXY" => Err(CommandError::ProxyHeader),
        other => Err(not_ours(other)),
    }
}

fn not_ours(verb: &[u8]) -> CommandError {
    const OTHERS: [&str; 7] = ["STARTTLS", "AUTH", "TURN", "ATRN", "SEND", "SOML", "SAML"];
    const FOREIGN: [&[u8]; 6] = [b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS"];
    if FOREIGN.contains(&verb) {
        return CommandError::ForeignProtocol;
    }
    match OTHERS.into_iter().find(|known| known.as_bytes() == verb) {
        Some(known) => CommandError::NotOffered(known),
        None => CommandError::Unknown,
    }
}

/// The spelling of the standard, without a line end.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Helo(name) if name.as_str().is_empty() => f.write_str("HELO"),
            Self::Helo(name) => write!(f, "HELO {name}"),
            Self::Ehlo(name) => write!(f, "EHLO {name}"),
            Self::Lhlo(name) => write!(f, "LHLO {name}"),
            Self::Mail(mail) => mail.fmt(f),
            Self::Rcpt(rcpt) => rcpt.fmt(f),
            Self::Data => f.write_str("DATA"),
            Self::Bdat(chunk) => {
                write!(f, "BDAT {}{}", chunk.octets, if chunk.is_last { " LAST" } else { "" })
            }
            Self::Rset => f.write_str("RSET"),
            Self::Noop => f.write_str("NOOP"),
            Self::Quit => f.write_str("QUIT"),
            Self::Vrfy(sought) => write!(f, "VRFY {sought}"),
            Self::Expn(sought) => write!(f, "EXPN {sought}"),
            Self::Help(None) => f.write_str("HELP"),
            Self::Help(Some(topic)) => write!(f, "HELP {topic}"),
            Self::Etrn(node) => write!(f, "ETRN {node}"),
            Self::Xclient(attributes) => write!(f, "XCLIENT{attributes}"),
            Self::Xforward(attributes) => write!(f, "XFORWARD{attributes}"),
        }
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.string, if self.smtputf8 { " SMTPUTF8" } else { "" })
    }
}

impl fmt::Display for TurnNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Below(domain) => write!(f, "@{domain}"),
            Self::Queue(name) => write!(f, "#{name}"),
        }
    }
}

#[cfg(test)]
mod tests;

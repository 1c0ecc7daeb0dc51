//! Commands: a line in, one command or one reason out (RFC 5321 §4.1.1, RFC 2033 §4.1).
//!
//! Strict in what is understood, lenient in how it is spelled: see `command/spelling.rs`. Printing gives the spelling
//! of the standard; parsing what was printed gives the same command.

mod spelling;

use postrider_mail::address::AddressError;
use postrider_mail::{
    Body, By, Domain, EnvelopeId, ForwardPath, HeloName, Hold, Notify, OriginalRecipient, Priority, Ret,
    ReversePath, Solicitation, Text,
};
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
    /// `RSET`
    Rset,
    /// `NOOP`; what follows it is ignored.
    Noop,
    /// `QUIT`
    Quit,
    /// `VRFY string`
    Vrfy(Text),
    /// `EXPN string`
    Expn(Text),
    /// `HELP [topic]`
    Help(Option<Text>),
}

/// What MAIL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFrom {
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// `SIZE=`: the content's octets, as the client counts them (RFC 1870).
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152, RFC 3030)
    pub body: Option<Body>,
    /// `SMTPUTF8` (RFC 6531)
    pub smtputf8: bool,
    /// `RET=` (RFC 3461)
    pub ret: Option<Ret>,
    /// `ENVID=` (RFC 3461)
    pub envid: Option<EnvelopeId>,
    /// `BY=` (RFC 2852)
    pub by: Option<By>,
    /// `HOLDFOR=` or `HOLDUNTIL=` (RFC 4865)
    pub hold: Option<Hold>,
    /// `MT-PRIORITY=` (RFC 6710)
    pub priority: Option<Priority>,
    /// `SOLICIT=` (RFC 3865)
    pub solicit: Option<Solicitation>,
}

impl MailFrom {
    /// MAIL with no parameter.
    pub fn new(reverse_path: ReversePath) -> Self {
        Self {
            reverse_path,
            size: None,
            body: None,
            smtputf8: false,
            ret: None,
            envid: None,
            by: None,
            hold: None,
            priority: None,
            solicit: None,
        }
    }
}

/// What RCPT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptTo {
    /// Who shall get the message.
    pub forward_path: ForwardPath,
    /// `NOTIFY=` (RFC 3461)
    pub notify: Option<Notify>,
    /// `ORCPT=` (RFC 3461)
    pub orcpt: Option<OriginalRecipient>,
}

impl RcptTo {
    /// RCPT with no parameter.
    pub fn new(forward_path: ForwardPath) -> Self {
        Self { forward_path, notify: None, orcpt: None }
    }
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
    /// The argument of MAIL is no reverse-path.
    ReversePath(PathError),
    /// The argument of RCPT is no forward-path.
    ForwardPath(PathError),
    /// A parameter of MAIL or RCPT that no offered extension defines.
    UnknownParameter(Text),
    /// A parameter that was given twice, or whose value is not well formed.
    BadParameter(Text),
}

/// Why the argument of MAIL or RCPT is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Brackets, display name and words do not yield exactly one address.
    Ambiguous,
    /// Octets outside ASCII: an address that needs SMTPUTF8 (RFC 6531).
    NotAscii,
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
        b"HELO" => helo(argument, "HELO client.example").map(Command::Helo),
        b"EHLO" => helo(argument, "EHLO client.example").map(Command::Ehlo),
        b"LHLO" => helo(argument, "LHLO client.example").map(Command::Lhlo),
        b"MAIL" => mail(argument).map(Command::Mail),
        b"RCPT" => rcpt(argument).map(Command::Rcpt),
        b"DATA" => alone(argument, Command::Data, "DATA, alone on its line"),
        b"RSET" => alone(argument, Command::Rset, "RSET, alone on its line"),
        b"QUIT" => alone(argument, Command::Quit, "QUIT, alone on its line"),
        b"NOOP" => Ok(Command::Noop),
        b"VRFY" => something(argument, "VRFY friend").map(Command::Vrfy),
        b"EXPN" => something(argument, "EXPN staff").map(Command::Expn),
        b"HELP" => Ok(Command::Help((!argument.is_empty()).then(|| Text::from_peer(argument)))),
        other => Err(not_ours(other)),
    }
}

fn not_ours(verb: &[u8]) -> CommandError {
    const OTHERS: [&str; 10] =
        ["STARTTLS", "AUTH", "BDAT", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "XCLIENT"];
    if [&b"GET"[..], b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS"].contains(&verb) {
        return CommandError::ForeignProtocol;
    }
    match OTHERS.into_iter().find(|known| known.as_bytes() == verb) {
        Some(known) => CommandError::NotOffered(known),
        None => CommandError::Unknown,
    }
}

fn helo(argument: &[u8], usage: &'static str) -> Result<HeloName, CommandError> {
    let name = std::str::from_utf8(argument).ok().and_then(|name| name.parse().ok());
    name.ok_or(CommandError::Usage(usage))
}

fn alone(argument: &[u8], command: Command, usage: &'static str) -> Result<Command, CommandError> {
    if argument.is_empty() { Ok(command) } else { Err(CommandError::Usage(usage)) }
}

fn something(argument: &[u8], usage: &'static str) -> Result<Text, CommandError> {
    if argument.is_empty() { Err(CommandError::Usage(usage)) } else { Ok(Text::from_peer(argument)) }
}

fn mail(argument: &[u8]) -> Result<MailFrom, CommandError> {
    let argument =
        keyword(argument, b"FROM:").ok_or(CommandError::Usage("MAIL FROM:<you@client.example>"))?;
    let (path, parameters) = spelling::path(argument).map_err(CommandError::ReversePath)?;
    let reverse_path = path.parse().map_err(|error| CommandError::ReversePath(PathError::Address(error)))?;
    let mut mail = MailFrom::new(reverse_path);
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let bad = || CommandError::BadParameter(Text::clean(parameter));
        if name.eq_ignore_ascii_case("SIZE") {
            // size-value ::= 1*20DIGIT (RFC 1870 §3)
            let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
            let size = value.parse().ok().filter(|_| digits && mail.size.is_none());
            mail.size = Some(size.ok_or_else(bad)?);
        } else if name.eq_ignore_ascii_case("BODY") {
            let body = value.parse().ok().filter(|_| mail.body.is_none());
            mail.body = Some(body.ok_or_else(bad)?);
        } else {
            return Err(CommandError::UnknownParameter(Text::clean(name)));
        }
    }
    Ok(mail)
}

fn rcpt(argument: &[u8]) -> Result<RcptTo, CommandError> {
    let argument = keyword(argument, b"TO:").ok_or(CommandError::Usage("RCPT TO:<friend@local.example>"))?;
    let (path, mut parameters) = spelling::path(argument).map_err(CommandError::ForwardPath)?;
    let path = path.parse().map_err(|error| CommandError::ForwardPath(PathError::Address(error)))?;
    match parameters.next() {
        None => Ok(RcptTo::new(path)),
        Some(parameter) => {
            let name = parameter.split('=').next().unwrap_or(parameter);
            Err(CommandError::UnknownParameter(Text::clean(name)))
        }
    }
}

fn keyword<'a>(argument: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then_some(rest)
}

impl fmt::Display for MailFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MAIL FROM:<{}>", self.reverse_path)?;
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        if let Some(body) = self.body {
            write!(f, " BODY={body}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RcptTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RCPT TO:<{}>", self.forward_path)
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
            Self::Rset => f.write_str("RSET"),
            Self::Noop => f.write_str("NOOP"),
            Self::Quit => f.write_str("QUIT"),
            Self::Vrfy(what) => write!(f, "VRFY {what}"),
            Self::Expn(what) => write!(f, "EXPN {what}"),
            Self::Help(None) => f.write_str("HELP"),
            Self::Help(Some(topic)) => write!(f, "HELP {topic}"),
        }
    }
}

#[cfg(test)]
mod tests;

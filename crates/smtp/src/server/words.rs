//! The one place that words the server's replies: code, enhanced code, a sentence that helps
//! (RFC 5321 §4.2.2, RFC 3463).

use super::{Dialect, Setup};
use crate::command::{CommandError, Parameter, PathError};
use crate::data::Bare;
use crate::extension::FutureRelease;
use crate::limits::COMMAND_LINE_OCTETS_MAX;
use crate::line::Fault;
use postrider_mail::{Code, Domain, Enhanced, Protocol, Refusal, Reply, Text};

fn say(code: u16, enhanced: (u8, u16, u16), text: impl Into<Text>) -> Reply {
    Reply::new(Code::of(code), Enhanced::of(enhanced.0, enhanced.1, enhanced.2), text)
}

fn refuse(code: u16, enhanced: (u8, u16, u16), text: impl Into<Text>) -> Refusal {
    Refusal::of(Code::of(code), Enhanced::of(enhanced.0, enhanced.1, enhanced.2), text)
}

// What goes well -----------------------------------------------------------------------------------------

/// No enhanced code stands in the greeting or behind HELO (RFC 2034 §4).
pub(super) fn greeting(setup: &Setup) -> Reply {
    let protocol = match setup.dialect {
        Dialect::Smtp => "ESMTP",
        Dialect::Lmtp => "LMTP",
    };
    Reply::new(Code::of(220), None, format!("{} {protocol} {}", setup.hostname, setup.banner).trim_end())
}

/// The extensions stand behind EHLO and LHLO only.
pub(super) fn hello(setup: &Setup, protocol: Protocol) -> Reply {
    let name = Text::clean(setup.hostname.as_str());
    let keywords = match protocol {
        Protocol::Smtp => Vec::new(),
        Protocol::Esmtp | Protocol::Lmtp => {
            setup.extensions.keywords(setup.content_octets_max, setup.recipients_max)
        }
    };
    Reply::of_lines(Code::of(250), None, std::iter::once(name).chain(keywords))
}

pub(super) fn mail_accepted() -> Reply {
    say(250, (2, 1, 0), "sender noted")
}

pub(super) fn rcpt_accepted() -> Reply {
    say(250, (2, 1, 5), "recipient noted")
}

pub(super) fn go_ahead() -> Reply {
    Reply::new(Code::of(354), None, "send the message, then a line with a single dot")
}

pub(super) fn queued(id: &Text) -> Reply {
    say(250, (2, 0, 0), format!("accepted, synced to disk, queued as {id}"))
}

pub(super) fn chunk_taken(octets: u64) -> Reply {
    say(250, (2, 0, 0), format!("{octets} octets taken, more to come"))
}

pub(super) fn noted() -> Reply {
    say(250, (2, 0, 0), "noted")
}

pub(super) fn reset() -> Reply {
    say(250, (2, 0, 0), "forgotten; start again with MAIL")
}

pub(super) fn noop() -> Reply {
    say(250, (2, 0, 0), "still here")
}

pub(super) fn goodbye(hostname: &Domain) -> Reply {
    say(221, (2, 0, 0), format!("{hostname} goodbye"))
}

// Errors of syntax and order -------------------------------------------------------------------------------

pub(super) fn fault(fault: Fault) -> Reply {
    match fault {
        Fault::TooLong => {
            say(500, (5, 5, 2), format!("a command line has at most {COMMAND_LINE_OCTETS_MAX} octets"))
        }
        Fault::CarriageReturnNul => say(
            500,
            (5, 5, 2),
            "your terminal ends lines with CR NUL; they must end in CRLF (in telnet: mode line, or unset crmod)",
        ),
        Fault::Backspace => say(
            500,
            (5, 5, 2),
            "your terminal sent a backspace, which is not edited here; type the whole line again",
        ),
        Fault::Control | Fault::TlsHello | Fault::ProxyHeader => {
            say(500, (5, 5, 2), "the line holds a control character; lines are printable and end in CRLF")
        }
    }
}

pub(super) fn command_error(error: &CommandError, dialect: Dialect) -> Reply {
    match error {
        CommandError::Unknown
        | CommandError::ForeignProtocol
        | CommandError::ProxyHeader
        | CommandError::Boundless => {
            let opening = hello_example(dialect);
            say(500, (5, 5, 1), format!("no such command; say {opening} to begin, HELP for the list"))
        }
        CommandError::NotOffered(verb) => no_verb(verb),
        CommandError::Usage(form) | CommandError::BadChunk { usage: form, .. } => usage(form),
        CommandError::NotAscii => not_ascii().into(),
        CommandError::ReversePath(error) => {
            path_error(*error, (5, 1, 7), "MAIL FROM:<you@client.example>, or MAIL FROM:<> for a notice")
        }
        CommandError::ForwardPath(error) => path_error(*error, (5, 1, 3), "RCPT TO:<friend@local.example>"),
        CommandError::UnknownParameter(keyword) => not_offered(keyword.as_str(), Protocol::Esmtp),
        CommandError::BadParameter(_, parameter) => {
            say(501, (5, 5, 4), format!("the parameter {parameter} is malformed"))
        }
        // The one excludes the other.
        CommandError::RepeatedParameter(Parameter::HoldFor | Parameter::HoldUntil) => {
            say(501, (5, 5, 4), "of HOLDFOR and HOLDUNTIL, one is given, and once")
        }
        CommandError::RepeatedParameter(parameter) => {
            say(501, (5, 5, 4), format!("the parameter {} was given twice", parameter.keyword()))
        }
    }
}

pub(super) fn usage(form: &str) -> Reply {
    say(501, (5, 5, 4), format!("the form is: {form}"))
}

/// A command that is known and not offered (RFC 5321 §4.2.4).
pub(super) fn no_verb(verb: &str) -> Reply {
    say(502, (5, 5, 1), format!("{verb} is not offered here"))
}

/// A parameter that is not offered (RFC 5321 §4.1.1.11).
pub(super) fn not_offered(parameter: &str, protocol: Protocol) -> Reply {
    match protocol {
        Protocol::Smtp => {
            say(555, (5, 5, 4), format!("the parameter {parameter} needs EHLO in place of HELO"))
        }
        Protocol::Esmtp | Protocol::Lmtp => {
            say(555, (5, 5, 4), format!("the parameter {parameter} is not offered here"))
        }
    }
}

fn path_error(error: PathError, enhanced: (u8, u16, u16), usage: &str) -> Reply {
    match error {
        PathError::Ambiguous => say(501, enhanced, format!("exactly one address is needed: {usage}")),
        PathError::NotAscii => not_ascii().into(),
        PathError::NotUtf8 => say(501, enhanced, "the address is neither ASCII nor UTF-8"),
        PathError::Address(error) => say(501, enhanced, error.to_string()),
    }
}

fn hello_example(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Smtp => "EHLO client.example",
        Dialect::Lmtp => "LHLO client.example",
    }
}

pub(super) fn other_dialect(ours: Dialect) -> Reply {
    let sentence = match ours {
        Dialect::Smtp => "this is SMTP: say EHLO or HELO, not LHLO",
        Dialect::Lmtp => "this is LMTP: say LHLO, not EHLO or HELO",
    };
    say(500, (5, 5, 1), sentence)
}

pub(super) fn hello_first(dialect: Dialect) -> Reply {
    say(503, (5, 5, 1), format!("say who you are first: {}", hello_example(dialect)))
}

pub(super) fn mail_first(verb: &str) -> Reply {
    say(503, (5, 5, 1), format!("{verb} needs a MAIL before it"))
}

pub(super) fn nested_mail() -> Reply {
    say(503, (5, 5, 1), "a message is already begun; finish it with DATA or forget it with RSET")
}

pub(super) fn content_begun(verb: &str) -> Reply {
    say(
        503,
        (5, 5, 1),
        format!("the message has begun with BDAT: {verb} must wait for its last chunk, or RSET"),
    )
}

pub(super) fn binary_needs_bdat() -> Reply {
    say(503, (5, 5, 1), "a message with BODY=BINARYMIME comes by BDAT, not by DATA")
}

pub(super) fn transaction_open(verb: &str) -> Reply {
    say(503, (5, 5, 1), format!("{verb} must stand outside a transaction; RSET forgets it"))
}

pub(super) fn no_recipients() -> Reply {
    say(503, (5, 5, 1), "no recipient was accepted; name one with RCPT first")
}

// Refusals ---------------------------------------------------------------------------------------------------

pub(super) fn content_too_large(octets_max: u64) -> Refusal {
    refuse(552, (5, 3, 4), format!("a message may have at most {octets_max} octets here"))
}

pub(super) fn not_ascii() -> Refusal {
    refuse(553, (5, 6, 7), "UTF-8 in an address needs the parameter SMTPUTF8, in MAIL, VRFY and EXPN")
}

pub(super) fn held_too_long(most: FutureRelease) -> Refusal {
    let FutureRelease { seconds_max, until_max } = most;
    refuse(501, (5, 5, 4), format!("mail is held for {seconds_max} seconds at most, until {until_max}"))
}

pub(super) fn deadline_too_soon(least: u32) -> Refusal {
    refuse(550, (5, 4, 7), format!("delivery in less than {least} seconds cannot be promised here"))
}

pub(super) fn soliciting(keyword: &str) -> Refusal {
    refuse(550, (5, 7, 1), format!("solicitation of the kind {keyword} is not taken here"))
}

pub(super) fn line_too_long(octets_max: u64) -> Refusal {
    refuse(554, (5, 6, 0), format!("a line of the message has more than {octets_max} octets"))
}

pub(super) fn too_many_recipients(recipients_max: u32) -> Refusal {
    let sentence = format!("{recipients_max} recipients are the most at a time; send the others afterwards");
    refuse(452, (4, 5, 3), sentence)
}

pub(super) fn bare(bare: Bare) -> Refusal {
    let what = match bare {
        Bare::Cr => "a CR without LF",
        Bare::Lf => "an LF without CR",
        Bare::Nul => "a NUL",
    };
    refuse(554, (5, 6, 0), format!("the message holds {what}; its lines must end in CRLF"))
}

// Endings ----------------------------------------------------------------------------------------------------

pub(super) fn false_end() -> Refusal {
    refuse(521, (5, 5, 2), "lines must end in CRLF, the one with the dot too; goodbye (with nc, use nc -C)")
}

pub(super) fn foreign_protocol() -> Refusal {
    refuse(521, (5, 5, 1), "this is a mail server, and that was another protocol; goodbye")
}

pub(super) fn proxy_header() -> Refusal {
    refuse(521, (5, 7, 1), "the PROXY protocol is not expected from your address; goodbye")
}

pub(super) fn boundless_chunk() -> Refusal {
    refuse(
        521,
        (5, 5, 4),
        "BDAT needs a number of octets that can be counted; without it nothing behind can be read",
    )
}

pub(super) fn tls_hello() -> Refusal {
    refuse(521, (5, 5, 1), "that was a TLS handshake, and this port begins without TLS; goodbye")
}

pub(super) fn far_too_many_recipients(hostname: &Domain) -> Refusal {
    refuse(421, (4, 5, 3), format!("{hostname} far too many recipients at once; goodbye"))
}

pub(super) fn too_many_commands(hostname: &Domain) -> Refusal {
    refuse(421, (4, 7, 0), format!("{hostname} too many commands and no message; goodbye"))
}

pub(super) fn too_many_errors(hostname: &Domain) -> Refusal {
    refuse(421, (4, 7, 0), format!("{hostname} too many errors in one session; goodbye"))
}

pub(super) fn timed_out(hostname: &Domain) -> Refusal {
    refuse(421, (4, 4, 2), format!("{hostname} waited too long; goodbye"))
}

pub(super) fn stopping(hostname: &Domain) -> Refusal {
    refuse(421, (4, 3, 2), format!("{hostname} is stopping; please try again soon"))
}

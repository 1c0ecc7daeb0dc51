//! The arguments of the smaller verbs: HELO and its kin, VRFY, BDAT, ETRN.

use super::{Chunk, Command, CommandError, Sought, TurnNode};
use postrider_mail::limits::TEXT_OCTETS_MAX;
use postrider_mail::{Domain, HeloName, Text};

/// The name behind HELO, EHLO or LHLO.
pub(super) fn helo(argument: &[u8], usage: &'static str) -> Result<HeloName, CommandError> {
    let name = std::str::from_utf8(argument).ok().and_then(|name| name.parse().ok());
    name.ok_or(CommandError::Usage(usage))
}

/// A verb that nothing follows.
pub(super) fn alone(argument: &[u8], command: Command, usage: &'static str) -> Result<Command, CommandError> {
    if argument.is_empty() { Ok(command) } else { Err(CommandError::Usage(usage)) }
}

/// What VRFY and EXPN ask for: `String [ SP "SMTPUTF8" ]` (RFC 6531 §3.7.4.2). UTF-8 needs the parameter.
pub(super) fn whom(argument: &[u8], usage: &'static str) -> Result<Sought, CommandError> {
    const PARAMETER: &[u8] = b"SMTPUTF8";
    let (rest, last) = argument.split_at(argument.len().saturating_sub(PARAMETER.len()));
    let utf8 = last.eq_ignore_ascii_case(PARAMETER) && rest.last().is_some_and(u8::is_ascii_whitespace);
    let string = if utf8 { rest.trim_ascii_end() } else { argument };
    // What a text would cut is longer than any address.
    if string.is_empty() || string.len() > TEXT_OCTETS_MAX {
        Err(CommandError::Usage(usage))
    } else if !utf8 && !string.is_ascii() {
        Err(CommandError::NotAscii)
    } else {
        Ok(Sought { string: Text::from_peer(string), smtputf8: utf8 })
    }
}

/// `bdat-cmd ::= "BDAT" SP chunk-size [ SP end-marker ]` (RFC 3030 §2). Where the size can be read and what
/// follows it cannot, the octets come none the less and must be passed over.
pub(super) fn bdat(argument: &[u8]) -> Result<Chunk, CommandError> {
    const USAGE: &str = "BDAT octets, or BDAT octets LAST";
    if argument.is_empty() {
        return Err(CommandError::Usage(USAGE));
    }
    let mut words = argument.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    let octets = words.next().and_then(number).ok_or(CommandError::Boundless)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(Chunk { octets, is_last: false }),
        (Some(word), None) if word.eq_ignore_ascii_case(b"LAST") => Ok(Chunk { octets, is_last: true }),
        _ => Err(CommandError::BadChunk { octets, usage: USAGE }),
    }
}

/// `1*DIGIT`, as far as it can be counted.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}

/// `ETRN [option] node-name` (RFC 1985 §5).
pub(super) fn etrn(argument: &[u8]) -> Result<TurnNode, CommandError> {
    let domain = |name: &[u8]| std::str::from_utf8(name).ok()?.parse::<Domain>().ok();
    let node = match argument {
        [b'@', name @ ..] => domain(name).map(TurnNode::Below),
        [b'#', name @ ..] if is_queue_name(name) => Some(TurnNode::Queue(Text::from_peer(name))),
        name => domain(name).map(TurnNode::Domain),
    };
    node.ok_or(CommandError::Usage("ETRN local.example, ETRN @local.example or ETRN #queue"))
}

fn is_queue_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

//! What a message's sender asked for, said to the next host, and who answers for what that host does not offer.
//!
//! The engine says a parameter only where its extension is offered. What is left here is what of it may be
//! said at all, and what we owe the sender ourselves where a host cannot be told.

use super::Errand;
use crate::connection::Connection;
use postrider_mail::{Body, ByMode, DeliverBy, Priority, UnixMillis};
use postrider_queue::{Message, SuccessNotice};
use postrider_smtp::client::PassedOn;
use postrider_smtp::command::MailFrom;
use postrider_smtp::server::Dialect;

/// MAIL for the message with this prefix.
pub(super) fn mail(connection: &Connection, errand: &Errand<'_>, prefix: &[u8], now: UnixMillis) -> MailFrom {
    let message = errand.message;
    let requests = &message.requests;
    let octets = message.rendition.octets(message.content.facts().size);
    let is_eight_bit = || is_eight_bit(message) || !prefix.is_ascii();
    let body = if goes_as_binary(connection, message) {
        Some(Body::BinaryMime)
    } else {
        is_eight_bit().then_some(Body::EightBitMime)
    };
    // LMTP is the last hop: in time is now, and we have looked.
    let by = requests.by.filter(|_| connection.dialect() == Dialect::Smtp);
    MailFrom {
        size: Some(prefix.len() as u64 + octets),
        body,
        smtputf8: says_utf8(connection, message, prefix),
        ret: requests.ret,
        envid: requests.envid.clone(),
        by: by.and_then(|by| by.left(now)),
        priority: Some(requests.priority).filter(|&priority| priority != Priority::default()),
        solicit: requests.solicit.clone(),
        ..MailFrom::new(message.reverse_path.clone())
    }
}

/// Whether BODY=BINARYMIME is declared. What came so goes on so, as its lines mean nothing (RFC 3030 §3); but to
/// a host that does not take it, content that turns out to be lines goes by DATA, as all mail does. What is
/// declared of that is what it is: 7BIT needs no word (RFC 6152 §3).
pub(super) fn goes_as_binary(connection: &Connection, message: &Message) -> bool {
    message.body == Some(Body::BinaryMime)
        && (connection.offer().takes_binary() || !message.content.facts().is_lines())
}

/// Whether SMTPUTF8 is said for the content's sake. A message that was sent with it and has UTF-8 in its
/// header section cannot go without, whatever its addresses (RFC 6531 §3.2); one that turns out to be ASCII
/// should (RFC 6531 §3.4). What stands in headers of its parts is 8-bit content to us: said where it is
/// offered, and left to 8BITMIME elsewhere. What never was sent with SMTPUTF8 is not now. Addresses count by
/// themselves.
fn says_utf8(connection: &Connection, message: &Message, prefix: &[u8]) -> bool {
    let facts = message.content.facts();
    let header = facts.eight_bit_header || !message.rendition.prefix().is_ascii() || !prefix.is_ascii();
    message.requests.smtputf8 && (header || (facts.eight_bit_body && connection.offer().smtputf8))
}

/// Whether any octet of the message is above 127.
pub(super) fn is_eight_bit(message: &Message) -> bool {
    let facts = message.content.facts();
    facts.eight_bit_header || facts.eight_bit_body || !message.rendition.prefix().is_ascii()
}

/// Whether the sender wanted the message back by now (RFC 2852 §4). The queue gives it up then; this is for
/// what was on its way at that moment.
pub(super) fn is_too_late(message: &Message, now: UnixMillis) -> bool {
    message.requests.by.is_some_and(|by| by.mode == ByMode::Return && by.left(now).is_none())
}

/// Who tells the sender of a success at a host that was told this much. A deadline with a trace is answered by
/// each host that relays, one of mode N by the last that knows of it (RFC 2852 §4).
pub(super) fn success(by: Option<DeliverBy>, passed_on: PassedOn) -> SuccessNotice {
    if by.is_some_and(|by| by.trace || !passed_on.deliver_by) {
        SuccessNotice::Always
    } else if passed_on.dsn {
        SuccessNotice::PassedOn
    } else {
        SuccessNotice::IfAsked
    }
}

#[cfg(test)]
mod tests;

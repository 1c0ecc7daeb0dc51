//! Loops through mailboxes and aliases: a message that was delivered to an address before, and comes back.
//!
//! Every mailbox and every alias that sends mail on writes its address into a Delivered-To field (RFC 9228)
//! above the message. Who finds its own address there has met the message already. Hops are counted
//! elsewhere, when a message is accepted.

use crate::limits::HEADER_OCTETS_MAX;
use memchr::memmem;
use postrider_mail::header::{self, Field};
use postrider_mail::{Mailbox, xtext};
use postrider_queue::{ContentError, Message};

/// A line end, and an empty line behind it.
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// What stands before the protocol in a Received field of ours.
const OUR_WITH: &[u8] = b" (Postrider) with ";

/// The type of an address that is spelled in ASCII (RFC 6533 §3).
const UTF8: &str = "utf-8;";

/// Whether a Delivered-To field of this header section names the address. Compared as our own directory
/// compares addresses, for it is an address of ours that is looked for.
pub(crate) fn is_delivered_to(section: &[u8], address: &Mailbox) -> bool {
    let key = address.key();
    let mut fields = header::fields(section).peekable();
    if fields.next_if(|field| came_by_lmtp(field)).is_some() {
        // Who hands mail to its mailbox by LMTP may have said so in a field of its own (OpenSMTPD does): that is
        // this very delivery. What was delivered before lies below the field of the host that handed it over.
        while fields.next_if(|field| !field.is("Received")).is_some() {}
    }
    fields.filter(|field| field.is("Delivered-To")).any(|field| {
        let value = field.value();
        let value = std::str::from_utf8(&value).unwrap_or_default();
        let bare = value.strip_prefix('<').and_then(|value| value.strip_suffix('>')).unwrap_or(value);
        let spelled = bare.strip_prefix(UTF8).and_then(|spelled| xtext::decode_utf8(spelled).ok());
        spelled.as_deref().unwrap_or(bare).parse().is_ok_and(|found: Mailbox| found.key() == key)
    })
}

/// Whether this is the Received field of ours that stands above a message handed to us by LMTP.
fn came_by_lmtp(field: &Field<'_>) -> bool {
    let value = field.value();
    let with = memmem::find(&value, OUR_WITH).map(|at| &value[at + OUR_WITH.len()..]);
    let protocol = with.and_then(|with| with.split(|&octet| octet == b' ').next());
    field.is("Received") && protocol.is_some_and(|protocol| memmem::find(protocol, b"LMTP").is_some())
}

/// The field that recognises the message when it comes back; with CRLF. Always ASCII, an address that is not as
/// RFC 6533 §3 spells it: a field of ours must not keep a message from hosts without SMTPUTF8.
pub(crate) fn delivered_to(address: &Mailbox) -> String {
    let (local, host) = (address.local().to_string(), address.host().key());
    if local.is_ascii() {
        format!("Delivered-To: {local}@{host}\r\n")
    } else {
        format!("Delivered-To: {UTF8}{}@{host}\r\n", xtext::encode_utf8(&local))
    }
}

/// The header section of what leaves, its first [`HEADER_OCTETS_MAX`] octets at most. Blocks unless the
/// content is in memory.
///
/// # Errors
/// The content cannot be read, or is not what was accepted.
pub(crate) fn header_section(message: &Message) -> Result<Vec<u8>, ContentError> {
    let mut reader = message.content.read(&message.rendition)?;
    let mut section = Vec::new();
    while let Some(chunk) = reader.chunk()? {
        // The empty line may lie across two chunks.
        let from = section.len().saturating_sub(EMPTY_LINE.len() - 1);
        section.extend_from_slice(&chunk[..chunk.len().min(HEADER_OCTETS_MAX - section.len())]);
        let end = if section.starts_with(b"\r\n") {
            Some("\r\n".len())
        } else {
            memmem::find(&section[from..], EMPTY_LINE).map(|at| from + at + EMPTY_LINE.len())
        };
        if let Some(end) = end {
            section.truncate(end);
            break;
        }
        if section.len() == HEADER_OCTETS_MAX {
            break;
        }
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &[u8] = b"Delivered-To: Staff@Example.org\r\n\
        delivered-to:\r\n <other@example.org>\r\nDelivered-To: nonsense\r\nDelivered-To: \xff@x\r\n\
        X-Delivered-To: third@example.org\r\nSubject: Delivered-To: fourth@example.org\r\n\r\n";

    #[test]
    fn an_address_is_found_in_a_delivered_to_field_and_nowhere_else() {
        for (address, found) in [
            ("staff@example.org", true),
            ("STAFF@example.ORG", true),
            ("other@example.org", true),
            ("third@example.org", false),
            ("fourth@example.org", false),
            ("nonsense@example.org", false),
        ] {
            assert_eq!(is_delivered_to(SECTION, &address.parse().unwrap()), found, "{address}");
        }
        assert!(!is_delivered_to(b"", &"staff@example.org".parse().unwrap()));
    }

    #[test]
    fn who_hands_mail_over_by_lmtp_may_name_its_recipient() {
        let section = |with: &str, theirs: &str, below: &str| {
            format!(
                "Received: from mx.example ([127.0.0.1])\r\n\tby mx.local.example (Postrider) with {with} id 1;\r\n\tnow\r\n\
                 {theirs}Received: from client by mx.example; now\r\n{below}Subject: x\r\n\r\n"
            )
        };
        let named = "Return-Path: <x@y>\r\nDelivered-To: a@b.example\r\n";
        let address = "a@b.example".parse().unwrap();
        for (with, theirs, below, found) in [
            ("LMTP", named, "", false),
            ("LMTPA", named, "", false),
            ("UTF8LMTP", named, "", false),
            ("LMTP", named, named, true),
            ("LMTP", "", named, true),
            ("ESMTP", named, "", true),
        ] {
            let section = section(with, theirs, below);
            assert_eq!(is_delivered_to(section.as_bytes(), &address), found, "{section}");
        }
    }

    #[test]
    fn what_is_written_is_found_again() {
        for address in ["a@b.example", "\"a b\"@b.example", "a@[192.0.2.1]", "jörg@bücher.example"] {
            let address = address.parse().unwrap();
            let field = delivered_to(&address);
            assert!(is_delivered_to(field.as_bytes(), &address), "{field}");
            assert!(field.is_ascii(), "{field}");
        }
    }
}

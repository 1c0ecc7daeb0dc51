//! Loops through mailboxes and aliases: a message that was delivered to an address before, and comes back.
//!
//! Every mailbox and every alias that sends mail on writes its address into a Delivered-To field (RFC 9228)
//! above the message. Who finds its own address there has met the message already. Hops are counted
//! elsewhere, when a message is accepted.

use crate::limits::HEADER_OCTETS_MAX;
use memchr::memmem;
use postrider_mail::{Mailbox, header};
use postrider_queue::{ContentError, Message};

/// A line end, and an empty line behind it.
const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// Whether a Delivered-To field of this header section names the address. Compared as our own directory
/// compares addresses, for it is an address of ours that is looked for.
pub(crate) fn is_delivered_to(section: &[u8], address: &Mailbox) -> bool {
    let key = address.key();
    header::fields(section).filter(|field| field.is("Delivered-To")).any(|field| {
        let value = field.value();
        let value = std::str::from_utf8(&value).unwrap_or_default();
        let bare = value.strip_prefix('<').and_then(|value| value.strip_suffix('>')).unwrap_or(value);
        bare.parse().is_ok_and(|found: Mailbox| found.key() == key)
    })
}

/// The field that recognises the message when it comes back; with CRLF.
pub(crate) fn delivered_to(address: &Mailbox) -> String {
    format!("Delivered-To: {}@{}\r\n", address.local(), address.host().key())
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
    fn what_is_written_is_found_again() {
        for address in ["a@b.example", "\"a b\"@b.example", "a@[192.0.2.1]", "jörg@bücher.example"] {
            let address = address.parse().unwrap();
            let field = delivered_to(&address);
            assert!(is_delivered_to(field.as_bytes(), &address), "{field}");
        }
    }
}

//! The last part of a notice: what comes back of the message (RFC 6522 §3, §4).

use super::lines::{field, is_clean, quoted_printable};
use crate::header::section_end;
use crate::limits::NOTICE_HEADER_OCTETS_MAX;

/// What comes back of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original<'a> {
    /// These octets: the message from its first octet on, or its header section alone.
    Content(&'a [u8], Returned),
    /// Nothing: the content cannot be read any more.
    Lost,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The header section.
    Header,
    /// All of it, if it may travel in a notice as it is; else the header section.
    Message,
}

impl Original<'_> {
    /// The part, with its own header; empty when nothing comes back.
    pub(super) fn part(&self) -> Vec<u8> {
        let Self::Content(content, returned) = *self else { return Vec::new() };
        if returned == Returned::Message && is_clean(content) {
            return part("message/rfc822", "Undelivered message", "7bit", content);
        }
        let header = header_section(content);
        let description = "Header of the message";
        if is_clean(header) {
            return part("text/rfc822-headers", description, "7bit", header);
        }
        // Which other character set it might be, nobody knows.
        let is_utf8 = !header.is_ascii() && std::str::from_utf8(header).is_ok();
        let kind = if is_utf8 { "text/rfc822-headers; charset=utf-8" } else { "text/rfc822-headers" };
        part(kind, description, "quoted-printable", &quoted_printable(header))
    }

    /// The header section that comes back, for those who look for a field in it.
    pub(super) fn header(&self) -> &[u8] {
        match self {
            Self::Content(content, _) => header_section(content),
            Self::Lost => &[],
        }
    }
}

/// The header section without its empty line; of a monstrous one, whole lines up to the limit.
fn header_section(content: &[u8]) -> &[u8] {
    let section = &content[..section_end(content).map_or(content.len(), |end| end - 2)];
    if section.len() <= NOTICE_HEADER_OCTETS_MAX {
        return section;
    }
    let cut = &section[..NOTICE_HEADER_OCTETS_MAX];
    memchr::memrchr(b'\n', cut).map_or(cut, |end| &cut[..=end])
}

fn part(kind: &str, description: &str, encoding: &str, octets: &[u8]) -> Vec<u8> {
    let mut head = String::new();
    field(&mut head, "Content-Description", description);
    field(&mut head, "Content-Type", kind);
    field(&mut head, "Content-Transfer-Encoding", encoding);
    head.push_str("\r\n");
    let mut part = head.into_bytes();
    part.extend_from_slice(octets);
    part
}

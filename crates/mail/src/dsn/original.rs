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

/// How much does come back, in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    Message,
    Header,
    /// The first lines of a header section that is too long.
    PartOfHeader,
    Nothing,
}

impl Original<'_> {
    /// How much comes back: less than was wanted, where it may not travel or is too long.
    pub(super) fn back(&self) -> Back {
        match *self {
            Self::Lost => Back::Nothing,
            Self::Content(content, Returned::Message) if is_clean(content) => Back::Message,
            Self::Content(content, _) if is_too_long(header_section(content)) => Back::PartOfHeader,
            Self::Content(..) => Back::Header,
        }
    }

    /// The part, with its own header; empty when nothing comes back.
    pub(super) fn part(&self) -> Vec<u8> {
        let Self::Content(content, _) = *self else { return Vec::new() };
        let description = match self.back() {
            Back::Message => return part("message/rfc822", "Undelivered message", "7bit", content),
            Back::PartOfHeader => "Beginning of the header, the rest is cut off",
            Back::Header | Back::Nothing => "Header of the message",
        };
        let header = self.header();
        if is_clean(header) {
            return part("text/rfc822-headers", description, "7bit", header);
        }
        // Which other character set it might be, nobody knows.
        let is_utf8 = !header.is_ascii() && std::str::from_utf8(header).is_ok();
        let kind = if is_utf8 { "text/rfc822-headers; charset=utf-8" } else { "text/rfc822-headers" };
        part(kind, description, "quoted-printable", &quoted_printable(header))
    }

    /// The header section that comes back, for those who look for a field in it; of a monstrous one, whole
    /// lines up to the limit.
    pub(super) fn header(&self) -> &[u8] {
        let Self::Content(content, _) = self else { return &[] };
        let section = header_section(content);
        if !is_too_long(section) {
            return section;
        }
        let cut = &section[..NOTICE_HEADER_OCTETS_MAX];
        memchr::memrchr(b'\n', cut).map_or(cut, |end| &cut[..=end])
    }
}

/// The header section without its empty line.
fn header_section(content: &[u8]) -> &[u8] {
    &content[..section_end(content).map_or(content.len(), |end| end - 2)]
}

fn is_too_long(section: &[u8]) -> bool {
    section.len() > NOTICE_HEADER_OCTETS_MAX
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

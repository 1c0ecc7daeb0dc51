//! Lines of a notice: header fields folded, text wrapped, octets made 7-bit.

use crate::limits::NOTICE_WORD_OCTETS_MAX;
use crate::{Mailbox, Text};
use std::fmt::Write as _;

/// Columns of a line that we write (RFC 5322 §2.1.1 recommends at most 78).
const COLUMNS: usize = 76;

/// Columns of a line of quoted-printable, with its `=` (RFC 2045 §6.7).
const QUOTED_COLUMNS: usize = 76;

/// Appends a header field, folded at spaces. Runs of spaces become one; what is not printable ASCII becomes
/// `?`. A word that would be too long for any line is broken.
pub(super) fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(':');
    let ascii: String = value.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    let mut column = name.len() + 1;
    for (at, word) in words(&ascii).enumerate() {
        if at > 0 && column + 1 + word.len() > COLUMNS {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push_str("\r\n");
}

/// Appends a header field whose value is somebody's name for something: runs of spaces are part of it.
pub(super) fn name_field(out: &mut String, name: &str, value: &str) {
    let fits = name.len() + ": ".len() + value.len() <= LINE_OCTETS_MAX;
    if value.contains("  ") && fits && value.bytes().all(|b| matches!(b, b' '..=b'~')) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{name}: {value}\r\n");
    } else {
        field(out, name, value);
    }
}

/// Appends a paragraph: `first` before its first line, `indent` before the others.
pub(super) fn paragraph(out: &mut String, first: &str, indent: &str, text: &str) {
    out.push_str(first);
    let mut column = first.len();
    for (at, word) in words(text).enumerate() {
        let wide = word.chars().count();
        if at > 0 && column + 1 + wide > COLUMNS {
            out.push_str("\r\n");
            out.push_str(indent);
            column = indent.len();
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += wide;
    }
    out.push_str("\r\n");
}

/// The words of a text, those of monstrous length in pieces.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(|word| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(NOTICE_WORD_OCTETS_MAX));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        })
    })
}

/// Octets in quoted-printable (RFC 2045 §6.7). Line ends are CRLF, in and out; a CR or LF that stands alone
/// is encoded. What does not end in a line end is given one.
pub(super) fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 8);
    let mut rest = octets;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n");
        quoted_line(&mut out, &rest[..end.unwrap_or(rest.len())]);
        out.extend_from_slice(b"\r\n");
        rest = end.map_or(&[][..], |end| &rest[end + 2..]);
    }
    out
}

fn quoted_line(out: &mut Vec<u8>, line: &[u8]) {
    let mut column = 0;
    for (at, &octet) in line.iter().enumerate() {
        let is_last = at + 1 == line.len();
        let plain = match octet {
            b'=' => false,
            b' ' | b'\t' => !is_last,
            octet => octet.is_ascii_graphic(),
        };
        let wide = if plain { 1 } else { 3 };
        if column + wide + usize::from(!is_last) > QUOTED_COLUMNS {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(octet);
        } else {
            out.extend_from_slice(format!("={octet:02X}").as_bytes());
        }
        column += wide;
    }
}

/// Whether lines are 7-bit, end in CRLF, and are no longer than a message's may be (RFC 5321 §4.5.3.1.6).
pub(super) fn is_clean(octets: &[u8]) -> bool {
    octets.is_ascii()
        && octets.split_inclusive(|&octet| octet == b'\n').all(|line| {
            let line = line.strip_suffix(b"\r\n").unwrap_or(line);
            line.len() <= LINE_OCTETS_MAX && memchr::memchr3(b'\r', b'\n', 0, line).is_none()
        })
}

/// Octets of a line, without its line end (RFC 5322 §2.1.1).
const LINE_OCTETS_MAX: usize = 998;

/// An address for a To field. One that ASCII cannot spell is named, not written (RFC 6857 §3.1.6).
pub(super) fn to(mailbox: &Mailbox) -> String {
    match ascii(mailbox) {
        Some(address) => format!("<{address}>"),
        None => {
            let mut quoted = String::new();
            for octet in mailbox.to_string().bytes() {
                let _ = match octet {
                    octet if octet.is_ascii_alphanumeric() || b"@.-".contains(&octet) => {
                        write!(quoted, "{}", char::from(octet))
                    }
                    octet => write!(quoted, "={octet:02X}"),
                };
            }
            // An encoded word has at most 75 characters (RFC 2047 §2).
            if quoted.len() <= 60 {
                format!("Internationalized Address =?utf-8?Q?{quoted}?= Removed:;")
            } else {
                "Internationalized Address Removed:;".to_owned()
            }
        }
    }
}

/// The address in ASCII, where it can be written so: its domain by A-labels.
pub(super) fn ascii(mailbox: &Mailbox) -> Option<String> {
    let local = mailbox.local().to_string();
    local.is_ascii().then(|| format!("{local}@{}", mailbox.host().key()))
}

/// An address with its type (RFC 3464 §2.3.2); beyond ASCII in `utf-8-addr-xtext` (RFC 6533 §3).
pub(super) fn typed(mailbox: &Mailbox) -> String {
    if let Some(address) = ascii(mailbox) {
        return format!("rfc822; {address}");
    }
    format!("utf-8; {}", extended(&mailbox.to_string()))
}

/// An address of type `utf-8` in ASCII: `utf-8-addr-xtext` (RFC 6533 §3).
pub(super) fn extended(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for c in address.chars() {
        if matches!(c, '!'..='~') && !matches!(c, '+' | '=' | '\\') {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
        }
    }
    out
}

/// The message id in a Message-ID field, where it is well formed enough to be repeated: `<…>` without
/// spaces.
pub(super) fn msg_id(field: &Text) -> Option<&str> {
    let id = field.as_str().trim();
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let fits = !inner.is_empty() && id.len() <= NOTICE_WORD_OCTETS_MAX;
    (fits && inner.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')).then_some(id)
}

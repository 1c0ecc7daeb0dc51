//! Content as it goes on the wire: lines that end in CRLF (RFC 5321 §2.3.8), and what must be known of them
//! before MAIL. Nothing but line ends is changed.

use std::fmt;

/// A whole message without NUL and without a CR or LF that stands alone; its last line is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    octets: Vec<u8>,
    has_8bit: bool,
    has_utf8_header: bool,
    longest_line: usize,
}

/// Why octets cannot be sent as a message. Lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsendable {
    /// There is nothing.
    Empty,
    /// A NUL (RFC 5321 §4.5.2 leaves nothing to do with it).
    Nul { line: usize },
    /// A CR without its LF.
    BareCr { line: usize },
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Nul { line } => {
                write!(f, "line {line} holds a NUL, which mail cannot carry; binary data goes with --attach")
            }
            Self::BareCr { line } => {
                write!(f, "line {line} holds a CR without an LF behind it; lines end in CRLF or in LF")
            }
        }
    }
}

impl Content {
    /// Reads lines that end in LF or CRLF, mixed or not; a last line without an end is ended.
    pub(super) fn new(raw: Vec<u8>) -> Result<Self, Unsendable> {
        let found = look(&raw)?;
        let ends_open = raw.last() != Some(&b'\n');
        let mut octets = if found.bare_lfs == 0 { raw } else { with_crlf(&raw, found.bare_lfs) };
        if ends_open {
            octets.extend_from_slice(b"\r\n");
        }
        let has_utf8_header = found.has_8bit && has_utf8_header(&octets);
        Ok(Self { octets, has_8bit: found.has_8bit, has_utf8_header, longest_line: found.longest_line })
    }

    /// The octets, dots not stuffed.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The octets, given away.
    pub(super) fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// Whether there are octets beyond ASCII, so that BODY=8BITMIME is to be declared (RFC 6152).
    pub(super) fn has_8bit(&self) -> bool {
        self.has_8bit
    }

    /// Whether the header section is UTF-8 beyond ASCII, which only SMTPUTF8 can carry (RFC 6532 §3). What is
    /// neither ASCII nor UTF-8 is nothing that any host could be told of.
    pub(super) fn has_utf8_header(&self) -> bool {
        self.has_utf8_header
    }

    /// Octets of the longest line, without its line end.
    pub(super) fn longest_line(&self) -> usize {
        self.longest_line
    }
}

#[derive(Default)]
struct Found {
    bare_lfs: usize,
    has_8bit: bool,
    longest_line: usize,
}

fn look(raw: &[u8]) -> Result<Found, Unsendable> {
    if raw.is_empty() {
        return Err(Unsendable::Empty);
    }
    let mut found = Found::default();
    for (at, line) in raw.split_inclusive(|&b| b == b'\n').enumerate() {
        let number = at + 1;
        let text = match line {
            [text @ .., b'\r', b'\n'] => text,
            [text @ .., b'\n'] => {
                found.bare_lfs += 1;
                text
            }
            text => text,
        };
        if text.contains(&0) {
            return Err(Unsendable::Nul { line: number });
        }
        if text.contains(&b'\r') {
            return Err(Unsendable::BareCr { line: number });
        }
        found.has_8bit |= !text.is_ascii();
        found.longest_line = found.longest_line.max(text.len());
    }
    Ok(found)
}

/// Whether a line is a field or continues one (RFC 5322 §2.2).
fn is_of_header(line: &[u8]) -> bool {
    let folded = line.starts_with(b" ") || line.starts_with(b"\t");
    let colon = line.iter().position(|&b| b == b':');
    folded || colon.is_some_and(|at| at > 0 && line[..at].iter().all(u8::is_ascii_graphic))
}

fn has_utf8_header(octets: &[u8]) -> bool {
    let lines = octets.split_inclusive(|&b| b == b'\n');
    // A line that is no field and continues none ends a header section too: some files have none.
    let end = lines.take_while(|line| is_of_header(line)).map(<[u8]>::len).sum();
    let header: &[u8] = &octets[..end];
    !header.is_ascii() && std::str::from_utf8(header).is_ok()
}

fn with_crlf(raw: &[u8], bare_lfs: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(raw.len() + bare_lfs + "\r\n".len());
    for line in raw.split_inclusive(|&b| b == b'\n') {
        match line {
            [.., b'\r', b'\n'] => octets.extend_from_slice(line),
            [text @ .., b'\n'] => {
                octets.extend_from_slice(text);
                octets.extend_from_slice(b"\r\n");
            }
            text => octets.extend_from_slice(text),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(raw: &str) -> Result<String, Unsendable> {
        Content::new(raw.into()).map(|content| String::from_utf8(content.octets).unwrap())
    }

    #[test]
    fn every_line_ends_in_crlf_whatever_it_ended_in() {
        assert_eq!(wire("a\nb\r\n\nc").unwrap(), "a\r\nb\r\n\r\nc\r\n");
        assert_eq!(wire("a\r\n").unwrap(), "a\r\n");
        assert_eq!(wire("\n").unwrap(), "\r\n");
    }

    #[test]
    fn only_a_header_section_in_utf8_needs_smtputf8() {
        let needs = |raw: &[u8]| Content::new(raw.to_vec()).unwrap().has_utf8_header();
        assert!(needs("Subject: grün\n\ntext\n".as_bytes()));
        assert!(needs("Subject: a\n grün\n\ntext\n".as_bytes()));
        for without in ["Subject: a\n\ngrün\n", "grün, without a header\n", "Subject: a\ngrün\n"] {
            assert!(!needs(without.as_bytes()), "{without}");
        }
        assert!(!needs(b"Subject: gr\xfcn\n\ntext\n"), "neither ASCII nor UTF-8");
    }

    #[test]
    fn what_mail_cannot_carry_is_named_with_its_line() {
        assert_eq!(wire(""), Err(Unsendable::Empty));
        assert_eq!(wire("a\nb\0\n"), Err(Unsendable::Nul { line: 2 }));
        for bad in ["a\n\nb\rc\n", "a\n\nb\r", "\n\nb\r\r\n"] {
            assert_eq!(wire(bad), Err(Unsendable::BareCr { line: 3 }), "{bad:?}");
        }
    }

    #[test]
    fn octets_beyond_ascii_and_long_lines_are_noticed() {
        let content = Content::new("é\r\nabcd\n".into()).unwrap();
        assert!(content.has_8bit());
        assert_eq!(content.longest_line(), 4);
        assert!(!Content::new("e".into()).unwrap().has_8bit());
    }

    proptest! {
        #[test]
        fn no_cr_or_lf_stands_alone(raw in "[a\\r\\n\\x00é]{0,40}") {
            if let Ok(text) = wire(&raw) {
                prop_assert!(text.ends_with("\r\n"));
                let rest = text.replace("\r\n", "");
                prop_assert!(!rest.contains(['\r', '\n', '\0']), "{:?}", text);
                let again = Content::new(text.clone().into()).unwrap();
                prop_assert_eq!(again.octets(), text.as_bytes());
            }
        }
    }
}

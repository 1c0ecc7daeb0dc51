//! Content on its way out: dots stuffed (RFC 5321 §4.5.2), lines ended by CRLF (RFC 5321 §2.3.8), the
//! final dot (RFC 5321 §4.1.1.4).
//!
//! Content is given with CRLF line ends; its last line may lack its own, as content that came by BDAT may. Should
//! a bare CR or LF be among it all the same (from a spool that another version filled, say), it becomes CRLF:
//! neither ever leaves this host by DATA, and a message that was accepted is not stranded for it.

use memchr::memchr2;

/// Stuffs content that comes in any pieces; holds none of it.
#[derive(Debug)]
pub(crate) struct Stuffer {
    /// The next octet begins a line.
    at_line_start: bool,
    /// The last octet was a CR, for which CRLF was written.
    after_cr: bool,
    /// Octets written so far, without the dots added.
    octets: u64,
    /// The final dot is written.
    finished: bool,
}

impl Stuffer {
    pub(crate) fn new() -> Self {
        Self { at_line_start: true, after_cr: false, octets: 0, finished: false }
    }

    /// Octets of content written so far, its dots unstuffed.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Appends a piece of content; nothing behind the final dot.
    pub(crate) fn content(&mut self, mut piece: &[u8], wire: &mut Vec<u8>) {
        if piece.is_empty() || self.finished {
            return;
        }
        // Room for a few dots; a piece that is full of them grows the wire.
        wire.reserve(piece.len() + piece.len() / 64 + "\r\n".len());
        if std::mem::take(&mut self.after_cr) {
            piece = piece.strip_prefix(b"\n").unwrap_or(piece);
        }
        while let Some(&first) = piece.first() {
            if self.at_line_start && first == b'.' {
                wire.push(b'.');
            }
            piece = self.line(piece, wire);
        }
    }

    /// Appends up to the end of one line; gives what is left.
    fn line<'p>(&mut self, piece: &'p [u8], wire: &mut Vec<u8>) -> &'p [u8] {
        let Some(end) = memchr2(b'\r', b'\n', piece) else {
            self.write(piece, wire);
            self.at_line_start = false;
            return b"";
        };
        self.at_line_start = true;
        if piece[end..].starts_with(b"\r\n") {
            let (line, rest) = piece.split_at(end + "\r\n".len());
            self.write(line, wire);
            return rest;
        }
        self.write(&piece[..end], wire);
        self.write(b"\r\n", wire);
        // Within the piece, a CR that a LF follows was found above.
        self.after_cr = piece[end..] == *b"\r";
        &piece[end + 1..]
    }

    /// Ends the last line, if it is not ended, and appends the dot, once.
    pub(crate) fn finish(&mut self, wire: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if !self.at_line_start {
            self.write(b"\r\n", wire);
        }
        wire.extend_from_slice(b".\r\n");
    }

    fn write(&mut self, octets: &[u8], wire: &mut Vec<u8>) {
        self.octets += octets.len() as u64;
        wire.extend_from_slice(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed(content: &[u8], cuts: &[usize]) -> (Vec<u8>, u64) {
        let (mut stuffer, mut wire, mut rest) = (Stuffer::new(), Vec::new(), content);
        for &cut in cuts {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            stuffer.content(piece, &mut wire);
            rest = more;
        }
        stuffer.content(rest, &mut wire);
        stuffer.finish(&mut wire);
        (wire, stuffer.octets())
    }

    /// The same by text replacement.
    fn naive(content: &[u8]) -> Vec<u8> {
        let text: String = content.iter().copied().map(char::from).collect();
        let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let text = format!("\n{text}").replace("\n.", "\n..")[1..].replace('\n', "\r\n");
        (text + ".\r\n").chars().map(|c| u8::try_from(c).unwrap()).collect()
    }

    /// RFC 5321 §4.5.2
    #[test]
    fn lines_that_begin_with_a_dot_get_another() {
        for (content, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n..c\r\n", b"a\r\n..b\r\n...c\r\n.\r\n"),
            (b"a.b\r\n", b"a.b\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(content, &[]).0, wire, "{}", content.escape_ascii());
        }
    }

    #[test]
    fn a_bare_cr_or_lf_cannot_end_the_content_early() {
        assert_eq!(stuffed(b"a\n.\nb\r.\rc\n.\r\n", &[]).0, b"a\r\n..\r\nb\r\n..\r\nc\r\n..\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn every_split_stuffs_as_the_naive_stuffer_does(
            content in prop::collection::vec(prop::sample::select(&b"..\r\r\n\na\xff\0"[..]), 0..40),
            cuts in prop::collection::vec(0usize..6, 0..12),
        ) {
            let (wire, octets) = stuffed(&content, &cuts);
            prop_assert_eq!(&wire, &naive(&content));
            for (at, &octet) in wire.iter().enumerate() {
                prop_assert!(octet != b'\r' || wire.get(at + 1) == Some(&b'\n'));
                prop_assert!(octet != b'\n' || at.checked_sub(1).map(|at| wire[at]) == Some(b'\r'));
            }
            let dots = wire.split(|&octet| octet == b'\n').filter(|line| line.starts_with(b"..")).count();
            prop_assert_eq!(octets, (wire.len() - dots - ".\r\n".len()) as u64);
        }

        #[test]
        fn content_that_is_well_formed_arrives_as_it_is(lines in prop::collection::vec("[.a-c]{0,5}", 1..10)) {
            let content = lines.join("\r\n") + "\r\n";
            let wire = String::from_utf8(stuffed(content.as_bytes(), &[]).0).unwrap();
            let unstuffed: String = wire
                .strip_suffix(".\r\n")
                .unwrap()
                .split_inclusive("\r\n")
                .map(|line| line.strip_prefix('.').unwrap_or(line))
                .collect();
            prop_assert_eq!(unstuffed, content);
        }
    }
}

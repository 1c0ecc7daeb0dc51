//! Content on its way in: the end of data, transparency, and nothing else that looks like an end
//! (RFC 5321 §4.1.1.4, §4.5.2, §2.3.8).
//!
//! Content ends at CRLF.CRLF only. A bare CR, a bare LF or a NUL spoils it: nothing more of it is handed
//! on, and it is read to its true end. A decoder that normalises makes CRLF of a bare CR or LF instead; a line
//! begins behind that LF for dots too, and not behind that CR, for which nobody stuffs them. Where a reader that takes LF for a line end would see the end — a
//! line of a single dot with a bare LF on at least one of its sides — the decoder stops: two readers could
//! disagree about what follows, and a person at a terminal would wait for ever.

use crate::ruler::{LineLengths, Ruler};
use crate::server::ContentNotes;
use std::ops::Range;

const CRLF: &[u8] = b"\r\n";

/// What spoiled the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    Cr,
    Lf,
    Nul,
}

/// One step of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'i> {
    /// What is left of the input, if anything, is the start of something that needs more octets.
    NeedInput,
    /// Content, its dots unstuffed, with its CRLFs.
    Octets(&'i [u8]),
    /// The first octet that content must not hold. Only `End`, `FalseEnd` and `NeedInput` follow.
    Bare(Bare),
    /// CRLF.CRLF.
    End,
    /// What an LF-only reader takes for the end.
    FalseEnd,
}

/// The decoder. Between calls it holds where it stands, never octets.
#[derive(Debug)]
pub(crate) struct Decoder {
    at_line_start: bool,
    /// Whether the line before this one ended in CRLF; the line end behind DATA counts as one.
    after_crlf: bool,
    spoiled: bool,
    normalise: bool,
    normalised: bool,
    lines: LineLengths,
}

impl Decoder {
    /// `normalise`: a CR or LF that stands alone becomes CRLF, else it spoils the content.
    pub(crate) fn new(normalise: bool) -> Self {
        Self {
            at_line_start: true,
            after_crlf: true,
            spoiled: false,
            normalise,
            normalised: false,
            lines: LineLengths::default(),
        }
    }

    /// Octets of the longest line so far, its stuffed dot not counted.
    pub(crate) fn line_octets(&self) -> u64 {
        self.lines.longest()
    }

    pub(crate) fn notes(&self) -> ContentNotes {
        ContentNotes { line_octets: self.lines.longest(), normalised: self.normalised }
    }

    /// Takes the next piece off the input and says how many octets that consumed.
    pub(crate) fn next<'i>(&mut self, input: &'i [u8]) -> (usize, Piece<'i>) {
        let (mut at, mut start) = (0, 0);
        let mut ruler = self.lines.ruler();
        loop {
            if self.spoiled {
                start = at;
            }
            if self.at_line_start {
                match self.line_start(&input[at..]) {
                    Start::Text => self.at_line_start = false,
                    Start::StuffedDot | Start::End | Start::FalseEnd if at > start => {
                        return self.hand_over(input, start..at, ruler);
                    }
                    Start::StuffedDot => {
                        self.at_line_start = false;
                        at += 1;
                        start = at;
                        ruler.begin(at);
                    }
                    Start::Open => return self.hand_over(input, start..at, ruler),
                    Start::End => return (at + b".\r\n".len(), Piece::End),
                    Start::FalseEnd => return (at + b".".len(), Piece::FalseEnd),
                }
            }
            let Some(found) = behind_plain_lines(input, &mut at, &mut ruler) else {
                return self.hand_over(input, start..input.len(), ruler);
            };
            let bare = match (input[found], input.get(found + 1)) {
                (b'\r', Some(b'\n')) => {
                    at = found + CRLF.len();
                    ruler.line(found, at);
                    (self.at_line_start, self.after_crlf) = (true, true);
                    continue;
                }
                (b'\r', None) => return self.hand_over(input, start..found, ruler),
                // What stands before it is content still, however the input was cut.
                _ if !self.spoiled && found > start => {
                    return self.hand_over(input, start..found, ruler);
                }
                (b'\r', Some(_)) => Bare::Cr,
                (b'\n', _) => {
                    (self.at_line_start, self.after_crlf) = (true, false);
                    Bare::Lf
                }
                _ => Bare::Nul,
            };
            at = found + 1;
            if self.normalise && !self.spoiled && bare != Bare::Nul {
                self.normalised = true;
                ruler.line(found, at);
                self.lines = ruler.stop(at);
                return (at, Piece::Octets(CRLF));
            }
            if !std::mem::replace(&mut self.spoiled, true) {
                return (at, Piece::Bare(bare));
            }
        }
    }

    /// What is in `range`: content, or nothing when it is spoiled.
    fn hand_over<'i>(&mut self, input: &'i [u8], range: Range<usize>, ruler: Ruler) -> (usize, Piece<'i>) {
        self.lines = ruler.stop(range.end);
        if self.spoiled || range.is_empty() {
            (range.end, Piece::NeedInput)
        } else {
            (range.end, Piece::Octets(&input[range.start..range.end]))
        }
    }

    fn line_start(&self, line: &[u8]) -> Start {
        match line {
            [] => Start::Open,
            [b'.'] | [b'.', b'\r'] => Start::Open,
            [b'.', b'\n', ..] => Start::FalseEnd,
            [b'.', b'\r', b'\n', ..] if self.after_crlf => Start::End,
            [b'.', b'\r', b'\n', ..] => Start::FalseEnd,
            [b'.', ..] => Start::StuffedDot,
            _ => Start::Text,
        }
    }
}

/// Goes from `at` over lines that end in CRLF and have no dot before the next, as nearly all do, and finds the
/// first octet that may end a line or spoil it otherwise.
fn behind_plain_lines(input: &[u8], at: &mut usize, ruler: &mut Ruler) -> Option<usize> {
    loop {
        let found = *at + memchr::memchr3(b'\r', b'\n', 0, &input[*at..])?;
        match input[found..] {
            [b'\r', b'\n', first, ..] if first != b'.' => {
                *at = found + CRLF.len();
                ruler.line(found, *at);
            }
            _ => return Some(found),
        }
    }
}

/// What a line opens with.
enum Start {
    Text,
    StuffedDot,
    /// Too few octets to tell.
    Open,
    End,
    FalseEnd,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Content, what spoiled it, how it ended, and the octets behind the end.
    type Outcome = (Vec<u8>, Option<Bare>, Option<&'static str>, usize);

    /// Feeds the chunks as a driver does: what is not consumed stands before the next chunk.
    fn decode(chunks: &[&[u8]]) -> Outcome {
        decode_with(Decoder::new(false), chunks)
    }

    fn decode_with(mut decoder: Decoder, chunks: &[&[u8]]) -> Outcome {
        let (mut content, mut bare, mut input) = (Vec::new(), None, Vec::new());
        for (index, chunk) in chunks.iter().enumerate() {
            input.extend_from_slice(chunk);
            loop {
                let (consumed, piece) = decoder.next(&input);
                let ended = match piece {
                    Piece::Octets(octets) => {
                        content.extend_from_slice(octets);
                        None
                    }
                    Piece::Bare(kind) => {
                        assert_eq!(bare.replace(kind), None, "spoiled twice");
                        None
                    }
                    Piece::End => Some("end"),
                    Piece::FalseEnd => Some("false end"),
                    Piece::NeedInput => {
                        input.drain(..consumed);
                        assert!(input.len() <= 2, "holds back {} octets", input.len());
                        break;
                    }
                };
                input.drain(..consumed);
                if let Some(how) = ended {
                    let rest: usize = chunks[index + 1..].iter().map(|c| c.len()).sum();
                    return (content, bare, Some(how), input.len() + rest);
                }
            }
        }
        (content, bare, None, input.len())
    }

    /// RFC 5321 §4.1.1.4, RFC 5321 §4.5.2
    #[test]
    fn dots_are_unstuffed_and_the_end_is_crlf_dot_crlf() {
        let (content, bare, how, rest) = decode(&[b"a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n"]);
        assert_eq!((&content[..], bare, how, rest), (&b"a\r\n.b\r\nc\r\n"[..], None, Some("end"), 6));
        assert_eq!(decode(&[b".\r\n"]), (vec![], None, Some("end"), 0));
    }

    /// RFC 5321 §2.3.8
    #[test]
    fn what_an_lf_only_reader_takes_for_the_end_stops_everything() {
        for false_end in ["a\n.\n", "a\r\n.\n", "a\n.\r\n", ".\n", "a\r\r\n.\n", "\0\n.\n"] {
            assert_eq!(decode(&[false_end.as_bytes(), b"MAIL"]).2, Some("false end"), "{false_end:?}");
        }
    }

    #[test]
    fn spoiled_content_is_read_to_its_true_end_and_not_handed_on() {
        for (spoiled, kind) in [
            ("a\rb\r\n.\r\n", Bare::Cr),
            ("a\nb\r\n.\r\n", Bare::Lf),
            ("a\0b\r\n.\r\n", Bare::Nul),
            ("\r.\r\r\n.\r\n", Bare::Cr),
            ("a\r\n.\r\0\r\n.\r\n", Bare::Cr),
        ] {
            let (_, bare, how, rest) = decode(&[spoiled.as_bytes()]);
            assert_eq!((bare, how, rest), (Some(kind), Some("end"), 0), "{spoiled:?}");
        }
    }

    #[test]
    fn a_normalising_decoder_makes_crlf_of_what_stands_alone() {
        for (input, content, how) in [
            ("a\nb\r\n.\r\n", "a\r\nb\r\n", "end"),
            ("a\rb\r\n.\r\n", "a\r\nb\r\n", "end"),
            ("a\n\rb\r\n.\r\n", "a\r\n\r\nb\r\n", "end"),
            ("a\r\r\n.\r\n", "a\r\n\r\n", "end"),
            ("a\n..b\r\n.\r\n", "a\r\n.b\r\n", "end"),
            ("a\r.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", "end"),
            ("a\n.\n", "a\r\n", "false end"),
            ("a\r\n.\n", "a\r\n", "false end"),
            ("a\n.\r\n", "a\r\n", "false end"),
        ] {
            let (found, bare, ended, _) = decode_with(Decoder::new(true), &[input.as_bytes()]);
            assert_eq!((&*found, bare, ended), (content.as_bytes(), None, Some(how)), "{input:?}");
        }
        let (_, bare, ended, _) = decode_with(Decoder::new(true), &[b"a\0b\nc\r\n.\r\n"]);
        assert_eq!((bare, ended), (Some(Bare::Nul), Some("end")));
    }

    #[test]
    fn the_longest_line_is_known_without_its_line_end_and_stuffed_dot() {
        for (input, octets) in [("ab\r\n..abc\r\nx", 4), ("\r\n", 0), ("abcde", 5), ("ab\r", 2)] {
            for cut in 0..=input.len() {
                let (head, tail) = input.as_bytes().split_at(cut);
                let mut decoder = Decoder::new(false);
                let mut input = head.to_vec();
                for more in [tail, b""] {
                    loop {
                        let (read, piece) = decoder.next(&input);
                        let waits = piece == Piece::NeedInput;
                        input.drain(..read);
                        if waits {
                            break;
                        }
                    }
                    input.extend_from_slice(more);
                }
                assert_eq!(decoder.line_octets(), octets, "{input:?} cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_content_and_the_same_end(
            input in proptest::collection::vec(prop_oneof![
                Just(b'.'), Just(b'\r'), Just(b'\n'), Just(0), Just(b'x'), Just(b'\r'), Just(b'\n'), Just(b'.')
            ], 0..40),
            crlf in any::<bool>(),
            normalise in any::<bool>(),
            splits in proptest::collection::vec(0usize..40, 0..6),
        ) {
            // Half of the cases have whole CRLFs, else hardly any would be clean.
            let input: Vec<u8> = if crlf {
                input.iter().flat_map(|&b| match b { b'\r' | b'\n' => b"\r\n".to_vec(), 0 => b"y".to_vec(), b => vec![b] }).collect()
            } else { input };
            let mut cuts: Vec<usize> = splits.into_iter().map(|s| s.min(input.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts { chunks.push(&input[from..cut]); from = cut; }
            chunks.push(&input[from..]);
            let whole = decode_with(Decoder::new(normalise), &[&input]);
            let split = decode_with(Decoder::new(normalise), &chunks);
            if whole.1.is_none() { prop_assert_eq!(&whole.0, &split.0); }
            prop_assert_eq!((whole.1, whole.2), (split.1, split.2));
            if whole.2.is_some() { prop_assert_eq!(whole.3, split.3); }
            // The naive reading of the standard: the first CRLF.CRLF, unless a false end comes before it.
            let mut framed = b"\r\n".to_vec();
            framed.extend_from_slice(&input);
            let end = memchr::memmem::find(&framed, b"\r\n.\r\n");
            match whole.2 {
                Some("end") => prop_assert_eq!(end.map(|at| at + 5), Some(framed.len() - whole.3)),
                Some(_) => prop_assert!(end.is_none_or(|at| at + 5 > framed.len() - whole.3)),
                None => prop_assert_eq!(end, None),
            }
        }
    }
}

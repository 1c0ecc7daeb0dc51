//! Content on its way in: the end of data, transparency, and nothing else that looks like an end
//! (RFC 5321 §4.1.1.4, §4.5.2, §2.3.8).
//!
//! Content ends at CRLF.CRLF only. A bare CR, a bare LF or a NUL spoils it: nothing more of it is handed
//! on, and it is read to its true end. Where a reader that takes LF for a line end would see the end — a
//! line of a single dot with a bare LF on at least one of its sides — the decoder stops: two readers could
//! disagree about what follows, and a person at a terminal would wait for ever.

/// What spoiled the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    Cr,
    Lf,
    Nul,
}

/// One step of the decoder.
#[derive(Debug, PartialEq, Eq)]
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
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { at_line_start: true, after_crlf: true, spoiled: false }
    }

    /// Takes the next piece off the input and says how many octets that consumed.
    pub(crate) fn next<'i>(&mut self, input: &'i [u8]) -> (usize, Piece<'i>) {
        let mut at = 0;
        let mut start = 0;
        loop {
            if self.spoiled {
                start = at;
            }
            if self.at_line_start {
                match self.line_start(&input[at..]) {
                    Start::Text => self.at_line_start = false,
                    Start::StuffedDot if at > start => return self.hand_over(input, start, at),
                    Start::StuffedDot => {
                        self.at_line_start = false;
                        at += 1;
                        start = at;
                    }
                    Start::Open => return self.hand_over(input, start, at),
                    Start::End | Start::FalseEnd if at > start => return self.hand_over(input, start, at),
                    Start::End => return (at + b".\r\n".len(), Piece::End),
                    Start::FalseEnd => return (at + b".".len(), Piece::FalseEnd),
                }
            }
            let Some(found) = memchr::memchr3(b'\r', b'\n', 0, &input[at..]).map(|i| at + i) else {
                return self.hand_over(input, start, input.len());
            };
            let bare = match (input[found], input.get(found + 1)) {
                (b'\r', Some(b'\n')) => {
                    (self.at_line_start, self.after_crlf) = (true, true);
                    at = found + 2;
                    continue;
                }
                (b'\r', None) => return self.hand_over(input, start, found),
                // What stands before it is content still, however the input was cut.
                _ if !self.spoiled && found > start => return self.hand_over(input, start, found),
                (b'\r', Some(_)) => Bare::Cr,
                (b'\n', _) => {
                    (self.at_line_start, self.after_crlf) = (true, false);
                    Bare::Lf
                }
                _ => Bare::Nul,
            };
            at = found + 1;
            if !std::mem::replace(&mut self.spoiled, true) {
                return (at, Piece::Bare(bare));
            }
        }
    }

    /// What stands between `start` and `end`: content, or nothing when it is spoiled.
    fn hand_over<'i>(&self, input: &'i [u8], start: usize, end: usize) -> (usize, Piece<'i>) {
        if self.spoiled || start == end {
            (end, Piece::NeedInput)
        } else {
            (end, Piece::Octets(&input[start..end]))
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
        let mut decoder = Decoder::new();
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

    #[test]
    fn dots_are_unstuffed_and_the_end_is_crlf_dot_crlf() {
        let (content, bare, how, rest) = decode(&[b"a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n"]);
        assert_eq!((&content[..], bare, how, rest), (&b"a\r\n.b\r\nc\r\n"[..], None, Some("end"), 6));
        assert_eq!(decode(&[b".\r\n"]), (vec![], None, Some("end"), 0));
    }

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

    proptest! {
        #[test]
        fn any_split_gives_the_same_content_and_the_same_end(
            input in proptest::collection::vec(prop_oneof![
                Just(b'.'), Just(b'\r'), Just(b'\n'), Just(0), Just(b'x'), Just(b'\r'), Just(b'\n'), Just(b'.')
            ], 0..40),
            crlf in any::<bool>(),
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
            let whole = decode(&[&input]);
            let split = decode(&chunks);
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

//! The line ends of content that comes in chunks (RFC 3030 §2, RFC 5321 §2.3.8): the rules of content behind
//! DATA, without dots and without an end.
//!
//! A CRLF may be cut in two by the end of a chunk, whose octets must all be taken: so a CR at the end of what
//! has come is kept, and handed on with what follows it.

use crate::data::{Bare, Piece};
use crate::ruler::LineLengths;
use crate::server::ContentNotes;

const CRLF: &[u8] = b"\r\n";

/// Watches the line ends. Holds one CR at most.
#[derive(Debug)]
pub(crate) struct Newlines {
    normalise: bool,
    normalised: bool,
    /// The last octet was a CR, and what follows it has not come.
    after_cr: bool,
    lines: LineLengths,
}

impl Newlines {
    /// `normalise`: a CR or LF that stands alone becomes CRLF, else it spoils the content.
    pub(crate) fn new(normalise: bool) -> Self {
        Self { normalise, normalised: false, after_cr: false, lines: LineLengths::default() }
    }

    /// Takes the next piece off the input and says how many octets that consumed: `Octets`, `Bare`, or
    /// `NeedInput` for nothing. Behind `Bare` it is not asked again.
    pub(crate) fn next<'i>(&mut self, input: &'i [u8]) -> (usize, Piece<'i>) {
        let Some(first) = input.first() else { return (0, Piece::NeedInput) };
        if std::mem::take(&mut self.after_cr) {
            return match first {
                b'\n' => (1, self.line_end()),
                _ => (0, self.bare(Bare::Cr)),
            };
        }
        let mut ruler = self.lines.ruler();
        let mut at = 0;
        while let Some(found) = memchr::memchr3(b'\r', b'\n', 0, &input[at..]).map(|i| at + i) {
            if input[found..].starts_with(CRLF) {
                at = found + CRLF.len();
                ruler.line(found, at);
                continue;
            }
            // What stands before it is content still, however the input was cut.
            if found > 0 {
                self.lines = ruler.stop(found);
                return (found, Piece::Octets(&input[..found]));
            }
            return match first {
                b'\r' if input.len() == 1 => {
                    self.after_cr = true;
                    (1, Piece::NeedInput)
                }
                b'\r' => (1, self.bare(Bare::Cr)),
                b'\n' => (1, self.bare(Bare::Lf)),
                _ => (1, Piece::Bare(Bare::Nul)),
            };
        }
        self.lines = ruler.stop(input.len());
        (input.len(), Piece::Octets(input))
    }

    /// The last chunk has ended.
    pub(crate) fn end(&mut self) -> Piece<'static> {
        if std::mem::take(&mut self.after_cr) { self.bare(Bare::Cr) } else { Piece::NeedInput }
    }

    pub(crate) fn notes(&self) -> ContentNotes {
        ContentNotes { line_octets: self.lines.longest(), normalised: self.normalised }
    }

    fn bare(&mut self, bare: Bare) -> Piece<'static> {
        if self.normalise {
            self.normalised = true;
            self.line_end()
        } else {
            Piece::Bare(bare)
        }
    }

    fn line_end(&mut self) -> Piece<'static> {
        self.lines.end();
        Piece::Octets(CRLF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Content, or what spoiled it.
    fn take(normalise: bool, chunks: &[&[u8]]) -> Result<Vec<u8>, Bare> {
        let mut newlines = Newlines::new(normalise);
        let mut content = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (read, piece) = newlines.next(rest);
                rest = &rest[read..];
                match piece {
                    Piece::Octets(octets) => content.extend_from_slice(octets),
                    Piece::Bare(bare) => return Err(bare),
                    _ => assert!(rest.is_empty()),
                }
            }
        }
        match newlines.end() {
            Piece::Octets(octets) => content.extend_from_slice(octets),
            Piece::Bare(bare) => return Err(bare),
            _ => {}
        }
        Ok(content)
    }

    #[test]
    fn a_crlf_may_be_cut_by_the_end_of_a_chunk() {
        assert_eq!(take(false, &[b"a\r", b"\nb"]), Ok(b"a\r\nb".to_vec()));
        assert_eq!(take(false, &[b"a\r", b"b"]), Err(Bare::Cr));
        assert_eq!(take(false, &[b"a\r"]), Err(Bare::Cr));
    }

    #[test]
    fn dots_mean_nothing() {
        assert_eq!(take(false, &[b"a\r\n.\r\n..b"]), Ok(b"a\r\n.\r\n..b".to_vec()));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            input in proptest::collection::vec(prop_oneof![
                Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'x'), Just(b'\r'), Just(b'\n')
            ], 0..40),
            cut in any::<prop::sample::Index>(),
            normalise in any::<bool>(),
        ) {
            let (head, tail) = input.split_at(cut.index(input.len() + 1));
            let whole = take(normalise, &[&input]);
            prop_assert_eq!(&whole, &take(normalise, &[head, tail]));
            let naive = String::from_utf8(input.clone()).unwrap();
            let normal = naive.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n").into_bytes();
            match whole {
                Ok(content) => prop_assert_eq!(content, normal),
                Err(_) => prop_assert!(!normalise && normal != input),
            }
        }
    }
}

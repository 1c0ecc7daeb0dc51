//! Command lines as they come off the wire: boundaries and bounds first, grammar later (RFC 5321 §2.3.8).
//!
//! A line ends in CRLF; a bare LF, as terminals send it, ends one too. Whatever else a line holds — control
//! characters, too many octets, the CR NUL of a terminal in character mode — becomes one [`Fault`], and the
//! conversation stays in step. A dripped line is scanned once.

use crate::limits::COMMAND_LINE_OCTETS_MAX;

/// Why a line cannot be read as a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// More than [`COMMAND_LINE_OCTETS_MAX`] octets before its end.
    TooLong,
    /// CR NUL: a terminal in character mode (RFC 854) ends its lines so.
    CarriageReturnNul,
    /// Backspace or delete: a terminal that does not edit its lines.
    Backspace,
    /// Another control character, a bare CR among them.
    Control,
    /// The first octets of a TLS handshake: the client expects TLS from the start.
    TlsHello,
    /// The signature that opens a session under version 2 of the PROXY protocol.
    ProxyHeader,
}

/// What one look at the input gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed<'i> {
    /// No line end yet; this many octets are done with and need not be shown again.
    Incomplete { consumed: usize },
    /// The rest of a line that was answered before: done with; look again at what follows.
    Passed { consumed: usize },
    /// One line, without its line end, free of control characters but TAB.
    Line { line: &'i [u8], consumed: usize },
    /// A line that is no command; `line` is what is to be shown of it.
    Fault { line: &'i [u8], consumed: usize, fault: Fault },
}

/// Finds line ends. Holds positions, never octets.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    /// Octets of the unconsumed input that hold no line end.
    scanned: usize,
    state: Reading,
    opening: Opening,
}

/// How far the session has opened with the lines of the PROXY protocol's signature, `CR LF CR LF NUL CR LF QUIT
/// LF`. Each is answered as what it would be alone, so that a person who types Enter first is not kept waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Opening {
    #[default]
    Nothing,
    OneEmptyLine,
    TwoEmptyLines,
    /// Something else came.
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Line,
    /// Inside a line that was too long and has been answered, up to its LF.
    Overlong,
    /// Behind a CR NUL: up to the next LF nothing is a command, so that nothing can be smuggled in as one.
    AfterNul,
}

impl LineReader {
    /// Looks at all input that is not consumed yet.
    pub(crate) fn read<'i>(&mut self, input: &'i [u8]) -> Framed<'i> {
        if self.state == Reading::Overlong {
            return match memchr::memchr(b'\n', input) {
                None => Framed::Incomplete { consumed: input.len() },
                Some(at) => {
                    self.state = Reading::Line;
                    Framed::Passed { consumed: at + 1 }
                }
            };
        }
        if self.state == Reading::Line && input.starts_with(&[0x16, 0x03]) {
            return Framed::Fault { line: b"", consumed: input.len(), fault: Fault::TlsHello };
        }
        let mut from = self.scanned.min(input.len());
        while let Some(at) = memchr::memchr2(b'\n', 0, &input[from..]).map(|at| from + at) {
            if at >= COMMAND_LINE_OCTETS_MAX {
                break;
            }
            if input[at] == b'\n' {
                return self.end_of_line(input, at);
            }
            if at > 0 && input[at - 1] == b'\r' {
                self.scanned = 0;
                self.state = Reading::AfterNul;
                let line = &input[..at - 1];
                return Framed::Fault { line, consumed: at + 1, fault: Fault::CarriageReturnNul };
            }
            from = at + 1;
        }
        if input.len() >= COMMAND_LINE_OCTETS_MAX {
            // Answered at once: an endless line gets its reply too.
            self.state = Reading::Overlong;
            self.scanned = 0;
            let line = &input[..COMMAND_LINE_OCTETS_MAX];
            return Framed::Fault { line, consumed: line.len(), fault: Fault::TooLong };
        }
        self.scanned = input.len();
        Framed::Incomplete { consumed: 0 }
    }

    /// `at` is the LF.
    fn end_of_line<'i>(&mut self, input: &'i [u8], at: usize) -> Framed<'i> {
        self.scanned = 0;
        let line = input[..at].strip_suffix(b"\r").unwrap_or(&input[..at]);
        let consumed = at + 1;
        let opening = std::mem::replace(&mut self.opening, Opening::Over);
        match opening {
            Opening::Over => {}
            Opening::Nothing if line.is_empty() => self.opening = Opening::OneEmptyLine,
            Opening::OneEmptyLine if line.is_empty() => self.opening = Opening::TwoEmptyLines,
            Opening::TwoEmptyLines if line == b"\0" => {
                return Framed::Fault { line: b"", consumed, fault: Fault::ProxyHeader };
            }
            _ => {}
        }
        if std::mem::take(&mut self.state) == Reading::AfterNul {
            return Framed::Fault { line, consumed, fault: Fault::CarriageReturnNul };
        }
        match control_character(line) {
            None => Framed::Line { line, consumed },
            Some(fault) => Framed::Fault { line, consumed, fault },
        }
    }
}

fn control_character(line: &[u8]) -> Option<Fault> {
    let first = line.iter().copied().find(|b| b.is_ascii_control() && *b != b'\t')?;
    Some(if matches!(first, 0x08 | 0x7f) { Fault::Backspace } else { Fault::Control })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Framed<'_> {
        LineReader::default().read(input)
    }

    /// RFC 5321 §2.3.8
    #[test]
    fn a_line_ends_in_crlf_or_in_the_lf_of_a_terminal() {
        assert_eq!(read(b"NOOP\r\nQUIT\r\n"), Framed::Line { line: b"NOOP", consumed: 6 });
        assert_eq!(read(b"NOOP\nQUIT\n"), Framed::Line { line: b"NOOP", consumed: 5 });
        assert_eq!(read(b"NOOP\r"), Framed::Incomplete { consumed: 0 });
    }

    #[test]
    fn a_line_with_control_characters_is_no_command() {
        for (line, fault) in [
            (&b"NOO\x08\r\n"[..], Fault::Backspace),
            (b"NO\x7fOP\r\n", Fault::Backspace),
            (b"NOOP\rQUIT\r\n", Fault::Control),
            (b"NO\0OP\r\n", Fault::Control),
            (b"\x1b[A\r\n", Fault::Control),
        ] {
            let Framed::Fault { fault: found, consumed, .. } = read(line) else { panic!("{line:?}") };
            assert_eq!((found, consumed), (fault, line.len()));
        }
    }

    #[test]
    fn the_signature_of_the_proxy_protocol_is_known_at_the_start_only() {
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        for (before, expected) in [(&b""[..], Fault::ProxyHeader), (b"NOOP\r\n", Fault::Control)] {
            let input = [before, signature].concat();
            let mut reader = LineReader::default();
            let mut at = 0;
            let fault = loop {
                match reader.read(&input[at..]) {
                    Framed::Line { consumed, .. } => at += consumed,
                    Framed::Fault { fault, .. } => break fault,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(fault, expected);
        }
    }

    #[test]
    fn behind_a_cr_nul_nothing_is_a_command_until_a_line_ends_properly() {
        let mut reader = LineReader::default();
        let input = b"HELO x\r\0MAIL FROM:<a@b>\r\nNOOP\r\n";
        let Framed::Fault { consumed, fault, .. } = reader.read(input) else { panic!() };
        assert_eq!((consumed, fault), (8, Fault::CarriageReturnNul));
        let Framed::Fault { consumed: more, fault, .. } = reader.read(&input[8..]) else { panic!() };
        assert_eq!(fault, Fault::CarriageReturnNul);
        assert_eq!(reader.read(&input[8 + more..]), Framed::Line { line: b"NOOP", consumed: 6 });
    }

    /// RFC 5321 §4.5.3.1.4
    #[test]
    fn an_overlong_line_is_answered_once_and_thrown_away_as_it_comes() {
        let mut reader = LineReader::default();
        assert_eq!(reader.read(&[b'x'; 1500]), Framed::Incomplete { consumed: 0 });
        let input = [b'x'; 3000];
        let Framed::Fault { fault, consumed, .. } = reader.read(&input) else { panic!() };
        assert_eq!((fault, consumed), (Fault::TooLong, COMMAND_LINE_OCTETS_MAX));
        assert_eq!(reader.read(&[b'x'; 900]), Framed::Incomplete { consumed: 900 });
        assert_eq!(reader.read(b"xx\r\nNOOP\r\n"), Framed::Passed { consumed: 4 });
        assert_eq!(reader.read(b"NOOP\r\n"), Framed::Line { line: b"NOOP", consumed: 6 });
    }
}

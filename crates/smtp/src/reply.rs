//! Replies on the wire: printed strictly, read tolerantly (RFC 5321 §4.2, RFC 2034).
//!
//! [`print()`] serves the server engine, [`Reader`] the client engine. What the field does is understood:
//! bare LF as line end, a code with no text, 8-bit text, no enhanced code or one that does not fit, an enhanced
//! code and nothing else, lines of a long reply that differ in their codes or have none. What a code means for a
//! transaction is not known here.

use crate::dialogue::{Dialogue, Line, Out};
use crate::limits::{REPLY_LINE_OCTETS_MAX, REPLY_LINES_MAX, REPLY_OCTETS_MAX, REPLY_PRINTED_OCTETS_MAX};
use postrider_mail::{Code, Enhanced, Reply, Text};
use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

/// Appends a reply to the wire and tells the dialogue each of its lines.
///
/// Every line carries the code and, where the reply has one of the code's class, the enhanced code
/// (RFC 2034 §4 allows no other class, and none on 3yz). No line is longer than 512 octets with its CRLF:
/// long text goes on in a further line, broken at a space where there is one. Reply text is ASCII
/// (RFC 5321 §4.2): other characters become `?`, unless `utf8`: the client has said that it takes UTF-8
/// (RFC 6531 §3.7.4.2).
pub fn print(reply: &Reply, utf8: bool, out: &mut Out<'_>) {
    let enhanced = reply.enhanced().filter(|enhanced| fits(*enhanced, reply.code()));
    let mut head = Vec::with_capacity("250 2.999.999 ".len());
    // Writing to a Vec cannot fail.
    let _ = write!(head, "{} ", reply.code());
    if let Some(enhanced) = enhanced {
        let _ = write!(head, "{enhanced} ");
    }
    let room = REPLY_PRINTED_OCTETS_MAX - "\r\n".len() - head.len();
    let mut texts = reply.lines().iter().peekable();
    while let Some(text) = texts.next() {
        let text = if utf8 { Cow::Borrowed(text.as_str().as_bytes()) } else { ascii(text.as_str()) };
        let mut rest = Some(&*text);
        while let Some(text) = rest {
            let (piece, more) = fold(text, room);
            print_line(&mut head, more.is_none() && texts.peek().is_none(), piece, out);
            rest = more;
        }
    }
}

/// One line: `Reply-code ( "-" / SP ) [ textstring ] CRLF`. The SP stands even before no text
/// (RFC 5321 §4.2.1).
fn print_line(head: &mut [u8], is_last: bool, text: &[u8], out: &mut Out<'_>) {
    head["250".len()] = if is_last { b' ' } else { b'-' };
    let start = out.wire.len();
    out.wire.extend_from_slice(head);
    out.wire.extend_from_slice(text);
    out.dialogue.line(Line::Reply(&out.wire[start..]));
    out.wire.extend_from_slice(b"\r\n");
}

fn ascii(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    // The ellipsis marks a text that `Text` has cut.
    let ascii = text.replace('…', "...");
    Cow::Owned(ascii.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect())
}

/// The first piece of `text`, at most `room` octets, and what is left; the space between them is dropped.
fn fold(text: &[u8], room: usize) -> (&[u8], Option<&[u8]>) {
    if text.len() <= room {
        return (text, None);
    }
    let (piece, more) = match memchr::memrchr(b' ', &text[..=room]) {
        None | Some(0) => {
            let is_boundary = |at: &usize| text[*at] & 0xC0 != 0x80;
            text.split_at((1..=room).rev().find(is_boundary).unwrap_or(room))
        }
        Some(space) => (&text[..space], &text[space + 1..]),
    };
    (piece, Some(more).filter(|more| !more.is_empty()))
}

/// Whether the enhanced code's class is the reply code's (RFC 2034 §4).
fn fits(enhanced: Enhanced, code: Code) -> bool {
    u16::from(enhanced.class()) == code.number() / 100
}

/// Why octets from a peer are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A line does not begin with a code from 200 to 599 and then a space, a hyphen or the line's end, and is
    /// not text amid a reply either.
    NoCode,
    /// A line is longer than [`REPLY_LINE_OCTETS_MAX`].
    LineTooLong,
    /// The reply is longer than [`REPLY_OCTETS_MAX`].
    TooLong,
    /// The lines of one reply have codes of different classes: nobody can say whether it means yes or no.
    ClassesDiffer,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCode => f.write_str("a line of the reply does not begin with a reply code"),
            Self::LineTooLong => {
                write!(f, "a line of the reply has more than {REPLY_LINE_OCTETS_MAX} octets")
            }
            Self::TooLong => write!(f, "the reply has more than {REPLY_OCTETS_MAX} octets"),
            Self::ClassesDiffer => f.write_str("the lines of the reply contradict each other"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads replies from octets that arrive in any pieces. Each octet is looked at once; memory is bounded by
/// [`REPLY_LINE_OCTETS_MAX`] and [`REPLY_OCTETS_MAX`].
///
/// Where the lines of a reply differ in their codes but not in their class, the last line's code counts.
/// Between its first line and its last, a line that does not begin with digits is text without a code. The first
/// enhanced code of the right class counts; other texts that look like one stay text.
#[derive(Debug, Default)]
pub struct Reader {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// The lines before it.
    reply: Partial,
}

impl Reader {
    /// Reads up to the end of one reply; gives the octets consumed, and the reply if it is complete. Without
    /// one, all of `input` is consumed.
    ///
    /// # Errors
    /// When the octets are no reply. The connection is of no further use.
    pub fn read(
        &mut self,
        input: &[u8],
        dialogue: &mut dyn Dialogue,
    ) -> Result<(usize, Option<Reply>), Malformed> {
        let mut consumed = 0;
        while consumed < input.len() {
            let rest = &input[consumed..];
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            self.check_length(rest, end, dialogue)?;
            let Some(end) = end else {
                self.partial.extend_from_slice(rest);
                return Ok((input.len(), None));
            };
            consumed += end;
            let is_last = if self.partial.is_empty() {
                self.reply.line(&rest[..end], dialogue)?
            } else {
                self.partial.extend_from_slice(&rest[..end]);
                let is_last = self.reply.line(&self.partial, dialogue)?;
                self.partial.clear();
                is_last
            };
            if is_last {
                // A session waits far longer than it reads: it keeps no buffer meanwhile.
                self.partial = Vec::new();
                return Ok((consumed, std::mem::take(&mut self.reply).finish()));
            }
        }
        Ok((consumed, None))
    }

    /// Whether the line with what has come of it, up to `end` if that has come, is within its bounds. The
    /// dialogue hears as much of an overlong line as the bounds allow, however it was split.
    fn check_length(
        &mut self,
        rest: &[u8],
        end: Option<usize>,
        dialogue: &mut dyn Dialogue,
    ) -> Result<(), Malformed> {
        let room_in_reply = REPLY_OCTETS_MAX.saturating_sub(self.reply.octets);
        let room = REPLY_LINE_OCTETS_MAX.min(room_in_reply);
        // A line without its end has at least one more octet to come.
        let length = self.partial.len() + end.unwrap_or(rest.len() + 1);
        if length <= room {
            return Ok(());
        }
        let missing = room.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&rest[..missing.min(rest.len())]);
        if !self.partial.is_empty() {
            dialogue.line(Line::Reply(without_line_end(&self.partial)));
        }
        Err(if room < REPLY_LINE_OCTETS_MAX { Malformed::TooLong } else { Malformed::LineTooLong })
    }
}

/// The lines of a reply so far.
#[derive(Debug, Default)]
struct Partial {
    /// Octets of the lines with their ends.
    octets: usize,
    code: Option<Code>,
    enhanced: Option<Enhanced>,
    lines: Vec<Text>,
}

impl Partial {
    /// Takes one line with its line end; says whether it is the last.
    fn line(&mut self, line: &[u8], dialogue: &mut dyn Dialogue) -> Result<bool, Malformed> {
        self.octets += line.len();
        let line = without_line_end(line);
        dialogue.line(Line::Reply(line));
        let amid = || self.code.filter(|_| !has_digits(line)).map(|code| (code, false, line));
        let (code, is_last, mut text) = reply_line(line).or_else(amid).ok_or(Malformed::NoCode)?;
        if self.code.is_some_and(|earlier| earlier.class() != code.class()) {
            return Err(Malformed::ClassesDiffer);
        }
        self.code = Some(code);
        if let Some((enhanced, rest)) = enhanced(text).filter(|(enhanced, _)| fits(*enhanced, code))
            && *self.enhanced.get_or_insert(enhanced) == enhanced
        {
            text = rest;
        }
        if self.lines.len() < REPLY_LINES_MAX {
            self.lines.push(Text::from_peer(text));
        }
        Ok(is_last)
    }

    fn finish(self) -> Option<Reply> {
        self.code.map(|code| Reply::of_lines(code, self.enhanced, self.lines))
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line begins as one with a code would.
fn has_digits(line: &[u8]) -> bool {
    line.get(.."250".len()).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

/// `Reply-code [ ( SP / "-" ) [ textstring ] ]`: the code, whether this line is the last, its text.
fn reply_line(line: &[u8]) -> Option<(Code, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked("250".len())?;
    let number = digits.iter().try_fold(0, |number: u16, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
    })?;
    let code = Code::try_from(number).ok()?;
    match rest {
        [] => Some((code, true, rest)),
        [b' ' | b'\t', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

/// An enhanced code at the start of a text, and the text behind it.
fn enhanced(text: &[u8]) -> Option<(Enhanced, &[u8])> {
    let text = text.trim_ascii_start();
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let enhanced = std::str::from_utf8(word).ok()?.parse().ok()?;
    Some((enhanced, rest.strip_prefix(b" ").unwrap_or(rest)))
}

#[cfg(test)]
mod tests;

//! Replies as the client reads them (RFC 5321 §4.2).

use crate::dice::Dice;
use crate::limits::REPLY_INPUT_OCTETS_MAX;
use crate::wire;
use postrider_mail::Reply;
use postrider_mail::limits::{REPLY_LINES_MAX, TEXT_OCTETS_MAX};
use postrider_smtp::limits::{REPLY_LINE_OCTETS_MAX, REPLY_PRINTED_OCTETS_MAX};
use postrider_smtp::reply::{Malformed, Reader, print};
use postrider_smtp::{Dialogue, Line, Out, Silent};
use std::time::Instant;

/// Any octets are replies or a reason, in any split the same; what was read is bounded, and prints as a reply.
///
/// # Panics
/// When that does not hold.
pub fn reply(input: &[u8]) {
    let octets = &input[..input.len().min(REPLY_INPUT_OCTETS_MAX)];
    let mut dice = Dice::of(octets);
    let mut splits = dice.splits(octets).into_iter();
    let whole = read(&splits.next().expect("the whole comes first"));
    for split in splits {
        assert_eq!(read(&split), whole);
    }
    whole.replies.iter().for_each(is_bounded_and_prints);
}

/// What came of the octets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    replies: Vec<Reply>,
    lines: Vec<Vec<u8>>,
    malformed: Option<Malformed>,
}

struct Ear<'h>(&'h mut Vec<Vec<u8>>);

impl Dialogue for Ear<'_> {
    fn line(&mut self, line: Line<'_>) {
        match line {
            Line::Reply(octets) => {
                assert!(octets.len() <= REPLY_LINE_OCTETS_MAX, "a line of {} octets", octets.len());
                self.0.push(octets.to_vec());
            }
            other => panic!("a reader of replies heard {other:?}"),
        }
    }
}

fn read(pieces: &[&[u8]]) -> Heard {
    let mut heard = Heard::default();
    let mut reader = Reader::default();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            match reader.read(rest, &mut Ear(&mut heard.lines)) {
                Ok((consumed, reply)) => {
                    assert!(consumed > 0, "a reader that takes nothing would hang");
                    assert!(reply.is_some() || consumed == rest.len(), "octets are left without a reply");
                    heard.replies.extend(reply);
                    rest = &rest[consumed..];
                }
                Err(malformed) => {
                    heard.malformed = Some(malformed);
                    return heard;
                }
            }
        }
    }
    heard
}

fn is_bounded_and_prints(reply: &Reply) {
    assert!((1..=REPLY_LINES_MAX).contains(&reply.lines().len()));
    assert!(reply.lines().iter().all(|line| line.as_str().len() <= TEXT_OCTETS_MAX));
    let mut printed = Vec::new();
    print(reply, false, &mut Out { now: Instant::now(), wire: &mut printed, dialogue: &mut Silent });
    for line in wire::lines(&printed) {
        assert!(line.len() + "\r\n".len() <= REPLY_PRINTED_OCTETS_MAX && line.is_ascii());
    }
    let again = read(&[&printed]);
    assert_eq!((again.replies.len(), again.malformed), (1, None));
    let again = &again.replies[0];
    // The text of a line that is too long for the wire goes on in the next; it may be other characters in ASCII.
    assert_eq!(again.code(), reply.code());
    let fits = |code: &postrider_mail::Enhanced| u16::from(code.class()) == reply.code().number() / 100;
    if let Some(enhanced) = reply.enhanced().filter(fits) {
        assert_eq!(again.enhanced(), Some(enhanced));
    }
}

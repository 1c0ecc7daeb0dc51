//! Ids of queued messages, sessions and attempts.
//!
//! An id is 63 bits: 42 of milliseconds since 1970 (good until 2109), 5 of node, 16 of counter. It prints
//! as 13 lower-case characters of Crockford's base 32, so ids sort by age and can be read out on the phone.

use crate::date::UnixMillis;
use std::fmt;
use std::str::FromStr;

const NODE_BITS: u32 = 5;
const COUNTER_BITS: u32 = 16;
const CHARACTERS: usize = 13;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes ids that never repeat and never go back, even when the clock does.
#[derive(Debug)]
pub struct IdMaker {
    node: u8,
    last: u64,
}

impl IdMaker {
    /// `node` is 0 to 31; `seed` starts the counter, so that two boots within one millisecond differ;
    /// every id made is greater than `after`, the greatest id that is stored anywhere.
    pub fn new(node: u8, seed: u16, now: UnixMillis, after: Option<QueueId>) -> Self {
        let node = node & ((1 << NODE_BITS) - 1);
        let first = millis_field(now) | u64::from(node) << COUNTER_BITS | u64::from(seed);
        Self { node, last: first.max(after.map_or(0, |id| id.0)) }
    }

    fn next(&mut self, now: UnixMillis) -> u64 {
        let counter_mask = (1 << COUNTER_BITS) - 1;
        let counter = (self.last + 1) & counter_mask;
        let last_millis = self.last & !((1 << (NODE_BITS + COUNTER_BITS)) - 1);
        // A full counter borrows from the next millisecond.
        let floor = if counter == 0 { last_millis + (1 << (NODE_BITS + COUNTER_BITS)) } else { last_millis };
        let millis = floor.max(millis_field(now));
        self.last = millis | u64::from(self.node) << COUNTER_BITS | counter;
        self.last
    }

    /// An id for a message.
    pub fn queue_id(&mut self, now: UnixMillis) -> QueueId {
        QueueId(self.next(now))
    }

    /// An id for a session.
    pub fn session_id(&mut self, now: UnixMillis) -> SessionId {
        SessionId(self.next(now))
    }

    /// An id for an attempt.
    pub fn attempt_id(&mut self, now: UnixMillis) -> AttemptId {
        AttemptId(self.next(now))
    }
}

fn millis_field(now: UnixMillis) -> u64 {
    let millis = u64::try_from(now.get()).unwrap_or(0);
    (millis & ((1 << 42) - 1)) << (NODE_BITS + COUNTER_BITS)
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id is {CHARACTERS} letters and digits, as in 1fz3k8q2v7d0c")
    }
}

impl std::error::Error for NotAnId {}

fn print(id: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; CHARACTERS];
    for (at, slot) in text.iter_mut().enumerate() {
        *slot = ALPHABET[(id >> (5 * (CHARACTERS - 1 - at)) & 31) as usize];
    }
    f.pad(std::str::from_utf8(&text).unwrap_or_default())
}

fn parse(text: &str) -> Result<u64, NotAnId> {
    if text.len() != CHARACTERS {
        return Err(NotAnId);
    }
    text.bytes().try_fold(0u64, |id, byte| {
        // Crockford: I and L read as 1, O as 0.
        let byte = match byte.to_ascii_lowercase() {
            b'i' | b'l' => b'1',
            b'o' => b'0',
            byte => byte,
        };
        let digit = ALPHABET.iter().position(|&b| b == byte).ok_or(NotAnId)? as u64;
        if id >> 58 != 0 { Err(NotAnId) } else { Ok(id << 5 | digit) }
    })
}

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id as stored: positive, below 2^63.
            pub fn row(self) -> i64 {
                self.0.cast_signed()
            }

            /// The id of a stored row; `None` for what no [`IdMaker`] makes.
            pub fn from_row(row: i64) -> Option<Self> {
                u64::try_from(row).ok().map(Self)
            }

            /// When it was made, by the clock of that moment.
            pub fn made_at(self) -> UnixMillis {
                UnixMillis::new((self.0 >> (NODE_BITS + COUNTER_BITS)).cast_signed())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }

        crate::serde_as_text!($name);
    };
}

id!(QueueId, "A message in the queue: the row id, known before its content arrives.");
id!(SessionId, "One conversation with a client. A refusal names it, so that it can be asked about.");
id!(AttemptId, "One try to deliver one message to one destination.");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_grow_even_when_the_clock_steps_back() {
        let mut maker = IdMaker::new(3, 65_000, UnixMillis::new(1_700_000_000_000), None);
        let mut last = maker.queue_id(UnixMillis::new(1_700_000_000_000));
        for step in 0..200_000i64 {
            let next = maker.queue_id(UnixMillis::new(1_700_000_000_000 - step));
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn a_new_boot_goes_on_behind_what_is_stored() {
        let stored = QueueId::from_row(i64::MAX / 2).unwrap();
        let mut maker = IdMaker::new(0, 0, UnixMillis::new(0), Some(stored));
        assert!(maker.queue_id(UnixMillis::new(0)) > stored);
    }

    proptest! {
        #[test]
        fn parse_and_print_are_inverse(row in 0..=i64::MAX) {
            let id = QueueId::from_row(row).unwrap();
            prop_assert_eq!(id.to_string().len(), 13);
            prop_assert_eq!(id.to_string().parse::<QueueId>().unwrap(), id);
            prop_assert_eq!(id.to_string().to_uppercase().parse::<QueueId>().unwrap(), id);
        }

        #[test]
        fn any_text_parses_or_is_refused(text in "\\PC{0,14}|[0-9a-z]{13}") {
            if let Ok(id) = text.parse::<QueueId>() {
                prop_assert!(id.row() >= 0);
            }
        }
    }
}

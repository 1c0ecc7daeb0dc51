//! When a message is tried again, and when it is given up (RFC 5321 §4.5.4.1).
//!
//! Waits grow by a factor from the first to the longest and are spread by jitter, so that what failed
//! together does not come back together; the recipients of one message are moved alike, so that they can
//! share a transaction again. Arithmetic is in milliseconds: no wait is truncated to a step.
//!
//! A try falls on the moments at which the sender is to be told of a delay (when it is late, and at a
//! deadline that the sender set), and the last one on the moment of expiry. A notice of delay is decided when a try fails, as only then is there something to tell: mail that
//! is not tried then (its key is paused or has no room, or it is held) owes it after its next try.

use crate::limits::{
    DELAY_NOTICE_DEFAULT, EXPIRY_DEFAULT, EXPIRY_GRACE_MAX, EXPIRY_GRACE_PART, EXPIRY_MAX, GATHER_PART,
    RETRY_FIRST_DEFAULT, RETRY_LONGEST_DEFAULT,
};
use postrider_mail::{QueueId, UnixMillis};
use std::time::Duration;

/// The rules of trying again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// The wait after the first failed try.
    pub first: Duration,
    /// Each wait is this many times the one before; below 1 counts as 1.
    pub factor: f64,
    /// No wait is longer than this, jitter included.
    pub longest: Duration,
    /// A wait is moved by up to this part of itself either way; 0 to 0.5.
    pub jitter: f64,
    /// How long after its reception, or after its release (RFC 4865 §4), a message is given up; at most
    /// [`EXPIRY_MAX`].
    pub expiry: Duration,
    /// How long after its reception or release the sender of a message is told that it is late, once per
    /// recipient; `None`: never. Only where NOTIFY asks for it (RFC 3461 §4.1); without NOTIFY, of messages
    /// that are told so ([`NewMessage::set_delay_notices`](crate::NewMessage::set_delay_notices)).
    pub delay_notice_after: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: RETRY_FIRST_DEFAULT,
            factor: 1.6,
            longest: RETRY_LONGEST_DEFAULT,
            jitter: 0.2,
            expiry: EXPIRY_DEFAULT,
            delay_notice_after: Some(DELAY_NOTICE_DEFAULT),
        }
    }
}

impl Retry {
    /// The wait after `tries` failed tries (1 for the first), moved by `dice`, any 64 random bits.
    pub fn wait(&self, tries: u32, dice: u64) -> Duration {
        let exponent = i32::try_from(tries.saturating_sub(1).min(1000)).unwrap_or(1000);
        let longest = self.longest.as_secs_f64();
        let grown = (self.first.as_secs_f64() * self.factor.max(1.0).powi(exponent)).min(longest);
        // The top 53 bits make a number from 0 to 1 that a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
        let unit = (dice >> 11) as f64 / (1u64 << 53) as f64;
        let jitter = self.jitter.clamp(0.0, 0.5);
        let moved = grown * (1.0 - jitter + 2.0 * jitter * unit);
        Duration::try_from_secs_f64(moved.min(longest)).map_or(self.longest, |wait| wait.min(self.longest))
    }

    /// When a message is given up whose delivery may begin at this moment.
    pub(crate) fn expires(&self, begins_at: UnixMillis) -> UnixMillis {
        begins_at.plus(self.expiry.min(EXPIRY_MAX))
    }

    /// How long after its expiry a message is given up although no try was made.
    pub fn grace(&self) -> Duration {
        (self.expiry.min(EXPIRY_MAX) / EXPIRY_GRACE_PART).min(EXPIRY_GRACE_MAX)
    }

    /// How early a recipient may be tried to go with others of its message.
    pub(crate) fn gather(&self) -> Duration {
        self.first.min(self.longest) / GATHER_PART
    }

    /// When the sender is to be told that a message is late.
    fn late_from(&self, moments: Moments) -> Option<UnixMillis> {
        self.delay_notice_after.map(|after| moments.begins_at.plus(after.min(EXPIRY_MAX)))
    }

    /// When the next try is due: after the wait, but not after a moment that a try is to fall on.
    pub(crate) fn next(
        &self,
        now: UnixMillis,
        tries: u32,
        moments: Moments,
        told: Told,
        dice: u64,
    ) -> UnixMillis {
        let late_from = self.late_from(moments).filter(|_| !told.has(Told::LATE));
        let deadline = moments.deadline.filter(|_| !told.has(Told::DEADLINE));
        let to_tell = late_from.into_iter().chain(deadline).filter(|&at| at > now).min();
        let latest = to_tell.map_or(moments.expires_at, |at| at.min(moments.expires_at));
        now.plus(self.wait(tries, dice).max(Duration::from_millis(1))).min(latest.max(now))
    }

    /// What the sender has been told after a try that failed now; `None`: there is nothing new to tell.
    pub(crate) fn tell(&self, now: UnixMillis, moments: Moments, told: Told) -> Option<Told> {
        if !told.has(Told::DEADLINE) && moments.deadline.is_some_and(|at| now >= at) {
            return Some(told.and(Told::LATE).and(Told::DEADLINE));
        }
        let is_late = self.late_from(moments).is_some_and(|from| now >= from);
        (is_late && !told.has(Told::LATE)).then(|| told.and(Told::LATE))
    }
}

/// The moments that a try falls on, whatever the wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    /// Its reception or release.
    pub(crate) begins_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    /// When the sender is told that it was not delivered in time (RFC 2852 §4, mode `N`).
    pub(crate) deadline: Option<UnixMillis>,
}

/// Of which delays the sender was told about a recipient, or is not to be. Stored as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(u8);

impl Told {
    /// That it is late.
    pub(crate) const LATE: Self = Self(1);
    /// That its deadline has passed.
    pub(crate) const DEADLINE: Self = Self(2);

    pub(crate) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn row(self) -> i64 {
        self.0.into()
    }

    pub(crate) fn from_row(number: i64) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| *number <= 3).map(Self)
    }
}

/// SplitMix64: enough for jitter, and the same run from the same seed.
#[derive(Debug)]
pub(crate) struct Dice {
    state: u64,
    seed: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, seed }
    }

    /// The same for all recipients of a message that were tried as often.
    pub(crate) fn of(&self, message: QueueId, tries: u32) -> u64 {
        let seed = self.seed ^ message.row().cast_unsigned().rotate_left(32) ^ u64::from(tries);
        Self::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).roll()
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A wait from zero to `most`, in whole milliseconds.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.roll() % millis.saturating_add(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_JITTER: u64 = 1 << 63;

    /// RFC 5321 §4.5.4.1
    #[test]
    fn waits_grow_from_five_minutes_to_four_hours() {
        let retry = Retry::default();
        let minutes: Vec<u64> = (1..=10).map(|tries| retry.wait(tries, NO_JITTER).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 8, 12, 20, 32, 52, 83, 134, 214, 240]);
    }

    #[test]
    fn the_last_try_falls_on_the_moment_of_expiry() {
        let (now, expires) = (UnixMillis::new(1_000), UnixMillis::new(2_000));
        assert_eq!(Retry::default().next(now, 1, until(expires), Told::LATE, 7), expires);
        assert_eq!(Retry::default().next(expires, 1, until(now), Told::LATE, 7), expires);
    }

    fn until(expires_at: UnixMillis) -> Moments {
        Moments { begins_at: UnixMillis::new(0), expires_at, deadline: None }
    }

    #[test]
    fn a_try_falls_on_the_moment_of_the_notice_of_delay() {
        let retry = Retry::default();
        let begins_at = UnixMillis::new(0);
        let late = begins_at.plus(DELAY_NOTICE_DEFAULT);
        let moments = until(begins_at.plus(retry.expiry));
        let now = UnixMillis::new(late.get() - 60_000);
        assert_eq!(retry.next(now, 9, moments, Told::default(), NO_JITTER), late);
        assert!(retry.next(late, 9, moments, Told::default(), NO_JITTER) > late);
        assert!(retry.next(now, 9, moments, Told::LATE, NO_JITTER) > late);
        let sooner = UnixMillis::new(late.get() - 30_000);
        let moments = Moments { deadline: Some(sooner), ..moments };
        assert_eq!(retry.next(now, 9, moments, Told::default(), NO_JITTER), sooner);
        assert_eq!(retry.next(now, 9, moments, Told::DEADLINE, NO_JITTER), late);
    }

    #[test]
    fn a_delay_is_told_once_and_a_missed_deadline_once_more() {
        let retry = Retry::default();
        let late = UnixMillis::new(0).plus(DELAY_NOTICE_DEFAULT);
        let deadline = late.plus(DELAY_NOTICE_DEFAULT);
        let moments = Moments { deadline: Some(deadline), ..until(UnixMillis::new(0).plus(retry.expiry)) };
        let both = Told::LATE.and(Told::DEADLINE);
        assert_eq!(retry.tell(UnixMillis::new(0), moments, Told::default()), None);
        assert_eq!(retry.tell(late, moments, Told::default()), Some(Told::LATE));
        assert_eq!(retry.tell(late, moments, Told::LATE), None);
        assert_eq!(retry.tell(deadline, moments, Told::LATE), Some(both));
        assert_eq!(retry.tell(deadline, moments, Told::default()), Some(both), "one notice says both");
        assert_eq!(retry.tell(deadline, moments, both), None);
    }

    #[test]
    fn the_recipients_of_a_message_come_back_together() {
        let dice = Dice::new(7);
        let id = |number| QueueId::from_row(number).unwrap();
        assert_eq!(dice.of(id(5), 1), dice.of(id(5), 1));
        assert_ne!(dice.of(id(5), 1), dice.of(id(6), 1));
        assert_ne!(dice.of(id(5), 1), dice.of(id(5), 2));
    }

    proptest! {
        #[test]
        fn waits_grow_until_the_longest_and_stay_there(
            first in 1u64..10_000_000, factor in 1.1f64..4.0, longest in 10_000_000u64..100_000_000,
        ) {
            let retry = Retry {
                first: Duration::from_millis(first),
                factor,
                longest: Duration::from_millis(longest),
                ..Retry::default()
            };
            let waits: Vec<Duration> = (1..200).map(|tries| retry.wait(tries, NO_JITTER)).collect();
            for pair in waits.windows(2) {
                prop_assert!(pair[1] > pair[0] || pair[0] == retry.longest, "{:?}", pair);
            }
            prop_assert_eq!(waits.last().copied(), Some(retry.longest));
        }

        #[test]
        fn jitter_stays_within_its_part_and_does_spread(tries in 1u32..12, dice: u64, jitter in 0.05f64..0.5) {
            let retry = Retry { jitter, ..Retry::default() };
            let (middle, wait) = (retry.wait(tries, NO_JITTER).as_secs_f64(), retry.wait(tries, dice).as_secs_f64());
            prop_assert!(wait >= middle * (1.0 - jitter) - 1e-6 && wait <= middle * (1.0 + jitter) + 1e-6);
            prop_assert!(wait <= retry.longest.as_secs_f64());
            prop_assert!(retry.wait(tries, 0) < retry.wait(tries, NO_JITTER));
        }

        #[test]
        fn a_message_that_always_fails_ends(seed: u64, expiry_hours in 1u64..200) {
            let mut dice = Dice::new(seed);
            let retry = Retry::default();
            let start = UnixMillis::new(1_700_000_000_000);
            let expires = start.plus(Duration::from_secs(expiry_hours * 3600));
            let (mut now, mut tries) = (start, 0u32);
            while now < expires {
                tries += 1;
                let next = retry.next(now, tries, until(expires), Told::LATE, dice.roll());
                prop_assert!(next > now);
                now = next;
                prop_assert!(tries < 500);
            }
        }

        #[test]
        fn no_setting_panics(tries: u32, dice: u64, factor: f64, jitter: f64, first: u64, longest: u64) {
            let retry = Retry {
                first: Duration::from_secs(first), factor, jitter,
                longest: Duration::from_secs(longest), ..Retry::default()
            };
            prop_assert!(retry.wait(tries, dice) <= retry.longest);
        }
    }
}

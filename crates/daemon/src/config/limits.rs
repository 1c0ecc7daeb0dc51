//! What holds when the configuration says nothing, and the bounds of what it may say. Defaults of the
//! protocol itself (octets of a message, recipients) are in [`postrider_smtp::limits`].

use std::ops::RangeInclusive;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MIB: u64 = 1024 * 1024;

// Defaults ----------------------------------------------------------------------------------------------

/// What stands between a local part and its tag: `user+tag@example.org`.
pub(crate) const SUBADDRESS_DEFAULT: char = '+';
/// The wait before the second attempt.
pub(crate) const RETRY_FIRST_DEFAULT: Duration = Duration::from_secs(5 * MINUTE);
/// The longest wait between two attempts.
pub(crate) const RETRY_CAP_DEFAULT: Duration = Duration::from_secs(4 * HOUR);
/// When to give up: RFC 5321 §4.5.4.1 asks for at least 4 to 5 days.
pub(crate) const RETRY_EXPIRY_DEFAULT: Duration = Duration::from_secs(5 * DAY);
/// Sessions of one peer at a time.
pub(crate) const SESSIONS_PER_PEER_DEFAULT: u32 = 100;
/// Received fields before a message counts as looping (RFC 5321 §6.3).
pub(crate) const HOPS_DEFAULT: u32 = 50;
/// Octets of content in memory, all sessions together.
pub(crate) const CONTENT_IN_FLIGHT_DEFAULT: u64 = 64 * MIB;
/// How long the journal remembers.
pub(crate) const JOURNAL_KEEP_DEFAULT: Duration = Duration::from_secs(30 * DAY);
/// Octets of disk the journal may use.
pub(crate) const JOURNAL_SIZE_DEFAULT: u64 = 1024 * MIB;

// Bounds ------------------------------------------------------------------------------------------------

/// Octets of the configuration file; thirty thousand domains fit.
pub(crate) const FILE_OCTETS_MAX: u64 = MIB;
/// Listeners, however they are written.
pub(crate) const LISTENERS_MAX: usize = 64;
/// The longest duration, so that no sum of a moment and a duration overflows.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(3650 * DAY);
/// The largest size in octets; sizes are stored as signed 64 bits.
pub(crate) const SIZE_MAX: u64 = i64::MAX.cast_unsigned();
/// Recipients of one transaction; no more than the queue takes for one message
/// ([`postrider_queue::limits::RECIPIENTS_PER_MESSAGE_MAX`]).
pub(crate) const RECIPIENTS: RangeInclusive<u32> = 1..=10_000;
/// Sessions, all together; 0 leaves it to the limit of open files.
pub(crate) const SESSIONS: RangeInclusive<u32> = 0..=1_000_000;
/// Sessions of one peer.
pub(crate) const SESSIONS_PER_PEER: RangeInclusive<u32> = 1..=1_000_000;
/// Received fields.
pub(crate) const HOPS: RangeInclusive<u32> = 1..=1000;
/// Octets of a user's name on this system (`useradd` allows as many).
pub(crate) const USER_OCTETS_MAX: usize = 32;

// What others may expect of us; less is allowed, with a warning --------------------------------------------

/// Octets of a message that every server takes (RFC 5321 §4.5.3.1.7).
pub(crate) const MESSAGE_OCTETS_EXPECTED: u64 = 64 * 1024;
/// Recipients that every server takes (RFC 5321 §4.5.3.1.8).
pub(crate) const RECIPIENTS_EXPECTED: u32 = 100;

// How problems are shown ------------------------------------------------------------------------------------

/// Problems told at once; the rest is counted.
pub(crate) const PROBLEMS_SHOWN_MAX: usize = 20;
/// Characters of a source line shown around a problem.
pub(crate) const LINE_CHARS_SHOWN_MAX: usize = 160;
/// Characters of a value quoted in a sentence.
pub(crate) const VALUE_CHARS_SHOWN_MAX: usize = 60;
/// Octets of an unknown key that are compared with the known ones (the comparison is quadratic).
pub(crate) const KEY_OCTETS_COMPARED_MAX: usize = 64;
/// Columns of the drawn report, at the narrowest and the widest.
pub(crate) const COLUMNS_SHOWN: RangeInclusive<usize> = 40..=120;

#[cfg(test)]
mod tests {
    #[test]
    fn no_transaction_may_have_more_recipients_than_the_queue_takes() {
        let most = usize::try_from(*super::RECIPIENTS.end()).unwrap();
        assert_eq!(most, postrider_queue::limits::RECIPIENTS_PER_MESSAGE_MAX);
    }
}

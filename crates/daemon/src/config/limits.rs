//! What holds when the configuration says nothing, and the bounds of what it may say. A default stands once,
//! in the crate it is about; those of the protocol itself (octets of a message, recipients) are in
//! [`postrider_smtp::limits`].

pub(crate) use postrider_journal::limits::{
    KEEP_DEFAULT as JOURNAL_KEEP_DEFAULT, OCTETS_DEFAULT as JOURNAL_SIZE_DEFAULT,
};
pub(crate) use postrider_mta::limits::REST_LONGEST as REST_MAX;
pub(crate) use postrider_policy::limits::{HOPS_DEFAULT, SESSIONS_PER_PEER_DEFAULT};
pub(crate) use postrider_queue::limits::EXPIRY_MAX;

use std::ops::RangeInclusive;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;
const MIB: u64 = 1024 * 1024;

// Defaults ----------------------------------------------------------------------------------------------

/// What stands between a local part and its tag: `user+tag@example.org`.
pub(crate) const SUBADDRESS_DEFAULT: char = '+';
/// Who may connect to a Unix socket: its owner and group.
pub(crate) const SOCKET_MODE_DEFAULT: u32 = 0o660;
/// Octets of content in memory, all sessions together.
pub(crate) const CONTENT_IN_FLIGHT_DEFAULT: u64 = postrider_queue::limits::IN_FLIGHT_OCTETS_DEFAULT as u64;

// Bounds ------------------------------------------------------------------------------------------------

/// Octets of the configuration file; thirty thousand domains fit.
pub(crate) const FILE_OCTETS_MAX: u64 = MIB;
/// Listeners, however they are written.
pub(crate) const LISTENERS_MAX: usize = 64;
/// Octets of the path of a Unix socket: what fits into `sun_path` with the NUL at its end (unix(7)).
pub(crate) const SOCKET_PATH_OCTETS_MAX: usize = 107;
/// How far a message may be put off at the most: a year.
pub(crate) const FUTURE_RELEASE_MAX: Duration = Duration::from_secs(365 * DAY);
/// The least time for a delivery that may be asked for; whoever takes longer should not offer DELIVERBY.
pub(crate) const DELIVER_BY_MIN_MAX: Duration = Duration::from_secs(7 * DAY);
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
/// Connections to other hosts, all together or to one of them.
pub(crate) const CONNECTIONS: RangeInclusive<u32> = 1..=100_000;
/// Messages that one connection carries.
pub(crate) const MESSAGES_PER_CONNECTION: RangeInclusive<u32> = 1..=1_000_000;
/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a reply may take; RFC 5321 §4.5.3.2 asks for no more than ten minutes.
pub(crate) const REPLY_TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// How long a connection may wait for the next message; servers wait five minutes (RFC 5321 §4.5.3.2.7).
pub(crate) const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);
/// How long one name server may take to answer one question; a look-up as a whole ends with
/// [`postrider_mta::limits::DNS_TIMEOUT`].
pub(crate) const DNS_TIMEOUT_MAX: Duration = postrider_mta::limits::DNS_TIMEOUT;
/// How often the name servers are asked one question.
pub(crate) const DNS_ATTEMPTS: RangeInclusive<u32> = 1..=5;
/// How many times as long as the one before a wait may be.
pub(crate) const RETRY_FACTOR: RangeInclusive<f64> = 1.0..=10.0;
/// The part of itself by which a wait is moved either way.
pub(crate) const RETRY_JITTER: RangeInclusive<f64> = 0.0..=0.5;
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
/// Domains of one route that a sentence names; the rest is counted.
pub(crate) const DOMAINS_SHOWN_MAX: usize = 10;
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

//! Stored times: milliseconds since 1970 in UTC, and how they print.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment on the wall clock, in milliseconds since 1970-01-01T00:00:00Z. Waiting uses the monotonic
/// clock instead; this is what is stored, shown and written into headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// From milliseconds since 1970.
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This moment and `wait` more; the end of time where that overflows.
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// A `date-time` for a header, in UTC: `Sun, 22 Nov 2026 18:31:15 +0000` (RFC 5322 §3.3).
    pub fn rfc5322(self) -> String {
        let zoned = self.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
        jiff::fmt::rfc2822::to_string(&zoned).unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".into())
    }

    /// From a `date-time` of RFC 3339 with its zone, such as `2026-11-22T18:31:15Z`; `None` when it is none.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let is_bounded =
            text.len() <= "2026-11-22T18:31:15.123456789+00:00".len() && text.contains(['T', 't']);
        let moment: jiff::Timestamp = text.parse().ok().filter(|_| is_bounded)?;
        Some(Self(moment.as_millisecond()))
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// `2026-11-22T18:31:15.042Z` (RFC 3339).
impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5322 §3.3
    #[test]
    fn a_moment_prints_for_headers_and_for_logs() {
        let moment = UnixMillis::new(1_795_372_275_042);
        assert_eq!(moment.rfc5322(), "Sun, 22 Nov 2026 18:31:15 +0000");
        assert_eq!(moment.to_string(), "2026-11-22T18:31:15.042Z");
    }

    #[test]
    fn no_moment_panics() {
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            assert!(!UnixMillis::new(millis).rfc5322().is_empty());
            assert!(!UnixMillis::new(millis).plus(Duration::MAX).to_string().is_empty());
        }
    }
}

//! What may go: whole segments, oldest first, by age and by size.

use postrider_mail::UnixMillis;
use std::time::Duration;

/// A segment that is no longer written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) number: u32,
    /// The latest moment it tells of.
    pub(crate) last_at: UnixMillis,
    /// Octets on disk.
    pub(crate) octets: u64,
    /// Whether it was set aside.
    pub(crate) damaged: bool,
}

/// How many of `sealed`, which is ordered from old to new, have to go at `now`. `others` are the octets
/// that stay in any case.
pub(crate) fn too_many(
    sealed: &[Sealed],
    others: u64,
    keep: Duration,
    octets_max: u64,
    now: UnixMillis,
) -> usize {
    let mut octets = sealed.iter().fold(others, |sum, segment| sum.saturating_add(segment.octets));
    let mut go = 0;
    for segment in sealed {
        if octets <= octets_max && now.since(segment.last_at) <= keep {
            break;
        }
        octets = octets.saturating_sub(segment.octets);
        go += 1;
    }
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn days(days: &[i64]) -> Vec<Sealed> {
        let sealed = |day: &i64| Sealed {
            number: 1,
            last_at: UnixMillis::new(day * 86_400_000),
            octets: 100,
            damaged: false,
        };
        days.iter().map(sealed).collect()
    }

    fn on_day(day: i64) -> UnixMillis {
        UnixMillis::new(day * 86_400_000)
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_just_old_enough_stays() {
        assert_eq!(too_many(&days(&[1, 2, 3]), 0, 2 * DAY, u64::MAX, on_day(4)), 1);
        assert_eq!(too_many(&days(&[1, 2, 3]), 0, 2 * DAY, u64::MAX, on_day(9)), 3);
    }

    #[test]
    fn what_is_too_much_goes_oldest_first() {
        assert_eq!(too_many(&days(&[1, 2, 3]), 50, 99 * DAY, 350, on_day(4)), 0);
        assert_eq!(too_many(&days(&[1, 2, 3]), 50, 99 * DAY, 349, on_day(4)), 1);
        assert_eq!(too_many(&days(&[1, 2, 3]), 500, 99 * DAY, 349, on_day(4)), 3);
    }

    #[test]
    fn a_clock_that_stepped_back_drops_nothing() {
        assert_eq!(too_many(&days(&[5, 6]), 0, DAY, u64::MAX, on_day(0)), 0);
    }
}

//! The extremes of `[retry]`, through a real spool: whatever is set, mail that always fails is tried, and ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use postrider_mail::UnixMillis;
use postrider_queue::{Became, Notice, Outcome, Retry, Settings, State};
use rig::{Rig, START};
use std::time::Duration;

const SMALL: &[u8] = b"Subject: hello\r\n\r\nHello.\r\n";

/// Tries a message each time it is due until it ends: the moments, since the start, and the notices of delay.
fn tries(retry: Retry) -> (Vec<Duration>, usize) {
    let mut rig = Rig::with(Settings { retry, ..Settings::default() });
    let mut message = rig.message(SMALL, "a@x.example", &["b@y.example"], START);
    message.set_delay_notices(true);
    rig.drive(async |queue| queue.accept(message).await).unwrap();
    let (mut now, mut moments, mut delays) = (START, Vec::new(), 0);
    loop {
        let attempt = rig.lease_one(now);
        moments.push(now.since(START));
        let settled = rig.settle(&attempt, Outcome::Deferred, now);
        delays += usize::from(settled.recipients[0].owed == Some(Notice::Delay));
        let next: UnixMillis = match settled.recipients[0].became {
            Became::Waiting { next_attempt } => next_attempt,
            Became::Final(State::Expired) => return (moments, delays),
            other => panic!("{other:?}"),
        };
        assert!(next > now, "{next:?} is not after {now:?}");
        assert!(rig.lease(now).attempts.is_empty(), "nothing is due before its time");
        assert!(moments.len() < 1_000, "no end in sight");
        now = next;
    }
}

fn retry(first_ms: u64, longest_ms: u64, expiry_ms: u64) -> Retry {
    Retry {
        first: Duration::from_millis(first_ms),
        longest: Duration::from_millis(longest_ms),
        expiry: Duration::from_millis(expiry_ms),
        ..Retry::default()
    }
}

#[test]
fn mail_ends_under_every_setting_that_a_configuration_may_have() {
    let day = 24 * 3600 * 1000;
    let settings = [
        retry(1_000, 1_000, 2_000),
        retry(1_000, 1_000, 1_000),
        retry(1, 1, 200),
        retry(1_000, 300_000, 300_000),
        retry(day, day, day),
        retry(2 * day, 100 * day, 365 * day),
    ];
    for setting in settings {
        for (factor, jitter) in [(1.0, 0.0), (1.6, 0.2), (10.0, 0.5)] {
            let setting = Retry { factor, jitter, ..setting };
            let (moments, delays) = tries(setting);
            assert!(moments.len() >= 2, "{setting:?}: {moments:?}");
            assert_eq!((moments[0], moments.last()), (Duration::ZERO, Some(&setting.expiry)), "{setting:?}");
            let late = setting.delay_notice_after.is_some_and(|after| after < setting.expiry);
            assert_eq!(delays, usize::from(late), "{setting:?}");
            for pair in moments.windows(2) {
                assert!(pair[1] - pair[0] <= setting.longest, "{setting:?}: {pair:?}");
            }
        }
    }
}

#[test]
fn a_delay_is_told_at_its_moment_whatever_the_waits() {
    for after in [1, 700, 1_999] {
        let after = Duration::from_millis(after);
        let (moments, delays) =
            tries(Retry { delay_notice_after: Some(after), ..retry(1_000, 1_000, 2_000) });
        assert!(delays == 1 && moments.contains(&after), "{after:?}: {moments:?}");
    }
    for never in [Some(Duration::from_millis(2_000)), Some(Duration::from_secs(9)), None] {
        assert_eq!(
            tries(Retry { delay_notice_after: never, ..retry(1_000, 1_000, 2_000) }).1,
            0,
            "{never:?}"
        );
    }
}

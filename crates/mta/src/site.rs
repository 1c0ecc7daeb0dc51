//! The health of one site (a host at an address): how many connections it may have, and whether it is left
//! alone for a while. No sockets and no clock: moments go in.
//!
//! The window starts small. It grows late: by one after as many good messages as it is wide, and only while it is
//! used to the full. It shrinks early: by one at the first trouble, and then after each share of troubles of its width
//! (1/N feedback both ways). A host that turns a connection away while others go on has shown its limit, which
//! holds for [`CEILING_TIME`].
//!
//! Apart from that, a host that cannot be reached at all rests: nobody tries it until the rest is over, then one
//! connection does, and what comes of it decides.

use crate::limits::{CEILING_TIME, FAILURES_UNTIL_REST, REST_LONGEST, WINDOW_FIRST};
use postrider_mail::Text;
use std::time::{Duration, Instant};

/// One site.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Connections that may be open.
    window: u32,
    /// Parts of the next step of the window, in 1/65536.
    credit: i64,
    /// What the host has shown to be too many, and until when that is believed.
    ceiling: Option<(u32, Instant)>,
    /// Failures to get a connection since the last one that served.
    failures: u32,
    rest: Option<Rest>,
    /// Rests in a row, for the next one's length.
    rests: u32,
    /// When it was last used, or tried.
    pub(crate) used_at: Instant,
}

/// A site that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Until when.
    pub(crate) until: Instant,
    /// What failed.
    pub(crate) why: Text,
    /// Someone is trying whether it is back.
    probed: bool,
}

/// One, in the unit of the credit.
const WHOLE: i64 = 65_536;

impl Site {
    /// A site that nothing is known of.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            window: WINDOW_FIRST,
            credit: 0,
            ceiling: None,
            failures: 0,
            rest: None,
            rests: 0,
            used_at: now,
        }
    }

    /// Connections that may be open now, where the route allows this many.
    pub(crate) fn window(&self, route_max: u32, now: Instant) -> u32 {
        let ceiling = self.ceiling.filter(|(_, until)| now < *until).map_or(u32::MAX, |(most, _)| most);
        if self.rest.is_some() { 1 } else { self.window.min(ceiling).min(route_max).max(1) }
    }

    /// Why nobody may connect now. When a rest is over, the first who asks may, and the others wait for what comes
    /// of it.
    pub(crate) fn resting(&mut self, now: Instant) -> Option<Rest> {
        let rest = self.rest.as_mut()?;
        if now >= rest.until && !rest.probed {
            rest.probed = true;
            return None;
        }
        Some(rest.clone())
    }

    /// The rest, for whoever looks.
    pub(crate) fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    /// A connection was made and the host agreed to serve us.
    pub(crate) fn served(&mut self, now: Instant) {
        self.used_at = now;
        self.failures = 0;
        self.rests = 0;
        if self.rest.take().is_some() {
            self.window = 1;
            self.credit = 0;
        }
    }

    /// A message went through, while so many connections were open.
    pub(crate) fn good(&mut self, open: u32, route_max: u32, now: Instant) {
        self.served(now);
        let window = self.window(route_max, now);
        if open < window {
            return;
        }
        self.credit += WHOLE / i64::from(window);
        if self.credit + i64::from(window) > WHOLE && window < route_max {
            self.credit = 0;
            self.window = window + 1;
        } else {
            self.credit = self.credit.min(WHOLE);
        }
    }

    /// The host could not be reached, would not serve us, or broke off. `others` connections to it go on. Only who
    /// is turned away `at_the_door` meanwhile has met a limit: a connection that served and ended says nothing of
    /// how many there may be.
    pub(crate) fn trouble(
        &mut self,
        why: &Text,
        at_the_door: bool,
        others: u32,
        rest_first: Duration,
        now: Instant,
    ) {
        self.used_at = now;
        let window = self.window;
        if others > 0 && at_the_door {
            self.ceiling = Some((others, now + CEILING_TIME));
        }
        self.credit -= WHOLE / i64::from(window.max(1));
        if self.credit < 0 {
            self.window = window.saturating_sub(1).max(1);
            self.credit += WHOLE;
            self.credit = self.credit.clamp(0, WHOLE / 2);
        }
        self.failures = self.failures.saturating_add(1);
        if others == 0 && (self.failures >= FAILURES_UNTIL_REST || self.rest.is_some()) {
            let length = rest_first.saturating_mul(1 << self.rests.min(10)).min(REST_LONGEST.max(rest_first));
            self.rests = self.rests.saturating_add(1);
            self.rest = Some(Rest { until: now + length, why: why.clone(), probed: false });
            self.window = 1;
            // Others were turned away by a host that was going down.
            self.ceiling = None;
        }
    }

    /// Nothing keeps the next one from trying.
    pub(crate) fn forget_rest(&mut self) {
        self.rest = None;
        self.failures = 0;
        self.rests = 0;
    }

    /// Whoever was trying whether the host is back has given up without an answer: another may.
    pub(crate) fn probe_again(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REST: Duration = Duration::from_secs(30);

    fn refused() -> Text {
        Text::literal("connection refused")
    }

    #[test]
    fn the_window_grows_late_and_only_while_it_is_full() {
        let now = Instant::now();
        let mut site = Site::new(now);
        for _ in 0..100 {
            site.good(WINDOW_FIRST - 1, 20, now);
        }
        assert_eq!(site.window(20, now), WINDOW_FIRST);
        let mut messages = 0;
        while site.window(20, now) < 20 {
            site.good(site.window(20, now), 20, now);
            messages += 1;
        }
        // As many messages per step as the window is wide.
        assert_eq!(messages, (WINDOW_FIRST..20).sum::<u32>());
        for _ in 0..1000 {
            site.good(20, 20, now);
        }
        assert_eq!(site.window(20, now), 20);
        assert_eq!(site.window(4, now), 4);
    }

    #[test]
    fn the_first_trouble_shrinks_it() {
        let now = Instant::now();
        let mut site = Site::new(now);
        while site.window(20, now) < 10 {
            site.good(site.window(20, now), 20, now);
        }
        site.trouble(&refused(), true, 0, REST, now);
        assert_eq!(site.window(20, now), 9);
    }

    #[test]
    fn a_host_that_turns_one_away_while_others_go_on_has_shown_its_limit() {
        let now = Instant::now();
        let mut site = Site::new(now);
        while site.window(20, now) < 6 {
            site.good(site.window(20, now), 20, now);
        }
        site.trouble(&refused(), true, 5, REST, now);
        assert_eq!(site.window(20, now), 5);
        for _ in 0..1000 {
            site.good(5, 20, now);
        }
        assert_eq!(site.window(20, now), 5);
        assert!(site.window(20, now + CEILING_TIME) > 5);
        assert_eq!(site.resting(now), None);
    }

    #[test]
    fn a_host_that_ends_its_connections_has_shown_no_limit() {
        let now = Instant::now();
        let mut site = Site::new(now);
        for others in [2, 1] {
            site.trouble(&refused(), false, others, REST, now);
        }
        for _ in 0..1000 {
            site.good(site.window(20, now), 20, now);
        }
        assert_eq!(site.window(20, now), 20);
    }

    #[test]
    fn a_host_that_was_dead_has_shown_no_limit() {
        let now = Instant::now();
        let mut site = Site::new(now);
        // Three connections at a time, and none is made.
        for others in [2, 1, 0] {
            site.trouble(&refused(), true, others, REST, now);
        }
        let back = now + REST;
        assert_eq!(site.resting(back), None);
        for _ in 0..1000 {
            site.good(site.window(20, back), 20, back);
        }
        assert_eq!(site.window(20, back), 20);
    }

    #[test]
    fn a_dead_host_rests_and_one_tries_whether_it_is_back() {
        let now = Instant::now();
        let mut site = Site::new(now);
        for _ in 0..FAILURES_UNTIL_REST {
            assert_eq!(site.resting(now), None);
            site.trouble(&refused(), true, 0, REST, now);
        }
        assert_eq!(site.resting(now).map(|rest| (rest.until, rest.why)), Some((now + REST, refused())));
        let later = now + REST;
        assert_eq!(site.resting(later), None);
        assert!(site.resting(later).is_some(), "one tries, the others wait");
        // Still dead: twice as long.
        site.trouble(&refused(), true, 0, REST, later);
        assert_eq!(site.resting(later).map(|rest| rest.until), Some(later + 2 * REST));
        let back = later + 2 * REST;
        assert_eq!(site.resting(back), None);
        site.served(back);
        assert_eq!(site.resting(back), None);
        assert_eq!(site.window(20, back), 1, "it comes back slowly");
    }

    proptest! {
        #[test]
        fn the_window_stays_within_its_bounds(
            steps in prop::collection::vec((0u8..4, 0u32..30, 0u64..1000), 0..300), route_max in 1u32..50,
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut site = Site::new(now);
            for (step, number, seconds) in steps {
                now += Duration::from_secs(seconds);
                match step {
                    0 => site.good(number, route_max, now),
                    1 => site.trouble(&refused(), true, number.saturating_sub(20), REST, now),
                    2 => site.served(now),
                    _ => { site.resting(now); }
                }
                let window = site.window(route_max, now);
                prop_assert!((1..=route_max).contains(&window));
                if let Some(rest) = site.rest() {
                    prop_assert!(rest.until <= now + REST_LONGEST);
                }
            }
        }
    }
}

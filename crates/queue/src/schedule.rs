//! Which route keys have something due, and when. In memory, bounded, and rebuilt from the index at any time.
//!
//! A key's moment is a lower bound: nothing under it is due before. So noting a row too early, or one that
//! was rolled back, costs a look into the index and nothing else. Keys beyond [`KEYS_MAX`] are forgotten,
//! those due last first, and found again by a sweep over the index before they are due.

use crate::entry::RouteKey;
use crate::limits::KEYS_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// What an operator paused.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    pub(crate) everything: bool,
    pub(crate) keys: BTreeSet<RouteKey>,
}

#[derive(Debug)]
pub(crate) struct Schedule {
    due: BTreeMap<RouteKey, i64>,
    order: BTreeSet<(i64, RouteKey)>,
    /// Where the sweep that is under way goes on.
    sweep: Option<String>,
    /// When the next sweep must begin.
    sweep_at: Option<i64>,
    keys_max: usize,
    pauses: Pauses,
}

impl Schedule {
    /// Knows nothing yet: the first leases sweep.
    pub(crate) fn new() -> Self {
        Self::holding(KEYS_MAX)
    }

    fn holding(keys_max: usize) -> Self {
        Self {
            due: BTreeMap::new(),
            order: BTreeSet::new(),
            sweep: Some(String::new()),
            sweep_at: None,
            keys_max,
            pauses: Pauses::default(),
        }
    }

    /// Something under `key` is due at `due`.
    pub(crate) fn note(&mut self, key: &RouteKey, due: i64) {
        if self.due.get(key).is_none_or(|&known| due < known) {
            self.set(key, due);
        }
    }

    /// Nothing under `key` is due before `due`.
    pub(crate) fn set(&mut self, key: &RouteKey, due: i64) {
        self.forget(key);
        self.due.insert(key.clone(), due);
        self.order.insert((due, key.clone()));
        if self.due.len() > self.keys_max
            && let Some((due, key)) = self.order.pop_last()
        {
            self.due.remove(&key);
            self.sweep_at = Some(self.sweep_at.map_or(due, |at| at.min(due)));
        }
    }

    /// Nothing waits under `key`.
    pub(crate) fn forget(&mut self, key: &RouteKey) {
        if let Some(due) = self.due.remove(key) {
            self.order.remove(&(due, key.clone()));
        }
    }

    /// Keys and their moments, soonest first, without those that are paused. No more of these are passed
    /// over than an operator has named.
    pub(crate) fn soonest(&self) -> impl Iterator<Item = (i64, &RouteKey)> {
        let keys = self.order.iter().take(if self.pauses.everything { 0 } else { usize::MAX });
        keys.map(|(due, key)| (*due, key)).filter(|(_, key)| !self.pauses.keys.contains(*key))
    }

    /// The moment of one key, unless it is paused.
    pub(crate) fn due(&self, key: &RouteKey) -> Option<i64> {
        self.due.get(key).copied().filter(|_| !self.is_paused(key))
    }

    /// Reads the index again from its beginning.
    pub(crate) fn begin_sweep(&mut self) {
        self.sweep = Some(String::new());
        self.sweep_at = None;
    }

    /// Where the sweep stands, if one is under way or due to begin.
    pub(crate) fn sweep(&mut self, now: i64) -> Option<String> {
        if self.sweep.is_none() && self.sweep_at.is_some_and(|at| at <= now) {
            self.begin_sweep();
        }
        self.sweep.clone()
    }

    /// The sweep has come to this key; `None`: to the end.
    pub(crate) fn swept(&mut self, to: Option<String>) {
        self.sweep = to;
    }

    /// When a sweep has work, which no key tells.
    pub(crate) fn sweep_due(&self, now: i64) -> Option<i64> {
        if self.sweep.is_some() { Some(now) } else { self.sweep_at }
    }

    /// What is paused from now on.
    pub(crate) fn set_pauses(&mut self, pauses: Pauses) {
        self.pauses = pauses;
    }

    pub(crate) fn is_paused(&self, key: &RouteKey) -> bool {
        self.pauses.everything || self.pauses.keys.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RouteKey {
        RouteKey::new(name).unwrap()
    }

    #[test]
    fn a_key_beyond_the_bound_is_swept_for_before_it_is_due() {
        let mut schedule = Schedule::holding(2);
        schedule.swept(None);
        for (name, due) in [("a", 10), ("b", 30), ("c", 20)] {
            schedule.note(&key(name), due);
        }
        assert_eq!(schedule.soonest().map(|(due, _)| due).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(schedule.sweep(29), None);
        assert_eq!(schedule.sweep_due(29), Some(30));
        assert_eq!(schedule.sweep(30), Some(String::new()));
    }

    #[test]
    fn paused_keys_are_passed_over() {
        let mut schedule = Schedule::new();
        schedule.note(&key("a"), 10);
        schedule.note(&key("b"), 20);
        schedule.set_pauses(Pauses { everything: false, keys: [key("a")].into() });
        assert_eq!(schedule.soonest().map(|(due, _)| due).collect::<Vec<_>>(), [20]);
        schedule.set_pauses(Pauses { everything: true, keys: BTreeSet::new() });
        assert_eq!(schedule.soonest().count(), 0);
        schedule.set_pauses(Pauses::default());
        assert_eq!(schedule.soonest().count(), 2);
    }
}

//! Whether this host has disk and memory for more mail. Who has neither says so early: 421 to new sessions, 452
//! to new transactions (RFC 5321 §4.2.3), instead of taking content that it must refuse.

use crate::limits::{DISK_FREE_OCTETS_MIN, DISK_LOOK_INTERVAL, MEMORY_SLACK_OCTETS_MIN};
use crate::server::Server;
use postrider_policy::admit::Shortage;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What was seen of the disk, and when.
#[derive(Debug, Default)]
pub struct DiskWatch(Mutex<Option<Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    is_full: bool,
}

impl Server {
    /// What there is too little of. Asks the disk now and then, and never waits for it.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        if self.disk.is_full(self.world.instant(), || self.queue.disk_free_octets()) {
            return Some(Shortage::Disk);
        }
        let (used, budget) = self.queue.memory_octets();
        is_over(used, budget).then_some(Shortage::Memory)
    }
}

impl DiskWatch {
    /// Looks at most once in each [`DISK_LOOK_INTERVAL`]. A disk that cannot say counts as not full: writing to it
    /// will tell.
    fn is_full(&self, now: Instant, free: impl FnOnce() -> std::io::Result<u64>) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = *seen
            && now.saturating_duration_since(seen.at) < DISK_LOOK_INTERVAL
        {
            return seen.is_full;
        }
        let was_full = seen.is_some_and(|seen| seen.is_full);
        let is_full = free().is_ok_and(|free| free < DISK_FREE_OCTETS_MIN);
        match (was_full, is_full) {
            (false, true) => tracing::error!("the disk of the queue is full: no mail is taken"),
            (true, false) => tracing::warn!("the disk of the queue has room again: mail is taken"),
            _ => {}
        }
        *seen = Some(Seen { at: now, is_full });
        is_full
    }
}

/// Whether content in memory is so far over its budget that spilling it to disk does not help any more.
fn is_over(used: usize, budget: usize) -> bool {
    used > budget.saturating_add((budget / 4).max(MEMORY_SLACK_OCTETS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_full_disk_is_noticed_and_forgotten_an_interval_later() {
        let (watch, start) = (DiskWatch::default(), Instant::now());
        let later = start + DISK_LOOK_INTERVAL;
        assert!(watch.is_full(start, || Ok(DISK_FREE_OCTETS_MIN - 1)));
        assert!(watch.is_full(start, || panic!("the disk is asked once")));
        assert!(!watch.is_full(later, || Ok(DISK_FREE_OCTETS_MIN)));
        assert!(!watch.is_full(later + DISK_LOOK_INTERVAL, || Err(io::Error::other("nobody knows"))));
    }

    #[test]
    fn a_spent_budget_alone_is_no_shortage() {
        let budget = 256 * 1024 * 1024;
        assert!(!is_over(budget + MEMORY_SLACK_OCTETS_MIN, budget));
        assert!(is_over(budget + budget / 4 + 1, budget));
        assert!(!is_over(MEMORY_SLACK_OCTETS_MIN, 0) && is_over(MEMORY_SLACK_OCTETS_MIN + 1, 0));
    }
}

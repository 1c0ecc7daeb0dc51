//! The short way from an accepting commit to the dispatcher: a message whose destinations are free is lent by
//! the commit itself and delivered from memory.
//!
//! The queue remains the only joint: what does not fit here is given back and leased later.

use crate::destinations::Destinations;
use crate::limits::{LENT_MAX, LOCAL_DELIVERIES_MAX};
use postrider_queue::{Attempt, Lend, RouteKey};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The accepting side.
#[derive(Clone, Debug)]
pub struct Lending {
    room: Arc<Semaphore>,
    destinations: Arc<Destinations>,
    lent: mpsc::Sender<Lent>,
}

/// The dispatcher's side.
#[derive(Debug)]
pub struct Borrowing {
    pub(crate) room: Arc<Semaphore>,
    pub(crate) lent: mpsc::Receiver<Lent>,
}

/// Attempts of one message under one key, with a place among the local deliveries where there is one already.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Both sides; room elsewhere is what `destinations` says.
pub fn lending(destinations: &Arc<Destinations>) -> (Lending, Borrowing) {
    let room = Arc::new(Semaphore::new(LOCAL_DELIVERIES_MAX));
    let (sender, lent) = mpsc::channel(LENT_MAX);
    let lending = Lending { room: Arc::clone(&room), destinations: Arc::clone(destinations), lent: sender };
    (lending, Borrowing { room, lent })
}

impl Lending {
    /// What a commit may lend of a message that goes to these keys, and a place among the local deliveries if
    /// one is needed and free.
    pub(crate) fn reserve(&self, keys: Vec<RouteKey>) -> (Option<OwnedSemaphorePermit>, Lend) {
        let mut place = None;
        let local = RouteKey::local();
        let free = keys.into_iter().filter(|key| {
            if *key == local {
                place = Arc::clone(&self.room).try_acquire_owned().ok();
                place.is_some()
            } else {
                self.destinations.is_free(key)
            }
        });
        let free: Vec<RouteKey> = free.collect();
        (place, if free.is_empty() { Lend::Nothing } else { Lend::Keys(free) })
    }

    /// Hands what was lent to the dispatcher; gives what it has no room for.
    pub(crate) fn hand_over(
        &self,
        attempts: Vec<Attempt>,
        mut place: Option<OwnedSemaphorePermit>,
    ) -> Vec<Attempt> {
        let local = RouteKey::local();
        let refused = together(attempts).into_iter().flat_map(|attempts| {
            let is_local = attempts.first().is_some_and(|attempt| attempt.key == local);
            let place = if is_local { place.take() } else { None };
            let refused = self.lent.try_send(Lent { attempts, place }).err();
            refused.map_or_else(Vec::new, |refused| refused.into_inner().attempts)
        });
        refused.collect()
    }
}

/// Attempts of one message under one key stand together, and go together.
pub(crate) fn together(attempts: Vec<Attempt>) -> Vec<Vec<Attempt>> {
    let mut groups: Vec<Vec<Attempt>> = Vec::new();
    for attempt in attempts {
        match groups.last_mut() {
            Some(group) if is_sibling(group, &attempt) => group.push(attempt),
            _ => groups.push(vec![attempt]),
        }
    }
    groups
}

fn is_sibling(group: &[Attempt], attempt: &Attempt) -> bool {
    group.first().is_some_and(|first| first.message.id == attempt.message.id && first.key == attempt.key)
}

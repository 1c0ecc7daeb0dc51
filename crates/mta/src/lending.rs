//! The short way from an accepting commit to the dispatcher: a message whose destination is free is lent by
//! the commit itself and delivered from memory.
//!
//! The queue remains the only joint: what does not fit here is given back and leased later.

use crate::limits::{LENT_MAX, LOCAL_DELIVERIES_MAX};
use postrider_queue::{Attempt, Lend, RouteKey};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The accepting side.
#[derive(Clone, Debug)]
pub struct Lending {
    room: Arc<Semaphore>,
    lent: mpsc::Sender<Lent>,
}

/// The dispatcher's side.
#[derive(Debug)]
pub struct Borrowing {
    pub(crate) room: Arc<Semaphore>,
    pub(crate) lent: mpsc::Receiver<Lent>,
}

/// An attempt, with its place among the deliveries where it has one already.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) attempt: Attempt,
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// Both sides.
pub fn lending() -> (Lending, Borrowing) {
    let room = Arc::new(Semaphore::new(LOCAL_DELIVERIES_MAX));
    let (sender, lent) = mpsc::channel(LENT_MAX);
    (Lending { room: Arc::clone(&room), lent: sender }, Borrowing { room, lent })
}

impl Lending {
    /// A place among the deliveries, if one is free, and what the commit may lend for it.
    pub(crate) fn reserve(&self) -> (Option<OwnedSemaphorePermit>, Lend) {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(place) => (Some(place), Lend::Keys(vec![RouteKey::local()])),
            Err(_) => (None, Lend::Nothing),
        }
    }

    /// Hands what was lent to the dispatcher; gives what it has no room for.
    pub(crate) fn hand_over(
        &self,
        attempts: Vec<Attempt>,
        mut place: Option<OwnedSemaphorePermit>,
    ) -> Vec<Attempt> {
        let refused = attempts.into_iter().filter_map(|attempt| {
            let lent = Lent { attempt, place: place.take() };
            self.lent.try_send(lent).err().map(|refused| refused.into_inner().attempt)
        });
        refused.collect()
    }
}

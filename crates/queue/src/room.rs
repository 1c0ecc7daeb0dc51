//! What a lease asks for and gives, and how the room it names is counted.

use crate::entry::{Attempt, RouteKey};
use crate::expire::Expired;
use postrider_mail::UnixMillis;
use std::collections::BTreeMap;

/// What a lease asks for. Room is counted in messages: all attempts that one message needs under one key, up
/// to [`ATTEMPTS_PER_MESSAGE_MAX`](crate::limits::ATTEMPTS_PER_MESSAGE_MAX), count once, so that they can share
/// a transaction.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The moment to which things are due.
    pub now: UnixMillis,
    /// Messages wanted at most; one under two keys counts twice. With 0 nothing is lent, and what has
    /// expired is given up all the same.
    pub limit: usize,
    /// Messages under any key that `room` does not name.
    pub room_per_key: u32,
    /// Room of keys that differ: those that are busy have less, or none.
    pub room: Vec<(RouteKey, u32)>,
}

/// What a lease gives.
#[derive(Debug, Default)]
pub struct Leased {
    /// What is due now. The attempts of one message under one key stand one behind the other and share their
    /// [`Message`](crate::Message).
    pub attempts: Vec<Attempt>,
    /// What was given up, as it expired before its key had room for a last try.
    pub expired: Vec<Expired>,
    /// Notices became owed about recipients that still wait: their delivery deadline has passed
    /// (RFC 2852 §4).
    pub owing: bool,
    /// When to ask again, unless [`Queue::changed`](crate::Queue::changed) says so sooner or room is made.
    /// What waits under a key without room counts only for its expiry.
    pub next_due: Option<UnixMillis>,
}

/// The room a lease names, as it is used up.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    named: BTreeMap<&'a RouteKey, u32>,
    others: u32,
    /// Used up of keys that were not named.
    used: BTreeMap<RouteKey, u32>,
}

impl<'a> Room<'a> {
    pub(crate) fn new(ask: &'a Lease) -> Self {
        let named = ask.room.iter().map(|(key, room)| (key, *room)).collect();
        Self { named, others: ask.room_per_key, used: BTreeMap::new() }
    }

    pub(crate) fn left(&self, key: &RouteKey) -> u32 {
        match self.named.get(key) {
            Some(room) => *room,
            None => self.others.saturating_sub(self.used.get(key).copied().unwrap_or(0)),
        }
    }

    pub(crate) fn take(&mut self, key: &RouteKey) {
        match self.named.get_mut(key) {
            Some(room) => *room = room.saturating_sub(1),
            None => *self.used.entry(key.clone()).or_default() += 1,
        }
    }

    /// The keys that have room, when only named ones do.
    pub(crate) fn only(&self) -> Option<impl Iterator<Item = &'a RouteKey>> {
        (self.others == 0).then(|| self.named.iter().filter(|(_, room)| **room > 0).map(|(key, _)| *key))
    }
}

//! What leaves this host, in memory: for each route key the attempts that wait for a connection, for each site
//! its window, its idle connections and who waits for one.
//!
//! Connections pull mail: a courier takes the next attempt of its key when it has a hand free, so a slow
//! destination holds its own few attempts and no others. A site's connections are lent in turn to whoever waits for
//! them, so that destinations behind one host share it fairly.
//!
//! One lock guards all of it and is never held while anything is waited for.

mod destination;
mod pool;
mod view;

pub(crate) use pool::{Acquired, Lent, SiteAddress, Slot, end};
pub use view::Outlook;

use crate::hosts::Target as HostTarget;
use crate::limits::{ATTEMPTS_AGAIN, ATTEMPTS_MAX, ATTEMPTS_PER_KEY, HOSTS_BELIEVED_FOR, SITES_MAX};
use destination::{Destination, rests};
use pool::Pool;
use postrider_mail::Refusal;
use postrider_policy::route::{Hop, Way};
use postrider_queue::{Attempt, RouteKey, Target};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Recipients of one attempt that go the same way now.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) hop: Hop,
    pub(crate) targets: Vec<Target>,
}

/// The destinations and sites of one server.
#[derive(Default)]
pub struct Destinations {
    inner: Mutex<Inner>,
    /// Woken when there is room for more attempts.
    room: Notify,
    /// Woken when a connection has ended or become idle, for those who wait for the number of all.
    ended: Notify,
}

#[derive(Default)]
struct Inner {
    keys: BTreeMap<RouteKey, Destination>,
    sites: BTreeMap<SiteAddress, Pool>,
    /// Attempts that wait, under all keys.
    waiting: usize,
    /// Attempts that couriers carry.
    carried: usize,
    /// There was no room at all when it was last looked for.
    is_full: bool,
    /// Connections, at all sites.
    open: u32,
}

/// What a courier is to do next.
#[derive(Debug)]
pub(crate) struct Load {
    /// Attempts of one message that go together, at least one.
    pub(crate) jobs: Vec<Job>,
}

/// The right to work for a key; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    destinations: Arc<Destinations>,
    pub(crate) key: RouteKey,
    /// Attempts that it was given last.
    carries: usize,
    is_left: bool,
}

impl Destinations {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fresh message for this key may be lent at once, before what the queue already holds.
    pub(crate) fn is_free(&self, key: &RouteKey) -> bool {
        let mut inner = self.inner();
        if inner.room() == 0 {
            return false;
        }
        let Some(destination) = inner.keys.get_mut(key) else { return true };
        if destination.waiting() >= ATTEMPTS_PER_KEY {
            destination.is_backlogged = true;
        }
        !destination.is_backlogged
    }

    /// Room for a lease: how many attempts altogether, how many under a key that is not named, and under those
    /// that are, in their order.
    pub(crate) fn room(&self) -> (usize, u32, Vec<(RouteKey, u32)>) {
        let mut inner = self.inner();
        let all = inner.room();
        if all == 0 {
            return (0, 0, Vec::new());
        }
        let busy = inner.keys.iter().filter(|(_, destination)| destination.waiting() > 0);
        let left = |destination: &Destination| ATTEMPTS_PER_KEY.saturating_sub(destination.waiting());
        let named = busy.map(|(key, destination)| (key.clone(), messages(left(destination))));
        (all, messages(ATTEMPTS_PER_KEY), named.collect())
    }

    /// A lease gave so many messages under each key, of as many as [`Destinations::room`] had said. Where that is
    /// all there was room for, the queue may have more; where it is less, it has not.
    pub(crate) fn leased(&self, got: &BTreeMap<RouteKey, usize>, per_key: u32, named: &[(RouteKey, u32)]) {
        if per_key == 0 {
            return;
        }
        let mut inner = self.inner();
        let named = named.iter().map(|(key, room)| (key, *room));
        let room: BTreeMap<&RouteKey, u32> = got.keys().map(|key| (key, per_key)).chain(named).collect();
        for (key, room) in room {
            if let Some(destination) = inner.keys.get_mut(key) {
                destination.is_backlogged = got.get(key).copied().unwrap_or(0) >= room as usize;
            }
        }
    }

    /// Waits until there is room that there was not.
    pub(crate) async fn room_made(&self) {
        self.room.notified().await;
    }

    /// Puts jobs of one message under one key where the key's couriers find them; gives a seat when another
    /// courier should come.
    pub(crate) fn put(self: &Arc<Self>, jobs: Vec<Job>, now: Instant) -> Option<Seat> {
        let mut inner = self.inner();
        let first = jobs.first()?;
        let key = first.attempt.key.clone();
        let way_max = connections_max(&first.hop);
        inner.waiting += jobs.len();
        let inner = &mut *inner;
        let destination = inner.keys.entry(key.clone()).or_insert_with(|| Destination::new(now));
        destination.add(jobs);
        let limit = destination.couriers_max(&inner.sites, way_max, now);
        if destination.couriers >= limit {
            return None;
        }
        destination.couriers += 1;
        Some(Seat { destinations: Arc::clone(self), key, carries: 0, is_left: false })
    }

    /// What was put and is not yet taken, in no order: for the end of the server.
    pub(crate) fn take_all(&self) -> Vec<Job> {
        let mut inner = self.inner();
        inner.waiting = 0;
        let all = inner.keys.values_mut().flat_map(Destination::take_all);
        all.collect()
    }

    /// Remembers where a key's mail can go, in the order in which it is tried.
    pub(crate) fn found(&self, key: &RouteKey, hosts: Vec<HostTarget>, now: Instant) {
        if let Some(destination) = self.inner().keys.get_mut(key) {
            destination.hosts = hosts;
            destination.hosts_until = now + HOSTS_BELIEVED_FOR;
            destination.unresolved = None;
        }
    }

    /// Remembers that DNS could not be asked about a key: until then all of its mail hears the same.
    pub(crate) fn not_found(&self, key: &RouteKey, refusal: Refusal, until: Instant) {
        if let Some(destination) = self.inner().keys.get_mut(key) {
            destination.unresolved = Some((until, refusal));
        }
    }

    /// What DNS trouble was remembered, while it holds.
    pub(crate) fn unresolved(&self, key: &RouteKey, now: Instant) -> Option<Refusal> {
        let inner = self.inner();
        let (until, refusal) = inner.keys.get(key)?.unresolved.as_ref()?;
        (now < *until).then(|| refusal.clone())
    }

    /// Forgets everything that keeps mail waiting for a host that did not answer: the operator asks for a try.
    pub(crate) fn forget_rests(&self) {
        let mut inner = self.inner();
        for destination in inner.keys.values_mut() {
            destination.unresolved = None;
        }
        for pool in inner.sites.values_mut() {
            pool.site.forget_rest();
        }
    }

    /// Drops what is not needed any more: keys without work, sites that nothing was heard of for long.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.keys.retain(|_, destination| {
            // What else it had has gone another way: it would have been leased by now.
            destination.is_backlogged &= destination.waiting() > 0 || destination.couriers > 0;
            !destination.is_over(now) || destination.hosts.iter().any(|host| rests(&inner.sites, host, now))
        });
        inner.sites.retain(|_, pool| !pool.is_forgotten(now));
        if inner.sites.len() > SITES_MAX {
            let mut old: Vec<(Instant, SiteAddress)> = inner
                .sites
                .iter()
                .filter(|(_, pool)| pool.is_unused())
                .map(|(site, pool)| (pool.site.used_at, site.clone()))
                .collect();
            old.sort_unstable();
            let surplus = inner.sites.len() - SITES_MAX;
            for (_, site) in old.into_iter().take(surplus) {
                inner.sites.remove(&site);
            }
        }
    }
}

impl Seat {
    /// The next thing to do, with all that goes along: further attempts of the same message, on the same hop.
    /// Gives the seat back when there is nothing.
    pub(crate) fn next(&mut self) -> Option<Load> {
        let mut inner = self.destinations.inner();
        let inner = &mut *inner;
        inner.carried = inner.carried.saturating_sub(std::mem::take(&mut self.carries));
        if inner.has_room_again() {
            self.destinations.room.notify_one();
        }
        let destination = inner.keys.get_mut(&self.key)?;
        let Some(first) = destination.take_next() else {
            destination.couriers = destination.couriers.saturating_sub(1);
            self.is_left = true;
            return None;
        };
        let mut jobs = vec![first];
        while let (Some(next), Some(first)) = (destination.next(), jobs.first())
            && next.attempt.message.id == first.attempt.message.id
            && next.hop == first.hop
        {
            jobs.extend(destination.take_next());
        }
        self.carries = jobs.len();
        inner.waiting = inner.waiting.saturating_sub(jobs.len());
        inner.carried += jobs.len();
        if destination.is_backlogged && destination.waiting() <= ATTEMPTS_PER_KEY / 2 && !inner.is_full {
            self.destinations.room.notify_one();
        }
        Some(Load { jobs })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.destinations.inner();
        inner.carried = inner.carried.saturating_sub(self.carries);
        if inner.has_room_again() {
            self.destinations.room.notify_one();
        }
        if !self.is_left
            && let Some(destination) = inner.keys.get_mut(&self.key)
        {
            destination.couriers = destination.couriers.saturating_sub(1);
        }
    }
}

impl Inner {
    /// Attempts that there is room for, under all keys.
    fn room(&mut self) -> usize {
        let room = ATTEMPTS_MAX.saturating_sub(self.waiting + self.carried);
        self.is_full |= room == 0;
        room
    }

    /// Whether there is room where there was none: said once.
    fn has_room_again(&mut self) -> bool {
        let has_room = self.is_full && self.waiting + self.carried <= ATTEMPTS_AGAIN;
        self.is_full &= !has_room;
        has_room
    }
}

/// A number of messages, for a lease.
fn messages(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Connections to one site that the hop allows, at least one.
pub(crate) fn connections_max(hop: &Hop) -> u32 {
    way(hop).map_or(1, |way| way.connections_max.max(1))
}

/// How the hop is reached, where it is another host or process.
pub(crate) fn way(hop: &Hop) -> Option<&Way> {
    match hop {
        Hop::Mx(way) | Hop::Smarthost(_, way) | Hop::Lmtp(_, way) => Some(way),
        Hop::Local | Hop::Discard | Hop::Hold => None,
    }
}

impl std::fmt::Debug for Destinations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destinations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

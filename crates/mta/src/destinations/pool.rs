//! One site's connections: how many there are, which are idle, and who waits for one, first come, first served.

use super::{Destinations, Inner};
use crate::connection::Connection;
use crate::hosts::Target;
use crate::limits::SITE_FORGOTTEN_AFTER;
use crate::net::Endpoint;
use crate::site::{Rest, Site};
use postrider_mail::Text;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What tells sites apart: the host and its address, and from which address of ours it is reached. A connection
/// made for one name is not used for another; a host may turn one of our addresses away and serve another, and what
/// an operator sends from one must not leave from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SiteAddress {
    endpoint: Endpoint,
    host: String,
    source: Option<IpAddr>,
}

impl Target {
    /// The site it belongs to.
    pub(crate) fn site(&self) -> SiteAddress {
        let host = self.host.key().into_owned();
        SiteAddress { endpoint: self.endpoint.clone(), host, source: self.source }
    }
}

/// A site with its connections.
pub(super) struct Pool {
    pub(super) site: Site,
    /// Connections that are open or being made, idle ones too.
    pub(super) open: u32,
    /// Those of them whose host has agreed to serve us.
    serving: u32,
    idle: Vec<Idle>,
    queue: VecDeque<Turn>,
}

/// Someone who waits for a connection.
struct Turn {
    /// Connections to this site that their route allows.
    route_max: u32,
    sender: oneshot::Sender<Grant>,
}

/// A connection that nobody uses now.
struct Idle {
    lent: Lent,
    since: Instant,
}

/// A connection on its way from one courier to the next.
pub(crate) struct Lent {
    pub(crate) connection: Connection,
    pub(crate) slot: Slot,
    /// Where it leads.
    pub(crate) target: Target,
}

/// What someone who waited gets.
enum Grant {
    Connection(Box<Lent>),
    Slot(Slot),
}

/// The right to one connection to a site; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    destinations: Arc<Destinations>,
    site: SiteAddress,
    /// Whether it counts among all connections already.
    is_counted: bool,
    /// Whether the host serves us on it.
    is_serving: bool,
}

/// What comes of asking for a connection to a site.
pub(crate) enum Acquired {
    /// One that is open already.
    Reused(Box<Lent>),
    /// The right to make one.
    New(Slot),
    /// The site is left alone.
    Resting(Rest),
}

/// What comes of asking, before anything is waited for.
enum Asked {
    Now(Acquired),
    Slot(Slot),
    Turn(oneshot::Receiver<Grant>),
}

impl Pool {
    pub(super) fn new(now: Instant) -> Self {
        Self { site: Site::new(now), open: 0, serving: 0, idle: Vec::new(), queue: VecDeque::new() }
    }

    pub(super) fn is_unused(&self) -> bool {
        self.open == 0 && self.queue.is_empty()
    }

    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        self.is_unused() && now.saturating_duration_since(self.site.used_at) > SITE_FORGOTTEN_AFTER
    }
}

impl Inner {
    fn pool(&mut self, site: &SiteAddress, now: Instant) -> &mut Pool {
        self.sites.entry(site.clone()).or_insert_with(|| Pool::new(now))
    }
}

impl Destinations {
    /// An open connection to one of the sites that are best for a key.
    pub(crate) fn idle_for(&self, key: &postrider_queue::RouteKey, now: Instant) -> Option<Box<Lent>> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let destination = inner.keys.get(key).filter(|destination| now < destination.hosts_until)?;
        let sites = &inner.sites;
        let has_idle = |site: &SiteAddress| sites.get(site).is_some_and(|pool| !pool.idle.is_empty());
        let site = destination.best(sites, now).map(Target::site).find(has_idle)?;
        inner.sites.get_mut(&site)?.idle.pop().map(|idle| Box::new(idle.lent))
    }

    /// A connection to this site or the right to make one; waits for its turn while the window is full, and while
    /// there are as many connections altogether as may be.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        site: &SiteAddress,
        route_max: u32,
        connections_max: u32,
        now: impl Fn() -> Instant,
    ) -> Acquired {
        loop {
            let turn = match self.ask(site, route_max, now()) {
                Asked::Now(acquired) => return acquired,
                Asked::Slot(slot) => return Acquired::New(self.counted(slot, connections_max).await),
                Asked::Turn(turn) => turn,
            };
            match turn.await {
                Ok(Grant::Connection(lent)) => return Acquired::Reused(lent),
                Ok(Grant::Slot(slot)) => return Acquired::New(self.counted(slot, connections_max).await),
                // The site has come to rest meanwhile.
                Err(_) => {}
            }
        }
    }

    /// What there is for the site now, or a turn to wait for.
    fn ask(self: &Arc<Self>, site: &SiteAddress, route_max: u32, now: Instant) -> Asked {
        let mut inner = self.inner();
        let pool = inner.pool(site, now);
        if let Some(rest) = pool.site.resting(now) {
            return Asked::Now(Acquired::Resting(rest));
        }
        if let Some(idle) = pool.idle.pop() {
            return Asked::Now(Acquired::Reused(Box::new(idle.lent)));
        }
        if pool.open < pool.site.window(route_max, now) {
            pool.open += 1;
            let (destinations, site) = (Arc::clone(self), site.clone());
            return Asked::Slot(Slot { destinations, site, is_counted: false, is_serving: false });
        }
        let (sender, turn) = oneshot::channel();
        pool.queue.push_back(Turn { route_max, sender });
        Asked::Turn(turn)
    }

    /// Waits until the connections altogether leave room for this one; idle ones give way.
    async fn counted(&self, mut slot: Slot, connections_max: u32) -> Slot {
        while !slot.is_counted {
            let given_up = {
                let mut inner = self.inner();
                if inner.open < connections_max {
                    inner.open += 1;
                    slot.is_counted = true;
                    break;
                }
                oldest_idle(&mut inner)
            };
            if let Some(lent) = given_up {
                tokio::spawn(end(lent));
            }
            // A permit is kept for whoever comes late, so nothing is missed between the look and the wait.
            self.ended.notified().await;
        }
        // Only one permit is kept: where two connections ended at once, the next who waits is told by the first.
        self.ended.notify_one();
        slot
    }

    /// Gives a connection back that can carry more: to whoever waits longest, or to rest for a while.
    pub(crate) fn give(&self, lent: Box<Lent>, now: Instant) {
        let site = lent.slot.site.clone();
        let mut inner = self.inner();
        let pool = inner.pool(&site, now);
        let mut grant = Grant::Connection(lent);
        while let Some(turn) = pool.queue.pop_front() {
            match turn.sender.send(grant) {
                Ok(()) => return,
                Err(back) => grant = back,
            }
        }
        if let Grant::Connection(lent) = grant {
            pool.idle.push(Idle { lent: *lent, since: now });
            // It gives way to whoever waits for the number of all.
            self.ended.notify_one();
        }
    }

    /// A connection to the site was made, and the host serves us.
    pub(crate) fn served(&self, slot: &mut Slot, now: Instant) {
        let mut inner = self.inner();
        let pool = inner.pool(&slot.site, now);
        pool.site.served(now);
        if !std::mem::replace(&mut slot.is_serving, true) {
            pool.serving += 1;
        }
    }

    /// A message went through. Where that widens the window, whoever waits may come in.
    pub(crate) fn good(self: &Arc<Self>, slot: &Slot, route_max: u32, now: Instant) {
        let mut unused = Vec::new();
        {
            let mut inner = self.inner();
            let pool = inner.pool(&slot.site, now);
            let busy = pool.open.saturating_sub(u32::try_from(pool.idle.len()).unwrap_or(u32::MAX));
            pool.site.good(busy, route_max, now);
            pool.let_next_in(self, &slot.site, &mut unused);
        }
        // Dropped outside of the lock, which their own drops take.
        drop(unused);
    }

    /// The connection of this slot could not be made, was turned away or broke off. Says how many others go on;
    /// those that are only being made prove nothing.
    pub(crate) fn trouble(&self, slot: &Slot, why: &Text, rest: Duration, now: Instant) -> u32 {
        let mut inner = self.inner();
        let pool = inner.pool(&slot.site, now);
        let others = pool.serving.saturating_sub(u32::from(slot.is_serving));
        pool.site.trouble(why, !slot.is_serving, others, rest, now);
        if pool.site.rest().is_some() {
            // They hear that it rests, and go on to the next host.
            pool.queue.clear();
        }
        others
    }

    /// Ends connections that have waited for too long, or that the other end has left.
    pub(crate) fn end_idle(&self, timeout: Duration, now: Instant) {
        let mut ended = Vec::new();
        {
            let mut inner = self.inner();
            for pool in inner.sites.values_mut() {
                let is_old = |idle: &mut Idle| {
                    now.saturating_duration_since(idle.since) >= timeout
                        || idle.lent.connection.ended().is_some()
                };
                ended.extend(pool.idle.extract_if(.., is_old).map(|idle| idle.lent));
            }
        }
        for lent in ended {
            tokio::spawn(end(lent));
        }
    }
}

fn oldest_idle(inner: &mut Inner) -> Option<Lent> {
    let oldest = inner.sites.values_mut().filter(|pool| !pool.idle.is_empty());
    let pool = oldest.min_by_key(|pool| pool.idle.iter().map(|idle| idle.since).min())?;
    let (at, _) = pool.idle.iter().enumerate().min_by_key(|(_, idle)| idle.since)?;
    Some(pool.idle.remove(at).lent)
}

/// Says goodbye; the slot is free when that is over.
pub(crate) async fn end(lent: Lent) {
    lent.connection.quit().await;
    drop(lent.slot);
}

impl Drop for Slot {
    /// One connection less: whoever waits may make another, where the window allows it.
    fn drop(&mut self) {
        let destinations = Arc::clone(&self.destinations);
        let mut unused = Vec::new();
        {
            let mut inner = destinations.inner();
            let inner = &mut *inner;
            if self.is_counted {
                inner.open = inner.open.saturating_sub(1);
            }
            if let Some(pool) = inner.sites.get_mut(&self.site) {
                pool.open = pool.open.saturating_sub(1);
                pool.serving = pool.serving.saturating_sub(u32::from(self.is_serving));
                pool.site.probe_again();
                pool.let_next_in(&destinations, &self.site, &mut unused);
            }
        }
        // Dropped outside of the lock, which their own drops take.
        drop(unused);
        destinations.ended.notify_one();
    }
}

impl Pool {
    /// Grants slots while the window has room; who has given up waiting is passed over. What nobody took all the
    /// same is put into `unused`, to be dropped unlocked.
    fn let_next_in(&mut self, destinations: &Arc<Destinations>, site: &SiteAddress, unused: &mut Vec<Grant>) {
        let now = self.site.used_at;
        while let Some(turn) = self.queue.front() {
            let is_there = !turn.sender.is_closed();
            if is_there && self.open >= self.site.window(turn.route_max, now) {
                return;
            }
            let Some(turn) = self.queue.pop_front().filter(|_| is_there) else { continue };
            self.open += 1;
            let slot = Slot {
                destinations: Arc::clone(destinations),
                site: site.clone(),
                is_counted: false,
                is_serving: false,
            };
            if let Err(grant) = turn.sender.send(Grant::Slot(slot)) {
                unused.push(grant);
            }
        }
    }
}

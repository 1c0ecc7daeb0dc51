//! One route key: what waits for it, who works for it, and where its mail can go.

use super::Job;
use super::pool::{Pool, SiteAddress};
use crate::hosts::Target;
use crate::limits::WINDOW_FIRST;
use postrider_mail::Refusal;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// One route key that has something to do, or had just now.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) waiting: VecDeque<Job>,
    pub(super) couriers: u32,
    /// The hosts of the last look-up, in the order in which they are tried, and how long that is believed.
    pub(super) hosts: Vec<Target>,
    pub(super) hosts_until: Instant,
    /// The queue has more for this key than was lent.
    pub(super) is_backlogged: bool,
    /// DNS could not be asked: what is said to those who come before this moment.
    pub(super) unresolved: Option<(Instant, Refusal)>,
}

impl Destination {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            couriers: 0,
            hosts: Vec::new(),
            hosts_until: now,
            is_backlogged: false,
            unresolved: None,
        }
    }

    /// The hosts that come first: those of one preference, the lowest of which any is not left alone.
    pub(super) fn best<'a>(
        &'a self,
        sites: &'a BTreeMap<SiteAddress, Pool>,
        now: Instant,
    ) -> impl Iterator<Item = &'a Target> {
        let mut tried = self.hosts.iter().filter(move |host| !rests(sites, host, now)).peekable();
        let preference = tried.peek().map(|host| host.preference);
        tried.take_while(move |host| Some(host.preference) == preference)
    }

    /// As many couriers as the windows of those sites are wide together.
    pub(super) fn couriers_max(
        &self,
        sites: &BTreeMap<SiteAddress, Pool>,
        way_max: u32,
        now: Instant,
    ) -> u32 {
        let windows = self.best(sites, now).filter_map(|host| sites.get(&host.site()));
        let together: u32 = windows.map(|pool| pool.site.window(way_max, now)).sum();
        if together == 0 { WINDOW_FIRST.min(way_max) } else { together }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_remembered =
            self.hosts_until > now || self.unresolved.as_ref().is_some_and(|(until, _)| *until > now);
        self.waiting.is_empty() && self.couriers == 0 && !is_remembered && !self.is_backlogged
    }
}

/// Whether the host's site is left alone at this moment.
pub(super) fn rests(sites: &BTreeMap<SiteAddress, Pool>, host: &Target, now: Instant) -> bool {
    sites.get(&host.site()).and_then(|pool| pool.site.rest()).is_some_and(|rest| rest.until > now)
}

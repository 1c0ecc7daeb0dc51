//! One route key: what waits for it, who works for it, and where its mail can go.

use super::Job;
use super::pool::{Pool, SiteAddress};
use crate::hosts::Target;
use crate::limits::{PRIORITY_STEP_MESSAGES, WINDOW_FIRST};
use postrider_mail::Refusal;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// One route key that has something to do, or had just now.
#[derive(Debug)]
pub(super) struct Destination {
    /// What waits, by rank, lowest first: the jobs of one message stand together.
    waiting: VecDeque<(i64, Job)>,
    /// Messages that came to wait so far.
    came: i64,
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
            came: 0,
            couriers: 0,
            hosts: Vec::new(),
            hosts_until: now,
            is_backlogged: false,
            unresolved: None,
        }
    }

    /// Lets the jobs of one message wait. A step of priority is worth a fixed number of places, so that what is
    /// urgent goes first and nothing is overtaken for ever (RFC 6710 §4.1).
    pub(super) fn add(&mut self, jobs: Vec<Job>) {
        let Some(first) = jobs.first() else { return };
        let priority = i64::from(first.attempt.message.requests.priority.get());
        self.came = self.came.saturating_add(1);
        let rank = self.came - priority * PRIORITY_STEP_MESSAGES;
        let place = self.waiting.partition_point(|(other, _)| *other <= rank);
        if place == self.waiting.len() {
            self.waiting.extend(jobs.into_iter().map(|job| (rank, job)));
            return;
        }
        for (at, job) in jobs.into_iter().enumerate() {
            self.waiting.insert(place + at, (rank, job));
        }
    }

    /// The job that goes next.
    pub(super) fn next(&self) -> Option<&Job> {
        self.waiting.front().map(|(_, job)| job)
    }

    pub(super) fn take_next(&mut self) -> Option<Job> {
        self.waiting.pop_front().map(|(_, job)| job)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Job> {
        self.waiting.drain(..).map(|(_, job)| job)
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
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

//! One message on its way to one destination: an open connection if there is one, else host after host as DNS
//! names them, until every recipient's fate is decided or no host is left.

mod ending;

use crate::connection::Connection;
use crate::destinations::{Acquired, Job, Lent, Slot, connections_max, way};
use crate::hosts::{self, Ask, Hosts, Own, Target as HostTarget};
use crate::limits::{CONNECTIONS_SPENT_MAX, TURNS_PER_HOST_MAX};
use crate::local_attempt;
use crate::remote::{Came, Errand, Progress, own_fate, transact};
use crate::server::{Server, Settings, told_to_stop};
use crate::story::Telling;
use ending::{heading, mta};
use postrider_journal::What;
use postrider_journal::event::HostResult;
use postrider_mail::{Host, Text};
use postrider_policy::route::{Hop, Way};
use postrider_queue::{ContentError, Fate, Message, Outcome, Target};
use postrider_smtp::server::Dialect;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// How a trip ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every recipient is decided, or the message is set aside.
    Decided,
    /// The server stops, and nothing was under way.
    Stopped,
}

/// What came of one host.
enum Tried {
    /// Every recipient is decided.
    Done,
    /// It turned us away while others of our connections go on: wait for a turn.
    WaitForTurn,
    /// The open connection was none any more: connect anew.
    Again,
    /// The next host.
    Next,
    /// The server stops.
    Stopped,
}

/// One message on its way.
pub(super) struct Trip<'a> {
    server: &'a Server,
    settings: Arc<Settings>,
    jobs: &'a [Job],
    hop: &'a Hop,
    way: Way,
    message: &'a Arc<Message>,
    progress: Progress,
    story: Telling,
    /// What is said of recipients that no host has decided on: the last trouble that may pass, else the last.
    last: Option<Fate>,
    /// The connection that carried the message, to be given back once its fate is recorded.
    lent: Option<Box<Lent>>,
    /// Connections over which their hosts took no more.
    spent: u32,
    /// Content that is not what was accepted.
    damage: Option<ContentError>,
}

impl<'a> Trip<'a> {
    /// `jobs` are attempts of one message on one hop, at least one.
    pub(super) fn new(server: &'a Server, jobs: &'a [Job]) -> Self {
        let first = &jobs[0];
        let targets: Vec<Target> = jobs.iter().flat_map(|job| job.targets.iter().cloned()).collect();
        let story = local_attempt::begin(server, &first.attempt, &targets, heading(&first.hop, &targets));
        Self {
            server,
            settings: server.settings(),
            jobs,
            hop: &first.hop,
            way: way(&first.hop).cloned().unwrap_or_default(),
            message: &first.attempt.message,
            progress: Progress::new(&targets),
            story,
            last: None,
            lent: None,
            spent: 0,
            damage: None,
        }
    }

    /// Goes from host to host.
    pub(super) async fn run(&mut self) -> End {
        if let Some(refusal) = self.server.destinations.unresolved(self.key(), self.now()) {
            let fate = Fate::new(Outcome::Deferred, refusal.into(), "DNS");
            self.story.note("DNS failed for this destination just now and is not asked again yet");
            self.progress.decide_open(&fate);
            return End::Decided;
        }
        while let Some(lent) = self.server.destinations.idle_for(self.key(), self.now()) {
            match self.over(lent, HostResult::Reused).await {
                Tried::Done => return End::Decided,
                Tried::Again => {}
                Tried::WaitForTurn | Tried::Next | Tried::Stopped => break,
            }
        }
        let mut stop = self.server.stop.clone();
        let found = tokio::select! {
            biased;
            found = self.find() => found,
            () = told_to_stop(&mut stop) => return End::Stopped,
        };
        match found {
            Some(hosts) => self.visit(hosts).await,
            None => End::Decided,
        }
    }

    /// Asks DNS for the hosts; where there are none, that decides.
    async fn find(&mut self) -> Option<Hosts> {
        let own = Own { hostname: self.settings.hostname.clone(), listeners: self.server.listeners.to_vec() };
        let world = &self.server.world;
        let domain = self.progress.open().next()?.address.host().clone();
        let ask = Ask {
            resolver: world.resolver(),
            net: world.net(),
            own: &own,
            hop: self.hop,
            domain: &domain,
            seed: world.roll(),
        };
        let found = hosts::find(&ask).await;
        let (told, passed_over) = match &found {
            Ok(hosts) => (&hosts.told, &hosts.passed_over),
            Err(none) => (&none.told, &none.passed_over),
        };
        for sentence in told {
            self.story.note(sentence.clone());
        }
        for host in passed_over {
            self.story.add(What::Host(Box::new(host.clone())));
        }
        match found {
            Ok(hosts) => {
                self.server.destinations.found(self.key(), hosts.targets.clone(), self.now());
                Some(hosts)
            }
            Err(none) => {
                let outcome = if none.refusal.is_transient() { Outcome::Deferred } else { Outcome::Failed };
                if none.refusal.is_transient() {
                    let until = self.now() + self.settings.outbound.rest;
                    self.server.destinations.not_found(self.key(), none.refusal.clone(), until);
                }
                self.progress.decide_open(&Fate::new(outcome, none.refusal.into(), "DNS"));
                None
            }
        }
    }

    /// Tries the hosts in their order.
    async fn visit(&mut self, hosts: Hosts) -> End {
        for target in &hosts.targets {
            let mut turns = 0;
            loop {
                match self.host(target).await {
                    Tried::Done => return End::Decided,
                    Tried::Stopped => return End::Stopped,
                    Tried::WaitForTurn if turns < TURNS_PER_HOST_MAX => turns += 1,
                    Tried::Again => {}
                    Tried::WaitForTurn | Tried::Next => break,
                }
            }
        }
        if let Some(hidden) = hosts.hidden
            && self.last.as_ref().is_none_or(|last| last.outcome == Outcome::Failed)
        {
            self.last = Some(Fate::new(Outcome::Deferred, hidden.into(), "DNS"));
        }
        let none = || own_fate(Outcome::Deferred, 451, (4, 4, 1), "no host could be reached");
        let fate = self.last.take().unwrap_or_else(none);
        self.progress.decide_open(&fate);
        End::Decided
    }

    /// One host: over an open connection, or a new one.
    async fn host(&mut self, target: &HostTarget) -> Tried {
        let destinations = &self.server.destinations;
        let mut stop = self.server.stop.clone();
        let all_max = self.settings.outbound.connections_max;
        let now = || self.server.world.instant();
        let site = target.site();
        let acquired = tokio::select! {
            biased;
            acquired = destinations.acquire(&site, connections_max(self.hop), all_max, now) => acquired,
            () = told_to_stop(&mut stop) => return Tried::Stopped,
        };
        match acquired {
            Acquired::Reused(lent) => self.over(lent, HostResult::Reused).await,
            Acquired::New(slot) => {
                let connected = tokio::select! {
                    biased;
                    connected = self.connect(target, slot) => connected,
                    () = told_to_stop(&mut stop) => return Tried::Stopped,
                };
                match connected {
                    Ok(lent) => self.over(lent, HostResult::Connected).await,
                    Err(tried) => tried,
                }
            }
            Acquired::Resting(rest) => {
                let why = match rest.until.saturating_duration_since(self.now()).as_secs() {
                    0 => format!("just now another connection tries whether it is back: {}", rest.why),
                    seconds => format!("not tried for another {seconds} s: {}", rest.why),
                };
                let why = Text::from(why);
                self.story.add(What::Host(Box::new(target.tried(HostResult::PassedOver, Some(why.clone())))));
                let text = format!("{} is left alone for a while: {}", target.name(), rest.why);
                self.undecided(own_fate(Outcome::Deferred, 451, (4, 4, 1), text));
                Tried::Next
            }
        }
    }

    /// Makes a connection and introduces us.
    async fn connect(&mut self, target: &HostTarget, mut slot: Slot) -> Result<Box<Lent>, Tried> {
        let outbound = self.settings.outbound;
        let world = &self.server.world;
        let connecting = world.net().connect(&target.endpoint, target.source);
        let connected = tokio::time::timeout(outbound.connect_timeout, connecting).await;
        let stream = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => stream,
            Err(error) => return Err(self.unreached(target, slot, &error)),
        };
        self.story.add(What::Host(Box::new(target.tried(HostResult::Connected, None))));
        let name = Host::Domain(self.settings.hostname.clone());
        let dialect = if matches!(self.hop, Hop::Lmtp(..)) { Dialect::Lmtp } else { Dialect::Smtp };
        let opened = Connection::open(
            Arc::clone(world),
            stream,
            dialect,
            name.clone(),
            outbound.reply_timeout,
            &mut self.story,
        );
        let connection = match opened.await {
            Ok(connection) => connection,
            Err(failure) => return Err(self.broke_off(target, slot, &failure)),
        };
        self.server.destinations.served(&mut slot, self.now());
        let lent = Box::new(Lent { connection, slot, target: target.clone() });
        if dialect == Dialect::Smtp && lent.connection.announced().contains(&name) {
            tokio::spawn(crate::destinations::end(*lent));
            let text = format!("{} is this host itself, by its own greeting: mail loops back", target.name());
            self.progress.decide_open(&own_fate(Outcome::Failed, 554, (5, 4, 6), text));
            return Err(Tried::Done);
        }
        Ok(lent)
    }

    /// Sends the message over a connection.
    async fn over(&mut self, mut lent: Box<Lent>, how: HostResult) -> Tried {
        let target = lent.target.clone();
        if how == HostResult::Reused {
            let carried = lent.connection.messages();
            let why = Text::from(format!("it has carried {carried} before"));
            self.story.add(What::Host(Box::new(target.tried(how, Some(why)))));
        }
        let errand = Errand { message: self.message, way: &self.way, mta: mta(&target) };
        let came = transact(&mut lent.connection, &errand, &mut self.progress, &mut self.story).await;
        match came {
            Came::Usable => {
                let route_max = connections_max(self.hop);
                self.server.destinations.good(&lent.slot, route_max, self.now());
                self.lent = Some(lent);
                Tried::Done
            }
            Came::Spent => {
                let route_max = connections_max(self.hop);
                self.server.destinations.good(&lent.slot, route_max, self.now());
                tokio::spawn(crate::destinations::end(*lent));
                self.spent += 1;
                if self.spent >= CONNECTIONS_SPENT_MAX {
                    let why =
                        format!("{} takes so little over one connection that this one waits", target.name());
                    self.progress.decide_open(&own_fate(Outcome::Deferred, 452, (4, 5, 3), why));
                    return Tried::Done;
                }
                self.story.note("the host takes no more over this connection; another is made for the rest");
                Tried::Again
            }
            Came::Stale(failure) => {
                self.story.note(format!("the open connection had ended: {failure}; another is made"));
                Tried::Again
            }
            Came::Gone(failure) => self.broke_off(&target, lent.slot, &failure),
            Came::Content(error) => {
                if lent.connection.is_usable() {
                    self.lent = Some(lent);
                }
                self.unreadable(error)
            }
        }
    }

    fn key(&self) -> &postrider_queue::RouteKey {
        &self.jobs[0].attempt.key
    }

    fn now(&self) -> Instant {
        self.server.world.instant()
    }
}

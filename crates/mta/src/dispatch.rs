//! Takes what is due out of the queue and sends it where it is routed now: into mailboxes here, or to the
//! couriers of its destination.
//!
//! Routes are decided at every attempt. A recipient whose stored key is not that of its route any more goes back
//! under the right one, so that a change of the configuration holds for what already waits.

use crate::courier::courier;
use crate::destinations::Job;
use crate::lending::{Borrowing, Lent, together};
use crate::limits::{DISPATCH_PAUSE, DISPATCH_SLEEP_MAX, TIDY_INTERVAL};
use crate::server::{Server, Settings, Stop, told_to_stop};
use crate::settlement::{give_back_some, settle, tell_expired};
use crate::{local, local_attempt};
use postrider_mail::{Reason, Text, UnixMillis};
use postrider_policy::route::{Hop, Matches, Pattern, Released, Rule, domain_key, rule};
use postrider_queue::{Attempt, Fate, Lease, Leased, Outcome, RecipientId, RouteKey, Target};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

/// Runs until told to stop. `under_way` lives in every delivery, so that whoever waits for its other end
/// knows when the last has ended.
///
/// The loop never waits for a place while something else could come: a place may be in the hands of what
/// is on its way to this very loop.
pub async fn dispatch(
    server: Server,
    borrowing: Borrowing,
    mut stop: watch::Receiver<Stop>,
    under_way: mpsc::Sender<()>,
) {
    let Borrowing { room, mut lent } = borrowing;
    let dispatcher = Dispatcher { server, room, under_way };
    let mut turn = Turn { is_due: true, wake: Instant::now(), needs_place: false };
    let mut tidy = tokio::time::interval(TIDY_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => break,
            one = lent.recv() => match one {
                Some(one) => dispatcher.start(one),
                None => break,
            },
            () = std::future::ready(()), if turn.is_due => turn = dispatcher.lease().await,
            () = dispatcher.server.queue.changed() => turn.is_due = true,
            () = dispatcher.server.destinations.room_made() => turn.is_due = true,
            _ = dispatcher.room.acquire(), if turn.needs_place => turn.is_due = true,
            _ = tidy.tick() => dispatcher.tidy(),
            () = tokio::time::sleep_until(turn.wake) => turn.is_due = true,
        }
    }
    dispatcher.close().await;
}

/// What the loop waits for.
struct Turn {
    /// A lease may bring something.
    is_due: bool,
    /// Until when to sleep if not. A moment, not a time: the sleep is begun anew whenever something else is heard.
    wake: Instant,
    /// Local mail may wait for a place.
    needs_place: bool,
}

struct Dispatcher {
    server: Server,
    /// Places for local deliveries.
    room: Arc<Semaphore>,
    under_way: mpsc::Sender<()>,
}

impl Dispatcher {
    /// Takes what is due, as much as there is room for.
    async fn lease(&self) -> Turn {
        let (all, per_key, named) = self.server.destinations.room();
        let places = self.room.available_permits();
        let mut room = named.clone();
        room.push((RouteKey::local(), u32::try_from(places).unwrap_or(u32::MAX)));
        let now = self.server.world.now();
        let lease = Lease { now, limit: all + places, room_per_key: per_key, room };
        let leased = match self.server.queue.lease(lease).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be asked for what is due");
                return Turn { is_due: false, wake: Instant::now() + DISPATCH_PAUSE, needs_place: false };
            }
        };
        let Leased { attempts, expired, owing, next_due } = leased;
        let is_due = !attempts.is_empty();
        if owing {
            self.server.owing.notify_one();
        }
        tell_expired(&self.server, &expired);
        let mut got: BTreeMap<RouteKey, usize> = BTreeMap::new();
        for attempts in together(attempts) {
            if let Some(first) = attempts.first() {
                *got.entry(first.key.clone()).or_default() += 1;
            }
            self.start(Lent { attempts, place: None });
        }
        self.server.destinations.leased(&got, per_key, &named);
        Turn { is_due, wake: Instant::now() + sleep(now, next_due), needs_place: places == 0 }
    }

    /// Starts attempts of one message under one key: each recipient goes where it is routed now.
    fn start(&self, lent: Lent) {
        let settings = self.server.settings();
        let Lent { attempts, mut place } = lent;
        let mut leaving: Vec<Job> = Vec::new();
        for attempt in attempts {
            let attempt = Arc::new(attempt);
            let Sorted { jobs, elsewhere, nowhere } = sort(&settings, &attempt);
            for job in jobs {
                match &job.hop {
                    Hop::Local => self.local(job, place.take()),
                    Hop::Discard => self.spawn(discard(self.server.clone(), job)),
                    Hop::Hold => self.spawn(hold(self.server.clone(), Arc::clone(&settings), job)),
                    Hop::Mx(_) | Hop::Smarthost(..) | Hop::Lmtp(..) => leaving.push(job),
                }
            }
            if !elsewhere.is_empty() {
                self.spawn(move_on(self.server.clone(), Arc::clone(&attempt), elsewhere));
            }
            if !nowhere.is_empty() {
                self.spawn(no_route(self.server.clone(), attempt, nowhere));
            }
        }
        let now = self.server.world.instant();
        if let Some(seat) = self.server.destinations.put(leaving, now) {
            self.spawn(courier(self.server.clone(), seat));
        }
    }

    /// A local attempt waits for a place itself, where it has none.
    fn local(&self, job: Job, place: Option<OwnedSemaphorePermit>) {
        let (server, room) = (self.server.clone(), Arc::clone(&self.room));
        self.spawn(async move {
            let place = match place {
                Some(place) => Ok(place),
                None => room.acquire_owned().await,
            };
            // The semaphore is never closed.
            if let Ok(place) = place {
                local_attempt::deliver(&server, job.attempt, job.targets, place).await;
            }
        });
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let under_way = self.under_way.clone();
        tokio::spawn(async move {
            work.await;
            drop(under_way);
        });
    }

    fn tidy(&self) {
        let now = self.server.world.instant();
        self.server.destinations.end_idle(self.server.settings().outbound.idle_timeout, now);
        self.server.destinations.tidy(now);
    }

    /// What waits in memory goes back to the queue, idle connections end.
    async fn close(self) {
        self.server.destinations.end_idle(Duration::ZERO, self.server.world.instant());
        for job in self.server.destinations.take_all() {
            give_back_some(&self.server, &job.attempt, &job.targets).await;
        }
    }
}

fn sleep(now: UnixMillis, next_due: Option<UnixMillis>) -> Duration {
    let wait = next_due.map_or(DISPATCH_SLEEP_MAX, |due| due.since(now));
    wait.clamp(Duration::from_millis(1), DISPATCH_SLEEP_MAX)
}

/// An attempt's recipients, by where they go now.
#[derive(Default)]
struct Sorted {
    /// Those that go on under this key, by hop.
    jobs: Vec<Job>,
    /// Those whose key is another one now.
    elsewhere: Vec<(RecipientId, RouteKey)>,
    /// Those that no rule matches.
    nowhere: Vec<Target>,
}

fn sort(settings: &Settings, attempt: &Arc<Attempt>) -> Sorted {
    let mut sorted = Sorted::default();
    for target in &attempt.recipients {
        let Some(hop) = hop(settings, attempt, target) else {
            sorted.nowhere.push(target.clone());
            continue;
        };
        match RouteKey::new(&hop.key(&target.address)) {
            Ok(key) if key != attempt.key => sorted.elsewhere.push((target.id, key)),
            _ => match sorted.jobs.iter_mut().find(|job| job.hop == *hop) {
                Some(job) => job.targets.push(target.clone()),
                None => sorted.jobs.push(Job {
                    attempt: Arc::clone(attempt),
                    hop: hop.clone(),
                    targets: vec![target.clone()],
                }),
            },
        }
    }
    sorted
}

fn hop<'s>(settings: &'s Settings, attempt: &Attempt, target: &Target) -> Option<&'s Hop> {
    let released = if attempt.message.released { Released::Yes } else { Released::No };
    let rules = &settings.rules;
    rule(&rules.routes, &rules.local, &target.address, released).map(|(_, rule)| &rule.hop)
}

/// The key that a recipient's mail waits under.
pub(crate) fn route_key(settings: &Settings, address: &postrider_mail::Mailbox) -> RouteKey {
    let rules = &settings.rules;
    let found = rule(&rules.routes, &rules.local, address, Released::No);
    let key = found.map_or_else(|| domain_key(address), |(_, rule)| rule.hop.key(address));
    RouteKey::new(&key).unwrap_or_else(|_| RouteKey::local())
}

async fn move_on(server: Server, attempt: Arc<Attempt>, elsewhere: Vec<(RecipientId, RouteKey)>) {
    let id = attempt.message.id;
    let moved =
        server.recorded(|| server.queue.reroute(attempt.id, elsewhere.clone(), server.world.now())).await;
    if let Err(error) = moved {
        tracing::error!(%id, %error, "mail could not be moved to its new route; it is due after a restart");
    }
}

async fn no_route(server: Server, attempt: Arc<Attempt>, nowhere: Vec<Target>) {
    let mut story = local_attempt::begin(&server, &attempt, &nowhere, Text::literal("no route"));
    let fates = nowhere.iter().map(|target| {
        let why = format!("no route leads to {} now", target.address.host());
        (target, local::fate(Outcome::Deferred, 451, (4, 4, 4), why))
    });
    settle(&server, &mut story, attempt.id, attempt.message.id, fates.collect()).await;
}

async fn discard(server: Server, job: Job) {
    let mut story = local_attempt::begin(&server, &job.attempt, &job.targets, Text::literal("discard"));
    let fate: Fate = local::fate(Outcome::Discarded, 250, (2, 0, 0), "dropped: a route says so");
    let fates = job.targets.iter().map(|target| (target, fate.clone()));
    settle(&server, &mut story, job.attempt.id, job.attempt.message.id, fates.collect()).await;
}

async fn hold(server: Server, settings: Arc<Settings>, job: Job) {
    let id = job.attempt.message.id;
    let rules = &settings.rules;
    let address = job.targets.first().map(|target| &target.address);
    let by = address.and_then(|address| rule(&rules.routes, &rules.local, address, Released::No));
    let why = format!("{} is held", by.map_or("it".into(), |(_, rule)| named(rule)));
    let why = Reason::new("route", why);
    let mut story = local_attempt::begin(&server, &job.attempt, &job.targets, Text::literal("hold"));
    tracing::info!(%id, %why, "held");
    story.note(format!("held ({why}); `postrider queue release` lets it go on"));
    let held =
        server.recorded(|| server.queue.hold_attempt(job.attempt.id, why.clone(), server.world.now())).await;
    if let Err(error) = held {
        tracing::error!(%id, %error, "the message could not be held; it is looked at again after a restart");
    }
}

/// What a rule is for, in words.
fn named(rule: &Rule) -> String {
    match &rule.matches {
        Matches::Local => "local domains".into(),
        Matches::Everything => "everything".into(),
        Matches::These(patterns) => {
            let patterns: Vec<String> = patterns.iter().take(3).map(Pattern::to_string).collect();
            patterns.join(", ")
        }
    }
}

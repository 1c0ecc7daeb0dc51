//! Who gets a connection, who waits, and that nothing is lost on the way: no slot, no wake-up, no attempt.

use super::{Acquired, Destinations, Job, Lent, Slot};
use crate::hosts::Target;
use crate::limits::{ATTEMPTS_AGAIN, ATTEMPTS_MAX, ATTEMPTS_PER_KEY, PRIORITY_STEP_MESSAGES, WINDOW_FIRST};
use crate::net::Endpoint;
use crate::peer::Manner;
use crate::trial::Trial;
use postrider_mail::{Priority, Recipient, Requests, Text};
use postrider_policy::route::{Hop, Way};
use postrider_queue::{Attempt, RouteKey};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const MANY: u32 = 1000;
const REST: Duration = Duration::from_secs(30);

fn target(number: u8) -> Target {
    Target {
        host: "mx.example".parse().unwrap(),
        preference: Some(10),
        endpoint: Endpoint::Tcp(SocketAddr::from(([192, 0, 2, number], 25))),
        source: None,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn ask(destinations: &Arc<Destinations>, target: &Target, all_max: u32) -> Acquired {
    destinations.acquire(&target.site(), 20, all_max, now).await
}

async fn slot(destinations: &Arc<Destinations>, target: &Target) -> Slot {
    match ask(destinations, target, MANY).await {
        Acquired::New(slot) => slot,
        Acquired::Reused(_) | Acquired::Resting(_) => panic!("a slot was expected"),
    }
}

/// Polls once: `None` while it waits.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

async fn lent(trial: &mut Trial, slot: Slot, target: &Target) -> Box<Lent> {
    let (opened, _, _) = trial.open(Manner::sound(), 4096).await;
    Box::new(Lent { connection: opened.unwrap(), slot, target: target.clone() })
}

/// All connections, and those of each site.
fn open(destinations: &Destinations) -> (u32, Vec<u32>) {
    let inner = destinations.inner();
    (inner.open, inner.sites.values().map(|pool| pool.open).collect())
}

#[tokio::test]
async fn a_window_that_grows_lets_in_who_waits() {
    let destinations = Arc::<Destinations>::default();
    let target = target(1);
    let mut slots = Vec::new();
    for _ in 0..WINDOW_FIRST {
        slots.push(slot(&destinations, &target).await);
    }
    let mut waiting = pin!(ask(&destinations, &target, MANY));
    assert!(at_once(waiting.as_mut()).is_none(), "the window is full");
    for _ in 0..WINDOW_FIRST {
        destinations.good(&slots[0], 20, now());
    }
    assert!(
        matches!(at_once(waiting), Some(Acquired::New(_))),
        "as many good messages as the window is wide"
    );
}

#[tokio::test]
async fn a_connection_that_becomes_idle_gives_way_to_who_waits_for_the_number_of_all() {
    let mut trial = Trial::new();
    let destinations = Arc::<Destinations>::default();
    let (here, there) = (target(1), target(2));
    let slot = slot(&destinations, &here).await;
    let lent = lent(&mut trial, slot, &here).await;
    let mut waiting = pin!(ask(&destinations, &there, 1));
    assert!(at_once(waiting.as_mut()).is_none(), "there is one connection, and may be one");
    destinations.give(lent, now());
    let got = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(matches!(got, Ok(Acquired::New(_))), "it waits for the idle one to end of itself");
}

#[tokio::test]
async fn many_who_gave_up_waiting_are_passed_over() {
    let destinations = Arc::<Destinations>::default();
    let target = target(1);
    let mut slots = Vec::new();
    for _ in 0..WINDOW_FIRST {
        slots.push(slot(&destinations, &target).await);
    }
    for _ in 0..100_000 {
        assert!(at_once(ask(&destinations, &target, MANY)).is_none());
    }
    let mut waiting = pin!(ask(&destinations, &target, MANY));
    assert!(at_once(waiting.as_mut()).is_none());
    drop(slots.pop());
    let got = at_once(waiting);
    assert!(matches!(got, Some(Acquired::New(_))));
    drop((got, slots));
    assert_eq!(open(&destinations), (0, vec![0]));
}

#[tokio::test]
async fn a_connection_from_one_address_of_ours_carries_nothing_that_leaves_from_another() {
    let mut trial = Trial::new();
    let destinations = Arc::<Destinations>::default();
    let one = Target { source: Some("198.51.100.1".parse().unwrap()), ..target(1) };
    let other = Target { source: Some("198.51.100.2".parse().unwrap()), ..target(1) };
    let slot = slot(&destinations, &one).await;
    let lent = lent(&mut trial, slot, &one).await;
    destinations.give(lent, now());
    assert!(matches!(ask(&destinations, &other, MANY).await, Acquired::New(_)));
    assert!(matches!(ask(&destinations, &one, MANY).await, Acquired::Reused(_)));
}

#[tokio::test]
async fn who_waits_for_a_site_hears_that_it_has_come_to_rest() {
    let destinations = Arc::<Destinations>::default();
    let target = target(1);
    let why = Text::literal("connection refused");
    let mut slots = Vec::new();
    for _ in 0..WINDOW_FIRST {
        slots.push(slot(&destinations, &target).await);
    }
    let mut waiting = pin!(ask(&destinations, &target, MANY));
    assert!(at_once(waiting.as_mut()).is_none());
    for slot in slots {
        destinations.trouble(&slot, &why, REST, now());
        drop(slot);
    }
    // It was let in by the first that ended, or hears of the rest.
    drop(at_once(waiting).unwrap());
    assert_eq!(open(&destinations), (0, vec![0]));
}

/// One of the couriers of the stress below.
struct Courier {
    destinations: Arc<Destinations>,
    connections: Arc<Mutex<Vec<crate::connection::Connection>>>,
    dice: u64,
}

impl Courier {
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    async fn work(mut self, steps: usize, all_max: u32) {
        for _ in 0..steps {
            let target = target(u8::try_from(self.roll(4)).unwrap());
            let destinations = Arc::clone(&self.destinations);
            let acquiring = pin!(ask(&destinations, &target, all_max));
            let acquired = if self.roll(8) == 0 {
                // It gives up while it waits, at any moment.
                let moment = Duration::from_micros(self.roll(200));
                match tokio::time::timeout(moment, acquiring).await {
                    Ok(acquired) => acquired,
                    Err(_) => continue,
                }
            } else {
                acquiring.await
            };
            self.use_up(acquired, &target).await;
        }
    }

    async fn use_up(&mut self, acquired: Acquired, target: &Target) {
        let destinations = Arc::clone(&self.destinations);
        match acquired {
            Acquired::Resting(_) => destinations.forget_rests(),
            Acquired::New(mut slot) => {
                tokio::task::yield_now().await;
                let connection = self.connections.lock().unwrap().pop();
                match connection.filter(|_| !self.dice.is_multiple_of(5)) {
                    Some(connection) => {
                        destinations.served(&mut slot, now());
                        self.finish(Box::new(Lent { connection, slot, target: target.clone() })).await;
                    }
                    None => {
                        destinations.trouble(&slot, &Text::literal("refused"), Duration::ZERO, now());
                        drop(slot);
                    }
                }
            }
            Acquired::Reused(lent) => self.finish(lent).await,
        }
    }

    async fn finish(&mut self, lent: Box<Lent>) {
        tokio::task::yield_now().await;
        let destinations = Arc::clone(&self.destinations);
        match self.roll(10) {
            0 => drop(lent),
            1 => {
                destinations.trouble(&lent.slot, &Text::literal("gone"), Duration::ZERO, now());
                drop(lent);
            }
            _ => {
                destinations.good(&lent.slot, 20, now());
                destinations.give(lent, now());
            }
        }
    }
}

/// Whatever couriers do, everyone gets an answer, and when all is over nothing is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_and_no_turn_is_lost() {
    let mut trial = Trial::new();
    for (seed, all_max) in [(1, 2), (2, 5), (3, 8), (4, MANY)] {
        let connections = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..200 {
            let (opened, _, _) = trial.open(Manner::sound(), 4096).await;
            connections.lock().unwrap().push(opened.unwrap());
        }
        let destinations = Arc::<Destinations>::default();
        let mut couriers = JoinSet::new();
        for number in 0..50 {
            let (destinations, connections) = (Arc::clone(&destinations), Arc::clone(&connections));
            let courier = Courier { destinations, connections, dice: seed * 1000 + number };
            couriers.spawn(courier.work(100, all_max));
        }
        let all = tokio::time::timeout(Duration::from_secs(60), async {
            while let Some(ended) = couriers.join_next().await {
                ended.unwrap();
            }
        });
        assert!(all.await.is_ok(), "somebody waits for ever: seed {seed}, {:?}", open(&destinations));
        destinations.end_idle(Duration::ZERO, now());
        let start = Instant::now();
        while open(&destinations).0 > 0 && start.elapsed() < Duration::from_secs(10) {
            tokio::task::yield_now().await;
        }
        let (all, sites) = open(&destinations);
        assert!(all == 0 && sites.iter().all(|open| *open == 0), "seed {seed}: {all}, {sites:?}");
    }
}

async fn attempt(trial: &mut Trial) -> Attempt {
    trial.message(&["x@next.example"], b"\r\nhi\r\n").await
}

fn job(attempt: &Attempt, key: &str) -> Job {
    let attempt = Attempt { key: RouteKey::new(key).unwrap(), ..attempt.clone() };
    let targets = attempt.recipients.clone();
    Job { attempt: Arc::new(attempt), hop: Hop::Mx(Arc::new(Way::default())), targets }
}

/// The order in which messages of these priorities are carried that come in this order; by their places.
async fn order(trial: &mut Trial, priorities: &[i8]) -> Vec<usize> {
    let destinations = Arc::<Destinations>::default();
    let mut seat = None;
    let mut ids = Vec::new();
    for &priority in priorities {
        let requests = Requests { priority: Priority::clamped(priority), ..Requests::default() };
        let recipients = vec![Recipient::direct("x@next.example".parse().unwrap())];
        let attempt = trial.asking(requests, None, recipients, b"\r\nhi\r\n").await;
        ids.push(attempt.message.id);
        let jobs = vec![job(&attempt, "@a.example"), job(&attempt, "@a.example")];
        seat = seat.or(destinations.put(jobs, now()));
    }
    let mut seat = seat.unwrap();
    let mut carried = Vec::new();
    while let Some(load) = seat.next() {
        assert_eq!(load.jobs.len(), 2, "jobs of one message stay together");
        let id = load.jobs[0].attempt.message.id;
        carried.push(ids.iter().position(|other| *other == id).unwrap());
    }
    carried
}

#[tokio::test]
async fn what_is_urgent_goes_first_and_nothing_is_overtaken_for_ever() {
    let mut trial = Trial::new();
    assert_eq!(order(&mut trial, &[0, 0, 0]).await, [0, 1, 2]);
    assert_eq!(order(&mut trial, &[0, -3, 9, 0, 3, 9]).await, [2, 5, 4, 0, 3, 1]);
    let step = usize::try_from(PRIORITY_STEP_MESSAGES).unwrap();
    let mut priorities = vec![0];
    priorities.resize(step + 10, 1);
    let order = order(&mut trial, &priorities).await;
    assert_eq!(order.iter().position(|place| *place == 0), Some(step - 1), "{order:?}");
}

#[tokio::test]
async fn what_couriers_carry_takes_room_too() {
    let mut trial = Trial::new();
    let attempt = attempt(&mut trial).await;
    let destinations = Arc::<Destinations>::default();
    let mut seats = Vec::new();
    for number in 0..ATTEMPTS_MAX {
        let mut seat = destinations.put(vec![job(&attempt, &format!("@d{number}.example"))], now()).unwrap();
        assert!(seat.next().is_some());
        seats.push(seat);
    }
    assert_eq!(destinations.room().0, 0);
    assert!(!destinations.is_free(&RouteKey::new("@another.example").unwrap()));
    assert!(at_once(destinations.room_made()).is_none());
    assert!(seats[0].next().is_none());
    assert!(
        at_once(destinations.room_made()).is_none(),
        "one lease brings many, when there is room for many"
    );
    seats.truncate(ATTEMPTS_AGAIN + 1);
    assert!(at_once(destinations.room_made()).is_some());
    assert_eq!(destinations.room().0, ATTEMPTS_MAX - ATTEMPTS_AGAIN);
}

#[tokio::test]
async fn where_there_is_no_room_at_all_no_key_has_any() {
    let mut trial = Trial::new();
    let attempt = attempt(&mut trial).await;
    let destinations = Arc::<Destinations>::default();
    for number in 0..ATTEMPTS_MAX {
        drop(destinations.put(vec![job(&attempt, &format!("@d{}.example", number / 30))], now()));
    }
    let (all, per_key, named) = destinations.room();
    assert_eq!((all, per_key), (0, 0));
    assert!(named.iter().all(|(_, room)| *room == 0), "a lease for local mail would bring other mail too");
}

#[tokio::test]
async fn a_key_whose_mail_has_gone_elsewhere_is_not_backlogged_for_ever() {
    let mut trial = Trial::new();
    let attempt = attempt(&mut trial).await;
    let destinations = Arc::<Destinations>::default();
    let key = RouteKey::new("@a.example").unwrap();
    let mut seat = destinations.put(vec![job(&attempt, "@a.example")], now()).unwrap();
    for _ in 1..ATTEMPTS_PER_KEY {
        assert!(destinations.put(vec![job(&attempt, "@a.example")], now()).is_none_or(|_| true));
    }
    assert!(!destinations.is_free(&key), "as many wait as may");
    while seat.next().is_some() {}
    destinations.tidy(now());
    assert!(destinations.is_free(&key));
    assert!(destinations.inner().keys.is_empty());
}

#[tokio::test]
async fn a_key_without_room_is_asked_for_again_when_it_has_some() {
    let mut trial = Trial::new();
    let attempt = attempt(&mut trial).await;
    let destinations = Arc::<Destinations>::default();
    let mut seat = destinations.put(vec![job(&attempt, "@a.example")], now()).unwrap();
    for _ in 1..ATTEMPTS_PER_KEY {
        drop(destinations.put(vec![job(&attempt, "@a.example")], now()));
    }
    let (_, per_key, named) = destinations.room();
    assert_eq!(named[0].1, 0);
    // What is due there now, a lease does not say.
    destinations.leased(&BTreeMap::new(), per_key, &named);
    assert!(seat.next().is_some_and(|load| load.jobs.len() == ATTEMPTS_PER_KEY), "all are of one message");
    assert!(at_once(destinations.room_made()).is_some());
}

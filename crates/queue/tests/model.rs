//! The spool against a model that anyone can check by eye: a map of messages. Random sequences of
//! operations go to both, with crashes between them; after each, what a listing shows, what lies on disk
//! and what is lent must be what the model says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use postrider_mail::{AttemptId, QueueId, Reason, UnixMillis};
use postrider_queue::{
    Attempt, Became, Change, Expired, Filter, Lease, Lend, NewMessage, Notice, Outcome, RecipientId, Retry,
    RouteKey, Settings, State,
};
use proptest::prelude::*;
use rig::{Rig, START, envelope, fate, rendition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const OUTCOMES: [Outcome; 6] = [
    Outcome::Delivered,
    Outcome::Relayed,
    Outcome::Expanded,
    Outcome::Deferred,
    Outcome::Failed,
    Outcome::Discarded,
];

#[derive(Clone, Debug)]
enum Op {
    Accept {
        recipients: Vec<u8>,
        large: bool,
        null: bool,
        lend: bool,
        held: bool,
    },
    /// A message over the content of the n-th attempt that is out.
    Share {
        nth: usize,
    },
    Lease,
    /// With room for no key: nothing is lent, and what has expired ends.
    LeaseNothing,
    /// Some recipients of the n-th attempt that is out.
    Settle {
        nth: usize,
        outcomes: Vec<u8>,
    },
    GiveBack {
        nth: usize,
    },
    SetAside {
        nth: usize,
    },
    /// The first recipient of the n-th attempt that is out, to another key.
    Reroute {
        nth: usize,
        to: u8,
    },
    Hold {
        nth: usize,
    },
    Release,
    Retry,
    Delete {
        nth: usize,
    },
    TellAll,
    Wait {
        minutes: u32,
    },
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let nth = 0usize..8;
    prop_oneof![
        6 => (proptest::collection::vec(0u8..6, 1..5), any::<[bool; 3]>(), 0u8..8).prop_map(
            |(recipients, [large, null, lend], held)| Op::Accept { recipients, large, null, lend, held: held == 0 }
        ),
        1 => nth.clone().prop_map(|nth| Op::Share { nth }),
        4 => Just(Op::Lease),
        2 => Just(Op::LeaseNothing),
        8 => (nth.clone(), proptest::collection::vec(0u8..8, 1..5))
            .prop_map(|(nth, outcomes)| Op::Settle { nth, outcomes }),
        1 => nth.clone().prop_map(|nth| Op::GiveBack { nth }),
        1 => nth.clone().prop_map(|nth| Op::SetAside { nth }),
        2 => (nth.clone(), 0u8..4).prop_map(|(nth, to)| Op::Reroute { nth, to }),
        1 => nth.clone().prop_map(|nth| Op::Hold { nth }),
        1 => Just(Op::Release),
        1 => Just(Op::Retry),
        1 => nth.prop_map(|nth| Op::Delete { nth }),
        2 => Just(Op::TellAll),
        3 => (1u32..600).prop_map(|minutes| Op::Wait { minutes }),
        1 => Just(Op::Crash),
    ]
}

#[derive(Clone, Debug)]
struct ModelRecipient {
    key: String,
    state: State,
    out: Option<AttemptId>,
    owed: bool,
}

#[derive(Clone, Debug)]
struct ModelMessage {
    content: Vec<u8>,
    /// Whose file it reads from.
    file: Option<QueueId>,
    null: bool,
    held: Option<UnixMillis>,
    released: bool,
    expires_at: UnixMillis,
    recipients: BTreeMap<RecipientId, ModelRecipient>,
}

impl ModelMessage {
    fn is_over(&self) -> bool {
        self.recipients.values().all(|recipient| recipient.state != State::Waiting && !recipient.owed)
    }
}

struct World {
    rig: Rig,
    now: UnixMillis,
    /// Nothing is given up untried before this.
    sweeps_from: UnixMillis,
    model: BTreeMap<QueueId, ModelMessage>,
    out: Vec<Attempt>,
}

impl World {
    fn apply(mut self, op: Op) -> Self {
        match op {
            Op::Accept { recipients, large, null, lend, held } => {
                self.accept(&recipients, large, null, lend, held);
            }
            Op::Share { nth } => self.share(nth),
            Op::Lease => self.lease(),
            Op::LeaseNothing => self.lease_nothing(),
            Op::Settle { nth, outcomes } => self.settle(nth, &outcomes),
            Op::GiveBack { nth } => self.give_back(nth, false),
            Op::SetAside { nth } => self.give_back(nth, true),
            Op::Reroute { nth, to } => self.reroute(nth, to),
            Op::Hold { nth } => self.hold(nth),
            Op::Release => self.release(),
            Op::Retry => {
                let now = self.now;
                self.rig.drive(async |queue| queue.retry(Filter::default(), None, now).await).unwrap();
            }
            Op::Delete { nth } => self.delete(nth),
            Op::TellAll => self.tell_all(),
            Op::Wait { minutes } => self.now = self.now.plus(Duration::from_secs(60 * u64::from(minutes))),
            Op::Crash => self = self.crash(),
        }
        self.check();
        self
    }

    fn accept(&mut self, recipients: &[u8], large: bool, null: bool, lend: bool, held: bool) {
        let to: Vec<String> = recipients.iter().map(|n| format!("u{n}@d{}.example", n % 3)).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let mut content = format!("Subject: {}\r\n\r\n", self.now).into_bytes();
        content.resize(if large { 20_000 } else { 100 }, b'x');
        let mut message = self.rig.message(&content, if null { "" } else { "a@x.example" }, &to, self.now);
        let (id, count) = (message.id(), message.recipient_count());
        message.lend = if lend { Lend::All } else { Lend::Nothing };
        message.held = held.then(|| Reason::new("test", "held"));
        let accepted = self.rig.drive(async |queue| queue.accept(message).await).unwrap();
        assert_eq!(count, recipients.iter().collect::<BTreeSet<_>>().len());
        let mut seen = BTreeSet::new();
        let keys = recipients.iter().filter(|n| seen.insert(**n)).map(|n| format!("@d{}.example", n % 3));
        let message = ModelMessage {
            content,
            file: large.then_some(id),
            null,
            held: held.then_some(self.now),
            released: false,
            expires_at: self.now.plus(retry().expiry),
            recipients: waiting(keys),
        };
        self.model.insert(id, message);
        assert!(lend && !held || accepted.attempts.is_empty());
        self.lent(accepted.attempts);
    }

    fn share(&mut self, nth: usize) {
        let Some(attempt) = self.pick(nth) else { return };
        let Some(shared) = self.model.get(&attempt.message.id).cloned() else { return };
        let id = self.rig.ids.queue_id(self.now);
        let key = RouteKey::new("@d0.example").unwrap();
        let to = envelope("list@x.example", &["z@d0.example"]);
        let new = NewMessage::sharing(id, &attempt.message.content, to, self.now, |_| key.clone()).unwrap();
        self.rig.drive(async |queue| queue.accept(new).await).unwrap();
        let message = ModelMessage {
            null: false,
            held: None,
            released: false,
            expires_at: self.now.plus(retry().expiry),
            recipients: waiting([key.to_string()]),
            ..shared
        };
        self.model.insert(id, message);
    }

    fn lease(&mut self) {
        for _ in 0..20 {
            let leased = self.rig.lease(self.now);
            let idle = leased.attempts.is_empty() && leased.next_due.is_none_or(|due| due > self.now);
            self.expired(leased.expired);
            self.lent(leased.attempts);
            if idle {
                return self.nothing_is_past_its_time();
            }
        }
        panic!("lending does not end");
    }

    fn lease_nothing(&mut self) {
        let ask = Lease { now: self.now, limit: 100, room_per_key: 0, room: Vec::new() };
        let leased = self.rig.drive(async |queue| queue.lease(ask).await).unwrap();
        assert_eq!(leased.attempts.len(), 0);
        assert!(leased.next_due.is_none_or(|due| due > self.now), "what has no room does not wake anyone");
        self.expired(leased.expired);
        self.nothing_is_past_its_time();
    }

    fn expired(&mut self, all: Vec<Expired>) {
        for expired in all {
            let id = expired.message.id;
            let message = self.model.get_mut(&id).unwrap();
            assert!(message.held.is_none(), "held mail does not expire");
            assert!(self.now >= message.expires_at.plus(retry().grace()), "a last try has its time");
            assert!(self.now >= self.sweeps_from);
            for one in expired.recipients {
                let recipient = message.recipients.get_mut(&one.target.id).unwrap();
                assert!(recipient.state == State::Waiting && recipient.out.is_none(), "it waited");
                assert_eq!(one.key.as_str(), recipient.key);
                assert_eq!(one.settlement.became, Became::Final(State::Expired));
                assert_eq!(one.settlement.owed, (!message.null).then_some(Notice::Failure));
                assert_eq!(one.settlement.forbidden, message.null.then_some(Notice::Failure));
                (recipient.state, recipient.owed) = (State::Expired, !message.null);
            }
            self.left(id, expired.removed);
        }
    }

    fn nothing_is_past_its_time(&self) {
        let past = |message: &ModelMessage| {
            self.now >= message.expires_at.plus(retry().grace())
                && self.now >= self.sweeps_from
                && message.held.is_none()
                && message.recipients.values().any(|one| one.state == State::Waiting && one.out.is_none())
        };
        assert!(!self.model.values().any(past), "expiry is enforced in every state");
    }

    fn lent(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            let message = self.model.get_mut(&attempt.message.id).unwrap();
            assert!(message.held.is_none(), "held mail is not lent");
            assert_eq!(attempt.message.released, message.released);
            assert_eq!(rendition(&attempt).unwrap(), message.content);
            for target in &attempt.recipients {
                let recipient = message.recipients.get_mut(&target.id).unwrap();
                assert!(
                    recipient.state == State::Waiting && recipient.out.is_none(),
                    "lent once, while it waits"
                );
                assert_eq!(recipient.key, attempt.key.as_str());
                recipient.out = Some(attempt.id);
            }
            self.out.push(attempt);
        }
    }

    fn pick(&self, nth: usize) -> Option<Attempt> {
        (!self.out.is_empty()).then(|| self.out[nth % self.out.len()].clone())
    }

    /// Numbers beyond the outcomes leave a recipient unsettled.
    fn settle(&mut self, nth: usize, outcomes: &[u8]) {
        let Some(attempt) = self.pick(nth) else { return };
        let fates = attempt.recipients.iter().zip(outcomes.iter().cycle());
        let fates: Vec<_> = fates
            .filter_map(|(target, &n)| {
                OUTCOMES.get(usize::from(n)).map(|outcome| (target.id, fate(*outcome)))
            })
            .collect();
        let (id, now, asked) = (attempt.id, self.now, fates.clone());
        let settled = self.rig.drive(async |queue| queue.settle(id, asked, now).await).unwrap();
        assert_eq!(settled.recipients.len(), fates.len());
        for (settlement, (_, fate)) in settled.recipients.iter().zip(&fates) {
            self.became(attempt.message.id, attempt.id, settlement, Some(fate.outcome));
        }
        self.left(attempt.message.id, settled.removed);
    }

    fn became(
        &mut self,
        message: QueueId,
        attempt: AttemptId,
        settlement: &postrider_queue::Settlement,
        outcome: Option<Outcome>,
    ) {
        let message = self.model.get_mut(&message);
        let null = message.as_ref().is_some_and(|message| message.null);
        let held = message.as_ref().is_some_and(|message| message.held.is_some());
        let past = message.as_ref().is_some_and(|message| self.now >= message.expires_at);
        let recipient = message.and_then(|message| message.recipients.get_mut(&settlement.recipient));
        let Some(recipient) = recipient.filter(|recipient| recipient.out == Some(attempt)) else {
            assert_eq!(settlement.became, Became::Gone);
            return;
        };
        recipient.out = None;
        recipient.state = match (outcome, settlement.became) {
            (Some(Outcome::Deferred) | None, Became::Final(State::Expired)) => {
                assert!(!held && past, "held mail does not expire, and other mail in its time");
                State::Expired
            }
            (Some(Outcome::Deferred) | None, Became::Waiting { next_attempt }) => {
                assert!(held || !past, "what fails past its time is not tried again");
                assert!(next_attempt >= self.now && next_attempt <= self.now.plus(Retry::default().longest));
                State::Waiting
            }
            (Some(Outcome::Delivered), Became::Final(state @ State::Delivered)) => state,
            (Some(Outcome::Relayed), Became::Final(state @ State::Relayed)) => state,
            (Some(Outcome::Expanded), Became::Final(state @ State::Expanded)) => state,
            (Some(Outcome::Failed), Became::Final(state @ State::Failed)) => state,
            (Some(Outcome::Discarded), Became::Final(state @ State::Discarded)) => state,
            other => panic!("{other:?}"),
        };
        let bad = matches!(recipient.state, State::Failed | State::Expired);
        recipient.owed = bad && !null;
        assert_eq!(settlement.owed.is_some(), bad && !null);
        assert_eq!(settlement.forbidden.is_some(), bad && null);
    }

    fn left(&mut self, message: QueueId, removed: bool) {
        let over = self.model.get(&message).is_some_and(ModelMessage::is_over);
        assert_eq!(removed, over, "a message leaves when all is final and nothing owed, and not before");
        if over {
            self.model.remove(&message);
        }
        let model = &self.model;
        self.out.retain(|attempt| {
            let message = model.get(&attempt.message.id);
            message.is_some_and(|message| message.recipients.values().any(|one| one.out == Some(attempt.id)))
        });
    }

    fn give_back(&mut self, nth: usize, set_aside: bool) {
        let Some(attempt) = self.pick(nth) else { return };
        let (id, now) = (attempt.id, self.now);
        let settled = if set_aside {
            self.model.get_mut(&attempt.message.id).unwrap().held.get_or_insert(now);
            self.rig.drive(async |queue| queue.set_aside(id, "unreadable".into(), now).await).unwrap()
        } else {
            self.rig.drive(async |queue| queue.give_back(id, now).await).unwrap()
        };
        for settlement in &settled.recipients {
            self.became(attempt.message.id, id, settlement, None);
        }
        self.left(attempt.message.id, settled.removed);
    }

    fn reroute(&mut self, nth: usize, to: u8) {
        let Some(attempt) = self.pick(nth) else { return };
        let key = RouteKey::new(&format!("@d{to}.example")).unwrap();
        let (id, now, recipient) = (attempt.id, self.now, attempt.recipients[0].id);
        let asked = vec![(recipient, key.clone())];
        let settled = self.rig.drive(async |queue| queue.reroute(id, asked, now).await).unwrap();
        let message = self.model.get_mut(&attempt.message.id);
        let known = message.and_then(|message| message.recipients.get_mut(&recipient));
        let expected = match known.filter(|known| known.out == Some(id)) {
            Some(known) => {
                (known.out, known.key) = (None, key.to_string());
                Became::Waiting { next_attempt: now }
            }
            None => Became::Gone,
        };
        assert_eq!(settled.recipients[0].became, expected);
        self.left(attempt.message.id, settled.removed);
    }

    fn nth_message(&self, nth: usize) -> Option<QueueId> {
        (!self.model.is_empty()).then(|| *self.model.keys().nth(nth % self.model.len()).unwrap())
    }

    fn hold(&mut self, nth: usize) {
        let Some(id) = self.nth_message(nth) else { return };
        let (why, now) = (Reason::new("test", "held"), self.now);
        let held = self.rig.drive(async |queue| queue.hold(Filter::of(id), None, why, now).await).unwrap();
        let message = self.model.get_mut(&id).unwrap();
        assert_eq!(held.ids.len(), usize::from(message.held.is_none()));
        message.held.get_or_insert(now);
    }

    fn release(&mut self) {
        let now = self.now;
        let released =
            self.rig.drive(async |queue| queue.release(Filter::default(), None, now).await).unwrap();
        let held: Vec<QueueId> =
            self.model.iter().filter(|(_, message)| message.held.is_some()).map(|(id, _)| *id).collect();
        assert_eq!(released.ids, held);
        for message in self.model.values_mut() {
            if let Some(since) = message.held.take() {
                message.released = true;
                message.expires_at = message.expires_at.plus(now.since(since));
            }
        }
    }

    fn delete(&mut self, nth: usize) {
        let Some(id) = self.nth_message(nth) else { return };
        let now = self.now;
        let deleted = self.rig.drive(async |queue| queue.delete(Filter::of(id), None, now).await).unwrap();
        assert_eq!(deleted.ids, [id]);
        self.model.remove(&id);
        self.out.retain(|attempt| attempt.message.id != id);
    }

    fn tell_all(&mut self) {
        let now = self.now;
        for owed in self.rig.queue.owed(None).unwrap() {
            let message = owed.message.id;
            let recipients: Vec<_> = owed.recipients.iter().map(|one| (one.target.id, one.notice)).collect();
            assert!(recipients.iter().all(|(_, notice)| *notice == Notice::Failure));
            let model = self.model.get_mut(&message).unwrap();
            for (id, _) in &recipients {
                assert!(
                    std::mem::take(&mut model.recipients.get_mut(id).unwrap().owed),
                    "owed, and told once"
                );
            }
            let told = vec![Change::Told { message, recipients }];
            let applied = self.rig.drive(async |queue| queue.apply(told, now).await).unwrap();
            self.left(message, applied.removed == [message]);
        }
        assert!(self.model.values().all(|message| message.recipients.values().all(|one| !one.owed)));
    }

    fn crash(mut self) -> Self {
        self.rig = self.rig.reopen(self.now);
        self.sweeps_from = self.now.plus(retry().grace());
        self.out.clear();
        let recipients = self.model.values_mut().flat_map(|message| message.recipients.values_mut());
        let out = recipients.filter_map(|recipient| recipient.out.take()).count();
        assert_eq!(self.rig.recovery.reclaimed, out);
        assert_eq!((self.rig.recovery.lost, self.rig.recovery.drafts_removed), (0, 0));
        self.now = self.now.plus(Duration::from_secs(10));
        self
    }

    fn check(&self) {
        let listing = self.rig.queue.list(&Filter::default(), None, 1000).unwrap();
        let listed: Vec<QueueId> = listing.messages.iter().map(|view| view.id).collect();
        assert_eq!(listed, self.model.keys().copied().collect::<Vec<_>>());
        for (view, message) in listing.messages.iter().zip(self.model.values()) {
            assert_eq!(view.held.is_some(), message.held.is_some());
            assert_eq!(view.recipients.len(), message.recipients.len());
            for (view, recipient) in view.recipients.iter().zip(message.recipients.values()) {
                assert_eq!(view.state, Some(recipient.state));
                assert_eq!(view.key.as_str(), recipient.key);
                assert_eq!(view.in_flight, recipient.out.is_some());
                assert_eq!(view.owed.is_some(), recipient.owed);
            }
        }
        let files: BTreeSet<String> =
            self.model.values().filter_map(|message| message.file).map(|id| id.to_string()).collect();
        assert_eq!(self.rig.files("content"), files.into_iter().collect::<Vec<_>>());
        assert_eq!(self.rig.files("incoming").len(), 0);
        let stats = self.rig.queue.stats().unwrap();
        let count = |of: &dyn Fn(&ModelMessage, &ModelRecipient) -> bool| {
            let all = self
                .model
                .values()
                .flat_map(|message| message.recipients.values().map(move |one| (message, one)));
            all.filter(|(message, one)| of(message, one)).count() as u64
        };
        let waits = |message: &ModelMessage, one: &ModelRecipient| {
            message.held.is_none() && one.state == State::Waiting && one.out.is_none()
        };
        assert_eq!(stats.messages, self.model.len() as u64);
        assert_eq!(stats.waiting, count(&waits));
        assert_eq!(stats.in_flight, count(&|_, one| one.out.is_some()));
        assert_eq!(stats.owed, count(&|_, one| one.owed));
        assert_eq!(stats.held, self.model.values().filter(|message| message.held.is_some()).count() as u64);
    }

    /// In the end everything can be delivered: nothing is stuck.
    fn drain(mut self) {
        self.release();
        self.tell_all();
        while let Some(attempt) = self.pick(0) {
            let fates =
                attempt.recipients.iter().map(|target| (target.id, fate(Outcome::Delivered))).collect();
            let (id, now) = (attempt.id, self.now);
            let settled = self.rig.drive(async |queue| queue.settle(id, fates, now).await).unwrap();
            for settlement in &settled.recipients {
                self.became(attempt.message.id, id, settlement, Some(Outcome::Delivered));
            }
            self.left(attempt.message.id, settled.removed);
        }
        self.now = self.now.plus(Retry::default().longest);
        self.lease();
        let waiting = |message: &ModelMessage| {
            message.recipients.values().any(|one| one.out.is_none() && one.state == State::Waiting)
        };
        assert!(!self.model.values().any(waiting), "after the longest wait everything is due");
        self.check();
    }
}

fn waiting(keys: impl IntoIterator<Item = String>) -> BTreeMap<RecipientId, ModelRecipient> {
    let one = |key| ModelRecipient { key, state: State::Waiting, out: None, owed: false };
    (0..).map(RecipientId::from).zip(keys.into_iter().map(one)).collect()
}

fn retry() -> Retry {
    Retry { expiry: Duration::from_secs(24 * 3600), ..Retry::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_leaves_what_the_model_says(ops in proptest::collection::vec(op(), 1..60)) {
        let rig = Rig::with(Settings { retry: retry(), ..Settings::default() });
        let sweeps_from = START.plus(retry().grace());
        let world = World { rig, now: START, sweeps_from, model: BTreeMap::new(), out: Vec::new() };
        ops.into_iter().fold(world, World::apply).drain();
    }
}

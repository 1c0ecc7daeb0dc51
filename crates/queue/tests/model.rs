//! The spool against a model that anyone can check by eye: a map of messages. Random sequences of
//! operations go to both, with crashes between them; after each, what a listing shows, what lies on disk
//! and what is lent must be what the model says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use postrider_mail::{
    AttemptId, ByMode, DeliverBy, Mailbox, Notify, QueueId, Reason, Recipient, Requests, UnixMillis,
};
use postrider_queue::{
    Attempt, Became, Change, Expired, Fate, Filter, Lease, Lend, NewMessage, Notice, Outcome, RecipientId,
    Retry, RouteKey, Settings, State, SuccessNotice,
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
        asked: Asked,
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

/// What a sender asks for; numbers beyond the choices ask for nothing.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Into [`NOTIFY`], for all recipients.
    notify: usize,
    /// Hours until a deadline, and whether it comes back then.
    by: Option<(u8, bool)>,
    /// Hours until the release.
    release: Option<u8>,
    /// An alias was expanded, of which the sender wants to hear.
    expanded: bool,
}

const NOTIFY: [&str; 5] = ["NEVER", "SUCCESS", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY", "DELAY"];

const SUCCESS: [SuccessNotice; 3] = [SuccessNotice::IfAsked, SuccessNotice::PassedOn, SuccessNotice::Always];

fn asked() -> impl Strategy<Value = Asked> {
    let by = proptest::option::weighted(0.4, (0u8..30, any::<bool>()));
    let release = proptest::option::weighted(0.2, 0u8..30);
    (0..2 * NOTIFY.len(), by, release, proptest::bool::weighted(0.1))
        .prop_map(|(notify, by, release, expanded)| Asked { notify, by, release, expanded })
}

fn op() -> impl Strategy<Value = Op> {
    let nth = 0usize..8;
    prop_oneof![
        6 => (proptest::collection::vec(0u8..6, 1..5), any::<[bool; 3]>(), 0u8..8, asked()).prop_map(
            |(recipients, [large, null, lend], held, asked)| Op::Accept {
                recipients, large, null, lend, held: held == 0, asked
            }
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
    owed: Option<Notice>,
    notify: Option<Notify>,
    /// That it is late was told, or is not to be; that its deadline has passed, the same.
    told: [bool; 2],
}

impl ModelRecipient {
    fn wants(&self, what: Notify) -> bool {
        self.notify.is_some_and(|notify| notify.wants(what))
    }

    fn hears_of_failure(&self) -> bool {
        self.notify.is_none() || self.wants(Notify::FAILURE)
    }
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
    by: Option<DeliverBy>,
    release_at: Option<UnixMillis>,
    received_at: UnixMillis,
    recipients: BTreeMap<RecipientId, ModelRecipient>,
}

impl ModelMessage {
    fn is_over(&self) -> bool {
        self.recipients
            .values()
            .all(|recipient| recipient.state != State::Waiting && recipient.owed.is_none())
    }

    /// The deadline at which it comes back.
    fn back_at(&self) -> Option<UnixMillis> {
        self.by.filter(|by| by.mode == ByMode::Return).map(|by| by.at)
    }

    /// The deadline at which its sender is told.
    fn told_at(&self) -> Option<UnixMillis> {
        self.by.filter(|by| by.mode == ByMode::Notify).map(|by| by.at)
    }

    fn late_from(&self) -> UnixMillis {
        let begins_at = self.release_at.map_or(self.received_at, |at| at.max(self.received_at));
        begins_at.plus(retry().delay_notice_after.unwrap())
    }

    /// When it is given up although nobody comes to try it.
    fn swept_at(&self, sweeps_from: UnixMillis) -> UnixMillis {
        let swept = self.expires_at.plus(retry().grace()).max(sweeps_from);
        self.back_at().map_or(swept, |at| at.min(swept))
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
            Op::Accept { recipients, large, null, lend, held, asked } => {
                self.accept(&recipients, [large, null, lend, held], asked);
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
            Op::Retry => self.retry(),
            Op::Delete { nth } => self.delete(nth),
            Op::TellAll => self.tell_all(),
            Op::Wait { minutes } => self.now = self.now.plus(Duration::from_secs(60 * u64::from(minutes))),
            Op::Crash => self = self.crash(),
        }
        self.check();
        self
    }

    fn accept(&mut self, recipients: &[u8], [large, null, lend, held]: [bool; 4], asked: Asked) {
        let to: Vec<String> = recipients.iter().map(|n| format!("u{n}@d{}.example", n % 3)).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let mut content = format!("Subject: {}\r\n\r\n", self.now).into_bytes();
        content.resize(if large { 20_000 } else { 100 }, b'x');
        let hours = |hours: u8| self.now.plus(Duration::from_secs(3600 * u64::from(hours)));
        let by = asked.by.map(|(after, back)| DeliverBy {
            at: hours(after),
            mode: if back { ByMode::Return } else { ByMode::Notify },
            trace: false,
        });
        let release_at = asked.release.filter(|after| *after > 0).map(hours);
        let notify: Option<Notify> = NOTIFY.get(asked.notify).map(|notify| notify.parse().unwrap());
        let mut envelope = envelope(if null { "" } else { "a@x.example" }, &to);
        envelope.requests = Requests { by, release_at, ..Requests::default() };
        envelope.recipients.iter_mut().for_each(|one| one.notify = notify);
        let sealed = self.rig.seal(&content, self.now);
        let key = |to: &Mailbox| RouteKey::domain(to.host().domain().unwrap());
        let mut message = NewMessage::new(sealed, envelope, self.now, key).unwrap();
        let (id, count) = (message.id(), message.recipient_count());
        if asked.expanded {
            let mut list = Recipient::direct("list@x.example".parse().unwrap());
            list.notify = Some(Notify::SUCCESS);
            message.set_expanded(vec![list]).unwrap();
        }
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
            expires_at: release_at.unwrap_or(self.now).plus(retry().expiry),
            by,
            release_at,
            received_at: self.now,
            recipients: waiting(keys, notify, null),
        };
        let mut message = message;
        message.expires_at = message.back_at().map_or(message.expires_at, |at| at.min(message.expires_at));
        if asked.expanded && !null {
            let next = RecipientId::from(u32::try_from(count).unwrap());
            let list = ModelRecipient {
                key: "local".into(),
                state: State::Expanded,
                out: None,
                owed: Some(Notice::Success),
                notify: Some(Notify::SUCCESS),
                told: [true; 2],
            };
            message.recipients.insert(next, list);
        }
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
            by: None,
            release_at: None,
            received_at: self.now,
            recipients: waiting([key.to_string()], None, false),
            ..shared
        };
        self.model.insert(id, message);
    }

    fn lease(&mut self) {
        for _ in 0..20 {
            let leased = self.rig.lease(self.now);
            let idle = leased.attempts.is_empty() && leased.next_due.is_none_or(|due| due > self.now);
            self.deadlines_passed(leased.owing);
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
        self.deadlines_passed(leased.owing);
        self.expired(leased.expired);
        self.nothing_is_past_its_time();
    }

    /// Whoever waits behind a deadline is told of it, once.
    fn deadlines_passed(&mut self, owing: bool) {
        let mut owe = false;
        for message in self.model.values_mut() {
            if message.held.is_some() || message.told_at().is_none_or(|at| at > self.now) {
                continue;
            }
            let waiting = |one: &&mut ModelRecipient| one.state == State::Waiting && one.out.is_none();
            for one in message.recipients.values_mut().filter(waiting).filter(|one| !one.told[1]) {
                (one.owed, one.told) = (Some(Notice::Delay), [true; 2]);
                owe = true;
            }
        }
        assert_eq!(owing, owe, "a missed deadline is told of");
    }

    fn expired(&mut self, all: Vec<Expired>) {
        for expired in all {
            let id = expired.message.id;
            let message = self.model.get_mut(&id).unwrap();
            assert!(message.held.is_none(), "held mail does not expire");
            assert!(self.now >= message.swept_at(self.sweeps_from), "a last try has its time");
            for one in expired.recipients {
                let recipient = message.recipients.get_mut(&one.target.id).unwrap();
                assert!(recipient.state == State::Waiting && recipient.out.is_none(), "it waited");
                assert_eq!(one.key.as_str(), recipient.key);
                assert_eq!(one.settlement.became, Became::Final(State::Expired));
                let owed = (!message.null && recipient.hears_of_failure()).then_some(Notice::Failure);
                assert_eq!(one.settlement.owed, owed);
                assert_eq!(one.settlement.forbidden.is_some(), owed.is_none());
                (recipient.state, recipient.owed) = (State::Expired, owed);
            }
            self.left(id, expired.removed);
        }
    }

    fn nothing_is_past_its_time(&self) {
        let past = |message: &ModelMessage| {
            self.now >= message.swept_at(self.sweeps_from)
                && message.held.is_none()
                && message.recipients.values().any(|one| one.state == State::Waiting && one.out.is_none())
        };
        assert!(!self.model.values().any(past), "expiry is enforced in every state");
    }

    fn lent(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            let message = self.model.get_mut(&attempt.message.id).unwrap();
            assert!(message.held.is_none(), "held mail is not lent");
            assert!(message.release_at.is_none_or(|at| self.now >= at), "nor what is to be kept");
            assert!(message.back_at().is_none_or(|at| self.now < at), "nor what is to be back");
            assert_eq!(attempt.message.requests.by, message.by);
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
                let success = SUCCESS[(nth + usize::from(n)) % SUCCESS.len()];
                OUTCOMES.get(usize::from(n)).map(|outcome| (target.id, Fate { success, ..fate(*outcome) }))
            })
            .collect();
        let (id, now, asked) = (attempt.id, self.now, fates.clone());
        let settled = self.rig.drive(async |queue| queue.settle(id, asked, now).await).unwrap();
        assert_eq!(settled.recipients.len(), fates.len());
        for (settlement, (_, fate)) in settled.recipients.iter().zip(&fates) {
            self.became(attempt.message.id, attempt.id, settlement, Some(fate));
        }
        self.left(attempt.message.id, settled.removed);
    }

    fn became(
        &mut self,
        message: QueueId,
        attempt: AttemptId,
        settlement: &postrider_queue::Settlement,
        fate: Option<&Fate>,
    ) {
        let outcome = fate.map(|fate| fate.outcome);
        let message = self.model.get_mut(&message);
        let null = message.as_ref().is_some_and(|message| message.null);
        let held = message.as_ref().is_some_and(|message| message.held.is_some());
        let past = message.as_ref().is_some_and(|message| self.now >= message.expires_at);
        let late = message.as_ref().is_some_and(|message| self.now >= message.late_from());
        let told_at = message.as_ref().and_then(|message| message.told_at());
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
        let good = matches!(recipient.state, State::Delivered | State::Relayed | State::Expanded);
        let told = match fate.map_or(SuccessNotice::PassedOn, |fate| fate.success) {
            SuccessNotice::IfAsked => recipient.wants(Notify::SUCCESS),
            SuccessNotice::PassedOn => false,
            SuccessNotice::Always => recipient.notify != Some(Notify::NEVER),
        };
        let missed = !recipient.told[1] && told_at.is_some_and(|at| self.now >= at);
        let tried_on = recipient.state == State::Waiting && fate.is_some();
        let owed = if bad && !null && recipient.hears_of_failure() {
            Some(Notice::Failure)
        } else if good && !null && told {
            Some(Notice::Success)
        } else if tried_on && (missed || late && !recipient.told[0]) {
            recipient.told = [true, recipient.told[1] || missed];
            Some(Notice::Delay)
        } else {
            None
        };
        assert_eq!(settlement.owed, owed);
        assert_eq!(settlement.forbidden.is_some(), bad && owed.is_none());
        if owed.is_some() || recipient.state != State::Waiting {
            recipient.owed = owed;
        }
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
                let expires_at = message.expires_at.plus(now.since(since));
                message.expires_at = message.back_at().map_or(expires_at, |at| at.min(expires_at));
            }
        }
    }

    fn retry(&mut self) {
        let now = self.now;
        self.rig.drive(async |queue| queue.retry(Filter::default(), None, now).await).unwrap();
        for message in self.model.values_mut().filter(|message| message.held.is_none()) {
            if message.recipients.values().any(|one| one.state == State::Waiting && one.out.is_none()) {
                message.release_at = message.release_at.map(|at| at.min(now));
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
            let model = self.model.get_mut(&message).unwrap();
            for (id, notice) in &recipients {
                let told = model.recipients.get_mut(id).unwrap().owed.take();
                assert_eq!(told, Some(*notice), "owed, and told once");
            }
            let told = vec![Change::Told { message, recipients }];
            let applied = self.rig.drive(async |queue| queue.apply(told, now).await).unwrap();
            self.left(message, applied.removed == [message]);
        }
        assert!(self.model.values().all(|message| message.recipients.values().all(|one| one.owed.is_none())));
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
                assert_eq!(view.owed, recipient.owed);
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
        assert_eq!(stats.owed, count(&|_, one| one.owed.is_some()));
        assert_eq!(stats.held, self.model.values().filter(|message| message.held.is_some()).count() as u64);
    }

    /// In the end everything can be delivered: nothing is stuck.
    fn drain(mut self) {
        self.release();
        self.tell_all();
        while let Some(attempt) = self.pick(0) {
            let delivered = fate(Outcome::Delivered);
            let fates = attempt.recipients.iter().map(|target| (target.id, delivered.clone())).collect();
            let (id, now) = (attempt.id, self.now);
            let settled = self.rig.drive(async |queue| queue.settle(id, fates, now).await).unwrap();
            for settlement in &settled.recipients {
                self.became(attempt.message.id, id, settlement, Some(&delivered));
            }
            self.left(attempt.message.id, settled.removed);
        }
        self.now = self.now.plus(Retry::default().longest);
        self.retry();
        self.lease();
        let waiting = |message: &ModelMessage| {
            message.recipients.values().any(|one| one.out.is_none() && one.state == State::Waiting)
        };
        assert!(!self.model.values().any(waiting), "after the longest wait everything is due");
        self.check();
    }
}

fn waiting(
    keys: impl IntoIterator<Item = String>,
    notify: Option<Notify>,
    null: bool,
) -> BTreeMap<RecipientId, ModelRecipient> {
    let is_late_told = notify.is_some_and(|notify| notify.wants(Notify::DELAY)) && !null;
    let told = [!is_late_told, null || notify == Some(Notify::NEVER)];
    let one = |key| ModelRecipient { key, state: State::Waiting, out: None, owed: None, notify, told };
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

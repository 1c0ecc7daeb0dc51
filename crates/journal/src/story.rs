//! A story: what happened to one session, one attempt, or by one command, in order, within bounds.
//!
//! A long story is handed over in parts, so that a crash loses little and a running session can be asked
//! about: [`Story::hand_over`] takes what happened since the last part. The reader joins the parts again.
//!
//! A story does not know where its events come from, and reads no clock: the caller says when.

use crate::event::{Event, HostResult, What};
use crate::key::Key;
use crate::limits::{
    FATE_REPLY_LINES_MAX, KEYS_MAX, LINE_OCTETS_MAX, LINES_MAX, OUTCOME_OCTETS_MAX, OUTCOMES_MAX,
    RECIPIENTS_LISTED_MAX,
};
use postrider_mail::{AttemptId, Domain, QueueId, Reply, SessionId, Text, UnixMillis};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Whom a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One conversation with a client.
    Session(SessionId),
    /// One try to deliver one message to one destination.
    Attempt(AttemptId),
    /// A command of the operator.
    Operator,
    /// The server itself: start, recovery, stop.
    Server,
}

impl Subject {
    /// The key under which every part of the story is found; commands and the server have none.
    pub(crate) fn key(self) -> Option<Key> {
        match self {
            Self::Session(id) => Some(Key::session(id)),
            Self::Attempt(id) => Some(Key::attempt(id)),
            Self::Operator | Self::Server => None,
        }
    }
}

/// `session 38g4gvap40001`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session {id}"),
            Self::Attempt(id) => write!(f, "attempt {id}"),
            Self::Operator => f.write_str("operator"),
            Self::Server => f.write_str("server"),
        }
    }
}

/// What a story does not hold, because a limit was reached or a part is no longer there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Lines of dialogue, verdicts and notes beyond the limit.
    pub lines: u32,
    /// Outcomes beyond the limit.
    pub outcomes: u32,
    /// Keys beyond the limit: the story cannot be found by them.
    pub keys: u32,
    /// Parts that were dropped, are damaged or were never written. The reader fills this in.
    #[serde(default)]
    pub parts: u32,
}

impl LeftOut {
    /// Whether the story is whole.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lines = self.lines.saturating_add(other.lines);
        self.outcomes = self.outcomes.saturating_add(other.outcomes);
        self.keys = self.keys.saturating_add(other.keys);
        self.parts = self.parts.saturating_add(other.parts);
    }
}

/// One story, or one part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    subject: Subject,
    started_at: UnixMillis,
    peer: Option<SocketAddr>,
    part: u32,
    events: Vec<Event>,
    left_out: LeftOut,
    /// Keys of this part that no earlier part had.
    #[serde(skip)]
    keys: Vec<Key>,
    #[serde(skip)]
    used: Used,
}

/// How much of the allowance is spent, and what was indexed already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Used {
    lines: u32,
    line_octets: usize,
    outcomes: u32,
    outcome_octets: usize,
    grants_more: bool,
    indexed: Vec<Key>,
}

impl Story {
    /// A story that starts now. A session and an attempt are found by their id, and by `peer` if it is known.
    pub fn new(subject: Subject, started_at: UnixMillis, peer: Option<SocketAddr>) -> Self {
        let mut story = Self::empty(subject, started_at, peer);
        if let Some(peer) = peer {
            story.index(Key::peer(peer.ip()));
        }
        story
    }

    /// Adds what happened at `at`. Outcomes index the story by their ids and addresses. What lies beyond
    /// a limit is only counted.
    pub fn add(&mut self, at: UnixMillis, mut what: What) {
        self.index_outcome(&what);
        trim(&mut what);
        let octets = what.octets();
        let used = &mut self.used;
        if what.is_outcome() {
            if used.outcomes >= OUTCOMES_MAX || used.outcome_octets + octets > OUTCOME_OCTETS_MAX {
                self.left_out.outcomes = self.left_out.outcomes.saturating_add(1);
                return;
            }
            used.outcomes += 1;
            used.outcome_octets += octets;
            used.grants_more |= matches!(what, What::Accepted(_));
        } else {
            if used.lines >= LINES_MAX || used.line_octets + octets > LINE_OCTETS_MAX {
                self.left_out.lines = self.left_out.lines.saturating_add(1);
                return;
            }
            used.lines += 1;
            used.line_octets += octets;
        }
        let at_ms = u32::try_from(at.since(self.started_at).as_millis()).unwrap_or(u32::MAX);
        self.events.push(Event { at_ms, what });
    }

    /// Lets the story be found by this key, once in all its parts.
    pub fn index(&mut self, key: Key) {
        if self.used.indexed.contains(&key) {
            return;
        }
        if self.keys.len() >= KEYS_MAX {
            self.left_out.keys = self.left_out.keys.saturating_add(1);
            return;
        }
        if self.used.indexed.len() >= KEYS_MAX {
            // A forgotten key is at worst indexed again by a later part.
            self.used.indexed.clear();
        }
        self.used.indexed.push(key);
        self.keys.push(key);
    }

    /// Takes what happened since the last part, to be told now; the story goes on as its next part. A part
    /// that holds an accepted message renews the allowance of lines.
    pub fn hand_over(&mut self) -> Self {
        // A part without content is never written: it takes no number, or the reader would miss it.
        let takes_a_number = u32::from(!self.is_empty());
        let mut part = Self {
            part: self.part,
            events: std::mem::take(&mut self.events),
            left_out: std::mem::take(&mut self.left_out),
            keys: std::mem::take(&mut self.keys),
            ..Self::empty(self.subject, self.started_at, self.peer)
        };
        part.events.shrink_to_fit();
        self.part = self.part.saturating_add(takes_a_number);
        self.used.outcomes = 0;
        self.used.outcome_octets = 0;
        if std::mem::take(&mut self.used.grants_more) {
            self.used.lines = 0;
            self.used.line_octets = 0;
        }
        part
    }

    /// Whom it is about.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// When it started, by the wall clock.
    pub fn started_at(&self) -> UnixMillis {
        self.started_at
    }

    /// The other end, where there is one.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The number of this part, from 0; of a joined story, the number of its first part.
    pub fn part(&self) -> u32 {
        self.part
    }

    /// What happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What it does not hold.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// When the last of its events happened.
    pub fn last_at(&self) -> UnixMillis {
        self.at(self.events.last().map_or(0, |event| event.at_ms))
    }

    /// The moment that lies this many milliseconds behind the start.
    pub fn at(&self, at_ms: u32) -> UnixMillis {
        self.started_at.plus(Duration::from_millis(at_ms.into()))
    }

    /// The messages it mentions, each once, in order.
    pub fn queue_ids(&self) -> Vec<QueueId> {
        let mut ids = Vec::new();
        for id in self.events.iter().filter_map(|event| queue_id(&event.what)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Whether there is nothing in it that is worth a row.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.keys.is_empty() && self.left_out.is_nothing()
    }

    /// A part as it was stored.
    pub(crate) fn stored(
        subject: Subject,
        started_at: UnixMillis,
        peer: Option<SocketAddr>,
        part: u32,
        events: Vec<Event>,
        left_out: LeftOut,
    ) -> Self {
        Self { part, events, left_out, ..Self::empty(subject, started_at, peer) }
    }

    /// Appends a later part of the same story; a gap between the two is counted.
    pub(crate) fn join(&mut self, next_part: u32, later: Self) {
        self.left_out.add(later.left_out);
        self.left_out.parts = self.left_out.parts.saturating_add(later.part.saturating_sub(next_part));
        self.events.extend(later.events);
    }

    pub(crate) fn miss_parts(&mut self, parts: u32) {
        self.left_out.parts = self.left_out.parts.saturating_add(parts);
    }

    fn empty(subject: Subject, started_at: UnixMillis, peer: Option<SocketAddr>) -> Self {
        Self {
            subject,
            started_at,
            peer,
            part: 0,
            events: Vec::new(),
            left_out: LeftOut::default(),
            keys: Vec::new(),
            used: Used::default(),
        }
    }

    fn index_outcome(&mut self, what: &What) {
        if let Some(id) = queue_id(what) {
            self.index(Key::queue(id));
        }
        match what {
            What::Accepted(accepted) => {
                if let Some(id) = &accepted.message_id {
                    self.index(Key::message_id(id.as_str()));
                }
                for mailbox in accepted.reverse_path.mailbox().into_iter().chain(&accepted.recipients) {
                    self.index(Key::address(mailbox));
                }
            }
            What::Attempt(attempt) => self.index_host(&attempt.host, attempt.address),
            // What was passed over for its address says nothing about that address.
            What::Host(tried) if tried.result == HostResult::PassedOver => self.index_host(&tried.host, None),
            What::Host(tried) => self.index_host(&tried.host, tried.address),
            What::Fate(fate) => self.index(Key::address(&fate.recipient)),
            What::Notice(notice) => {
                self.index(Key::queue(notice.id));
                self.index(Key::address(&notice.to));
            }
            What::Delivered { recipient, .. } | What::Unreported { recipient, .. } => {
                self.index(Key::address(recipient));
            }
            _ => {}
        }
    }

    fn index_host(&mut self, name: &Text, address: Option<SocketAddr>) {
        for key in host_key(name).into_iter().chain(address.map(|address| Key::peer(address.ip()))) {
            self.index(key);
        }
    }
}

/// The name as a domain of several labels: `local`, an address or a path is none, and `localhost` too common.
fn host_key(name: &Text) -> Option<Key> {
    let name = name.as_str();
    let is_name = name.contains('.') && !name.starts_with(['[', '/']);
    is_name.then(|| name.parse().ok()).flatten().map(|domain: Domain| Key::host(&domain))
}

fn queue_id(what: &What) -> Option<QueueId> {
    match what {
        What::Accepted(accepted) => Some(accepted.id),
        What::Attempt(attempt) => Some(attempt.id),
        What::Fate(fate) => Some(fate.id),
        What::Notice(notice) => Some(notice.about),
        What::Unreported { id, .. } => Some(*id),
        _ => None,
    }
}

/// Bounds the lists inside an event.
fn trim(what: &mut What) {
    match what {
        What::Accepted(accepted) => {
            let more = accepted.recipients.len().saturating_sub(RECIPIENTS_LISTED_MAX);
            accepted.recipients.truncate(RECIPIENTS_LISTED_MAX);
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            accepted.recipients_unlisted = accepted.recipients_unlisted.saturating_add(more);
        }
        What::Fate(fate) if fate.reply.lines().len() > FATE_REPLY_LINES_MAX => {
            let lines = fate.reply.lines()[..FATE_REPLY_LINES_MAX].to_vec();
            fate.reply = Reply::of_lines(fate.reply.code(), fate.reply.enhanced(), lines);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;

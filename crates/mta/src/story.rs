//! The one place that turns lines, verdicts and attempts into journal events.
//!
//! Whoever watches live hears the same events as the journal, at the same moment.

use crate::world::WallClock;
use postrider_journal::event::{Decision, Speaker, Verdict};
use postrider_journal::{Journal, Key, Story, Subject, What};
use postrider_mail::{SessionId, Text, UnixMillis};
use postrider_policy as policy;
use postrider_queue::Target;
use postrider_smtp::{Dialogue, Line};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Hears every event as it happens.
pub trait Observer: Send + Sync {
    /// `since_ms` counts from the start of the subject's story.
    fn event(&self, subject: Subject, since_ms: u64, what: &What);
}

/// Where stories go.
#[derive(Clone)]
pub struct Stories {
    journal: Journal,
    clock: WallClock,
    observer: Option<Arc<dyn Observer>>,
    tally: Arc<Tally>,
}

/// What no story may leave uncounted.
#[derive(Debug, Default)]
struct Tally {
    notices: AtomicU64,
    unreported: AtomicU64,
}

impl Stories {
    /// Stories are told to the journal, and their events to the observer.
    pub fn new(journal: Journal, clock: WallClock, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { journal, clock, observer, tally: Arc::default() }
    }

    /// How many notices were stored since the start, and how many recipients ended without a delivery or a
    /// notice.
    pub fn notices(&self) -> (u64, u64) {
        (self.tally.notices.load(Ordering::Relaxed), self.tally.unreported.load(Ordering::Relaxed))
    }

    /// Waits until what was told so far can be looked up. Blocks.
    pub(crate) fn flush(&self) {
        // A writer that has ended says so itself; whoever looks up finds less.
        let _ = self.journal.flush();
    }

    /// A story that begins now.
    pub fn begin(&self, subject: Subject, peer: Option<SocketAddr>) -> Telling {
        let started_at = (self.clock)();
        Telling { story: Story::new(subject, started_at, peer), stories: self.clone(), started_at, subject }
    }

    /// The story of a session that begins now.
    pub(crate) fn session(&self, id: SessionId, peer: SocketAddr) -> Telling {
        self.begin(Subject::Session(id), Some(peer))
    }
}

/// A story being told. What was not handed over when it is dropped is told then.
pub struct Telling {
    story: Story,
    stories: Stories,
    started_at: UnixMillis,
    subject: Subject,
}

impl Telling {
    /// Something happened now.
    pub fn add(&mut self, what: What) {
        let now = (self.stories.clock)();
        if let Some(observer) = &self.stories.observer {
            let since = now.since(self.started_at).as_millis();
            observer.event(self.subject, u64::try_from(since).unwrap_or(u64::MAX), &what);
        }
        match &what {
            What::Notice(_) => self.stories.tally.notices.fetch_add(1, Ordering::Relaxed),
            What::Unreported { .. } => self.stories.tally.unreported.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        self.story.add(now, what);
    }

    /// A check decided.
    pub(crate) fn verdict(&mut self, question: impl Into<Text>, verdict: &policy::Verdict) {
        let decision = match verdict.decision {
            policy::Decision::Accept => Decision::Accept,
            policy::Decision::Refuse(_) => Decision::Refuse,
            policy::Decision::Disconnect(_) => Decision::Disconnect,
        };
        self.add(What::Verdict(Box::new(Verdict {
            question: question.into(),
            decision,
            reason: verdict.reason.clone(),
        })));
    }

    /// Lets the story be found by a message's Message-ID field.
    pub(crate) fn found_by(&mut self, message_id: &Text) {
        self.story.index(Key::message_id(message_id.as_str()));
    }

    /// Lets the story be found by the address that a client gave, and by the alias behind it, where they are not
    /// the recipient's own.
    pub(crate) fn found_by_origin(&mut self, target: &Target) {
        let given = target.given.mailbox().filter(|given| **given != target.address);
        for address in given.into_iter().chain(&target.via) {
            self.story.index(Key::address(address));
        }
    }

    /// Something worth telling.
    pub fn note(&mut self, text: impl Into<Text>) {
        self.add(What::Note { text: text.into() });
    }

    /// An ear for a conversation in which we are the client: commands are ours, replies theirs.
    pub(crate) fn as_client(&mut self) -> AsClient<'_> {
        AsClient(self)
    }

    /// The session or attempt this is about.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Tells the journal what happened so far.
    pub fn hand_over(&mut self) {
        self.stories.journal.tell(self.story.hand_over());
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// In a session the other end is the client.
impl Dialogue for Telling {
    fn line(&mut self, line: Line<'_>) {
        self.add(match line {
            Line::Command(text) => What::Said { who: Speaker::Theirs, text: Text::from_peer(text) },
            Line::Reply(text) => What::Said { who: Speaker::Ours, text: Text::from_peer(text) },
            Line::Content { octets } => What::Content { octets },
        });
    }
}

/// A story of which this host is the client.
pub(crate) struct AsClient<'a>(&'a mut Telling);

impl Dialogue for AsClient<'_> {
    fn line(&mut self, line: Line<'_>) {
        self.0.add(match line {
            Line::Command(text) => What::Said { who: Speaker::Ours, text: Text::from_peer(text) },
            Line::Reply(text) => What::Said { who: Speaker::Theirs, text: Text::from_peer(text) },
            Line::Content { octets } => What::Content { octets },
        });
    }
}

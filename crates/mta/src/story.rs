//! The one place that turns lines, verdicts and attempts into journal events.
//!
//! Whoever watches live hears the same events as the journal, at the same moment.

use crate::world::WallClock;
use postrider_journal::event::{Decision, Speaker, Verdict};
use postrider_journal::{Journal, Key, Story, Subject, What};
use postrider_mail::{SessionId, Text, UnixMillis};
use postrider_policy as policy;
use postrider_smtp::{Dialogue, Line};
use std::net::SocketAddr;
use std::sync::Arc;

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
}

impl Stories {
    /// Stories are told to the journal, and their events to the observer.
    pub fn new(journal: Journal, clock: WallClock, observer: Option<Arc<dyn Observer>>) -> Self {
        Self { journal, clock, observer }
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

    /// Something worth telling.
    pub fn note(&mut self, text: impl Into<Text>) {
        self.add(What::Note { text: text.into() });
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

impl Dialogue for Telling {
    fn line(&mut self, line: Line<'_>) {
        self.add(match line {
            Line::Command(text) => What::Said { who: Speaker::Theirs, text: Text::from_peer(text) },
            Line::Reply(text) => What::Said { who: Speaker::Ours, text: Text::from_peer(text) },
            Line::Content { octets } => What::Content { octets },
        });
    }
}

//! A part of a story as it waits for the writer: encoded by the thread that told it, so that the writer only
//! copies, and nothing is freed far from where it was allocated.

use crate::event::Compact;
use crate::key::Key;
use crate::story::{LeftOut, Story, Subject};
use postrider_mail::UnixMillis;
use std::net::SocketAddr;

/// The version of the events' JSON that this version writes. Readers take newer ones as far as they go.
pub(crate) const FORMAT_VERSION: i64 = 1;

/// One row of a segment.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) part: u32,
    pub(crate) started_at: UnixMillis,
    pub(crate) last_at: UnixMillis,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) left_out: LeftOut,
    /// Everything the row is found by, its subject included.
    pub(crate) keys: Vec<Key>,
    /// The events as JSON of [`FORMAT_VERSION`].
    pub(crate) events: Vec<u8>,
}

impl Row {
    /// Encodes a story, or a part of one.
    pub(crate) fn of(story: &Story) -> serde_json::Result<Self> {
        let mut events = Vec::with_capacity(story.events().len() * EVENT_OCTETS_USUAL);
        serde_json::to_writer(&mut events, &Compact(story.events()))?;
        let keys = story.subject().key().into_iter().chain(story.keys().iter().copied()).collect();
        Ok(Self {
            subject: story.subject(),
            part: story.part(),
            started_at: story.started_at(),
            last_at: story.last_at(),
            peer: story.peer(),
            left_out: story.left_out(),
            keys,
            events,
        })
    }

    /// Octets it takes while it waits.
    pub(crate) fn octets(&self) -> usize {
        size_of::<Self>() + size_of_val(self.keys.as_slice()) + self.events.capacity()
    }
}

/// Octets of JSON that most events take: one allocation for most stories.
const EVENT_OCTETS_USUAL: usize = 80;

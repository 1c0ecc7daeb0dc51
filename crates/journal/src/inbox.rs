//! The way into the journal: tellers on any thread, one writer.
//!
//! A teller takes a lock for a push and goes on; it never waits for the disk. What finds no room is
//! dropped and counted, and the count is itself written. The writer is woken once per gathering, not once
//! per story.

use crate::limits::{GATHER, WAITING_OCTETS_MAX, WAITING_STORIES_MAX};
use crate::row::Row;
use crate::story::Story;
use postrider_mail::UnixMillis;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Tells stories to the journal. Cheap to clone; the writer ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Teller>);

/// The writer's thread has ended; what is told from now on is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterEnded;

impl fmt::Display for WriterEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal's writer has ended; stories are not kept until the server is started again")
    }
}

impl std::error::Error for WriterEnded {}

/// What was told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stories and parts that were told.
    pub told: u64,
    /// Those of them that are not kept: no room before the writer, or a disk that did not take them.
    pub lost: u64,
}

impl Journal {
    /// Hands over a story, or a part of one. Never waits; what finds no room is counted as lost.
    #[expect(clippy::needless_pass_by_value, reason = "what was told is told once")]
    pub fn tell(&self, story: Story) {
        if story.is_empty() {
            return;
        }
        // Encoding cannot fail for events as they are; if it ever did, the story would count as lost.
        let row = Row::of(&story).ok();
        let mut state = self.0.inbox.lock();
        state.counts.told += 1;
        let Some(row) = row.filter(|row| state.has_room_for(row)) else {
            state.counts.lost += 1;
            state.unsaid += 1;
            return;
        };
        let was_idle = !state.is_due();
        let was_urgent = state.is_urgent();
        state.taken_in += 1;
        state.octets += row.octets();
        state.stories.push(row);
        // Once when there is something, once more when it does not bear waiting.
        if was_idle || (state.is_urgent() && !was_urgent) {
            drop(state);
            self.0.inbox.work.notify_one();
        }
    }

    /// Waits until everything told before this call is written, or counted as lost. Blocks on a disk: not
    /// for async workers.
    ///
    /// # Errors
    /// The writer has ended.
    pub fn flush(&self) -> Result<(), WriterEnded> {
        let inbox = &self.0.inbox;
        let mut state = inbox.lock();
        let goal = state.taken_in;
        while state.done < goal {
            if state.writer_ended {
                return Err(WriterEnded);
            }
            state.hurry = true;
            inbox.work.notify_one();
            state = inbox.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Lets the writer drop what is too old at `now`, even when nothing happens that could be told.
    pub fn tidy(&self, now: UnixMillis) {
        let mut state = self.0.inbox.lock();
        state.tidy_at = state.tidy_at.max(Some(now));
        drop(state);
        self.0.inbox.work.notify_one();
    }

    /// How much was told, and how much of it is lost.
    pub fn counts(&self) -> Counts {
        self.0.inbox.lock().counts
    }
}

/// Closes the inbox when the last [`Journal`] goes.
#[derive(Debug)]
struct Teller {
    inbox: Arc<Inbox>,
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.inbox.lock().closed = true;
        self.inbox.work.notify_one();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// The writer waits here.
    work: Condvar,
    /// Flushes wait here.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stories: Vec<Row>,
    octets: usize,
    counts: Counts,
    /// Stories lost at this door since the writer last took some.
    unsaid: u64,
    /// Stories that came in through the door, and those of them that the writer is through with.
    taken_in: u64,
    done: u64,
    tidy_at: Option<UnixMillis>,
    hurry: bool,
    closed: bool,
    writer_ended: bool,
}

/// What the writer has to do.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) stories: Vec<Row>,
    /// Stories that found no room since the last time.
    pub(crate) turned_away: u64,
    pub(crate) tidy_at: Option<UnixMillis>,
}

impl Inbox {
    /// A journal and the inbox its writer reads.
    pub(crate) fn new() -> (Journal, Arc<Self>) {
        let inbox = Arc::new(Self::default());
        (Journal(Arc::new(Teller { inbox: Arc::clone(&inbox) })), inbox)
    }

    /// Waits for work and a little longer for more of it. `None` when there will never be any again.
    pub(crate) fn wait(&self) -> Option<Work> {
        let state = self.lock();
        let state = self
            .work
            .wait_while(state, |state| !state.is_due() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .work
            .wait_timeout_while(state, GATHER, |state| !state.is_urgent())
            .unwrap_or_else(PoisonError::into_inner);
        let work = state.take();
        (!work.is_nothing() || !state.closed).then_some(work)
    }

    /// Takes what waits now, without waiting.
    pub(crate) fn take(&self) -> Work {
        self.lock().take()
    }

    /// Reports that the writer is through with so many stories, and that so many of them are lost.
    pub(crate) fn done(&self, stories: usize, lost: usize) {
        let mut state = self.lock();
        state.done += stories as u64;
        state.counts.lost += lost as u64;
        drop(state);
        self.written.notify_all();
    }

    /// Reports that nobody writes any more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.writer_ended = true;
        let waiting = std::mem::take(&mut state.stories).len() as u64;
        state.counts.lost += waiting;
        drop(state);
        self.written.notify_all();
    }

    /// No code under this lock can panic half-way through a change, so its state is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room_for(&self, row: &Row) -> bool {
        !self.writer_ended
            && self.stories.len() < WAITING_STORIES_MAX
            && self.octets + row.octets() <= WAITING_OCTETS_MAX
    }

    fn is_due(&self) -> bool {
        !self.stories.is_empty() || self.unsaid > 0 || self.tidy_at.is_some()
    }

    fn is_urgent(&self) -> bool {
        self.hurry
            || self.closed
            || self.stories.len() >= WAITING_STORIES_MAX / 2
            || self.octets >= WAITING_OCTETS_MAX / 2
    }

    fn take(&mut self) -> Work {
        self.octets = 0;
        self.hurry = false;
        Work {
            stories: std::mem::take(&mut self.stories),
            turned_away: std::mem::take(&mut self.unsaid),
            tidy_at: self.tidy_at.take(),
        }
    }
}

impl Work {
    fn is_nothing(&self) -> bool {
        self.stories.is_empty() && self.turned_away == 0 && self.tidy_at.is_none()
    }
}

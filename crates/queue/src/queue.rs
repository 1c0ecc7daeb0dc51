//! The handle: what the rest of the server asks of the spool. Cheap to clone; needs no runtime.
//!
//! The asynchronous calls wait for the committer and return when what they say is durable. Dropping one of
//! their futures does not undo it. The others block on a read, each says so.

use crate::content::Draft;
use crate::entry::{Accepted, Applied, Change, Fate, RecipientId, RouteKey, Settled};
use crate::error::{AcceptError, Poisoned, Unable};
use crate::filter::Filter;
use crate::limits::{OWED_MESSAGES_MAX, PAGE_MESSAGES_MAX, PAGE_ROWS_MAX, PAGE_TIME_MAX};
use crate::new_message::NewMessage;
use crate::operate::{Action, Operated, Pause};
use crate::request::{GiveBack, Job, Operate, Request, Reroute, Settle, Work};
use crate::room::{Lease, Leased};
use crate::scan::Bounds;
use crate::shelf::{Share, Shelf};
use crate::untried::set_aside_reason;
use crate::view::{self, Listing, Owed, PauseView, Stats, View};
use postrider_mail::{AttemptId, QueueId, Reason, Text, UnixMillis};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Notify, oneshot};

/// A handle on an open spool.
#[derive(Clone, Debug)]
pub struct Queue {
    requests: mpsc::Sender<Request>,
    shelf: Arc<Shelf>,
    changed: Arc<Notify>,
}

type Answer<T> = oneshot::Receiver<Result<T, Unable>>;

impl Queue {
    pub(crate) fn new(requests: mpsc::Sender<Request>, shelf: Arc<Shelf>, changed: Arc<Notify>) -> Self {
        Self { requests, shelf, changed }
    }

    /// Content for a message that will have this id. Nothing touches the disk yet.
    pub fn draft(&self, id: QueueId) -> Draft {
        Draft::new(id, Arc::clone(&self.shelf))
    }

    /// A part of the budget for content in memory, for what a caller keeps beside its draft.
    pub fn share(&self) -> Share {
        Share::none(&self.shelf.budget)
    }

    /// Takes responsibility for a message: it is durable when this returns.
    ///
    /// # Errors
    /// See [`Unable`]: the message was not taken. When the future is dropped, it may have been.
    pub async fn accept(&self, message: NewMessage) -> Result<Accepted, AcceptError> {
        self.shelf.health()?;
        let (job, answer) = Job::new(Box::new(message));
        self.requests.try_send(Request::Work(Work::Accept(job))).map_err(|error| match error {
            TrySendError::Full(_) => Unable::Busy,
            TrySendError::Closed(_) => Unable::Stopped,
        })?;
        self.answered(answer).await
    }

    /// Lends what is due, under keys that have room, and gives up what has expired without.
    ///
    /// # Errors
    /// See [`Unable`]: nothing was lent.
    pub async fn lease(&self, ask: Lease) -> Result<Leased, Unable> {
        let (job, answer) = Job::new(ask);
        self.ask(Work::Lease(job), answer).await
    }

    /// Records the fates of some or all recipients of an attempt, as they become final. With the last of
    /// them the attempt ends.
    ///
    /// # Errors
    /// See [`Unable`]: none of them was recorded; the attempt is still out.
    pub async fn settle(
        &self,
        attempt: AttemptId,
        fates: Vec<(RecipientId, Fate)>,
        now: UnixMillis,
    ) -> Result<Settled, Unable> {
        let (job, answer) = Job::new(Settle { attempt, fates, now });
        self.ask(Work::Settle(job), answer).await
    }

    /// Ends an attempt. Its recipients that were not settled are due at once, as if it had not been; those
    /// of an expired message fail.
    ///
    /// # Errors
    /// See [`Unable`]: the attempt is still out.
    pub async fn give_back(&self, attempt: AttemptId, now: UnixMillis) -> Result<Settled, Unable> {
        let (job, answer) = Job::new(GiveBack { attempt, now, hold: None });
        self.ask(Work::GiveBack(job), answer).await
    }

    /// Ends an attempt whose content cannot be read, and holds the message: nothing is lost or bounced
    /// before a person has looked.
    ///
    /// # Errors
    /// See [`Unable`]: the attempt is still out.
    pub async fn set_aside(&self, attempt: AttemptId, why: Text, now: UnixMillis) -> Result<Settled, Unable> {
        tracing::error!(%attempt, %why, "a message cannot be read and is set aside");
        self.hold_attempt(attempt, set_aside_reason(&why), now).await
    }

    /// Ends an attempt and holds its message, as a route or a check says. Its recipients that were not
    /// settled wait until the message is released.
    ///
    /// # Errors
    /// See [`Unable`]: the attempt is still out.
    pub async fn hold_attempt(
        &self,
        attempt: AttemptId,
        why: Reason,
        now: UnixMillis,
    ) -> Result<Settled, Unable> {
        let (job, answer) = Job::new(GiveBack { attempt, now, hold: Some(why) });
        self.ask(Work::GiveBack(job), answer).await
    }

    /// Ends an attempt for these recipients without counting it, as they are routed elsewhere by now: they
    /// are due at once, each under its new key. The others stay in the attempt.
    ///
    /// # Errors
    /// See [`Unable`]: the attempt still holds them.
    pub async fn reroute(
        &self,
        attempt: AttemptId,
        to: Vec<(RecipientId, RouteKey)>,
        now: UnixMillis,
    ) -> Result<Settled, Unable> {
        let (job, answer) = Job::new(Reroute { attempt, to, now });
        self.ask(Work::Reroute(job), answer).await
    }

    /// Does all of the changes in one transaction, or none.
    ///
    /// # Errors
    /// See [`Unable`]: none was done.
    pub async fn apply(&self, changes: Vec<Change>, now: UnixMillis) -> Result<Applied, Unable> {
        let (job, answer) = Job::new((changes, now));
        self.ask(Work::Apply(job), answer).await
    }

    /// Holds messages: they are kept, not tried, and do not expire. One step; see [`Operated::next`].
    ///
    /// # Errors
    /// See [`Unable`]: this step did nothing.
    pub async fn hold(
        &self,
        filter: Filter,
        after: Option<QueueId>,
        why: Reason,
        now: UnixMillis,
    ) -> Result<Operated, Unable> {
        self.operate(Action::Hold(why), filter, after, now).await
    }

    /// Releases messages that are held: due now, and the time they were held is given back. One step.
    ///
    /// # Errors
    /// See [`Unable`]: this step did nothing.
    pub async fn release(
        &self,
        filter: Filter,
        after: Option<QueueId>,
        now: UnixMillis,
    ) -> Result<Operated, Unable> {
        self.operate(Action::Release, filter, after, now).await
    }

    /// Makes waiting recipients due now; those held stay so. One step.
    ///
    /// # Errors
    /// See [`Unable`]: this step did nothing.
    pub async fn retry(
        &self,
        filter: Filter,
        after: Option<QueueId>,
        now: UnixMillis,
    ) -> Result<Operated, Unable> {
        self.operate(Action::Retry, filter, after, now).await
    }

    /// Removes messages without a notice, whatever their state; attempts that are out find nothing left to
    /// settle. The caller records the command. One step.
    ///
    /// # Errors
    /// See [`Unable`]: this step did nothing.
    pub async fn delete(
        &self,
        filter: Filter,
        after: Option<QueueId>,
        now: UnixMillis,
    ) -> Result<Operated, Unable> {
        self.operate(Action::Delete, filter, after, now).await
    }

    async fn operate(
        &self,
        action: Action,
        filter: Filter,
        after: Option<QueueId>,
        now: UnixMillis,
    ) -> Result<Operated, Unable> {
        let (job, answer) = Job::new(Operate { action, filter, after, now });
        self.ask(Work::Operate(Box::new(job)), answer).await
    }

    /// Lends nothing under this key, or under any (`None`), until resumed; also after a restart. Mail that
    /// waits meanwhile expires as it would have: to keep it longer, hold it.
    ///
    /// # Errors
    /// See [`Unable`].
    pub async fn pause(&self, key: Option<RouteKey>, why: Text, now: UnixMillis) -> Result<(), Unable> {
        let (job, answer) = Job::new(Pause { key, why: Some(why), now });
        self.ask(Work::Pause(job), answer).await
    }

    /// Ends a pause. Resuming everything leaves keys paused that were paused by name.
    ///
    /// # Errors
    /// See [`Unable`].
    pub async fn resume(&self, key: Option<RouteKey>, now: UnixMillis) -> Result<(), Unable> {
        let (job, answer) = Job::new(Pause { key, why: None, now });
        self.ask(Work::Pause(job), answer).await
    }

    /// Waits until something may be due that was not when the last lease was answered. One waiter: the
    /// dispatcher. Nothing is missed between two calls.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether the spool can keep its promises.
    ///
    /// # Errors
    /// The disk failed: why.
    pub fn health(&self) -> Result<(), Poisoned> {
        self.shelf.health()
    }

    /// Octets that the spool's disk has free for mail, beside what is set aside, or must be before mail is taken
    /// again. Two system calls.
    ///
    /// # Errors
    /// The system does not say.
    pub fn disk_free_octets(&self) -> io::Result<u64> {
        self.shelf.folder.octets_for_mail()
    }

    /// Octets of content in memory, and how many there may be before drafts go to disk.
    pub fn memory_octets(&self) -> (usize, usize) {
        let budget = &self.shelf.budget;
        (budget.used(), budget.max())
    }

    /// Whether failures of messages with a null reverse-path are owed as others are, for whoever tells
    /// postmaster of them. Not unless it is set; it holds for what is settled from now on.
    pub fn owe_for_null_paths(&self, owe: bool) {
        self.shelf.null_paths_owe.store(owe, Ordering::Relaxed);
    }

    /// How many transactions were committed since the spool was opened, for metrics: messages per commit
    /// say how well the batches fill.
    pub fn commits(&self) -> u64 {
        self.shelf.commits.load(Ordering::Relaxed)
    }

    /// Ends the committer after what was asked before. Returns when its turn has come; the thread ends soon after.
    pub async fn stop(&self) {
        if self.requests.send(Request::Stop).await.is_ok() {
            self.requests.closed().await;
        }
    }

    /// A page of messages, oldest first. Blocks.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn list(&self, filter: &Filter, after: Option<QueueId>, limit: usize) -> io::Result<Listing> {
        let messages = limit.clamp(1, PAGE_MESSAGES_MAX);
        let bounds = Bounds { messages, rows: PAGE_ROWS_MAX, time: Some(PAGE_TIME_MAX) };
        self.read(|connection| view::list(connection, filter, after, bounds))
    }

    /// One message with all its recipients. Blocks.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn show(&self, id: QueueId) -> io::Result<Option<View>> {
        self.read(|connection| view::show(connection, id))
    }

    /// The queue in numbers. Blocks: counting a million waiting recipients takes some ten milliseconds.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn stats(&self) -> io::Result<Stats> {
        self.read(|connection| view::stats(connection, &self.shelf))
    }

    /// What is paused. Blocks.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn pauses(&self) -> io::Result<Vec<PauseView>> {
        self.read(view::pauses)
    }

    /// Messages behind `after` whose senders are owed notices, at most
    /// [`OWED_MESSAGES_MAX`]. Blocks.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn owed(&self, after: Option<QueueId>) -> io::Result<Vec<Owed>> {
        self.read(|connection| view::owed(connection, &self.shelf, after, OWED_MESSAGES_MAX))
    }

    fn read<T>(&self, read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> io::Result<T> {
        self.shelf.readers.with(read).map_err(io::Error::other)
    }

    /// Sends what must not be refused for being many: it waits for its place.
    async fn ask<T>(&self, work: Work, answer: Answer<T>) -> Result<T, Unable> {
        self.shelf.health()?;
        self.requests.send(Request::Work(work)).await.map_err(|_| Unable::Stopped)?;
        self.answered(answer).await
    }

    async fn answered<T>(&self, answer: Answer<T>) -> Result<T, Unable> {
        match answer.await {
            Ok(answer) => answer,
            Err(_) => {
                self.shelf.health()?;
                Err(Unable::Stopped)
            }
        }
    }
}

//! What is asked of the committer, each with a place for its answer.

use crate::entry::{Accepted, Applied, Change, Fate, RecipientId, RouteKey, Settled};
use crate::error::Unable;
use crate::filter::Filter;
use crate::new_message::NewMessage;
use crate::operate::{Action, Operated, Pause};
use crate::room::{Lease, Leased};
use postrider_mail::{AttemptId, QueueId, Reason, UnixMillis};
use tokio::sync::oneshot;

/// One request with its place for the answer.
#[derive(Debug)]
pub(crate) struct Job<A, T> {
    pub(crate) ask: A,
    pub(crate) done: Option<T>,
    answer: oneshot::Sender<Result<T, Unable>>,
}

impl<A, T> Job<A, T> {
    pub(crate) fn new(ask: A) -> (Self, oneshot::Receiver<Result<T, Unable>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { ask, done: None, answer }, receiver)
    }

    /// An answer no one waits for any more is dropped: the work is done all the same.
    fn reply(self, verdict: Result<(), Unable>) {
        let done = verdict.and_then(|()| self.done.ok_or(Unable::Rejected("not carried out".into())));
        let _ = self.answer.send(done);
    }
}

#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) attempt: AttemptId,
    pub(crate) fates: Vec<(RecipientId, Fate)>,
    pub(crate) now: UnixMillis,
}

/// How an attempt ends without a fate for all.
#[derive(Debug)]
pub(crate) struct GiveBack {
    pub(crate) attempt: AttemptId,
    pub(crate) now: UnixMillis,
    /// Hold the message, and why.
    pub(crate) hold: Option<Reason>,
}

/// Recipients of an attempt that belong under other keys.
#[derive(Debug)]
pub(crate) struct Reroute {
    pub(crate) attempt: AttemptId,
    pub(crate) to: Vec<(RecipientId, RouteKey)>,
    pub(crate) now: UnixMillis,
}

#[derive(Debug)]
pub(crate) struct Operate {
    pub(crate) action: Action,
    pub(crate) filter: Filter,
    pub(crate) after: Option<QueueId>,
    pub(crate) now: UnixMillis,
}

/// What reaches the committer.
#[derive(Debug)]
pub(crate) enum Request {
    /// Look after what was left behind.
    Wake,
    /// Answer what came before, then end.
    Stop,
    Work(Work),
}

/// Everything that can be asked of the queue.
#[derive(Debug)]
pub(crate) enum Work {
    Accept(Job<Box<NewMessage>, Accepted>),
    Apply(Job<(Vec<Change>, UnixMillis), Applied>),
    Lease(Job<Lease, Leased>),
    Settle(Job<Settle, Settled>),
    GiveBack(Job<GiveBack, Settled>),
    Reroute(Job<Reroute, Settled>),
    Operate(Box<Job<Operate, Operated>>),
    Pause(Job<Pause, ()>),
}

impl Work {
    pub(crate) fn stores(&self) -> bool {
        match self {
            Self::Accept(_) => true,
            Self::Apply(job) => job.ask.0.iter().any(|change| matches!(change, Change::Store(_))),
            _ => false,
        }
    }

    /// The files of what was stored belong to the queue now.
    pub(crate) fn keep(&mut self) {
        match self {
            Self::Accept(job) => job.ask.keep(),
            Self::Apply(job) => job.ask.0.iter_mut().for_each(|change| {
                if let Change::Store(new) = change {
                    new.keep();
                }
            }),
            _ => {}
        }
    }

    pub(crate) fn reply(self, verdict: Result<(), Unable>) {
        match self {
            Self::Accept(job) => job.reply(verdict),
            Self::Apply(job) => job.reply(verdict),
            Self::Lease(job) => job.reply(verdict),
            Self::Settle(job) => job.reply(verdict),
            Self::GiveBack(job) => job.reply(verdict),
            Self::Reroute(job) => job.reply(verdict),
            Self::Operate(job) => job.reply(verdict),
            Self::Pause(job) => job.reply(verdict),
        }
    }
}

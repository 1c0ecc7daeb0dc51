//! The synchronous core: requests in, one transaction, answers out. It knows no channel but the answers',
//! no thread and no clock, so that tests and simulation call it as the committer does.
//!
//! Requests are carried out in order inside one transaction. Files that rows name are renamed and their
//! folders synced before COMMIT; answers leave after it. What fails is sorted by what can be done:
//!
//! | fault | what follows |
//! |---|---|
//! | no room | rolled back; the reserve is given up, what stores is refused, the rest is done again |
//! | lock held by someone else | rolled back, all told to try again |
//! | one request rejected | rolled back, each request again on its own |
//! | anything else | poisoned: nothing is acknowledged until a restart |

use crate::entry::{Applied, Change};
use crate::error::Unable;
use crate::expire::{Expiry, Mark};
use crate::flight::Flight;
use crate::request::Work;
use crate::retry::Dice;
use crate::schedule::{Pauses, Schedule};
use crate::schema::PAGE_OCTETS;
use crate::shelf::{Shelf, is_full};
use crate::{Settings, housekeeping::Housekeeping};
use postrider_mail::id::IdMaker;
use postrider_mail::{QueueId, UnixMillis};
use rusqlite::{Connection, ErrorCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fs, io, mem};
use tokio::sync::Notify;

/// Pages that even a small commit writes anew: the leaves of three tables and of an index.
const PAGES_PER_COMMIT: u64 = 4;

/// Why a transaction did not go through.
#[derive(Debug)]
pub(crate) enum Fault {
    Full,
    Busy,
    Rejected(String),
    Broken(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => {
                Self::Rejected(error.to_string())
            }
            Some(_) => Self::Broken(error.to_string()),
            // Not SQLite's word but ours: a row that does not parse, a value that does not fit.
            None => Self::Rejected(error.to_string()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Broken(error.to_string()) }
    }
}

/// What one transaction does beside its rows.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Files moved from `incoming/` to `content/`.
    pub(crate) renamed: Vec<QueueId>,
    /// Files whose rows are deleted.
    pub(crate) garbage: Vec<QueueId>,
    /// What is paused after it, where that changed.
    pub(crate) pauses: Option<Pauses>,
    /// Something may be due that was not before.
    pub(crate) woke: bool,
    /// About how much it writes.
    pub(crate) octets: u64,
    /// COMMIT was called.
    pub(crate) committing: bool,
}

/// The row of table `spool`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) last_id: i64,
    pub(crate) messages: i64,
}

impl Tally {
    pub(crate) fn stored(&mut self, id: QueueId) {
        self.last_id = self.last_id.max(id.row());
        self.messages += 1;
    }
}

/// The spool's one writer.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) connection: Connection,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) settings: Settings,
    pub(crate) boot: i64,
    pub(crate) ids: IdMaker,
    pub(crate) dice: Dice,
    pub(crate) flight: Flight,
    pub(crate) schedule: Schedule,
    pub(crate) expiry: Expiry,
    /// How far deadlines were looked through.
    pub(crate) deadlines: Mark,
    pub(crate) tally: Tally,
    pub(crate) batch: Batch,
    pub(crate) keeping: Housekeeping,
    pub(crate) changed: Arc<Notify>,
    /// The greatest `now` a lease has named; a smaller one means that the clock went back.
    pub(crate) latest: UnixMillis,
    /// The disk was full: nothing is stored until the reserve is back.
    pub(crate) full: bool,
}

impl Core {
    /// Carries out all requests and answers them.
    pub(crate) fn turn(&mut self, mut works: Vec<Work>) {
        if let Err(poisoned) = self.shelf.health() {
            return reply_all(works, &Unable::Poisoned(poisoned));
        }
        if self.full && works.iter().any(Work::stores) {
            self.full = !self.has_room_again();
        }
        if self.full {
            works = refuse_stores(works);
        }
        if !works.is_empty() {
            match self.transact(&mut works) {
                Ok(()) => works.into_iter().for_each(|work| work.reply(Ok(()))),
                Err(fault) => self.after_fault(fault, works),
            }
        }
        self.keep_house();
    }

    fn after_fault(&mut self, fault: Fault, works: Vec<Work>) {
        match fault {
            Fault::Full => {
                tracing::warn!("the spool's disk is full: mail is refused, what is queued goes on");
                self.full = true;
                self.shelf.folder.drop_reserve();
                let mut works = refuse_stores(works);
                match self.transact(&mut works) {
                    Ok(()) => works.into_iter().for_each(|work| work.reply(Ok(()))),
                    Err(Fault::Broken(what)) => self.poison(&what, works),
                    Err(_) => reply_all(works, &Unable::Full),
                }
            }
            Fault::Busy => reply_all(works, &Unable::Busy),
            Fault::Rejected(why) if works.len() == 1 => {
                tracing::error!(%why, "the queue's database rejected a request");
                reply_all(works, &Unable::Rejected(why.into()));
            }
            Fault::Rejected(_) => works.into_iter().for_each(|work| self.alone(work)),
            Fault::Broken(what) => self.poison(&what, works),
        }
    }

    /// One request in a transaction of its own, so that it fails alone.
    fn alone(&mut self, work: Work) {
        if let Err(poisoned) = self.shelf.health() {
            return work.reply(Err(Unable::Poisoned(poisoned)));
        }
        let mut works = vec![work];
        match self.transact(&mut works) {
            Ok(()) => works.into_iter().for_each(|work| work.reply(Ok(()))),
            Err(fault) => self.after_fault(fault, works),
        }
    }

    fn poison(&self, what: &str, works: Vec<Work>) {
        let poisoned = self.shelf.poison(what);
        reply_all(works, &Unable::Poisoned(poisoned));
    }

    /// All of them, durable, or none.
    fn transact(&mut self, works: &mut [Work]) -> Result<(), Fault> {
        let before = self.tally;
        let done = self.write(works);
        match done {
            Ok(()) => {
                works.iter_mut().for_each(Work::keep);
                self.committed();
            }
            Err(ref fault) => self.rolled_back(before, fault)?,
        }
        done
    }

    fn write(&mut self, works: &mut [Work]) -> Result<(), Fault> {
        let before = (self.tally.last_id, self.tally.messages);
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for work in works {
            self.perform(work)?;
        }
        if before != (self.tally.last_id, self.tally.messages) {
            let sql = "UPDATE spool SET last_id = ?1, messages = ?2 WHERE one = 1";
            self.connection.prepare_cached(sql)?.execute([self.tally.last_id, self.tally.messages])?;
        }
        if !self.batch.renamed.is_empty() {
            self.shelf.folder.sync_content()?;
            self.shelf.folder.sync_incoming()?;
        }
        self.clear_garbage()?;
        // A draft's sync that failed meanwhile must not be followed by a promise.
        self.shelf.health().map_err(|poisoned| Fault::Broken(poisoned.why.to_string()))?;
        self.batch.committing = true;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn perform(&mut self, work: &mut Work) -> Result<(), Fault> {
        match work {
            Work::Accept(job) => job.done = Some(self.accept(&mut job.ask)?),
            Work::Apply(job) => job.done = Some(self.apply(&mut job.ask.0, job.ask.1)?),
            Work::Lease(job) => job.done = Some(self.lease(&job.ask)?),
            Work::Settle(job) => {
                job.done = Some(self.settle(job.ask.attempt, &job.ask.fates, job.ask.now)?);
            }
            Work::GiveBack(job) => job.done = Some(self.give_back(&job.ask)?),
            Work::Reroute(job) => job.done = Some(self.reroute(&job.ask)?),
            Work::Operate(job) => job.done = Some(self.operate(&job.ask)?),
            Work::Pause(job) => job.done = Some(self.pause(&job.ask)?),
        }
        Ok(())
    }

    fn apply(&mut self, changes: &mut [Change], now: UnixMillis) -> Result<Applied, Fault> {
        let mut applied = Applied::default();
        for change in changes {
            match change {
                Change::Store(new) => applied.stored.push(self.accept(new)?),
                Change::Settle { attempt, fates } => {
                    let message = self.flight.get(*attempt).map(|lent| lent.message);
                    let settled = self.settle(*attempt, fates, now)?;
                    applied.removed.extend(message.filter(|_| settled.removed));
                    applied.settled.push(settled);
                }
                Change::Told { message, recipients } => {
                    applied.removed.extend(self.told(*message, recipients)?.then_some(*message));
                }
                Change::Remove(message) => applied.removed.extend(self.remove(*message)?.then_some(*message)),
            }
        }
        Ok(applied)
    }

    fn committed(&mut self) {
        self.flight.committed();
        self.shelf.commits.fetch_add(1, Ordering::Relaxed);
        let batch = mem::take(&mut self.batch);
        self.keeping.wrote(batch.octets + PAGES_PER_COMMIT * PAGE_OCTETS);
        self.keeping.garbage_cleared();
        self.keeping.garbage.extend(batch.garbage);
        if !batch.renamed.is_empty() {
            self.keeping.folder_synced();
        }
        if let Some(pauses) = batch.pauses {
            self.schedule.set_pauses(pauses);
        }
        if batch.woke {
            self.changed.notify_one();
        }
    }

    /// Makes memory and folders what they were before the transaction.
    fn rolled_back(&mut self, before: Tally, fault: &Fault) -> Result<(), Fault> {
        self.tally = before;
        self.flight.rolled_back();
        self.schedule.begin_sweep();
        self.expiry.begin();
        self.deadlines = Mark::first();
        let batch = mem::take(&mut self.batch);
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(|error| Fault::Broken(error.to_string()))?;
        }
        if batch.committing && matches!(fault, Fault::Broken(_)) {
            // Written, but not synced: the next start may find the rows, and must then find their files. If it
            // does not, it moves them to lost/.
            return Ok(());
        }
        for id in batch.renamed {
            let (from, to) = (self.shelf.folder.content(id), self.shelf.folder.incoming(id));
            fs::rename(from, to).map_err(|error| Fault::Broken(error.to_string()))?;
        }
        Ok(())
    }
}

fn reply_all(works: Vec<Work>, unable: &Unable) {
    works.into_iter().for_each(|work| work.reply(Err(unable.clone())));
}

/// Answers what would take more room, and gives the rest.
fn refuse_stores(works: Vec<Work>) -> Vec<Work> {
    let (stores, others): (Vec<Work>, Vec<Work>) = works.into_iter().partition(Work::stores);
    reply_all(stores, &Unable::Full);
    others
}

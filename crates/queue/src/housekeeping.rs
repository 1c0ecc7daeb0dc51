//! What the committer does after its answers have left: unlinking files whose rows are gone, and keeping
//! the write-ahead log small.
//!
//! A garbage row goes only after its file is unlinked and the folder synced; until then the next start
//! would find it and unlink again. A file that cannot be unlinked is reported and left to the next start.
//!
//! The log: a second connection copies it into the database (PASSIVE) whenever enough was written. Under
//! load that alone never lets the log begin anew, so the committer restarts it when it has grown too long.

use crate::limits::{
    CHECKPOINT_OCTETS, FREE_OCTETS_AFTER_FULL, FREE_PAGES_KEPT, GARBAGE_BATCH, RESTART_WAIT, VACUUM_PAGES,
    WAL_OCTETS_MAX,
};
use crate::schema::PAGE_OCTETS;
use crate::shelf::{Shelf, unlink};
use crate::turn::{Core, Fault};
use crate::{limits, schema};
use postrider_mail::QueueId;
use rusqlite::{Connection, ErrorCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::{io, mem};

/// Between the committer and the checkpointer.
#[derive(Debug, Default)]
struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
    /// Octets of the log that could not be reused at the last checkpoint.
    log_octets: AtomicU64,
}

#[derive(Debug, Default)]
struct BellState {
    wanted: bool,
    over: bool,
    /// No checkpointer runs: the committer checkpoints for itself.
    alone: bool,
}

impl Bell {
    fn update<T>(&self, change: impl FnOnce(&mut BellState) -> T) -> T {
        let done = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_one();
        done
    }
}

/// Copies the log into the database beside the committer. Dropped instead of run, the committer does it.
#[derive(Debug)]
pub struct Checkpointer {
    connection: Connection,
    shelf: Arc<Shelf>,
    bell: Arc<Bell>,
}

impl Checkpointer {
    /// The thread's body: until the committer has ended or the disk has failed.
    pub fn run(self) {
        loop {
            {
                let state = self.bell.state.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = self.bell.rung.wait_while(state, |state| !state.wanted && !state.over);
                let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
                if state.over {
                    return;
                }
                state.wanted = false;
            }
            if passive(&self.connection, &self.shelf, &self.bell).is_err() {
                return;
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.bell.update(|state| state.alone = true);
    }
}

/// Copies what can be copied without waiting for anyone.
fn passive(connection: &Connection, shelf: &Shelf, bell: &Bell) -> Result<(), ()> {
    let sql = "PRAGMA wal_checkpoint(PASSIVE)";
    match connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))) {
        Ok((frames, copied)) => {
            // All copied: the next commit begins the log anew.
            let kept = if frames == copied { 0 } else { u64::try_from(frames).unwrap_or(0) };
            bell.log_octets.store(kept * PAGE_OCTETS, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => after_checkpoint(&error, shelf),
    }
}

/// A checkpoint that found no room or someone else at work is tried again later: the log has everything.
fn after_checkpoint(error: &rusqlite::Error, shelf: &Shelf) -> Result<(), ()> {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(()),
        _ => {
            shelf.poison(format_args!("copying the log into the database: {error}"));
            Err(())
        }
    }
}

/// What waits to be done between turns.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    /// To be unlinked: their rows are gone.
    pub(crate) garbage: Vec<QueueId>,
    /// Unlinked, the folder not yet synced.
    unlinked: Vec<QueueId>,
    /// Unlinked for good: their garbage rows go with the next transaction.
    cleared: Vec<QueueId>,
    octets: u64,
    bell: Arc<Bell>,
}

impl Housekeeping {
    pub(crate) fn new(connection: Connection, shelf: Arc<Shelf>) -> (Self, Checkpointer) {
        let bell = Arc::new(Bell::default());
        let checkpointer = Checkpointer { connection, shelf, bell: Arc::clone(&bell) };
        let lists = (Vec::new(), Vec::new(), Vec::new());
        (Self { garbage: lists.0, unlinked: lists.1, cleared: lists.2, octets: 0, bell }, checkpointer)
    }

    pub(crate) fn wrote(&mut self, octets: u64) {
        self.octets += octets;
    }

    /// `content/` was synced: what was unlinked before stays so.
    pub(crate) fn folder_synced(&mut self) {
        self.cleared.append(&mut self.unlinked);
    }

    pub(crate) fn garbage_cleared(&mut self) {
        self.cleared.clear();
    }
}

/// However the committer ends, the checkpointer ends with it.
impl Drop for Housekeeping {
    fn drop(&mut self) {
        self.bell.update(|state| state.over = true);
    }
}

impl Core {
    /// Deletes the garbage rows of files that are gone for good, in the open transaction.
    pub(crate) fn clear_garbage(&self) -> Result<(), Fault> {
        for id in &self.keeping.cleared {
            self.connection.prepare_cached("DELETE FROM garbage WHERE content = ?1")?.execute([id.row()])?;
        }
        Ok(())
    }

    pub(crate) fn keep_house(&mut self) {
        for id in self.shelf.take_abandoned() {
            report(id, &unlink(&self.shelf.folder.incoming(id)));
        }
        for id in mem::take(&mut self.keeping.garbage) {
            if report(id, &unlink(&self.shelf.folder.content(id))) {
                self.keeping.unlinked.push(id);
            }
        }
        if self.keeping.unlinked.len() >= GARBAGE_BATCH {
            match self.shelf.folder.sync_content() {
                Ok(()) => self.keeping.folder_synced(),
                Err(error) => drop(self.shelf.poison(format_args!("syncing content/: {error}"))),
            }
        }
        if self.keeping.octets >= CHECKPOINT_OCTETS && self.shelf.health().is_ok() {
            self.keeping.octets = 0;
            self.checkpoint();
        }
    }

    fn checkpoint(&mut self) {
        let bell = Arc::clone(&self.keeping.bell);
        let alone = bell.update(|state| {
            state.wanted = true;
            state.alone
        });
        if alone && passive(&self.connection, &self.shelf, &bell).is_err() {
            return;
        }
        if bell.log_octets.load(Ordering::Relaxed) > WAL_OCTETS_MAX {
            bell.log_octets.store(0, Ordering::Relaxed);
            // Poisoned, if at all, by what it calls.
            let _ = self.restart_log().or_else(|error| after_checkpoint(&error, &self.shelf));
        }
    }

    fn restart_log(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(RESTART_WAIT)?;
        let restarted = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        self.connection.busy_timeout(limits::BUSY_WAIT)?;
        restarted?;
        if schema::number(&self.connection, "freelist_count")? > i64::from(FREE_PAGES_KEPT) {
            self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        }
        Ok(())
    }

    /// Whether the reserve could be made again, with some room beside it.
    pub(crate) fn has_room_again(&self) -> bool {
        match self.shelf.folder.make_reserve(FREE_OCTETS_AFTER_FULL) {
            Ok(()) => {
                tracing::info!("the spool's disk has room again: mail is accepted");
                true
            }
            Err(_) => false,
        }
    }

    /// Leaves a short log behind.
    pub(crate) fn wind_up(&self) {
        if self.shelf.health().is_ok()
            && let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            tracing::warn!(%error, "the log could not be copied at the end: the next start will");
        }
    }
}

fn report(id: QueueId, unlinked: &io::Result<()>) -> bool {
    if let Err(error) = unlinked {
        tracing::warn!(content = %id, %error, "a file that is not needed any more could not be removed: the next start will");
    }
    unlinked.is_ok()
}

//! Opening a spool, and what start-up finds and repairs.
//!
//! In this order: the lock; the database, migrated; `incoming/` emptied; the garbage list finished; files
//! in `content/` that no row names moved to `lost/` (the database may be a restored backup, so nothing is
//! deleted); what another boot had in flight made due at once, spread by jitter; the reserve made.

use crate::Settings;
use crate::committer::Committer;
use crate::error::OpenError;
use crate::expire::{Expiry, Mark};
use crate::flight::Flight;
use crate::housekeeping::{Checkpointer, Housekeeping};
use crate::limits::{LOST_NAMES_MAX, RECLAIM_JITTER, REQUESTS_MAX};
use crate::operate;
use crate::queue::Queue;
use crate::retry::Dice;
use crate::row;
use crate::schedule::Schedule;
use crate::schema;
use crate::shelf::{Folder, Shelf, is_full, sync_folder, unlink};
use crate::turn::{Batch, Core, Tally};
use postrider_mail::id::IdMaker;
use postrider_mail::{QueueId, UnixMillis};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// Rows that one transaction of the recovery changes.
const ROWS_PER_STEP: u32 = 1000;

/// A spool that is open.
#[derive(Debug)]
pub struct Opened {
    /// The handle that others clone.
    pub queue: Queue,
    /// The writer: run it on a thread of its own.
    pub committer: Committer,
    /// Keeps the log short: run it on a thread of its own, or drop it and the committer does its work.
    pub checkpointer: Checkpointer,
    /// What start-up found.
    pub recovery: Recovery,
    /// The greatest id ever stored: new ids start behind it.
    pub last_id: Option<QueueId>,
}

/// What start-up found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Messages in the queue.
    pub messages: u64,
    /// The schema of the database before it was migrated, where it was older.
    pub migrated_from: Option<i64>,
    /// Drafts that were never accepted, removed.
    pub drafts_removed: usize,
    /// Files of removed messages, unlinked.
    pub garbage_removed: usize,
    /// Recipients that were in flight when the last server ended: due again.
    pub reclaimed: usize,
    /// Files that no row names, moved to `lost/`.
    pub lost: usize,
    /// Their names there, the first of them.
    pub lost_names: Vec<String>,
    /// The disk has no room: nothing is accepted until it has.
    pub full: bool,
}

impl Recovery {
    /// What is worth a line in the log, in sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = Vec::new();
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                said.push(format!("{count} {what}"));
            }
        };
        say(self.drafts_removed, "unfinished drafts removed: their senders were never told 250");
        say(self.garbage_removed, "files of messages that had left were removed");
        say(
            self.reclaimed,
            "recipients were being delivered when the last server ended: they are tried again now",
        );
        if self.lost > 0 {
            let names = self.lost_names.join(", ");
            said.push(format!(
                "{} files belong to no message and were moved to lost/ ({names}): if the database was restored from \
                 a backup, they are mail accepted after it",
                self.lost
            ));
        }
        if let Some(from) = self.migrated_from {
            said.push(format!("the queue was brought from schema {from} to {}", schema::SCHEMA));
        }
        if self.full {
            said.push("the spool's disk is full: mail is refused until there is room".into());
        }
        said
    }
}

/// Opens the spool in `root`, which is made where it is missing. `seed` starts jitter and attempt ids.
///
/// # Errors
/// See [`OpenError`]; each says what to do.
pub fn open(root: &Path, settings: Settings, seed: u64, now: UnixMillis) -> Result<Opened, OpenError> {
    let folder = Folder::create(root)?;
    let lock = folder.lock()?;
    let (connection, found) = schema::open_writer(&folder.database)?;
    let mut dice = Dice::new(seed);
    let mut recovery = Recovery {
        migrated_from: found.filter(|&found| found < schema::SCHEMA),
        drafts_removed: empty_incoming(&folder)?,
        ..Recovery::default()
    };
    recovery.garbage_removed = with_room(&folder, || finish_garbage(&connection, &folder))?;
    set_lost_aside(&connection, &folder, &mut recovery)?;
    let boot = with_room(&folder, || next_boot(&connection))?;
    recovery.reclaimed = with_room(&folder, || reclaim(&connection, now, &mut dice))?;
    recovery.full = make_reserve(&folder)?;
    sync_names(&folder)?;
    let tally = connection.query_row("SELECT last_id, messages FROM spool", [], |row| {
        Ok(Tally { last_id: row.get(0)?, messages: row.get(1)? })
    })?;
    recovery.messages = u64::try_from(tally.messages).unwrap_or(0);
    let last_id = QueueId::from_row(tally.last_id).filter(|id| id.row() > 0);

    let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
    let checkpoints = schema::open_checkpointer(&folder.database)?;
    let shelf = Arc::new(Shelf::new(folder, &settings, sender.downgrade()));
    let (keeping, checkpointer) = Housekeeping::new(checkpoints, Arc::clone(&shelf));
    let changed = Arc::new(Notify::new());
    let mut schedule = Schedule::new();
    schedule.set_pauses(operate::pauses(&connection)?);
    let core = Core {
        connection,
        shelf: Arc::clone(&shelf),
        settings,
        boot,
        ids: IdMaker::new(0, u16::try_from(dice.roll() >> 48).unwrap_or(0), now, last_id),
        dice,
        flight: Flight::default(),
        schedule,
        // What another boot had in flight is due within the jitter, and is tried before it is given up.
        expiry: Expiry::new(now.plus(settings.retry.grace().max(RECLAIM_JITTER))),
        deadlines: Mark::first(),
        tally,
        batch: Batch::default(),
        keeping,
        changed: Arc::clone(&changed),
        latest: now,
        full: recovery.full,
    };
    let queue = Queue::new(sender, shelf, changed);
    Ok(Opened { queue, committer: Committer::new(core, receiver, lock), checkpointer, recovery, last_id })
}

/// Makes the folders and files that opening made durable, the spool's own folder too.
fn sync_names(folder: &Folder) -> Result<(), OpenError> {
    let above = folder.root.parent().filter(|above| !above.as_os_str().is_empty());
    for names in [Some(folder.root.as_path()), above].into_iter().flatten() {
        sync_folder(names).map_err(broken(names))?;
    }
    Ok(())
}

/// Does it; once more without the reserve when there is no room.
fn with_room<T>(folder: &Folder, mut write: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    match write() {
        Err(OpenError::Database(error))
            if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && folder.drop_reserve() =>
        {
            write()
        }
        done => done,
    }
}

fn broken(file: &Path) -> impl Fn(std::io::Error) -> OpenError {
    let file: PathBuf = file.into();
    move |error| OpenError::File { file: file.clone(), error }
}

/// No one was told 250 for what lies here.
fn empty_incoming(folder: &Folder) -> Result<usize, OpenError> {
    let mut removed = 0;
    for entry in fs::read_dir(&folder.incoming).map_err(broken(&folder.incoming))? {
        let path = entry.map_err(broken(&folder.incoming))?.path();
        unlink(&path).map_err(broken(&path))?;
        removed += 1;
    }
    Ok(removed)
}

fn finish_garbage(connection: &Connection, folder: &Folder) -> Result<usize, OpenError> {
    let mut removed = 0;
    loop {
        let mut statement = connection.prepare_cached("SELECT content FROM garbage LIMIT ?1")?;
        let ids = statement.query_map([ROWS_PER_STEP], |row| row::queue_id(row, 0))?;
        let ids = ids.collect::<rusqlite::Result<Vec<QueueId>>>()?;
        if ids.is_empty() {
            return Ok(removed);
        }
        for id in &ids {
            let path = folder.content(*id);
            unlink(&path).map_err(broken(&path))?;
        }
        folder.sync_content().map_err(broken(&folder.content))?;
        let transaction = connection.unchecked_transaction()?;
        for id in &ids {
            transaction.prepare_cached("DELETE FROM garbage WHERE content = ?1")?.execute([id.row()])?;
        }
        transaction.commit()?;
        removed += ids.len();
    }
}

/// Moves files that no row names out of the way, and keeps them.
fn set_lost_aside(
    connection: &Connection,
    folder: &Folder,
    recovery: &mut Recovery,
) -> Result<(), OpenError> {
    let mut statement = connection.prepare_cached("SELECT octets IS NULL FROM content WHERE id = ?1")?;
    for entry in fs::read_dir(&folder.content).map_err(broken(&folder.content))? {
        let name = entry.map_err(broken(&folder.content))?.file_name();
        if let Some(id) = content_id(&name)
            && statement.query_row([id.row()], |row| row.get(0)).optional()? == Some(true)
        {
            continue;
        }
        let from = folder.content.join(&name);
        let to = free_place(&folder.lost, &name);
        fs::rename(&from, &to).map_err(broken(&from))?;
        recovery.lost += 1;
        if recovery.lost_names.len() < LOST_NAMES_MAX {
            recovery
                .lost_names
                .extend(to.file_name().map(|name| name.to_string_lossy().escape_default().to_string()));
        }
    }
    if recovery.lost > 0 {
        sync_folder(&folder.lost).map_err(broken(&folder.lost))?;
        folder.sync_content().map_err(broken(&folder.content))?;
    }
    Ok(())
}

/// The id a file in `content/` is named by, spelled as we spell it.
fn content_id(name: &OsStr) -> Option<QueueId> {
    let name = name.to_str()?;
    name.parse::<QueueId>().ok().filter(|id| id.to_string() == name)
}

/// `name`, or `name.1`, `name.2`, …: what an earlier start put aside is not replaced.
fn free_place(lost: &Path, name: &OsStr) -> PathBuf {
    let mut place = lost.join(name);
    let mut number = 0u64;
    while place.symlink_metadata().is_ok() {
        number += 1;
        let mut numbered = name.to_owned();
        numbered.push(format!(".{number}"));
        place = lost.join(numbered);
    }
    place
}

fn next_boot(connection: &Connection) -> Result<i64, OpenError> {
    let sql = "UPDATE spool SET boot = boot + 1 WHERE one = 1 RETURNING boot";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// What another boot had in flight ended with it.
fn reclaim(connection: &Connection, now: UnixMillis, dice: &mut Dice) -> Result<usize, OpenError> {
    let mut reclaimed = 0;
    loop {
        let transaction = connection.unchecked_transaction()?;
        let mut statement = transaction.prepare_cached(
            "SELECT message, ordinal FROM recipient INDEXED BY recipient_in_flight WHERE boot IS NOT NULL LIMIT ?1",
        )?;
        let rows =
            statement.query_map([ROWS_PER_STEP], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut update = transaction.prepare_cached(
            "UPDATE recipient SET boot = NULL, next_attempt = ?3, \
             pending = state = 0 AND coalesce((SELECT held_at IS NULL FROM message WHERE id = ?1), 0) \
             WHERE message = ?1 AND ordinal = ?2",
        )?;
        for (message, ordinal) in &rows {
            update.execute(params![message, ordinal, now.plus(dice.up_to(RECLAIM_JITTER)).get()])?;
        }
        drop((statement, update));
        transaction.commit()?;
        if rows.is_empty() {
            return Ok(reclaimed);
        }
        reclaimed += rows.len();
    }
}

/// Sets room aside; true when there is none.
fn make_reserve(folder: &Folder) -> Result<bool, OpenError> {
    match folder.make_reserve(0) {
        Ok(()) => Ok(false),
        Err(error) if is_full(&error) => Ok(true),
        Err(error) => Err(broken(&folder.incoming)(error)),
    }
}

//! What every handle of one spool shares: its folders, the memory budget, the read-only connections and
//! the spool's health. It knows files and their durability, and nothing of messages.
//!
//! ```text
//! queue.db   messages, recipients, small content
//! incoming/  drafts; emptied at start
//! content/   large content, named by queue id
//! lost/      files that no row knows, found at start
//! lock       held while a server runs
//! reserve    room that is given up when the disk is full
//! ```

use crate::Settings;
use crate::error::{OpenError, Poisoned};
use crate::limits::{FREE_OCTETS_AFTER_FULL, INLINE_OCTETS_MAX, READERS_MAX, RESERVE_OCTETS};
use crate::request::Request;
use crate::schema;
use postrider_mail::QueueId;
use rusqlite::Connection;
use rustix::fs::{FallocateFlags, FlockOperation};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc::WeakSender;

/// The paths of one spool.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) database: PathBuf,
    pub(crate) incoming: PathBuf,
    pub(crate) content: PathBuf,
    pub(crate) lost: PathBuf,
    pub(crate) root: PathBuf,
    lock: PathBuf,
    reserve: PathBuf,
    /// Kept open for syncing: a commit must not fail because no descriptor is left.
    incoming_names: File,
    content_names: File,
}

impl Folder {
    /// Makes what is missing, for this user alone.
    pub(crate) fn create(root: &Path) -> Result<Self, OpenError> {
        let (incoming, content, lost) = (root.join("incoming"), root.join("content"), root.join("lost"));
        let broken = |path: &Path, error| OpenError::File { file: path.into(), error };
        for path in [root, &incoming, &content, &lost] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|error| broken(path, error))?;
        }
        let names = |path: &Path| File::open(path).map_err(|error| broken(path, error));
        Ok(Self {
            incoming_names: names(&incoming)?,
            content_names: names(&content)?,
            database: root.join("queue.db"),
            incoming,
            content,
            lost,
            root: root.into(),
            lock: root.join("lock"),
            reserve: root.join("reserve"),
        })
    }

    /// Makes the names in `incoming/` durable.
    pub(crate) fn sync_incoming(&self) -> io::Result<()> {
        self.incoming_names.sync_all()
    }

    /// Makes the names in `content/` durable.
    pub(crate) fn sync_content(&self) -> io::Result<()> {
        self.content_names.sync_all()
    }

    /// Takes the lock that keeps a second server out, for as long as the file lives.
    pub(crate) fn lock(&self) -> Result<File, OpenError> {
        let broken = |error| OpenError::File { file: self.lock.clone(), error };
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&self.lock);
        let file = file.map_err(broken)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked { file: self.lock.clone() }),
            Err(errno) => Err(broken(errno.into())),
        }
    }

    pub(crate) fn incoming(&self, id: QueueId) -> PathBuf {
        self.incoming.join(id.to_string())
    }

    pub(crate) fn content(&self, id: QueueId) -> PathBuf {
        self.content.join(id.to_string())
    }

    /// Sets room aside, where it is not yet. Fails when the disk has no more than `spare` octets beside it.
    pub(crate) fn make_reserve(&self, spare: u64) -> io::Result<()> {
        if self.has_reserve() {
            return Ok(());
        }
        if self.free_octets()? < RESERVE_OCTETS + spare {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let made = self.fill_reserve();
        if made.is_err() {
            self.drop_reserve();
        }
        made
    }

    /// Octets that the disk has free for us.
    pub(crate) fn free_octets(&self) -> io::Result<u64> {
        let room = rustix::fs::statvfs(&self.incoming)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// Octets that mail may have of that: what a reserve still needs that was given up is not to be had.
    pub(crate) fn octets_for_mail(&self) -> io::Result<u64> {
        Ok(for_mail(self.free_octets()?, self.has_reserve()))
    }

    fn has_reserve(&self) -> bool {
        fs::metadata(&self.reserve).is_ok_and(|found| found.len() >= RESERVE_OCTETS)
    }

    fn fill_reserve(&self) -> io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&self.reserve)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RESERVE_OCTETS) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
            done => return Ok(done?),
        }
        let zeros = [0; 64 * 1024];
        for _ in 0..RESERVE_OCTETS / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        Ok(())
    }

    /// Gives the reserve to whoever needs the room; says whether there was one.
    pub(crate) fn drop_reserve(&self) -> bool {
        fs::remove_file(&self.reserve).is_ok()
    }
}

/// What of the free octets is for mail: it is taken again, after the disk was full, where there is room for the
/// reserve and some beside it.
fn for_mail(free: u64, has_reserve: bool) -> u64 {
    if has_reserve { free } else { free.saturating_sub(RESERVE_OCTETS + FREE_OCTETS_AFTER_FULL) }
}

/// Makes the names in a folder durable; for the start, when descriptors are no worry yet.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Unlinks a file; that it is gone already is as good.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether an error says that there is no room, rather than that the disk is broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Octets of content in memory, counted over all drafts and attempts.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.max
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of the budget for content in memory, given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    octets: usize,
}

impl Share {
    pub(crate) fn none(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), octets: 0 }
    }

    /// Holds so many octets from now on.
    pub fn set(&mut self, octets: usize) {
        if octets >= self.octets {
            self.budget.used.fetch_add(octets - self.octets, Ordering::Relaxed);
        } else {
            self.budget.used.fetch_sub(self.octets - octets, Ordering::Relaxed);
        }
        self.octets = octets;
    }
}

impl Share {
    /// Whether all that is in memory has reached the budget.
    pub fn is_budget_spent(&self) -> bool {
        self.budget.is_spent()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What all handles of one spool share.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) folder: Folder,
    pub(crate) budget: Arc<Budget>,
    pub(crate) inline_octets_max: usize,
    pub(crate) readers: Readers,
    /// Transactions that were synced, for measurements.
    pub(crate) commits: AtomicU64,
    /// Failures of messages with a null reverse-path are owed too.
    pub(crate) null_paths_owe: AtomicBool,
    poisoned: OnceLock<Poisoned>,
    abandoned: Mutex<Vec<QueueId>>,
    committer: WeakSender<Request>,
}

impl Shelf {
    pub(crate) fn new(folder: Folder, settings: &Settings, committer: WeakSender<Request>) -> Self {
        Self {
            readers: Readers { database: folder.database.clone(), idle: Mutex::default() },
            folder,
            budget: Arc::new(Budget::new(settings.in_flight_octets_max)),
            inline_octets_max: settings.inline_octets_max.min(INLINE_OCTETS_MAX),
            commits: AtomicU64::new(0),
            null_paths_owe: AtomicBool::new(false),
            poisoned: OnceLock::new(),
            abandoned: Mutex::default(),
            committer,
        }
    }

    /// The first failure stays: later ones follow from it.
    pub(crate) fn poison(&self, what: impl std::fmt::Display) -> Poisoned {
        let poisoned = self.poisoned.get_or_init(|| {
            let poisoned = Poisoned { why: what.to_string().into() };
            tracing::error!(why = %poisoned.why, "the spool's disk failed: mail is refused until a restart");
            poisoned
        });
        poisoned.clone()
    }

    pub(crate) fn health(&self) -> Result<(), Poisoned> {
        self.poisoned.get().map_or(Ok(()), |poisoned| Err(poisoned.clone()))
    }

    /// Notes the file of a draft that no one will accept; the committer removes it.
    pub(crate) fn abandon(&self, id: QueueId) {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        // A full channel needs no call: the committer looks after every turn.
        if let Some(committer) = self.committer.upgrade() {
            let _ = committer.try_send(Request::Wake);
        }
    }

    pub(crate) fn take_abandoned(&self) -> Vec<QueueId> {
        std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Read-only connections, opened as needed and kept for the next.
#[derive(Debug)]
pub(crate) struct Readers {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| schema::open_reader(&self.database), Ok)?;
        let answer = read(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_MAX && answer.is_ok() {
            idle.push(connection);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_the_reserve_gave_up_is_no_room_for_mail() {
        assert_eq!(for_mail(5, true), 5);
        assert_eq!(for_mail(RESERVE_OCTETS, false), 0, "the disk is full, and the reserve has been given up");
        assert_eq!(for_mail(RESERVE_OCTETS + FREE_OCTETS_AFTER_FULL + 5, false), 5);
    }
}

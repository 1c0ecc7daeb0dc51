//! What can break, in sentences that say what to do. A refusal by policy is not an error and not here.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the spool could not be opened. Nothing was lost: what it holds stays as it is.
#[derive(Debug)]
pub enum OpenError {
    /// Another server holds the folder's lock.
    Locked {
        /// The lock file.
        file: PathBuf,
    },
    /// A later version of this program wrote the database.
    Newer {
        /// The database.
        file: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema this program knows.
        known: i64,
    },
    /// The file is a database, but not a queue.
    NotAQueue {
        /// The file.
        file: PathBuf,
    },
    /// The file system cannot carry a write-ahead log (shared memory is missing, as on some network disks).
    NoWal {
        /// The database.
        file: PathBuf,
    },
    /// A file or folder could not be used.
    File {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database could not be read or written.
    Database(rusqlite::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { file } => write!(
                f,
                "another server is using this data folder ({} is locked): stop it first, or give this one a folder of its own",
                file.display()
            ),
            Self::Newer { file, found, known } => write!(
                f,
                "{} was written by a newer version (schema {found}, this one knows up to {known}): start that version, \
                 or restore a backup from before the upgrade",
                file.display()
            ),
            Self::NotAQueue { file } => write!(
                f,
                "{} is not a queue of this program: move it away, or choose another data folder",
                file.display()
            ),
            Self::NoWal { file } => write!(
                f,
                "the file system below {} cannot carry a write-ahead log: put the data folder on a local disk",
                file.display()
            ),
            Self::File { file, error } => {
                write!(
                    f,
                    "{}: {error}: check that the folder exists, belongs to this user and has room",
                    file.display()
                )
            }
            Self::Database(error) => write!(
                f,
                "the queue's database cannot be used: {error}: check the disk and its free space, then start again"
            ),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// A write or a sync failed. What the disk holds is no longer known, so nothing is acknowledged until the
/// server has been restarted and has read the disk again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// What failed.
    pub why: Arc<str>,
}

impl fmt::Display for Poisoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the spool's disk failed ({}): nothing is accepted or settled until the disk is checked and the server restarted",
            self.why
        )
    }
}

impl std::error::Error for Poisoned {}

/// Why a request was not carried out. Nothing of it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unable {
    /// The disk is full: the same may succeed once there is room (452).
    Full,
    /// Too many requests wait, or someone else holds the database's lock: try again (451).
    Busy,
    /// The disk failed; see [`Poisoned`] (451).
    Poisoned(Poisoned),
    /// The committer has stopped: the server is going down (421).
    Stopped,
    /// The database would not take this one request, and took others (451). This is a defect of ours.
    Rejected(Arc<str>),
}

/// Why a message was not accepted: responsibility stays with the client.
pub type AcceptError = Unable;

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the spool's disk is full: make room, nothing needs a restart"),
            Self::Busy => f.write_str("the spool has more waiting than it can write now: try again later"),
            Self::Poisoned(poisoned) => poisoned.fmt(f),
            Self::Stopped => f.write_str("the spool is closed: the server is stopping"),
            Self::Rejected(why) => write!(f, "the spool's database refused the request: {why}"),
        }
    }
}

impl std::error::Error for Unable {}

impl From<Poisoned> for Unable {
    fn from(poisoned: Poisoned) -> Self {
        Self::Poisoned(poisoned)
    }
}

/// Why content could not be read.
#[derive(Debug)]
pub enum ContentError {
    /// The message has been removed meanwhile: there is nothing to deliver any more.
    Gone,
    /// The row is there and its file is not: set the message aside.
    Missing,
    /// Size or checksum differ from what was accepted: set the message aside.
    Damaged,
    /// The disk or the database could not be read now.
    Io(io::Error),
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the message has been removed from the queue"),
            Self::Missing => {
                f.write_str("the content's file is missing: look for it in lost/ or in a backup")
            }
            Self::Damaged => {
                f.write_str("the content differs from what was accepted: restore it from a backup")
            }
            Self::Io(error) => write!(f, "the content cannot be read now: {error}"),
        }
    }
}

impl std::error::Error for ContentError {}

impl From<rusqlite::Error> for ContentError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Io(io::Error::other(error))
    }
}

//! What happened, as data: sessions, dialogues, verdicts, attempts.
//!
//! Every stop of a message's way adds an [`event::What`] to a [`Story`]; the [`Journal`] takes stories
//! without ever making mail wait, the [`Writer`] appends them to files, the [`Reader`] finds them again,
//! and [`render`] prints them.
//!
//! What this crate does not do: it decides nothing, reads no clock, starts no thread, and promises nothing
//! about a power cut: the queue is what mail depends on. What it cannot keep it counts, and says so in the
//! journal itself.
//!
//! ```text
//! mta ── Story::add, hand_over ──> Journal::tell ──(bounded)──> Writer::run ──> journal/0001.db, 0002.db, …
//! postrider trace ── Query ──> Reader::find ──> Found ──> render::lines
//! ```

pub mod event;
mod folder;
mod inbox;
mod index;
mod key;
pub mod limits;
mod query;
mod reader;
pub mod render;
mod retention;
mod row;
mod segment;
mod story;
mod unsaid;
mod writer;

pub use event::{Event, What};
pub use inbox::{Counts, Journal, WriterEnded};
pub use key::Key;
pub use query::Query;
pub use reader::{Found, Reader};
pub use story::{LeftOut, Story, Subject};
pub use writer::Writer;

use folder::Folder;
use postrider_mail::UnixMillis;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much is kept. Both hold; what goes, goes in whole segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long stories are kept.
    pub keep: Duration,
    /// Octets of disk for all segments. The newest segment is kept in any case.
    pub octets_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keep: limits::KEEP_DEFAULT, octets_max: limits::OCTETS_DEFAULT }
    }
}

/// The journal's folder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    folder: PathBuf,
    why: String,
}

impl Error {
    pub(crate) fn new(folder: &Folder, why: &io::Error) -> Self {
        Self { folder: folder.path().to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal's folder {} cannot be used: {}", self.folder.display(), self.why)
    }
}

impl std::error::Error for Error {}

/// Opens the journal in `folder`, which is created if it is missing. The daemon runs the [`Writer`] on a
/// thread; there must be one writer per folder, which the lock on the data folder sees to.
///
/// # Errors
/// The folder cannot be created or listed. Damaged segments are set aside, told as a story, and named by
/// [`Writer::remarks`].
pub fn open(folder: &Path, settings: Settings, now: UnixMillis) -> Result<(Journal, Writer, Reader), Error> {
    let place = Folder::create(folder)
        .map_err(|error| Error { folder: folder.to_owned(), why: error.to_string() })?;
    let (journal, inbox) = inbox::Inbox::new();
    let writer = Writer::new(inbox, place, settings, now)?;
    Ok((journal, writer, Reader::new(folder)))
}

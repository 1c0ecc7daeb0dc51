//! Drafts: content on its way in. A draft stays in memory up to the inline limit, and goes to a file in
//! `incoming/` beyond it or when the budget for content in flight is spent. The octets are never changed.
//!
//! Life of a file: written and synced here (`seal`), renamed into `content/` by the committer, which syncs
//! both folders before the row that names the file is committed. A draft that is dropped leaves its file
//! to the committer, which unlinks it.

use crate::facts::{Facts, Gatherer};
use crate::limits::{FLUSH_OCTETS, FLUSH_OCTETS_SHORT};
use crate::shelf::{Share, Shelf, is_full};
use postrider_mail::QueueId;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

/// Content in memory, and its part of the budget.
#[derive(Debug)]
pub(crate) struct Octets {
    pub(crate) octets: Vec<u8>,
    _share: Share,
}

/// A file in `incoming/`, removed unless the committer keeps it.
#[derive(Debug)]
pub(crate) struct Incoming {
    id: QueueId,
    shelf: Arc<Shelf>,
    kept: bool,
}

impl Incoming {
    /// The committer has renamed the file: it is not ours any more.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept {
            self.shelf.abandon(self.id);
        }
    }
}

/// Content that is being received.
pub struct Draft {
    id: QueueId,
    shelf: Arc<Shelf>,
    buffer: Vec<u8>,
    share: Share,
    gatherer: Box<Gatherer>,
    file: Option<(File, Incoming)>,
}

impl Draft {
    pub(crate) fn new(id: QueueId, shelf: Arc<Shelf>) -> Self {
        let share = Share::none(&shelf.budget);
        Self { id, shelf, buffer: Vec::new(), share, gatherer: Box::new(Gatherer::new()), file: None }
    }

    /// The id its message will have.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// Takes the next octets, into memory. When [`wants_flush`](Self::wants_flush) then says so, flush
    /// before pouring more: that is what bounds the memory of a draft.
    pub fn pour(&mut self, octets: &[u8]) {
        self.gatherer.take(octets);
        self.buffer.extend_from_slice(octets);
        self.share.set(self.buffer.capacity());
    }

    /// Whether the buffer should go to a file now.
    pub fn wants_flush(&self) -> bool {
        let most = match (&self.file, self.shelf.budget.is_spent()) {
            (_, true) => FLUSH_OCTETS_SHORT.min(self.shelf.inline_octets_max),
            (None, false) => self.shelf.inline_octets_max,
            (Some(_), false) => FLUSH_OCTETS,
        };
        self.buffer.len() > most
    }

    /// Writes the buffer to the draft's file. Blocks: call it where blocking is allowed.
    ///
    /// # Errors
    /// The file could not be made or written: the draft is spoilt. A write that fails poisons the spool, unless
    /// the disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.make_file()?;
        self.write_buffer().inspect_err(|error| self.report(error))
    }

    /// A file that cannot be made (no descriptor is left, no memory) casts no doubt on what the disk holds.
    fn make_file(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let path = self.shelf.folder.incoming(self.id);
            let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
            self.file = Some((file, Incoming { id: self.id, shelf: Arc::clone(&self.shelf), kept: false }));
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        if let Some((file, _)) = &mut self.file {
            file.write_all(&self.buffer)?;
        }
        self.buffer.clear();
        if self.shelf.budget.is_spent() {
            self.buffer = Vec::new();
        }
        self.share.set(self.buffer.capacity());
        Ok(())
    }

    fn report(&self, error: &io::Error) {
        if !is_full(error) {
            self.shelf.poison(format_args!("writing the content of {}: {error}", self.id));
        }
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.gatherer.size()
    }

    /// What is known of the octets so far.
    pub fn facts(&self) -> Facts {
        self.gatherer.facts()
    }

    /// Whether [`seal`](Self::seal) will touch the disk, and so block.
    pub fn needs_io(&self) -> bool {
        self.file.is_some() || self.buffer.len() > self.shelf.inline_octets_max
    }

    /// Ends the content. What is in a file is synced: this blocks when [`needs_io`](Self::needs_io) says so.
    ///
    /// # Errors
    /// The file could not be made, written or synced. A write or sync that fails poisons the spool, unless the
    /// disk is full.
    pub fn seal(mut self) -> io::Result<Sealed> {
        if self.needs_io() {
            self.flush()?;
        }
        let facts = self.gatherer.facts();
        let matter = match self.file.take() {
            Some((file, incoming)) => {
                file.sync_all().inspect_err(|error| self.report(error))?;
                Matter::File(incoming)
            }
            None => Matter::Memory(Arc::new(Octets { octets: self.buffer, _share: self.share })),
        };
        Ok(Sealed { id: self.id, facts, matter })
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("id", &self.id).field("size", &self.size()).finish_non_exhaustive()
    }
}

/// Where the octets of sealed content are.
#[derive(Debug)]
pub(crate) enum Matter {
    Memory(Arc<Octets>),
    File(Incoming),
}

/// Whole content that no message points to yet. Dropped, it is forgotten.
#[derive(Debug)]
pub struct Sealed {
    pub(crate) id: QueueId,
    pub(crate) facts: Facts,
    pub(crate) matter: Matter,
}

impl Sealed {
    /// The id its message will have.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// What was seen while it streamed by.
    pub fn facts(&self) -> Facts {
        self.facts
    }
}

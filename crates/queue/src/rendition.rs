//! Renditions: what leaves is a prefix, then the content without the ranges that were cut.
//!
//! Reading checks what was promised at accept: the size and the checksum. The last octets of content that
//! fails the check are withheld, so that damaged content is never delivered whole.

use crate::content::Octets;
use crate::error::ContentError;
use crate::facts::Facts;
use crate::limits::{CUTS_MAX, PREFIX_OCTETS_MAX, READ_OCTETS};
use crate::shelf::Shelf;
use postrider_mail::QueueId;
use rusqlite::OptionalExtension;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Why a rendition is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotARendition {
    /// The prefix is longer than [`PREFIX_OCTETS_MAX`].
    LongPrefix,
    /// More cuts than [`CUTS_MAX`].
    ManyCuts,
    /// The cuts are not in order, overlap, are empty, or lie beyond 4 GiB.
    BadCuts,
}

impl fmt::Display for NotARendition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongPrefix => "what is added before the content is too long",
            Self::ManyCuts => "too many header fields are left out",
            Self::BadCuts => "the ranges to leave out are not in order",
        })
    }
}

impl std::error::Error for NotARendition {}

/// What is added before the content and what is left out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendition {
    prefix: Vec<u8>,
    cuts: Vec<Range<u32>>,
}

impl Rendition {
    /// `prefix` is whole header fields with CRLF; `cuts` are ranges of the content in octets, in order.
    /// Neighbouring cuts become one.
    ///
    /// # Errors
    /// See [`NotARendition`].
    pub fn new(prefix: Vec<u8>, cuts: impl IntoIterator<Item = Range<u64>>) -> Result<Self, NotARendition> {
        if prefix.len() > PREFIX_OCTETS_MAX {
            return Err(NotARendition::LongPrefix);
        }
        let mut merged: Vec<Range<u32>> = Vec::new();
        for cut in cuts {
            let start = u32::try_from(cut.start).map_err(|_| NotARendition::BadCuts)?;
            let end = u32::try_from(cut.end).map_err(|_| NotARendition::BadCuts)?;
            if start >= end || merged.last().is_some_and(|last| last.end > start) {
                return Err(NotARendition::BadCuts);
            }
            match merged.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => merged.push(start..end),
            }
            if merged.len() > CUTS_MAX {
                return Err(NotARendition::ManyCuts);
            }
        }
        Ok(Self { prefix, cuts: merged })
    }

    /// What stands before the content.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The ranges left out.
    pub fn cuts(&self) -> &[Range<u32>] {
        &self.cuts
    }

    /// Octets of the rendition over content of `size` octets.
    pub fn octets(&self, size: u64) -> u64 {
        let kept = |at: u32| u64::from(at).min(size);
        let cut: u64 = self.cuts.iter().map(|cut| kept(cut.end) - kept(cut.start)).sum();
        self.prefix.len() as u64 + size - cut
    }

    /// The cuts as stored: pairs of little-endian u32; `None` for none.
    pub(crate) fn cuts_row(&self) -> Option<Vec<u8>> {
        let words = self.cuts.iter().flat_map(|cut| [cut.start, cut.end]);
        (!self.cuts.is_empty()).then(|| words.flat_map(u32::to_le_bytes).collect())
    }

    pub(crate) fn from_row(prefix: Vec<u8>, cuts: Option<&[u8]>) -> Result<Self, NotARendition> {
        let (pairs, rest) = cuts.unwrap_or_default().as_chunks::<8>();
        if !rest.is_empty() {
            return Err(NotARendition::BadCuts);
        }
        let number = |[a, b, c, d]: [u8; 4]| u64::from(u32::from_le_bytes([a, b, c, d]));
        let range = |&[a, b, c, d, e, f, g, h]: &[u8; 8]| number([a, b, c, d])..number([e, f, g, h]);
        Self::new(prefix, pairs.iter().map(range))
    }
}

/// Where stored content is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In memory, and durable too.
    Memory(Arc<Octets>),
    Row,
    File,
}

/// A handle on content that the queue keeps.
#[derive(Clone, Debug)]
pub struct Content {
    pub(crate) id: QueueId,
    pub(crate) facts: Facts,
    pub(crate) hop_count: u32,
    pub(crate) place: Place,
    pub(crate) shelf: Arc<Shelf>,
}

impl Content {
    /// What was seen when it was received.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Whether reading needs no disk, and so does not block.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// Begins to read a rendition of it. Blocks unless [`is_in_memory`](Self::is_in_memory).
    ///
    /// # Errors
    /// See [`ContentError`]. After `Missing` and `Damaged`, call [`Queue::set_aside`](crate::Queue::set_aside).
    pub fn read(&self, rendition: &Arc<Rendition>) -> Result<Reader, ContentError> {
        let source = match &self.place {
            Place::Memory(octets) => Source::Memory(Arc::clone(octets)),
            Place::Row => Source::Row(self.row()?.ok_or(ContentError::Damaged)?),
            Place::File => self.file()?,
        };
        if let Source::Row(octets) = &source
            && (octets.len() as u64 != self.facts.size || xxh3_64(octets) != self.facts.checksum)
        {
            return Err(ContentError::Damaged);
        }
        Ok(Reader::new(Arc::clone(rendition), self.facts, source))
    }

    /// The row's octets; `None` when it says that they are in a file.
    fn row(&self) -> Result<Option<Vec<u8>>, ContentError> {
        let row = self.shelf.readers.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT octets FROM content WHERE id = ?1")?;
            statement.query_row([self.id.row()], |row| row.get::<_, Option<Vec<u8>>>(0)).optional()
        })?;
        row.ok_or(ContentError::Gone)
    }

    fn file(&self) -> Result<Source, ContentError> {
        let path = self.shelf.folder.content(self.id);
        let file = match File::open(&path) {
            // The message may have been removed between the lease and now: its row knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.row()? {
                Some(octets) => return Ok(Source::Row(octets)),
                None => File::open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => ContentError::Missing,
                    _ => ContentError::Io(error),
                })?,
            },
            opened => opened.map_err(ContentError::Io)?,
        };
        if file.metadata().map_err(ContentError::Io)?.len() != self.facts.size {
            return Err(ContentError::Damaged);
        }
        let hash = Box::new(Xxh3::new());
        Ok(Source::File { file, hash, buffer: Vec::new() })
    }
}

enum Source {
    Memory(Arc<Octets>),
    Row(Vec<u8>),
    File { file: File, hash: Box<Xxh3>, buffer: Vec<u8> },
}

/// Reads one rendition from its first octet to its last.
pub struct Reader {
    rendition: Arc<Rendition>,
    facts: Facts,
    source: Source,
    prefix_read: bool,
    /// The part of the content that `source` shows now, as offsets in the content.
    window: Range<u64>,
    /// How far the content has been given out or passed over.
    at: u64,
    /// The next cut.
    cut: usize,
    /// What `Read` has not yet copied of the last chunk.
    rest: Vec<u8>,
    rest_from: usize,
}

impl Reader {
    fn new(rendition: Arc<Rendition>, facts: Facts, source: Source) -> Self {
        let window = match &source {
            Source::File { .. } => 0..0,
            Source::Memory(_) | Source::Row(_) => 0..facts.size,
        };
        let rest = Vec::new();
        Self { rendition, facts, source, prefix_read: false, window, at: 0, cut: 0, rest, rest_from: 0 }
    }

    /// Octets of the whole rendition.
    pub fn octets(&self) -> u64 {
        self.rendition.octets(self.facts.size)
    }

    /// The next octets; `None` at the end. Blocks when the content is in a file.
    ///
    /// # Errors
    /// `Damaged`, before the last octets are given; `Io`.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, ContentError> {
        if !self.prefix_read {
            self.prefix_read = true;
            if !self.rendition.prefix.is_empty() {
                return Ok(Some(&self.rendition.prefix));
            }
        }
        loop {
            if self.at == self.window.end && (self.at == self.facts.size || !self.fill()?) {
                return Ok(None);
            }
            let kept = self.kept();
            if !kept.is_empty() {
                return Ok(Some(&self.shown()[kept]));
            }
        }
    }

    /// The octets behind the window.
    fn shown(&self) -> &[u8] {
        match &self.source {
            Source::Memory(octets) => &octets.octets,
            Source::Row(octets) => octets,
            Source::File { buffer, .. } => buffer,
        }
    }

    /// Moves on to the next cut or the end of the window; gives what stood before it, as a range of `shown`.
    fn kept(&mut self) -> Range<usize> {
        let from = self.at;
        let (cut_start, cut_end) = self
            .rendition
            .cuts
            .get(self.cut)
            .map_or((u64::MAX, u64::MAX), |cut| (u64::from(cut.start), u64::from(cut.end)));
        let to = if from >= cut_start {
            self.at = cut_end.min(self.window.end);
            from
        } else {
            self.at = cut_start.min(self.window.end);
            self.at
        };
        if self.at >= cut_end {
            self.cut += 1;
        }
        let offset = |at: u64| usize::try_from(at - self.window.start).unwrap_or(usize::MAX);
        offset(from)..offset(to)
    }

    /// Reads the next part of a file; false when there is none.
    fn fill(&mut self) -> Result<bool, ContentError> {
        let Source::File { file, hash, buffer } = &mut self.source else { return Ok(false) };
        let left = self.facts.size - self.window.end;
        let want = usize::try_from(left).map_or(READ_OCTETS, |left| left.min(READ_OCTETS));
        buffer.resize(want, 0);
        file.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ContentError::Damaged,
            _ => ContentError::Io(error),
        })?;
        hash.update(buffer);
        self.window = self.window.end..self.window.end + want as u64;
        if self.window.end == self.facts.size && hash.digest() != self.facts.checksum {
            return Err(ContentError::Damaged);
        }
        Ok(true)
    }
}

/// For those who want a stream. [`Reader::chunk`] copies less.
impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest_from == self.rest.len() {
            let mut rest = std::mem::take(&mut self.rest);
            rest.clear();
            match self.chunk() {
                Ok(Some(chunk)) => rest.extend_from_slice(chunk),
                Ok(None) => {}
                Err(ContentError::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            self.rest = rest;
            self.rest_from = 0;
        }
        let octets = into.len().min(self.rest.len() - self.rest_from);
        into[..octets].copy_from_slice(&self.rest[self.rest_from..self.rest_from + octets]);
        self.rest_from += octets;
        Ok(octets)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).field("size", &self.facts.size).finish_non_exhaustive()
    }
}

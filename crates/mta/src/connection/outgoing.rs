//! Content on its way out: a field or two of ours, then the rendition as the queue reads it.
//!
//! Content that lies in memory is lent from there. Content on disk is read on a blocking thread, one piece
//! per hop and none ahead, so that a connection holds one piece at a time; the first hop opens it.

use crate::limits::CONTENT_PIECE_OCTETS;
use crate::world::World;
use postrider_queue::{ContentError, Message, Reader};
use std::io;
use std::sync::Arc;

/// One rendition of a message, to be read once.
pub(crate) struct Outgoing {
    /// Whole header fields with CRLF, until they are given.
    prefix: Vec<u8>,
    prefix_given: bool,
    source: Source,
}

enum Source {
    Memory(Reader),
    Disk(Disk),
}

/// Content that is read where blocking is allowed.
struct Disk {
    /// Away while it is used, and for good once it failed.
    reader: Option<Reader>,
    piece: Vec<u8>,
    /// The piece has not been given out.
    is_fresh: bool,
    is_over: bool,
}

impl Outgoing {
    /// Begins to read; what is damaged or missing is mostly known at once. `prefix` comes before all else.
    ///
    /// # Errors
    /// The content cannot be read, or is not what was accepted.
    pub(crate) async fn open(
        world: &World,
        message: &Message,
        prefix: Vec<u8>,
    ) -> Result<Self, ContentError> {
        let source = if message.content.is_in_memory() {
            Source::Memory(message.content.read(&message.rendition)?)
        } else {
            let (content, rendition) = (message.content.clone(), Arc::clone(&message.rendition));
            let open = move || Disk::new(content.read(&rendition)?).filled();
            Source::Disk(world.blocking(open).await.map_err(|_| given_up())??)
        };
        Ok(Self { prefix_given: prefix.is_empty(), prefix, source })
    }

    /// The next octets; `None` at the end.
    ///
    /// # Errors
    /// The content is not what was accepted, or cannot be read on. There is nothing more then.
    pub(crate) async fn next(&mut self, world: &World) -> Result<Option<&[u8]>, ContentError> {
        if !self.prefix_given {
            self.prefix_given = true;
            return Ok(Some(&self.prefix));
        }
        match &mut self.source {
            Source::Memory(reader) => reader.chunk(),
            Source::Disk(disk) => disk.next(world).await,
        }
    }
}

impl Disk {
    fn new(reader: Reader) -> Self {
        Self { reader: Some(reader), piece: Vec::new(), is_fresh: false, is_over: false }
    }

    async fn next(&mut self, world: &World) -> Result<Option<&[u8]>, ContentError> {
        if !self.is_fresh {
            if self.is_over {
                return Ok(None);
            }
            let disk = Self {
                reader: self.reader.take(),
                piece: std::mem::take(&mut self.piece),
                is_fresh: false,
                is_over: false,
            };
            *self = world.blocking(move || disk.filled()).await.map_err(|_| given_up())??;
        }
        self.is_fresh = false;
        Ok(if self.piece.is_empty() { None } else { Some(&self.piece) })
    }

    /// Reads the next piece. Blocks.
    fn filled(mut self) -> Result<Self, ContentError> {
        self.piece.clear();
        let reader = self.reader.as_mut().ok_or_else(given_up)?;
        while self.piece.len() < CONTENT_PIECE_OCTETS {
            match reader.chunk()? {
                Some(chunk) => self.piece.extend_from_slice(chunk),
                None => {
                    self.is_over = true;
                    break;
                }
            }
        }
        self.is_fresh = true;
        Ok(self)
    }
}

/// An earlier read failed, or the runtime ends.
fn given_up() -> ContentError {
    ContentError::Io(io::Error::other("the read was given up"))
}

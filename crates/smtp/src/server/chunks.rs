//! Content in chunks: BDAT (RFC 3030 §2).
//!
//! The octets that a BDAT announces come whatever is thought of it, so they are taken to the last one, and none
//! of them is read as a command. A chunk is answered when it has come whole. Behind a refusal, further chunks
//! of the message are refused with the same words; the last one, or RSET, ends the transaction.

use super::state::{Pending, Phase, State, Transaction};
use super::{Asked, BareNewlines, ContentNotes, Event, Question, Session, Setup, words};
use crate::chunk::Newlines;
use crate::command::Chunk;
use crate::data::Piece;
use crate::dialogue::{Line, Out};
use crate::limits::{
    CHUNK_OCTETS_MAX, SERVER_COMMAND_TIMEOUT, SERVER_CONTENT_TIMEOUT, SERVER_TRANSACTION_TIMEOUT,
};
use postrider_mail::{Refusal, Reply};
use std::time::Instant;

/// The chunks of one message.
#[derive(Debug)]
pub(super) struct Chunks {
    /// What watches the line ends; none for BODY=BINARYMIME.
    newlines: Option<Newlines>,
    /// Octets announced so far.
    announced: u64,
    /// Octets handed on.
    octets: u64,
    refused: Option<Box<Refusal>>,
}

impl Chunks {
    fn new(transaction: &Transaction, setup: &Setup) -> Self {
        let normalise = setup.bare_newlines == BareNewlines::Normalise;
        let newlines = (!transaction.announced.binary).then(|| Newlines::new(normalise));
        Self { newlines, announced: 0, octets: 0, refused: None }
    }

    /// The first reason stays.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refused.get_or_insert_with(|| Box::new(refusal));
    }

    /// Takes octets of a chunk: how many, and what of them is content.
    fn take<'i>(&mut self, input: &'i [u8]) -> (usize, Option<&'i [u8]>) {
        if self.refused.is_some() {
            return (input.len(), None);
        }
        let (read, piece) = match &mut self.newlines {
            None => (input.len(), Piece::Octets(input)),
            Some(newlines) => newlines.next(input),
        };
        (read, self.content(piece))
    }

    /// What the last chunk left open.
    fn end(&mut self) -> Option<&'static [u8]> {
        if self.refused.is_some() {
            return None;
        }
        let piece = self.newlines.as_mut()?.end();
        self.content(piece)
    }

    fn content<'i>(&mut self, piece: Piece<'i>) -> Option<&'i [u8]> {
        match piece {
            Piece::Octets(octets) if !octets.is_empty() => {
                self.octets += octets.len() as u64;
                Some(octets)
            }
            Piece::Bare(bare) => {
                self.refuse(words::bare(bare));
                None
            }
            _ => None,
        }
    }

    fn notes(&self) -> ContentNotes {
        self.newlines.as_ref().map(Newlines::notes).unwrap_or_default()
    }
}

/// A chunk being read.
#[derive(Debug)]
pub(super) struct Arriving {
    chunk: Chunk,
    /// Octets that are still to come.
    left: u64,
    into: Into,
}

/// Where its octets go.
#[derive(Debug)]
enum Into {
    Message(Transaction, Box<Chunks>),
    Nowhere(Box<PassedOver>),
}

/// How things go on behind octets that nobody wants.
#[derive(Debug)]
struct PassedOver {
    phase: Phase,
    reply: Reply,
    is_error: bool,
    deadline: Instant,
}

impl Arriving {
    /// When the chunk must have come, however lively.
    pub(super) fn deadline(&self) -> Instant {
        match &self.into {
            Into::Message(transaction, _) => transaction.deadline,
            Into::Nowhere(passed) => passed.deadline,
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if let Into::Message(_, chunks) = &mut self.into {
            chunks.refuse(refusal);
        }
    }
}

impl<R> Session<R> {
    /// The first chunk of a message opens its draft, unless it is too large for one.
    pub(super) fn first_chunk<'i>(
        &mut self,
        transaction: Transaction,
        chunk: Chunk,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        if chunk.octets <= self.setup.content_octets_max {
            return self.ask(Pending::Chunk(transaction, chunk), Question::Open(Asked::new()));
        }
        let chunks = Box::new(Chunks::new(&transaction, &self.setup));
        self.next_chunk(transaction, chunks, chunk, out)
    }

    /// The draft is open, or refused.
    pub(super) fn opened_by_chunk(
        &mut self,
        transaction: Transaction,
        chunk: Chunk,
        refused: Option<Refusal>,
    ) {
        let mut chunks = Box::new(Chunks::new(&transaction, &self.setup));
        if let Some(refusal) = refused {
            chunks.refuse(refusal);
        }
        chunks.announced = chunk.octets;
        let into = Into::Message(transaction, chunks);
        self.state = State::Chunk(Arriving { chunk, left: chunk.octets, into });
    }

    pub(super) fn next_chunk<'i>(
        &mut self,
        transaction: Transaction,
        mut chunks: Box<Chunks>,
        chunk: Chunk,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        if self.is_absurd(chunk.octets) {
            return self.hang_up(&words::boundless_chunk(), out);
        }
        chunks.announced = chunks.announced.saturating_add(chunk.octets);
        if chunks.announced > self.setup.content_octets_max {
            chunks.refuse(words::content_too_large(self.setup.content_octets_max));
        }
        let into = Into::Message(transaction, chunks);
        self.state = State::Chunk(Arriving { chunk, left: chunk.octets, into });
        None
    }

    /// Takes octets that nobody wants, then answers.
    pub(super) fn pass_over<'i>(
        &mut self,
        phase: Phase,
        octets: u64,
        is_error: bool,
        reply: Reply,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        if self.is_absurd(octets) {
            return self.hang_up(&words::boundless_chunk(), out);
        }
        let deadline = out.now + SERVER_TRANSACTION_TIMEOUT;
        let into = Into::Nowhere(Box::new(PassedOver { phase, reply, is_error, deadline }));
        let chunk = Chunk { octets, is_last: false };
        self.state = State::Chunk(Arriving { chunk, left: octets, into });
        None
    }

    fn is_absurd(&self, octets: u64) -> bool {
        octets > CHUNK_OCTETS_MAX.max(self.setup.content_octets_max)
    }

    pub(super) fn read_chunk<'i>(
        &mut self,
        mut arriving: Arriving,
        rest: &'i [u8],
        consumed: &mut usize,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let here = usize::try_from(arriving.left).map_or(rest.len(), |left| left.min(rest.len()));
        let (read, content) = match &mut arriving.into {
            Into::Message(_, chunks) => {
                let (read, content) = chunks.take(&rest[..here]);
                (read, self.bounded(chunks, content))
            }
            Into::Nowhere(_) => (here, None),
        };
        *consumed += read;
        arriving.left -= read as u64;
        if read > 0 {
            self.deadline = out.now + SERVER_CONTENT_TIMEOUT;
        }
        if content.is_none() && arriving.left == 0 {
            return self.end_of_chunk(arriving, out);
        }
        let starved = content.is_none() && read == rest.len();
        self.state = State::Chunk(arriving);
        if starved { Some(Event::NeedInput) } else { content.map(Event::Content) }
    }

    /// The content, unless that is too much.
    fn bounded<'i>(&self, chunks: &mut Chunks, content: Option<&'i [u8]>) -> Option<&'i [u8]> {
        let content = content?;
        if chunks.octets > self.setup.content_octets_max {
            chunks.refuse(words::content_too_large(self.setup.content_octets_max));
        }
        if let Some(octets_max) = self.line_octets_exceeded(chunks.notes().line_octets) {
            chunks.refuse(words::line_too_long(octets_max));
        }
        chunks.refused.is_none().then_some(content)
    }

    fn end_of_chunk<'i>(&mut self, mut arriving: Arriving, out: &mut Out<'_>) -> Option<Event<'i>> {
        let Chunk { octets, is_last } = arriving.chunk;
        if let Into::Message(_, chunks) = &mut arriving.into
            && is_last
            && let content = chunks.end()
            && let Some(content) = self.bounded(chunks, content)
        {
            self.state = State::Chunk(arriving);
            return Some(Event::Content(content));
        }
        out.dialogue.line(Line::Content { octets });
        self.deadline = out.now + SERVER_COMMAND_TIMEOUT;
        let event = match arriving.into {
            Into::Message(transaction, chunks) if is_last => {
                let notes = chunks.notes();
                return self.content_is_whole(transaction, chunks.refused, notes, out);
            }
            Into::Message(transaction, chunks) => {
                match &chunks.refused {
                    None => self.say(&words::chunk_taken(octets), out),
                    Some(refusal) => self.say(refusal.reply(), out),
                }
                self.state = State::Command(Phase::Chunks(transaction, chunks));
                None
            }
            Into::Nowhere(passed) if passed.is_error => self.error(passed.phase, &passed.reply, out),
            Into::Nowhere(passed) => self.go_on(passed.phase, &passed.reply, out),
        };
        self.end_if_last_call(out);
        event
    }
}

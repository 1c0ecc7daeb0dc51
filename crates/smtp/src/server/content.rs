//! Content on its way through the session, behind DATA (RFC 5321 §4.1.1.4).

use super::state::{Pending, State, Transaction};
use super::{Asked, BareNewlines, ContentNotes, Event, LongLines, Question, Session, words};
use crate::data::{Decoder, Piece};
use crate::dialogue::{Line, Out};
use crate::limits::{
    CONTENT_LINE_OCTETS_MAX, CONTENT_LINE_OCTETS_STANDARD, SERVER_COMMAND_TIMEOUT, SERVER_CONTENT_TIMEOUT,
};
use postrider_mail::Refusal;

/// The content being read: where the decoder stands, and why it will be refused, if it will.
#[derive(Debug)]
pub(super) struct Incoming {
    decoder: Decoder,
    octets: u64,
    refused: Option<Box<Refusal>>,
}

impl Incoming {
    pub(super) fn new(bare_newlines: BareNewlines) -> Self {
        let decoder = Decoder::new(bare_newlines == BareNewlines::Normalise);
        Self { decoder, octets: 0, refused: None }
    }

    /// The first reason stays.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refused.get_or_insert_with(|| Box::new(refusal));
    }
}

impl<R> Session<R> {
    pub(super) fn read_content<'i>(
        &mut self,
        transaction: Transaction,
        mut incoming: Incoming,
        rest: &'i [u8],
        consumed: &mut usize,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let (read, piece) = incoming.decoder.next(rest);
        *consumed += read;
        if read > 0 {
            self.deadline = out.now + SERVER_CONTENT_TIMEOUT;
        }
        let event = match piece {
            Piece::NeedInput => Some(Event::NeedInput),
            Piece::Octets(octets) => {
                incoming.octets += octets.len() as u64;
                if incoming.octets > self.setup.content_octets_max {
                    incoming.refuse(words::content_too_large(self.setup.content_octets_max));
                }
                if let Some(octets_max) = self.line_octets_exceeded(incoming.decoder.line_octets()) {
                    incoming.refuse(words::line_too_long(octets_max));
                }
                incoming.refused.is_none().then_some(Event::Content(octets))
            }
            Piece::Bare(bare) => {
                incoming.refuse(words::bare(bare));
                None
            }
            Piece::End => {
                out.dialogue.line(Line::Content { octets: incoming.octets });
                let notes = incoming.decoder.notes();
                return self.content_is_whole(transaction, incoming.refused, notes, out);
            }
            Piece::FalseEnd => {
                out.dialogue.line(Line::Content { octets: incoming.octets });
                return self.hang_up(&words::false_end(), out);
            }
        };
        self.state = State::Content(transaction, incoming);
        event
    }

    /// The most octets that a line may have, where this one has more.
    pub(super) fn line_octets_exceeded(&self, octets: u64) -> Option<u64> {
        let octets_max = match self.setup.long_lines {
            LongLines::Keep => CONTENT_LINE_OCTETS_MAX,
            LongLines::Refuse => CONTENT_LINE_OCTETS_STANDARD,
        };
        (octets > octets_max).then_some(octets_max)
    }

    /// Behind the dot, or the last chunk.
    pub(super) fn content_is_whole<'i>(
        &mut self,
        transaction: Transaction,
        refused: Option<Box<Refusal>>,
        notes: ContentNotes,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        self.content_notes = notes;
        let Some(refusal) = refused else {
            return self.ask(Pending::Close(transaction), Question::Close(Asked::new()));
        };
        for _ in 0..self.replies_to_content(&transaction) {
            self.say(refusal.reply(), out);
        }
        self.deadline = out.now + SERVER_COMMAND_TIMEOUT;
        self.state = State::Over;
        self.end_if_last_call(out);
        None
    }
}

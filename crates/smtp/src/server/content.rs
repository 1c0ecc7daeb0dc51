//! Content on its way through the session (RFC 5321 §4.1.1.4).

use super::{Asked, Dialect, Event, Pending, Phase, Question, Session, State, Transaction, words};
use crate::data::{Decoder, Piece};
use crate::dialogue::{Line, Out};
use crate::limits::SERVER_CONTENT_TIMEOUT;
use postrider_mail::Refusal;

/// The content being read: where the decoder stands, and why it will be refused, if it will.
#[derive(Debug)]
pub(super) struct Incoming {
    decoder: Decoder,
    octets: u64,
    refused: Option<Box<Refusal>>,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self { decoder: Decoder::new(), octets: 0, refused: None }
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
                incoming.refused.is_none().then_some(Event::Content(octets))
            }
            Piece::Bare(bare) => {
                incoming.refuse(words::bare(bare));
                None
            }
            Piece::End => return self.end_of_content(transaction, incoming, out),
            Piece::FalseEnd => {
                out.dialogue.line(Line::Content { octets: incoming.octets });
                self.hang_up(&words::false_end(), out);
                return None;
            }
        };
        self.state = State::Content(transaction, incoming);
        event
    }

    fn end_of_content<'i>(
        &mut self,
        transaction: Transaction,
        incoming: Incoming,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        out.dialogue.line(Line::Content { octets: incoming.octets });
        let Some(refusal) = incoming.refused else {
            self.state = State::Asked(Pending::Close(transaction));
            return Some(Event::Ask(Question::Close(Asked::new())));
        };
        let replies = if self.setup.dialect == Dialect::Lmtp { transaction.accepted } else { 1 };
        for _ in 0..replies {
            self.say(refusal.reply(), out);
        }
        self.state = State::Over(Box::new(State::Command(Phase::Greeted)));
        self.end_if_last_call(out);
        None
    }
}

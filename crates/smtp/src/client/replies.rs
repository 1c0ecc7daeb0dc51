//! What each whole reply means, by what the session waits for (RFC 5321 §4.2, §4.3).

use super::ending::{fail, refused_early, turned_away};
use super::flight::{Flight, Next, kept, send};
use super::outcome::{Answer, FailureKind, Fate, NO_MAIL, Stage};
use super::room::Room;
use super::sending::{Chunks, Sending};
use super::{End, Event, Idle, Offer, Open, Session, State};
use crate::dialogue::{Line, Out};
use crate::limits::{CLIENT_CHUNK_TIMEOUT, CLIENT_COMMAND_TIMEOUT, CLIENT_END_TIMEOUT};
use crate::server::Dialect;
use postrider_mail::Reply;

impl Session {
    /// Takes one whole reply.
    pub(super) fn replied(&mut self, reply: Reply, out: &mut Out<'_>) -> Event {
        match self.leave() {
            State::Greeting => self.greeted(reply, out),
            State::Hello { extended } => self.introduced(extended, reply, out),
            State::Envelope(flight) => self.envelope_replied(flight, reply, out),
            State::Content(flight, Sending::Chunks(chunks)) if chunks.answers.owed > 0 => {
                self.chunk_replied(flight, chunks, reply, out)
            }
            State::End(end) => self.end_replied(end, reply, out),
            State::LoneDot(flight) => match Answer::from(kept(reply)) {
                Answer::Closing(refusal) => {
                    fail(State::LoneDot(flight), FailureKind::Closing, Some(refusal.into()), out)
                }
                // Nobody was to get that message: what became of it means nothing.
                _ => self.finish(flight, false),
            },
            State::Content(flight, sending) if self.dialect == Dialect::Smtp => {
                refused_early(flight, sending, reply, out)
            }
            state @ (State::Idle { .. } | State::Content(..)) => match Answer::from(kept(reply)) {
                Answer::Closing(refusal) => fail(state, FailureKind::Closing, Some(refusal.into()), out),
                Answer::No(refusal) => fail(state, FailureKind::OutOfTurn, Some(refusal.into()), out),
                Answer::Yes(reply) | Answer::GoOn(reply) => {
                    fail(state, FailureKind::OutOfTurn, Some(reply), out)
                }
            },
            State::Quit | State::Over => Event::Closed,
        }
    }

    fn greeted(&mut self, reply: Reply, out: &mut Out<'_>) -> Event {
        match Answer::from(reply) {
            Answer::Yes(reply) => {
                self.hear_name(&reply);
                self.introduce(true, out)
            }
            answer => turned_away(State::Greeting, answer, out),
        }
    }

    /// A 5yz to EHLO means that the peer is older than it (RFC 5321 §3.2, §4.1.4), but for 521.
    fn introduced(&mut self, extended: bool, reply: Reply, out: &mut Out<'_>) -> Event {
        match Answer::from(reply) {
            Answer::Yes(reply) => {
                self.hear_name(&reply);
                if extended {
                    self.offer = Offer::of(&reply);
                    self.room = Room::of(self.offer.limits);
                }
                self.state = State::Idle { needs_reset: false };
                Event::Ready(Idle(()))
            }
            Answer::No(refusal)
                if extended
                    && self.dialect == Dialect::Smtp
                    && !refusal.is_transient()
                    && refusal.reply().code() != NO_MAIL =>
            {
                self.introduce(false, out)
            }
            answer => turned_away(State::Hello { extended }, answer, out),
        }
    }

    /// The first word of a reply, where it is a name that was not heard before.
    fn hear_name(&mut self, reply: &Reply) {
        let first = reply.lines().first().and_then(|line| line.as_str().split_ascii_whitespace().next());
        if let Some(name) = first.and_then(|word| word.parse().ok())
            && !self.announced.contains(&name)
        {
            self.announced.push(name);
        }
    }

    /// EHLO or LHLO with our name in ASCII; HELO where that was refused.
    fn introduce(&mut self, extended: bool, out: &mut Out<'_>) -> Event {
        let verb = match (self.dialect, extended) {
            (Dialect::Lmtp, _) => "LHLO ",
            (Dialect::Smtp, true) => "EHLO ",
            (Dialect::Smtp, false) => "HELO ",
        };
        let name = self.name.key();
        send(out, |wire| {
            wire.extend_from_slice(verb.as_bytes());
            wire.extend_from_slice(name.as_bytes());
        });
        self.enter(State::Hello { extended }, CLIENT_COMMAND_TIMEOUT, out);
        Event::NeedInput
    }

    fn envelope_replied(&mut self, mut flight: Box<Flight>, reply: Reply, out: &mut Out<'_>) -> Event {
        match flight.replied(reply, out) {
            Next::Wait => {
                self.deadline = Some(flight.deadline(out.now, self.patience));
                self.state = State::Envelope(flight);
                Event::NeedInput
            }
            Next::Content => {
                let sending = flight.sending();
                self.enter(State::Content(flight, sending), CLIENT_CHUNK_TIMEOUT, out);
                Event::SendContent(Open(()))
            }
            // LMTP answers the dot once for each recipient taken: here, never (RFC 2033 §4.2).
            Next::LoneDot(reply) if self.dialect == Dialect::Lmtp => {
                fail(State::Envelope(flight), FailureKind::OutOfTurn, Some(reply), out)
            }
            Next::LoneDot(_) => {
                send(out, |wire| wire.push(b'.'));
                self.enter(State::LoneDot(flight), CLIENT_END_TIMEOUT, out);
                Event::NeedInput
            }
            Next::Finished { needs_reset } => self.finish(flight, needs_reset),
            Next::Failed(kind, reply) => fail(State::Envelope(flight), kind, Some(reply), out),
        }
    }

    /// The answer to a chunk before the last. After a refusal, the transaction is over once nothing more is to
    /// be answered, and the peer's state is reset (RFC 3030 §2).
    fn chunk_replied(
        &mut self,
        mut flight: Box<Flight>,
        mut chunks: Chunks,
        reply: Reply,
        out: &mut Out<'_>,
    ) -> Event {
        if let Err((kind, reply)) = chunks.answers.hear(reply) {
            return fail(State::Content(flight, Sending::Chunks(chunks)), kind, Some(reply), out);
        }
        if let Some(refusal) = chunks.refused() {
            out.dialogue.line(Line::Content { octets: chunks.octets });
            let taken = flight.taken();
            flight.decide_all(taken, &Fate::Refused { stage: Stage::Content, refusal });
            return self.finish(flight, true);
        }
        self.enter(State::Content(flight, Sending::Chunks(chunks)), CLIENT_CHUNK_TIMEOUT, out);
        Event::NeedInput
    }

    /// SMTP's one reply decides for all recipients, each of LMTP's for one, in the order of RCPT
    /// (RFC 2033 §4.2). Even 421 says that the message was not taken.
    fn end_replied(&mut self, mut end: End, reply: Reply, out: &mut Out<'_>) -> Event {
        if end.answers.owed > 0 {
            return self.earlier_chunk_replied(end, reply, out);
        }
        if end.answers.refusal.is_some() {
            return self.refused_chunk_ended(end, reply, out);
        }
        let (fate, closing) = match Answer::from(kept(reply)) {
            Answer::Yes(reply) => (Fate::Accepted(reply), None),
            Answer::No(refusal) => (Fate::Refused { stage: Stage::End, refusal }, None),
            Answer::Closing(refusal) => {
                let reply = Reply::from(refusal.clone());
                (Fate::Refused { stage: Stage::End, refusal }, Some(reply))
            }
            Answer::GoOn(reply) => {
                return fail(State::End(end), FailureKind::OutOfTurn, Some(reply), out);
            }
        };
        let decided = if self.dialect == Dialect::Lmtp { 1 } else { end.taken.len() };
        end.flight.decide_all(end.taken.by_ref().take(decided), &fate);
        if closing.is_some() {
            return fail(State::End(end), FailureKind::Closing, closing, out);
        }
        if end.taken.as_slice().is_empty() {
            // What a refused BDAT leaves open is not said.
            let needs_reset = end.flight.is_binary() && matches!(fate, Fate::Refused { .. });
            return self.finish(end.flight, needs_reset);
        }
        self.enter(State::End(end), CLIENT_END_TIMEOUT, out);
        Event::NeedInput
    }

    /// The answer to a chunk before the last, when that is sent. How often LMTP answers the last chunk of a
    /// refused message nobody can say, so that such a session is over.
    fn earlier_chunk_replied(&mut self, mut end: End, reply: Reply, out: &mut Out<'_>) -> Event {
        if let Err((kind, reply)) = end.answers.hear(reply) {
            if kind == FailureKind::Closing {
                // It goes before it has seen the end: nobody got the message.
                end.taken_by_none();
            }
            return fail(State::End(end), kind, Some(reply), out);
        }
        if self.dialect == Dialect::Lmtp
            && let Some(refusal) = end.answers.refusal.clone()
        {
            return fail(State::End(end), FailureKind::Early, Some(refusal.into()), out);
        }
        self.enter(State::End(end), CLIENT_END_TIMEOUT, out);
        Event::NeedInput
    }

    /// The answer to the last chunk, behind one that was refused. A yes would mean a message with a hole.
    fn refused_chunk_ended(&mut self, mut end: End, reply: Reply, out: &mut Out<'_>) -> Event {
        let (kind, reply) = match Answer::from(kept(reply)) {
            Answer::No(_) => {
                end.flight.decide_all(end.taken, &end.answers.fate_or(Fate::Undecided));
                return self.finish(end.flight, true);
            }
            Answer::Closing(refusal) => (FailureKind::Closing, refusal.into()),
            Answer::Yes(reply) | Answer::GoOn(reply) => (FailureKind::OutOfTurn, reply),
        };
        fail(State::End(end), kind, Some(reply), out)
    }

    fn finish(&mut self, flight: Box<Flight>, needs_reset: bool) -> Event {
        self.state = State::Idle { needs_reset };
        Event::Finished(flight.outcome(), Idle(()))
    }
}

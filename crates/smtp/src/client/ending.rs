//! How a session ends before its work is done, and what is known of each recipient then.

use super::flight::{Flight, kept, send};
use super::outcome::{Answer, Failure, FailureKind, Fate, Stage};
use super::sending::Sending;
use super::{Event, State};
use crate::dialogue::{Line, Out};
use postrider_mail::Reply;

/// The peer will not serve us. It is told that we go (RFC 5321 §3.1), unless it goes itself.
pub(super) fn turned_away(state: State, answer: Answer, out: &mut Out<'_>) -> Event {
    match answer {
        Answer::Closing(refusal) => fail(state, FailureKind::Closing, Some(refusal.into()), out),
        Answer::No(refusal) => {
            send(out, |wire| wire.extend_from_slice(b"QUIT"));
            fail(state, FailureKind::Refused, Some(refusal.into()), out)
        }
        Answer::Yes(reply) | Answer::GoOn(reply) => fail(state, FailureKind::OutOfTurn, Some(reply), out),
    }
}

/// A reply amid the content. A no is the peer's verdict on the message, and the dot is never sent.
pub(super) fn refused_early(
    mut flight: Box<Flight>,
    sending: Sending,
    reply: Reply,
    out: &mut Out<'_>,
) -> Event {
    let (kind, reply) = match Answer::from(kept(reply)) {
        Answer::Closing(refusal) => (FailureKind::Closing, refusal.into()),
        Answer::No(refusal) => {
            let taken = flight.taken();
            flight.decide_all(taken, &Fate::Refused { stage: Stage::Content, refusal: refusal.clone() });
            (FailureKind::Early, refusal.into())
        }
        Answer::Yes(reply) | Answer::GoOn(reply) => (FailureKind::OutOfTurn, reply),
    };
    fail(State::Content(flight, sending), kind, Some(reply), out)
}

/// The end of a session that was in `state`. After QUIT the work is done, and nothing is a failure.
pub(super) fn fail(state: State, kind: FailureKind, reply: Option<Reply>, out: &mut Out<'_>) -> Event {
    let (stage, fates) = match state {
        State::Greeting => (Stage::Greeting, Vec::new()),
        State::Hello { .. } => (Stage::Hello, Vec::new()),
        State::Idle { .. } => (Stage::Idle, Vec::new()),
        State::Envelope(flight) => (flight.stage(), flight.fates()),
        State::Content(mut flight, sending) => {
            out.dialogue.line(Line::Content { octets: sending.octets() });
            if let Sending::Chunks(chunks) = sending {
                let taken = flight.taken();
                flight.decide_all(taken, &chunks.answers.fate_or(Fate::Undecided));
            }
            (Stage::Content, flight.fates())
        }
        State::End(mut end) => {
            end.flight.decide_all(end.taken, &end.answers.fate_or(Fate::LostAfterDot));
            (Stage::End, end.flight.fates())
        }
        State::LoneDot(flight) => (Stage::End, flight.fates()),
        State::Quit | State::Over => return Event::Closed,
    };
    failed(stage, kind, reply, fates)
}

pub(super) fn failed(stage: Stage, kind: FailureKind, reply: Option<Reply>, fates: Vec<Fate>) -> Event {
    Event::Failed(Failure { stage, kind, reply, fates })
}

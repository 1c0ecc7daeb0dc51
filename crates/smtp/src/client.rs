//! The client engine: it brings messages to a host by SMTP (RFC 5321) or LMTP (RFC 2033).
//!
//! Octets and the time go in; octets and events come out. It knows no socket, no clock and no routing, never
//! holds content, and decides nothing but what the peer's offer decides: a message larger than SIZE allows, an
//! address that needs SMTPUTF8, binary content and a deadline that the peer would not keep are refused without
//! being sent. Every parameter of MAIL and RCPT is said where its extension is offered, and only there; the
//! [`Outcome`] tells what was not passed on. Nothing is ever rewritten to fit a peer.
//!
//! A peer that says no before the content has ended (RFC 5321 §4.2.5 would have it wait for the dot) has
//! refused the message: the dot is never sent, so nobody can have it. That session is over, as nobody could
//! say which reply answers what.
//!
//! The order of calls:
//! 1. [`Session::new`], then [`receive`](Session::receive) whatever the connection brings, as long as any of
//!    it is left, until an event is more than [`Event::NeedInput`].
//! 2. [`Event::Ready`] brings an [`Idle`]: [`begin`](Session::begin) a transaction, or
//!    [`quit`](Session::quit). Every input read so far must have been given to `receive` before.
//! 3. [`Event::SendContent`] brings an [`Open`]: [`content`](Session::content) any number of times, then
//!    [`dot`](Session::dot), and once that is sent [`end_of_content`](Session::end_of_content). So for DATA, and
//!    for BDAT, which carries binary content (RFC 3030); there, each waits for
//!    [`takes_content`](Session::takes_content).
//! 4. [`Event::Finished`] brings one fate for each recipient, and the `Idle` back: any number of
//!    transactions go over one connection, until it [`is_spent`](Session::is_spent).
//! 5. [`Event::Failed`] and [`Event::Closed`] end the session: close. A QUIT may be on the wire when the peer
//!    turned us away (greeting, EHLO); at any later stage throw the wire away, for unsent content and its dot
//!    must not go out behind a failure.
//!
//! Whenever input is awaited, the wire must be flushed first; with PIPELINING the peer should be read while
//! it is written to, for its replies may fill its send buffer (RFC 2920 §3.1).
//!
//! STARTTLS and AUTH will stand between `Ready` and the first `begin`, each taking the `Idle` and giving it
//! back.

#![doc = include_str!("client/example.md")]

mod ending;
mod flight;
mod offer;
mod outcome;
mod replies;
mod room;
mod sending;
mod stuffing;
mod terms;
mod words;

pub use crate::server::Dialect;
pub use offer::{Limits, Offer};
pub use outcome::{Failure, FailureKind, Fate, Outcome, PassedOn, Stage, Transaction};

use crate::dialogue::{Line, Out};
use crate::limits::{CLIENT_CHUNK_TIMEOUT, CLIENT_END_TIMEOUT, CLIENT_GREETING_TIMEOUT, CLIENT_QUIT_TIMEOUT};
use crate::reply::Reader;
use ending::{fail, failed};
use flight::{Flight, send};
use postrider_mail::Host;
use room::Room;
use sending::{Answers, Sending};
use std::time::{Duration, Instant};

/// The right to begin a transaction or to quit: the session waits for nothing.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the peer waits: begin a transaction, or quit"]
pub struct Idle(());

/// The right to send content: the peer has said 354.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the peer waits for content"]
pub struct Open(());

/// What a call into the session led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet: flush the wire, read more.
    NeedInput,
    /// The peer has answered our greeting; what it offers is in [`Session::offer`].
    Ready(Idle),
    /// At least one recipient was taken, and the peer waits for content.
    SendContent(Open),
    /// The transaction is over, and each recipient's fate decided.
    Finished(Outcome, Idle),
    /// The session is over, and not as it should be.
    Failed(Failure),
    /// The session is over: after QUIT, or after [`Event::Failed`] has said why.
    Closed,
}

/// What [`Session::receive`] made of its input.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Octets of the input that are done with; all of them when more input is needed.
    pub consumed: usize,
    /// What they led to.
    pub event: Event,
}

/// One connection's conversation, from the greeting to QUIT.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    name: Host,
    patience: Duration,
    reader: Reader,
    announced: Vec<Host>,
    offer: Offer,
    room: Room,
    state: State,
    deadline: Option<Instant>,
}

/// What the session waits for, with what is known only then.
#[derive(Debug)]
enum State {
    /// The peer's greeting.
    Greeting,
    /// The reply to EHLO or LHLO, or to HELO.
    Hello { extended: bool },
    /// Our own side.
    Idle { needs_reset: bool },
    /// Replies to the commands of an envelope.
    Envelope(Box<Flight>),
    /// Content from our own side.
    Content(Box<Flight>, Sending),
    /// The replies after the final dot or the last chunk.
    End(End),
    /// The reply after a dot that ended no content.
    LoneDot(Box<Flight>),
    /// The reply to QUIT.
    Quit,
    /// Nothing more.
    Over,
}

/// Content that has ended.
#[derive(Debug)]
struct End {
    flight: Box<Flight>,
    /// The recipients whose fate is to come.
    taken: std::vec::IntoIter<usize>,
    /// What is to be answered before.
    answers: Answers,
}

impl End {
    /// The message cannot have been taken: fates are as they were before its end.
    fn taken_by_none(&mut self) {
        let fate = self.answers.fate_or(Fate::Undecided);
        self.flight.decide_all(self.taken.by_ref(), &fate);
    }
}

impl Session {
    /// A session on a connection just made, whose other end speaks this dialect. `name` is how we introduce
    /// ourselves.
    pub fn new(dialect: Dialect, name: Host, now: Instant) -> Self {
        Self::with_patience(dialect, name, Duration::MAX, now)
    }

    /// A session that waits for no reply, and for no piece of content to be taken, longer than `patience`;
    /// each phase has its own limit besides (RFC 5321 §4.5.3.2).
    pub fn with_patience(dialect: Dialect, name: Host, patience: Duration, now: Instant) -> Self {
        Self {
            dialect,
            name,
            patience,
            reader: Reader::default(),
            announced: Vec::new(),
            offer: Offer::default(),
            room: Room::default(),
            state: State::Greeting,
            deadline: Some(now + CLIENT_GREETING_TIMEOUT.min(patience)),
        }
    }

    /// The names that the peer gave itself, where they are names: the first words of its greeting and of its
    /// reply to EHLO, LHLO or HELO (RFC 5321 §4.2, §4.3.1). A peer that calls itself as we do may be us.
    pub fn announced(&self) -> &[Host] {
        &self.announced
    }

    /// What the peer offers; nothing before [`Event::Ready`].
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether the peer, by its LIMITS (RFC 9422), takes no further transaction in this session: quit, and go
    /// on in another. A transaction begun all the same is refused in our own words.
    pub fn is_spent(&self) -> bool {
        self.room.is_spent()
    }

    /// Whether content may be sent, or must wait until the peer has answered what was sent last: BDAT without
    /// PIPELINING goes chunk by chunk. Content sent too early goes nevertheless.
    pub fn takes_content(&self) -> bool {
        match &self.state {
            State::Content(_, sending) => sending.takes_content(),
            _ => true,
        }
    }

    /// When [`timed_out`](Self::timed_out) is to be called, unless something happens before. None while the
    /// session is idle or over: how long to keep an idle connection is for the caller to say.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes octets from the peer, up to the first event.
    pub fn receive(&mut self, input: &[u8], out: &mut Out<'_>) -> Step {
        let mut consumed = 0;
        while consumed < input.len() {
            if matches!(self.state, State::Over) {
                return Step { consumed: input.len(), event: Event::Closed };
            }
            let event = match self.reader.read(&input[consumed..], out.dialogue) {
                Ok((octets, reply)) => {
                    consumed += octets;
                    reply.map_or(Event::NeedInput, |reply| self.replied(reply, out))
                }
                Err(malformed) => {
                    consumed = input.len();
                    self.interrupted(FailureKind::Malformed(malformed), out)
                }
            };
            if !matches!(event, Event::NeedInput) {
                return Step { consumed, event };
            }
        }
        Step { consumed, event: Event::NeedInput }
    }

    /// Begins a transaction. Where the offer alone decides every fate, it is [`Event::Finished`] at once and
    /// nothing is sent.
    pub fn begin(&mut self, _: Idle, transaction: Transaction, out: &mut Out<'_>) -> Event {
        let mut flight = Box::new(Flight::new(transaction, &self.offer, &mut self.room, out.now));
        let State::Idle { needs_reset } = self.state else {
            // The peer hung up or spoke out of turn while we were idle, and `Failed` has said so.
            return failed(Stage::Idle, FailureKind::Disconnected, None, flight.fates());
        };
        if flight.is_decided() {
            return Event::Finished(flight.outcome(), Idle(()));
        }
        self.room.begun();
        flight.start(needs_reset, out);
        self.deadline = Some(flight.deadline(out.now, self.patience));
        self.state = State::Envelope(flight);
        Event::NeedInput
    }

    /// Sends a piece of content. For DATA it has CRLF line ends, and dots are stuffed here; binary content goes
    /// as it is, each piece as one chunk of BDAT, so that few large pieces are better than many small ones. Flush
    /// the wire before the next piece. Nothing is sent once the session has failed or a chunk was refused.
    pub fn content(&mut self, _: &Open, piece: &[u8], out: &mut Out<'_>) {
        if let State::Content(_, sending) = &mut self.state {
            sending.piece(piece, out);
            self.deadline = Some(out.now + CLIENT_CHUNK_TIMEOUT.min(self.patience));
        }
    }

    /// Appends the dot, or BDAT's last chunk, so that it can leave in one write with the content before it. Until
    /// it is sent and [`end_of_content`](Self::end_of_content) called, the peer cannot have the message: whatever
    /// comes before counts as said amid the content.
    pub fn dot(&mut self, _: &Open, out: &mut Out<'_>) {
        if let State::Content(_, sending) = &mut self.state {
            sending.finish(out);
            self.deadline = Some(out.now + CLIENT_CHUNK_TIMEOUT.min(self.patience));
        }
    }

    /// The content has ended with its dot, which is appended unless [`dot`](Self::dot) did so. From here on
    /// the peer may have the message.
    pub fn end_of_content(&mut self, _: Open, out: &mut Out<'_>) {
        if !matches!(self.state, State::Content(..)) {
            return;
        }
        let State::Content(mut flight, mut sending) = self.leave() else { return };
        sending.finish(out);
        let octets = sending.octets();
        match sending.ended() {
            Ok(answers) => {
                out.dialogue.line(Line::Content { octets });
                let taken = flight.taken();
                self.enter(State::End(End { flight, taken, answers }), CLIENT_END_TIMEOUT, out);
            }
            // A chunk was refused: what is left of the peer's answers ends the transaction.
            Err(sending) => self.enter(State::Content(flight, sending), CLIENT_CHUNK_TIMEOUT, out),
        }
    }

    /// Says QUIT. The caller may wait for [`Event::Closed`], or flush and close at once.
    pub fn quit(&mut self, _: Idle, out: &mut Out<'_>) {
        if matches!(self.state, State::Idle { .. }) {
            send(out, |wire| wire.extend_from_slice(b"QUIT"));
            self.enter(State::Quit, CLIENT_QUIT_TIMEOUT, out);
        }
    }

    /// The deadline has passed.
    pub fn timed_out(&mut self, out: &mut Out<'_>) -> Event {
        self.interrupted(FailureKind::TimedOut, out)
    }

    /// The peer has closed the connection, or it broke.
    pub fn end_of_input(&mut self, out: &mut Out<'_>) -> Event {
        self.interrupted(FailureKind::Disconnected, out)
    }

    /// Our own side gives up, whatever the state; content that was begun is never ended.
    pub fn abandon(&mut self, out: &mut Out<'_>) -> Event {
        self.interrupted(FailureKind::Abandoned, out)
    }

    fn interrupted(&mut self, kind: FailureKind, out: &mut Out<'_>) -> Event {
        fail(self.leave(), kind, None, out)
    }

    /// Moves the state out; unless another is entered, the session is over.
    fn leave(&mut self) -> State {
        self.deadline = None;
        std::mem::replace(&mut self.state, State::Over)
    }

    fn enter(&mut self, state: State, timeout: Duration, out: &Out<'_>) {
        self.state = state;
        self.deadline = Some(out.now + timeout.min(self.patience));
    }
}

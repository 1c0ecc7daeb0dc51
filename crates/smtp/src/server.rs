//! The server's side of a session (RFC 5321 §4, RFC 2033).
//!
//! How to drive it: give [`Session::receive`] all input that is not consumed yet, drop what it consumed, act
//! on the event, repeat; on [`Event::Ask`] call [`Session::answer`] before receiving again; on
//! [`Event::NeedInput`] send what stands in `wire`, then, when that was
//! [`REPLIES_WAITING_OCTETS_MAX`] or more, call [`Session::receive`] again, else wait for input or for
//! [`Session::deadline`].
//! After [`Event::Closed`] send what is left and close.
//!
//! The session asks, and decides nothing but what the protocol decides: order, syntax, sizes, and what it
//! offers. Each state holds what is known in it; a transaction is one value inside a state and ends with it.
//! What later extensions add is a state of its own beside these: a TLS handshake and a SASL exchange between
//! commands.

#![doc = include_str!("server/example.md")]

mod answers;
mod chunks;
mod commands;
mod content;
mod help;
mod manners;
mod mistakes;
mod question;
mod setup;
mod state;
mod words;

pub use manners::{ContentNotes, Manners};
pub use question::{
    Answer, Asked, Close, Connect, Expand, Filed, Gate, Hello, Mail, Open, Query, Question, Rcpt, Turn,
    Verify, Xclient, Xforward,
};
pub use setup::{BareNewlines, Dialect, LongLines, Setup};

use crate::dialogue::{Line, Out};
use crate::limits::{ERRORS_MAX, REPLIES_WAITING_OCTETS_MAX, SERVER_COMMAND_TIMEOUT};
use crate::line::{Framed, LineReader};
use crate::reply;
use postrider_mail::{Protocol, Refusal, Reply};
use state::{Pending, Phase, State};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

/// What one call to [`Session::receive`] did.
#[derive(Debug)]
pub struct Step<'i> {
    /// Octets of the input that are done with.
    pub consumed: usize,
    /// What the driver is to do now.
    pub event: Event<'i>,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Event<'i> {
    /// Send what stands in `wire`, then wait for input.
    NeedInput,
    /// Decide, then call [`Session::answer`] with the question's token.
    Ask(Question),
    /// Content of the open transaction: behind DATA with its dots unstuffed, and with CRLF line ends unless it
    /// is BODY=BINARYMIME.
    Content(&'i [u8]),
    /// The transaction has ended, however it did: drop its draft and what was known of it.
    TransactionOver,
    /// The session has ended: send what stands in `wire`, then close.
    Closed,
}

/// One conversation with a client. `R` is the proof that a message is queued, and prints as its id; only
/// [`Filed::Queued`] with such a proof yields the 250 after content.
#[derive(Debug)]
pub struct Session<R> {
    setup: Arc<Setup>,
    state: State,
    lines: LineReader,
    /// The dialect of the last greeting that was accepted: what extensions there are hangs on it.
    protocol: Protocol,
    /// For the command or the next octets of content.
    deadline: Instant,
    errors: u32,
    /// Since the last message that was accepted; see [`COMMANDS_PER_MESSAGE_MAX`](crate::limits).
    commands: u32,
    end_of_input: bool,
    last_call: bool,
    cut_off: bool,
    manners: Manners,
    /// The command at hand lets its reply hold UTF-8 (RFC 6531 §3.7.4.2).
    utf8: bool,
    content_notes: ContentNotes,
    proof: PhantomData<fn(R)>,
}

impl<R> Session<R> {
    /// A session with a client that has just connected.
    pub fn new(setup: Arc<Setup>, now: Instant) -> Self {
        Self {
            setup,
            state: State::Fresh,
            lines: LineReader::default(),
            protocol: Protocol::Smtp,
            deadline: now + SERVER_COMMAND_TIMEOUT,
            errors: 0,
            commands: 0,
            end_of_input: false,
            last_call: false,
            cut_off: false,
            manners: Manners::default(),
            utf8: false,
            content_notes: ContentNotes::default(),
            proof: PhantomData,
        }
    }

    /// Takes what it can from the input, which is all that was read and not consumed yet.
    pub fn receive<'i>(&mut self, input: &'i [u8], out: &mut Out<'_>) -> Step<'i> {
        let mut consumed = 0;
        loop {
            if out.wire.len() >= REPLIES_WAITING_OCTETS_MAX && matches!(self.state, State::Command(_)) {
                return Step { consumed, event: Event::NeedInput };
            }
            let rest = &input[consumed..];
            let event = match std::mem::replace(&mut self.state, State::Ended) {
                State::Fresh => {
                    self.manners.before_greeting |= !input.is_empty();
                    self.ask(Pending::Connect, Question::Connect(Asked::new()))
                }
                State::Command(phase) => self.read_command(phase, rest, &mut consumed, out),
                State::Content(transaction, incoming) => {
                    self.read_content(transaction, incoming, rest, &mut consumed, out)
                }
                State::Chunk(arriving) => self.read_chunk(arriving, rest, &mut consumed, out),
                State::Over => {
                    self.state = State::Command(Phase::Greeted);
                    Some(Event::TransactionOver)
                }
                State::HelloNext(greeting) => {
                    let pending = Pending::Hello(greeting.protocol, true);
                    self.ask(pending, Question::Hello(Asked::new(), *greeting))
                }
                // The driver called out of turn: the question stays open and nothing is read.
                State::Asked(pending) => {
                    self.manners.before_greeting |= matches!(pending, Pending::Connect) && !input.is_empty();
                    self.state = State::Asked(pending);
                    Some(Event::NeedInput)
                }
                State::Ended => Some(Event::Closed),
            };
            match event {
                None => {}
                Some(Event::NeedInput) if self.end_of_input && !matches!(self.state, State::Asked(_)) => {
                    self.state = State::Ended;
                }
                Some(event) => return Step { consumed, event },
            }
        }
    }

    /// Answers the open question. An answer that comes after the session has ended changes nothing.
    pub fn answer<Q: Query<R>>(&mut self, asked: Asked<Q>, answer: Q::Answer, out: &mut Out<'_>) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Asked(pending) => {
                self.apply(pending, Q::answer(asked, answer), out);
                self.deadline = out.now + SERVER_COMMAND_TIMEOUT;
                self.end_if_last_call(out);
            }
            other => self.state = other,
        }
    }

    /// The draft failed while content was coming: the rest is read, thrown away and refused with this at
    /// its end. Without effect outside content.
    pub fn spoil(&mut self, refusal: Refusal) {
        match &mut self.state {
            State::Content(_, incoming) => incoming.refuse(refusal),
            State::Chunk(arriving) => arriving.refuse(refusal),
            State::Command(Phase::Chunks(_, chunks)) => chunks.refuse(refusal),
            _ => {}
        }
    }

    /// What the client has done out of turn so far. To notice talk before the greeting while
    /// [`Question::Connect`] is open, call [`Session::receive`] with what has come.
    pub fn manners(&self) -> Manners {
        self.manners
    }

    /// What is worth telling of the content that the open [`Question::Close`] is about.
    pub fn content_notes(&self) -> ContentNotes {
        self.content_notes
    }

    /// Goes on with another setup: behind an accepted [`Question::Xclient`] the peer is another, and so may be
    /// what it is offered.
    pub fn set_setup(&mut self, setup: Arc<Setup>) {
        self.setup = setup;
    }

    /// When [`Session::timed_out`] is to be called, unless a question is open: the earlier of the deadlines
    /// of the command (or the next octets of content) and of the transaction.
    pub fn deadline(&self) -> Instant {
        self.state.deadline().map_or(self.deadline, |transaction| self.deadline.min(transaction))
    }

    /// The deadline has passed: says 421 and ends (RFC 5321 §4.5.3.2.7, §3.8).
    pub fn timed_out(&mut self, out: &mut Out<'_>) {
        if !matches!(self.state, State::Ended) {
            self.hang_up(&words::timed_out(&self.setup.hostname), out);
        }
    }

    /// We are stopping: the open transaction may end, then, or at once when there is none, 421
    /// (RFC 5321 §3.8).
    pub fn last_call(&mut self, out: &mut Out<'_>) {
        self.last_call = true;
        self.end_if_last_call(out);
    }

    /// We stop now, whatever is open: 421. The answer to an open question is said before it.
    pub fn cut_off(&mut self, out: &mut Out<'_>) {
        self.cut_off = true;
        self.end_if_last_call(out);
    }

    /// Nothing more will come. What is in the input is still understood and answered.
    pub fn end_of_input(&mut self) {
        self.end_of_input = true;
    }

    fn end_if_last_call(&mut self, out: &mut Out<'_>) {
        let cut_off = self.cut_off && !matches!(self.state, State::Asked(_) | State::Ended);
        if cut_off || self.last_call && self.state.is_idle() {
            self.hang_up(&words::stopping(&self.setup.hostname), out);
        }
    }

    fn read_command<'i>(
        &mut self,
        phase: Phase,
        rest: &[u8],
        consumed: &mut usize,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let (line, read, fault) = match self.lines.read(rest) {
            Framed::Incomplete { consumed: read } => {
                *consumed += read;
                self.state = State::Command(phase);
                return Some(Event::NeedInput);
            }
            Framed::Passed { consumed: read } => {
                *consumed += read;
                self.state = State::Command(phase);
                return None;
            }
            Framed::Line { line, consumed } => (line, consumed, None),
            Framed::Fault { line, consumed, fault } => (line, consumed, Some(fault)),
        };
        *consumed += read;
        out.dialogue.line(Line::Command(line));
        self.deadline = out.now + SERVER_COMMAND_TIMEOUT;
        self.utf8 = false;
        let event = match fault {
            None => self.command(phase, line, rest.len() > read, out),
            Some(fault) => self.fault(phase, fault, out),
        };
        self.end_if_last_call(out);
        event
    }

    fn ask<'i>(&mut self, pending: Pending, question: Question) -> Option<Event<'i>> {
        self.state = State::Asked(pending);
        Some(Event::Ask(question))
    }

    fn say(&self, reply: &Reply, out: &mut Out<'_>) {
        reply::print(reply, self.utf8, out);
    }

    /// Says it, and reads the next command in this phase.
    fn go_on<'i>(&mut self, phase: Phase, reply: &Reply, out: &mut Out<'_>) -> Option<Event<'i>> {
        self.say(reply, out);
        self.state = State::Command(phase);
        None
    }

    /// The same for an error of syntax or order; too many of them end the session.
    fn error<'i>(&mut self, phase: Phase, reply: &Reply, out: &mut Out<'_>) -> Option<Event<'i>> {
        self.errors += 1;
        if self.errors > ERRORS_MAX {
            return self.hang_up(&words::too_many_errors(&self.setup.hostname), out);
        }
        self.go_on(phase, reply, out)
    }

    fn hang_up<'i>(&mut self, refusal: &Refusal, out: &mut Out<'_>) -> Option<Event<'i>> {
        self.say(refusal.reply(), out);
        self.state = State::Ended;
        None
    }
}

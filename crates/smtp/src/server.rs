//! The server's side of a session (RFC 5321 §4, RFC 2033).
//!
//! How to drive it: give [`Session::receive`] all input that is not consumed yet, drop what it consumed, act
//! on the event, repeat; on [`Event::Ask`] call [`Session::answer`] before receiving again; on
//! [`Event::NeedInput`] send what stands in `wire`, then, when that was
//! [`REPLIES_WAITING_OCTETS_MAX`] or more, call [`Session::receive`] again, else wait for input or for
//! [`Session::deadline`].
//! After [`Event::Closed`] send what is left and close.
//!
//! The session asks, and decides nothing but what the protocol decides: order, syntax, sizes. Each state
//! holds what is known in it; a transaction is one value inside a state and ends with it. What later
//! extensions add is a state of its own beside these: a TLS handshake and a SASL exchange between commands,
//! BDAT chunks beside content after DATA.

mod commands;
mod content;
mod question;
mod words;

pub use question::{
    Answer, Asked, Close, Connect, Expand, Filed, Gate, Hello, Mail, Open, Query, Question, Rcpt, Turn,
    Verify, Xclient, Xforward,
};

use crate::dialogue::{Line, Out};
use crate::extension::Extensions;
use crate::limits::{
    CONTENT_OCTETS_DEFAULT, ERRORS_MAX, RECIPIENTS_DEFAULT, REPLIES_WAITING_OCTETS_MAX,
    SERVER_COMMAND_TIMEOUT,
};
use crate::line::{Framed, LineReader};
use crate::reply;
use content::Incoming;
use postrider_mail::{Domain, Protocol, Refusal, Reply, Text};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

/// What a listener's sessions have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our own name, in the greeting and in the replies to HELO, EHLO and LHLO.
    pub hostname: Domain,
    /// What the greeting says behind our name.
    pub banner: Text,
    /// Which commands open a session.
    pub dialect: Dialect,
    /// The largest content, in octets.
    pub content_octets_max: u64,
    /// The most recipients of one transaction.
    pub recipients_max: u32,
    /// What EHLO and LHLO offer.
    pub extensions: Extensions,
    /// What is done about lines of content over 998 octets (RFC 5321 §4.5.3.1.6).
    pub long_lines: LongLines,
    /// What is done about a CR or LF that stands alone in content (RFC 5321 §2.3.8).
    pub bare_newlines: BareNewlines,
}

impl Setup {
    /// A server of this name that takes what the limits' defaults say and offers everything that any peer may
    /// use.
    pub fn new(hostname: Domain, dialect: Dialect) -> Self {
        Self {
            hostname,
            banner: Text::default(),
            dialect,
            content_octets_max: CONTENT_OCTETS_DEFAULT,
            recipients_max: RECIPIENTS_DEFAULT,
            extensions: Extensions::default(),
            long_lines: LongLines::default(),
            bare_newlines: BareNewlines::default(),
        }
    }
}

/// What is done about lines of content over 998 octets (RFC 5321 §4.5.3.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongLines {
    /// They are kept as they are, up to [`CONTENT_LINE_OCTETS_MAX`](crate::limits::CONTENT_LINE_OCTETS_MAX).
    #[default]
    Keep,
    /// The message is refused: 554.
    Refuse,
}

/// What is done about a CR or LF that stands alone in content (RFC 5321 §2.3.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewlines {
    /// The message is refused: 554.
    #[default]
    Refuse,
    /// Each becomes CRLF before anything else sees it. What an LF-only reader takes for the end of the content
    /// still ends the session.
    Normalise,
}

/// The protocol a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// HELO and EHLO (RFC 5321)
    Smtp,
    /// LHLO, and a reply for each recipient after the content (RFC 2033)
    Lmtp,
}

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
    /// Content of the open transaction, dots unstuffed, CRLF line ends.
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
    /// For the command or the next octets of content.
    deadline: Instant,
    errors: u32,
    end_of_input: bool,
    last_call: bool,
    cut_off: bool,
    proof: PhantomData<fn(R)>,
}

/// Where the conversation stands.
#[derive(Debug)]
enum State {
    /// Nothing has happened; `Connect` is to be asked.
    Fresh,
    /// A command is read.
    Command(Phase),
    /// A question is open; nothing is read.
    Asked(Pending),
    /// Content is read.
    Content(Transaction, Incoming),
    /// A transaction has ended; the driver is to hear of it, then things go on.
    Over(Box<State>),
    /// EHLO was understood and is to be asked about.
    HelloNext(Box<postrider_mail::Greeting>),
    /// Nothing more is read or said.
    Ended,
}

/// Where commands are read.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Before HELO, EHLO or LHLO was accepted.
    Stranger,
    /// Between transactions.
    Greeted,
    /// Behind a refused MAIL: RCPT and DATA that were pipelined with it are no errors of the client's.
    MailRefused,
    /// Behind an accepted MAIL.
    Open(Transaction),
}

/// The open question, with what is to be gone on with.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Connect,
    /// The dialect its command chose, and the phase to stay in when it is refused.
    Hello(Protocol, bool),
    Mail,
    Rcpt(Transaction),
    Open(Transaction),
    Close(Transaction),
    LookUp(Phase),
}

/// A mail transaction (RFC 5321 §3.3): born at an accepted MAIL, gone with its state.
#[derive(Clone, Copy, Debug)]
struct Transaction {
    /// Recipients accepted.
    accepted: u32,
    /// Recipients refused for being too many.
    surplus: u32,
    /// When it ends, however lively.
    deadline: Instant,
}

impl<R> Session<R> {
    /// A session with a client that has just connected.
    pub fn new(setup: Arc<Setup>, now: Instant) -> Self {
        Self {
            setup,
            state: State::Fresh,
            lines: LineReader::default(),
            deadline: now + SERVER_COMMAND_TIMEOUT,
            errors: 0,
            end_of_input: false,
            last_call: false,
            cut_off: false,
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
                    self.state = State::Asked(Pending::Connect);
                    Some(Event::Ask(Question::Connect(Asked::new())))
                }
                State::Command(phase) => self.read_command(phase, rest, &mut consumed, out),
                State::Content(transaction, incoming) => {
                    self.read_content(transaction, incoming, rest, &mut consumed, out)
                }
                State::Over(next) => {
                    self.state = *next;
                    Some(Event::TransactionOver)
                }
                State::HelloNext(greeting) => {
                    self.state = State::Asked(Pending::Hello(greeting.protocol, true));
                    Some(Event::Ask(Question::Hello(Asked::new(), *greeting)))
                }
                // The driver called out of turn: the question stays open and nothing is read.
                State::Asked(pending) => {
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
        let State::Asked(pending) = self.state else { return };
        let answer = Q::answer(asked, answer);
        self.apply(pending, answer, out);
        self.deadline = out.now + SERVER_COMMAND_TIMEOUT;
        self.end_if_last_call(out);
    }

    /// The draft failed while content was coming: the rest is read, thrown away and refused with this at
    /// its end. Without effect outside content.
    pub fn spoil(&mut self, refusal: Refusal) {
        if let State::Content(_, incoming) = &mut self.state {
            incoming.refuse(refusal);
        }
    }

    /// When [`Session::timed_out`] is to be called, unless a question is open: the earlier of the deadlines
    /// of the command (or the next octets of content) and of the transaction.
    pub fn deadline(&self) -> Instant {
        let transaction = match &self.state {
            State::Command(Phase::Open(transaction)) | State::Content(transaction, _) => transaction,
            _ => return self.deadline,
        };
        self.deadline.min(transaction.deadline)
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
        let idle = matches!(
            self.state,
            State::Fresh | State::Command(Phase::Stranger | Phase::Greeted | Phase::MailRefused)
        );
        let over = matches!(&self.state, State::Over(next)
            if matches!(**next, State::Command(Phase::Stranger | Phase::Greeted | Phase::MailRefused)));
        let cut_off = self.cut_off && !matches!(self.state, State::Asked(_) | State::Ended);
        if cut_off || self.last_call && (idle || over) {
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
        self.state = State::Command(phase);
        let (line, fault) = match self.lines.read(rest) {
            Framed::Incomplete { consumed: read } => {
                *consumed += read;
                return Some(Event::NeedInput);
            }
            Framed::Passed { consumed: read } => {
                *consumed += read;
                return None;
            }
            Framed::Line { line, consumed: read } => {
                *consumed += read;
                (line, None)
            }
            Framed::Fault { line, consumed: read, fault } => {
                *consumed += read;
                (line, Some(fault))
            }
        };
        out.dialogue.line(Line::Command(line));
        self.deadline = out.now + SERVER_COMMAND_TIMEOUT;
        let event = match fault {
            None => self.command(phase, line, out),
            Some(fault) => {
                self.fault(fault, out);
                None
            }
        };
        self.end_if_last_call(out);
        event
    }

    fn say(&self, reply: &Reply, out: &mut Out<'_>) {
        reply::print(reply, out);
    }

    /// Answers an error of syntax or order; too many of them end the session.
    fn error(&mut self, reply: &Reply, out: &mut Out<'_>) {
        self.errors += 1;
        if self.errors > ERRORS_MAX {
            self.hang_up(&words::too_many_errors(&self.setup.hostname), out);
        } else {
            self.say(reply, out);
        }
    }

    fn hang_up(&mut self, refusal: &Refusal, out: &mut Out<'_>) {
        self.say(refusal.reply(), out);
        self.state = State::Ended;
    }
}

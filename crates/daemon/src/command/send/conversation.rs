//! The conversation with the host: drives the client engine over a connection, until every recipient's fate
//! is decided or the session fails.
//!
//! It reads while it writes, so that a peer's replies to a pipelined envelope never hold both sides up
//! (RFC 2920 §3.1).

use super::limits::{PIECE_OCTETS, READ_OCTETS};
use super::show::Show;
use postrider_mail::Host;
use postrider_smtp::Out;
use postrider_smtp::client::{Event, Failure, Fate, Idle, Open, Session, Transaction};
use postrider_smtp::server::Dialect;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How a conversation ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// One fate for each recipient, in the order given.
    pub(super) fates: Vec<Fate>,
    /// Why the session could not go on, where it could not.
    pub(super) failure: Option<Failure>,
    /// Octets beyond ASCII went to a host that does not offer 8BITMIME.
    pub(super) body_undeclared: bool,
    /// A host was given the message that does not offer DSN.
    pub(super) dsn_unsaid: bool,
}

/// One connection, one message.
pub(super) struct Conversation<'a> {
    stream: TcpStream,
    session: Session,
    /// Octets to be sent, and how many of them are.
    wire: Vec<u8>,
    sent: usize,
    /// Octets read and not given to the session yet.
    input: Vec<u8>,
    patience: Patience,
    show: &'a mut Show,
}

impl<'a> Conversation<'a> {
    /// On a connection just made. `patience` shortens the engine's timeouts.
    pub(super) fn new(
        stream: TcpStream,
        dialect: Dialect,
        name: Host,
        patience: Option<Duration>,
        show: &'a mut Show,
    ) -> Self {
        let now = Instant::now();
        let session = Session::new(dialect, name, now);
        let patience = Patience { limit: patience, engine: None, since: now };
        Self { stream, session, wire: Vec::new(), sent: 0, input: Vec::new(), patience, show }
    }

    /// Sends the message. Recipients that the host asks to have in another transaction get one at once
    /// (RFC 5321 §4.5.3.1.10); each transaction decides at least one fate.
    pub(super) async fn send(mut self, transaction: Transaction, content: &[u8]) -> Ended {
        let count = transaction.recipients.len();
        let mut asked: Vec<usize> = (0..count).collect();
        let mut ended = Ended {
            fates: vec![Fate::Undecided; count],
            failure: None,
            body_undeclared: false,
            dsn_unsaid: false,
        };
        let mut event = Event::NeedInput;
        loop {
            event = match event {
                Event::NeedInput => self.wait(Until::Event).await,
                Event::Ready(idle) => self.begin(idle, &transaction, &asked),
                Event::SendContent(open) => self.send_content(open, content).await,
                Event::Finished(outcome, idle) => {
                    ended.body_undeclared |= outcome.body_undeclared;
                    ended.dsn_unsaid |= !outcome.passed_on.dsn;
                    asked = ended.record(&asked, outcome.fates);
                    if asked.is_empty() {
                        self.quit(idle).await;
                        return ended;
                    }
                    self.begin(idle, &transaction, &asked)
                }
                Event::Failed(mut failure) => {
                    ended.record(&asked, std::mem::take(&mut failure.fates));
                    ended.failure = Some(failure);
                    // A last QUIT, if there is one, for a peer that turned us away.
                    let _ = self.write();
                    return ended;
                }
                Event::Closed => return ended,
            }
        }
    }

    /// Begins a transaction for the recipients at these places.
    fn begin(&mut self, idle: Idle, transaction: &Transaction, asked: &[usize]) -> Event {
        // What was read with the last reply comes first: the peer may have hung up behind it.
        match self.take_input() {
            Event::NeedInput => {}
            event => return event,
        }
        let recipients = asked.iter().map(|&at| transaction.recipients[at].clone()).collect();
        let transaction = Transaction { recipients, ..transaction.clone() };
        self.call(|session, out| session.begin(idle, transaction, out))
    }

    async fn send_content(&mut self, open: Open, content: &[u8]) -> Event {
        for piece in content.chunks(PIECE_OCTETS) {
            // Before each piece, not after it: so the last one leaves together with its dot.
            match self.wait(Until::Written).await {
                Event::NeedInput => {}
                event => return event,
            }
            self.call(|session, out| session.content(&open, piece, out));
        }
        self.call(|session, out| session.end_of_content(open, out));
        Event::NeedInput
    }

    /// The work is done: whatever happens now changes nothing.
    async fn quit(&mut self, idle: Idle) {
        self.call(|session, out| session.quit(idle, out));
        self.wait(Until::Event).await;
    }

    /// Writes what is to be said and reads what comes.
    async fn wait(&mut self, until: Until) -> Event {
        loop {
            match self.take_input() {
                Event::NeedInput => {}
                event => return event,
            }
            if until == Until::Written && self.wire.is_empty() {
                return Event::NeedInput;
            }
            let interest = match self.wire.is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let deadline = self.patience.until(self.session.deadline());
            match tokio::time::timeout_at(deadline.into(), self.stream.ready(interest)).await {
                Err(_) => return self.call(Session::timed_out),
                Ok(Ok(ready)) => {
                    // A peer that reads no more may still have said why.
                    if ready.is_writable() && self.write().is_err() {
                        self.forget_wire();
                    }
                    if ready.is_readable() && !self.read() {
                        return self.call(Session::end_of_input);
                    }
                }
                Ok(Err(_)) => return self.call(Session::end_of_input),
            }
        }
    }

    /// Gives the session what was read, up to the first event.
    fn take_input(&mut self) -> Event {
        if self.input.is_empty() {
            return Event::NeedInput;
        }
        let input = std::mem::take(&mut self.input);
        let step = self.call(|session, out| session.receive(&input, out));
        self.input.extend_from_slice(&input[step.consumed..]);
        step.event
    }

    /// Whether the connection is still there.
    fn read(&mut self) -> bool {
        let mut octets = [0; READ_OCTETS];
        match self.stream.try_read(&mut octets) {
            Ok(0) => false,
            Ok(read) => {
                self.input.extend_from_slice(&octets[..read]);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.wire.len() {
            match self.stream.try_write(&self.wire[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.forget_wire();
        Ok(())
    }

    fn forget_wire(&mut self) {
        self.wire.clear();
        self.sent = 0;
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Session, &mut Out<'_>) -> T) -> T {
        let mut out = Out { now: Instant::now(), wire: &mut self.wire, dialogue: self.show };
        call(&mut self.session, &mut out)
    }
}

/// What [`Conversation::wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// More than [`Event::NeedInput`].
    Event,
    /// That, or all of the wire sent.
    Written,
}

impl Ended {
    /// Keeps the fates of the recipients at these places; gives those that are to be asked for again.
    fn record(&mut self, asked: &[usize], fates: Vec<Fate>) -> Vec<usize> {
        let mut again = Vec::new();
        for (&at, fate) in asked.iter().zip(fates) {
            if matches!(fate, Fate::AnotherTransaction(_)) {
                again.push(at);
            }
            self.fates[at] = fate;
        }
        again
    }
}

/// How long to wait: the engine's deadline, or sooner.
struct Patience {
    limit: Option<Duration>,
    /// The engine's deadline when it was last looked at: it moves when the conversation does.
    engine: Option<Instant>,
    /// Since when it has not moved.
    since: Instant,
}

impl Patience {
    fn until(&mut self, engine: Option<Instant>) -> Instant {
        if self.engine != engine {
            self.engine = engine;
            self.since = Instant::now();
        }
        let own = self.limit.map(|limit| self.since + limit);
        match (engine, own) {
            (Some(engine), Some(own)) => engine.min(own),
            (Some(one), None) | (None, Some(one)) => one,
            // An idle session waits for nothing.
            (None, None) => self.since,
        }
    }
}

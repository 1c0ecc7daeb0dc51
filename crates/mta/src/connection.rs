//! One connection to another host, and the messages it carries: drives the [client
//! engine](postrider_smtp::client) over a stream.
//!
//! It understands none of the octets, decides nothing and knows no message, only transactions and content.
//! Whatever is written, the host is read beside it: with PIPELINING its replies may fill its buffers, and
//! it would take nothing more from us until they are read (RFC 2920 §3.1). A small message costs a write
//! for its envelope and one for its content. An idle connection owns no buffer.
//!
//! What goes by BDAT (RFC 3030) leaves in chunks as large as the content is read; the engine frames them.
//!
//! Dropping a connection, or a future of it, is always safe: content is only ended by the engine's dot
//! or last chunk, so a host can never take half a message for a whole one.

mod outgoing;
mod wire;

pub(crate) use outgoing::Outgoing;

use crate::limits::{CONTENT_PIECE_OCTETS, LAST_WORDS_TIMEOUT, QUIT_TIMEOUT};
use crate::net::Stream;
use crate::story::Telling;
use crate::world::World;
use postrider_mail::Host;
use postrider_queue::ContentError;
use postrider_smtp::client::{
    Event, Failure, FailureKind, Idle, Offer, Open, Outcome, Session, Stage, Transaction,
};
use postrider_smtp::server::Dialect;
use postrider_smtp::{Dialogue, Out, Silent};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::timeout_at;
use wire::{Moved, Wire};

/// Who hears the conversation.
type Ear<'a> = &'a mut (dyn Dialogue + Send);

/// Why a transaction came to no outcome.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The session failed; the connection is of no further use.
    Session(Failure),
    /// Our content could not be read to its end. Nothing was ended with a dot, and the connection is of no
    /// further use.
    Content(ContentError),
}

/// A connection on which the other host has answered our greeting.
pub(crate) struct Connection {
    world: Arc<World>,
    wire: Wire,
    session: Session,
    dialect: Dialect,
    /// There between transactions.
    idle: Option<Idle>,
    messages: u32,
}

impl Connection {
    /// Hears the greeting and introduces us, until the host is ready. No reply may take longer than
    /// `reply_timeout`, nor than its phase allows (RFC 5321 §4.5.3.2).
    ///
    /// # Errors
    /// The host does not serve us, or not now.
    pub(crate) async fn open(
        world: Arc<World>,
        stream: Box<dyn Stream>,
        dialect: Dialect,
        our_name: Host,
        reply_timeout: Duration,
        story: &mut Telling,
    ) -> Result<Self, Failure> {
        let session = Session::with_patience(dialect, our_name, reply_timeout, world.instant());
        let mut connection =
            Self { world, wire: Wire::new(stream), session, dialect, idle: None, messages: 0 };
        match connection.event(&mut story.as_client()).await {
            Event::Ready(idle) => {
                connection.idle = Some(idle);
                connection.wire.rest();
                Ok(connection)
            }
            other => {
                // A host that turns us away is told QUIT, if that needs no waiting.
                poll_fn(|cx| connection.wire.poll_parting(cx)).await;
                Err(failure(other))
            }
        }
    }

    /// The world it lives in.
    pub(crate) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// What the host offers.
    pub(crate) fn offer(&self) -> &Offer {
        self.session.offer()
    }

    /// The dialect spoken.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The names that the host gave itself; one that is ours may mean that it is us.
    pub(crate) fn announced(&self) -> &[Host] {
        self.session.announced()
    }

    /// Transactions that came to an outcome so far.
    pub(crate) fn messages(&self) -> u32 {
        self.messages
    }

    /// Whether another transaction may begin, as far as is known without looking.
    pub(crate) fn is_usable(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether the host takes no more over this connection, by limits that it named (RFC 9422 §3).
    pub(crate) fn is_spent(&self) -> bool {
        self.session.is_spent()
    }

    /// Looks whether the idle connection has ended meanwhile, without waiting: why, if it has. Idle, a host has
    /// nothing to say: whatever it says ends the connection, and half a reply would be taken for the answer to
    /// the next command.
    pub(crate) fn ended(&mut self) -> Option<Failure> {
        if self.idle.is_none() {
            return Some(over());
        }
        let event = if self.wire.came().is_empty() {
            match self.wire.poll_read(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => return None,
                Poll::Ready(Moved::Came) => self.take_in(&mut Silent),
                Poll::Ready(_) => Some(self.call(&mut Silent, Session::end_of_input)),
            }
        } else {
            self.take_in(&mut Silent)
        };
        self.idle = None;
        self.wire.rest();
        Some(match event {
            Some(Event::Failed(failure)) => failure,
            _ => Failure { kind: FailureKind::OutOfTurn, ..over() },
        })
    }

    /// Brings one message to the recipients of the transaction.
    ///
    /// # Errors
    /// See [`Broken`].
    pub(crate) async fn send(
        &mut self,
        transaction: Transaction,
        content: &mut Outgoing,
        story: &mut Telling,
    ) -> Result<Outcome, Broken> {
        if let Some(failure) = self.ended() {
            return Err(Broken::Session(failure));
        }
        let Some(idle) = self.idle.take() else { return Err(Broken::Session(over())) };
        let ear = &mut story.as_client();
        let mut event = self.call(ear, |session, out| session.begin(idle, transaction, out));
        if event == Event::NeedInput {
            event = self.event(ear).await;
        }
        if let Event::SendContent(open) = event {
            event = self.pour(open, content, ear).await.map_err(Broken::Content)?;
        }
        match event {
            Event::Finished(outcome, idle) => {
                // A host that answers what it cannot have read yet is out of step.
                self.idle = Some(idle).filter(|_| self.wire.unsent() == 0);
                self.messages = self.messages.saturating_add(1);
                self.wire.rest();
                Ok(outcome)
            }
            other => {
                // What is left of the content, and its dot, must not go out behind a failure.
                self.wire.forget();
                Err(Broken::Session(failure(other)))
            }
        }
    }

    /// Says QUIT and waits for the answer, though not long.
    pub(crate) async fn quit(mut self) {
        let Some(idle) = self.idle.take() else { return };
        self.call(&mut Silent, |session, out| session.quit(idle, out));
        let deadline = self.world.instant() + QUIT_TIMEOUT;
        // However it ends, nothing depends on it.
        let _ = timeout_at(deadline.into(), self.event(&mut Silent)).await;
    }

    /// Sends the content and its dot, and hears what the host makes of it. The whole of small content leaves
    /// in one write. What the host says before the dot is sent is no answer to it.
    async fn pour(
        &mut self,
        open: Open,
        content: &mut Outgoing,
        ear: Ear<'_>,
    ) -> Result<Event, ContentError> {
        if let Some(event) = self.take_in(ear) {
            return Ok(event);
        }
        loop {
            let chunk = match content.next(&self.world).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    self.wire.forget();
                    self.call(ear, Session::abandon);
                    return Err(error);
                }
            };
            for piece in chunk.chunks(CONTENT_PIECE_OCTETS) {
                let is_full = self.wire.unsent() >= CONTENT_PIECE_OCTETS || !self.session.takes_content();
                if is_full && let Some(event) = self.wait(ear, For::Room).await {
                    return Ok(event);
                }
                self.call(ear, |session, out| session.content(&open, piece, out));
            }
        }
        if !self.session.takes_content()
            && let Some(event) = self.wait(ear, For::Room).await
        {
            return Ok(event);
        }
        self.call(ear, |session, out| session.dot(&open, out));
        if let Some(event) = self.wait(ear, For::Sent).await {
            return Ok(event);
        }
        self.call(ear, |session, out| session.end_of_content(open, out));
        Ok(self.event(ear).await)
    }

    /// Sends what waits and hears the host, until the engine has an event.
    async fn event(&mut self, ear: Ear<'_>) -> Event {
        loop {
            if let Some(event) = self.wait(ear, For::Event).await {
                return event;
            }
        }
    }

    /// Sends what waits and hears the host meanwhile: until there is an event, or the goal is reached.
    async fn wait(&mut self, ear: Ear<'_>, goal: For) -> Option<Event> {
        loop {
            if let Some(event) = self.take_in(ear) {
                return Some(event);
            }
            let is_there = match goal {
                For::Event => false,
                For::Sent => self.wire.unsent() == 0,
                For::Room => self.wire.unsent() == 0 && self.session.takes_content(),
            };
            if is_there {
                return None;
            }
            // The engine always has a deadline while it waits; without one there is nothing to wait for.
            let deadline = self.session.deadline().unwrap_or_else(|| self.world.instant());
            match timeout_at(deadline.into(), poll_fn(|cx| self.wire.poll_move(cx))).await {
                Ok(Moved::Sent | Moved::Came) => {}
                Ok(Moved::Ended) => return Some(self.call(ear, Session::end_of_input)),
                Ok(Moved::Stuck) => return Some(self.last_words(ear).await),
                Err(_) => return Some(self.call(ear, Session::timed_out)),
            }
        }
    }

    /// The host takes no more from us. It may have said why before it went.
    async fn last_words(&mut self, ear: Ear<'_>) -> Event {
        let deadline = self.world.instant() + LAST_WORDS_TIMEOUT;
        loop {
            if let Some(event) = self.take_in(ear) {
                return event;
            }
            match timeout_at(deadline.into(), poll_fn(|cx| self.wire.poll_read(cx))).await {
                Ok(Moved::Came) => {}
                _ => return self.call(ear, Session::end_of_input),
            }
        }
    }

    /// Gives the engine what has come, up to the first event.
    fn take_in(&mut self, ear: Ear<'_>) -> Option<Event> {
        let mut came = std::mem::take(self.wire.came());
        let (mut consumed, mut event) = (0, None);
        while consumed < came.len() && event.is_none() {
            let step = self.call(ear, |session, out| session.receive(&came[consumed..], out));
            consumed += step.consumed;
            event = Some(step.event).filter(|event| *event != Event::NeedInput);
        }
        came.drain(..consumed);
        *self.wire.came() = came;
        event
    }

    fn call<T>(&mut self, ear: Ear<'_>, act: impl FnOnce(&mut Session, &mut Out<'_>) -> T) -> T {
        let mut out = Out { now: self.world.instant(), wire: self.wire.outgoing(), dialogue: ear };
        act(&mut self.session, &mut out)
    }
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// Something of the engine's.
    Event,
    /// The end of what is to be sent, or an event.
    Sent,
    /// Room for more content, which by BDAT may need an answer first (RFC 3030 §2), or an event.
    Room,
}

/// Why the session is over.
fn failure(event: Event) -> Failure {
    match event {
        Event::Failed(failure) => failure,
        // The engine gives no other event here.
        _ => over(),
    }
}

/// The failure of a connection that was over before.
fn over() -> Failure {
    Failure { stage: Stage::Idle, kind: FailureKind::Disconnected, reply: None, fates: Vec::new() }
}

#[cfg(test)]
mod tests;

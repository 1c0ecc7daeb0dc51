//! One conversation with a client: reads octets, hands them to the engine, carries out what it asks for.
//!
//! It understands none of the octets and decides nothing. [`Conversation::select`] is the only place that
//! waits, for one thing at a time beside the deadline and the server's stop; [`Conversation::apply`] is the
//! only place that acts. A commit under way is waited for even when the peer is gone: then the message is
//! accepted and the 250 unsent, one possible duplicate, which RFC 1047 names.

mod content;
mod feeding;
mod forwarded;
mod questions;
mod setup;
mod transaction;
mod turn;
mod wire;

pub(crate) use wire::Wire;

use crate::intake::{Intake, NotFiled};
use crate::limits::{FLUSH_LINGER, STOP_WRITE_TIMEOUT, WRITE_TIMEOUT};
use crate::listen::{Purpose, Seat, Stream};
use crate::server::{Server, Settings, Stop, told};
use crate::story::Telling;
use forwarded::{Forwarded, Presented};
use postrider_journal::event::Accepted;
use postrider_mail::{Greeting, Peer, Reply, SessionId, Text};
use postrider_policy::admit::Fact;
use postrider_policy::expand::Expansion;
use postrider_queue::Receipt;
use postrider_smtp::command::RcptTo;
use postrider_smtp::server::{Asked, Close, Connect, Expand, Manners, Rcpt, Session, Turn, Verify};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use transaction::Transaction;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the conversation waits for.
enum Waiting {
    /// The moment to greet.
    Greeting {
        asked: Asked<Connect>,
        at: Instant,
        /// Whether it would be noticed that the peer speaks before.
        listening: bool,
    },
    /// Octets from the peer.
    Input,
    /// Who stands behind a recipient.
    Fact(Asked<Rcpt>, RcptTo, Work<Fact<Expansion>>),
    /// The answer to VRFY.
    Verify(Asked<Verify>, Work<Reply>),
    /// The answer to EXPN.
    Expand(Asked<Expand>, Work<Reply>),
    /// The answer to ETRN.
    Turn(Asked<Turn>, Work<Reply>),
    /// Content on its way to a file.
    Spill(Work<io::Result<(Intake, io::Result<()>)>>),
    /// The commit.
    Commit(Asked<Close>, Work<Result<Receipt, NotFiled>>),
    /// Nothing but the last octets to be sent.
    Close,
}

/// What ended the waiting.
enum Woke {
    GreetingDue,
    Interrupted,
    Readable,
    Sent,
    Fact(Fact<Expansion>),
    Reply(Reply),
    Spilled(io::Result<(Intake, io::Result<()>)>),
    Filed(Result<Receipt, NotFiled>),
    /// Replies have waited long enough for company.
    FlushDue,
    DeadlinePassed,
    Stop,
    Broken(io::Error),
}

/// One conversation.
pub(crate) struct Conversation {
    server: Server,
    settings: Arc<Settings>,
    /// Where the connection comes from; a proxy that speaks for others by XCLIENT stays known by it.
    connection: IpAddr,
    /// For whom this is decided.
    peer: Peer,
    purpose: Purpose,
    id: SessionId,
    session: Session<Receipt>,
    wire: Wire,
    waiting: Waiting,
    flush_due: bool,
    /// Input waits until replies are sent.
    held_back: bool,
    story: Telling,
    greeting: Option<Greeting>,
    /// How a proxy's client introduced itself there.
    presented_as: Presented,
    /// Who sent the next message, by a filter's word.
    forwarded: Option<Box<Forwarded>>,
    /// Whether there was a pause before the greeting, or none was due.
    greeted_before: bool,
    /// What the story knows of the peer's.
    manners: Manners,
    /// ETRN commands carried out.
    turns: u32,
    transaction: Option<Box<Transaction>>,
    /// What is being committed, for the story.
    accepting: Option<Box<Accepted>>,
    stop: watch::Receiver<Stop>,
    /// What it was told already.
    stopping: Stop,
    /// How the conversation will have ended, for its story.
    ending: &'static str,
    /// Why the peer cannot be spoken to any more, while a commit is waited for.
    lost: Option<Text>,
    /// When the replies that wait now must have been taken.
    send_by: Option<Instant>,
    seat: Seat,
}

/// A connection that was accepted, and what is known of it before the first word.
pub(crate) struct Arrived {
    pub(crate) stream: Stream,
    /// What was read behind a proxy's introduction.
    pub(crate) read: Vec<u8>,
    pub(crate) peer: Peer,
    pub(crate) purpose: Purpose,
    pub(crate) seat: Seat,
}

impl Conversation {
    pub(crate) fn new(server: Server, arrived: Arrived, stop: watch::Receiver<Stop>) -> Self {
        let Arrived { stream, read, peer, purpose, seat } = arrived;
        let settings = server.settings();
        let setup = setup::setup(&settings, &peer, peer.ip(), server.world.now());
        let id = server.world.session_id();
        let story = server.stories.session(id, peer.address());
        Self {
            session: Session::new(setup, server.world.instant()),
            server,
            settings,
            connection: peer.ip(),
            peer,
            purpose,
            id,
            wire: Wire::new(stream, read),
            waiting: Waiting::Input,
            flush_due: false,
            held_back: false,
            story,
            greeting: None,
            presented_as: Presented::default(),
            forwarded: None,
            greeted_before: false,
            manners: Manners::default(),
            turns: 0,
            transaction: None,
            accepting: None,
            stop,
            stopping: Stop::No,
            ending: "with the reply above",
            lost: None,
            send_by: None,
            seat,
        }
    }

    /// Holds the conversation to its end.
    pub(crate) async fn run(mut self) {
        tracing::debug!(session = %self.id, peer = %self.peer.address(), "connected");
        if let Some(proxy) = self.peer.told_by() {
            self.story.note(format!("by the PROXY protocol, {proxy} speaks for {}", self.peer.address()));
        }
        self.look();
        if self.advance().is_continue() {
            loop {
                let woke = self.select().await;
                if self.apply(woke).is_break() {
                    break;
                }
            }
        }
        self.story.hand_over();
        self.wire.close().await;
    }

    /// Waits. Unsent replies are sent before anything is read, and soon while machinery works.
    async fn select(&mut self) -> Woke {
        // A socket that never runs dry is ready at once each time: its worker has others to look after.
        tokio::task::coop::consume_budget().await;
        let unsent = self.wire.has_unsent() && self.lost.is_none();
        let must_send = unsent && (self.flush_due || matches!(self.waiting, Waiting::Input | Waiting::Close));
        // However slowly a peer takes them: replies have their time from the first that waits.
        self.send_by = if unsent { self.send_by } else { None };
        let deadline = if must_send {
            let latest = self.server.world.instant() + WRITE_TIMEOUT;
            *self.send_by.get_or_insert(latest)
        } else {
            self.session.deadline()
        };
        let next = if self.stopping == Stop::No { Stop::Soon } else { Stop::Now };
        let patient = must_send || matches!(self.waiting, Waiting::Input);
        let woke = async {
            if must_send {
                return match self.wire.send().await {
                    Ok(()) => Woke::Sent,
                    Err(error) => Woke::Broken(error),
                };
            }
            match &mut self.waiting {
                Waiting::Greeting { at, listening, .. } => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until((*at).into()) => Woke::GreetingDue,
                    readable = self.wire.readable(), if *listening => match readable {
                        Ok(()) => Woke::Interrupted,
                        Err(error) => Woke::Broken(error),
                    },
                },
                Waiting::Input | Waiting::Close => match self.wire.readable().await {
                    Ok(()) => Woke::Readable,
                    Err(error) => Woke::Broken(error),
                },
                Waiting::Fact(_, _, work) => Woke::Fact(work.await),
                Waiting::Verify(_, work) | Waiting::Expand(_, work) | Waiting::Turn(_, work) => {
                    Woke::Reply(work.await)
                }
                Waiting::Spill(work) => Woke::Spilled(work.await),
                Waiting::Commit(_, work) => Woke::Filed(work.await),
            }
        };
        tokio::select! {
            biased;
            () = told(&mut self.stop, next), if self.stopping < Stop::Now => Woke::Stop,
            woke = woke => woke,
            () = tokio::time::sleep(FLUSH_LINGER), if unsent && !must_send => Woke::FlushDue,
            () = tokio::time::sleep_until(deadline.into()), if patient => Woke::DeadlinePassed,
        }
    }

    /// Acts.
    fn apply(&mut self, woke: Woke) -> ControlFlow<()> {
        match woke {
            Woke::Sent => {
                self.flush_due = self.wire.has_unsent() && self.flush_due;
                if self.wire.has_unsent() {
                    return ControlFlow::Continue(());
                }
                return match self.waiting {
                    Waiting::Close => ControlFlow::Break(()),
                    Waiting::Input if self.held_back => self.advance(),
                    _ => ControlFlow::Continue(()),
                };
            }
            Woke::FlushDue => {
                self.flush_due = true;
                return ControlFlow::Continue(());
            }
            Woke::Broken(error) => return self.peer_lost(format!("the connection broke: {error}")),
            Woke::DeadlinePassed if self.wire.has_unsent() => {
                return self.peer_lost("the peer did not read our replies");
            }
            Woke::DeadlinePassed => {
                self.ending = "nothing complete came in time";
                self.with_session(Session::timed_out);
            }
            Woke::Stop => {
                self.stopping = *self.stop.borrow();
                self.ending = "the server stopped";
                if self.transaction.is_none() {
                    // Nothing is lost with a peer that does not read its 421.
                    self.send_by = Some(self.server.world.instant() + STOP_WRITE_TIMEOUT);
                }
                match self.stopping {
                    Stop::Now => self.with_session(Session::cut_off),
                    Stop::Soon | Stop::No => self.with_session(Session::last_call),
                }
                // Who is made to wait for a greeting hears at once that there is nothing to wait for.
                self.greet();
                if !matches!(self.waiting, Waiting::Input) {
                    return ControlFlow::Continue(());
                }
            }
            Woke::GreetingDue => self.greet(),
            Woke::Interrupted => return self.interrupted(),
            Woke::Readable => return self.read(),
            Woke::Fact(fact) => self.fact_came(fact),
            Woke::Reply(reply) => self.reply_came(&reply),
            Woke::Spilled(spilled) => self.spilled(spilled),
            Woke::Filed(filed) => {
                self.filed(filed);
                if let Some(why) = self.lost.take() {
                    return self.peer_lost(why);
                }
            }
        }
        self.advance()
    }

    /// The peer cannot be spoken to any more: ends, unless a commit is under way. That is waited for, so
    /// that its story is told and what it lent is delivered.
    fn peer_lost(&mut self, why: impl Into<Text>) -> ControlFlow<()> {
        let why = why.into();
        if matches!(self.waiting, Waiting::Commit(..)) {
            self.lost = Some(why);
            return ControlFlow::Continue(());
        }
        self.closed(why);
        ControlFlow::Break(())
    }
}

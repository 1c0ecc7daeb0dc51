//! One conversation with a client: reads octets, hands them to the engine, carries out what it asks for.
//!
//! It understands none of the octets and decides nothing. [`Conversation::select`] is the only place that
//! waits, for one thing at a time beside the deadline and the server's stop; [`Conversation::apply`] is the
//! only place that acts. A commit under way is waited for even when the peer is gone: then the message is
//! accepted and the 250 unsent, one possible duplicate, which RFC 1047 names.

mod questions;
mod transaction;
mod wire;

use crate::intake::{Intake, NotFiled};
use crate::limits::{FLUSH_LINGER, STOP_WRITE_TIMEOUT, WRITE_TIMEOUT};
use crate::listen::Seat;
use crate::server::{Server, Settings, Stop, told};
use crate::story::Telling;
use postrider_journal::What;
use postrider_journal::event::Accepted;
use postrider_mail::{Greeting, Peer, Reply, Service, SessionId, Text};
use postrider_policy::admit::Fact;
use postrider_policy::expand::Expansion;
use postrider_queue::Receipt;
use postrider_smtp::Out;
use postrider_smtp::command::RcptTo;
use postrider_smtp::extension::Extensions;
use postrider_smtp::limits::REPLIES_WAITING_OCTETS_MAX;
use postrider_smtp::server::{
    Asked, BareNewlines, Close, Dialect, Event, Expand, LongLines, Rcpt, Session, Setup, Verify,
};
use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::watch;
use transaction::Transaction;
use wire::Wire;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the conversation waits for.
enum Waiting {
    /// Octets from the peer.
    Input,
    /// Who stands behind a recipient.
    Fact(Asked<Rcpt>, RcptTo, Work<Fact<Expansion>>),
    /// The answer to VRFY.
    Verify(Asked<Verify>, Work<Reply>),
    /// The answer to EXPN.
    Expand(Asked<Expand>, Work<Reply>),
    /// Content on its way to a file.
    Spill(Work<io::Result<(Intake, io::Result<()>)>>),
    /// The commit.
    Commit(Asked<Close>, Work<Result<Receipt, NotFiled>>),
    /// Nothing but the last octets to be sent.
    Close,
}

/// What ended the waiting.
enum Woke {
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
    peer: Peer,
    id: SessionId,
    session: Session<Receipt>,
    wire: Wire,
    waiting: Waiting,
    flush_due: bool,
    /// Input waits until replies are sent.
    held_back: bool,
    story: Telling,
    greeting: Option<Greeting>,
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

impl Conversation {
    pub(crate) fn new(
        server: Server,
        stream: TcpStream,
        peer: Peer,
        seat: Seat,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        let settings = server.settings();
        let setup = Setup {
            hostname: settings.hostname.clone(),
            banner: settings.banner.clone(),
            dialect: match peer.service() {
                Service::Mta => Dialect::Smtp,
                Service::Lmtp => Dialect::Lmtp,
            },
            content_octets_max: settings.content_octets_max,
            recipients_max: settings.recipients_max,
            extensions: Extensions::default(),
            long_lines: LongLines::default(),
            bare_newlines: BareNewlines::default(),
        };
        let id = server.world.session_id();
        let story = server.stories.session(id, peer.address());
        Self {
            session: Session::new(Arc::new(setup), server.world.instant()),
            server,
            settings,
            peer,
            id,
            wire: Wire::new(stream),
            waiting: Waiting::Input,
            flush_due: false,
            held_back: false,
            story,
            greeting: None,
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
                Waiting::Input | Waiting::Close => match self.wire.readable().await {
                    Ok(()) => Woke::Readable,
                    Err(error) => Woke::Broken(error),
                },
                Waiting::Fact(_, _, work) => Woke::Fact(work.await),
                Waiting::Verify(_, work) | Waiting::Expand(_, work) => Woke::Reply(work.await),
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
                if !matches!(self.waiting, Waiting::Input) {
                    return ControlFlow::Continue(());
                }
            }
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

    /// Gives the engine what was read and is not consumed yet.
    fn advance(&mut self) -> ControlFlow<()> {
        let mut input = self.wire.take_pending();
        let (consumed, flow) = self.feed(&input);
        input.drain(..consumed);
        self.wire.put_back(input);
        flow
    }

    /// Reads into the worker's buffer and gives it to the engine from there; what it leaves is kept.
    fn read(&mut self) -> ControlFlow<()> {
        if self.wire.has_pending() {
            return match self.wire.read_more() {
                Ok(end_of_input) => {
                    if end_of_input {
                        self.end_of_input();
                    }
                    self.advance()
                }
                Err(error) => self.apply(Woke::Broken(error)),
            };
        }
        wire::with_scratch(|scratch| match self.wire.try_read(scratch) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(octets)) => {
                if octets == 0 {
                    self.end_of_input();
                }
                let (consumed, flow) = self.feed(&scratch[..octets]);
                self.wire.put_back(scratch[consumed..octets].to_vec());
                flow
            }
            Err(error) => self.apply(Woke::Broken(error)),
        })
    }

    /// Runs the engine over `input` until it waits for something. It also stops when replies enough have
    /// gathered: then the rest of the input waits until they are sent.
    fn feed(&mut self, input: &[u8]) -> (usize, ControlFlow<()>) {
        let mut consumed = 0;
        self.waiting = Waiting::Input;
        self.held_back = false;
        loop {
            let mut out = Out {
                now: self.server.world.instant(),
                wire: self.wire.outgoing(),
                dialogue: &mut self.story,
            };
            let step = self.session.receive(&input[consumed..], &mut out);
            consumed += step.consumed;
            match step.event {
                Event::NeedInput => {
                    self.held_back = self.wire.outgoing().len() >= REPLIES_WAITING_OCTETS_MAX;
                    break;
                }
                Event::Content(octets) => self.content(octets),
                Event::TransactionOver => self.transaction = None,
                Event::Ask(question) => self.asked(question),
                Event::Closed => {
                    self.closed(self.ending);
                    self.waiting = Waiting::Close;
                    let flow = if self.wire.has_unsent() {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    };
                    return (consumed, flow);
                }
            }
            if !matches!(self.waiting, Waiting::Input) {
                break;
            }
        }
        (consumed, ControlFlow::Continue(()))
    }

    fn with_session(&mut self, act: impl FnOnce(&mut Session<Receipt>, &mut Out<'_>)) {
        let mut out =
            Out { now: self.server.world.instant(), wire: self.wire.outgoing(), dialogue: &mut self.story };
        act(&mut self.session, &mut out);
    }

    fn end_of_input(&mut self) {
        self.ending = "the peer closed its side";
        self.session.end_of_input();
    }

    fn closed(&mut self, why: impl Into<Text>) {
        let why = why.into();
        tracing::debug!(session = %self.id, peer = %self.peer.address(), %why, "closed");
        self.transaction = None;
        self.story.add(What::Closed { why });
    }
}

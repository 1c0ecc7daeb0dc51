//! Octets to the engine and back: what was read is given to it, what it leaves is kept.

use super::{Conversation, Waiting, Woke, wire};
use postrider_journal::What;
use postrider_mail::Text;
use postrider_policy::admit::EarlyTalkers;
use postrider_queue::Receipt;
use postrider_smtp::Out;
use postrider_smtp::limits::REPLIES_WAITING_OCTETS_MAX;
use postrider_smtp::server::{Event, Question, Session};
use std::ops::ControlFlow;

impl Conversation {
    /// Gives the engine what was read and is not consumed yet.
    pub(super) fn advance(&mut self) -> ControlFlow<()> {
        let mut input = self.wire.take_pending();
        let (consumed, flow) = self.feed(&input);
        input.drain(..consumed);
        self.wire.put_back(input);
        flow
    }

    /// Where who speaks before the greeting is refused, and no pause would show it: looks at what has come already.
    /// A system call for each connection, which else nobody pays.
    pub(super) fn look(&mut self) {
        let refuses = self.settings.rules.early_talkers == EarlyTalkers::Refuse;
        if refuses && self.settings.smtp.greet_pause.is_zero() && !self.wire.has_pending() {
            // A connection that is broken is found so when the greeting is sent.
            let _ = self.wire.read_now();
        }
    }

    /// Reads into the worker's buffer and gives it to the engine from there; what it leaves is kept.
    pub(super) fn read(&mut self) -> ControlFlow<()> {
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

    /// Somebody talks, or goes, while it should wait for the greeting. What it said is kept for its turn, and
    /// nothing more is read before that.
    pub(super) fn interrupted(&mut self) -> ControlFlow<()> {
        match self.wire.read_more() {
            Err(error) => return self.apply(Woke::Broken(error)),
            Ok(end_of_input) => {
                if end_of_input {
                    self.end_of_input();
                }
                if let Waiting::Greeting { listening, .. } = &mut self.waiting {
                    *listening = !end_of_input && !self.wire.has_pending();
                }
            }
        }
        let early = self.wire.take_pending();
        self.notice(&early);
        self.wire.put_back(early);
        ControlFlow::Continue(())
    }

    /// Lets the engine see what came before the greeting. It consumes nothing.
    fn notice(&mut self, early: &[u8]) {
        if !early.is_empty() {
            self.with_session(|session, out| {
                session.receive(early, out);
            });
        }
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
                Event::TransactionOver => self.transaction_over(),
                Event::Ask(question) => {
                    if matches!(question, Question::Connect(_)) {
                        self.notice(&input[consumed..]);
                    }
                    self.asked(question);
                }
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

    pub(super) fn with_session(&mut self, act: impl FnOnce(&mut Session<Receipt>, &mut Out<'_>)) {
        let mut out =
            Out { now: self.server.world.instant(), wire: self.wire.outgoing(), dialogue: &mut self.story };
        act(&mut self.session, &mut out);
    }

    fn end_of_input(&mut self) {
        self.ending = "the peer closed its side";
        self.session.end_of_input();
    }

    pub(super) fn closed(&mut self, why: impl Into<Text>) {
        let why = why.into();
        tracing::debug!(session = %self.id, peer = %self.peer.address(), %why, "closed");
        self.transaction = None;
        self.story.add(What::Closed { why });
    }
}

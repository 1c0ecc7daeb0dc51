//! What an answered question leads to.

use super::content::Incoming;
use super::question::{Answer, Answered};
use super::state::{Pending, Phase, State, Transaction};
use super::{Dialect, Gate, Session, words};
use crate::dialogue::Out;
use crate::limits::SERVER_TRANSACTION_TIMEOUT;
use postrider_mail::{Class, Protocol, Refusal, Reply, Text};

impl<R> Session<R> {
    /// Goes on from an answered question.
    pub(super) fn apply(&mut self, pending: Pending, answer: Answer, out: &mut Out<'_>) {
        match answer.0 {
            Answered::Gate(Gate::Accept) => self.accepted(pending, None, out),
            Answered::Gate(Gate::AcceptSaying(reply)) => {
                let said = Some(reply).filter(|reply| reply.class() == Class::Completed);
                self.accepted(pending, said.as_deref(), out);
            }
            Answered::Gate(Gate::Refuse(refusal)) => self.refused(pending, refusal, out),
            Answered::Gate(Gate::HangUp(refusal)) => {
                self.hang_up(&refusal, out);
            }
            Answered::Queued(id) => self.queued(&pending, &id, out),
            Answered::Words(reply) => self.accepted(pending, Some(&reply), out),
        }
    }

    /// `said`: in place of our own words.
    fn accepted(&mut self, pending: Pending, said: Option<&Reply>, out: &mut Out<'_>) {
        self.state = match pending {
            Pending::Connect => {
                self.say(&words::greeting(&self.setup), out);
                State::Command(Phase::Stranger)
            }
            Pending::Hello(protocol, _) => {
                self.protocol = protocol;
                self.say(&words::hello(&self.setup, protocol), out);
                State::Command(Phase::Greeted)
            }
            Pending::Mail(announced) => {
                self.say_instead(said, words::mail_accepted, out);
                let deadline = out.now + SERVER_TRANSACTION_TIMEOUT;
                State::Command(Phase::Open(Transaction { announced, accepted: 0, surplus: 0, deadline }))
            }
            Pending::Rcpt(mut transaction) => {
                self.say_instead(said, words::rcpt_accepted, out);
                transaction.accepted += 1;
                State::Command(Phase::Open(transaction))
            }
            Pending::Open(transaction) => {
                self.say(&words::go_ahead(), out);
                State::Content(transaction, Incoming::new(self.setup.bare_newlines))
            }
            Pending::Chunk(transaction, chunk) => return self.opened_by_chunk(transaction, chunk, None),
            // Only a proof answers a Close with yes.
            Pending::Close(_) => State::Over,
            Pending::LookUp(phase) => {
                self.say_instead(said, words::noop, out);
                State::Command(phase)
            }
            // The peer is another from now on, and is greeted as such.
            Pending::Xclient(_) => {
                self.protocol = Protocol::Smtp;
                State::Fresh
            }
            Pending::Xforward(phase) => {
                self.say_instead(said, words::noted, out);
                State::Command(phase)
            }
        };
    }

    fn refused(&mut self, pending: Pending, refusal: Refusal, out: &mut Out<'_>) {
        if let Pending::Chunk(transaction, chunk) = pending {
            return self.opened_by_chunk(transaction, chunk, Some(refusal));
        }
        for _ in 0..self.replies_to(&pending) {
            self.say(refusal.reply(), out);
        }
        self.state = match pending {
            Pending::Connect | Pending::Chunk(..) => State::Ended,
            Pending::Hello(_, false) => State::Command(Phase::Stranger),
            Pending::Hello(_, true) => State::Command(Phase::Greeted),
            Pending::Mail(_) => State::Command(Phase::MailRefused),
            Pending::Rcpt(transaction) | Pending::Open(transaction) => {
                State::Command(Phase::Open(transaction))
            }
            Pending::Close(_) => State::Over,
            Pending::LookUp(phase) | Pending::Xclient(phase) | Pending::Xforward(phase) => {
                State::Command(phase)
            }
        };
    }

    fn queued(&mut self, pending: &Pending, id: &Text, out: &mut Out<'_>) {
        let reply = words::queued(id);
        self.commands = 0;
        for _ in 0..self.replies_to(pending) {
            self.say(&reply, out);
        }
        self.state = State::Over;
    }

    fn say_instead(&self, said: Option<&Reply>, ours: fn() -> Reply, out: &mut Out<'_>) {
        match said {
            Some(reply) => self.say(reply, out),
            None => self.say(&ours(), out),
        }
    }

    fn replies_to(&self, pending: &Pending) -> u32 {
        match pending {
            Pending::Close(transaction) => self.replies_to_content(transaction),
            _ => 1,
        }
    }

    /// LMTP answers the content once for each accepted recipient (RFC 2033 §4.2).
    pub(super) fn replies_to_content(&self, transaction: &Transaction) -> u32 {
        if self.setup.dialect == Dialect::Lmtp { transaction.accepted } else { 1 }
    }
}

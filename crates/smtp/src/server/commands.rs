//! Order: which command is good in which phase, and what its answer leads to (RFC 5321 §4.1.4).

use super::question::{Answer, Answered};
use super::{
    Asked, Dialect, Event, Gate, Incoming, Pending, Phase, Question, Session, State, Transaction, words,
};
use crate::command::{self, Command, CommandError, MailFrom, RcptTo};
use crate::dialogue::Out;
use crate::extension::Extension;
use crate::limits::{SERVER_TRANSACTION_TIMEOUT, SURPLUS_RECIPIENTS_MAX};
use crate::line::Fault;
use postrider_mail::{Greeting, HeloName, Protocol, Reply, Text};

impl<R> Session<R> {
    pub(super) fn command<'i>(&mut self, phase: Phase, line: &[u8], out: &mut Out<'_>) -> Option<Event<'i>> {
        match command::parse(line) {
            Ok(Command::Helo(name)) => self.hello(phase, Protocol::Smtp, name, out),
            Ok(Command::Ehlo(name)) => self.hello(phase, Protocol::Esmtp, name, out),
            Ok(Command::Lhlo(name)) => self.hello(phase, Protocol::Lmtp, name, out),
            Ok(Command::Mail(mail)) => self.mail(phase, mail, out),
            Ok(Command::Rcpt(rcpt)) => self.rcpt(phase, rcpt, out),
            Ok(Command::Data) => self.data(phase, out),
            Ok(Command::Rset) => self.reset(phase, out),
            Ok(Command::Vrfy(what)) => self.ask(Pending::LookUp(phase), Question::Verify(Asked::new(), what)),
            Ok(Command::Expn(what)) => self.ask(Pending::LookUp(phase), Question::Expand(Asked::new(), what)),
            Ok(Command::Noop) => {
                self.say(&words::noop(), out);
                None
            }
            Ok(Command::Help(topic)) => {
                self.say(&words::help(topic.as_ref(), self.setup.dialect), out);
                None
            }
            Ok(Command::Quit) => {
                self.say(&words::goodbye(&self.setup.hostname), out);
                self.state = State::Ended;
                None
            }
            Err(CommandError::ForeignProtocol) => {
                self.hang_up(&words::foreign_protocol(), out);
                None
            }
            Err(error) => {
                if matches!(phase, Phase::Greeted)
                    && line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"MAIL"))
                {
                    self.state = State::Command(Phase::MailRefused);
                }
                self.error(&words::command_error(&error, self.setup.dialect), out);
                None
            }
        }
    }

    pub(super) fn fault(&mut self, fault: Fault, out: &mut Out<'_>) {
        match fault {
            Fault::TlsHello => self.hang_up(&words::tls_hello(), out),
            fault => self.error(&words::fault(fault), out),
        }
    }

    fn ask<'i>(&mut self, pending: Pending, question: Question) -> Option<Event<'i>> {
        self.state = State::Asked(pending);
        Some(Event::Ask(question))
    }

    fn hello<'i>(
        &mut self,
        phase: Phase,
        protocol: Protocol,
        name: HeloName,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let wanted = if protocol == Protocol::Lmtp { Dialect::Lmtp } else { Dialect::Smtp };
        if wanted != self.setup.dialect {
            self.error(&words::other_dialect(self.setup.dialect), out);
            return None;
        }
        let greeting = Greeting { protocol, name };
        match phase {
            // A greeting clears the transaction, as RSET does (RFC 5321 §4.1.4).
            Phase::Open(_) => {
                self.state = State::HelloNext(Box::new(greeting));
                Some(Event::TransactionOver)
            }
            Phase::Stranger | Phase::Greeted | Phase::MailRefused => {
                let greeted = !matches!(phase, Phase::Stranger);
                self.ask(Pending::Hello(protocol, greeted), Question::Hello(Asked::new(), greeting))
            }
        }
    }

    fn mail<'i>(&mut self, phase: Phase, mail: MailFrom, out: &mut Out<'_>) -> Option<Event<'i>> {
        match phase {
            Phase::Stranger => self.error(&words::hello_first(self.setup.dialect), out),
            Phase::Open(_) => self.error(&words::nested_mail(), out),
            Phase::Greeted | Phase::MailRefused
                if mail.size.is_some_and(|size| size > self.setup.content_octets_max) =>
            {
                self.say(words::content_too_large(self.setup.content_octets_max).reply(), out);
                self.state = State::Command(Phase::MailRefused);
            }
            Phase::Greeted | Phase::MailRefused => {
                return self.ask(Pending::Mail, Question::Mail(Asked::new(), mail));
            }
        }
        None
    }

    fn rcpt<'i>(&mut self, phase: Phase, rcpt: RcptTo, out: &mut Out<'_>) -> Option<Event<'i>> {
        let Phase::Open(mut transaction) = phase else {
            self.no_mail("RCPT", phase, out);
            return None;
        };
        if transaction.accepted < self.setup.recipients_max {
            return self.ask(Pending::Rcpt(transaction), Question::Rcpt(Asked::new(), rcpt));
        }
        transaction.surplus += 1;
        if transaction.surplus > SURPLUS_RECIPIENTS_MAX {
            self.hang_up(&words::far_too_many_recipients(&self.setup.hostname), out);
        } else {
            self.say(words::too_many_recipients(self.setup.recipients_max).reply(), out);
            self.state = State::Command(Phase::Open(transaction));
        }
        None
    }

    fn data<'i>(&mut self, phase: Phase, out: &mut Out<'_>) -> Option<Event<'i>> {
        match phase {
            Phase::Open(transaction) if transaction.accepted > 0 => {
                self.ask(Pending::Open(transaction), Question::Open(Asked::new()))
            }
            // Refused recipients were all there was: no error of the client's (RFC 5321 §3.3, RFC 2033 §4.2).
            Phase::Open(_) => {
                self.say(&words::no_recipients(), out);
                None
            }
            Phase::Stranger | Phase::Greeted | Phase::MailRefused => {
                self.no_mail("DATA", phase, out);
                None
            }
        }
    }

    fn reset<'i>(&mut self, phase: Phase, out: &mut Out<'_>) -> Option<Event<'i>> {
        self.say(&words::reset(), out);
        match phase {
            Phase::Open(_) => {
                self.state = State::Command(Phase::Greeted);
                Some(Event::TransactionOver)
            }
            Phase::MailRefused => {
                self.state = State::Command(Phase::Greeted);
                None
            }
            Phase::Stranger | Phase::Greeted => None,
        }
    }

    fn no_mail(&mut self, verb: &str, phase: Phase, out: &mut Out<'_>) {
        let reply = words::mail_first(verb);
        match phase {
            Phase::MailRefused => self.say(&reply, out),
            _ => self.error(&reply, out),
        }
    }

    /// Goes on from an answered question.
    pub(super) fn apply(&mut self, pending: Pending, answer: Answer, out: &mut Out<'_>) {
        let (gate, queued) = match answer.0 {
            Answered::Gate(gate) => (gate, None),
            Answered::Queued(id) => (Gate::Accept, Some(id)),
            Answered::Words(reply) => {
                self.say(&reply, out);
                (Gate::Accept, None)
            }
        };
        match gate {
            Gate::Accept => self.accepted(pending, queued, out),
            Gate::HangUp(refusal) => self.hang_up(&refusal, out),
            Gate::Refuse(refusal) => {
                for _ in 0..self.replies_to(pending) {
                    self.say(refusal.reply(), out);
                }
                self.state = match pending {
                    Pending::Connect => State::Ended,
                    Pending::Hello(_, false) => State::Command(Phase::Stranger),
                    Pending::Hello(_, true) => State::Command(Phase::Greeted),
                    Pending::Mail => State::Command(Phase::MailRefused),
                    Pending::Rcpt(transaction) | Pending::Open(transaction) => {
                        State::Command(Phase::Open(transaction))
                    }
                    Pending::Close(_) => State::Over(Box::new(State::Command(Phase::Greeted))),
                    Pending::LookUp(phase) => State::Command(phase),
                };
            }
        }
    }

    fn accepted(&mut self, pending: Pending, queued: Option<Text>, out: &mut Out<'_>) {
        self.state = match pending {
            Pending::Connect => {
                self.say(&words::greeting(&self.setup), out);
                State::Command(Phase::Stranger)
            }
            Pending::Hello(protocol, _) => {
                let extensions = Extension::offered(self.setup.content_octets_max);
                self.say(&words::hello(&self.setup.hostname, protocol, &extensions), out);
                State::Command(Phase::Greeted)
            }
            Pending::Mail => {
                self.say(&words::mail_accepted(), out);
                let deadline = out.now + SERVER_TRANSACTION_TIMEOUT;
                State::Command(Phase::Open(Transaction { accepted: 0, surplus: 0, deadline }))
            }
            Pending::Rcpt(mut transaction) => {
                self.say(&words::rcpt_accepted(), out);
                transaction.accepted += 1;
                State::Command(Phase::Open(transaction))
            }
            Pending::Open(transaction) => {
                self.say(&words::go_ahead(), out);
                State::Content(transaction, Incoming::new())
            }
            Pending::Close(_) => {
                // `Query::answer` gives the id with every acceptance of a Close.
                let reply: Reply = words::queued(&queued.unwrap_or_default());
                for _ in 0..self.replies_to(pending) {
                    self.say(&reply, out);
                }
                State::Over(Box::new(State::Command(Phase::Greeted)))
            }
            Pending::LookUp(phase) => State::Command(phase),
        };
    }

    /// LMTP answers the content once for each accepted recipient (RFC 2033 §4.2).
    fn replies_to(&self, pending: Pending) -> u32 {
        match pending {
            Pending::Close(transaction) if self.setup.dialect == Dialect::Lmtp => transaction.accepted,
            _ => 1,
        }
    }
}

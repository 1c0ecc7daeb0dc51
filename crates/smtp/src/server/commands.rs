//! Order: which command is good in which phase (RFC 5321 §4.1.4).

use super::state::{Announced, Pending, Phase, State};
use super::{Asked, Dialect, Event, Question, Session, help, words};
use crate::command::{self, Chunk, Command, MailFrom, RcptTo, TurnNode};
use crate::dialogue::Out;
use crate::forward::Attributes;
use crate::limits::{COMMANDS_PER_MESSAGE_MAX, SURPLUS_RECIPIENTS_MAX};
use postrider_mail::{Body, Greeting, HeloName, Protocol, Reply};

impl<R> Session<R> {
    /// Carries out one line; `hurried`: more input stood behind it.
    pub(super) fn command<'i>(
        &mut self,
        phase: Phase,
        line: &[u8],
        hurried: bool,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(error) => return self.mistake(phase, line, &error, out),
        };
        if hurried {
            self.notice_hurry(&command);
        }
        if !brings_mail(&command) {
            self.commands += 1;
            if self.commands > COMMANDS_PER_MESSAGE_MAX {
                return self.hang_up(&words::too_many_commands(&self.setup.hostname), out);
            }
        }
        self.utf8 = takes_utf8(&phase, &command);
        match command {
            Command::Helo(name) => self.hello(phase, Protocol::Smtp, name, out),
            Command::Ehlo(name) => self.hello(phase, Protocol::Esmtp, name, out),
            Command::Lhlo(name) => self.hello(phase, Protocol::Lmtp, name, out),
            Command::Mail(mail) => self.mail(phase, mail, out),
            Command::Rcpt(rcpt) => self.rcpt(phase, rcpt, line.is_ascii(), out),
            Command::Data => self.data(phase, out),
            Command::Bdat(chunk) => self.bdat(phase, chunk, out),
            Command::Rset => self.reset(phase, out),
            Command::Vrfy(what) => self.ask(Pending::LookUp(phase), Question::Verify(Asked::new(), what)),
            Command::Expn(what) => self.ask(Pending::LookUp(phase), Question::Expand(Asked::new(), what)),
            Command::Noop => self.go_on(phase, &words::noop(), out),
            Command::Help(topic) => {
                let reply = help::help(topic.as_ref(), &self.setup);
                self.go_on(phase, &reply, out)
            }
            Command::Quit => {
                self.say(&words::goodbye(&self.setup.hostname), out);
                None
            }
            Command::Etrn(node) => self.turn(phase, node, out),
            Command::Xclient(told) => self.xclient(phase, told, out),
            Command::Xforward(told) => self.xforward(phase, told, out),
        }
    }

    /// A group of commands ends with one whose reply is awaited (RFC 2920 §3.1); without EHLO every command
    /// is awaited. XFORWARD may stand before MAIL in its group (XFORWARD_README).
    fn notice_hurry(&mut self, command: &Command) {
        let is_last = match command {
            Command::Quit => false,
            Command::Mail(_) | Command::Rcpt(_) | Command::Rset | Command::Bdat(_) | Command::Xforward(_) => {
                self.protocol == Protocol::Smtp
            }
            _ => true,
        };
        if is_last {
            self.manners.hurried(command.verb());
        }
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
            return self.error(phase, &words::other_dialect(self.setup.dialect), out);
        }
        let greeting = Greeting { protocol, name };
        match phase {
            // A greeting clears the transaction, as RSET does (RFC 5321 §4.1.4).
            Phase::Open(_) | Phase::Chunks(..) => {
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
            Phase::Stranger => self.error(phase, &words::hello_first(self.setup.dialect), out),
            Phase::Open(_) | Phase::Chunks(..) => self.error(phase, &words::nested_mail(), out),
            Phase::Greeted | Phase::MailRefused => {
                if let Some(parameter) = mail.parameters().find(|parameter| !self.offers(*parameter)) {
                    let reply = words::not_offered(parameter.keyword(), self.protocol);
                    return self.error(Phase::MailRefused, &reply, out);
                }
                if let Some(refusal) = self.cannot_be_kept(&mail) {
                    return self.go_on(Phase::MailRefused, refusal.reply(), out);
                }
                let binary = mail.body == Some(Body::BinaryMime);
                let announced = Announced { smtputf8: mail.smtputf8, binary };
                self.ask(Pending::Mail(announced), Question::Mail(Asked::new(), mail))
            }
        }
    }

    fn rcpt<'i>(
        &mut self,
        phase: Phase,
        rcpt: RcptTo,
        is_ascii: bool,
        out: &mut Out<'_>,
    ) -> Option<Event<'i>> {
        let mut transaction = match phase {
            Phase::Open(transaction) => transaction,
            Phase::Chunks(..) => return self.error(phase, &words::content_begun("RCPT"), out),
            _ => return self.no_mail("RCPT", phase, out),
        };
        if let Some(parameter) = rcpt.parameters().find(|parameter| !self.offers(*parameter)) {
            let reply = words::not_offered(parameter.keyword(), self.protocol);
            return self.error(Phase::Open(transaction), &reply, out);
        }
        if !is_ascii && !transaction.announced.smtputf8 {
            return self.go_on(Phase::Open(transaction), words::not_ascii().reply(), out);
        }
        if transaction.accepted < self.setup.recipients_max {
            return self.ask(Pending::Rcpt(transaction), Question::Rcpt(Asked::new(), rcpt));
        }
        transaction.surplus += 1;
        if transaction.surplus > SURPLUS_RECIPIENTS_MAX {
            return self.hang_up(&words::far_too_many_recipients(&self.setup.hostname), out);
        }
        let refusal = words::too_many_recipients(self.setup.recipients_max);
        self.go_on(Phase::Open(transaction), refusal.reply(), out)
    }

    fn data<'i>(&mut self, phase: Phase, out: &mut Out<'_>) -> Option<Event<'i>> {
        match phase {
            // RFC 3030 §3: content without lines cannot go by DATA.
            Phase::Open(transaction) if transaction.announced.binary => {
                self.error(phase, &words::binary_needs_bdat(), out)
            }
            Phase::Open(transaction) if transaction.accepted > 0 => {
                self.ask(Pending::Open(transaction), Question::Open(Asked::new()))
            }
            // Refused recipients were all there was: no error of the client's (RFC 5321 §3.3, RFC 2033 §4.2).
            Phase::Open(_) => self.go_on(phase, &words::no_recipients(), out),
            Phase::Chunks(..) => self.error(phase, &words::content_begun("DATA"), out),
            Phase::Stranger | Phase::Greeted | Phase::MailRefused => self.no_mail("DATA", phase, out),
        }
    }

    /// Whatever the answer, the octets that are announced come, and are no commands (RFC 3030 §2).
    fn bdat<'i>(&mut self, phase: Phase, chunk: Chunk, out: &mut Out<'_>) -> Option<Event<'i>> {
        let (is_error, reply) = match phase {
            Phase::Greeted | Phase::MailRefused | Phase::Open(_) if !self.offers_chunks() => {
                (true, words::no_verb("BDAT"))
            }
            Phase::Open(transaction) if transaction.accepted > 0 => {
                return self.first_chunk(transaction, chunk, out);
            }
            Phase::Chunks(transaction, chunks) => {
                return self.next_chunk(transaction, chunks, chunk, out);
            }
            Phase::Open(_) => (false, words::no_recipients()),
            Phase::MailRefused => (false, words::mail_first("BDAT")),
            Phase::Stranger | Phase::Greeted => (true, words::mail_first("BDAT")),
        };
        self.pass_over(phase, chunk.octets, is_error, reply, out)
    }

    fn reset<'i>(&mut self, phase: Phase, out: &mut Out<'_>) -> Option<Event<'i>> {
        let (phase, event) = match phase {
            Phase::Open(_) | Phase::Chunks(..) => (Phase::Greeted, Some(Event::TransactionOver)),
            Phase::MailRefused => (Phase::Greeted, None),
            Phase::Stranger | Phase::Greeted => (phase, None),
        };
        self.say(&words::reset(), out);
        self.state = State::Command(phase);
        event
    }

    /// Why ETRN, XCLIENT or XFORWARD cannot be asked about now: they are offered, or not, and stand outside a
    /// transaction.
    fn barred(&self, phase: &Phase, verb: &str, offered: bool) -> Option<Reply> {
        match phase {
            _ if !offered => Some(words::no_verb(verb)),
            Phase::Open(_) | Phase::Chunks(..) => Some(words::transaction_open(verb)),
            Phase::Stranger | Phase::Greeted | Phase::MailRefused => None,
        }
    }

    fn turn<'i>(&mut self, phase: Phase, node: TurnNode, out: &mut Out<'_>) -> Option<Event<'i>> {
        if let Some(reply) = self.barred(&phase, "ETRN", self.setup.extensions.etrn) {
            return self.error(phase, &reply, out);
        }
        if matches!(phase, Phase::Stranger) {
            return self.error(phase, &words::hello_first(self.setup.dialect), out);
        }
        self.ask(Pending::LookUp(phase), Question::Turn(Asked::new(), node))
    }

    fn xclient<'i>(&mut self, phase: Phase, told: Box<Attributes>, out: &mut Out<'_>) -> Option<Event<'i>> {
        if let Some(reply) = self.barred(&phase, "XCLIENT", self.setup.extensions.xclient) {
            return self.error(phase, &reply, out);
        }
        self.ask(Pending::Xclient(phase), Question::Xclient(Asked::new(), told))
    }

    fn xforward<'i>(&mut self, phase: Phase, told: Box<Attributes>, out: &mut Out<'_>) -> Option<Event<'i>> {
        if let Some(reply) = self.barred(&phase, "XFORWARD", self.setup.extensions.xforward) {
            return self.error(phase, &reply, out);
        }
        self.ask(Pending::Xforward(phase), Question::Xforward(Asked::new(), told))
    }

    fn no_mail<'i>(&mut self, verb: &str, phase: Phase, out: &mut Out<'_>) -> Option<Event<'i>> {
        let reply = words::mail_first(verb);
        match phase {
            Phase::MailRefused => self.go_on(phase, &reply, out),
            _ => self.error(phase, &reply, out),
        }
    }
}

/// Whether a command is bounded by the transaction it stands in, or ends the session.
fn brings_mail(command: &Command) -> bool {
    matches!(command, Command::Rcpt(_) | Command::Data | Command::Bdat(_) | Command::Quit)
}

/// Whether the client has said, with this command or in its transaction, that it understands UTF-8 in the reply
/// (RFC 6531 §3.7.4.2).
fn takes_utf8(phase: &Phase, command: &Command) -> bool {
    match (command, phase) {
        (Command::Vrfy(sought) | Command::Expn(sought), _) => sought.smtputf8,
        (Command::Rcpt(_), Phase::Open(transaction)) => transaction.announced.smtputf8,
        _ => false,
    }
}

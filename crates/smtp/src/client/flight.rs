//! One transaction under way: which command waits for its reply, and what became of each recipient.
//!
//! Commands go in the order [RSET] MAIL RCPT… DATA: all in one write where PIPELINING is offered (RFC 2920
//! §3.1), else one at a time. Where content goes by BDAT, there is no DATA. It does not know the session around
//! it.

use super::offer::Offer;
use super::outcome::{Answer, FailureKind, Fate, Outcome, PassedOn, Stage, Transaction};
use super::room::Room;
use super::sending::Sending;
use super::{terms, words};
use crate::dialogue::{Line, Out};
use crate::limits::{
    CLIENT_COMMAND_TIMEOUT, CLIENT_DATA_TIMEOUT, CLIENT_ENVELOPE_TIMEOUT, CLIENT_MAIL_TIMEOUT,
    CLIENT_RCPT_TIMEOUT, REPLY_KEPT_OCTETS_MAX,
};
use postrider_mail::{Body, Refusal, Reply, Text};
use std::time::{Duration, Instant};

/// The command whose reply comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Reset,
    Mail,
    /// For the recipient at this index.
    Rcpt(usize),
    Data,
}

/// How the transaction goes on after a reply.
pub(super) enum Next {
    /// Another reply is to come.
    Wait,
    /// The peer waits for content.
    Content,
    /// The peer waits for content that nobody is to get, and has said so in this reply.
    LoneDot(Reply),
    /// It is over, and every fate decided.
    Finished {
        /// The peer may still have an open transaction.
        needs_reset: bool,
    },
    /// So is the session.
    Failed(FailureKind, Reply),
}

#[derive(Debug)]
pub(super) struct Flight {
    /// With those parameters only that are offered.
    transaction: Transaction,
    pipelining: bool,
    body_undeclared: bool,
    passed_on: PassedOn,
    awaited: Command,
    /// When the envelope must be done, however lively the peer.
    until: Instant,
    mail_refusal: Option<Refusal>,
    /// Recipients taken at RCPT whose fate is still undecided, in order.
    taken: Vec<usize>,
    fates: Vec<Fate>,
}

impl Flight {
    /// Decides what can be decided from the offer alone; nothing is sent yet.
    pub(super) fn new(mut transaction: Transaction, offer: &Offer, room: &mut Room, now: Instant) -> Self {
        let mut fates = terms::verdicts(&transaction, offer);
        room.admit(&transaction, &mut fates);
        let body_undeclared = !offer.eight_bit_mime && transaction.mail.body == Some(Body::EightBitMime);
        terms::settle(&mut transaction, offer, &fates);
        Self {
            pipelining: offer.pipelining,
            body_undeclared,
            passed_on: offer.passes_on(),
            awaited: Command::Mail,
            until: now + CLIENT_ENVELOPE_TIMEOUT,
            mail_refusal: None,
            taken: Vec::new(),
            fates,
            transaction,
        }
    }

    /// Whether there is no recipient to ask the peer for.
    pub(super) fn is_decided(&self) -> bool {
        self.undecided_from(0).is_none()
    }

    /// Sends the first command, or all of them.
    pub(super) fn start(&mut self, needs_reset: bool, out: &mut Out<'_>) {
        self.awaited = if needs_reset { Command::Reset } else { Command::Mail };
        let mut next = Some(self.awaited);
        while let Some(command) = next {
            self.send(command, out);
            next = self.after(command).filter(|_| self.pipelining);
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.awaited {
            Command::Reset => Stage::Reset,
            Command::Mail => Stage::Mail,
            Command::Rcpt(_) => Stage::Rcpt,
            Command::Data => Stage::Data,
        }
    }

    /// When the awaited reply must have come, if it is awaited from `now` and no longer than `patience`.
    pub(super) fn deadline(&self, now: Instant, patience: Duration) -> Instant {
        let timeout = match self.awaited {
            Command::Reset => CLIENT_COMMAND_TIMEOUT,
            Command::Mail => CLIENT_MAIL_TIMEOUT,
            Command::Rcpt(_) => CLIENT_RCPT_TIMEOUT,
            Command::Data => CLIENT_DATA_TIMEOUT,
        };
        self.until.min(now + timeout.min(patience))
    }

    /// Takes the reply to the awaited command.
    pub(super) fn replied(&mut self, reply: Reply, out: &mut Out<'_>) -> Next {
        match (self.awaited, Answer::from(kept(reply))) {
            (_, Answer::Closing(refusal)) => return Next::Failed(FailureKind::Closing, refusal.into()),
            (Command::Data, Answer::GoOn(reply)) => return self.invited(reply),
            (Command::Data, Answer::No(refusal)) => return self.refused_at_data(&refusal),
            (Command::Data, Answer::Yes(reply)) | (_, Answer::GoOn(reply)) => {
                return Next::Failed(FailureKind::OutOfTurn, reply);
            }
            (Command::Reset, Answer::No(refusal)) => {
                return Next::Failed(FailureKind::Refused, refusal.into());
            }
            (Command::Reset | Command::Mail, Answer::Yes(_)) => {}
            (Command::Mail, Answer::No(refusal)) => {
                self.mail_refusal = Some(refusal);
                if !self.pipelining {
                    return Next::Finished { needs_reset: false };
                }
            }
            (Command::Rcpt(index), Answer::Yes(_)) => self.taken.push(index),
            // Behind a refused MAIL, a refused RCPT says nothing of its recipient.
            (Command::Rcpt(_), Answer::No(_)) if self.mail_refusal.is_some() => {}
            (Command::Rcpt(index), Answer::No(refusal)) => {
                self.fates[index] = Fate::refused_at_rcpt(refusal, !self.taken.is_empty());
            }
        }
        self.go_on(out)
    }

    /// What follows the reply to the awaited command, if that ended nothing.
    fn go_on(&mut self, out: &mut Out<'_>) -> Next {
        let next = self.after(self.awaited);
        let nobody = self.taken.is_empty() || self.mail_refusal.is_some();
        match next {
            None if nobody => return Next::Finished { needs_reset: true },
            None => return Next::Content,
            Some(Command::Data) if !self.pipelining && nobody => {
                return Next::Finished { needs_reset: true };
            }
            Some(command) => self.awaited = command,
        }
        if !self.pipelining {
            self.send(self.awaited, out);
        }
        Next::Wait
    }

    /// How the content goes, now that the peer waits for it.
    pub(super) fn sending(&self) -> Sending {
        if self.is_binary() { Sending::chunks(self.pipelining) } else { Sending::lines() }
    }

    /// Whether the content goes by BDAT.
    pub(super) fn is_binary(&self) -> bool {
        self.transaction.mail.body == Some(Body::BinaryMime)
    }

    /// The peer says 354. With every recipient refused, a lone dot ends what pipelining began (RFC 2920
    /// §3.1); but where the peer took a recipient for a MAIL it refused, even a dot could become a message.
    fn invited(&self, reply: Reply) -> Next {
        match (self.taken.is_empty(), &self.mail_refusal) {
            (true, _) => Next::LoneDot(reply),
            (false, None) => Next::Content,
            (false, Some(_)) => Next::Failed(FailureKind::OutOfTurn, reply),
        }
    }

    fn refused_at_data(&mut self, refusal: &Refusal) -> Next {
        if self.mail_refusal.is_none() {
            for index in std::mem::take(&mut self.taken) {
                self.fates[index] = Fate::Refused { stage: Stage::Data, refusal: refusal.clone() };
            }
        }
        Next::Finished { needs_reset: self.mail_refusal.is_none() }
    }

    /// The recipients taken at RCPT, for the replies after the final dot.
    pub(super) fn taken(&mut self) -> std::vec::IntoIter<usize> {
        std::mem::take(&mut self.taken).into_iter()
    }

    /// Records what became of recipients that were taken.
    pub(super) fn decide_all(&mut self, taken: impl IntoIterator<Item = usize>, fate: &Fate) {
        for index in taken {
            self.fates[index] = fate.clone();
        }
    }

    /// The fates as they stand.
    pub(super) fn fates(mut self) -> Vec<Fate> {
        if let Some(refusal) = self.mail_refusal {
            for fate in self.fates.iter_mut().filter(|fate| matches!(fate, Fate::Undecided)) {
                *fate = Fate::Refused { stage: Stage::Mail, refusal: refusal.clone() };
            }
        }
        self.fates
    }

    pub(super) fn outcome(self) -> Outcome {
        let (body_undeclared, passed_on) = (self.body_undeclared, self.passed_on);
        Outcome { fates: self.fates(), body_undeclared, passed_on }
    }

    /// The command that follows, unless the envelope ends with this one.
    fn after(&self, command: Command) -> Option<Command> {
        let from = match command {
            Command::Reset => return Some(Command::Mail),
            Command::Mail => 0,
            Command::Rcpt(index) => index + 1,
            Command::Data => return None,
        };
        let rcpt = self.undecided_from(from).map(Command::Rcpt);
        rcpt.or_else(|| (!self.is_binary()).then_some(Command::Data))
    }

    fn undecided_from(&self, from: usize) -> Option<usize> {
        (from..self.fates.len()).find(|&index| matches!(self.fates[index], Fate::Undecided))
    }

    fn send(&self, command: Command, out: &mut Out<'_>) {
        send(out, |wire| match command {
            Command::Reset => wire.extend_from_slice(b"RSET"),
            Command::Mail => words::mail(&self.transaction.mail, wire),
            Command::Rcpt(index) => {
                words::rcpt(&self.transaction.recipients[index], self.transaction.mail.smtputf8, wire);
            }
            Command::Data => wire.extend_from_slice(b"DATA"),
        });
    }
}

/// Appends one command line to the wire and tells the dialogue.
pub(super) fn send(out: &mut Out<'_>, command: impl FnOnce(&mut Vec<u8>)) {
    let start = out.wire.len();
    command(out.wire);
    out.dialogue.line(Line::Command(&out.wire[start..]));
    out.wire.extend_from_slice(b"\r\n");
}

/// The reply as an outcome keeps it: the whole lines that fit [`REPLY_KEPT_OCTETS_MAX`], the first always.
pub(super) fn kept(reply: Reply) -> Reply {
    let mut octets = 0;
    let fits = |line: &&Text| -> bool {
        octets += line.as_str().len();
        octets <= REPLY_KEPT_OCTETS_MAX
    };
    let count = reply.lines().iter().take_while(fits).count().max(1);
    if count == reply.lines().len() {
        return reply;
    }
    Reply::of_lines(reply.code(), reply.enhanced(), reply.lines()[..count].iter().cloned())
}

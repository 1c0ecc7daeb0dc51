//! The engine's questions: carried to policy, the directory and intake, and their answers back.

use super::transaction::Transaction;
use super::{Conversation, Waiting};
use crate::facts::{self, Fetched};
use crate::intake::{self, Intake, NotFiled, Submission};
use crate::lookup;
use postrider_journal::What;
use postrider_journal::event::Accepted;
use postrider_journal::limits::RECIPIENTS_LISTED_MAX;
use postrider_mail::{Code, Enhanced, Greeting, HeloName, Protocol, Refusal, Reply};
use postrider_policy::admit::{self, Admission, Fact, Facts, Need};
use postrider_policy::expand::Expansion;
use postrider_policy::{Decision, Verdict};
use postrider_queue::Receipt;
use postrider_smtp::command::RcptTo;
use postrider_smtp::server::{Asked, Close, Filed, Gate, Open, Query, Question, Rcpt};
use std::io;

impl Conversation {
    pub(super) fn asked(&mut self, question: Question) {
        match question {
            Question::Connect(asked) => {
                let verdict = self.connect_verdict();
                let gate = self.gate("connect", verdict);
                self.answer(asked, gate);
            }
            Question::Hello(asked, greeting) => {
                self.greeting = Some(greeting);
                self.answer(asked, Gate::Accept);
            }
            Question::Mail(asked, mail) => {
                self.transaction = Some(Box::new(Transaction::new(mail, self.server.world.now())));
                self.answer(asked, Gate::Accept);
            }
            Question::Rcpt(asked, rcpt) => self.recipient(asked, rcpt, Fact::Missing),
            Question::Open(asked) => self.open(asked),
            Question::Close(asked) => self.close(asked),
            Question::Verify(asked, what) => {
                let work = lookup::verify(&self.server, &self.settings, &what);
                self.waiting = Waiting::Verify(asked, Box::pin(work));
            }
            Question::Expand(asked, what) => {
                let work = lookup::expand(&self.server, &self.settings, &what);
                self.waiting = Waiting::Expand(asked, Box::pin(work));
            }
            Question::Turn(asked, _) => self.answer(asked, not_here("ETRN").into()),
            Question::Xclient(asked, _) => self.answer(asked, Gate::Refuse(not_here("XCLIENT"))),
            Question::Xforward(asked, _) => self.answer(asked, Gate::Refuse(not_here("XFORWARD"))),
        }
    }

    fn answer<Q: Query<Receipt>>(&mut self, asked: Asked<Q>, answer: Q::Answer) {
        self.waiting = Waiting::Input;
        self.with_session(|session, out| session.answer(asked, answer, out));
    }

    fn connect_verdict(&self) -> Verdict {
        let facts = Facts { sessions_of_peer: self.seat.sessions_of_peer(), ..Facts::default() };
        decided(admit::admit(&self.settings.rules, &facts, admit::Question::Connect(&self.peer)))
    }

    /// Tells the story of a verdict, unless it is the plain yes to a connection, and turns it into a gate.
    fn gate(&mut self, question: &str, verdict: Verdict) -> Gate {
        if question != "connect" || verdict.decision != Decision::Accept {
            self.story.verdict(question, &verdict);
        }
        if let Decision::Refuse(refusal) | Decision::Disconnect(refusal) = &verdict.decision {
            tracing::info!(session = %self.id, peer = %self.peer.address(), question, reply = refusal.to_string(), reason = verdict.reason.to_string(), "refused");
        }
        match verdict.decision {
            Decision::Accept => Gate::Accept,
            Decision::Refuse(refusal) => Gate::Refuse(refusal),
            Decision::Disconnect(refusal) => Gate::HangUp(refusal),
        }
    }

    fn recipient(&mut self, asked: Asked<Rcpt>, rcpt: RcptTo, directory: Fact<Expansion>) {
        let facts = Facts { directory, ..Facts::default() };
        let question = admit::Question::Recipient { peer: &self.peer, path: &rcpt.forward_path };
        match admit::admit(&self.settings.rules, &facts, question) {
            Admission::Need(Need::Directory(address)) => {
                match facts::directory(&self.server, &self.settings, address) {
                    Fetched::Now(fact) => self.recipient(asked, rcpt, fact),
                    Fetched::Later(work) => self.waiting = Waiting::Fact(asked, rcpt, work),
                }
            }
            Admission::Verdict(verdict) => {
                let question = format!("RCPT TO:<{}>", rcpt.forward_path);
                let mut gate = self.gate(&question, verdict);
                if gate == Gate::Accept
                    && let Some(transaction) = &mut self.transaction
                    && let Err(refusal) = transaction.add(&rcpt, facts)
                {
                    gate = Gate::Refuse(refusal);
                }
                self.answer(asked, gate);
            }
        }
    }

    pub(super) fn fact_came(&mut self, fact: Fact<Expansion>) {
        // A fact that comes as unavailable is decided on; only a missing one is asked for.
        if let Waiting::Fact(asked, rcpt, _) = std::mem::replace(&mut self.waiting, Waiting::Input) {
            self.recipient(asked, rcpt, fact);
        }
    }

    pub(super) fn reply_came(&mut self, reply: &Reply) {
        match std::mem::replace(&mut self.waiting, Waiting::Input) {
            Waiting::Verify(asked, _) => self.answer(asked, reply.clone()),
            Waiting::Expand(asked, _) => self.answer(asked, reply.clone()),
            other => self.waiting = other,
        }
    }

    fn open(&mut self, asked: Asked<Open>) {
        if let Err(poisoned) = self.server.queue.health() {
            self.story.note(poisoned.to_string());
            return self.answer(asked, Gate::Refuse(out_of_order()));
        }
        let id = self.server.world.queue_id();
        if let Some(transaction) = &mut self.transaction {
            transaction.intake = Some(Intake::begin(&self.server, id));
        }
        self.answer(asked, Gate::Accept);
    }

    /// Pours content into the draft; a draft that wants to go to disk is sent there before more is read.
    pub(super) fn content(&mut self, octets: &[u8]) {
        let Some(transaction) = &mut self.transaction else { return };
        let Some(intake) = &mut transaction.intake else { return };
        if let Some(refusal) = intake.pour(octets) {
            transaction.intake = None;
            return self.session.spoil(refusal);
        }
        if intake.wants_flush()
            && let Some(mut intake) = transaction.intake.take()
        {
            let server = self.server.clone();
            let write = move || {
                let result = intake.flush();
                (intake, result)
            };
            self.waiting = Waiting::Spill(Box::pin(async move {
                server.drafting(write).await.map_err(|_| io::Error::other("the write was given up"))
            }));
        }
    }

    pub(super) fn spilled(&mut self, spilled: io::Result<(Intake, io::Result<()>)>) {
        let error = match spilled {
            Ok((intake, Ok(()))) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.intake = Some(intake);
                }
                return;
            }
            Ok((_, Err(error))) | Err(error) => error,
        };
        let not_filed = intake::disk(&error);
        self.story.note(not_filed.why);
        self.session.spoil(not_filed.refusal);
    }

    fn close(&mut self, asked: Asked<Close>) {
        let whole = self.transaction.take().and_then(|transaction| transaction.close());
        let Some((intake, envelope)) = whole else {
            return self.answer(asked, Filed::Refused(out_of_order()));
        };
        let hops = intake.header().hops;
        let verdict =
            decided(admit::admit(&self.settings.rules, &Facts::default(), admit::Question::Message { hops }));
        match self.gate("the message", verdict) {
            Gate::Accept => {}
            Gate::Refuse(refusal) => return self.answer(asked, Filed::Refused(refusal)),
            Gate::HangUp(refusal) => return self.answer(asked, Filed::HangUp(refusal)),
        }
        let submission = Submission {
            envelope,
            peer: self.peer.clone(),
            greeting: self.greeting.clone().unwrap_or_else(unannounced),
            session: self.id,
            hostname: self.settings.hostname.clone(),
            received_at: self.server.world.now(),
            // Who may send anywhere counts as a user of ours; a stranger's host tells its own user.
            delay_notices: self.settings.rules.relay.network(self.peer.ip()).is_some(),
        };
        let recipients = &submission.envelope.recipients;
        let listed = recipients.len().min(RECIPIENTS_LISTED_MAX);
        self.accepting = Some(Box::new(Accepted {
            id: intake.id(),
            reverse_path: submission.envelope.reverse_path.clone(),
            recipients: recipients[..listed].iter().map(|recipient| recipient.address.clone()).collect(),
            recipients_unlisted: u32::try_from(recipients.len() - listed).unwrap_or(u32::MAX),
            message_id: intake.header().message_id,
            octets: intake.size(),
        }));
        let server = self.server.clone();
        self.waiting =
            Waiting::Commit(asked, Box::pin(async move { intake::file(&server, intake, submission).await }));
    }

    pub(super) fn filed(&mut self, filed: Result<Receipt, NotFiled>) {
        let Waiting::Commit(asked, _) = std::mem::replace(&mut self.waiting, Waiting::Input) else { return };
        let accepting = self.accepting.take();
        match filed {
            Ok(receipt) => {
                if let Some(accepted) = accepting {
                    tracing::info!(id = %accepted.id, session = %self.id, peer = %self.peer.address(), from = %accepted.reverse_path, recipients = accepted.recipients.len() + accepted.recipients_unlisted as usize, octets = accepted.octets, "accepted");
                    self.story.add(What::Accepted(accepted));
                }
                self.answer(asked, Filed::Queued(receipt));
                self.story.hand_over();
            }
            Err(NotFiled { refusal, why, hang_up }) => {
                tracing::warn!(session = %self.id, peer = %self.peer.address(), reply = refusal.to_string(), why = why.as_str(), "not accepted");
                self.story.note(why);
                let filed = if hang_up { Filed::HangUp(refusal) } else { Filed::Refused(refusal) };
                self.answer(asked, filed);
            }
        }
    }
}

/// The questions that need no fact are decided at once.
fn decided(admission: Admission) -> Verdict {
    match admission {
        Admission::Verdict(verdict) => verdict,
        Admission::Need(need) => Verdict::refuse(
            "facts",
            format!("{need:?} is missing"),
            Code::of(451),
            Enhanced::of(4, 3, 0),
            "this cannot be decided now; please try again later",
        ),
    }
}

fn not_here(verb: &str) -> Refusal {
    Refusal::of(Code::of(550), Enhanced::of(5, 7, 1), format!("{verb} is not for you"))
}

fn out_of_order() -> Refusal {
    Refusal::of(
        Code::of(451),
        Enhanced::of(4, 3, 0),
        "mail cannot be stored here now; please try again later",
    )
}

fn unannounced() -> Greeting {
    Greeting { protocol: Protocol::Smtp, name: HeloName::none() }
}

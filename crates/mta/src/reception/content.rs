//! From the first octet of content to the commit.

use super::questions::decided;
use super::{Conversation, Waiting};
use crate::intake::{self, Intake, NotFiled, Submission};
use crate::limits::LINE_OCTETS_ALLOWED;
use postrider_journal::What;
use postrider_journal::event::Accepted;
use postrider_journal::limits::RECIPIENTS_LISTED_MAX;
use postrider_mail::{Code, Enhanced, Greeting, HeloName, Protocol, Refusal};
use postrider_policy::Decision;
use postrider_policy::admit::{self, Facts};
use postrider_queue::Receipt;
use postrider_smtp::server::{Asked, Close, Filed, Gate, Open};
use std::io;

impl Conversation {
    pub(super) fn open(&mut self, asked: Asked<Open>) {
        if let Err(poisoned) = self.server.queue.health() {
            self.story.note(poisoned.to_string());
            return self.answer(asked, Gate::Refuse(out_of_order()));
        }
        let verdict = decided(admit::admit(&self.settings.rules, &self.facts(), admit::Question::Open));
        if verdict.decision != Decision::Accept {
            let gate = self.gate("the content", verdict);
            return self.answer(asked, gate);
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

    pub(super) fn close(&mut self, asked: Asked<Close>) {
        self.tell_of_content();
        let whole = self.transaction.take().and_then(|transaction| transaction.close());
        let Some((intake, envelope, expanded)) = whole else {
            return self.answer(asked, Filed::Refused(out_of_order()));
        };
        let header = intake.header();
        let question = admit::Question::Message { hops: header.hops, solicitations: &header.solicitations };
        let verdict = decided(admit::admit(&self.settings.rules, &Facts::default(), question));
        match self.gate("the message", verdict) {
            Gate::Accept | Gate::AcceptSaying(_) => {}
            Gate::Refuse(refusal) => return self.answer(asked, Filed::Refused(refusal)),
            Gate::HangUp(refusal) => return self.answer(asked, Filed::HangUp(refusal)),
        }
        let greeting = self.greeting.clone().unwrap_or_else(unannounced);
        let submission = Submission {
            envelope,
            expanded,
            origin: self.forwarded.as_ref().map(|forwarded| forwarded.origin(&self.peer, &greeting)),
            peer: self.peer.clone(),
            greeting,
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
            message_id: header.message_id,
            octets: intake.size(),
        }));
        let server = self.server.clone();
        self.waiting =
            Waiting::Commit(asked, Box::pin(async move { intake::file(&server, intake, submission).await }));
    }

    /// Tells what is out of the ordinary in content that is whole.
    fn tell_of_content(&mut self) {
        let notes = self.session.content_notes();
        if notes.line_octets > LINE_OCTETS_ALLOWED {
            let octets = notes.line_octets;
            self.story.note(format!(
                "its longest line has {octets} octets, more than {LINE_OCTETS_ALLOWED}; it is kept as it is"
            ));
        }
        if notes.normalised {
            self.story.note("a CR or LF that stood alone has become CRLF");
        }
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

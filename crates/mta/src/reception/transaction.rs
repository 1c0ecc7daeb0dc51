//! What reception knows of a transaction: who sends to whom, and the draft once content comes.

use crate::intake::Intake;
use crate::limits::DESTINATIONS_MAX;
use postrider_mail::{Body, Code, Enhanced, Envelope, Recipient, Refusal, Requests, ReversePath, UnixMillis};
use postrider_policy::admit::{Facts, destinations};
use postrider_smtp::command::{MailFrom, RcptTo};

/// A transaction, from an accepted MAIL to its end.
pub(super) struct Transaction {
    reverse_path: ReversePath,
    body: Option<Body>,
    requests: Requests,
    recipients: Vec<Recipient>,
    pub(super) intake: Option<Intake>,
}

impl Transaction {
    /// What MAIL, which came at `now`, asks for.
    pub(super) fn new(mail: MailFrom, now: UnixMillis) -> Self {
        let requests = Requests {
            smtputf8: mail.smtputf8,
            ret: mail.ret,
            envid: mail.envid,
            by: mail.by.map(|by| by.from(now)),
            priority: mail.priority.unwrap_or_default(),
            release_at: mail.hold.map(|hold| hold.from(now)),
            solicit: mail.solicit,
        };
        let (reverse_path, body) = (mail.reverse_path, mail.body);
        Self { reverse_path, body, requests, recipients: Vec::new(), intake: None }
    }

    /// Adds what an accepted forward-path leads to, or says why there is no room for it.
    pub(super) fn add(&mut self, rcpt: &RcptTo, facts: Facts) -> Result<(), Refusal> {
        let destinations = destinations(facts, &rcpt.forward_path);
        if self.recipients.len() + destinations.len() > DESTINATIONS_MAX {
            return Err(Refusal::of(
                Code::of(452),
                Enhanced::of(4, 5, 3),
                "too many mailboxes stand behind these recipients; send the others afterwards",
            ));
        }
        self.recipients.extend(destinations.into_iter().map(|destination| Recipient {
            address: destination.address,
            given: rcpt.forward_path.clone(),
            via: destination.via,
            notify: rcpt.notify,
            orcpt: rcpt.orcpt.clone(),
        }));
        Ok(())
    }

    /// The draft and the envelope, when content was opened.
    pub(super) fn close(self) -> Option<(Intake, Envelope)> {
        let envelope = Envelope {
            reverse_path: self.reverse_path,
            body: self.body,
            requests: self.requests,
            recipients: self.recipients,
        };
        self.intake.map(|intake| (intake, envelope))
    }
}

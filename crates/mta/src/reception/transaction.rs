//! What reception knows of a transaction: who sends to whom, and the draft once content comes.

use crate::intake::Intake;
use crate::limits::DESTINATIONS_MAX;
use postrider_mail::{Body, Code, Enhanced, Envelope, ForwardPath, Recipient, Refusal, ReversePath};
use postrider_policy::admit::{Facts, destinations};
use postrider_smtp::command::MailFrom;

/// A transaction, from an accepted MAIL to its end.
pub(super) struct Transaction {
    reverse_path: ReversePath,
    body: Option<Body>,
    recipients: Vec<Recipient>,
    pub(super) intake: Option<Intake>,
}

impl Transaction {
    pub(super) fn new(mail: MailFrom) -> Self {
        Self { reverse_path: mail.reverse_path, body: mail.body, recipients: Vec::new(), intake: None }
    }

    /// Adds what an accepted forward-path leads to, or says why there is no room for it.
    pub(super) fn add(&mut self, given: &ForwardPath, facts: Facts) -> Result<(), Refusal> {
        let destinations = destinations(facts, given);
        if self.recipients.len() + destinations.len() > DESTINATIONS_MAX {
            return Err(Refusal::of(
                Code::of(452),
                Enhanced::of(4, 5, 3),
                "too many mailboxes stand behind these recipients; send the others afterwards",
            ));
        }
        self.recipients.extend(destinations.into_iter().map(|destination| Recipient {
            address: destination.address,
            given: given.clone(),
            via: destination.via,
        }));
        Ok(())
    }

    /// The draft and the envelope, when content was opened.
    pub(super) fn close(self) -> Option<(Intake, Envelope)> {
        let envelope =
            Envelope { reverse_path: self.reverse_path, body: self.body, recipients: self.recipients };
        self.intake.map(|intake| (intake, envelope))
    }
}

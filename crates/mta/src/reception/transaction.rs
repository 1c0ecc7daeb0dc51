//! What reception knows of a transaction: who sends to whom, and the draft once content comes.

use crate::intake::Intake;
use crate::limits::DESTINATIONS_MAX;
use postrider_mail::{
    Body, Code, Enhanced, Envelope, ForwardPath, Mailbox, Notify, OriginalRecipient, Recipient, Refusal,
    Requests, ReversePath, UnixMillis,
};
use postrider_policy::admit::{Facts, destinations};
use postrider_smtp::command::{MailFrom, RcptTo};

/// A transaction, from an accepted MAIL to its end.
pub(super) struct Transaction {
    reverse_path: ReversePath,
    body: Option<Body>,
    requests: Requests,
    recipients: Vec<Recipient>,
    /// Recipients as given, that several destinations stand for, and whose sender wants to hear of success.
    expanded: Vec<Recipient>,
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
        Self {
            reverse_path: mail.reverse_path,
            body: mail.body,
            requests,
            recipients: Vec::new(),
            expanded: Vec::new(),
            intake: None,
        }
    }

    /// Whether its client understands UTF-8 in replies (RFC 6531 §3.5).
    pub(super) fn takes_utf8(&self) -> bool {
        self.requests.smtputf8
    }

    /// Adds what an accepted forward-path, which means `address`, leads to, or says why there is no room for it.
    pub(super) fn add(&mut self, rcpt: RcptTo, address: &Mailbox, facts: Facts) -> Result<(), Refusal> {
        let destinations = destinations(facts, address);
        let RcptTo { forward_path: given, notify, orcpt } = rcpt;
        let is_expanded = destinations.len() > 1;
        let room = self.recipients.len() + self.expanded.len() + usize::from(is_expanded);
        if room + destinations.len() > DESTINATIONS_MAX {
            return Err(Refusal::of(
                Code::of(452),
                Enhanced::of(4, 5, 3),
                "too many mailboxes stand behind these recipients; send the others afterwards",
            ));
        }
        let goes_on = if is_expanded { notify.map(without_success) } else { notify };
        self.recipients.extend(destinations.into_iter().map(|destination| Recipient {
            orcpt: orcpt.clone().or_else(|| first_name(&given, address, &destination.address)),
            address: destination.address,
            given: given.clone(),
            via: destination.via,
            notify: goes_on,
        }));
        if is_expanded && notify.is_some_and(|notify| notify.wants(Notify::SUCCESS)) {
            self.expanded.push(Recipient { address: address.clone(), given, via: None, notify, orcpt });
        }
        Ok(())
    }

    /// The draft, the envelope, and the recipients that were expanded, when content was opened.
    pub(super) fn close(self) -> Option<(Intake, Envelope, Vec<Recipient>)> {
        let envelope = Envelope {
            reverse_path: self.reverse_path,
            body: self.body,
            requests: self.requests,
            recipients: self.recipients,
        };
        self.intake.map(|intake| (intake, envelope, self.expanded))
    }
}

/// The name to keep where the sender gave none and the address changes here, so that notices from further on
/// name a recipient that the sender knows (RFC 3461 §5.2.7.2).
fn first_name(given: &ForwardPath, address: &Mailbox, destination: &Mailbox) -> Option<OriginalRecipient> {
    let known_to_sender = given.mailbox().unwrap_or(address);
    Some(known_to_sender).filter(|known| *known != destination).and_then(OriginalRecipient::of)
}

/// What is asked of each address behind an alias: its success is the expansion, which is told here
/// (RFC 3461 §5.2.7.3). Who asked for nothing else is told nothing else.
fn without_success(notify: Notify) -> Notify {
    [Notify::FAILURE, Notify::DELAY]
        .into_iter()
        .filter(|one| notify.wants(*one))
        .fold(Notify::NEVER, Notify::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_policy::admit::Fact;
    use postrider_policy::expand::{Destination, Expansion};

    /// The recipients and the expanded ones, after one RCPT that leads to these.
    fn after(to: &[&str], notify: Option<&str>, orcpt: Option<&str>) -> (Vec<Recipient>, Vec<Recipient>) {
        let given: ForwardPath = "staff@local.example".parse().unwrap();
        let all =
            to.iter().map(|to| Destination { address: to.parse().unwrap(), via: given.mailbox().cloned() });
        let facts =
            Facts { directory: Fact::Known(Expansion::Destinations(all.collect())), ..Facts::default() };
        let rcpt = RcptTo {
            notify: notify.map(|notify| notify.parse().unwrap()),
            orcpt: orcpt.map(|orcpt| OriginalRecipient::from_xtext(orcpt).unwrap()),
            ..RcptTo::new(given.clone())
        };
        let mut transaction = Transaction::new(MailFrom::new(ReversePath::Null), UnixMillis::new(0));
        transaction.add(rcpt, given.mailbox().unwrap(), facts).unwrap();
        (transaction.recipients, transaction.expanded)
    }

    /// RFC 3461 §5.2.7.2
    #[test]
    fn one_address_behind_an_alias_takes_on_all_that_was_asked() {
        let (recipients, expanded) = after(&["ann@far.example"], Some("SUCCESS,FAILURE"), None);
        assert_eq!(recipients[0].notify.unwrap().to_string(), "SUCCESS,FAILURE");
        assert_eq!(recipients[0].orcpt.as_ref().unwrap().to_string(), "rfc822;staff@local.example");
        assert!(expanded.is_empty());
        let (recipients, _) = after(&["ann@far.example"], None, Some("rfc822;list@first.example"));
        assert_eq!(recipients[0].orcpt.as_ref().unwrap().to_string(), "rfc822;list@first.example");
        let (recipients, _) = after(&["staff@local.example"], None, None);
        assert_eq!(recipients[0].orcpt, None, "nothing changed, so nothing is made up");
    }

    /// RFC 3461 §5.2.7.3
    #[test]
    fn several_addresses_behind_an_alias_end_success_at_the_expansion() {
        let both = ["ann@far.example", "ben@far.example"];
        let (recipients, expanded) = after(&both, Some("SUCCESS,DELAY"), None);
        assert_eq!(recipients.iter().map(|one| one.notify).collect::<Vec<_>>(), [Some(Notify::DELAY); 2]);
        assert_eq!(expanded[0].address.to_string(), "staff@local.example");
        assert!(expanded[0].notify.unwrap().wants(Notify::SUCCESS));
        let (recipients, _) = after(&both, Some("SUCCESS"), None);
        assert_eq!(recipients[0].notify, Some(Notify::NEVER), "of failures its sender did not want to hear");
        for (notify, asked) in [(None, None), (Some("FAILURE"), Some(Notify::FAILURE))] {
            let (recipients, expanded) = after(&both, notify, None);
            assert_eq!((recipients[0].notify, expanded.len()), (asked, 0));
        }
    }
}

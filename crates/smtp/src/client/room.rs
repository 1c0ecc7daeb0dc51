//! What a session still has room for, by the LIMITS that the peer named (RFC 9422).

use super::offer::Limits;
use super::outcome::{Fate, Stage, Transaction};
use postrider_mail::{Code, Enhanced, ForwardPath, Refusal};
use std::collections::BTreeSet;

/// What was taken up so far. Nothing is remembered for a peer that names no limit.
#[derive(Debug, Default)]
pub(super) struct Room {
    limits: Limits,
    transactions: u32,
    /// Domains of recipients that the peer was asked for, by their A-labels.
    domains: BTreeSet<Box<str>>,
    is_spent: bool,
}

impl Room {
    pub(super) fn of(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether only another session can go on.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Leaves out the recipients that the limits have no room for: those beyond RCPTMAX go in another
    /// transaction, those of domains beyond RCPTDOMAINMAX in another session. A session that was spent before
    /// takes nobody.
    pub(super) fn admit(&mut self, transaction: &Transaction, fates: &mut [Fate]) {
        let was_spent = self.is_spent;
        let mut asked = 0;
        let undecided =
            transaction.recipients.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Undecided);
        for (rcpt, fate) in undecided {
            if was_spent {
                let text = "by its LIMITS, the next host takes no more in this session";
                *fate = Fate::Refused { stage: Stage::Offer, refusal: too_many(text.into()) };
            } else if let Some(max) = self.limits.rcpt_max.filter(|&max| asked >= max) {
                let text =
                    format!("by its LIMITS, the next host takes at most {max} recipients in one transaction");
                *fate = Fate::AnotherTransaction(too_many(text));
            } else if let Some(max) = self.over_domains(&rcpt.forward_path) {
                self.is_spent = true;
                let text = format!(
                    "by its LIMITS, the next host takes recipients of at most {max} domains in one session"
                );
                *fate = Fate::AnotherTransaction(too_many(text));
            } else {
                asked += 1;
            }
        }
    }

    /// A transaction is begun.
    pub(super) fn begun(&mut self) {
        self.transactions = self.transactions.saturating_add(1);
        self.is_spent |= self.limits.mail_max.is_some_and(|max| self.transactions >= max);
    }

    /// RCPTDOMAINMAX, where the domain of this path would be one too many; else it is counted.
    fn over_domains(&mut self, path: &ForwardPath) -> Option<u32> {
        let max = self.limits.rcpt_domain_max?;
        let domain = path.mailbox()?.host().key();
        if self.domains.contains(&*domain) {
            return None;
        }
        if u32::try_from(self.domains.len()).is_ok_and(|count| count < max) {
            self.domains.insert(domain.into());
            return None;
        }
        Some(max)
    }
}

/// 452 (RFC 5321 §4.5.3.1.10).
fn too_many(text: String) -> Refusal {
    Refusal::of(Code::of(452), Enhanced::of(4, 5, 3), text)
}

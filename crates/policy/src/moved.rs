//! Addresses whose users have moved, and where to: RCPT and VRFY say so with 551 (RFC 5321 §3.4).

use postrider_mail::Mailbox;
use std::collections::BTreeMap;

/// Old addresses and the new ones. Old addresses are compared as mailboxes are ([`Mailbox::key`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved(BTreeMap<String, Mailbox>);

impl Moved {
    /// Where the user of an address has gone.
    pub fn to(&self, address: &Mailbox) -> Option<&Mailbox> {
        // Most servers know of nobody who has moved.
        if self.0.is_empty() { None } else { self.0.get(&address.key()) }
    }
}

impl FromIterator<(Mailbox, Mailbox)> for Moved {
    /// From pairs of an old and a new address.
    fn from_iter<T: IntoIterator<Item = (Mailbox, Mailbox)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(|(old, new)| (old.key(), new)).collect())
    }
}

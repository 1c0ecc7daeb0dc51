//! What policy may be told by others: the ports that agents and directories fill.

use postrider_mail::Mailbox;
use std::fmt;

/// What the directory knows under one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An account; its mailbox is known by this primary address.
    Account(Mailbox),
    /// An alias and its members, in order: local addresses, other aliases, addresses elsewhere.
    Alias(Vec<Mailbox>),
}

/// The directory cannot answer now. Mail waits (4yz); it is never refused for this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the directory cannot be read now: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Who is local. Implemented by `postrider-directory`; a look-up may block on a disk.
pub trait Directory: Send + Sync {
    /// What is known under exactly this address ([`Mailbox::key`] decides equality). Neither subaddresses
    /// nor members are followed: that is [`crate::expand`]'s work.
    ///
    /// # Errors
    /// The directory cannot be read now.
    fn look_up(&self, address: &Mailbox) -> Result<Option<Entry>, Unavailable>;
}

//! What is lent out: the attempts of this boot, in memory, as of the transaction that is open. A rollback
//! takes back what the transaction did here, so memory and disk never differ.

use crate::entry::{Message, RecipientId, RouteKey, Target};
use crate::retry::{Moments, Told};
use crate::shelf::Shelf;
use postrider_mail::{AttemptId, ByMode, DeliverBy, Notify, QueueId, UnixMillis};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// One attempt that is out.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    pub(crate) message: QueueId,
    pub(crate) content: QueueId,
    pub(crate) key: RouteKey,
    pub(crate) null_path: bool,
    pub(crate) begins_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    pub(crate) by: Option<DeliverBy>,
    /// The attempt holds every recipient of its message that is still open.
    pub(crate) whole: bool,
    /// Those not yet settled.
    pub(crate) recipients: Vec<LentRecipient>,
}

impl Lent {
    /// Recipients of a message under a key. `whole`: no other of its recipients is open.
    pub(crate) fn of(message: &Message, key: RouteKey, whole: bool, recipients: Vec<LentRecipient>) -> Self {
        Self {
            message: message.id,
            content: message.content.id,
            key,
            null_path: message.reverse_path.mailbox().is_none(),
            begins_at: message.begins_at(),
            expires_at: message.expires_at,
            by: message.requests.by,
            whole,
            recipients,
        }
    }

    /// Whether a notice of failure is owed to anyone. Nobody is told at the null path (RFC 5321 §4.5.5), but
    /// what fails there may be owed to postmaster. Nor is anyone told whom NOTIFY leaves out
    /// (RFC 3461 §4.1, RFC 3461 §5.2.6).
    pub(crate) fn may_owe(&self, shelf: &Shelf, recipient: LentRecipient) -> bool {
        recipient.notify.is_none_or(|notify| notify.wants(Notify::FAILURE))
            && (!self.null_path || shelf.null_paths_owe.load(Ordering::Relaxed))
    }

    /// The moments that a try falls on.
    pub(crate) fn moments(&self) -> Moments {
        moments(self.begins_at, self.expires_at, self.by)
    }

    /// Takes one of the recipients out, if it is there.
    pub(crate) fn take(&mut self, id: RecipientId) -> Option<LentRecipient> {
        let at = self.recipients.iter().position(|recipient| recipient.ordinal == id.0)?;
        Some(self.recipients.remove(at))
    }
}

/// The moments that a try falls on, from what is known of a message.
pub(crate) fn moments(begins_at: UnixMillis, expires_at: UnixMillis, by: Option<DeliverBy>) -> Moments {
    let deadline = by.filter(|by| by.mode == ByMode::Notify).map(|by| by.at);
    Moments { begins_at, expires_at, deadline }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LentRecipient {
    pub(crate) ordinal: u32,
    /// With this one.
    pub(crate) attempts: u32,
    /// Of which delays no notice is owed any more, or ever.
    pub(crate) told: Told,
    /// Of what the sender wants to hear.
    pub(crate) notify: Option<Notify>,
}

impl LentRecipient {
    pub(crate) fn of(target: &Target, attempts: u32, told: Told) -> Self {
        Self { ordinal: target.id.0, attempts, told, notify: target.notify }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Flight {
    out: BTreeMap<AttemptId, Lent>,
    undo: Vec<(AttemptId, Option<Lent>)>,
}

impl Flight {
    pub(crate) fn get(&self, id: AttemptId) -> Option<&Lent> {
        self.out.get(&id)
    }

    /// Notes what is left of an attempt; none left ends it.
    pub(crate) fn put(&mut self, id: AttemptId, lent: Lent) {
        let before =
            if lent.recipients.is_empty() { self.out.remove(&id) } else { self.out.insert(id, lent) };
        self.undo.push((id, before));
    }

    pub(crate) fn end(&mut self, id: AttemptId) {
        let before = self.out.remove(&id);
        self.undo.push((id, before));
    }

    /// Ends all attempts of a message that is removed under them.
    pub(crate) fn end_message(&mut self, message: QueueId) {
        let of: Vec<AttemptId> =
            self.out.iter().filter(|(_, lent)| lent.message == message).map(|(id, _)| *id).collect();
        of.into_iter().for_each(|id| self.end(id));
    }

    pub(crate) fn committed(&mut self) {
        self.undo.clear();
    }

    pub(crate) fn rolled_back(&mut self) {
        while let Some((id, before)) = self.undo.pop() {
            match before {
                Some(lent) => drop(self.out.insert(id, lent)),
                None => drop(self.out.remove(&id)),
            }
        }
    }
}

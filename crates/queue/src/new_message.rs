//! A message to be accepted: what the caller knows of it, complete before the committer sees it.

use crate::content::{Matter, Sealed};
use crate::entry::RouteKey;
use crate::limits::{PRIORITIES, RECIPIENTS_PER_MESSAGE_MAX};
use crate::rendition::{Content, Rendition};
use postrider_mail::{
    Body, Domain, Envelope, HeloName, Mailbox, Peer, Protocol, QueueId, Reason, Recipient, ReversePath,
    SessionId, Text, UnixMillis,
};
use std::collections::BTreeSet;
use std::fmt;

/// How a message reached us. All of it is optional: a notice of our own has no client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// Who brought it, and through which service.
    pub peer: Option<Peer>,
    /// What the client called itself.
    pub helo: Option<HeloName>,
    /// The dialect.
    pub protocol: Option<Protocol>,
    /// TLS version and cipher.
    pub tls: Option<Text>,
    /// The conversation.
    pub session: Option<SessionId>,
    /// The account that submitted it.
    pub account: Option<Text>,
}

/// The octets of a new message: its own, or those of another.
#[derive(Debug)]
pub(crate) enum Source {
    Sealed(Sealed),
    Shared(Content),
}

/// Why a message cannot be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAMessage {
    /// It has no recipient.
    NoRecipient,
    /// It has more than [`RECIPIENTS_PER_MESSAGE_MAX`].
    ManyRecipients,
}

impl fmt::Display for NotAMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRecipient => "a message needs a recipient",
            Self::ManyRecipients => "the message has too many recipients after aliases",
        })
    }
}

impl std::error::Error for NotAMessage {}

/// Which of a new message's recipients are lent by the commit that accepts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lend {
    /// None: they wait for a lease.
    #[default]
    Nothing,
    /// Those under these keys.
    Keys(Vec<RouteKey>),
    /// All.
    All,
}

/// A message to be accepted.
#[derive(Debug)]
pub struct NewMessage {
    pub(crate) id: QueueId,
    pub(crate) source: Source,
    pub(crate) reverse_path: ReversePath,
    pub(crate) body: Option<Body>,
    pub(crate) recipients: Vec<(Recipient, RouteKey)>,
    pub(crate) received_at: UnixMillis,
    pub(crate) priority: i8,
    pub(crate) delay_notices: bool,
    /// What is added before the content and left out of it.
    pub rendition: Rendition,
    /// How it came.
    pub reception: Reception,
    /// Hosts it has passed: its Received fields, without ours.
    pub hop_count: u32,
    /// Its Message-ID field, for looking it up.
    pub message_id: Option<Text>,
    /// The domain of its From field.
    pub from_domain: Option<Domain>,
    /// Why it is held, when it is: it is kept and never lent until released.
    pub held: Option<Reason>,
    /// What the accepting commit lends.
    pub lend: Lend,
}

impl NewMessage {
    /// A message with content of its own. `route` gives each address its key. A recipient given twice is
    /// taken once.
    ///
    /// # Errors
    /// See [`NotAMessage`].
    pub fn new(
        sealed: Sealed,
        envelope: Envelope,
        received_at: UnixMillis,
        route: impl FnMut(&Mailbox) -> RouteKey,
    ) -> Result<Self, NotAMessage> {
        Self::over(sealed.id, Source::Sealed(sealed), envelope, received_at, route)
    }

    /// Another message over content that the queue already keeps: a forward, a list, a notice that quotes.
    ///
    /// # Errors
    /// See [`NotAMessage`].
    pub fn sharing(
        id: QueueId,
        content: &Content,
        envelope: Envelope,
        received_at: UnixMillis,
        route: impl FnMut(&Mailbox) -> RouteKey,
    ) -> Result<Self, NotAMessage> {
        Self::over(id, Source::Shared(content.clone()), envelope, received_at, route)
    }

    fn over(
        id: QueueId,
        source: Source,
        envelope: Envelope,
        received_at: UnixMillis,
        mut route: impl FnMut(&Mailbox) -> RouteKey,
    ) -> Result<Self, NotAMessage> {
        let mut recipients = envelope.recipients;
        merge(&mut recipients);
        if recipients.is_empty() {
            return Err(NotAMessage::NoRecipient);
        }
        if recipients.len() > RECIPIENTS_PER_MESSAGE_MAX {
            return Err(NotAMessage::ManyRecipients);
        }
        let routed = recipients.into_iter().map(|recipient| {
            let key = route(&recipient.address);
            (recipient, key)
        });
        Ok(Self {
            id,
            source,
            reverse_path: envelope.reverse_path,
            body: envelope.body,
            recipients: routed.collect(),
            received_at,
            priority: 0,
            delay_notices: false,
            rendition: Rendition::default(),
            reception: Reception::default(),
            hop_count: 0,
            message_id: None,
            from_domain: None,
            held: None,
            lend: Lend::Nothing,
        })
    }

    /// Its sender is never told of a delay.
    pub(crate) fn is_untold(&self) -> bool {
        !self.delay_notices || self.reverse_path.mailbox().is_none()
    }

    /// Its file, if it has one, belongs to the queue now.
    pub(crate) fn keep(&mut self) {
        if let Source::Sealed(Sealed { matter: Matter::File(incoming), .. }) = &mut self.source {
            incoming.keep();
        }
    }

    /// Its id.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// How many recipients it has after merging.
    pub fn recipient_count(&self) -> usize {
        self.recipients.len()
    }

    /// Whether the sender is told when the message is late
    /// ([`Retry::delay_notice_after`](crate::Retry::delay_notice_after)); not unless it is set. Never sent to
    /// the null path.
    pub fn set_delay_notices(&mut self, wanted: bool) {
        self.delay_notices = wanted;
    }

    /// Sets who goes first under one key: smaller is sooner, 0 is normal, bounded to -9..=9.
    pub fn set_priority(&mut self, priority: i8) {
        self.priority = priority.clamp(*PRIORITIES.start(), *PRIORITIES.end());
    }
}

/// Keeps the first of equal addresses.
fn merge(recipients: &mut Vec<Recipient>) {
    if recipients.len() < 2 {
        return;
    }
    let mut seen = BTreeSet::new();
    let first: Vec<bool> = recipients.iter().map(|recipient| seen.insert(&recipient.address)).collect();
    drop(seen);
    let mut first = first.into_iter();
    recipients.retain(|_| first.next().unwrap_or(true));
}

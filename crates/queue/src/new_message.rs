//! A message to be accepted: what the caller knows of it, complete before the committer sees it.

use crate::content::{Matter, Sealed};
use crate::entry::{RouteKey, begins_at};
use crate::limits::{EXPIRY_MAX, RECIPIENTS_PER_MESSAGE_MAX};
use crate::rendition::{Content, Rendition};
use crate::retry::{Retry, Told};
use postrider_mail::{
    Body, ByMode, Domain, Envelope, HeloName, Mailbox, Notify, Peer, Protocol, QueueId, Reason, Recipient,
    Requests, ReversePath, SessionId, Text, UnixMillis,
};
use std::collections::BTreeMap;
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
    pub(crate) requests: Requests,
    /// Those an alias was expanded for, whose sender wants to hear of it.
    pub(crate) expanded: Vec<Recipient>,
    pub(crate) received_at: UnixMillis,
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
    /// taken once. A release that has passed is none, and one further away than [`EXPIRY_MAX`] is that far.
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
        let mut requests = envelope.requests;
        let latest = received_at.plus(EXPIRY_MAX);
        requests.release_at = requests.release_at.filter(|at| *at > received_at).map(|at| at.min(latest));
        let routed = recipients.into_iter().map(|recipient| {
            let key = route(&recipient.address);
            (recipient, key)
        });
        Ok(Self {
            id,
            source,
            reverse_path: envelope.reverse_path,
            body: envelope.body,
            requests,
            recipients: routed.collect(),
            expanded: Vec::new(),
            received_at,
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

    /// Of which delays the sender is never told about a recipient: of none at the null path or where NOTIFY
    /// forbids all notices; of lateness where NOTIFY asks for other things (RFC 3461 §5.2.5). A missed
    /// deadline is told of all the same (RFC 2852 §4).
    pub(crate) fn told(&self, recipient: &Recipient) -> Told {
        if self.reverse_path.mailbox().is_none() || recipient.notify == Some(Notify::NEVER) {
            return Told::LATE.and(Told::DEADLINE);
        }
        match recipient.notify {
            Some(notify) if notify.wants(Notify::DELAY) => Told::default(),
            None if self.delay_notices => Told::default(),
            _ => Told::LATE,
        }
    }

    /// When it is given up.
    pub(crate) fn expires(&self, retry: &Retry) -> UnixMillis {
        let expires_at = retry.expires(begins_at(self.received_at, &self.requests));
        let deadline = self.requests.by.filter(|by| by.mode == ByMode::Return);
        deadline.map_or(expires_at, |by| by.at.min(expires_at))
    }

    /// Whether it may be tried at once: it is not to be kept for a while, nor back already.
    pub(crate) fn is_due(&self) -> bool {
        let deadline = self.requests.by.filter(|by| by.mode == ByMode::Return);
        self.requests.release_at.is_none() && deadline.is_none_or(|by| by.at > self.received_at)
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
    /// ([`Retry::delay_notice_after`](crate::Retry::delay_notice_after)), of recipients without NOTIFY; not
    /// unless it is set. Never sent to the null path.
    pub fn set_delay_notices(&mut self, wanted: bool) {
        self.delay_notices = wanted;
    }

    /// Names recipients, as they were given, that a list or an alias with several addresses stood for. Of
    /// these, they whose sender asked to hear of success are kept as expanded, with that notice owed, by the
    /// commit that accepts the message (RFC 3461 §5.2.7); nobody is told at the null path.
    ///
    /// # Errors
    /// [`NotAMessage::ManyRecipients`]: with the others they are too many. None is kept.
    pub fn set_expanded(&mut self, mut expanded: Vec<Recipient>) -> Result<(), NotAMessage> {
        expanded.retain(|one| one.notify.is_some_and(|notify| notify.wants(Notify::SUCCESS)));
        if self.reverse_path.mailbox().is_none() {
            expanded.clear();
        }
        merge(&mut expanded);
        if self.recipients.len() + expanded.len() > RECIPIENTS_PER_MESSAGE_MAX {
            return Err(NotAMessage::ManyRecipients);
        }
        self.expanded = expanded;
        Ok(())
    }

    /// Its place under a key: smaller goes first.
    pub(crate) fn order(&self) -> i8 {
        -self.requests.priority.get()
    }
}

/// Keeps the first of equal addresses. What its sender wants to hear of any of them, it hears of that one.
fn merge(recipients: &mut Vec<Recipient>) {
    if recipients.len() < 2 {
        return;
    }
    let mut first = BTreeMap::new();
    let mut again = Vec::new();
    let mut is_first = Vec::with_capacity(recipients.len());
    for (at, recipient) in recipients.iter().enumerate() {
        let stands_at = *first.entry(&recipient.address).or_insert(at);
        is_first.push(stands_at == at);
        if stands_at != at {
            again.push((stands_at, recipient.notify));
        }
    }
    drop(first);
    for (at, notify) in again {
        if let Some(recipient) = recipients.get_mut(at) {
            recipient.notify = both(recipient.notify, notify);
        }
    }
    let mut is_first = is_first.into_iter();
    recipients.retain(|_| is_first.next().unwrap_or(true));
}

/// All that either asks for. Who does not say hears of failure (RFC 3461 §4.1).
fn both(one: Option<Notify>, other: Option<Notify>) -> Option<Notify> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (Some(said), None) | (None, Some(said)) if said.wants(Notify::SUCCESS.and(Notify::DELAY)) => {
            Some(said.and(Notify::FAILURE))
        }
        _ => None,
    }
}

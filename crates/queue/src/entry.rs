//! The nouns of the queue: message, recipient, attempt, fate.
//!
//! Fate is per recipient: one message may be delivered to one, wait for another and fail for a third. A
//! message stays until every recipient's fate is final and every notice that is owed has been stored.

use crate::limits::ROUTE_KEY_OCTETS_MAX;
use crate::new_message::NewMessage;
use crate::rendition::{Content, Rendition};
use postrider_mail::{
    AttemptId, Body, Domain, ForwardPath, Mailbox, Notify, OriginalRecipient, QueueId, Reply, Requests,
    ReversePath, SessionId, Text, UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Where a recipient's mail queues up: one key per destination that has a pace of its own (`local`, a smart
/// host, a socket, a domain). A hint: where mail goes is decided when it goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouteKey(Arc<str>);

impl RouteKey {
    /// A key of printable characters without spaces.
    ///
    /// # Errors
    /// A sentence, when the text is empty, too long, or holds a space or a control character.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let fits = (1..=ROUTE_KEY_OCTETS_MAX).contains(&text.len());
        if !fits || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("a route key is 1 to 320 octets without spaces");
        }
        Ok(Self(text.into()))
    }

    /// The key of final delivery on this host.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The key of a recipient's domain, by its A-labels; `@` keeps it apart from the words for other keys.
    pub fn domain(domain: &Domain) -> Self {
        Self(format!("@{}", domain.ascii()).into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RouteKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<RouteKey> for String {
    fn from(key: RouteKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One recipient of a message: its number there, from 0. With the queue id it names a delivery for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientId(pub(crate) u32);

impl RecipientId {
    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl From<u32> for RecipientId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Proof that a message is durable: only a completed commit makes one. Prints the queue id, for the 250.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt(QueueId);

impl Receipt {
    pub(crate) fn after_commit(id: QueueId) -> Self {
        Self(id)
    }

    /// The message.
    pub fn id(&self) -> QueueId {
        self.0
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an accept gives back.
#[derive(Debug)]
pub struct Accepted {
    /// The proof for the 250.
    pub receipt: Receipt,
    /// What was lent by the same commit, with content in memory where it fits.
    pub attempts: Vec<Attempt>,
}

/// A queued message as delivery needs it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: QueueId,
    /// Where notices go.
    pub reverse_path: ReversePath,
    /// What MAIL declared of the content.
    pub body: Option<Body>,
    /// What else its sender asked for.
    pub requests: Requests,
    /// What leaves: read it with `message.content.read(&message.rendition)`.
    pub rendition: Arc<Rendition>,
    /// The octets as received.
    pub content: Content,
    /// Hosts it passed before us.
    pub hop_count: u32,
    /// When it came.
    pub received_at: UnixMillis,
    /// When it is given up: so long after its reception or release, or at the deadline that its sender set
    /// (`BY=…;R`).
    pub expires_at: UnixMillis,
    /// Its Message-ID field.
    pub message_id: Option<Text>,
    /// The conversation it came in.
    pub session: Option<SessionId>,
    /// It was held once, and the operator let it go on.
    pub released: bool,
}

impl Message {
    /// When its delivery might begin: at its reception, or at the release its sender asked for
    /// (RFC 4865 §4).
    pub(crate) fn begins_at(&self) -> UnixMillis {
        begins_at(self.received_at, &self.requests)
    }
}

/// When the delivery of a message received at this moment may begin.
pub(crate) fn begins_at(received_at: UnixMillis, requests: &Requests) -> UnixMillis {
    requests.release_at.map_or(received_at, |release| release.max(received_at))
}

/// One recipient of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its number in the message.
    pub id: RecipientId,
    /// Where the message goes.
    pub address: Mailbox,
    /// The forward-path as the client gave it.
    pub given: ForwardPath,
    /// The alias that led here.
    pub via: Option<Mailbox>,
    /// Attempts before this one.
    pub attempts: u32,
    /// Of what the sender wants to hear (RFC 3461 §4.1).
    pub notify: Option<Notify>,
    /// The recipient as the original sender named it (RFC 3461 §4.2).
    pub orcpt: Option<OriginalRecipient>,
}

/// One message, lent for one try under one key to at most
/// [`RECIPIENTS_PER_ATTEMPT_MAX`](crate::limits::RECIPIENTS_PER_ATTEMPT_MAX) recipients. Every recipient is
/// settled, or the attempt is given back; dropped, it stays in flight until the next start.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The message.
    pub message: Arc<Message>,
    /// The key it was lent under.
    pub key: RouteKey,
    /// The recipients.
    pub recipients: Vec<Target>,
}

/// What a try came to, for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the recipient's mailbox.
    Delivered,
    /// Taken by the next host.
    Relayed,
    /// Taken by a list or alias that sends it on.
    Expanded,
    /// Dropped, as a route of the operator's says. Nobody is told.
    Discarded,
    /// Not now.
    Deferred,
    /// Never.
    Failed,
}

/// Whether the sender is owed a notice of success, where an outcome is one (delivered, relayed, expanded).
/// Never at the null path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuccessNotice {
    /// Where NOTIFY asked for it.
    #[default]
    IfAsked,
    /// Not by us: what NOTIFY asked for was passed on to a host that tells it (RFC 3461 §5.2.1).
    PassedOn,
    /// Unless NOTIFY forbids all notices: a trace was asked for, or a deadline was given to a host that
    /// knows none (RFC 2852 §4).
    Always,
}

/// The outcome of a try and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What it came to.
    pub outcome: Outcome,
    /// What the other side, or our own agent, answered.
    pub reply: Reply,
    /// Who answered: the host and address, or the name of the local agent.
    pub mta: Text,
    /// Whether a success is told.
    pub success: SuccessNotice,
}

impl Fate {
    /// A fate from its parts; a success is told where NOTIFY asked for it.
    pub fn new(outcome: Outcome, reply: Reply, mta: impl Into<Text>) -> Self {
        Self { outcome, reply, mta: mta.into(), success: SuccessNotice::IfAsked }
    }
}

/// Where a recipient stands. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not final: waiting, in flight or held.
    Waiting = 0,
    /// In the mailbox.
    Delivered = 1,
    /// Taken by the next host.
    Relayed = 2,
    /// Sent on by a list or alias.
    Expanded = 3,
    /// Refused for good.
    Failed = 4,
    /// Given up: it could not be delivered before the message expired.
    Expired = 5,
    /// Dropped by a route.
    Discarded = 6,
}

impl State {
    pub(crate) fn from_row(number: i64) -> Option<Self> {
        let all = [
            Self::Waiting,
            Self::Delivered,
            Self::Relayed,
            Self::Expanded,
            Self::Failed,
            Self::Expired,
            Self::Discarded,
        ];
        usize::try_from(number).ok().and_then(|number| all.get(number).copied())
    }
}

/// Which notice the sender is owed about a recipient. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// It failed or expired.
    Failure = 1,
    /// It is late and still tried.
    Delay = 2,
    /// It was delivered, taken by the next host, or expanded: the recipient's [`State`] says which.
    Success = 3,
}

impl Notice {
    pub(crate) fn from_row(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Failure),
            2 => Some(Self::Delay),
            3 => Some(Self::Success),
            _ => None,
        }
    }
}

/// What a fate made of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// This was final.
    Final(State),
    /// It waits for the next try.
    Waiting {
        /// When that is due.
        next_attempt: UnixMillis,
    },
    /// The attempt did not hold this recipient any more: it was settled before, or the message removed.
    Gone,
}

/// What became of one recipient, and what the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Who.
    pub recipient: RecipientId,
    /// What became of it.
    pub became: Became,
    /// A notice that is now owed.
    pub owed: Option<Notice>,
    /// A notice of failure that may not be sent, as the reverse-path is null (RFC 5321 §4.5.5) or NOTIFY
    /// does not ask for it (RFC 3461 §4.1): the caller journals and counts it.
    pub forbidden: Option<Notice>,
}

/// What a settle did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// One per fate, in the same order.
    pub recipients: Vec<Settlement>,
    /// All is final and nothing owed: the message has left the queue.
    pub removed: bool,
}

/// One step of a transaction that does several things or none.
#[derive(Debug)]
pub enum Change {
    /// Stores a message.
    Store(Box<NewMessage>),
    /// Settles recipients of an attempt.
    Settle {
        /// The attempt.
        attempt: AttemptId,
        /// What came of it.
        fates: Vec<(RecipientId, Fate)>,
    },
    /// The notices about these recipients are stored (or may not be sent): the debt is cleared.
    Told {
        /// The message they are about.
        message: QueueId,
        /// The recipients, with the notice that was owed.
        recipients: Vec<(RecipientId, Notice)>,
    },
    /// Removes a message, whatever its state, without any notice.
    Remove(QueueId),
}

/// What [`Change`]s did.
#[derive(Debug, Default)]
pub struct Applied {
    /// One per `Store`, in order.
    pub stored: Vec<Accepted>,
    /// One per `Settle`, in order.
    pub settled: Vec<Settled>,
    /// Messages that left the queue.
    pub removed: Vec<QueueId>,
}

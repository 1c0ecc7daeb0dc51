//! What can happen: the events a story is made of.
//!
//! Events are printed as JSON objects, `{"at_ms":12,"kind":"said","who":"theirs","text":"…"}`, and stored in
//! the same form, but for lines of the dialogue, which are most: `[12,"theirs","…"]`. Both forms are read. A kind or a field that this version does not know is kept as [`What::Unknown`] with its text, so a
//! journal written by a newer version stays readable.
//!
//! An event holds no raw octets of a peer: everything said is [`Text`], which cannot hold a control character.

use postrider_mail::{Mailbox, QueueId, Reason, Reply, ReversePath, Text, UnixMillis};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use std::net::SocketAddr;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Event {
    /// Milliseconds since the story started.
    pub at_ms: u32,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened. Large kinds are boxed: an idle session holds a handful of lines and little else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A line of the dialogue, without its line end.
    Said {
        /// Whose line it is.
        who: Speaker,
        /// The line.
        text: Text,
    },
    /// Content passed.
    Content {
        /// Its octets, dots unstuffed.
        octets: u64,
    },
    /// A check decided.
    Verdict(Box<Verdict>),
    /// A message was taken into the queue: responsibility has passed.
    Accepted(Box<Accepted>),
    /// A message is on its way to a destination.
    Attempt(Box<Attempt>),
    /// A host that was tried for an attempt, or passed over.
    Host(Box<HostTried>),
    /// What became of one recipient.
    Fate(Box<Fate>),
    /// A message lies in a mailbox, in this file.
    Delivered {
        /// The mailbox.
        recipient: Box<Mailbox>,
        /// The file, as a path below the data folder.
        file: Text,
    },
    /// A notice about a message was stored, to be delivered to its sender (RFC 3464).
    Notice(Box<Notice>),
    /// A recipient ended without a delivery, and no notice may be sent (RFC 5321 §4.5.5; NOTIFY=NEVER).
    Unreported {
        /// The message.
        id: QueueId,
        /// The recipient.
        recipient: Box<Mailbox>,
        /// Why nothing is sent.
        reason: Box<Reason>,
    },
    /// A command of the operator was carried out.
    Command {
        /// Who gave it.
        who: Text,
        /// The command in words.
        text: Text,
    },
    /// Stories that could not be written.
    Lost {
        /// How many.
        stories: u64,
        /// What stood in the way.
        why: Text,
    },
    /// Anything else worth telling.
    Note {
        /// One sentence.
        text: Text,
    },
    /// The story is over.
    Closed {
        /// How it ended: `QUIT`, a timeout, a lost connection.
        why: Text,
    },
    /// An event that a newer version wrote.
    Unknown {
        /// The stored object, as text.
        text: Text,
    },
}

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// This host's.
    Ours,
    /// The other end's.
    Theirs,
}

/// What a check decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Accept,
    /// Deliver it marked as junk.
    Junk,
    /// Keep it in the queue until the operator decides.
    Hold,
    /// Take it and drop it.
    Discard,
    /// Say no.
    Refuse,
    /// Say no and hang up.
    Disconnect,
}

/// A question that came up, what was decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What was asked: `RCPT TO:<friend@local.example>`.
    pub question: Text,
    /// The decision.
    pub decision: Decision,
    /// Which check decided, and what it saw.
    pub reason: Reason,
}

/// A message that was taken into the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    pub id: QueueId,
    /// Where notices about it go.
    pub reverse_path: ReversePath,
    /// Where it goes, after aliases; a story lists the first
    /// [`RECIPIENTS_LISTED_MAX`](crate::limits::RECIPIENTS_LISTED_MAX).
    pub recipients: Vec<Mailbox>,
    /// How many more recipients it has.
    #[serde(default)]
    pub recipients_unlisted: u32,
    /// Its Message-ID field, where it has one.
    pub message_id: Option<Text>,
    /// Octets of its content.
    pub octets: u64,
}

/// One try to deliver one message to one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The message.
    pub id: QueueId,
    /// The destination: a domain, a host name, or `local`.
    pub host: Text,
    /// The address of the host, where there is one.
    pub address: Option<SocketAddr>,
    /// Which try this is for the recipient that was tried most often, from 1; 0: not told.
    #[serde(default)]
    pub number: u32,
}

/// One host that was tried for an attempt, or passed over, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTried {
    /// Its name; its address as a literal where it has none; the path of a socket of this host.
    pub host: Text,
    /// Its address and port, where one is known.
    pub address: Option<SocketAddr>,
    /// What came of it.
    pub result: HostResult,
    /// In words: why it was passed over or what failed; with a reused connection, how many messages it
    /// carried before.
    pub why: Option<Text>,
}

/// What came of trying a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostResult {
    /// A connection was made.
    Connected,
    /// A connection that was open already took the message.
    Reused,
    /// It was not tried: its address is not allowed, it does not answer for the time being, it is ourselves.
    PassedOver,
    /// It could not be reached, refused to serve us, or broke off; another host may be tried.
    Failed,
}

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It lies in the mailbox.
    Delivered,
    /// The next host has taken it.
    Relayed,
    /// It went on to the members of a list or alias.
    Expanded,
    /// A route of the operator's drops it.
    Discarded,
    /// Not yet; it will be tried again.
    Deferred,
    /// It cannot be delivered.
    Failed,
}

/// What became of one recipient in an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// The message.
    pub id: QueueId,
    /// The recipient.
    pub recipient: Mailbox,
    /// What became of it.
    pub ending: Ending,
    /// The reply that decided, the other host's or our own.
    pub reply: Reply,
    /// When it is tried again.
    pub next_attempt: Option<UnixMillis>,
}

/// A notice: the queue has it, and the debt is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The message it is about.
    pub about: QueueId,
    /// The notice's own id.
    pub id: QueueId,
    /// Who is told: the message's reverse-path, or postmaster where there is nobody else.
    pub to: Mailbox,
    /// What it tells. Older journals have a truth value here, `delay`.
    #[serde(alias = "delay")]
    pub told: Told,
    /// How many recipients it tells of.
    pub recipients: u32,
}

/// What a notice tells of its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "StoredTold")]
pub enum Told {
    /// They cannot be reached.
    Failure,
    /// They are late, and still tried.
    Delay,
    /// They have it, or the next host does.
    Success,
}

/// [`Told`] as it is read.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredTold {
    Delay(bool),
    Named(NamedTold),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NamedTold {
    Failure,
    Delay,
    Success,
}

impl From<StoredTold> for Told {
    fn from(stored: StoredTold) -> Self {
        match stored {
            StoredTold::Delay(false) | StoredTold::Named(NamedTold::Failure) => Self::Failure,
            StoredTold::Delay(true) | StoredTold::Named(NamedTold::Delay) => Self::Delay,
            StoredTold::Named(NamedTold::Success) => Self::Success,
        }
    }
}

impl What {
    /// Whether this is an outcome, which a story keeps even when its lines have reached their limit.
    pub fn is_outcome(&self) -> bool {
        !matches!(self, Self::Said { .. } | Self::Content { .. } | Self::Verdict(_) | Self::Note { .. })
    }

    /// Octets of text it holds, roughly what it takes in memory beyond its own size.
    pub(crate) fn octets(&self) -> usize {
        match self {
            Self::Content { .. } => 0,
            Self::Said { text, .. } | Self::Note { text } | Self::Unknown { text } => text.as_str().len(),
            Self::Closed { why } | Self::Lost { why, .. } => why.as_str().len(),
            Self::Command { who, text } => who.as_str().len() + text.as_str().len(),
            Self::Verdict(verdict) => {
                size_of::<Verdict>() + verdict.question.as_str().len() + reason_octets(&verdict.reason)
            }
            Self::Accepted(accepted) => {
                size_of::<Accepted>()
                    + accepted.reverse_path.mailbox().map_or(0, mailbox_octets)
                    + accepted.recipients.iter().map(mailbox_octets).sum::<usize>()
                    + accepted.message_id.as_ref().map_or(0, |id| id.as_str().len())
            }
            Self::Attempt(attempt) => size_of::<Attempt>() + attempt.host.as_str().len(),
            Self::Host(tried) => {
                size_of::<HostTried>()
                    + tried.host.as_str().len()
                    + tried.why.as_ref().map_or(0, |why| why.as_str().len())
            }
            Self::Fate(fate) => {
                let lines: usize =
                    fate.reply.lines().iter().map(|line| size_of::<Text>() + line.as_str().len()).sum();
                size_of::<Fate>() + mailbox_octets(&fate.recipient) + lines
            }
            Self::Delivered { recipient, file } => mailbox_octets(recipient) + file.as_str().len(),
            Self::Notice(notice) => size_of::<Notice>() + mailbox_octets(&notice.to),
            Self::Unreported { recipient, reason, .. } => mailbox_octets(recipient) + reason_octets(reason),
        }
    }
}

fn mailbox_octets(mailbox: &Mailbox) -> usize {
    let host = mailbox.host().domain().map_or(0, |domain| domain.as_str().len());
    size_of::<Mailbox>() + mailbox.local().as_str().len() + host
}

fn reason_octets(reason: &Reason) -> usize {
    size_of::<Reason>() + reason.text().as_str().len()
}

/// Events in the form in which they are stored.
pub(crate) struct Compact<'a>(pub(crate) &'a [Event]);

impl Serialize for Compact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut events = serializer.serialize_seq(Some(self.0.len()))?;
        for event in self.0 {
            match &event.what {
                What::Said { who, text } => events.serialize_element(&(event.at_ms, who, text.as_str()))?,
                _ => events.serialize_element(event)?,
            }
        }
        events.end()
    }
}

/// An event as it is read: what this version knows, or whatever a newer one wrote.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Line(u32, Speaker, Text),
    Known(Known),
    Newer(serde_json::Value),
}

#[derive(Deserialize)]
struct Known {
    at_ms: u32,
    #[serde(flatten)]
    what: What,
}

impl From<Stored> for Event {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Line(at_ms, who, text) => Self { at_ms, what: What::Said { who, text } },
            Stored::Known(Known { at_ms, what }) => Self { at_ms, what },
            Stored::Newer(value) => {
                let at_ms = value.get("at_ms").and_then(serde_json::Value::as_u64);
                let at_ms = at_ms.and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
                Self { at_ms, what: What::Unknown { text: Text::from(value.to_string()) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_mail::{Code, Enhanced};

    fn id() -> QueueId {
        QueueId::from_row(1 << 60).unwrap()
    }

    #[test]
    fn every_event_is_read_back_as_it_was_written() {
        let reply = Reply::new(Code::of(451), Enhanced::of(4, 2, 0), "busy");
        let kinds = [
            What::Said { who: Speaker::Theirs, text: "EHLO \"x\"\u{7}".into() },
            What::Content { octets: u64::MAX },
            What::Verdict(Box::new(Verdict {
                question: "RCPT".into(),
                decision: Decision::Refuse,
                reason: Reason::new("relay", "not for us"),
            })),
            What::Accepted(Box::new(Accepted {
                id: id(),
                reverse_path: ReversePath::Null,
                recipients: vec!["\"a b\"@x.example".parse().unwrap()],
                recipients_unlisted: 3,
                message_id: Some("<1@x>".into()),
                octets: 7,
            })),
            What::Attempt(Box::new(Attempt {
                id: id(),
                host: "mx.example".into(),
                address: Some("[2001:db8::1]:25".parse().unwrap()),
                number: 2,
            })),
            What::Host(Box::new(HostTried {
                host: "mx.example".into(),
                address: Some("192.0.2.1:25".parse().unwrap()),
                result: HostResult::PassedOver,
                why: Some("it rests".into()),
            })),
            What::Fate(Box::new(Fate {
                id: id(),
                recipient: "a@b".parse().unwrap(),
                ending: Ending::Deferred,
                reply,
                next_attempt: Some(UnixMillis::new(5)),
            })),
            What::Delivered { recipient: Box::new("a@b".parse().unwrap()), file: "mail/a/new/1".into() },
            What::Notice(Box::new(Notice {
                about: id(),
                id: QueueId::from_row(7).unwrap(),
                to: "a@b".parse().unwrap(),
                told: Told::Success,
                recipients: 3,
            })),
            What::Unreported {
                id: id(),
                recipient: Box::new("a@b".parse().unwrap()),
                reason: Box::new(Reason::new("notice", "null reverse-path")),
            },
            What::Command { who: "root".into(), text: "queue delete".into() },
            What::Lost { stories: 3, why: "disk full".into() },
            What::Note { text: "a note".into() },
            What::Closed { why: "QUIT".into() },
            What::Unknown { text: "{}".into() },
        ];
        for what in kinds {
            let event = Event { at_ms: 12, what };
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
            let stored = serde_json::to_string(&Compact(std::slice::from_ref(&event))).unwrap();
            assert_eq!(serde_json::from_str::<Vec<Event>>(&stored).unwrap(), [event], "{stored}");
        }
    }

    #[test]
    fn a_notice_of_an_older_journal_is_read() {
        for (delay, told) in [(false, Told::Failure), (true, Told::Delay)] {
            let json = format!(
                r#"{{"at_ms":1,"kind":"notice","about":"{0}","id":"{0}","to":"a@b","delay":{delay},"recipients":1}}"#,
                id()
            );
            let event: Event = serde_json::from_str(&json).unwrap();
            assert!(matches!(&event.what, What::Notice(notice) if notice.told == told), "{event:?}");
        }
    }

    #[test]
    fn an_event_of_a_newer_version_stays_readable() {
        let event: Event = serde_json::from_str(r#"{"at_ms":9,"kind":"teleported","to":"moon"}"#).unwrap();
        assert_eq!(event.at_ms, 9);
        let What::Unknown { text } = event.what else { panic!("{event:?}") };
        assert!(text.as_str().contains("teleported") && text.as_str().contains("moon"));
        let event: Event = serde_json::from_str(r#"[7,"theirs","EHLO",true]"#).unwrap();
        assert!(matches!(event.what, What::Unknown { .. }));
        // A known kind with a value that this version cannot read is unknown too, never an error.
        let event: Event = serde_json::from_str(r#"{"at_ms":1,"kind":"content","octets":"many"}"#).unwrap();
        assert!(matches!(event.what, What::Unknown { .. }));
    }

    #[test]
    fn an_event_is_small_while_it_waits() {
        assert!(size_of::<Event>() <= 64, "{}", size_of::<Event>());
    }
}

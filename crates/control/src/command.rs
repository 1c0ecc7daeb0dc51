//! Commands and answers, as they cross the control socket: one JSON object each.

use postrider_journal::Story;
use postrider_mail::{QueueId, Text, UnixMillis};
use postrider_queue::{Filter, Listing, PauseView, RouteKey, Stats, View};
use serde::{Deserialize, Serialize};

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// A page of queued messages, oldest first.
    List {
        /// Which.
        filter: Filter,
        /// Behind this one.
        after: Option<QueueId>,
        /// How many at most.
        limit: usize,
    },
    /// One message, with every recipient.
    Show {
        /// Which.
        id: QueueId,
    },
    /// Keep messages and do not try them, until released.
    Hold {
        /// Which.
        filter: Filter,
        /// Why, for whoever looks later.
        why: Text,
    },
    /// Let held messages go on, due now.
    Release {
        /// Which.
        filter: Filter,
    },
    /// Try waiting recipients now.
    Retry {
        /// Which.
        filter: Filter,
    },
    /// Remove messages. Nobody is told.
    Delete {
        /// Which.
        filter: Filter,
    },
    /// Stop delivering under one key, or at all.
    Pause {
        /// The key; all when there is none.
        key: Option<RouteKey>,
        /// Why.
        why: Text,
    },
    /// End a pause.
    Resume {
        /// The key; the pause of everything when there is none.
        key: Option<RouteKey>,
    },
    /// Is everything as it should be?
    Health,
    /// The destinations that mail is leaving for, or waits for.
    Destinations,
    /// Stories, newest first.
    Trace {
        /// `last`, an id, an address, a Message-ID, words.
        what: Text,
        /// How many at most.
        limit: usize,
    },
}

/// Who asks, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(pub Text);

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Command::List`].
    Listing(Listing),
    /// To [`Command::Show`]; `None`: there is no such message (any more).
    Message {
        /// The message.
        message: Option<Box<View>>,
    },
    /// To commands that change messages.
    Changed(Changed),
    /// To [`Command::Pause`] and [`Command::Resume`]: what is paused now.
    Pauses(Pauses),
    /// To [`Command::Health`].
    Health(Health),
    /// To [`Command::Destinations`].
    Destinations {
        /// Each destination: those that rest first, then by key.
        destinations: Vec<DestinationView>,
        /// How many more there are.
        #[serde(default)]
        unlisted: u64,
    },
    /// To [`Command::Trace`].
    Stories {
        /// The stories found, newest first.
        stories: Vec<Story>,
        /// What could not be read, in sentences.
        remarks: Vec<Text>,
    },
    /// The command was not carried out, or only in part: why.
    Failed {
        /// A sentence.
        why: Text,
    },
}

/// The messages a command changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// How many.
    pub messages: u64,
    /// The first of them.
    pub ids: Vec<QueueId>,
}

/// One destination as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationView {
    /// The key its mail queues under: `@example.org`, `relay.example:25`, `local`.
    pub key: Text,
    /// Connections that carry its mail.
    pub connections: u32,
    /// Connections it may have now: few at first, more while all goes well, fewer after trouble.
    pub window: u32,
    /// Attempts that wait in memory for a connection; what waits for its time is in the queue.
    pub waiting: u32,
    /// Until when it is left alone, as none of its hosts could be reached.
    pub resting_until: Option<UnixMillis>,
    /// Why it rests, or what last went wrong.
    pub why: Option<Text>,
}

/// What is paused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Each pause.
    pub pauses: Vec<PauseView>,
}

/// Whether the server keeps its promises, and the queue in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is wrong, in sentences; empty when nothing is.
    pub troubles: Vec<Text>,
    /// The queue in numbers.
    pub queue: Stats,
    /// What is paused.
    pub pauses: Vec<PauseView>,
    /// What the server does and has done; `None`: none runs.
    #[serde(default)]
    pub activity: Option<Activity>,
}

/// What a running server does, and what came of it since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Connections to other hosts that are open, or being made.
    pub connections: u32,
    /// Destinations that are left alone for a while, as none of their hosts could be reached.
    pub resting: u64,
    /// Notices stored since the start.
    pub notices: u64,
    /// Recipients that ended since the start without a delivery, and without a notice to the sender.
    pub unreported: u64,
}

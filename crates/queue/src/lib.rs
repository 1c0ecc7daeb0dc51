//! The durable spool: content, fate per recipient, schedule.
//!
//! A message that is accepted here stays until every recipient has a final fate and every notice that is
//! owed has been stored. What this crate does not know: the network, SMTP, where mail is routed, who is
//! local, what the time is (it comes in as an argument), and any runtime (of tokio it uses `sync` alone).
//!
//! **The promise.** [`Queue::accept`] returns a [`Receipt`] after the message, its content and its
//! recipients are on disk and synced; nothing else can make one. A write or sync that fails poisons the
//! spool: it refuses everything until it is opened again. Full is not broken: what would store is refused,
//! and settling goes on.
//!
//! **The parts.** One SQLite database, written by the one [`Committer`], which does everything that waits
//! in one transaction and one sync; files for large content; a cheap handle, [`Queue`]; blocking readers
//! for listings. [`open`] takes the folder's lock, so an attempt lives in the memory of one process.
//!
//! **A message's way.** [`Queue::draft`], [`Draft::pour`], [`Draft::seal`]; [`NewMessage`] and
//! [`Queue::accept`], which may lend it at once; else [`Queue::lease`]; [`Content::read`] gives what
//! leaves; [`Queue::settle`] records each fate as it comes; [`Queue::owed`] and [`Queue::apply`] turn a
//! failure into a notice, in one transaction. Recipients that are routed elsewhere by the time of their
//! attempt get another key by [`Queue::reroute`]; what no one comes to try ends with its expiry
//! ([`Leased::expired`]). What the sender asked for is kept and honoured here: no try before a release
//! (RFC 4865), none behind a deadline (RFC 2852), the higher priority first (RFC 6710), and of notices those
//! that NOTIFY names (RFC 3461). The order of calls and all crash points:
//!
//! | crash | found at start | what follows |
//! |---|---|---|
//! | while a draft is written | a file in `incoming/` | removed: no 250 was sent |
//! | after the rename, before COMMIT | a file in `content/`, no row | moved to `lost/`, reported: no 250 was sent |
//! | after COMMIT, before the 250 | the message | delivered; the client sends again: one duplicate |
//! | while an attempt is out | recipients in flight | due at once, with jitter: at most what was in the air is repeated |
//! | after a removal's COMMIT | a row in `garbage` | its file is unlinked |

mod accept;
mod committer;
mod content;
mod deadline;
mod entry;
mod error;
mod expire;
mod facts;
mod filter;
mod flight;
mod housekeeping;
mod lease;
pub mod limits;
mod new_message;
mod open;
mod operate;
mod queue;
mod rendition;
mod request;
mod retry;
mod room;
mod row;
mod scan;
mod schedule;
mod schema;
mod settle;
mod shelf;
mod turn;
mod untried;
mod view;

pub use committer::Committer;
pub use content::{Draft, Sealed};
pub use entry::{
    Accepted, Applied, Attempt, Became, Change, Fate, Message, Notice, Outcome, Receipt, RecipientId,
    RouteKey, Settled, Settlement, State, SuccessNotice, Target,
};
pub use error::{AcceptError, ContentError, OpenError, Poisoned, Unable};
pub use expire::{Expired, ExpiredRecipient};
pub use facts::Facts;
pub use filter::Filter;
pub use housekeeping::Checkpointer;
pub use new_message::{Lend, NewMessage, NotAMessage, Reception};
pub use open::{Opened, Recovery, open};
pub use operate::Operated;
pub use queue::Queue;
pub use rendition::{Content, NotARendition, Reader, Rendition};
pub use retry::Retry;
pub use room::{Lease, Leased};
pub use shelf::Share;
pub use view::{HeldView, Listing, Owed, OwedRecipient, PauseView, RecipientView, RequestsView, Stats, View};

/// What an operator may set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Octets of content kept in the database; at most [`limits::INLINE_OCTETS_MAX`].
    pub inline_octets_max: usize,
    /// Octets of content in memory, all drafts and attempts together.
    pub in_flight_octets_max: usize,
    /// When to try again and when to give up.
    pub retry: Retry,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inline_octets_max: limits::INLINE_OCTETS_DEFAULT,
            in_flight_octets_max: limits::IN_FLIGHT_OCTETS_DEFAULT,
            retry: Retry::default(),
        }
    }
}

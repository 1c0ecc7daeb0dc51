//! The nouns of mail, shared by every floor above.
//!
//! What this crate does not do: no IO, no clock, no randomness, no policy, no protocol state. A value of
//! one of these types is valid for as long as it exists: constructors parse, fields are private, and no
//! type that came from a peer can hold CR, LF or NUL. So an address may go into a header, a log line, a
//! query or a path without anyone having to think of injection.
//!
//! | module | nouns | source |
//! |---|---|---|
//! | [`limits`] | sizes of names and texts, with units | RFC 5321 §4.5.3.1 |
//! | [`text`] | one printable line | |
//! | [`name`] | domain, address literal, host, HELO name | RFC 5321 §4.1.2, §4.1.3 |
//! | [`address`] | local part, mailbox | RFC 5321 §4.1.2 |
//! | [`path`] | reverse-path, forward-path | RFC 5321 §4.1.1.2, §4.1.1.3 |
//! | [`status`] | reply code, enhanced code, reply, refusal | RFC 5321 §4.2, RFC 3463 |
//! | [`reason`] | which check decided, and why | |
//! | [`request`] | what a sender asks for: deadline, priority, release | RFC 2852, 3865, 4865, 6710 |
//! | [`notify`] | what a sender wants to hear: RET, ENVID, NOTIFY, ORCPT | RFC 3461 |
//! | [`xtext`] | text inside a parameter | RFC 3461 §4, RFC 6533 §3 |
//! | [`envelope`] | what travels beside the content | RFC 5321 §2.3.1 |
//! | [`id`] | queue, session and attempt ids | |
//! | [`peer`] | who speaks to us, over what | RFC 3848 |
//! | [`date`] | milliseconds UTC and how they print | RFC 5322 §3.3 |
//! | [`header`] | fields as slices of the original | RFC 5322 §2.2 |
//! | [`dsn`] | what a sender is told of a message | RFC 3464 |
//! | [`dns`] | what is asked of DNS, and what can come back | RFC 1034, RFC 1035 |
//! | [`trace`] | Received, Return-Path, Delivered-To | RFC 5321 §4.4 |

pub mod address;
pub mod date;
pub mod dns;
pub mod dsn;
pub mod envelope;
pub mod header;
pub mod id;
pub mod limits;
pub mod name;
pub mod notify;
pub mod path;
pub mod peer;
pub mod reason;
pub mod request;
pub mod status;
pub mod text;
pub mod trace;
pub mod xtext;

pub use address::{LocalPart, Mailbox};
pub use date::UnixMillis;
pub use envelope::{Body, Envelope, Recipient};
pub use id::{AttemptId, QueueId, SessionId};
pub use name::{Domain, HeloName, Host};
pub use notify::{EnvelopeId, Notify, OriginalRecipient, Ret};
pub use path::{ForwardPath, ReversePath};
pub use peer::{Greeting, Peer, Protocol, Service, With};
pub use reason::Reason;
pub use request::{By, ByMode, DeliverBy, Hold, Priority, Requests, Solicitation};
pub use status::{Class, Code, Enhanced, Refusal, Reply};
pub use text::Text;

/// Serialises a type by its `Display` and reads it back by its `FromStr`, so that stored and sent values
/// pass the same door as a peer's.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

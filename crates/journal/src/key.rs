//! What a story can be found by, as 64-bit hashes (xxh3, whose values are fixed for good).
//!
//! Two different keys with one hash would show one story too many; that is accepted, for the price of
//! keeping every address twice.

use postrider_mail::{AttemptId, Domain, Mailbox, QueueId, SessionId};
use std::net::IpAddr;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The hash of one thing that a story mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(i64);

impl Key {
    /// A message in the queue.
    pub fn queue(id: QueueId) -> Self {
        Self::of(1, &id.row().to_be_bytes())
    }

    /// A session.
    pub fn session(id: SessionId) -> Self {
        Self::of(2, &id.row().to_be_bytes())
    }

    /// An attempt.
    pub fn attempt(id: AttemptId) -> Self {
        Self::of(3, &id.row().to_be_bytes())
    }

    /// A Message-ID, with or without its angle brackets.
    pub fn message_id(id: &str) -> Self {
        let id = id.trim();
        let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
        Self::of(4, bare.as_bytes())
    }

    /// An address of the envelope; case does not matter.
    pub fn address(address: &Mailbox) -> Self {
        Self::of(5, address.key().as_bytes())
    }

    /// The other end's address. IPv4-mapped IPv6 addresses are IPv4.
    pub fn peer(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::of(6, &ip.octets()),
            IpAddr::V6(ip) => Self::of(6, &ip.octets()),
        }
    }

    /// A host that was tried, or a domain as the destination of an attempt.
    pub fn host(name: &Domain) -> Self {
        Self::of(7, name.ascii().as_bytes())
    }

    /// The hash as the index stores and sorts it.
    pub(crate) fn hash(self) -> i64 {
        self.0
    }

    /// `kind` keeps an id of a message apart from the same number as an id of a session.
    fn of(kind: u64, octets: &[u8]) -> Self {
        Self(xxh3_64_with_seed(octets, kind).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_thing_are_one_key_and_kinds_differ() {
        assert_eq!(Key::message_id(" <1@x> "), Key::message_id("1@x"));
        assert_eq!(
            Key::address(&"A@X.example".parse().unwrap()),
            Key::address(&"a@x.example".parse().unwrap())
        );
        assert_eq!(Key::peer("::ffff:192.0.2.1".parse().unwrap()), Key::peer("192.0.2.1".parse().unwrap()));
        let (queue, session) = (QueueId::from_row(5).unwrap(), SessionId::from_row(5).unwrap());
        assert_ne!(Key::queue(queue), Key::session(session));
    }

    #[test]
    fn hashes_stay_what_they_were_when_the_first_segment_was_written() {
        assert_eq!(Key::message_id("1@x").hash(), 1_590_865_198_643_408_301);
    }
}

//! What can be asked of the journal.

use crate::key::Key;
use crate::limits::{FOUND_DEFAULT, FOUND_MAX};
use postrider_mail::{AttemptId, Domain, Mailbox, QueueId, SessionId, Text};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A question: what is sought, and how many stories of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    sought: Sought,
    /// What was typed, to be searched for as words when the keys it may mean find nothing.
    or_words: Option<Text>,
    stories_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// The newest sessions, with the attempts of what they brought.
    Last,
    /// Stories that mention one of these.
    Keys(Vec<Key>),
    /// Stories in which this is said, in any case of ASCII letters.
    Words(Text),
}

impl Query {
    /// The last session, and what became of the messages it brought.
    pub fn last() -> Self {
        Self { sought: Sought::Last, or_words: None, stories_max: 1 }
    }

    /// A message: the session that brought it, and every attempt.
    pub fn queue(id: QueueId) -> Self {
        Self::keys([Key::queue(id)])
    }

    /// One session.
    pub fn session(id: SessionId) -> Self {
        Self::keys([Key::session(id)])
    }

    /// One attempt.
    pub fn attempt(id: AttemptId) -> Self {
        Self::keys([Key::attempt(id)])
    }

    /// By the Message-ID field, with or without angle brackets.
    pub fn message_id(id: &str) -> Self {
        Self::keys([Key::message_id(id)])
    }

    /// By an address of the envelope: reverse-path or recipient.
    pub fn address(address: &Mailbox) -> Self {
        Self::keys([Key::address(address)])
    }

    /// By the other end's address.
    pub fn peer(ip: IpAddr) -> Self {
        Self::keys([Key::peer(ip)])
    }

    /// By a host that was tried, or by the domain an attempt was for.
    pub fn host(name: &Domain) -> Self {
        Self::keys([Key::host(name)])
    }

    /// By words that were said. They must stand in one field of an event: a reply that decided a fate is
    /// found by its text, without its code. Case matters for letters beyond ASCII only.
    pub fn words(words: impl Into<Text>) -> Self {
        Self { sought: Sought::Words(words.into()), or_words: None, stories_max: FOUND_DEFAULT }
    }

    /// The same question, for at most so many stories; [`FOUND_MAX`] bounds them all.
    #[must_use]
    pub fn at_most(self, stories: usize) -> Self {
        Self { stories_max: stories.clamp(1, FOUND_MAX), ..self }
    }

    pub(crate) fn sought(&self) -> &Sought {
        &self.sought
    }

    pub(crate) fn or_words(&self) -> Option<&Text> {
        self.or_words.as_ref()
    }

    pub(crate) fn stories_max(&self) -> usize {
        self.stories_max
    }

    fn keys(keys: impl IntoIterator<Item = Key>) -> Self {
        Self { sought: Sought::Keys(keys.into_iter().collect()), or_words: None, stories_max: FOUND_DEFAULT }
    }
}

/// Reads what a person types: `last`, an id, an address or Message-ID, an IP address, the name of a host or
/// domain; anything else, and whatever none of these finds, is words to search for.
impl FromStr for Query {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("last") {
            return Ok(Self::last());
        }
        let mut keys = Vec::new();
        keys.extend(text.parse().map(Key::queue));
        keys.extend(text.parse().map(Key::session));
        keys.extend(text.parse().map(Key::attempt));
        keys.extend(text.parse().map(Key::peer));
        keys.extend(text.parse::<SocketAddr>().map(|address| Key::peer(address.ip())));
        if text.contains('@') && !text.contains(char::is_whitespace) {
            // `a@b` may be either, and `<a@b>` too.
            let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
            keys.push(Key::message_id(bare));
            keys.extend(bare.parse().map(|mailbox: Mailbox| Key::address(&mailbox)));
        }
        // `@example.org` is how the queue names the way to a domain.
        let name = text.strip_prefix('@').unwrap_or(text);
        if name.contains('.') && text.parse::<IpAddr>().is_err() {
            keys.extend(name.parse().map(|name: Domain| Key::host(&name)));
        }
        if keys.is_empty() {
            return Ok(Self::words(text));
        }
        Ok(Self { or_words: Some(Text::from(text)), ..Self::keys(keys) })
    }
}

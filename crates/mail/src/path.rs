//! Paths: where a message comes from and where it goes (RFC 5321 §4.1.1.2, §4.1.1.3).
//!
//! A source route (`<@relay:user@host>`) is understood and dropped, as RFC 5321 §3.6.1 and appendix C ask.

use crate::address::{AddressError, Mailbox};
use crate::limits::PATH_OCTETS_MAX;
use crate::name::Domain;
use std::fmt;
use std::str::FromStr;

/// `Reverse-path = Path / "<>"`: where notices about a message go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: this message is itself a notice, nothing is ever sent back to it (RFC 5321 §4.5.5).
    Null,
    /// An address that answers for the message.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The address, unless the path is null.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

/// Parses the text between the angle brackets.
impl FromStr for ReversePath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Ok(Self::Null);
        }
        without_source_route(text)?.parse().map(Self::Mailbox)
    }
}

/// Prints the text between the angle brackets; empty for the null path.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

/// `Forward-path`, or the one address that has no domain: `<Postmaster>` (RFC 5321 §4.5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain: the people who run this host.
    Postmaster,
    /// An address.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// The address, unless it is the postmaster of this host.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

/// Parses the text between the angle brackets.
impl FromStr for ForwardPath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        without_source_route(text)?.parse().map(Self::Mailbox)
    }
}

/// Prints the text between the angle brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("Postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

crate::serde_as_text!(ReversePath);
crate::serde_as_text!(ForwardPath);

/// `[ A-d-l ":" ] Mailbox`: what stands behind the source route, whose hosts must be well formed.
fn without_source_route(text: &str) -> Result<&str, AddressError> {
    if text.len() > PATH_OCTETS_MAX - "<>".len() {
        return Err(AddressError::TooLong);
    }
    if !text.starts_with('@') {
        return Ok(text);
    }
    let (route, mailbox) = text.split_once(':').ok_or(AddressError::NoLocalPart)?;
    for hop in route.split(',') {
        let host = hop.strip_prefix('@').ok_or(AddressError::BadLocalPart)?;
        host.parse::<Domain>().map_err(AddressError::Host)?;
    }
    Ok(mailbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5321 §3.6.1
    #[test]
    fn a_source_route_is_understood_and_dropped() {
        let path: ForwardPath = "@a.example,@b.example:user@c.example".parse().unwrap();
        assert_eq!(path.to_string(), "user@c.example");
        for bad in ["@a.example", "@a.example,b:user@c", "@:user@c", "@a:", "@[1.2.3.4:x@y"] {
            assert!(bad.parse::<ForwardPath>().is_err(), "{bad:?}");
        }
    }

    /// RFC 5321 §4.5.1
    #[test]
    fn the_null_path_and_postmaster_have_their_own_spelling() {
        assert_eq!("".parse(), Ok(ReversePath::Null));
        assert_eq!("postMASTER".parse(), Ok(ForwardPath::Postmaster));
        assert!("".parse::<ForwardPath>().is_err());
        assert!("postmaster".parse::<ReversePath>().is_err());
    }
}

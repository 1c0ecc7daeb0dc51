//! The DNS question: what the agents ask, and what can come back (RFC 1034, RFC 1035, RFC 5321 §5.1).
//!
//! [`Resolver`] is a door: behind it stands a real resolver in the server, and a table ([`Zone`]) in tests.
//! It knows no timeouts but the ones that ended a look-up; deadlines are the caller's.

mod zone;

pub use zone::Zone;

use crate::Domain;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::time::Duration;

/// A type of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Mail exchangers.
    Mx,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mx => "MX",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// An answer on its way.
pub type LookUp<'a, T> = Pin<Box<dyn Future<Output = Result<Records<T>, NoRecords>> + Send + 'a>>;

/// Asks DNS. Aliases (CNAME) are followed behind this door, bounded.
pub trait Resolver: Send + Sync {
    /// The mail exchangers of a domain, in no order.
    fn mx<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Mx>;

    /// The IPv4 addresses of a host.
    fn a<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv4Addr>;

    /// The IPv6 addresses of a host.
    fn aaaa<'a>(&'a self, name: &'a Domain) -> LookUp<'a, Ipv6Addr>;
}

/// Records of one type at one name; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records<T> {
    /// The records.
    pub records: Vec<T>,
    /// For how long the answer holds.
    pub ttl: Duration,
    /// Whether the answer was proved authentic (DNSSEC).
    pub authentic: bool,
    /// The name at the end of the aliases.
    pub canonical: Domain,
}

/// One mail exchanger (RFC 1035 §3.3.9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// Lower is tried first.
    pub preference: u16,
    /// Which host.
    pub exchange: Exchange,
}

impl fmt::Display for Mx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference, self.exchange)
    }
}

/// The host an MX record names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exchange {
    /// A host.
    Host(Domain),
    /// The root: no mail is accepted for this domain (RFC 7505).
    Null,
    /// What is no name of a host (as printed by DNS): it can have no address that we would ask for.
    Unusable(crate::Text),
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Null => f.write_str("."),
            Self::Unusable(name) => name.fmt(f),
        }
    }
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRecords {
    /// The name does not exist.
    NxDomain,
    /// The name exists, without records of this type.
    NoData,
    /// The answer failed DNSSEC validation.
    Bogus,
    /// The servers could not answer, in these words.
    ServFail(crate::Text),
    /// Nobody answered in time.
    Timeout,
}

impl NoRecords {
    /// Whether a later look-up may find some.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Bogus | Self::ServFail(_) | Self::Timeout)
    }
}

impl fmt::Display for NoRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NxDomain => f.write_str("the name does not exist (NXDOMAIN)"),
            Self::NoData => f.write_str("the name has no such records"),
            Self::Bogus => f.write_str("the answer failed DNSSEC validation"),
            Self::ServFail(why) => write!(f, "the name servers could not answer: {why}"),
            Self::Timeout => f.write_str("the name servers did not answer in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_servers_could_not_say_may_change_by_itself() {
        let permanent = [NoRecords::NxDomain, NoRecords::NoData];
        let transient = [NoRecords::Bogus, NoRecords::ServFail("REFUSED".into()), NoRecords::Timeout];
        assert!(!permanent.iter().any(NoRecords::is_transient));
        assert!(transient.iter().all(NoRecords::is_transient));
    }

    #[test]
    fn a_mail_exchanger_prints_as_in_a_zone_file() {
        let mx = |exchange| Mx { preference: 10, exchange }.to_string();
        assert_eq!(mx(Exchange::Host("mx.example".parse().unwrap())), "10 mx.example");
        assert_eq!(mx(Exchange::Null), "10 .");
        assert_eq!(mx(Exchange::Unusable("a b.".into())), "10 a b.");
    }
}

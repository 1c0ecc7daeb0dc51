//! Where a recipient's message goes next: ordered rules, the first that matches decides, none refuses.
//!
//! Routing happens at every attempt, never when a message is accepted: what the operator changes holds for
//! what already waits.

use crate::limits::{CONNECTIONS_PER_SITE_DEFAULT, SMTP_PORT};
use crate::local::Local;
use ipnet::IpNet;
use postrider_mail::{Domain, Host, Mailbox};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The recipients it is for.
    pub matches: Matches,
    /// Where it leads.
    pub hop: Hop,
}

/// Which recipients a rule is for, by their domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matches {
    /// Every domain that is local.
    Local,
    /// Every domain, address literals too.
    Everything,
    /// These domains.
    These(Vec<Pattern>),
}

/// A domain, or all below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This domain alone: `example.org`.
    Exactly(Domain),
    /// Every domain below this one, not itself: `*.example.org`.
    Below(Domain),
}

impl Pattern {
    /// Whether the domain is meant.
    pub fn matches(&self, domain: &Domain) -> bool {
        match self {
            Self::Exactly(this) => this == domain,
            Self::Below(parent) => domain
                .ascii()
                .strip_suffix(parent.ascii())
                .is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(domain) => domain.fmt(f),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// The next hop of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// A mailbox on this host.
    Local,
    /// The hosts that DNS names for the recipient's domain (RFC 5321 §5.1).
    Mx(Arc<Way>),
    /// One host for all of it, by its address records; the port is the way's.
    Smarthost(Host, Arc<Way>),
    /// A host or process that speaks LMTP (RFC 2033).
    Lmtp(LmtpPeer, Arc<Way>),
    /// Nowhere: taken, counted, told to the journal, dropped.
    Discard,
    /// Kept in the queue until the operator releases it; then the next rule that matches decides.
    Hold,
}

/// Where an LMTP server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LmtpPeer {
    /// A socket of this host.
    Unix(PathBuf),
    /// A host, on the way's port.
    Tcp(Host),
}

/// How a hop is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The port of the other end.
    pub port: u16,
    /// Which addresses are used.
    pub family: Family,
    /// Our address on IPv4 connections; `None`: the system's choice.
    pub source_v4: Option<Ipv4Addr>,
    /// Our address on IPv6 connections; `None`: the system's choice.
    pub source_v6: Option<Ipv6Addr>,
    /// What happens to 8-bit content where the peer does not offer 8BITMIME.
    pub eight_bit: EightBit,
    /// Connections to one site (a host at an address) at a time, at most.
    pub connections_max: u32,
    /// Special addresses (loopback, unspecified, link-local, multicast) that DNS may lead to all the same.
    pub allow: Vec<IpNet>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            port: SMTP_PORT,
            family: Family::default(),
            source_v4: None,
            source_v6: None,
            eight_bit: EightBit::default(),
            connections_max: CONNECTIONS_PER_SITE_DEFAULT,
            allow: Vec::new(),
        }
    }
}

impl fmt::Display for Matches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local domains"),
            Self::Everything => f.write_str("everything"),
            Self::These(patterns) => patterns.iter().enumerate().try_for_each(|(at, pattern)| {
                let comma = if at == 0 { "" } else { ", " };
                write!(f, "{comma}{pattern}")
            }),
        }
    }
}

/// Which addresses of a host are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, IPv6 first and then in turns.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both, all of IPv4 first.
    PreferV4,
}

/// 8-bit content for a peer without 8BITMIME (RFC 6152 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EightBit {
    /// Sent as it is: practically every host takes it, and a changed body breaks signatures.
    #[default]
    Send,
    /// Not sent; the sender is told (5.6.3).
    Refuse,
}

impl Hop {
    /// The name of the queue this hop's mail waits in: one for each destination that has a pace of its own.
    /// Printable, without spaces.
    pub fn key(&self, address: &Mailbox) -> String {
        match self {
            Self::Local => "local".into(),
            Self::Mx(_) => domain_key(address),
            Self::Smarthost(host, way) => format!("{}:{}", host.key(), way.port),
            Self::Lmtp(LmtpPeer::Tcp(host), way) => format!("lmtp:{}:{}", host.key(), way.port),
            Self::Lmtp(LmtpPeer::Unix(path), _) => {
                let path = path.to_string_lossy();
                format!("lmtp:{}", path.replace(|c: char| c.is_whitespace() || c.is_control(), "_"))
            }
            Self::Discard => "discard".into(),
            Self::Hold => "hold".into(),
        }
    }
}

/// The key of what goes to the address's own domain, and of what no rule matches.
pub fn domain_key(address: &Mailbox) -> String {
    format!("@{}", address.host().key())
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local mailbox"),
            Self::Mx(_) => f.write_str("the domain's mail hosts (MX)"),
            Self::Smarthost(host, way) => write!(f, "smart host {host}, port {}", way.port),
            Self::Lmtp(LmtpPeer::Tcp(host), way) => write!(f, "LMTP to {host}, port {}", way.port),
            Self::Lmtp(LmtpPeer::Unix(path), _) => write!(f, "LMTP to {}", path.display()),
            Self::Discard => f.write_str("discarded"),
            Self::Hold => f.write_str("held"),
        }
    }
}

/// Whether hold rules still mean something: they do not for a message that was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The message was never held by a rule.
    No,
    /// The operator has let it go.
    Yes,
}

/// The rule that decides for an address, and its number from 0; `None` where no rule matches.
pub fn rule<'r>(
    rules: &'r [Rule],
    local: &Local,
    address: &Mailbox,
    released: Released,
) -> Option<(usize, &'r Rule)> {
    let is_local = local.rules(address).is_some();
    rules.iter().enumerate().find(|(_, rule)| {
        let matches = match &rule.matches {
            Matches::Local => is_local,
            Matches::Everything => true,
            Matches::These(patterns) => {
                let domain = address.host().domain();
                domain.is_some_and(|domain| patterns.iter().any(|pattern| pattern.matches(domain)))
            }
        };
        matches && !(rule.hop == Hop::Hold && released == Released::Yes)
    })
}

/// The next hop for an address, or `None` where no rule matches.
pub fn route<'r>(rules: &'r [Rule], local: &Local, address: &Mailbox, released: Released) -> Option<&'r Hop> {
    rule(rules, local, address, released).map(|(_, rule)| &rule.hop)
}

/// The rule by which mail for an address that is not local leaves this host; `None`: none does, so it is
/// refused. Our own name, where it is no local domain, is reached by no rule but one that names it: others
/// would send the mail round to us.
pub fn onward<'r>(rules: &'r [Rule], local: &Local, address: &Mailbox) -> Option<&'r Rule> {
    let (_, rule) = rule(rules, local, address, Released::No)?;
    let is_us = address.host().domain() == Some(&local.hostname);
    (!is_us || matches!(rule.matches, Matches::These(_))).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{DomainRules, Domains};

    fn domain(name: &str) -> Domain {
        name.parse().unwrap()
    }

    fn to(rules: &[Rule], address: &str) -> Option<Hop> {
        let local = Local {
            hostname: domain("mx.example"),
            domains: Domains::These([(domain("a.example"), DomainRules::default())].into()),
            postmaster: None,
        };
        route(rules, &local, &address.parse().unwrap(), Released::No).cloned()
    }

    fn these(patterns: impl IntoIterator<Item = Pattern>, hop: Hop) -> Rule {
        Rule { matches: Matches::These(patterns.into_iter().collect()), hop }
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_none_refuses() {
        let ours = [Rule { matches: Matches::Local, hop: Hop::Local }];
        assert_eq!(to(&[], "x@a.example"), None);
        assert_eq!(to(&ours, "x@a.example"), Some(Hop::Local));
        assert_eq!(to(&ours, "x@b.example"), None);
        assert_eq!(to(&ours, "postmaster@mx.example"), Some(Hop::Local));
        let rules = [
            these([Pattern::Exactly(domain("B.example"))], Hop::Discard),
            Rule { matches: Matches::Everything, hop: Hop::Hold },
        ];
        assert_eq!(to(&rules, "x@b.example"), Some(Hop::Discard));
        assert_eq!(to(&rules[..1], "x@a.example"), None);
        assert_eq!(to(&rules, "x@a.example"), Some(Hop::Hold));
        assert_eq!(to(&rules, "x@[192.0.2.1]"), Some(Hop::Hold));
        assert_eq!(to(&rules[..1], "x@[192.0.2.1]"), None);
    }

    #[test]
    fn a_star_stands_for_what_is_below_a_domain() {
        let pattern = Pattern::Below(domain("example.org"));
        for (name, below) in [
            ("a.example.org", true),
            ("b.a.Example.ORG", true),
            ("example.org", false),
            ("notexample.org", false),
            ("org", false),
        ] {
            assert_eq!(pattern.matches(&domain(name)), below, "{name}");
        }
    }

    #[test]
    fn what_was_released_passes_rules_that_hold() {
        let local =
            Local { hostname: domain("mx.example"), domains: Domains::These([].into()), postmaster: None };
        let rules = [
            Rule { matches: Matches::Everything, hop: Hop::Hold },
            Rule { matches: Matches::Everything, hop: Hop::Discard },
        ];
        let at = |released| route(&rules, &local, &"x@b.example".parse().unwrap(), released).cloned();
        assert_eq!(at(Released::No), Some(Hop::Hold));
        assert_eq!(at(Released::Yes), Some(Hop::Discard));
    }

    #[test]
    fn each_destination_has_a_queue_of_its_own() {
        let way = Arc::new(Way::default());
        let address: Mailbox = "x@B.example".parse().unwrap();
        let keys = [
            Hop::Local,
            Hop::Mx(Arc::clone(&way)),
            Hop::Smarthost("relay.example".parse().unwrap(), Arc::clone(&way)),
            Hop::Lmtp(LmtpPeer::Tcp("[192.0.2.1]".parse().unwrap()), Arc::clone(&way)),
            Hop::Lmtp(LmtpPeer::Unix("/run/a b".into()), way),
            Hop::Discard,
            Hop::Hold,
        ]
        .map(|hop| hop.key(&address));
        let expected = [
            "local",
            "@b.example",
            "relay.example:25",
            "lmtp:[192.0.2.1]:25",
            "lmtp:/run/a_b",
            "discard",
            "hold",
        ];
        assert_eq!(keys, expected);
    }
}

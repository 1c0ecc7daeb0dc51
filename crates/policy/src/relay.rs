//! Who may send through this host to elsewhere: networks that the operator lists, and domains whose mail
//! anyone may leave here (a backup MX, RFC 5321 §3.6.2, §7.8). Without a list nobody relays; loopback is a
//! network like any other.

use crate::route::Pattern;
use ipnet::IpNet;
use postrider_mail::{Domain, Mailbox};
use std::fmt;
use std::net::IpAddr;

/// The permissions that the operator wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// Networks whose clients may send anywhere. IPv4 networks are written as such: a client at an
    /// IPv4-mapped IPv6 address counts as IPv4.
    pub from: Vec<IpNet>,
    /// Domains that anyone may send to. Their recipients are not known here.
    pub domains: Vec<Pattern>,
}

/// The line of the permissions that lets a client send to an address elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission<'r> {
    /// The client is in this network.
    From(&'r IpNet),
    /// The recipient's domain is one of these.
    Domain(&'r Pattern),
}

impl fmt::Display for Permission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(network) => write!(f, "relay_from {network}"),
            Self::Domain(pattern) => write!(f, "relay_domains {pattern}"),
        }
    }
}

impl Relay {
    /// The listed network that a client is in.
    pub fn network(&self, client: IpAddr) -> Option<&IpNet> {
        let client = client.to_canonical();
        self.from.iter().find(|network| network.contains(&client))
    }

    /// The listed pattern that a domain matches.
    pub fn pattern(&self, domain: &Domain) -> Option<&Pattern> {
        self.domains.iter().find(|pattern| pattern.matches(domain))
    }

    /// What lets this client send to this address, which is not local. An address literal is in no domain.
    pub fn permission(&self, client: IpAddr, address: &Mailbox) -> Option<Permission<'_>> {
        let from = self.network(client).map(Permission::From);
        from.or_else(|| self.pattern(address.host().domain()?).map(Permission::Domain))
    }
}

/// Whether the local part asks the next host to send on: `user%elsewhere`, `elsewhere!user`,
/// `"user@elsewhere"` (RFC 5321 §3.6.1, appendix F.2). A host that trusts us might obey.
pub fn asks_for_routing(address: &Mailbox) -> bool {
    address.local().as_str().contains(['%', '!', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn relay(networks: &[&str]) -> Relay {
        Relay { from: networks.iter().map(|network| network.parse().unwrap()).collect(), domains: Vec::new() }
    }

    #[test]
    fn a_mapped_address_counts_as_ipv4_and_only_so() {
        let relay = relay(&["192.0.2.0/24", "2001:db8::/32"]);
        for (client, listed) in [
            ("192.0.2.1", true),
            ("192.0.3.1", false),
            ("::ffff:192.0.2.1", true),
            ("::192.0.2.1", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("127.0.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(relay.network(client.parse().unwrap()).is_some(), listed, "{client}");
        }
    }

    #[test]
    fn every_ipv6_address_is_not_every_ipv4_address() {
        assert_eq!(relay(&["::/0"]).network("::ffff:192.0.2.1".parse().unwrap()), None);
    }

    proptest! {
        #[test]
        fn nobody_has_a_permission_without_a_list(client: IpAddr, local in "[a-z%!@.]{1,9}", host in "[a-z]{1,9}") {
            let address: Mailbox = format!("\"{local}\"@{host}").parse().unwrap();
            let nobody = Relay::default();
            prop_assert_eq!(nobody.permission(client, &address), None);
        }
    }
}

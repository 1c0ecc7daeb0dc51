//! Who speaks to us, at which door, in which dialect.

use crate::name::{Domain, HeloName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Other mail servers bring mail here: port 25 (RFC 5321).
    Mta,
    /// Another program on this host or network brings mail by LMTP (RFC 2033).
    Lmtp,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mta => "mta",
            Self::Lmtp => "lmtp",
        })
    }
}

/// The dialect a message came in, as `Received: … with` names it (RFC 3848).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp,
    /// LHLO.
    Lmtp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::Esmtp => "ESMTP",
            Self::Lmtp => "LMTP",
        })
    }
}

/// The whole word behind `with` in Received (RFC 3848 §2, RFC 6531 §4.3): `ESMTP`, `ESMTPSA`, `UTF8SMTPS`,
/// `LMTPA` and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct With {
    /// The dialect.
    pub protocol: Protocol,
    /// The transaction was begun with SMTPUTF8.
    pub utf8: bool,
    /// The session was under TLS.
    pub tls: bool,
    /// The client had authenticated.
    pub auth: bool,
}

impl fmt::Display for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.protocol, self.utf8) {
            // Without EHLO there is no extension to name.
            (Protocol::Smtp, _) => return f.write_str("SMTP"),
            (Protocol::Esmtp, true) => f.write_str("UTF8SMTP")?,
            (Protocol::Lmtp, true) => f.write_str("UTF8LMTP")?,
            (protocol, false) => protocol.fmt(f)?,
        }
        f.write_str(if self.tls { "S" } else { "" })?;
        f.write_str(if self.auth { "A" } else { "" })
    }
}

/// What is known of the other end of a connection. IPv4-mapped IPv6 addresses are IPv4 here.
///
/// Where a trusted proxy speaks for its client (the PROXY protocol, XCLIENT), this is the client, and
/// [`told_by`](Self::told_by) the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    address: SocketAddr,
    service: Service,
    name: Option<Domain>,
    told_by: Option<IpAddr>,
    is_local: bool,
}

impl Peer {
    /// A peer at `address` (as accepted) that came through a listener of this service.
    pub fn new(address: SocketAddr, service: Service) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { address, service, name: None, told_by: None, is_local: false }
    }

    /// A process of this host that came through a Unix socket. Its address is that of loopback, its port 0.
    pub fn local(service: Service) -> Self {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Self { address, service, name: None, told_by: None, is_local: true }
    }

    /// The client that this peer speaks for, by the peer's own word: at `address`, called `name`.
    #[must_use]
    pub fn speaks_for(&self, address: SocketAddr, name: Option<Domain>) -> Self {
        Self { name, told_by: Some(self.told_by.unwrap_or(self.ip())), ..Self::new(address, self.service) }
    }

    /// An address and port as people read them: those that [`local`](Self::local) has are a Unix socket's; a port
    /// that is not known is 0, and not shown.
    pub fn shown(address: SocketAddr) -> String {
        if address == Self::local(Service::Lmtp).address {
            "a Unix socket of this host".to_owned()
        } else if address.port() == 0 {
            address.ip().to_string()
        } else {
            address.to_string()
        }
    }

    /// Its address and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// The name of its address, as the proxy told it.
    pub fn name(&self) -> Option<&Domain> {
        self.name.as_ref()
    }

    /// The proxy by whose word this is who it is.
    pub fn told_by(&self) -> Option<IpAddr> {
        self.told_by
    }

    /// Whether it came through a Unix socket of this host.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// What the listener it came through is for.
    pub fn service(&self) -> Service {
        self.service
    }
}

/// How the client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The dialect its command chose.
    pub protocol: Protocol,
    /// The name it gave.
    pub name: HeloName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_shown_as_one_and_a_port_that_is_not_known_not_at_all() {
        assert_eq!(Peer::shown(Peer::local(Service::Lmtp).address()), "a Unix socket of this host");
        assert_eq!(Peer::shown("127.0.0.1:1".parse().unwrap()), "127.0.0.1:1");
        assert_eq!(Peer::shown("[2001:db8::1]:0".parse().unwrap()), "2001:db8::1");
    }

    /// RFC 3848 §2, RFC 6531 §4.3
    #[test]
    fn the_protocol_of_a_received_field_has_the_registered_words() {
        let with = |protocol, utf8, tls, auth| With { protocol, utf8, tls, auth }.to_string();
        assert_eq!(with(Protocol::Smtp, true, true, false), "SMTP");
        assert_eq!(with(Protocol::Esmtp, false, true, true), "ESMTPSA");
        assert_eq!(with(Protocol::Esmtp, true, true, true), "UTF8SMTPSA");
        assert_eq!(with(Protocol::Lmtp, false, false, true), "LMTPA");
        assert_eq!(with(Protocol::Lmtp, true, false, false), "UTF8LMTP");
    }

    #[test]
    fn a_client_behind_two_proxies_is_told_by_the_one_that_connected() {
        let proxy = Peer::new("192.0.2.1:9".parse().unwrap(), Service::Mta);
        let client = proxy.speaks_for("[2001:db8::1]:5".parse().unwrap(), None);
        assert_eq!((client.told_by(), client.ip()), (Some(proxy.ip()), "2001:db8::1".parse().unwrap()));
        assert_eq!(client.speaks_for("[::1]:1".parse().unwrap(), None).told_by(), Some(proxy.ip()));
    }
}

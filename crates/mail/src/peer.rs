//! Who speaks to us, at which door, in which dialect.

use crate::name::HeloName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

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

/// What is known of the other end of a connection. IPv4-mapped IPv6 addresses are IPv4 here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    address: SocketAddr,
    service: Service,
}

impl Peer {
    /// A peer at `address` (as accepted) that came through a listener of this service.
    pub fn new(address: SocketAddr, service: Service) -> Self {
        Self { address: SocketAddr::new(address.ip().to_canonical(), address.port()), service }
    }

    /// Its address and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
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

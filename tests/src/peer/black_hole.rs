//! An address at which nobody ever answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What comes there is neither taken nor refused.
pub struct BlackHole {
    address: SocketAddr,
    /// The queue of connections that nobody takes, and what fills it.
    _full: (OwnedFd, Vec<TcpStream>),
}

impl BlackHole {
    /// At this address.
    pub fn at(address: SocketAddr) -> Self {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &address).unwrap();
        listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            filling.push(stream);
        }
        Self { address, _full: (listener, filling) }
    }

    /// Where nobody answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

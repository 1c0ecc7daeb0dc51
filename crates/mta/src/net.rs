//! The way out to other hosts and processes: connections, as the world makes them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// The other end of a connection to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket of this host.
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Octets both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection being made.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// Makes connections.
pub trait Net: Send + Sync {
    /// Connects, from this address of ours where one is named. Deadlines are the caller's.
    fn connect<'a>(&'a self, to: &'a Endpoint, from: Option<IpAddr>) -> Connecting<'a>;

    /// Whether the address belongs to this host.
    fn is_ours(&self, address: IpAddr) -> bool;
}

/// The system's sockets.
#[derive(Clone, Copy, Debug)]
pub struct SystemNet;

impl Net for SystemNet {
    fn connect<'a>(&'a self, to: &'a Endpoint, from: Option<IpAddr>) -> Connecting<'a> {
        Box::pin(async move {
            Ok(match to {
                Endpoint::Tcp(address) => Box::new(tcp(*address, from).await?) as Box<dyn Stream>,
                Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
            })
        })
    }

    /// The system sends to an address of this host from that very address; nothing is sent to find out. (To try
    /// to bind it would not tell where `net.ipv4.ip_nonlocal_bind` is set.)
    fn is_ours(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified() || source(address) == Some(address)
    }
}

/// Where the system would send to this address from.
fn source(address: IpAddr) -> Option<IpAddr> {
    let unspecified: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0)).ok()?;
    // Any port: a connection of UDP is a note of where to send.
    socket.connect((address, 9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

async fn tcp(address: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(address).await?;
    // Commands are short and wait for replies: what is written goes out at once.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_host_are_ours_and_others_are_not() {
        for ours in ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"] {
            assert!(SystemNet.is_ours(ours.parse().unwrap()), "{ours}");
        }
        for other in ["192.0.2.1", "2001:db8::1", "224.0.0.1", "255.255.255.255", "::ffff:192.0.2.1"] {
            assert!(!SystemNet.is_ours(other.parse().unwrap()), "{other}");
        }
        // Whatever address this host has beside loopback, it speaks from it.
        if let Some(ours) = source("192.0.2.1".parse().unwrap()) {
            assert!(SystemNet.is_ours(ours), "{ours}");
        }
    }
}

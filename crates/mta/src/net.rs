//! The way out to other hosts and processes: connections, as the world makes them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
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

    /// Only an address of this host can be bound; nothing is sent.
    fn is_ours(&self, address: IpAddr) -> bool {
        std::net::UdpSocket::bind((address, 0)).is_ok()
    }
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

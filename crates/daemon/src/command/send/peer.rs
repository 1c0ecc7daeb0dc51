//! The host to talk to: its name on the command line, and the connection to it.

use super::limits::CONNECT_TIMEOUT;
use crate::config::units::print_duration;
use crate::exit::Exit;
use postrider_smtp::server::Dialect;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`, not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::command) struct Peer {
    host: String,
    port: Option<u16>,
}

impl Peer {
    /// The port that was named, or the one of this dialect: 25 for SMTP, 24 for LMTP.
    pub(in crate::command) fn port(&self, dialect: Dialect) -> u16 {
        self.port.unwrap_or(match dialect {
            Dialect::Smtp => 25,
            Dialect::Lmtp => 24,
        })
    }

    /// `HOST:PORT`, for people.
    pub(in crate::command) fn shown(&self, dialect: Dialect) -> String {
        let port = self.port(dialect);
        match self.host.parse::<Ipv6Addr>() {
            Ok(v6) => format!("[{v6}]:{port}"),
            Err(_) => format!("{}:{port}", self.host),
        }
    }
}

impl FromStr for Peer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a server is HOST or HOST:PORT, as in 127.0.0.1:2525 or [::1]:25";
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, behind) = rest.split_once(']').ok_or(SHAPE)?;
            host.parse::<Ipv6Addr>().map_err(|_| SHAPE)?;
            match behind {
                "" => (host, None),
                _ => (host, Some(behind.strip_prefix(':').ok_or(SHAPE)?)),
            }
        } else if text.parse::<IpAddr>().is_ok() {
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        let well_formed = !host.is_empty() && !host.contains(|c: char| c.is_control() || c.is_whitespace());
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok().filter(|&port: &u16| port > 0).ok_or(SHAPE)?),
        };
        if well_formed { Ok(Self { host: host.to_owned(), port }) } else { Err(SHAPE) }
    }
}

/// Why there is no connection, and what to do about it.
#[derive(Debug)]
pub(in crate::command) struct Unreached {
    /// How the command ends.
    pub(in crate::command) exit: Exit,
    /// What happened.
    pub(in crate::command) what: String,
    /// What to do.
    pub(in crate::command) advice: String,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}", self.what, self.advice)
    }
}

/// Connects to the first of the host's addresses that answers; looking up and connecting to all of them
/// takes at most `patience`, or [`CONNECT_TIMEOUT`].
pub(in crate::command) async fn connect(
    peer: &Peer,
    dialect: Dialect,
    patience: Option<Duration>,
) -> Result<TcpStream, Unreached> {
    let patience = patience.unwrap_or(CONNECT_TIMEOUT);
    let until = Instant::now() + patience;
    let port = peer.port(dialect);
    let addresses: Vec<SocketAddr> = match timeout_at(until, lookup_host((peer.host.as_str(), port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(no_host(peer, &error.to_string())),
        Err(_) => return Err(no_host(peer, "the name service gives no answer")),
    };
    let mut last = no_host(peer, "it has no address");
    for address in addresses {
        last = match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A last small piece does not wait for what was sent before it; without this it is only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => refused(address),
            Ok(Err(error)) => not_now(
                format!("{address} cannot be reached: {error}"),
                "see whether this machine has a way to it",
            ),
            Err(_) => return Err(silent(address, patience)),
        };
    }
    Err(last)
}

fn no_host(peer: &Peer, why: &str) -> Unreached {
    Unreached {
        exit: Exit::NoHost,
        what: format!("{} is not known: {why}", peer.host),
        advice: "check the spelling of the server's name".into(),
    }
}

fn not_now(what: String, advice: impl Into<String>) -> Unreached {
    Unreached { exit: Exit::TempFail, what, advice: advice.into() }
}

fn refused(address: SocketAddr) -> Unreached {
    let advice = if address.ip().is_loopback() {
        format!("start a server in another terminal: postrider dev --listen {address}")
    } else {
        "check the name and the port; many networks let nothing out to port 25".into()
    };
    not_now(format!("nothing listens at {address}: the connection was refused"), advice)
}

fn silent(address: SocketAddr, patience: Duration) -> Unreached {
    not_now(
        format!("{address} did not answer within {}", print_duration(patience)),
        "the host may be down, or a firewall swallows the connection: many networks let nothing out to port 25",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port() {
        for (text, shown) in [
            ("127.0.0.1:2525", "127.0.0.1:2525"),
            ("mx.example.org", "mx.example.org:25"),
            ("::1", "[::1]:25"),
            ("[::1]", "[::1]:25"),
            ("[2001:db8::1]:587", "[2001:db8::1]:587"),
        ] {
            assert_eq!(text.parse::<Peer>().unwrap().shown(Dialect::Smtp), shown);
        }
        assert_eq!("localhost".parse::<Peer>().unwrap().port(Dialect::Lmtp), 24);
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for bad in
            ["", ":25", "a:", "a:0", "a:65536", "a:b", "a:1:2", "[::1", "[a]:25", "[::1]25", "a b:25", "a\n"]
        {
            assert!(bad.parse::<Peer>().is_err(), "{bad:?}");
        }
    }
}

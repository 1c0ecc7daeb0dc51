//! A network in memory: hosts are tasks behind addresses, connections are pipes.

use postrider_mail::dns::{Exchange, Mx, Zone};
use postrider_mta::net::{Connecting, Endpoint, Net, Stream};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::watch;

/// Octets that a pipe holds.
const PIPE_OCTETS: usize = 64 * 1024;

/// Hosts by address and port.
#[derive(Default)]
pub(crate) struct Network(Mutex<BTreeMap<String, Arc<Host>>>);

/// One host, and what came to it.
pub(crate) struct Host {
    manner: Manner,
    /// Connections that were asked for.
    pub(crate) connections: AtomicUsize,
    /// Connections that are open now.
    open: AtomicUsize,
    /// Contents that it has not answered yet.
    pub(crate) pondering: AtomicUsize,
    /// Contents taken, with their recipients.
    pub(crate) taken: Mutex<Vec<(Vec<String>, String)>>,
    /// Whether a slow host goes on.
    gate: watch::Sender<bool>,
}

/// How a host behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes everything.
    Good,
    /// The same, and its reply to EHLO has this line too.
    Offers(&'static str),
    /// Connections are refused.
    Down,
    /// The greeting is this reply.
    Greets(&'static str),
    /// 421 to more connections at a time than this.
    Limited(usize),
    /// It says nothing until it is let go.
    Slow,
    /// It closes behind each message.
    OneEach,
    /// It takes so many recipients in a transaction, and says 452 4.5.3 to more.
    Recipients(usize),
    /// It closes behind the final dot, without a reply.
    LostAfterDot,
    /// It takes content, and says nothing to it until it is let go.
    Ponders,
    /// It answers every RCPT so.
    Rcpt(&'static str),
    /// It offers this beside the usual, and answers every RCPT so.
    Busy(&'static str, &'static str),
    /// It says nothing until it is let go, and then greets with this reply.
    SlowThen(&'static str),
}

/// Each domain's exchangers, in their order, and their addresses.
pub(crate) fn zone(domains: &[(&str, &[&str])]) -> Zone {
    let mut zone = Zone::default();
    for (domain, addresses) in domains {
        for (at, address) in addresses.iter().enumerate() {
            let host: postrider_mail::Domain = format!("mx{at}.{domain}").parse().unwrap();
            let preference = u16::try_from(at).unwrap();
            zone = zone
                .mx(domain.parse().unwrap(), Mx { preference, exchange: Exchange::Host(host.clone()) })
                .address(host, address.parse().unwrap());
        }
    }
    zone
}

impl Network {
    /// Puts a host at an address and port.
    pub(crate) fn host(&self, at: &str, manner: Manner) -> Arc<Host> {
        let host = Arc::new(Host {
            manner,
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            pondering: AtomicUsize::new(0),
            taken: Mutex::default(),
            gate: watch::channel(false).0,
        });
        self.0.lock().unwrap().insert(at.to_owned(), Arc::clone(&host));
        host
    }
}

impl Net for Network {
    fn connect<'a>(&'a self, to: &'a Endpoint, _: Option<IpAddr>) -> Connecting<'a> {
        Box::pin(async move {
            let host = self.0.lock().unwrap().get(&to.to_string()).cloned();
            let Some(host) = host else { return Err(io::ErrorKind::HostUnreachable.into()) };
            host.connections.fetch_add(1, Ordering::SeqCst);
            if host.manner == Manner::Down {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (ours, theirs) = tokio::io::duplex(PIPE_OCTETS);
            tokio::spawn(async move {
                host.open.fetch_add(1, Ordering::SeqCst);
                // A client that goes away ends the conversation, whatever the moment.
                let _ = host.converse(theirs).await;
                host.open.fetch_sub(1, Ordering::SeqCst);
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }

    fn is_ours(&self, _: IpAddr) -> bool {
        false
    }
}

impl Host {
    /// A slow host goes on.
    pub(crate) fn let_go(&self) {
        self.gate.send_replace(true);
    }

    pub(crate) fn messages(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    async fn converse(&self, stream: DuplexStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        match self.manner {
            Manner::Greets(reply) => return say(&mut stream, reply).await,
            Manner::Limited(most) if self.open.load(Ordering::SeqCst) > most => {
                return say(&mut stream, "421 4.7.0 too many connections").await;
            }
            Manner::Slow => {
                // The sender lives as long as the host.
                let _ = self.gate.subscribe().wait_for(|open| *open).await;
            }
            Manner::SlowThen(reply) => {
                let _ = self.gate.subscribe().wait_for(|open| *open).await;
                return say(&mut stream, reply).await;
            }
            _ => {}
        }
        say(&mut stream, "220 peer.example ESMTP").await?;
        let mut recipients: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let verb = line.split(' ').next().unwrap_or_default();
            match verb {
                "EHLO" => {
                    let more = match self.manner {
                        Manner::Offers(line) | Manner::Busy(line, _) => format!("250-{line}\r\n"),
                        _ => String::new(),
                    };
                    let usual = "250-PIPELINING\r\n250-8BITMIME";
                    say(&mut stream, &format!("250-peer.example\r\n{more}{usual}\r\n250 SIZE")).await?;
                }
                "RCPT" if self.is_full(&recipients) => {
                    say(&mut stream, "452 4.5.3 too many recipients").await?;
                }
                "RCPT" if let Manner::Rcpt(reply) | Manner::Busy(_, reply) = self.manner => {
                    say(&mut stream, reply).await?;
                }
                "RCPT" => {
                    recipients.push(line.trim_start_matches("RCPT TO:").to_owned());
                    say(&mut stream, "250 2.1.5 ok").await?;
                }
                "DATA" if recipients.is_empty() => say(&mut stream, "503 5.5.1 no recipient").await?,
                "DATA" => {
                    say(&mut stream, "354 go on").await?;
                    let content = content(&mut stream).await?;
                    if self.manner == Manner::LostAfterDot {
                        return Ok(());
                    }
                    if self.manner == Manner::Ponders {
                        self.pondering.fetch_add(1, Ordering::SeqCst);
                        let _ = self.gate.subscribe().wait_for(|open| *open).await;
                    }
                    self.taken.lock().unwrap().push((std::mem::take(&mut recipients), content));
                    say(&mut stream, "250 2.0.0 taken").await?;
                    if self.manner == Manner::OneEach {
                        return Ok(());
                    }
                }
                "QUIT" => return say(&mut stream, "221 bye").await,
                _ => say(&mut stream, "250 2.0.0 ok").await?,
            }
        }
    }

    fn is_full(&self, recipients: &[String]) -> bool {
        matches!(self.manner, Manner::Recipients(most) if recipients.len() >= most)
    }
}

async fn say(stream: &mut BufReader<DuplexStream>, reply: &str) -> io::Result<()> {
    stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await
}

async fn content(stream: &mut BufReader<DuplexStream>) -> io::Result<String> {
    let mut content = String::new();
    loop {
        let from = content.len();
        if stream.read_line(&mut content).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if &content[from..] == ".\r\n" {
            content.truncate(from);
            return Ok(content);
        }
    }
}

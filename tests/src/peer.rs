//! A scripted mail server, plain enough to be believed: it takes messages and keeps them, unless its script says
//! that it fails at some step. It knows nothing of our engine.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod black_hole;
mod rude;
mod talk;

pub use black_hole::BlackHole;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use talk::Talk;

/// A point of the dialogue at which the server's word is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The connection is there.
    Greeting,
    /// EHLO (or HELO) was said.
    Ehlo,
    /// MAIL was said.
    Mail,
    /// A RCPT was said: the first of the transaction.
    FirstRcpt,
    /// Another RCPT was said.
    LaterRcpt,
    /// DATA was said.
    Data,
    /// The content has begun.
    Content,
    /// The content has ended.
    Dot,
    /// QUIT was said.
    Quit,
}

/// What the server does instead of what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes.
    Close,
    /// Says this line; after 421 it closes.
    Says(&'static str),
    /// Says this, as it stands, and closes.
    Mutters(&'static str),
    /// Says nothing more, and waits until the other side has gone.
    Silence,
    /// Says these octets as they stand, and then nothing more.
    Gabbles(&'static [u8]),
    /// Says the first, and then the second without end, until the other side has gone.
    Floods(&'static str, &'static str),
    /// Says this without end, an octet at a time.
    Drips(&'static str),
    /// Closes its side, and reads on until the other side has gone.
    HalfCloses,
    /// Neither says nor reads anything more.
    Deaf,
}

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Script {
    /// Where it fails, and how.
    pub fault: Option<(Step, Fault)>,
    /// How often it does: all is well afterwards.
    pub times: u32,
    /// Connections that it serves at a time; others hear 421.
    pub connections_max: u32,
    /// What it says to EHLO, below its name.
    pub offers: Vec<&'static str>,
    /// Whether it keeps the content of what it takes.
    pub keeps: bool,
    /// How long it thinks at the end of each message.
    pub thinks: Duration,
}

impl Default for Script {
    fn default() -> Self {
        let offers = vec!["PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES"];
        Self {
            fault: None,
            times: u32::MAX,
            connections_max: u32::MAX,
            offers,
            keeps: true,
            thinks: Duration::ZERO,
        }
    }
}

impl Script {
    /// Fails at this step, always.
    pub fn failing(step: Step, fault: Fault) -> Self {
        Self { fault: Some((step, fault)), ..Self::default() }
    }

    /// Fails so often, and then is well.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// A message whose end the server has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What followed `MAIL FROM:`.
    pub mail: String,
    /// What followed each `RCPT TO:` that got 250.
    pub recipients: Vec<String>,
    /// The content with CRLF line ends, dots unstuffed; empty where the script does not keep it.
    pub content: Vec<u8>,
    /// Whether 250 was said.
    pub accepted: bool,
    /// When its end was there.
    pub at: Instant,
}

/// A running scripted server; it stops listening when dropped.
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    script: Mutex<Script>,
    faults: AtomicU32,
    open: AtomicU32,
    connections: AtomicU32,
    refused: AtomicU32,
    seen: Mutex<Vec<Seen>>,
}

impl Peer {
    /// Starts one on a free port of 127.0.0.1.
    pub fn start(script: Script) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), script)
    }

    /// Starts one at this address.
    pub fn at(address: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { script: Mutex::new(script), ..Shared::default() });
        let peer = Self { address, shared: Arc::clone(&shared) };
        let listen = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                spawn("peer", move || shared.serve(stream));
            }
        };
        spawn("peer-listens", listen);
        peer
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from now on; faults are counted anew.
    pub fn change(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
        self.shared.faults.store(0, Ordering::Relaxed);
    }

    /// Every message whose end it has seen, in that order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many messages it has accepted.
    pub fn accepted(&self) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.accepted).count()
    }

    /// How many recipients it has accepted messages for.
    pub fn recipients(&self) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.accepted).map(|seen| seen.recipients.len()).sum()
    }

    /// Connections made so far.
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Connections that are open now.
    pub fn open(&self) -> u32 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections that heard 421 as there were too many.
    pub fn refused(&self) -> u32 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // The listener looks up when someone comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.into()).stack_size(256 * 1024).spawn(work).unwrap();
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        if open > self.script.lock().unwrap().connections_max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let _ = (&stream).write_all(b"421 4.7.0 too many connections from you\r\n");
        } else {
            // It ends with the connection, however that ends.
            let _ = Talk::begin(self, stream).and_then(Talk::go_on);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether it is to fail here, once more.
    fn fault_at(&self, step: Step) -> Option<Fault> {
        let script = self.script.lock().unwrap();
        let (at, fault) = script.fault?;
        let fails = at == step && self.faults.fetch_add(1, Ordering::Relaxed) < script.times;
        fails.then_some(fault)
    }
}

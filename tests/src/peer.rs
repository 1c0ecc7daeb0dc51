//! A scripted mail server, plain enough to be believed: it takes messages and keeps them, unless its script says
//! that it fails at some step. It knows nothing of our engine.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::limits::PATIENCE;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

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
    most_open: AtomicU32,
    connections: AtomicU32,
    refused: AtomicU32,
    steps: Mutex<BTreeMap<Step, u32>>,
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

    /// How often it came to this step.
    pub fn came_to(&self, step: Step) -> u32 {
        self.shared.steps.lock().unwrap().get(&step).copied().unwrap_or(0)
    }

    /// Connections made so far.
    pub fn connections(&self) -> u32 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The most connections it served at a time.
    pub fn most_open(&self) -> u32 {
        self.shared.most_open.load(Ordering::Relaxed)
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
        let script = self.script.lock().unwrap().clone();
        if open > script.connections_max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let _ = (&stream).write_all(b"421 4.7.0 too many connections from you\r\n");
        } else {
            self.most_open.fetch_max(open, Ordering::Relaxed);
            // It ends with the connection, however that ends.
            let _ = Talk::begin(self, stream, script).and_then(Talk::go_on);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether it is to fail here, once more.
    fn fault_at(&self, step: Step, script: &Script) -> Option<Fault> {
        *self.steps.lock().unwrap().entry(step).or_default() += 1;
        let (at, fault) = script.fault?;
        let fails = at == step && self.faults.fetch_add(1, Ordering::Relaxed) < script.times;
        fails.then_some(fault)
    }
}

/// One connection.
struct Talk<'s> {
    shared: &'s Shared,
    script: Script,
    input: BufReader<TcpStream>,
    output: Vec<u8>,
    mail: String,
    recipients: Vec<String>,
}

/// The connection is to end.
fn over<T>() -> io::Result<T> {
    Err(ErrorKind::ConnectionAborted.into())
}

impl<'s> Talk<'s> {
    fn begin(shared: &'s Shared, stream: TcpStream, script: Script) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE * 10))?;
        let input = BufReader::with_capacity(64 * 1024, stream);
        let mut talk =
            Self { shared, script, input, output: Vec::new(), mail: String::new(), recipients: Vec::new() };
        talk.reply(Step::Greeting, "220 peer.example ESMTP")?;
        Ok(talk)
    }

    fn go_on(mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" | "LHLO" => self.hello()?,
                "MAIL" => {
                    if self.reply(Step::Mail, "250 2.1.0 ok")? {
                        self.mail = behind_colon(&line);
                        self.recipients.clear();
                    }
                }
                "RCPT" => {
                    let step = if self.recipients.is_empty() { Step::FirstRcpt } else { Step::LaterRcpt };
                    if self.reply(step, "250 2.1.5 ok")? {
                        self.recipients.push(behind_colon(&line));
                    }
                }
                "DATA" if self.recipients.is_empty() => self.say("503 5.5.1 no recipients")?,
                "DATA" => {
                    if self.reply(Step::Data, "354 go on")? {
                        self.content()?;
                    }
                }
                "RSET" => {
                    self.recipients.clear();
                    self.say("250 2.0.0 ok")?;
                }
                "NOOP" => self.say("250 2.0.0 ok")?,
                "QUIT" => {
                    self.reply(Step::Quit, "221 2.0.0 bye")?;
                    return self.flush();
                }
                _ => self.say("500 5.5.2 what?")?,
            }
        }
    }

    fn hello(&mut self) -> io::Result<()> {
        let mut lines = String::new();
        for (number, line) in ["peer.example"].iter().chain(&self.script.offers).enumerate() {
            let last = number == self.script.offers.len();
            lines.push_str(&format!("250{}{line}\r\n", if last { ' ' } else { '-' }));
        }
        self.reply(Step::Ehlo, lines.trim_end()).map(drop)
    }

    fn content(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(fault) = self.shared.fault_at(Step::Content, &self.script) {
            // Some of it has come by then.
            self.line()?;
            self.commit(fault)?;
        }
        let mut content = Vec::new();
        loop {
            let line = self.line()?;
            if line == b".\r\n" {
                break;
            }
            if self.script.keeps {
                content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
        let seen = Seen {
            mail: std::mem::take(&mut self.mail),
            recipients: std::mem::take(&mut self.recipients),
            content,
            accepted: false,
            at: Instant::now(),
        };
        think(self.script.thinks);
        let place = {
            let mut all = self.shared.seen.lock().unwrap();
            all.push(seen);
            all.len() - 1
        };
        if self.reply(Step::Dot, "250 2.0.0 taken")? {
            // Said is said, whether or not it is heard.
            self.shared.seen.lock().unwrap()[place].accepted = true;
        }
        Ok(())
    }

    /// Says what is due, or fails. Whether it said what is due.
    fn reply(&mut self, step: Step, due: &str) -> io::Result<bool> {
        match self.shared.fault_at(step, &self.script) {
            Some(fault) => self.commit(fault).map(|()| false),
            None => self.say(due).map(|()| true),
        }
    }

    fn commit(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Close => {
                self.flush()?;
                over()
            }
            Fault::Says(line) => {
                self.say(line)?;
                if line.starts_with("421") {
                    self.flush()?;
                    return over();
                }
                Ok(())
            }
            Fault::Mutters(octets) => {
                self.output.extend_from_slice(octets.as_bytes());
                self.flush()?;
                over()
            }
            Fault::Silence => {
                self.flush()?;
                io::copy(&mut self.input, &mut io::sink())?;
                over()
            }
        }
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        // Replies to what came in one segment leave in one.
        if self.input.buffer().is_empty() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let output = std::mem::take(&mut self.output);
        self.input.get_mut().write_all(&output)
    }

    /// The next line, with its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        if self.input.buffer().is_empty() {
            self.flush()?;
        }
        let mut line = Vec::new();
        loop {
            if self.input.by_ref().take(1 << 20).read_until(b'\n', &mut line)? == 0 {
                return over();
            }
            if line.ends_with(b"\r\n") {
                return Ok(line);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "other hosts are further away than those of a test")]
fn think(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}

fn behind_colon(line: &str) -> String {
    line.split_once(':').map_or("", |(_, path)| path).trim().to_owned()
}

/// An address at which nobody ever answers: what comes there is neither taken nor refused.
pub struct BlackHole {
    address: SocketAddr,
    /// The queue of connections that nobody takes, and what fills it.
    _full: (rustix::fd::OwnedFd, Vec<TcpStream>),
}

impl BlackHole {
    /// At this address.
    pub fn at(address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
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

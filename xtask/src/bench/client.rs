//! The clients, in a process of their own: `xtask bench client load|idle …`, started by the measurements.
//!
//! `load` sends messages and prints `ACCEPTED MICROSECONDS`. `idle` opens sessions, prints a line when all
//! are greeted, and holds them until its standard input ends.

use crate::limits::{CLIENT_STACK_OCTETS, CLIENT_TIMEOUT, LINE_OCTETS};
use crate::problem::{Problem, While};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Messages to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections at a time; each is used for many messages.
    pub(crate) sessions: u64,
    /// Octets of content of each message.
    pub(crate) octets: usize,
    /// Stop after so many messages, all sessions together …
    pub(crate) messages: u64,
    /// … or after so many seconds, whatever comes first.
    pub(crate) seconds: u64,
}

/// What became of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    /// Messages that got their 250.
    pub(crate) messages: u64,
    /// From the first connection to the last reply.
    pub(crate) took: Duration,
}

/// Sends a load from a process of its own.
pub(crate) fn send(to: SocketAddr, load: Load) -> Result<Accepted, Problem> {
    let Load { sessions, octets, messages, seconds } = load;
    let numbers = [sessions, octets as u64, messages, seconds];
    let output = start("load", to, &numbers)?.wait_with_output().while_("the clients")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace().map(str::parse);
    match (output.status.success(), words.next(), words.next()) {
        (true, Some(Ok(messages)), Some(Ok(micros))) => {
            Ok(Accepted { messages, took: Duration::from_micros(micros) })
        }
        _ => Err(Problem::new("the clients failed, see above")),
    }
}

/// Idle sessions, held by a process of their own until this is dropped.
#[derive(Debug)]
pub(crate) struct Idle {
    child: Child,
    hold: Option<ChildStdin>,
    _out: BufReader<ChildStdout>,
}

impl Idle {
    /// Opens so many, one after the other, each greeted and introduced.
    pub(crate) fn open(to: SocketAddr, sessions: u64) -> Result<Self, Problem> {
        let mut child = start("idle", to, &[sessions])?;
        let (hold, out) = (child.stdin.take(), child.stdout.take());
        let mut out = BufReader::new(out.ok_or_else(|| Problem::new("the client has no output"))?);
        let mut line = String::new();
        let read = out.read_line(&mut line);
        let idle = Self { child, hold, _out: out };
        match read {
            Ok(1..) => Ok(idle),
            _ => Err(Problem::new("the clients failed, see above")),
        }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.hold = None;
        let _ = self.child.wait();
    }
}

fn start(what: &str, to: SocketAddr, numbers: &[u64]) -> Result<Child, Problem> {
    let program = std::env::current_exe().while_("our own program")?;
    let mut command = Command::new(program);
    command.args(["bench", "client", what, &to.to_string()]).args(numbers.iter().map(u64::to_string));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().while_("the clients")
}

/// The process's own side.
///
/// # Errors
/// A server that does not say what was expected, or a command line that we did not write.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Problem> {
    let wrong = || Problem::usage("`bench client` is for `bench` itself");
    let [what, to, numbers @ ..] = arguments else { return Err(wrong()) };
    let to: SocketAddr = to.parse().map_err(|_| wrong())?;
    let numbers: Vec<u64> =
        numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let limit = getrlimit(Resource::Nofile);
    // Where this fails, opening sessions will say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    match (*what, numbers.as_slice()) {
        ("load", &[sessions, octets, messages, seconds]) => {
            let octets = usize::try_from(octets).map_err(|_| wrong())?;
            let accepted = load(to, Load { sessions, octets, messages, seconds }).while_("a client")?;
            println!("{} {}", accepted.messages, accepted.took.as_micros());
            Ok(())
        }
        ("idle", &[sessions]) => idle(to, sessions).while_("a client"),
        _ => Err(wrong()),
    }
}

fn idle(to: SocketAddr, sessions: u64) -> io::Result<()> {
    let held = (0..sessions).map(|_| Client::connect(to)).collect::<io::Result<Vec<_>>>()?;
    println!("{}", held.len());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn load(to: SocketAddr, load: Load) -> io::Result<Accepted> {
    let (claimed, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let until = began + Duration::from_secs(load.seconds);
    let session = |number: u64| {
        let mut client = Client::connect(to)?;
        let mut message = message(load.octets, number);
        while Instant::now() < until && claimed.fetch_add(1, Ordering::Relaxed) < load.messages {
            client.send(&mut message)?;
            accepted.fetch_add(1, Ordering::Relaxed);
        }
        client.quit()
    };
    thread::scope(|scope| {
        let builder = || thread::Builder::new().stack_size(CLIENT_STACK_OCTETS);
        let sessions = (0..load.sessions)
            .map(|number| builder().spawn_scoped(scope, move || session(number)))
            .collect::<io::Result<Vec<_>>>()?;
        sessions.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))
        })
    })?;
    Ok(Accepted { messages: accepted.into_inner(), took: began.elapsed() })
}

/// A message as it goes over the wire, final dot included. Its Message-ID begins with a number that
/// [`Message::next`] counts up in place.
struct Message {
    wire: Vec<u8>,
    number: u64,
}

const COUNTER: &str = "0000000000";
const BEFORE_COUNTER: &str = "Message-ID: <";

fn message(octets: usize, session: u64) -> Message {
    let mut wire = format!(
        "{BEFORE_COUNTER}{COUNTER}.{session}@client.example>\r\nDate: Sun, 22 Nov 2026 18:31:15 +0000\r\n\
         From: sender@client.example\r\nTo: postmaster@bench.example\r\nSubject: a message\r\n\r\n"
    )
    .into_bytes();
    while wire.len() < octets {
        let left = octets - wire.len();
        // No remainder that is too short for a line.
        let line = if left < LINE_OCTETS + "x\r\n".len() { left.max("x\r\n".len()) } else { LINE_OCTETS };
        wire.resize(wire.len() + line - "\r\n".len(), b'x');
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    Message { wire, number: 0 }
}

impl Message {
    fn next(&mut self) -> &[u8] {
        self.number += 1;
        let digits = format!("{:0width$}", self.number, width = COUNTER.len());
        let at = BEFORE_COUNTER.len();
        self.wire[at..at + COUNTER.len()].copy_from_slice(&digits.as_bytes()[..COUNTER.len()]);
        &self.wire
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// Connects, reads the greeting, says EHLO.
    fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
        stream.set_write_timeout(Some(CLIENT_TIMEOUT))?;
        let mut client = Self { stream, input: Vec::new() };
        client.expect("220")?;
        client.stream.write_all(b"EHLO client.example\r\n")?;
        client.expect("250")?;
        // Ten thousand idle clients need no buffers.
        client.input = Vec::new();
        Ok(client)
    }

    /// MAIL, RCPT and DATA in one write (RFC 2920), then the content, then the 250.
    fn send(&mut self, message: &mut Message) -> io::Result<()> {
        self.stream.write_all(
            b"MAIL FROM:<sender@client.example>\r\nRCPT TO:<postmaster@bench.example>\r\nDATA\r\n",
        )?;
        self.expect("250")?;
        self.expect("250")?;
        self.expect("354")?;
        self.stream.write_all(message.next())?;
        self.expect("250")
    }

    fn quit(mut self) -> io::Result<()> {
        self.stream.write_all(b"QUIT\r\n")?;
        self.expect("221")
    }

    /// Reads one whole reply, which must have this code.
    fn expect(&mut self, code: &str) -> io::Result<()> {
        loop {
            while let Some(end) = self.input.iter().position(|&octet| octet == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                if !line.starts_with(code.as_bytes()) {
                    let said = String::from_utf8_lossy(&line).trim_end().to_owned();
                    return Err(io::Error::other(format!("the server said {said:?} where {code} was due")));
                }
                if line.get(code.len()) != Some(&b'-') {
                    return Ok(());
                }
            }
            let mut octets = [0; 1024];
            match self.stream.read(&mut octets)? {
                0 => return Err(io::Error::other(format!("the server closed where {code} was due"))),
                read => self.input.extend_from_slice(&octets[..read]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_octets_asked_for_and_ends_in_a_dot() {
        for octets in (300..600).chain([4096, 65536]) {
            let mut message = message(octets, 7);
            let wire = message.next();
            assert_eq!(wire.len(), octets + ".\r\n".len());
            assert!(wire.ends_with(b"\r\n.\r\n"));
            let text = std::str::from_utf8(wire).unwrap();
            assert!(text.split("\r\n").all(|line| !line.contains(['\r', '\n']) && line.len() <= LINE_OCTETS));
        }
    }

    #[test]
    fn each_message_has_an_id_of_its_own() {
        let mut message = message(300, 7);
        assert!(message.next().starts_with(b"Message-ID: <0000000001.7@"));
        assert!(message.next().starts_with(b"Message-ID: <0000000002.7@"));
    }
}

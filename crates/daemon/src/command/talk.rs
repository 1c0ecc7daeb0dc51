//! `postrider talk`: type SMTP or LMTP yourself, with a note on each step.
//!
//! Lines go out with CRLF, one command at a time: the next line is read when the last was answered, so that
//! a script needs no waiting of its own. Dots are the user's business. What the host says is shown without
//! its control characters.

mod exchange;
mod notes;

use super::send::limits::{READ_OCTETS, TYPED_LINE_OCTETS_MAX};
use super::send::peer::{self, Peer};
use super::send::show::Show;
use super::send::{connected, patience, runtime};
use super::{Failure, unwritten};
use crate::exit::Exit;
use crate::thread::Thread;
use clap::Args;
use exchange::{Exchange, Shown, Typed};
use postrider_journal::render::LineKind;
use postrider_mail::Class;
use postrider_smtp::limits::CLIENT_END_TIMEOUT;
use postrider_smtp::reply::Reader;
use postrider_smtp::server::Dialect;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Type SMTP yourself, with a note on each step
#[derive(Debug, Args)]
#[command(
    long_about = "Type SMTP yourself, with a note on each step.\n\n\
        Each line is sent as it is typed, with CRLF; the next one is read once the host has answered. Lines may \
        come from a file or a pipe. At the end of the input QUIT is said. In a message, a line that begins with \
        a dot needs a second dot before it, and a line with a single dot ends the message.",
    after_help = "\
Examples:
  postrider talk 127.0.0.1:2525
  postrider talk 127.0.0.1:24 --lmtp
  printf 'EHLO client.example.org\\nVRFY postmaster\\n' | postrider talk 127.0.0.1:2525

Exit codes:
   0  the conversation came to its end, and nothing was refused
  64  the command line makes no sense
  65  a typed line is too long
  66  the input cannot be read
  68  the host's name is not known
  69  at least one command was refused for good (5yz)
  75  at least one command was refused for the moment (4yz), no connection, or a connection lost
  76  the host does not speak SMTP"
)]
pub(super) struct Talk {
    /// The host to talk to; without a port 25, or 24 with --lmtp
    #[arg(value_name = "HOST:PORT")]
    server: Peer,
    /// Speak LMTP: LHLO, and an answer for each recipient
    #[arg(long)]
    lmtp: bool,
    /// The longest wait for the connection and for each answer, as in 30s [default: 30s and 10m]
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    timeout: Option<Duration>,
}

/// A line that was typed, or why none could be read.
type Line = Result<Vec<u8>, Failure>;

impl Talk {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let dialect = if self.lmtp { Dialect::Lmtp } else { Dialect::Smtp };
        let runtime = runtime()?;
        let mut show = Show::new(false);
        let outcome = runtime.block_on(async {
            let stream = peer::connect(&self.server, dialect, self.timeout)
                .await
                .map_err(|unreached| Failure::Said(unreached.exit, unreached.to_string()))?;
            show.note(&connected(&stream));
            let (sender, lines) = mpsc::channel(1);
            // It ends with the process: nothing wakes a thread that reads a terminal.
            Thread::start("typing", move || read_lines(&sender))?;
            let conversation = Conversation {
                stream,
                lines,
                exchange: Exchange::new(dialect),
                reader: Reader::default(),
                wire: Vec::new(),
                echo: !io::stdin().is_terminal(),
                patience: self.timeout.unwrap_or(CLIENT_END_TIMEOUT),
                since: Instant::now(),
                worst: None,
                show: &mut show,
            };
            conversation.hold().await
        });
        runtime.shutdown_background();
        if let Some(error) = show.failed() {
            unwritten(error);
        }
        outcome
    }
}

/// Reads standard input until its end, or until nobody listens any more.
fn read_lines(lines: &mpsc::Sender<Line>) {
    let mut input = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let limit = TYPED_LINE_OCTETS_MAX as u64 + 2;
        let read = match input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => ended_line(line),
            Err(error) => Err(Failure::Said(Exit::NoInput, format!("standard input: {error}"))),
        };
        let is_last = read.is_err();
        if lines.blocking_send(read).is_err() || is_last {
            return;
        }
    }
}

/// The line without its CRLF or LF.
fn ended_line(mut line: Vec<u8>) -> Line {
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > TYPED_LINE_OCTETS_MAX {
        let text = format!("a line has more than {TYPED_LINE_OCTETS_MAX} octets");
        return Err(Failure::Said(Exit::DataErr, text));
    }
    Ok(line)
}

/// One connection and one terminal.
struct Conversation<'a> {
    stream: TcpStream,
    lines: mpsc::Receiver<Line>,
    exchange: Exchange,
    reader: Reader,
    /// What is typed and not sent yet.
    wire: Vec<u8>,
    /// Whether what is sent has to be shown: a terminal has done so.
    echo: bool,
    /// How long an answer may take.
    patience: Duration,
    /// Since when an answer is awaited.
    since: Instant,
    /// The worst that was answered: for good outweighs for the moment.
    worst: Option<Class>,
    show: &'a mut Show,
}

/// What the conversation waited for.
enum Woke {
    Readable,
    Writable,
    Line(Option<Line>),
    TimedOut,
}

impl Conversation<'_> {
    /// Holds the conversation to its end.
    async fn hold(mut self) -> Result<Exit, Failure> {
        loop {
            let ended = match self.wait().await {
                Woke::Readable => self.read(),
                Woke::Writable => self.write(),
                Woke::Line(Some(line)) => {
                    self.typed(&line?);
                    None
                }
                Woke::Line(None) => self.end_of_lines(),
                Woke::TimedOut => Some(self.lost("the host has not answered in time")),
            };
            if let Some(exit) = ended {
                return Ok(exit);
            }
        }
    }

    async fn wait(&mut self) -> Woke {
        let writing = !self.wire.is_empty();
        let takes_lines = self.exchange.takes_lines() && !writing;
        let deadline = self.since + self.patience;
        tokio::select! {
            biased;
            _ = self.stream.readable() => Woke::Readable,
            _ = self.stream.writable(), if writing => Woke::Writable,
            line = self.lines.recv(), if takes_lines => Woke::Line(line),
            () = tokio::time::sleep_until(deadline), if !takes_lines => Woke::TimedOut,
        }
    }

    /// Reads what the host says; gives the exit code if that was all.
    fn read(&mut self) -> Option<Exit> {
        let mut octets = [0; READ_OCTETS];
        let count = match self.stream.try_read(&mut octets) {
            Ok(0) => return Some(self.closed()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => return Some(self.lost(&format!("the connection broke: {error}"))),
        };
        let mut input = &octets[..count];
        while !input.is_empty() {
            match self.reader.read(input, self.show) {
                Ok((consumed, reply)) => {
                    input = &input[consumed..];
                    let Some(reply) = reply else { continue };
                    self.since = Instant::now();
                    self.worst = worse(self.worst, reply.class());
                    for note in self.exchange.replied(&reply) {
                        self.show.note(&note);
                    }
                    if self.exchange.is_babbling() {
                        self.show.note("the host talks on and on without being asked");
                        return Some(Exit::Protocol);
                    }
                }
                Err(malformed) => {
                    self.show.note(&format!(
                        "{malformed}: what answers there is no mail server, or expects TLS from the start"
                    ));
                    return Some(Exit::Protocol);
                }
            }
        }
        self.exchange.is_over().then(|| self.exit())
    }

    fn write(&mut self) -> Option<Exit> {
        match self.stream.try_write(&self.wire) {
            Ok(written) => {
                self.wire.drain(..written);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => Some(self.lost(&format!("the connection broke: {error}"))),
        }
    }

    fn typed(&mut self, line: &[u8]) {
        match self.exchange.typed(line) {
            Typed::Withhold(why) => self.show.note(why),
            Typed::Send(shown) => {
                if self.echo {
                    match shown {
                        Shown::Plainly => self.show.said(LineKind::Ours, "C:", line),
                        Shown::Until(octets) => {
                            let mut said = line[..octets.min(line.len())].to_vec();
                            said.extend_from_slice(b" (not shown)");
                            self.show.said(LineKind::Ours, "C:", said.trim_ascii_start());
                        }
                    }
                }
                self.wire.extend_from_slice(line);
                self.wire.extend_from_slice(b"\r\n");
                self.since = Instant::now();
            }
        }
    }

    /// The input has ended: we say QUIT, unless the host waits for the rest of something.
    fn end_of_lines(&mut self) -> Option<Exit> {
        if self.exchange.takes_commands() {
            self.echo = true;
            self.typed(b"QUIT");
            return None;
        }
        Some(self.lost("the input ended before the message did, and the connection was closed"))
    }

    /// The host has closed the connection.
    fn closed(&mut self) -> Exit {
        if self.worst.is_some() {
            self.show.note("the host closed the connection");
            return self.exit();
        }
        self.lost("the host closed the connection")
    }

    fn lost(&mut self, why: &str) -> Exit {
        self.show.note(why);
        self.worst = worse(self.worst, Class::Transient);
        self.exit()
    }

    fn exit(&self) -> Exit {
        match self.worst {
            Some(Class::Permanent) => Exit::Unavailable,
            Some(_) => Exit::TempFail,
            None => Exit::Ok,
        }
    }
}

/// The worse of two answers; those that agree are no matter.
fn worse(worst: Option<Class>, class: Class) -> Option<Class> {
    match (worst, class) {
        (Some(Class::Permanent), _) | (_, Class::Permanent) => Some(Class::Permanent),
        (_, Class::Transient) => Some(Class::Transient),
        (worst, Class::Completed | Class::Intermediate) => worst,
    }
}

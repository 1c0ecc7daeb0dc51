//! A plain SMTP client that knows nothing of our engine: octets out, reply lines in.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::limits::PATIENCE;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

/// A connection to a server.
pub struct Client {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Client {
    /// Connects, and reads nothing.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// The same, from this address of ours.
    #[track_caller]
    pub fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        let ours = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&ours, &SocketAddr::from((source, 0))).unwrap();
        connect(&ours, &address).unwrap_or_else(|error| panic!("{source} to {address}: {error}"));
        Self::over(TcpStream::from(ours))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, heard: Vec::new() }
    }

    /// Connects and has said EHLO (or LHLO).
    #[track_caller]
    pub fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.hears("220");
        client.says("EHLO client.example", "250");
        client
    }

    /// The connection itself, once more.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// Sends octets, as few writes as it takes.
    #[track_caller]
    pub fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// Sends octets in as few writes as it takes.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Sends octets as a person types them: each a write, and a segment, of its own.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn type_out(&mut self, octets: &[u8]) -> io::Result<()> {
        octets.chunks(1).try_for_each(|octet| self.stream.write_all(octet))
    }

    /// Says that nothing more will come.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next reply: its last line, without the line end. `None` when the server closed instead.
    ///
    /// # Errors
    /// The connection broke, or nothing came within [`PATIENCE`].
    pub fn reply(&mut self) -> io::Result<Option<String>> {
        Ok(self.reply_lines()?.pop())
    }

    /// All lines of the next reply, without their line ends; none when the server closed instead.
    ///
    /// # Errors
    /// The connection broke, or nothing came within [`PATIENCE`].
    pub fn reply_lines(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            while let Some(end) = self.heard.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.heard.drain(..end + 2).collect();
                lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
                if line.get(3) != Some(&b'-') {
                    return Ok(lines);
                }
            }
            let mut room = [0; 4096];
            match self.stream.read(&mut room)? {
                0 if self.heard.is_empty() && lines.is_empty() => return Ok(lines),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                octets => self.heard.extend_from_slice(&room[..octets]),
            }
        }
    }

    /// Hears a reply that starts so, and gives it.
    #[track_caller]
    pub fn hears(&mut self, start: &str) -> String {
        match self.reply() {
            Ok(Some(reply)) if reply.starts_with(start) => reply,
            other => panic!("heard {other:?} where {start:?} is due"),
        }
    }

    /// Says a line, and hears a reply that starts so.
    #[track_caller]
    pub fn says(&mut self, line: &str, start: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        match self.reply() {
            Ok(Some(reply)) if reply.starts_with(start) => reply,
            other => panic!("{line:?}: heard {other:?} where {start:?} is due"),
        }
    }

    /// Hears nothing but the end of the connection.
    #[track_caller]
    pub fn hears_the_end(&mut self) {
        match self.reply() {
            Ok(None) => {}
            other => panic!("heard {other:?} where the end is due"),
        }
    }

    /// Opens a transaction, up to and with the 354.
    #[track_caller]
    pub fn opens(&mut self, recipients: &[&str]) {
        self.says("MAIL FROM:<sender@client.example>", "250");
        for recipient in recipients {
            self.says(&format!("RCPT TO:<{recipient}>"), "250");
        }
        self.says("DATA", "354");
    }

    /// Sends a message, and gives the 250 after it. `content` has CRLF line ends and needs no stuffing.
    #[track_caller]
    pub fn sends(&mut self, recipients: &[&str], content: &str) -> String {
        self.opens(recipients);
        self.send(content.as_bytes());
        self.says(".", "250 2.0.0")
    }
}

/// Sends one small message on a connection of its own: what a bystander does while others misbehave.
#[track_caller]
pub fn bystander(address: SocketAddr, recipient: &str, word: &str) {
    let mut client = Client::greeted(address);
    client.sends(&[recipient], &format!("Subject: {word}\r\n\r\n{word}\r\n"));
    client.says("QUIT", "221");
}

//! A proxy between a client and a server, by TCP or a Unix socket, that keeps what both say, and reads it as plainly
//! as SMTP can be read (RFC 5321 §3.3): commands and replies in their order, content by DATA or BDAT. It knows
//! nothing of our engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::machine::open_to_everyone;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A running proxy.
pub struct Tap {
    place: Place,
    talks: Arc<Mutex<Vec<Talk>>>,
    /// Where its socket lies, if it has one.
    _folder: Option<TempDir>,
}

/// One connection, octet by octet.
#[derive(Clone, Default)]
struct Talk {
    sent: Vec<u8>,
    heard: Vec<u8>,
}

/// A transaction, as it was seen on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What followed `MAIL FROM:`.
    pub mail: String,
    /// What followed each `RCPT TO:`.
    pub recipients: Vec<String>,
    /// The content with the line ends it had, dots unstuffed; `None` where there was none.
    pub content: Option<Vec<u8>>,
    /// Whether the content went by BDAT.
    pub chunked: bool,
    /// Every reply, from that to MAIL to those behind the content: last lines, without line ends.
    pub replies: Vec<String>,
    /// Whether everything that was said is answered, and the content is there or will not come.
    pub over: bool,
}

impl Exchange {
    /// The first reply that refuses, if one does.
    pub fn refusal(&self) -> Option<&str> {
        self.replies.iter().map(String::as_str).find(|reply| reply.starts_with(['4', '5']))
    }

    /// Whether this is its reverse-path, parameters aside.
    pub fn is_from(&self, address: &str) -> bool {
        self.mail.split(' ').next().is_some_and(|path| path == format!("<{address}>"))
    }

    /// Whether it is a notice for this address.
    pub fn is_notice_to(&self, address: &str) -> bool {
        self.is_from("") && self.recipients.iter().any(|path| path.starts_with(&format!("<{address}>")))
    }
}

impl Tap {
    /// A proxy in front of `server` that listens as that does: by TCP, or by a Unix socket that everyone may use.
    pub fn before(server: &Place) -> Self {
        let talks = Arc::new(Mutex::new(Vec::new()));
        let (place, folder) = match server {
            Place::Tcp(_) => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let place = Place::Tcp(listener.local_addr().unwrap());
                serve(move || Some(socket(listener.accept().ok()?.0)), server.clone(), &talks);
                (place, None)
            }
            Place::Unix(_) => {
                let (folder, path) = socket_folder();
                let listener = UnixListener::bind(&path).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
                serve(move || Some(listener.accept().ok()?.0), server.clone(), &talks);
                (Place::Unix(path), Some(folder))
            }
        };
        Self { place, talks, _folder: folder }
    }

    /// Where clients connect.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where clients connect by TCP.
    ///
    /// # Panics
    /// Where it is a Unix socket.
    pub fn address(&self) -> SocketAddr {
        let Place::Tcp(address) = self.place else { unreachable!("a Unix socket has no address") };
        address
    }

    /// The transactions so far, connection by connection.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.talks.lock().unwrap().iter().flat_map(exchanges).collect()
    }

    /// What clients said so far, as text.
    pub fn said(&self) -> String {
        let talks = self.talks.lock().unwrap();
        talks.iter().map(|talk| String::from_utf8_lossy(&talk.sent).into_owned()).collect()
    }
}

/// A folder that everyone may enter, and the path of a socket in it.
pub fn socket_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("postrider-socket-").tempdir().unwrap();
    open_to_everyone(folder.path());
    let path = folder.path().join("socket");
    (folder, path)
}

/// A TCP socket under the one type that is used here: what is done with it is the same for both kinds.
fn socket(stream: TcpStream) -> UnixStream {
    stream.set_nodelay(true).unwrap();
    UnixStream::from(OwnedFd::from(stream))
}

fn connect(server: &Place) -> io::Result<UnixStream> {
    match server {
        Place::Tcp(address) => TcpStream::connect(address).map(socket),
        Place::Unix(path) => UnixStream::connect(path),
    }
}

fn serve(
    mut accept: impl FnMut() -> Option<UnixStream> + Send + 'static,
    server: Place,
    talks: &Arc<Mutex<Vec<Talk>>>,
) {
    let talks = Arc::clone(talks);
    let work = move || {
        while let Some(client) = accept() {
            // A server that is gone is a closed connection to the client too.
            let Ok(server) = connect(&server) else { continue };
            let number = {
                let mut talks = talks.lock().unwrap();
                talks.push(Talk::default());
                talks.len() - 1
            };
            let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let (sent, heard) = (Arc::clone(&talks), Arc::clone(&talks));
            spawn(move || pass_on(client, server, |octets| sent.lock().unwrap()[number].sent.extend(octets)));
            spawn(move || {
                pass_on(from_server, to_client, |octets| heard.lock().unwrap()[number].heard.extend(octets));
            });
        }
    };
    spawn(work);
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name("tap".into()).stack_size(128 * 1024).spawn(work).unwrap();
}

/// Passes on until either side has gone; what is passed on is kept before.
fn pass_on(mut from: UnixStream, mut to: UnixStream, mut keep: impl FnMut(&[u8])) {
    let mut room = [0; 16 * 1024];
    loop {
        let octets = from.read(&mut room).unwrap_or(0);
        keep(&room[..octets]);
        if octets == 0 || to.write_all(&room[..octets]).is_err() {
            // It may be gone already.
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
}

/// What is left to read of one side.
struct Rest<'t>(&'t [u8]);

impl<'t> Rest<'t> {
    fn take(&mut self, octets: usize) -> Option<&'t [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    /// A line, without its CRLF.
    fn line(&mut self) -> Option<&'t [u8]> {
        let end = self.0.windows(2).position(|two| two == b"\r\n")?;
        let line = self.take(end)?;
        self.take(2)?;
        Some(line)
    }

    /// The last line of a reply.
    fn reply(&mut self) -> Option<String> {
        loop {
            let line = self.line()?;
            if line.get(3) != Some(&b'-') {
                return Some(String::from_utf8_lossy(line).into_owned());
            }
        }
    }

    /// Content up to the lone dot, unstuffed.
    fn content(&mut self) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            match self.line()? {
                b"." => return Some(content),
                line => content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line)),
            }
            content.extend_from_slice(b"\r\n");
        }
    }
}

fn exchanges(talk: &Talk) -> Vec<Exchange> {
    let mut seen = Vec::new();
    // It ends where one side has said no more yet.
    let _ = read_talk(talk, &mut seen);
    seen
}

fn read_talk(talk: &Talk, seen: &mut Vec<Exchange>) -> Option<()> {
    let (mut sent, mut heard) = (Rest(&talk.sent), Rest(&talk.heard));
    let mut lmtp = false;
    heard.reply()?;
    loop {
        let line = String::from_utf8_lossy(sent.line()?).into_owned();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let verb = words.first().unwrap_or(&"").to_ascii_uppercase();
        let reply = if verb == "BDAT" { None } else { Some(heard.reply()?) };
        match (verb.as_str(), seen.last_mut()) {
            ("LHLO", _) => lmtp = true,
            ("MAIL", _) => seen.push(Exchange { mail: behind_colon(&line), ..Exchange::default() }),
            ("RCPT", Some(now)) => now.recipients.push(behind_colon(&line)),
            _ => {}
        }
        let Some(now) = seen.last_mut() else { continue };
        now.replies.extend(reply.filter(|_| ["MAIL", "RCPT", "DATA"].contains(&verb.as_str())));
        let taken = now.replies.iter().filter(|reply| reply.starts_with("25")).count();
        // By LMTP each recipient that was taken has a reply of its own (RFC 2033 §4.2); the first is that to MAIL.
        let to_come = if lmtp { taken.saturating_sub(1) } else { 1 };
        match (verb.as_str(), words.get(1).and_then(|octets| octets.parse().ok())) {
            ("DATA", _) if now.replies.last().is_some_and(|reply| reply.starts_with("354")) => {
                now.content = Some(sent.content()?);
                for _ in 0..to_come {
                    now.replies.push(heard.reply()?);
                }
                now.over = true;
            }
            ("BDAT", Some(octets)) => {
                let last = words.len() > 2;
                now.chunked = true;
                now.content.get_or_insert_default().extend_from_slice(sent.take(octets)?);
                let replies = if last { to_come } else { 1 };
                let answers: Option<Vec<String>> = (0..replies).map(|_| heard.reply()).collect();
                // Replies between chunks say nothing that matters, unless they refuse.
                now.replies.extend(answers?.into_iter().filter(|reply| last || !reply.starts_with("250")));
                now.over = last;
            }
            ("MAIL" | "RCPT" | "DATA", _) => {}
            _ => now.over = true,
        }
    }
}

fn behind_colon(line: &str) -> String {
    line.split_once(':').map_or("", |(_, behind)| behind.trim()).to_owned()
}

/// Whether a socket lies there.
pub fn is_there(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

//! `smtp-sink` and `smtp-source`, which come with Postfix: a server that takes or refuses as it is told, and a
//! client that sends as fast as it can.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::machine::{free_address, give_away, open_to_everyone, unpacked};
use crate::process::Lines;
use crate::wait::until;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// A running `smtp-sink`.
pub struct Sink {
    child: Child,
    address: SocketAddr,
    lines: Lines,
    /// Where it lays what it takes, if it keeps anything.
    kept: Option<TempDir>,
}

/// A transaction that a sink has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What followed `MAIL FROM:`.
    pub mail: String,
    /// What followed each `RCPT TO:`.
    pub recipients: Vec<String>,
    /// The message, with LF line ends; cut off where the transaction was.
    pub message: Vec<u8>,
}

impl Sink {
    /// Starts one that keeps each transaction that came as far as DATA; `flags` are those of smtp-sink(1).
    /// `None`, with a word, where Postfix is not unpacked.
    ///
    /// # Panics
    /// Where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn start(flags: &[&str]) -> Option<Self> {
        let kept = tempfile::Builder::new().prefix("postrider-sink-").tempdir().unwrap();
        open_to_everyone(kept.path());
        fs::create_dir(kept.path().join("taken")).unwrap();
        give_away(&kept.path().join("taken"));
        Self::with(flags, free_address(), Some(kept))
    }

    /// Ends it, and starts it again at the same address with other flags. It keeps what it has kept.
    #[must_use]
    pub fn again(mut self, flags: &[&str]) -> Self {
        let _ = self.child.kill();
        let _ = self.child.wait();
        Self::with(flags, self.address, self.kept.take()).unwrap()
    }

    /// Starts one that keeps nothing, at this address.
    ///
    /// # Panics
    /// Where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn forgetful(flags: &[&str], address: SocketAddr) -> Option<Self> {
        Self::with(flags, address, None)
    }

    #[track_caller]
    fn with(flags: &[&str], address: SocketAddr, kept: Option<TempDir>) -> Option<Self> {
        let mut command = program("smtp-sink")?;
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        if let Some(kept) = &kept {
            // It adds a random number to each name.
            command.arg("-d").arg(kept.path().join("taken/%s."));
        }
        command.args(flags).args([&address.to_string(), "1024"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::default();
        lines.hear(child.stdout.take().unwrap());
        lines.hear(child.stderr.take().unwrap());
        let mut sink = Self { child, address, lines, kept };
        until("smtp-sink listens", || {
            if let Some(status) = sink.child.try_wait().unwrap() {
                panic!("smtp-sink ended with {status}:\n{}", sink.lines.shown());
            }
            TcpStream::connect(address).ok()
        });
        Some(sink)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The transactions it has kept, in no order.
    ///
    /// # Panics
    /// When it keeps none.
    pub fn taken(&self) -> Vec<Taken> {
        let folder = self.kept.as_ref().unwrap().path().join("taken");
        let files = fs::read_dir(folder).unwrap();
        files.filter_map(|file| taken(&fs::read(file.unwrap().path()).unwrap())).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("smtp-sink said:\n{}", self.lines.shown());
        }
    }
}

/// `smtp-source`, to be given its arguments. `None`, with a word, where Postfix is not unpacked.
///
/// # Panics
/// Where `CI=true`, instead of `None`.
#[track_caller]
pub fn source() -> Option<Command> {
    program("smtp-source")
}

#[track_caller]
fn program(name: &str) -> Option<Command> {
    let root = unpacked("postfix")?;
    let mut command = Command::new(root.join("usr/sbin").join(name));
    command.env("LD_LIBRARY_PATH", root.join("usr/lib/postfix"));
    Some(command)
}

/// What lies in a file of `smtp-sink -d`: fields of its own, of which a Received field of three lines is the last,
/// then the message and an empty line. `None` while it is still writing its fields.
fn taken(file: &[u8]) -> Option<Taken> {
    let mut lines = file.split_inclusive(|&octet| octet == b'\n');
    let mut taken = Taken { mail: String::new(), recipients: Vec::new(), message: Vec::new() };
    let mut fields = 0;
    loop {
        let field = lines.next()?;
        fields += field.len();
        let field = String::from_utf8_lossy(field);
        if let Some(mail) = field.strip_prefix("X-Mail-Args: ") {
            taken.mail = mail.trim_end().to_owned();
        } else if let Some(recipient) = field.strip_prefix("X-Rcpt-Args: ") {
            taken.recipients.push(recipient.trim_end().to_owned());
        } else if field.starts_with("Received: ") {
            break;
        }
    }
    fields += lines.next()?.len() + lines.next()?.len();
    let message = &file[fields..];
    taken.message = message.strip_suffix(b"\n").unwrap_or(message).to_vec();
    Some(taken)
}

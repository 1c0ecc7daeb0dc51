//! A running server: started, listened to, measured, signalled, ended. It is killed when dropped.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::limits::LINES_SHOWN_MAX;
use crate::wait::{until, until_true};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A `postrider dev` or `postrider serve` that listens.
pub struct Server {
    child: Child,
    lines: Lines,
    addresses: Vec<SocketAddr>,
}

/// What a process has said on both its streams, line by line.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// All of it so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first line that holds `text`.
    pub fn find(&self, text: &str) -> Option<String> {
        self.0.lock().unwrap().iter().find(|line| line.contains(text)).cloned()
    }

    /// Keeps what comes from `stream` until it ends.
    pub(crate) fn hear(&self, stream: impl Read + Send + 'static) {
        let lines = self.clone();
        let hear = move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                lines.0.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        };
        thread::Builder::new().name("lines".into()).spawn(hear).unwrap();
    }

    /// The last of them, for a test's message.
    pub(crate) fn shown(&self) -> String {
        let all = self.all();
        all[all.len().saturating_sub(LINES_SHOWN_MAX)..].join("\n")
    }
}

impl Server {
    /// Starts a server and waits until it listens.
    ///
    /// # Panics
    /// When it ends instead.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::default();
        lines.hear(child.stdout.take().unwrap());
        lines.hear(child.stderr.take().unwrap());
        let mut server = Self { child, lines, addresses: Vec::new() };
        server.addresses = until("the server listens", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", server.lines.shown());
            }
            server.lines.all().iter().find_map(|line| listening(line))
        });
        server
    }

    /// Where it listens; its first address.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses, in the order of its configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it has said.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Waits until it says a line with `text`.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        until(&format!("the server says {text:?}"), || self.lines.find(text))
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// kill -9, and its end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    #[track_caller]
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        until("the server ends", || self.child.try_wait().unwrap())
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status("VmRSS")
    }

    /// The most resident memory so far, in KiB.
    pub fn resident_peak_kib(&self) -> u64 {
        self.status("VmHWM")
    }

    /// Lets the peak begin anew at what is used now.
    pub fn forget_peak(&self) {
        std::fs::write(self.proc().join("clear_refs"), "5").unwrap();
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Descriptors it holds.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc().join("fd")).unwrap().count()
    }

    /// Sockets among them, its own listeners too.
    pub fn sockets(&self) -> usize {
        let descriptors = std::fs::read_dir(self.proc().join("fd")).unwrap();
        let is_socket = |path: PathBuf| {
            std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        // What is closed meanwhile is none.
        descriptors.filter(|entry| entry.as_ref().is_ok_and(|entry| is_socket(entry.path()))).count()
    }

    fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.pid().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the server said:\n{}", self.lines.shown());
        }
    }
}

/// The addresses in a line that says where the server listens: `listening  A` of `dev`, `listening="A B /path"` of
/// `serve`. Paths are Unix sockets.
fn listening(line: &str) -> Option<Vec<SocketAddr>> {
    let (_, said) = line.split_once("listening")?;
    let said = said.trim_start_matches('=').trim_matches(['"', ' ']);
    let addresses: Result<Vec<SocketAddr>, _> =
        said.split_whitespace().filter(|place| !place.starts_with('/')).map(str::parse).collect();
    addresses.ok().filter(|addresses| !addresses.is_empty())
}

/// A command that is expected to end by itself: how it ended, and what it said on both streams.
#[track_caller]
pub fn outcome(mut command: Command) -> (ExitStatus, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let lines = Lines::default();
    lines.hear(child.stdout.take().unwrap());
    lines.hear(child.stderr.take().unwrap());
    let mut status = None;
    until_true(&format!("{command:?} ends"), || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    // The threads hold the list until they have heard all.
    until_true("its words are heard", || Arc::strong_count(&lines.0) == 1);
    (status.unwrap(), lines.all().join("\n"))
}

//! The way to a server: its control socket when it runs, its data folder when it does not.
//!
//! A command is the same value either way. Without a server the spool is opened here for the length of the
//! command: its lock is taken, its writer runs, and both end before the process does, so that a server that
//! starts meanwhile says that the folder is in use, and nothing is written twice.

use super::Failure;
use super::place::{DataFolder, require};
use crate::service::{control_socket, queue_folder, wall_clock};
use crate::thread::{Thread, Threads};
use postrider_control::{Answer, Command, Executor, Who};
use postrider_journal::{Journal, Story, Subject, What};
use postrider_mail::Text;
use postrider_mta::operator::Door;
use postrider_queue::OpenError;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Octets of one answer. A page of a listing has a few MiB; a message with 10,000 recipients, ten times that.
const ANSWER_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// How long a server may take to look something up.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may take to change something. Deleting a million messages takes minutes.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A server, running or not.
pub(super) struct Control {
    data: PathBuf,
    link: Link,
}

enum Link {
    /// A server answers on the folder's control socket.
    Server,
    /// No server runs: the folder is open in this process.
    Here(Box<Here>),
}

struct Here {
    executor: Executor,
    who: Who,
    runtime: tokio::runtime::Runtime,
    threads: Threads,
}

/// Does `work` with the server of this data folder, and brings everything to its end.
pub(super) fn with<T>(
    folder: &DataFolder,
    work: impl FnOnce(&Control) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let link = if running(folder.path())? { Link::Server } else { Link::Here(Box::new(Here::open(folder)?)) };
    let control = Control { data: folder.path().to_owned(), link };
    let outcome = work(&control);
    if let Link::Here(here) = control.link {
        here.end();
    }
    outcome
}

/// Whether a server answers on the folder's control socket. A socket that a dead server left is none.
pub(super) fn running(data: &Path) -> Result<bool, Failure> {
    let socket = control_socket(data);
    match connect(data) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(false)
        }
        Err(error) => Err(Failure::unavailable(format!("the control socket {}: {error}", socket.display()))),
    }
}

fn connect(data: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Door::of(data)?.path())
}

impl Control {
    /// Gives a command and waits for its answer; what was not carried out is a failure.
    pub(super) fn ask(&self, command: &Command) -> Result<Answer, Failure> {
        let answer = match &self.link {
            Link::Server => ask_server(&self.data, command)?,
            Link::Here(here) if Executor::is_look(command) => here.executor.look(command),
            Link::Here(here) => here.runtime.block_on(here.executor.change(&here.who, command.clone())),
        };
        match answer {
            Answer::Failed { why } => Err(Failure::unavailable(why.to_string())),
            answer => Ok(answer),
        }
    }

    /// Whether a server carries the commands out.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.link, Link::Server)
    }

    /// The data folder.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }
}

/// An answer of another kind than was asked for: the server is of another version.
pub(super) fn misunderstood() -> Failure {
    Failure::unavailable("the server answers something else: is it of another version than this program?")
}

/// One connection for one command: a person may think for minutes between two.
fn ask_server(data: &Path, command: &Command) -> Result<Answer, Failure> {
    let timeout = if Executor::is_look(command) { LOOK_TIMEOUT } else { CHANGE_TIMEOUT };
    let broken = |error: io::Error| {
        let text = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
                "the server gave no answer for {} s; it may still carry the command out",
                timeout.as_secs()
            ),
            _ => format!("the connection to the server ({}) broke: {error}", control_socket(data).display()),
        };
        Failure::unavailable(text)
    };
    let mut request =
        serde_json::to_vec(command).map_err(|error| Failure::os(format!("a command: {error}")))?;
    request.push(b'\n');
    let mut stream = connect(data).map_err(broken)?;
    stream.set_read_timeout(Some(timeout)).map_err(broken)?;
    stream.set_write_timeout(Some(timeout)).map_err(broken)?;
    stream.write_all(&request).map_err(broken)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(ANSWER_OCTETS_MAX)).read_until(b'\n', &mut line).map_err(broken)?;
    if line.last() != Some(&b'\n') {
        let text = match line.len() as u64 {
            0 => "the server closed the connection without an answer: it is stopping, or too busy",
            ANSWER_OCTETS_MAX => "the answer is too large: ask for less with --limit",
            _ => "the server's answer broke off: it is stopping",
        };
        return Err(Failure::unavailable(text));
    }
    serde_json::from_slice(&line).map_err(|_| misunderstood())
}

impl Here {
    /// Opens the folder as its owner.
    fn open(folder: &DataFolder) -> Result<Self, Failure> {
        let data = folder.path();
        // The record names who typed the command, not whose the folder is.
        let who = Who(Text::from(format!("uid {}", nix::unistd::Uid::current())));
        folder.enter()?;
        require(&queue_folder(data), "queue")?;
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)
            .map_err(|error| Failure::os(format!("the system gives no randomness: {error}")))?;
        let now = wall_clock()();
        let settings = postrider_queue::Settings::default();
        let opened = postrider_queue::open(&queue_folder(data), settings, u64::from_ne_bytes(seed), now)
            .map_err(|error| unopened(data, &error))?;
        // How much is kept is the server's to say: a command drops nothing.
        let everything = postrider_journal::Settings { keep: Duration::MAX, octets_max: u64::MAX };
        let (journal, writer, reader) = postrider_journal::open(&data.join("journal"), everything, now)
            .map_err(|error| Failure::os(error.to_string()))?;
        let mut found = opened.recovery.sentences();
        found.extend(writer.remarks().iter().map(ToString::to_string));
        tell(&journal, &found);
        let committer = opened.committer;
        // Without the checkpointer the committer does its work.
        drop(opened.checkpointer);
        Ok(Self {
            executor: Executor::new(opened.queue, journal, reader, wall_clock()),
            who,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .map_err(|error| Failure::os(format!("the runtime cannot be started: {error}")))?,
            threads: Threads(vec![
                Thread::start("committer", move || committer.run())?,
                Thread::start("journal", move || writer.run())?,
            ]),
        })
    }

    /// With the last handles the threads end; then everything is written.
    fn end(self) {
        let Self { executor, threads, .. } = self;
        drop(executor);
        for thread in threads.join() {
            // There is nowhere else to say it.
            let _ = writeln!(io::stderr(), "postrider: the thread {thread} does not end and is left behind");
        }
    }
}

/// What opening found, which the next server will not find any more: on standard error, and for the record.
fn tell(journal: &Journal, found: &[String]) {
    if found.is_empty() {
        return;
    }
    let now = wall_clock()();
    let mut story = Story::new(Subject::Server, now, None);
    story.add(now, What::Note { text: Text::literal("opened by a command, while no server runs") });
    for sentence in found {
        // There is nowhere else to say it.
        let _ = writeln!(io::stderr(), "postrider: {sentence}");
        story.add(now, What::Note { text: Text::from(sentence.as_str()) });
    }
    journal.tell(story);
}

fn unopened(data: &Path, error: &OpenError) -> Failure {
    match error {
        OpenError::Locked { file } => Failure::unavailable(format!(
            "a server has locked {} and does not answer on {}: it is starting, stopping or stuck\n  try again; \
             `fuser {}` says which process it is",
            data.display(),
            control_socket(data).display(),
            file.display()
        )),
        error => Failure::unavailable(error.to_string()),
    }
}

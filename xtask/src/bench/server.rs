//! The server under measurement: its folder, its configuration, its process.

use super::Plan;
use super::process::{Process, pause};
use crate::limits::{POLL, START_MAX, STOP_MAX, UNPRIVILEGED_USER};
use crate::problem::{Problem, While};
use crate::tools;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A running server, stopped and swept away when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// What we started: the server, or what watches it.
    child: Child,
    folder: PathBuf,
    /// The server itself.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From its start to its first greeting.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts one.
    pub(crate) fn start(plan: &Plan) -> Result<Self, Problem> {
        Self::start_under(plan, |_| Vec::new())
    }

    /// Starts one over a data folder that `prepare` has filled.
    pub(crate) fn start_over(
        plan: &Plan,
        prepare: impl FnOnce(&Path) -> Result<(), Problem>,
    ) -> Result<Self, Problem> {
        Self::begin(plan, |_| Vec::new(), prepare)
    }

    /// Starts one as the child of another program; `watcher` gives that program's command line, which the
    /// server's follows, and is told the folder of this run.
    pub(crate) fn start_under(
        plan: &Plan,
        watcher: impl FnOnce(&Path) -> Vec<OsString>,
    ) -> Result<Self, Problem> {
        Self::begin(plan, watcher, |_| Ok(()))
    }

    fn begin(
        plan: &Plan,
        watcher: impl FnOnce(&Path) -> Vec<OsString>,
        prepare: impl FnOnce(&Path) -> Result<(), Problem>,
    ) -> Result<Self, Problem> {
        static RUN: AtomicU32 = AtomicU32::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let folder = plan.data.join(format!("postrider-bench-{}-{run}", std::process::id()));
        let address = free_port()?;
        fs::create_dir_all(&folder).while_(folder.display())?;
        let mut words = watcher(&folder);
        let watched = !words.is_empty();
        words.extend(command_line(&plan.binary, &folder, address, prepare)?);
        let log = File::create(folder.join("log")).while_("the server's log")?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let began = Instant::now();
        let child = command.spawn().while_(words[0].display())?;
        let started_in = Duration::ZERO;
        let mut server = Self { process: Process(child.id()), child, folder, address, started_in };
        server.await_greeting()?;
        server.started_in = began.elapsed();
        if watched {
            let inner = server.process.child();
            server.process = inner.ok_or_else(|| Problem::new("the watched server is not to be found"))?;
        }
        Ok(server)
    }

    /// Its configuration, for commands to it.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("postrider.toml")
    }

    /// Lets it end in good order, and gives what it left behind in `file` of its folder.
    pub(crate) fn stop_and_read(mut self, file: &str) -> Result<String, Problem> {
        self.stop();
        fs::read_to_string(self.folder.join(file)).while_(file)
    }

    fn await_greeting(&mut self) -> Result<(), Problem> {
        let began = Instant::now();
        while began.elapsed() < START_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Problem::new(format!("the server ended with {status}: {}", self.last_words())));
            }
            let greeted = TcpStream::connect_timeout(&self.address, POLL).and_then(|mut stream| {
                stream.set_read_timeout(Some(START_MAX)).and_then(|()| stream.read_exact(&mut [0; 4]))
            });
            if greeted.is_ok() {
                return Ok(());
            }
            pause(POLL);
        }
        Err(Problem::new(format!("the server does not greet: {}", self.last_words())))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let from = log.floor_char_boundary(log.len().saturating_sub(1000));
        log[from..].trim().to_owned()
    }

    fn stop(&mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while self.runs() && began.elapsed() < STOP_MAX {
            pause(POLL);
        }
        if self.runs() {
            eprintln!("the server does not stop when it is told to: it is killed");
            // The server first: it would survive the one who watches it.
            self.signal(Signal::KILL);
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Signals the server, which is there for as long as what we started runs.
    fn signal(&mut self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.process.0).ok().and_then(Pid::from_raw)
            && self.runs()
        {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody listens on at the moment.
fn free_port() -> Result<SocketAddr, Problem> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).while_("a free port on 127.0.0.1")?;
    listener.local_addr().while_("a free port on 127.0.0.1")
}

/// Writes the configuration and what `prepare` puts into the data folder; gives the command line.
fn command_line(
    binary: &Path,
    folder: &Path,
    address: SocketAddr,
    prepare: impl FnOnce(&Path) -> Result<(), Problem>,
) -> Result<Vec<OsString>, Problem> {
    let data = folder.join("data");
    fs::create_dir(&data).while_(data.display())?;
    prepare(&data)?;
    let mut user = String::new();
    if tools::are_root() {
        user = format!("user = \"{UNPRIVILEGED_USER}\"\n");
        let mut chown = Command::new("chown");
        tools::output(chown.args(["-R", UNPRIVILEGED_USER]).arg(&data))
            .ok_or_else(|| Problem::new(format!("there is no user {UNPRIVILEGED_USER}")))?;
    }
    let config = folder.join("postrider.toml");
    fs::write(&config, configuration(&user, &data, address)).while_(config.display())?;
    Ok(vec![binary.into(), "serve".into(), "--config".into(), config.into()])
}

fn configuration(user: &str, data: &Path, address: SocketAddr) -> String {
    // A TOML basic string has the escapes of a Rust one, for any path that people use.
    format!(
        "hostname = \"mx.bench.example\"\ndata = {data:?}\nlisten = [\"{address}\"]\n{user}\
         [domains.\"bench.example\"]\n[limits]\nsessions_per_peer = 1000000\n"
    )
}

//! A running server of this build in a folder of its own, and a client that speaks just enough SMTP.

#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy frees test functions, not their helpers")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for something that has to happen. Reached only when it does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a data folder in it, and a configuration for `serve` once one is written.
pub(crate) struct Site(TempDir);

impl Site {
    /// A data folder of this user.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A server with these local domains. Root runs it as nobody, to whom the data folder belongs.
    pub(crate) fn with_domains(domains: &[&str]) -> Self {
        let site = Self::new();
        let mut config = format!(
            "hostname = \"mx.example.org\"\ndata = {:?}\nlisten = [\"127.0.0.1:0\"]\n",
            site.data().display()
        );
        fs::create_dir(site.data()).unwrap();
        fs::set_permissions(site.data(), Permissions::from_mode(0o700)).unwrap();
        if let Some(nobody) = nobody() {
            fs::set_permissions(site.0.path(), Permissions::from_mode(0o755)).unwrap();
            chown(site.data(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
            config.push_str("user = \"nobody\"\n");
        }
        for domain in domains {
            config.push_str(&format!("[domains.\"{domain}\"]\n"));
        }
        fs::write(site.config(), config).unwrap();
        site
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.path().join("postrider.toml")
    }

    /// `postrider ARGUMENTS --data DATA`, with this on standard input.
    pub(crate) fn told(&self, arguments: &[&str], input: &str) -> Output {
        let data = self.data();
        run(&[arguments, &["--data", data.to_str().unwrap()]].concat(), input)
    }

    /// The same, which has to succeed; gives its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        succeeded(arguments, self.told(arguments, ""))
    }

    /// The same, which has to end with this code; gives its standard error.
    pub(crate) fn fails(&self, arguments: &[&str], code: i32) -> String {
        failed(arguments, code, &self.told(arguments, ""))
    }

    /// `postrider ARGUMENTS --config FILE`, which has to succeed.
    pub(crate) fn ok_by_config(&self, arguments: &[&str]) -> String {
        succeeded(arguments, self.told_by_config(arguments, ""))
    }

    pub(crate) fn fails_by_config(&self, arguments: &[&str], code: i32) -> String {
        failed(arguments, code, &self.told_by_config(arguments, ""))
    }

    pub(crate) fn told_by_config(&self, arguments: &[&str], input: &str) -> Output {
        let config = self.config();
        run(&[arguments, &["--config", config.to_str().unwrap()]].concat(), input)
    }

    /// The messages that lie in this mailbox.
    pub(crate) fn mail(&self, mailbox: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.data().join("mail").join(mailbox).join("new")) else {
            return Vec::new();
        };
        entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
    }

    /// Everything in the data folder belongs to whom the folder belongs to.
    pub(crate) fn assert_one_owner(&self) {
        let owner = fs::metadata(self.data()).unwrap().uid();
        let mut folders = vec![self.data()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // What SQLite keeps beside a database may be gone by now.
                let Ok(found) = fs::symlink_metadata(&path) else { continue };
                assert_eq!(found.uid(), owner, "{}", path.display());
                if found.is_dir() {
                    folders.push(path);
                }
            }
        }
    }
}

/// Whom root runs the server as.
fn nobody() -> Option<nix::unistd::User> {
    nix::unistd::Uid::effective().is_root().then(|| nix::unistd::User::from_name("nobody").unwrap().unwrap())
}

/// `postrider ARGUMENTS`, with this on standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postrider"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read it may be gone before it is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn succeeded(arguments: &[&str], output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn failed(arguments: &[&str], code: i32, output: &Output) -> String {
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept open: a server that cannot write its log would notice.
    _said: Box<dyn Read>,
}

impl Server {
    /// `postrider dev` on the site's data folder.
    pub(crate) fn dev(site: &Site) -> Self {
        let data = site.data();
        let arguments = ["dev", "--quiet", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let mut child = command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let address = address_behind(&mut said, "listening");
        // The introduction ends when everything listens, the control socket too.
        said_line(&mut said, "Ctrl-C");
        Self { child, address, _said: Box::new(said) }
    }

    /// `postrider serve` with the site's configuration.
    pub(crate) fn serve(site: &Site) -> Self {
        let config = site.config();
        let mut child = command(&["serve", "--config", config.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let address = address_behind(&mut said, "ready listening=");
        Self { child, address, _said: Box::new(said) }
    }

    /// SIGHUP: it reads its configuration again.
    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Gives one message to the server; the reply to every RCPT, and the one that ends it.
    pub(crate) fn submit(&self, from: &str, to: &[&str], message: &str) -> Vec<String> {
        let mut client = Client::connect(self.address);
        let mut replies = Vec::new();
        client.say("EHLO client.example");
        client.say(&format!("MAIL FROM:<{from}>"));
        for to in to {
            replies.push(client.say(&format!("RCPT TO:<{to}>")));
        }
        if replies.iter().any(|reply| reply.starts_with("250")) {
            client.say("DATA");
            replies.push(client.say(&format!("{}\r\n.", message.replace('\n', "\r\n"))));
        }
        client.say("QUIT");
        replies
    }

    /// Submits a message that must be taken; gives its id.
    pub(crate) fn accepted(&self, from: &str, to: &[&str], message: &str) -> String {
        let replies = self.submit(from, to, message);
        let end = replies.last().unwrap();
        assert!(end.starts_with("250"), "{replies:?}");
        end.rsplit_once(' ').unwrap().1.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.args(arguments).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// The next line that holds this.
fn said_line(said: &mut impl BufRead, mark: &str) -> String {
    let mut all = String::new();
    loop {
        let from = all.len();
        assert!(said.read_line(&mut all).unwrap() > 0, "no line with {mark:?} in {all:?}");
        if all[from..].contains(mark) {
            return all[from..].to_owned();
        }
    }
}

fn address_behind(said: &mut impl BufRead, mark: &str) -> SocketAddr {
    let line = said_line(said, mark);
    let text = line.split_once(mark).unwrap().1.trim().trim_matches('"');
    // The first of them, where several doors are open.
    let text = text.split(' ').next().unwrap();
    text.parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(BufReader::new(stream));
        client.reply();
        client
    }

    fn say(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        let mut all = String::new();
        loop {
            let from = all.len();
            assert!(self.0.read_line(&mut all).unwrap() > 0, "closed after {all:?}");
            if all.as_bytes().get(from + 3) == Some(&b' ') {
                return all.trim_end().to_owned();
            }
        }
    }
}

/// Waits until it holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::yield_now();
    }
}

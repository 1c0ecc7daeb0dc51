//! Machines for mail servers that are unpacked, not installed (`cargo xtask ci servers` unpacks them).
//!
//! Each runs in mount and process namespaces of its own, where it finds itself installed and its users there:
//! see `tests/machine/house`. It shares this machine's ports. Building namespaces takes root, or a sudo that asks
//! nothing. A machine ends, with every process on it, when it is dropped or when the test dies.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::binary;
use crate::process::Lines;
use crate::tools::left_out;
use crate::wait::until;
use std::fs::{self, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use tempfile::TempDir;

/// Who owns mailboxes where the tests run as root: mail servers refuse to deliver as root.
const NOBODY: u32 = 65534;

/// Where a Debian package is unpacked, or a word that it is not.
///
/// # Panics
/// When it is missing where `CI=true`.
#[track_caller]
pub fn unpacked(package: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| binary::root().join("target"), |folder| binary::root().join(folder));
    let folder = target.join("tools/debian").join(package);
    if folder.is_dir() {
        return Some(folder);
    }
    left_out(&format!("{package} is not unpacked: `cargo xtask ci servers` does it"));
    None
}

/// A command as root, where that can be had without a question.
pub fn as_root(program: &str) -> Command {
    let mut command = Command::new(if rustix::process::geteuid().is_root() { "env" } else { "sudo" });
    if !rustix::process::geteuid().is_root() {
        command.arg("-n");
    }
    command.arg(program);
    command
}

/// A machine that is about to be built: its folder, where files can be written.
pub struct Plans {
    package: &'static str,
    root: PathBuf,
    home: TempDir,
}

/// A running mail server on a machine of its own.
pub struct Machine {
    name: &'static str,
    address: SocketAddr,
    house: Child,
    /// The machine stands until this is closed.
    hold: Option<ChildStdin>,
    lines: Lines,
    home: TempDir,
}

impl Plans {
    /// For this package, in the system's folder for temporary things. `None`, with a word, where it cannot be.
    ///
    /// # Panics
    /// Where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn new(package: &'static str) -> Option<Self> {
        let root = unpacked(package)?;
        let possible = as_root("unshare").args(["--mount", "--pid", "--fork", "true"]).output();
        if !possible.is_ok_and(|done| done.status.success()) {
            left_out(&format!("{package} needs namespaces of its own, and those need root"));
            return None;
        }
        let home = tempfile::Builder::new().prefix("postrider-machine-").tempdir().unwrap();
        for folder in ["etc", "spool", "layers", "mail"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        open_to_everyone(home.path());
        give_away(&home.path().join("mail"));
        Some(Self { package, root, home })
    }

    /// The folder in which mail is to be stored: it belongs to the user `box`, as whom servers deliver.
    pub fn mail(&self) -> PathBuf {
        self.home.path().join("mail")
    }

    /// The ids of the user `box`.
    pub fn owner(&self) -> (u32, u32) {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        if user.is_root() { (NOBODY, NOBODY) } else { (user.as_raw(), group.as_raw()) }
    }

    /// Writes a file of `/etc`.
    pub fn etc(&self, name: &str, text: &str) {
        let path = self.home.path().join("etc").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Builds the machine, runs `start` (lines of a shell, the last of which stays in the foreground) on it, and
    /// waits until it greets at `address`.
    ///
    /// # Panics
    /// When it does not, with what it said.
    #[track_caller]
    pub fn build(self, start: &str, address: SocketAddr) -> Machine {
        let home = self.home.path();
        fs::write(home.join("start"), start).unwrap();
        let (user, group) = self.owner();
        let mut command = as_root("unshare");
        command.args(["--mount", "--pid", "--fork", "sh"]).arg(binary::root().join("tests/machine/house"));
        command.arg(&self.root).arg(home).args([user.to_string(), group.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut house = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::default();
        lines.hear(house.stdout.take().unwrap());
        lines.hear(house.stderr.take().unwrap());
        let hold = house.stdin.take();
        let mut machine = Machine { name: self.package, address, house, hold, lines, home: self.home };
        until(&format!("{} greets", machine.name), || {
            if let Some(status) = machine.house.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", machine.name, machine.lines.shown());
            }
            greets(address).then_some(())
        });
        machine
    }
}

impl Machine {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process that everything on this machine descends from.
    pub fn pid(&self) -> u32 {
        self.house.id()
    }

    /// What it has said.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// The messages in its Maildir, in no order.
    pub fn mail(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.home.path().join("mail/new")) else { return Vec::new() };
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    /// How many messages are in its Maildir.
    pub fn mail_count(&self) -> usize {
        fs::read_dir(self.home.path().join("mail/new")).map_or(0, Iterator::count)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The end of its input ends the house, and the kernel whatever lives in it.
        self.hold = None;
        let _ = self.house.wait();
        let _ = as_root("rm").args(["-rf", "--one-file-system"]).arg(self.home.path()).status();
        if thread::panicking() {
            println!("{} said:\n{}", self.name, self.lines.shown());
        }
    }
}

/// A port of 127.0.0.1 that nobody uses, by TCP or UDP. It is none of those that the system gives to connections
/// (32768 and above), so that it is still free when a server comes to bind it; processes and calls differ in where they
/// look first.
pub fn free_address() -> SocketAddr {
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let offset = std::process::id().wrapping_mul(61);
    until("a free port", || {
        let number = offset.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(FIRST + number).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        (TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()).then_some(address)
    })
}

/// Whether someone greets there with 220.
pub(crate) fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(crate::limits::PATIENCE)).unwrap();
    let mut code = [0; 3];
    stream.read_exact(&mut code).is_ok() && code == *b"220"
}

/// Servers that are not who we are must pass through a temporary folder to reach what is theirs.
pub(crate) fn open_to_everyone(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}

/// Gives a folder to those who run without rights, where we are root.
pub(crate) fn give_away(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

//! A real name server, Debian's BIND, on a port of its own: authoritative for the zones of a test and for the
//! root, so that every other name does not exist. It asks nobody.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::machine::{free_address, unpacked};
use crate::process::Lines;
use crate::wait::{until, until_true};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// A domain, and how questions about it and what is below it end.
#[derive(Clone, Copy, Debug)]
pub enum Zone<'a> {
    /// With these records, in the form of a zone file (RFC 1035 §5): `@ MX 10 mx` is a line.
    Records(&'a str, &'a str),
    /// SERVFAIL.
    Broken(&'a str),
    /// Never.
    Silent(&'a str),
}

/// For how long answers hold, in seconds: short, so that tests may change zones.
const TTL_SECONDS: u32 = 1;

/// What BIND says when it has read all zones.
const LOADED: &str = "all zones loaded";

/// A running name server.
pub struct Dns {
    child: Child,
    address: SocketAddr,
    lines: Lines,
    home: TempDir,
}

impl Dns {
    /// Starts one. `None`, with a word, where BIND is not unpacked.
    ///
    /// # Panics
    /// Where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn start(zones: &[Zone<'_>]) -> Option<Self> {
        let root = unpacked("bind9")?;
        let home = tempfile::Builder::new().prefix("postrider-dns-").tempdir().unwrap();
        let address = free_address();
        write_zones(&home, address, zones);
        let mut command = Command::new(root.join("usr/sbin/named"));
        command.env("LD_LIBRARY_PATH", libraries(&root));
        command.args(["-4", "-g", "-n", "1", "-c"]).arg(home.path().join("named.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::default();
        lines.hear(child.stderr.take().unwrap());
        let mut dns = Self { child, address, lines, home };
        until("the name server answers", || {
            if let Some(status) = dns.child.try_wait().unwrap() {
                panic!("the name server ended with {status}:\n{}", dns.lines.shown());
            }
            dns.lines.find(LOADED)
        });
        Some(dns)
    }

    /// Where it answers, by UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The section of a configuration that asks this server alone.
    pub fn section(&self) -> String {
        format!("[dns]\nservers = [\"{}\"]\n", self.address)
    }
    /// These zones from now on, and no others. What was asked before may be remembered for a second.
    #[track_caller]
    pub fn replace(&self, zones: &[Zone<'_>]) {
        let loaded = || self.lines.all().iter().filter(|line| line.contains(LOADED)).count();
        let before = loaded();
        write_zones(&self.home, self.address, zones);
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        until_true("the name server has read its zones again", || loaded() > before);
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the name server said:\n{}", self.lines.shown());
        }
    }
}

/// The folders below `usr/lib` of an unpacked package, for the loader: one is named after the architecture.
pub(crate) fn libraries(root: &Path) -> OsString {
    let folders = fs::read_dir(root.join("usr/lib")).unwrap();
    std::env::join_paths(folders.map(|folder| folder.unwrap().path())).unwrap()
}

fn write_zones(home: &TempDir, address: SocketAddr, zones: &[Zone<'_>]) {
    let home = home.path();
    let mut config = format!(
        "options {{\n directory \"{}\";\n listen-on port {} {{ 127.0.0.1; }};\n listen-on-v6 {{ none; }};\n \
         pid-file none;\n session-keyfile none;\n recursion yes;\n dnssec-validation no;\n check-names primary ignore;\n \
         check-integrity no;\n empty-zones-enable no;\n max-records-per-type 0;\n max-cache-size 16M;\n notify no;\n \
         response-policy {{ zone \"policy\"; }} qname-wait-recurse no;\n}};\ncontrols {{ }};\n",
        home.display(),
        address.port(),
    );
    let mut policy = String::new();
    let mut add = |origin: &str, file: &str, records: &str| {
        config.push_str(&format!("zone \"{origin}\" {{ type primary; file \"{file}\"; }};\n"));
        let text = format!(
            "$TTL {TTL_SECONDS}\n@ SOA ns postmaster 1 3600 60 86400 {TTL_SECONDS}\n@ NS ns\nns A 127.0.0.1\n{records}\n"
        );
        fs::write(home.join(file), text).unwrap();
    };
    add(".", "root.zone", "");
    for (number, zone) in zones.iter().enumerate() {
        match zone {
            Zone::Records(origin, records) => add(origin, &format!("{number}.zone"), records),
            Zone::Broken(origin) => add(origin, &format!("{number}.zone"), "this is no record"),
            Zone::Silent(origin) => {
                policy.push_str(&format!("{origin} CNAME rpz-drop.\n*.{origin} CNAME rpz-drop.\n"));
            }
        }
    }
    add("policy", "policy.zone", &policy);
    fs::write(home.join("named.conf"), config).unwrap();
}

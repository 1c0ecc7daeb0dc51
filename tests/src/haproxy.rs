//! Debian's HAProxy before a server: it passes connections on by TCP, says whose they are by the PROXY protocol, and
//! looks whether the server is well by saying EHLO.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::dns::libraries;
use crate::machine::{free_address, greets, unpacked};
use crate::process::Lines;
use crate::wait::until;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// A running HAProxy.
pub struct Haproxy {
    child: Child,
    address: SocketAddr,
    lines: Lines,
    _home: TempDir,
}

impl Haproxy {
    /// Starts one; `version` is `send-proxy` or `send-proxy-v2`. `None`, with a word, where it is not unpacked.
    ///
    /// # Panics
    /// Where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn before(server: SocketAddr, version: &str) -> Option<Self> {
        let root = unpacked("haproxy")?;
        let home = tempfile::Builder::new().prefix("postrider-haproxy-").tempdir().unwrap();
        let address = free_address();
        // A server that fails its check gets no connection.
        let config = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
             listen mail\n bind {address}\n option smtpchk EHLO haproxy.example\n\
             \x20server ours {server} {version} check check-send-proxy inter 200ms\n"
        );
        let file = home.path().join("haproxy.cfg");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(root.join("usr/sbin/haproxy"));
        command.env("LD_LIBRARY_PATH", libraries(&root)).args(["-db", "-f"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::default();
        lines.hear(child.stdout.take().unwrap());
        lines.hear(child.stderr.take().unwrap());
        let mut proxy = Self { child, address, lines, _home: home };
        until("HAProxy passes us on", || {
            if let Some(status) = proxy.child.try_wait().unwrap() {
                panic!("HAProxy ended with {status}:\n{}", proxy.lines.shown());
            }
            greets(address).then_some(())
        });
        Some(proxy)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("HAProxy said:\n{}", self.lines.shown());
        }
    }
}

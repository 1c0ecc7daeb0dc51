//! aiosmtpd, the mail server of the Python world, as a next hop that keeps what it takes, octet by octet.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::machine::{free_address, greets};
use crate::process::Lines;
use crate::python;
use crate::wait::until;
use crate::wiretap::{Place, is_there, socket_folder};
use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use tempfile::TempDir;

const SCRIPT: &str = r#"
import asyncio, itertools, os, sys
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
folder, place, flags = sys.argv[1:]
numbers = itertools.count()

class Keep:
    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_DATA(self, server, session, envelope):
        path = os.path.join(folder, str(next(numbers)))
        with open(path + ".new", "wb") as file:
            file.write(" ".join([envelope.mail_from, *envelope.mail_options]).encode() + b"\n" + envelope.content)
        os.rename(path + ".new", path + ".mail")
        return "250 2.0.0 kept"

async def main():
    kind = LMTP if "lmtp" in flags else SMTP
    serve = lambda: kind(Keep(), hostname="mx.aiosmtpd.example", enable_SMTPUTF8="utf8" in flags)
    loop = asyncio.get_running_loop()
    if place.startswith("/"):
        await loop.create_unix_server(serve, place)
    else:
        await loop.create_server(serve, *place.rsplit(":", 1))
    await asyncio.Event().wait()

asyncio.run(main())
"#;

/// A running aiosmtpd.
pub struct Aiosmtpd {
    child: Child,
    place: Place,
    lines: Lines,
    kept: TempDir,
    _folder: Option<TempDir>,
}

/// A message that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The reverse-path, and the parameters of MAIL.
    pub mail: String,
    /// The content, dots unstuffed.
    pub content: Vec<u8>,
}

impl Aiosmtpd {
    /// Starts one on a free port; `flags` may name `lmtp`, `utf8` and `unix`. `None`, with a word, where it cannot be had.
    ///
    /// # Panics
    /// Where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn start(flags: &str) -> Option<Self> {
        let python = python::aiosmtpd()?;
        let kept = tempfile::Builder::new().prefix("postrider-aiosmtpd-").tempdir().unwrap();
        let (place, folder) = if flags.contains("unix") {
            let (folder, path) = socket_folder();
            (Place::Unix(path), Some(folder))
        } else {
            (Place::Tcp(free_address()), None)
        };
        let named = match &place {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(path) => path.display().to_string(),
        };
        let mut command = python.command(SCRIPT);
        command.arg(kept.path()).args([&named, flags]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Lines::default();
        lines.hear(child.stdout.take().unwrap());
        lines.hear(child.stderr.take().unwrap());
        let mut server = Self { child, place, lines, kept, _folder: folder };
        until("aiosmtpd listens", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("aiosmtpd ended with {status}:\n{}", server.lines.shown());
            }
            match &server.place {
                Place::Tcp(address) => greets(*address).then_some(()),
                Place::Unix(path) => is_there(path).then_some(()),
            }
        });
        Some(server)
    }

    /// Where it listens.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What it has taken, in no order.
    pub fn kept(&self) -> Vec<Kept> {
        let files = fs::read_dir(self.kept.path()).unwrap().map(|file| file.unwrap().path());
        let whole = files.filter(|path| path.extension().is_some_and(|extension| extension == "mail"));
        whole
            .map(|path| {
                let octets = fs::read(path).unwrap();
                let line = octets.iter().position(|&octet| octet == b'\n').unwrap();
                let mail = String::from_utf8_lossy(&octets[..line]).into_owned();
                Kept { mail, content: octets[line + 1..].to_vec() }
            })
            .collect()
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("aiosmtpd said:\n{}", self.lines.shown());
        }
    }
}

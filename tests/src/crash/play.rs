//! A scenario with the real server: letters in sessions, then the end.

use super::control::Operator;
use super::letter::{Letter, address, behind, sender};
use super::limits::{LOOK_AGAIN, PATIENCE};
use super::server::{Running, Start};
use super::{talk, verdict};
use crate::binary::postrider;
use crate::peer::{Peer, Script};
use crate::preload::{Faults, Found, Scenario};
use postrider_directory::Directory;
use postrider_mail::{Mailbox, UnixMillis};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The data folder, below the folder that is watched: so the server makes it, or at least relies on it.
const DATA: &str = "spool";

/// The ids that an earlier server acknowledged, a line each.
const EARLIER: &str = "earlier";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `postrider dev`, which makes its data folder.
    Dev,
    /// `postrider serve`, with the accounts of the directory.
    Serve,
    /// The same; deliveries are paused while mail is accepted, and the account "gone" goes meanwhile. The senders have
    /// mailboxes here, for the notices.
    Leaving,
    /// The same as `Serve`, with mailboxes for the senders, and another host for "far", which tells nobody anything.
    Telling,
}

/// Letters sent over one connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// The first letter's number, and the one behind the last's.
    pub letters: Range<usize>,
    /// Whether the client pipelines.
    pub pipelined: bool,
}

/// What happens.
#[derive(Clone, Debug)]
pub struct Play {
    /// Which server.
    pub kind: Kind,
    /// All letters, by number.
    pub letters: Vec<Letter>,
    /// Who sends them.
    pub sessions: Vec<Session>,
    /// Whether all sessions happen at the same time.
    pub at_once: bool,
    /// Letters from the first on that are sent before, to a server that is killed once it has accepted them: the
    /// one under proof begins with what is left to repair.
    pub earlier: usize,
}

impl Scenario for Play {
    fn prepare(&self, root: &Path) -> io::Result<()> {
        if self.kind != Kind::Dev {
            // The server's user passes through.
            if let Some(above) = root.parent() {
                fs::set_permissions(above, Permissions::from_mode(0o711))?;
            }
            fs::create_dir(root.join(DATA))?;
            self.furnish(root, self.kind == Kind::Leaving)?;
        }
        if self.earlier == 0 { Ok(()) } else { self.live_before(root) }
    }

    fn run(&self, faults: &Faults) -> io::Result<()> {
        let root = faults.root();
        let far = self.far();
        let command = self.command(root, far.as_ref(), |program| faults.command(program))?;
        let server = match Running::start(command)? {
            Start::Listening(server) => server,
            Start::Refused(_) if faults.fails() => return Ok(()),
            Start::Refused(why) => return Err(io::Error::other(why)),
        };
        let outcome = self.act(&server, root, faults.fails());
        let (status, said) = server.stop()?;
        if faults.fails() {
            // Refusals and closed connections are what a failing disk leads to.
            return Ok(());
        }
        outcome?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("{status}: {said}"))) }
    }

    /// The reserve is made by a system call that the library does not see, and made again where it is missing.
    /// The directory changes by another process's hand; [`Scenario::verify`] puts it where it stood in the end.
    fn leaves_out(&self, path: &Path) -> bool {
        let inside = path.strip_prefix(DATA).unwrap_or(path);
        inside == Path::new("queue/reserve") || inside.to_string_lossy().starts_with("directory.db")
    }

    fn acknowledged(&self, sent: &[u8]) -> Vec<String> {
        String::from_utf8_lossy(sent).lines().filter_map(talk::acknowledged).collect()
    }

    fn verify(&self, root: &Path, acknowledged: &[String]) -> io::Result<Found> {
        let above = root.parent().unwrap_or(root);
        if self.kind != Kind::Dev {
            fs::set_permissions(above, Permissions::from_mode(0o711))?;
            fs::create_dir_all(root.join(DATA))?;
            self.furnish(root, false)?;
        }
        let far = self.far();
        let server = match Running::start(self.command(root, far.as_ref(), Command::new)?)? {
            Start::Listening(server) => server,
            Start::Refused(why) => return Err(io::Error::other(why)),
        };
        let done = Operator::connect(&root.join(DATA)).and_then(|mut operator| {
            operator.hurry()?;
            wait_until_done(&mut operator)
        });
        let (status, said) = server.stop()?;
        done.map_err(|error| io::Error::other(format!("{error}; the server said: {said}")))?;
        if !status.success() {
            return Err(io::Error::other(format!("{status}: {said}")));
        }
        let mut acknowledged = acknowledged.to_vec();
        if self.earlier > 0 {
            acknowledged.extend(fs::read_to_string(root.join(EARLIER))?.lines().map(str::to_owned));
        }
        verdict::verdict(self, &root.join(DATA), &acknowledged)
    }
}

impl Play {
    /// Whether this mailbox has no account in the end: its letters fail, and their senders are told.
    pub fn is_gone(&self, local: &str) -> bool {
        self.kind == Kind::Leaving && local == "gone"
    }

    /// Whether letters come to lie in this mailbox.
    pub fn has_mailbox(&self, local: &str) -> bool {
        !self.is_gone(local) && local != "far"
    }

    /// What a letter's sender is told of this recipient, as it was given.
    pub fn is_told(&self, letter: Letter, local: &str) -> Option<&'static str> {
        match local {
            _ if self.is_gone(local) => Some("failed"),
            _ if !letter.is_curious => None,
            "far" => Some("relayed"),
            _ if behind(&local).len() > 1 => Some("expanded"),
            _ => Some("delivered"),
        }
    }

    /// The other host, where there is one.
    fn far(&self) -> Option<Peer> {
        (self.kind == Kind::Telling).then(|| Peer::start(Script::default()))
    }

    /// Whether senders have mailboxes here.
    fn has_senders(&self) -> bool {
        matches!(self.kind, Kind::Leaving | Kind::Telling)
    }

    /// How many letters the server under proof is sent.
    pub fn sent(&self) -> usize {
        self.sessions.iter().map(|session| session.letters.len()).sum()
    }

    /// A server that accepts the earlier letters, and is killed.
    fn live_before(&self, root: &Path) -> io::Result<()> {
        let far = self.far();
        match Running::start(self.command(root, far.as_ref(), Command::new)?)? {
            Start::Listening(server) => {
                let ids = talk::send(server.address(), &self.letters, 0..self.earlier, true)?;
                drop(server);
                fs::write(root.join(EARLIER), ids.join("\n"))
            }
            Start::Refused(why) => Err(io::Error::other(why)),
        }
    }

    /// What is done with a running server.
    fn act(&self, server: &Running, root: &Path, disk_fails: bool) -> io::Result<()> {
        let mut operator = Operator::connect(&root.join(DATA))?;
        if self.kind == Kind::Leaving {
            operator.pause()?;
        }
        let send = |session: &Session| {
            talk::send(server.address(), &self.letters, session.letters.clone(), session.pipelined)
        };
        if self.earlier > 0 {
            operator.hurry()?;
        }
        let accepted: Vec<io::Result<Vec<String>>> = if self.at_once {
            std::thread::scope(|scope| {
                let sessions: Vec<_> =
                    self.sessions.iter().map(|session| scope.spawn(move || send(session))).collect();
                let joined = sessions.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined
                    .map(|sent| sent.unwrap_or_else(|_| Err(io::Error::other("a client panicked"))))
                    .collect()
            })
        } else {
            self.sessions.iter().map(send).collect()
        };
        if self.kind == Kind::Leaving {
            self.furnish(root, false)?;
            operator.hurry()?;
        }
        if disk_fails {
            // What a failing disk puts off is not waited for.
            return Ok(());
        }
        let accepted: usize =
            accepted.into_iter().map(|ids| ids.map(|ids| ids.len())).sum::<io::Result<_>>()?;
        if accepted != self.sent() {
            return Err(io::Error::other(format!("{accepted} of {} letters accepted", self.sent())));
        }
        wait_until_done(&mut operator)
    }

    /// The command line, through whatever makes a command of a program.
    fn command(
        &self,
        root: &Path,
        far: Option<&Peer>,
        make: impl FnOnce(PathBuf) -> Command,
    ) -> io::Result<Command> {
        let mut command = make(postrider().to_owned());
        if self.kind == Kind::Dev {
            command.args(["dev", "--quiet", "--listen", "127.0.0.1:0", "--data"]).arg(root.join(DATA));
            return Ok(command);
        }
        // Beside the folder, not in it: it names the folder.
        let config = root.with_extension("toml");
        let user = if is_root() { "user = \"nobody\"\n" } else { "" };
        let senders = if self.has_senders() { "[domains.\"client.example\"]\n" } else { "" };
        let (relay, route) = far.map_or_else(Default::default, |far| {
            let to = far.address();
            let route = format!("[[route]]\ndomains = [\"far.example\"]\nto = \"smtp://{to}\"\n");
            ("relay_from = [\"127.0.0.0/8\"]\n", route)
        });
        let text = format!(
            "hostname = \"mx.local.example\"\ndata = \"{}\"\nlisten = [\"127.0.0.1:0\"]\n{relay}{user}\
             [domains.\"local.example\"]\n{senders}{route}",
            root.join(DATA).display()
        );
        fs::write(&config, text)?;
        command.arg("serve").arg("--config").arg(config);
        Ok(command)
    }

    /// Brings the directory to what it is before or after "gone" has gone, and gives all to the server's user.
    fn furnish(&self, root: &Path, with_gone: bool) -> io::Result<()> {
        let data = root.join(DATA);
        let directory = Directory::open(&data).map_err(io::Error::other)?;
        let mailbox = |local: &str| address(local).parse::<Mailbox>().map_err(io::Error::other);
        let known: BTreeSet<String> = {
            let accounts = directory.list_accounts(None).map_err(io::Error::other)?;
            accounts.iter().map(|account| account.address.to_string()).collect()
        };
        let locals = self.letters.iter().flat_map(|letter| letter.to);
        let mailboxes: BTreeSet<&str> = locals.clone().flat_map(behind).copied().collect();
        for local in mailboxes.into_iter().filter(|local| *local != "far") {
            let wanted = with_gone || !self.is_gone(local);
            let is = known.contains(&address(local));
            if wanted && !is {
                directory
                    .add_account(&mailbox(local)?, None, UnixMillis::new(0))
                    .map_err(io::Error::other)?;
            } else if !wanted && is {
                directory.remove_account(&mailbox(local)?).map_err(io::Error::other)?;
            }
        }
        let senders = if self.has_senders() { self.letters.len() } else { 0 };
        for sender in (0..senders).map(sender).filter(|sender| !known.contains(sender)) {
            let sender = sender.parse::<Mailbox>().map_err(io::Error::other)?;
            directory.add_account(&sender, None, UnixMillis::new(0)).map_err(io::Error::other)?;
        }
        let aliases = directory.list_aliases(None).map_err(io::Error::other)?;
        for local in locals.filter(|local| behind(local).len() > 1).collect::<BTreeSet<_>>() {
            let name = mailbox(local)?;
            if aliases.iter().all(|alias| alias.address != name) {
                let members =
                    behind(local).iter().map(|member| mailbox(member)).collect::<io::Result<Vec<_>>>()?;
                directory.add_alias(&name, &members, UnixMillis::new(0)).map_err(io::Error::other)?;
            }
        }
        drop(directory);
        if is_root() { give_away(&data) } else { Ok(()) }
    }
}

/// Whether tests run as root: then `serve` becomes nobody, whose the data folder must be.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a folder and all in it to nobody.
fn give_away(path: &Path) -> io::Result<()> {
    const NOBODY: u32 = 65_534;
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY))?;
    if path.symlink_metadata()?.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            match give_away(&path) {
                // A running server has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                given => given?,
            }
        }
    }
    Ok(())
}

fn wait_until_done(operator: &mut Operator) -> io::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !operator.is_done()? {
        if Instant::now() > give_up {
            return Err(io::Error::other("mail or notices still wait, though they are due"));
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
    Ok(())
}

//! The control socket: commands of the operator as lines of JSON, one answer for each.
//!
//! Only the user the server runs as, and root, may speak; the kernel says who does (SO_PEERCRED). Whatever
//! else comes down the socket ends that connection with a sentence, never the server.

use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_REQUEST_OCTETS_MAX, CONTROL_TIMEOUT};
use crate::server::{Stop, told_to_stop};
use crate::world::World;
use postrider_control::{Answer, Command, Executor, Who};
use postrider_mail::Text;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

/// The longest path a socket address takes (sun_path in unix(7)), without its NUL.
const SOCKET_PATH_OCTETS_MAX: usize = 107;

/// The way to the control socket of a data folder. Socket addresses are short: where the folder's path is
/// too long for one, the way leads through a descriptor of the folder, and holds as long as this lives.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    _folder: Option<File>,
}

impl Door {
    /// The control socket of the server whose data lies in `data`.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn of(data: &Path) -> io::Result<Self> {
        let path = data.join("control.sock");
        if path.as_os_str().len() <= SOCKET_PATH_OCTETS_MAX {
            return Ok(Self { path, _folder: None });
        }
        let folder = File::open(data)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }

    /// What to bind or connect to.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the socket and answers on it until told to stop. A socket that a dead server left is replaced:
/// whoever calls this holds the lock on the data folder.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(
    executor: Executor,
    world: &Arc<World>,
    door: Door,
    mut stop: watch::Receiver<Stop>,
) -> io::Result<()> {
    match fs::remove_file(door.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(door.path())?;
    fs::set_permissions(door.path(), Permissions::from_mode(0o600))?;
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
        loop {
            let place = tokio::select! {
                biased;
                () = told_to_stop(&mut stop) => break,
                place = Arc::clone(&room).acquire_owned() => place,
            };
            let accepted = tokio::select! {
                biased;
                () = told_to_stop(&mut stop) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (executor, world) = (executor.clone(), Arc::clone(&world));
                    tokio::spawn(async move {
                        if let Err(error) = converse(&executor, &world, stream).await {
                            tracing::debug!(%error, "control connection");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket");
                    tokio::time::sleep(crate::limits::ACCEPT_PAUSE).await;
                }
            }
        }
        // It may be gone already; a socket that stays is replaced at the next start.
        let _ = fs::remove_file(door.path());
    });
    Ok(())
}

/// Whether a user may give commands: the server's own, and root.
fn allowed(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

async fn converse(executor: &Executor, world: &Arc<World>, mut stream: UnixStream) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if !allowed(uid) {
        tracing::warn!(uid, "control socket: refused");
        let why = Text::literal("only root and the user the server runs as may give commands");
        return answer(&mut stream, &Answer::Failed { why }).await;
    }
    let who = Who(Text::from(format!("uid {uid}")));
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reading).take(CONTROL_REQUEST_OCTETS_MAX as u64);
        match tokio::time::timeout(CONTROL_TIMEOUT, bounded.read_until(b'\n', &mut line)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        if line.is_empty() {
            return Ok(());
        }
        let command: Command = match serde_json::from_slice(&line) {
            Ok(command) => command,
            Err(error) => {
                let why = Text::from(format!("a command is one line of JSON: {error}"));
                return answer(&mut writing, &Answer::Failed { why }).await;
            }
        };
        let done = carry_out(executor, world, &who, command).await;
        tokio::time::timeout(CONTROL_TIMEOUT, answer(&mut writing, &done)).await??;
    }
}

async fn carry_out(executor: &Executor, world: &Arc<World>, who: &Who, command: Command) -> Answer {
    if !Executor::is_look(&command) {
        return executor.change(who, command).await;
    }
    let executor = executor.clone();
    let looked = world.blocking(move || executor.look(&command)).await;
    looked.unwrap_or_else(|_| Answer::Failed { why: Text::literal("the server is stopping") })
}

async fn answer(to: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    to.write_all(&line).await
}

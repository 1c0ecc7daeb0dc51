//! The control socket: commands of the operator as lines of JSON, one answer for each.
//!
//! Only the user the server runs as, and root, may speak; the kernel says who does (SO_PEERCRED). Whatever
//! else comes down the socket ends that connection with a sentence, never the server.

use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_REQUEST_OCTETS_MAX, CONTROL_TIMEOUT};
use crate::server::told_to_stop;
use crate::world::World;
use postrider_control::{Answer, Command, Executor, Who};
use postrider_mail::Text;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

/// Makes the socket and answers on it until told to stop. A socket that a dead server left is replaced:
/// whoever calls this holds the lock on the data folder.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(
    executor: Executor,
    world: &Arc<World>,
    path: &Path,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let (world, path) = (Arc::clone(world), path.to_owned());
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
        let _ = fs::remove_file(path);
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

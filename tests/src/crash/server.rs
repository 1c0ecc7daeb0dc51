//! The binary as a child, whose end is a value.

use super::limits::{LOOK_AGAIN, PATIENCE, WORDS_SHOWN_OCTETS_MAX};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// A server that listens. Killed when dropped.
pub struct Running {
    child: Child,
    address: SocketAddr,
    /// The rest of what it says.
    words: Vec<JoinHandle<Vec<u8>>>,
}

/// How a start went.
pub enum Start {
    /// It listens.
    Listening(Running),
    /// It said why not, and ended.
    Refused(String),
}

impl Running {
    /// Starts a server and waits until it listens, or has ended.
    ///
    /// # Errors
    /// It does not run at all, or ended in a way that no server should end.
    pub fn start(mut command: Command) -> io::Result<Start> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        // `dev` says it on standard output, `serve` in its log.
        let (told, address) = std::sync::mpsc::channel();
        let mut words = Vec::new();
        if let Some(out) = out {
            words.push(hear(out, told.clone())?);
        }
        if let Some(err) = err {
            words.push(hear(err, told)?);
        }
        match address.recv_timeout(PATIENCE) {
            Ok(address) => Ok(Start::Listening(Self { child, address, words })),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                let (status, said) = ended(&mut child, words)?;
                decent(status, &said)?;
                Ok(Start::Refused(format!("{status}: {said}")))
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let (_, said) = ended(&mut child, words)?;
                Err(io::Error::other(format!("it neither listens nor ends: {said}")))
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGTERM; gives how it ended and what it had said.
    ///
    /// # Errors
    /// It does not end, or panicked.
    pub fn stop(mut self) -> io::Result<(ExitStatus, String)> {
        // One that has ended by itself hears nothing.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let (status, said) = ended(&mut self.child, std::mem::take(&mut self.words))?;
        decent(status, &said)?;
        Ok((status, said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended; what matters is that it has when we are gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all a server says, and tells the first address it names as its own.
fn hear(
    stream: impl Read + Send + 'static,
    told: std::sync::mpsc::Sender<SocketAddr>,
) -> io::Result<JoinHandle<Vec<u8>>> {
    Builder::new().name("words".into()).spawn(move || {
        let (mut told, mut words) = (Some(told), Vec::new());
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            let address = text.split_once("listening").and_then(|(_, rest)| {
                rest.trim_start_matches('=').trim_matches(['"', ' ']).split(' ').next()?.parse().ok()
            });
            if let Some(address) = address
                && let Some(told) = told.take()
            {
                // Only the first one is waited for.
                let _ = told.send(address);
            }
            words.extend_from_slice(&line);
            words.push(b'\n');
        }
        words
    })
}

/// Waits for the end within bounds, and gathers what was said.
fn ended(child: &mut Child, words: Vec<JoinHandle<Vec<u8>>>) -> io::Result<(ExitStatus, String)> {
    let give_up = Instant::now() + PATIENCE;
    let mut hangs = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > give_up {
            hangs = true;
            child.kill()?;
        }
        std::thread::park_timeout(LOOK_AGAIN);
    };
    let mut said = String::new();
    for heard in words {
        said += &String::from_utf8_lossy(&heard.join().unwrap_or_default());
    }
    let start = said.floor_char_boundary(said.len().saturating_sub(WORDS_SHOWN_OCTETS_MAX));
    if hangs {
        return Err(io::Error::other(format!("it does not end: {}", &said[start..])));
    }
    Ok((status, said))
}

/// Whatever its disk does: a server never panics and never dies of a signal.
fn decent(status: ExitStatus, said: &str) -> io::Result<()> {
    match status.code() {
        Some(code) if code != 101 && !said.contains("panicked at") => Ok(()),
        _ => Err(io::Error::other(format!("it ended with {status}: {said}"))),
    }
}

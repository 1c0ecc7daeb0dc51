//! An operator at the control socket of a running server: one line of JSON for each command and each answer.

use super::limits::{ANSWER_OCTETS_MAX, PATIENCE};
use postrider_control::{Answer, Command};
use postrider_queue::Filter;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection to the control socket.
pub struct Operator {
    stream: BufReader<UnixStream>,
}

impl Operator {
    /// Connects to the server on this data folder.
    ///
    /// # Errors
    /// Nobody answers there.
    pub fn connect(data: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(data.join("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Gives a command and hears the answer.
    ///
    /// # Errors
    /// The connection broke, or the command was not carried out.
    pub fn ask(&mut self, command: &Command) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        let mut answer = Vec::new();
        (&mut self.stream).take(ANSWER_OCTETS_MAX).read_until(b'\n', &mut answer)?;
        match serde_json::from_slice(&answer)? {
            Answer::Failed { why } => Err(io::Error::other(format!("{command:?}: {why}"))),
            answer => Ok(answer),
        }
    }

    /// Stops deliveries, also after a restart.
    ///
    /// # Errors
    /// As for [`Operator::ask`].
    pub fn pause(&mut self) -> io::Result<()> {
        self.ask(&Command::Pause { key: None, why: "the proof wants it".into() }).map(drop)
    }

    /// Lets deliveries go on, and makes all that waits due now.
    ///
    /// # Errors
    /// As for [`Operator::ask`].
    pub fn hurry(&mut self) -> io::Result<()> {
        self.ask(&Command::Resume { key: None })?;
        self.ask(&Command::Retry { filter: Filter::default() }).map(drop)
    }

    /// Whether the queue is empty: nothing waits, and no notice is owed. What is held does not count.
    ///
    /// # Errors
    /// As for [`Operator::ask`].
    pub fn is_done(&mut self) -> io::Result<bool> {
        let filter = Filter { held: Some(false), ..Filter::default() };
        match self.ask(&Command::List { filter, after: None, limit: 1 })? {
            Answer::Listing(listing) => Ok(listing.messages.is_empty() && listing.next.is_none()),
            other => Err(io::Error::other(format!("an odd answer to a listing: {other:?}"))),
        }
    }
}

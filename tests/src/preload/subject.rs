//! The scenario of `preload-subject`, the little program that the crash proofs are themselves proved with.

use super::library::Faults;
use super::scenario::{Found, Scenario};
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// `preload-subject` keeping messages in one of its ways.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The binary.
    pub program: PathBuf,
    /// How it keeps messages.
    pub way: &'static str,
    /// How many.
    pub count: u32,
}

/// The message with this number: some have a few octets, some many sectors.
pub fn message(number: u32) -> String {
    let lines = usize::try_from(number * number % 61).unwrap_or(0) + 1;
    format!("message {number}, and there is more to come\n").repeat(lines)
}

impl Scenario for Subject {
    fn run(&self, faults: &Faults) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut program = faults
            .command(&self.program)
            .arg(listener.local_addr()?.to_string())
            .arg(faults.root())
            .args([self.way, &self.count.to_string()])
            .spawn()?;
        let (mut connection, _) = listener.accept()?;
        let mut said = String::new();
        connection.read_to_string(&mut said)?;
        program.wait()?;
        if said.ends_with("\r\n") { Ok(()) } else { Err(io::Error::other("it ended without a word")) }
    }

    fn acknowledged(&self, sent: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(sent);
        text.lines().filter_map(|line| line.strip_prefix("250 ")).map(str::to_owned).collect()
    }

    fn verify(&self, folder: &Path, acknowledged: &[String]) -> io::Result<Found> {
        let database = folder.join("queue.db");
        let database = if self.way.starts_with("sqlite") && !acknowledged.is_empty() {
            Some(rusqlite::Connection::open(database).map_err(io::Error::other)?)
        } else {
            None
        };
        let mut found = Found::default();
        for id in acknowledged {
            let content = match &database {
                Some(database) => database
                    .query_row("SELECT content FROM message WHERE id = ?1", [id], |row| row.get(0))
                    .map_err(io::Error::other),
                None => std::fs::read(folder.join(self.kept()).join(id)),
            };
            let expected = message(id.parse().map_err(io::Error::other)?);
            match content {
                Ok(content) if content == expected.as_bytes() => {}
                Ok(_) => found.lost.push(format!("message {id} is damaged")),
                Err(error) => found.lost.push(format!("message {id}: {error}")),
            }
        }
        Ok(found)
    }
}

impl Subject {
    fn kept(&self) -> &'static str {
        if self.way.starts_with("maildir") { "new" } else { "content" }
    }
}

//! A program to prove the crash proofs with: it keeps messages, rightly or wrongly, and answers 250 for each.
//!
//! `preload-subject HOST:PORT FOLDER WAY COUNT` connects, keeps the messages 1 to COUNT in the folder, and sends `250 N`
//! for each one it holds to be safe. At the first error of its disk it sends 451 and ends. The ways, of which
//! those marked wrong must be found out:
//!
//! - `sqlite-full`: a database, WAL, synchronous=FULL, checkpoints now and then.
//! - `sqlite-hasty`: wrong: does not wait for the end of the change to WAL, and where that fails, the old journal is used.
//! - `sqlite-off`: wrong: synchronous=OFF.
//! - `files`: written and synced in `incoming/`, renamed to `content/`, `content/` synced.
//! - `files-unsynced`: wrong: the file itself is not synced.
//! - `files-retrying`: wrong: a failed sync is tried once more.
//! - `maildir`: the same with `tmp/` and `new/`.
//! - `maildir-unsynced`: wrong: `new/` is not synced.

use postrider_tests::preload::subject::message;
use rusqlite::Connection;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder, way, count] = arguments.as_slice() else {
        return Err(io::Error::other("HOST:PORT FOLDER WAY COUNT"));
    };
    let mut client = TcpStream::connect(address)?;
    let count = count.parse().map_err(io::Error::other)?;
    match keep_all(Path::new(folder), way, count, &mut client) {
        Ok(()) => client.write_all(b"221 bye\r\n"),
        Err(error) => client.write_all(format!("451 {error}\r\n").as_bytes()),
    }
}

fn keep_all(folder: &Path, way: &str, count: u32, client: &mut TcpStream) -> io::Result<()> {
    let store = open(folder, way)?;
    for number in 1..=count {
        store.keep(number, message(number).as_bytes())?;
        client.write_all(format!("250 {number}\r\n").as_bytes())?;
    }
    Ok(())
}

fn open(folder: &Path, way: &str) -> io::Result<Box<dyn Store>> {
    let database = |synchronous, patient| {
        let database = database(folder, synchronous, patient).map_err(io::Error::other)?;
        // The names of the database and its log: SQLite syncs the folder too, but ignores that it failed.
        File::open(folder)?.sync_all()?;
        Ok::<_, io::Error>(Box::new(database))
    };
    Ok(match way {
        "sqlite-full" => database("FULL", true)?,
        "sqlite-hasty" => database("FULL", false)?,
        "sqlite-off" => database("OFF", true)?,
        "files" => Box::new(Files::open(folder, ["incoming", "content"], None)?),
        "files-unsynced" => Box::new(Files::open(folder, ["incoming", "content"], Some(Flaw::FileUnsynced))?),
        "files-retrying" => Box::new(Files::open(folder, ["incoming", "content"], Some(Flaw::Retries))?),
        "maildir" => Box::new(Files::open(folder, ["tmp", "new"], None)?),
        "maildir-unsynced" => Box::new(Files::open(folder, ["tmp", "new"], Some(Flaw::FolderUnsynced))?),
        _ => return Err(io::Error::other("no such way")),
    })
}

trait Store {
    /// The message is safe when this returns.
    fn keep(&self, number: u32, message: &[u8]) -> io::Result<()>;
}

impl Store for Connection {
    fn keep(&self, number: u32, message: &[u8]) -> io::Result<()> {
        let kept = self.execute("INSERT INTO message VALUES (?1, ?2)", (number, message));
        kept.map(drop).map_err(io::Error::other)
    }
}

fn database(folder: &Path, synchronous: &str, patient: bool) -> rusqlite::Result<Connection> {
    let database = Connection::open(folder.join("queue.db"))?;
    let mut change = database.prepare("PRAGMA journal_mode=WAL")?;
    // The answer says "wal" before the change is committed; the error of the commit comes after it.
    let answers = if patient { 2 } else { 1 };
    let modes: Vec<String> =
        change.query_map((), |row| row.get(0))?.take(answers).collect::<Result<_, _>>()?;
    drop(change);
    if modes != ["wal"] {
        return Err(rusqlite::Error::InvalidQuery);
    }
    database.pragma_update(None, "synchronous", synchronous)?;
    database.pragma_update(None, "wal_autocheckpoint", 8)?;
    let table = "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, content BLOB NOT NULL)";
    database.execute(table, ())?;
    Ok(database)
}

/// A file for each message, written in one folder and renamed into another.
struct Files {
    draft: PathBuf,
    kept: PathBuf,
    flaw: Option<Flaw>,
}

#[derive(PartialEq, Eq)]
enum Flaw {
    FileUnsynced,
    FolderUnsynced,
    Retries,
}

impl Files {
    fn open(folder: &Path, [draft, kept]: [&str; 2], flaw: Option<Flaw>) -> io::Result<Self> {
        let files = Self { draft: folder.join(draft), kept: folder.join(kept), flaw };
        std::fs::create_dir_all(&files.draft)?;
        std::fs::create_dir_all(&files.kept)?;
        File::open(folder)?.sync_all()?;
        Ok(files)
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

impl Store for Files {
    fn keep(&self, number: u32, message: &[u8]) -> io::Result<()> {
        let draft = self.draft.join(number.to_string());
        let mut file = File::create_new(&draft)?;
        file.write_all(message)?;
        if !self.has(Flaw::FileUnsynced) {
            match file.sync_all() {
                Err(_) if self.has(Flaw::Retries) => file.sync_all()?,
                done => done?,
            }
        }
        std::fs::rename(draft, self.kept.join(number.to_string()))?;
        if !self.has(Flaw::FolderUnsynced) {
            File::open(&self.kept)?.sync_all()?;
        }
        Ok(())
    }
}

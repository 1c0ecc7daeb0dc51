//! The file `directory.db`: its tables, its version, and how a connection to it is set up.
//!
//! Accounts and aliases share one table, so that no address can be both.

use crate::error::Error;
use crate::limits::{BUSY_TIMEOUT, STATEMENTS_CACHED};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `PRAGMA user_version` of the schema below.
pub(crate) const SCHEMA_VERSION: i64 = 1;

/// `address.kind` of an account.
pub(crate) const ACCOUNT: i64 = 1;

/// `address.kind` of an alias.
pub(crate) const ALIAS: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE address (
        key TEXT PRIMARY KEY,           -- Mailbox::key
        address TEXT NOT NULL,          -- as the operator wrote it
        kind INTEGER NOT NULL CHECK (kind IN (1, 2)),
        password TEXT,                  -- argon2id PHC string
        created_at INTEGER NOT NULL,    -- milliseconds since 1970
        CHECK (kind = 1 OR password IS NULL)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE member (
        alias TEXT NOT NULL REFERENCES address (key) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        key TEXT NOT NULL,
        address TEXT NOT NULL,
        PRIMARY KEY (alias, position)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX member_key ON member (key, alias);
    PRAGMA user_version = 1;
";

/// Where the file lies in a data folder.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("directory.db")
}

/// Creates the folder and the file where they are missing, readable by their owner alone, and brings the
/// schema up to date.
pub(crate) fn create(folder: &Path) -> Result<PathBuf, Error> {
    let file = file(folder);
    let in_trouble = |error: &io::Error| storage(&file, error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| in_trouble(&error))?;
    // A file that is not there has no locks that closing this handle could drop.
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(in_trouble(&error)),
        _ => {}
    }
    let mut connection = connect(&file, false)?;
    let migrated = (|| {
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if !(0..=SCHEMA_VERSION).contains(&found) {
            return Ok(found);
        }
        begin_log(&connection)?;
        // Immediate: of two processes that start together, one waits for the other's tables.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found == 0 {
            transaction.execute_batch(SCHEMA)?;
        }
        transaction.commit()?;
        Ok::<_, rusqlite::Error>(found)
    })();
    let found = migrated.map_err(|error| storage(&file, &error))?;
    if !(0..=SCHEMA_VERSION).contains(&found) {
        return Err(Error::Newer { file, found, known: SCHEMA_VERSION });
    }
    Ok(file)
}

/// Switches to a write-ahead log, or stays with it. SQLite answers before the change is committed; its error
/// comes with the step after the answer.
fn begin_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut change = connection.prepare("PRAGMA journal_mode=WAL")?;
    change.query_map([], |_| Ok(()))?.collect()
}

/// A connection to the file, for look-ups or for changes.
pub(crate) fn connect(file: &Path, for_look_ups: bool) -> Result<Connection, Error> {
    let connected = (|| {
        // Opened for writing even by look-ups: the shared memory of the write-ahead log may have to be made.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "query_only", for_look_ups)?;
        Ok::<_, rusqlite::Error>(connection)
    })();
    connected.map_err(|error| storage(file, &error))
}

pub(crate) fn storage(file: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Storage { file: file.to_owned(), why: why.to_string() }
}

//! Who is local: accounts and aliases in SQLite.
//!
//! Answers the question that [`postrider_policy::port`] asks, whether an address is known, and carries out the operator's
//! commands. An address is an account or an alias, never both; [`Mailbox::key`] decides equality.
//!
//! What this crate does not know: domains and what they accept, subaddresses, what members of aliases lead
//! to (policy), mailboxes on disk (mta). The file may be changed by another process at any time; every
//! look-up asks the file anew.

mod admin;
mod error;
pub mod limits;
mod password;
mod schema;

pub use admin::{Account, Alias, Removed};
pub use error::Error;
pub use password::{NotAPassword, Password};

use limits::READERS_KEPT;
use postrider_mail::Mailbox;
use postrider_policy::port::{self, Entry, Unavailable};
use rusqlite::{Connection, OptionalExtension};
use schema::{ACCOUNT, ALIAS, storage};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The accounts and aliases of one data folder. All calls block on a disk.
pub struct Directory {
    file: PathBuf,
    /// Idle connections for look-ups; as many are in use as there are look-ups at this moment.
    idle: Mutex<Vec<Connection>>,
    changes: Mutex<Connection>,
}

impl Directory {
    /// Opens `directory.db` in the data folder; folder and file are created if they are missing.
    ///
    /// # Errors
    /// A newer version wrote the file, or it cannot be used.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let file = schema::create(folder)?;
        let changes = Mutex::new(schema::connect(&file, false)?);
        Ok(Self { file, idle: Mutex::new(Vec::new()), changes })
    }

    /// Whether the data folder holds a directory already; [`Self::open`] would make one.
    pub fn is_in(folder: &Path) -> bool {
        schema::file(folder).exists()
    }

    /// The account that this address and password belong to, if they belong together. Costs one hash in
    /// any case, whether the account is there, has a password, or neither: tens of milliseconds and 19 MiB,
    /// so it is for a bounded pool of threads.
    ///
    /// # Errors
    /// The file cannot be read, or its hash is not one of ours.
    pub fn verify(&self, address: &Mailbox, password: &Password) -> Result<Option<Mailbox>, Unavailable> {
        let stored = self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT address, password FROM address WHERE key = ?1 AND kind = ?2")?;
            let found = statement.query_row((address.key(), ACCOUNT), |row| {
                Ok((admin::mailbox(row, 0)?, row.get::<_, Option<String>>(1)?))
            });
            found.optional()
        });
        let unavailable = |error: &dyn std::fmt::Display| Unavailable(error.to_string());
        match stored.map_err(|error| unavailable(&error))? {
            Some((account, Some(phc))) => {
                let matches = password.matches(&phc).map_err(|error| unavailable(&error))?;
                Ok(matches.then_some(account))
            }
            Some((_, None)) | None => {
                password.match_nothing().map_err(|error| unavailable(&error))?;
                Ok(None)
            }
        }
    }

    /// Lends a connection for reading.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::connect(&self.file, true)?,
        };
        // One that failed is not used again.
        let result = work(&connection).map_err(|error| storage(&self.file, &error))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_KEPT {
            idle.push(connection);
        }
        Ok(result)
    }
}

impl port::Directory for Directory {
    fn look_up(&self, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        let key = address.key();
        let found = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT kind, address FROM address WHERE key = ?1")?;
            let found = statement
                .query_row([&key], |row| Ok((row.get::<_, i64>(0)?, admin::mailbox(row, 1)?)))
                .optional()?;
            Ok(match found {
                // An alias removed between the two statements has no members, and is unknown.
                Some((ALIAS, _)) => {
                    let members = admin::members(connection, &key)?;
                    (!members.is_empty()).then_some(Entry::Alias(members))
                }
                Some((_, account)) => Some(Entry::Account(account)),
                None => None,
            })
        });
        found.map_err(|error| Unavailable(error.to_string()))
    }
}

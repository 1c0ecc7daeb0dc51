//! What the operator's commands do: add, remove, list, set a password.
//!
//! Each command is one transaction, synced when it returns. A running server in another process sees it
//! with its next look-up.

use crate::Directory;
use crate::error::Error;
use crate::limits::{ALIAS_MEMBERS_MAX, LIST_PAGE_MAX};
use crate::password::Password;
use crate::schema::{ACCOUNT, ALIAS, storage};
use postrider_mail::{Mailbox, UnixMillis};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use std::sync::PoisonError;

/// An account, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its primary address, by which its mailbox is known.
    pub address: Mailbox,
    /// Whether a password is set; without one nobody can log in.
    pub has_password: bool,
    /// When it was added.
    pub created_at: UnixMillis,
}

/// An alias, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its address.
    pub address: Mailbox,
    /// Where its mail goes, in the order given; never empty.
    pub members: Vec<Mailbox>,
    /// When it was added.
    pub created_at: UnixMillis,
}

/// What a removal did. The mailbox on disk and everything in it stays: deleting mail is another decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The address as it was known.
    pub address: Mailbox,
    /// The aliases it was a member of, and is no more.
    pub left: Vec<Mailbox>,
}

impl Directory {
    /// Adds an account. Without a password it receives mail, and nobody can log in.
    ///
    /// # Errors
    /// The address is taken, the password too short, or the file is in trouble.
    pub fn add_account(
        &self,
        address: &Mailbox,
        password: Option<&Password>,
        now: UnixMillis,
    ) -> Result<(), Error> {
        // Hashed before the transaction: nobody waits for it.
        let password = password.map(|password| self.hash(password)).transpose()?;
        self.change(|transaction| {
            if let Some(taken) = taken(transaction, address)? {
                return Ok(Err(taken));
            }
            insert(transaction, address, ACCOUNT, password.as_deref(), now)?;
            Ok(Ok(()))
        })
    }

    /// Sets or replaces the password of an account.
    ///
    /// # Errors
    /// There is no such account, the password is too short, or the file is in trouble.
    pub fn set_password(&self, address: &Mailbox, password: &Password) -> Result<(), Error> {
        let password = self.hash(password)?;
        self.change(|transaction| {
            let changed = transaction
                .prepare_cached("UPDATE address SET password = ?2 WHERE key = ?1 AND kind = ?3")?
                .execute(params![address.key(), password, ACCOUNT])?;
            Ok(if changed == 1 { Ok(()) } else { Err(Error::NoAccount(address.clone())) })
        })
    }

    /// Removes an account, also from the aliases it is a member of. Its mailbox on disk stays.
    ///
    /// # Errors
    /// There is no such account, an alias would lead nowhere without it, or the file is in trouble.
    pub fn remove_account(&self, address: &Mailbox) -> Result<Removed, Error> {
        self.remove(address, ACCOUNT, Error::NoAccount)
    }

    /// Adds an alias. A member given twice is kept once. Members may be anywhere; they need not exist.
    ///
    /// # Errors
    /// The address is taken, there is no member but the alias itself, there are too many, or the file is in
    /// trouble.
    pub fn add_alias(&self, address: &Mailbox, members: &[Mailbox], now: UnixMillis) -> Result<(), Error> {
        let key = address.key();
        if members.len() > ALIAS_MEMBERS_MAX {
            return Err(Error::TooManyMembers(address.clone()));
        }
        if members.iter().all(|member| member.key() == key) {
            return Err(Error::NoMembers(address.clone()));
        }
        self.change(|transaction| {
            if let Some(taken) = taken(transaction, address)? {
                return Ok(Err(taken));
            }
            insert(transaction, address, ALIAS, None, now)?;
            // The unique index tells who was there already.
            let mut insert = transaction.prepare_cached(
                "INSERT INTO member (alias, position, key, address) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (key, alias) DO NOTHING",
            )?;
            for (position, member) in (0u32..).zip(members) {
                insert.execute(params![key, position, member.key(), member.to_string()])?;
            }
            Ok(Ok(()))
        })
    }

    /// Removes an alias, also from the aliases it is a member of. Its members stay what they are.
    ///
    /// # Errors
    /// There is no such alias, another one would lead nowhere without it, or the file is in trouble.
    pub fn remove_alias(&self, address: &Mailbox) -> Result<Removed, Error> {
        self.remove(address, ALIAS, Error::NoAlias)
    }

    /// Accounts in the order of their addresses, at most [`LIST_PAGE_MAX`], behind `after`.
    ///
    /// # Errors
    /// The file is in trouble.
    pub fn list_accounts(&self, after: Option<&Mailbox>) -> Result<Vec<Account>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT address, password IS NOT NULL, created_at FROM address
                 WHERE kind = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
            )?;
            let after = after.map_or(String::new(), Mailbox::key);
            let rows = statement.query_map(params![ACCOUNT, after, LIST_PAGE_MAX], |row| {
                let created_at = UnixMillis::new(row.get(2)?);
                Ok(Account { address: mailbox(row, 0)?, has_password: row.get(1)?, created_at })
            })?;
            rows.collect()
        })
    }

    /// Aliases in the order of their addresses, at most [`LIST_PAGE_MAX`], behind `after`.
    ///
    /// # Errors
    /// The file is in trouble.
    pub fn list_aliases(&self, after: Option<&Mailbox>) -> Result<Vec<Alias>, Error> {
        self.read(|connection| {
            // One snapshot for the page and its members.
            let transaction = connection.unchecked_transaction()?;
            let mut statement = transaction.prepare_cached(
                "SELECT address, created_at, key FROM address
                 WHERE kind = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
            )?;
            let after = after.map_or(String::new(), Mailbox::key);
            let mut rows = statement.query(params![ALIAS, after, LIST_PAGE_MAX])?;
            let mut aliases = Vec::new();
            while let Some(row) = rows.next()? {
                let key: String = row.get(2)?;
                let members = members(&transaction, &key)?;
                aliases.push(Alias {
                    address: mailbox(row, 0)?,
                    members,
                    created_at: UnixMillis::new(row.get(1)?),
                });
            }
            Ok(aliases)
        })
    }

    fn hash(&self, password: &Password) -> Result<String, Error> {
        if !password.is_long_enough() {
            return Err(Error::PasswordTooShort);
        }
        password.hash().map_err(|error| storage(&self.file, &error))
    }

    fn remove(&self, address: &Mailbox, kind: i64, unknown: fn(Mailbox) -> Error) -> Result<Removed, Error> {
        let key = address.key();
        self.change(|transaction| {
            let known = transaction
                .prepare_cached("SELECT address FROM address WHERE key = ?1 AND kind = ?2")?
                .query_row(params![key, kind], |row| mailbox(row, 0))
                .optional()?;
            let Some(known) = known else { return Ok(Err(unknown(address.clone()))) };
            if let Some(alias) = alias_of_only(transaction, &key)? {
                return Ok(Err(Error::OnlyMember { member: known, alias }));
            }
            let left = transaction
                .prepare_cached(
                    "SELECT address.address FROM member JOIN address ON address.key = member.alias
                     WHERE member.key = ?1 AND member.alias <> ?1 ORDER BY member.alias",
                )?
                .query_map([&key], |row| mailbox(row, 0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            transaction.prepare_cached("DELETE FROM member WHERE key = ?1")?.execute([&key])?;
            transaction.prepare_cached("DELETE FROM address WHERE key = ?1")?.execute([&key])?;
            Ok(Ok(Removed { address: known, left }))
        })
    }

    /// One transaction; a refusal inside it changes nothing.
    fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        // A transaction that was cut short by a panic has rolled back.
        let mut connection = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let done = (|| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            if result.is_ok() {
                transaction.commit()?;
            }
            Ok::<_, rusqlite::Error>(result)
        })();
        done.map_err(|error| storage(&self.file, &error))?
    }
}

/// The members of an alias, in order.
pub(crate) fn members(connection: &rusqlite::Connection, key: &str) -> rusqlite::Result<Vec<Mailbox>> {
    let mut statement =
        connection.prepare_cached("SELECT address FROM member WHERE alias = ?1 ORDER BY position")?;
    statement.query_map([key], |row| mailbox(row, 0))?.collect()
}

/// A stored address, parsed as strictly as one that comes from outside.
pub(crate) fn mailbox(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Mailbox> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error: postrider_mail::address::AddressError| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

fn insert(
    transaction: &Transaction<'_>,
    address: &Mailbox,
    kind: i64,
    password: Option<&str>,
    now: UnixMillis,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO address (key, address, kind, password, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![address.key(), address.to_string(), kind, password, now.get()])?;
    Ok(())
}

/// What stands in the way of adding this address.
fn taken(transaction: &Transaction<'_>, address: &Mailbox) -> rusqlite::Result<Option<Error>> {
    let mut statement = transaction.prepare_cached("SELECT kind, address FROM address WHERE key = ?1")?;
    let known = statement
        .query_row([address.key()], |row| Ok((row.get::<_, i64>(0)?, mailbox(row, 1)?)))
        .optional()?;
    Ok(known
        .map(|(kind, known)| if kind == ACCOUNT { Error::IsAccount(known) } else { Error::IsAlias(known) }))
}

/// An alias, other than the address itself, that has this address and at most itself as members.
fn alias_of_only(transaction: &Transaction<'_>, key: &str) -> rusqlite::Result<Option<Mailbox>> {
    let mut statement = transaction.prepare_cached(
        "SELECT address.address FROM member JOIN address ON address.key = member.alias
         WHERE member.key = ?1 AND member.alias <> ?1 AND NOT EXISTS (
             SELECT 1 FROM member AS other
             WHERE other.alias = member.alias AND other.key NOT IN (member.key, member.alias))
         ORDER BY member.alias LIMIT 1",
    )?;
    statement.query_row([key], |row| mailbox(row, 0)).optional()
}

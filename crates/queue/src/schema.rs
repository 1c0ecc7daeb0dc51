//! The database on disk: its schema, its pragmas, and the way forward from older ones.
//!
//! `user_version` is the number of the schema. An older database is migrated when it is opened, one step
//! after the other in one transaction; a newer one is refused, never guessed at. Two columns that no
//! code sets yet, for REQUIRETLS and the AUTH parameter, are there for the extensions that will.

use crate::error::OpenError;
use crate::limits::BUSY_WAIT;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The schema this program writes.
pub(crate) const SCHEMA: i64 = 2;

/// `POST`, so that other SQLite files are not taken for a queue.
const APPLICATION_ID: i64 = 0x504f_5354;

/// Octets of a database page: a message of 4 KiB fits into one, and a commit of one message writes few of
/// them. Written when the database is made.
pub(crate) const PAGE_OCTETS: u64 = 8192;

/// Statements kept prepared per connection.
const STATEMENTS: usize = 64;

/// What makes schema N out of schema N-1, from N = 1.
const STEPS: [&str; 2] = [SCHEMA_1, SCHEMA_2];

const SCHEMA_1: &str = "
-- One row: what must outlive the rows it was made from.
CREATE TABLE spool (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  boot       INTEGER NOT NULL,              -- counts starts
  last_id    INTEGER NOT NULL,              -- greatest id ever stored: ids are never reused
  messages   INTEGER NOT NULL               -- rows of message
);
INSERT INTO spool VALUES (1, 0, 0, 0);

-- Octets as received, and what was seen while they streamed by.
CREATE TABLE content (
  id               INTEGER PRIMARY KEY,     -- queue id of the message that brought it
  messages         INTEGER NOT NULL,        -- messages that point here
  octets           BLOB,                    -- NULL: they are in content/ID
  size             INTEGER NOT NULL,
  checksum         INTEGER NOT NULL,        -- XXH3, 64 bits
  header_octets    INTEGER NOT NULL,        -- with the empty line
  line_octets_max  INTEGER NOT NULL,        -- without the line end
  traits           INTEGER NOT NULL,        -- 1: 8-bit in header, 2: 8-bit in body, 4: NUL, 8: bare CR or LF (not before schema 2)
  hop_count        INTEGER NOT NULL
);

CREATE TABLE message (
  id            INTEGER PRIMARY KEY,        -- queue id
  content       INTEGER NOT NULL,
  open          INTEGER NOT NULL,           -- recipients that are not final or owe a notice
  prefix        BLOB NOT NULL,              -- octets before the content
  cuts          BLOB,                       -- ranges left out of it: pairs of u32, little-endian
  reverse_path  TEXT NOT NULL,              -- '' is the null path
  ret           TEXT,                       -- RFC 3461 RET
  envid         TEXT,                       -- RFC 3461 ENVID
  body          TEXT,                       -- RFC 6152 BODY
  smtputf8      INTEGER NOT NULL DEFAULT 0, -- RFC 6531
  requiretls    INTEGER NOT NULL DEFAULT 0, -- RFC 8689
  auth_param    TEXT,                       -- RFC 4954 AUTH= of MAIL
  by_time       INTEGER,                    -- RFC 2852 DELIVERBY
  by_mode       TEXT,                       -- R or N, with T for a trace
  priority      INTEGER NOT NULL,           -- RFC 6710, negated: smaller goes first
  release_at    INTEGER,                    -- RFC 4865 FUTURERELEASE
  received_at   INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  held_at       INTEGER,
  held_why      TEXT,                       -- stays after the release, and so tells of it
  account       TEXT,
  service       TEXT,
  peer          TEXT,
  helo          TEXT,
  protocol      TEXT,
  tls           TEXT,
  session       INTEGER,
  message_id    TEXT,
  from_domain   TEXT
);
CREATE INDEX message_held ON message (id) WHERE held_at IS NOT NULL;

-- Rows of one message stand together: no index is needed to find them.
CREATE TABLE recipient (
  message           INTEGER NOT NULL,
  ordinal           INTEGER NOT NULL,
  address           TEXT NOT NULL,
  given             TEXT,                   -- forward-path as given, where it differs
  orcpt             TEXT,                   -- RFC 3461 ORCPT
  notify            TEXT,                   -- RFC 3461 NOTIFY
  via               TEXT,                   -- the alias that led here
  route_key         TEXT NOT NULL,
  route_generation  INTEGER NOT NULL DEFAULT 0,
  priority          INTEGER NOT NULL,
  state             INTEGER NOT NULL,       -- entry::State
  pending           INTEGER NOT NULL,       -- waiting, not held, not in flight
  boot              INTEGER,                -- in flight under this boot
  attempts          INTEGER NOT NULL,
  next_attempt      INTEGER NOT NULL,
  last_reply        TEXT,                   -- code, enhanced code, then a line per line of text
  last_mta          TEXT,
  last_time         INTEGER,
  delay_told        INTEGER NOT NULL DEFAULT 0, -- the sender was told of a delay, or is not to be
  notice_owed       INTEGER NOT NULL DEFAULT 0, -- entry::Notice
  PRIMARY KEY (message, ordinal)
) WITHOUT ROWID;
CREATE INDEX recipient_pending ON recipient (route_key, priority, next_attempt) WHERE pending;
CREATE INDEX recipient_in_flight ON recipient (boot) WHERE boot IS NOT NULL;
CREATE INDEX recipient_owing ON recipient (message) WHERE notice_owed <> 0;

-- Files whose rows are gone: unlinked after the commit, and again at start.
CREATE TABLE garbage (content INTEGER PRIMARY KEY);

-- What an operator paused; '' is everything.
CREATE TABLE pause (route_key TEXT PRIMARY KEY, since INTEGER NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
";

/// What a sender asked for and schema 1 had no place for. A row that is there asked for nothing.
const SCHEMA_2: &str = "
ALTER TABLE message ADD COLUMN solicit TEXT; -- RFC 3865 SOLICIT
";

/// What is made at every start where it is missing. It holds no data of its own, and older programs keep it
/// up without knowing of it, so it needs no schema of its own.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS message_expiring ON message (expires_at) WHERE held_at IS NULL;
CREATE INDEX IF NOT EXISTS message_deadline ON message (by_time) WHERE by_time IS NOT NULL AND held_at IS NULL;
";

/// Opens the committer's connection, creating or migrating the database. Gives the schema it found;
/// `None` when the database is new.
pub(crate) fn open_writer(file: &Path) -> Result<(Connection, Option<i64>), OpenError> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let found = number(&connection, "user_version")?;
    let application = number(&connection, "application_id")?;
    if found > SCHEMA {
        return Err(OpenError::Newer { file: file.into(), found, known: SCHEMA });
    }
    let empty = found == 0 && number(&connection, "schema_version")? == 0;
    if found < 0 || (!empty && (found == 0 || application != APPLICATION_ID)) {
        return Err(OpenError::NotAQueue { file: file.into() });
    }
    if empty {
        connection.execute_batch(&format!(
            "PRAGMA page_size={PAGE_OCTETS}; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id={APPLICATION_ID};"
        ))?;
    }
    begin_log(&connection, file)?;
    connection.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;",
    )?;
    migrate(&connection, found)?;
    connection.execute_batch(INDEXES)?;
    Ok((connection, (!empty).then_some(found)))
}

/// Switches to a write-ahead log, or stays with it.
fn begin_log(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    // SQLite answers "wal" before the change is committed. Its error comes with the next step, which
    // `query_row` would not take: then the old journal would be in use, and nothing here is made for it.
    let mut change = connection.prepare("PRAGMA journal_mode=WAL")?;
    let modes: Vec<String> = change.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if modes == ["wal"] { Ok(()) } else { Err(OpenError::NoWal { file: file.into() }) }
}

fn migrate(connection: &Connection, found: i64) -> Result<(), OpenError> {
    let done = usize::try_from(found).unwrap_or(STEPS.len());
    if done >= STEPS.len() {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()?;
    Ok(())
}

/// A connection that only copies the log into the database.
pub(crate) fn open_checkpointer(file: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection
        .execute_batch("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-1024;")?;
    Ok(connection)
}

/// A connection that cannot write.
pub(crate) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.execute_batch("PRAGMA query_only=ON; PRAGMA cache_size=-2048;")?;
    Ok(connection)
}

pub(crate) fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::drive;
    use crate::limits::RECLAIM_JITTER;
    use crate::{Change, Fate, Lease, Notice, Opened, Outcome, Settings};
    use postrider_mail::{Code, Reply, Requests, UnixMillis};
    use rusqlite::params;
    use xxhash_rust::xxh3::xxh3_64;

    const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

    /// A spool with one message to three recipients, as the program that knew schema 1 left it when it died: the
    /// first waits, the second failed and its sender is not yet told, the third is in flight.
    fn write_schema_1(file: &Path, id: i64) {
        let octets: &[u8] = b"Subject: old\r\n\r\nHello.\r\n";
        let connection = Connection::open(file).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA page_size={PAGE_OCTETS}; PRAGMA auto_vacuum=INCREMENTAL; \
                 PRAGMA application_id={APPLICATION_ID}; PRAGMA journal_mode=WAL; {SCHEMA_1} PRAGMA user_version=1;"
            ))
            .unwrap();
        let content = "INSERT INTO content VALUES (?1, 1, ?2, ?3, ?4, 16, 12, 0, 1)";
        let checksum = xxh3_64(octets).cast_signed();
        connection.execute(content, params![id, octets, octets.len() as i64, checksum]).unwrap();
        let message = "INSERT INTO message (id, content, open, prefix, cuts, reverse_path, body, priority, \
                       received_at, expires_at) VALUES (?1, ?1, 3, ?2, NULL, 'a@x.example', '8BITMIME', 0, ?3, ?4)";
        let prefix: &[u8] = b"Received: by old\r\n";
        let expires_at = NOW.get() + 1_000_000;
        connection.execute(message, params![id, prefix, NOW.get(), expires_at]).unwrap();
        let recipient = "INSERT INTO recipient (message, ordinal, address, route_key, priority, state, pending, \
                         attempts, next_attempt, delay_told, notice_owed, boot) \
                         VALUES (?1, ?2, ?3, '@y.example', 0, ?4, ?5, ?6, ?7, 1, ?8, ?9)";
        let waiting = params![id, 0, "b@y.example", 0, 1, 0, NOW.get(), 0, None::<i64>];
        connection.execute(recipient, waiting).unwrap();
        let failed = params![id, 1, "c@y.example", 4, 0, 1, NOW.get(), 1, None::<i64>];
        connection.execute(recipient, failed).unwrap();
        let in_flight = params![id, 2, "d@y.example", 0, 0, 1, expires_at, 0, 1];
        connection.execute(recipient, in_flight).unwrap();
        let spool = "UPDATE spool SET boot = 1, last_id = ?1, messages = 1";
        connection.execute(spool, [id]).unwrap();
    }

    #[test]
    fn a_spool_of_schema_1_is_brought_forward_and_delivers() {
        let folder = tempfile::tempdir().unwrap();
        let id = 1 << 60;
        write_schema_1(&folder.path().join("queue.db"), id);
        let Opened { queue, mut committer, recovery, .. } =
            crate::open(folder.path(), Settings::default(), 1, NOW).unwrap();
        assert_eq!((recovery.migrated_from, recovery.messages), (Some(1), 1));
        let sentences = recovery.sentences();
        assert!(sentences.contains(&"the queue was brought from schema 1 to 2".to_owned()), "{sentences:?}");

        let owed = queue.owed(None).unwrap();
        assert_eq!((owed.len(), owed[0].recipients[0].notice), (1, Notice::Failure));
        let ask = Lease { now: NOW.plus(RECLAIM_JITTER), limit: 10, room_per_key: 10, room: Vec::new() };
        let leased = drive(&mut committer, queue.lease(ask)).unwrap();
        let attempt = &leased.attempts[0];
        assert_eq!(attempt.message.requests, Requests::default());
        assert!(attempt.message.content.facts().is_lines());
        let recipients: Vec<_> =
            attempt.recipients.iter().map(|one| (one.id.number(), one.attempts, one.notify)).collect();
        assert_eq!(recipients, [(0, 0, None), (2, 1, None)], "what was in flight is due again");
        let mut reader = attempt.message.content.read(&attempt.message.rendition).unwrap();
        assert!(reader.chunk().unwrap().unwrap().starts_with(b"Received: by old"));
        while reader.chunk().unwrap().is_some() {}

        let delivered = Fate::new(Outcome::Delivered, Reply::new(Code::of(250), None, "taken"), "local");
        let fates = attempt.recipients.iter().map(|one| (one.id, delivered.clone())).collect();
        let settled = queue.settle(attempt.id, fates, NOW);
        let settled = drive(&mut committer, settled).unwrap();
        assert_eq!((settled.recipients[0].owed, settled.removed), (None, false));
        let told = vec![Change::Told {
            message: owed[0].message.id,
            recipients: vec![(owed[0].recipients[0].target.id, Notice::Failure)],
        }];
        let applied = drive(&mut committer, queue.apply(told, NOW)).unwrap();
        assert_eq!(applied.removed, [owed[0].message.id], "told, and gone");
    }
}

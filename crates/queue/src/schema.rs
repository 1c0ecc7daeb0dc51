//! The database on disk: schema 1, its pragmas, and the way forward from older ones.
//!
//! `user_version` is the number of the schema. An older database is migrated when it is opened, one step
//! after the other in one transaction; a newer one is refused, never guessed at. Columns that no code sets
//! yet are there for the SMTP extensions that will (DSN, DELIVERBY, FUTURERELEASE, MT-PRIORITY, SMTPUTF8,
//! REQUIRETLS), so that they need no migration.

use crate::error::OpenError;
use crate::limits::BUSY_WAIT;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The schema this program writes.
pub(crate) const SCHEMA: i64 = 1;

/// `POST`, so that other SQLite files are not taken for a queue.
const APPLICATION_ID: i64 = 0x504f_5354;

/// Octets of a database page: a message of 4 KiB fits into one, and a commit of one message writes few of
/// them. Written when the database is made.
pub(crate) const PAGE_OCTETS: u64 = 8192;

/// Statements kept prepared per connection.
const STATEMENTS: usize = 64;

/// What makes schema N out of schema N-1, from N = 1.
const STEPS: [&str; 1] = [SCHEMA_1];

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
  traits           INTEGER NOT NULL,        -- 1: 8-bit in header, 2: 8-bit in body, 4: NUL
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
  by_mode       TEXT,
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

/// What is made at every start where it is missing. It holds no data of its own, and older programs keep it
/// up without knowing of it, so it needs no schema of its own.
const INDEXES: &str =
    "CREATE INDEX IF NOT EXISTS message_expiring ON message (expires_at) WHERE held_at IS NULL";

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

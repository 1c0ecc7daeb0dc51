//! One segment of the journal: a SQLite file that is written once, from its first story to its last, and
//! dropped whole.
//!
//! Table `story` holds one row per part of a story, its events as JSON of the version in `format`; by what
//! it is found is [`crate::index`]'s.

use crate::index;
use crate::key::Key;
use crate::limits::{BUSY_TIMEOUT, PAGE_OCTETS, ROW_OCTETS_MAX, WRITER_CACHE_KIB};
use crate::row::{self, FORMAT_VERSION};
use crate::story::{LeftOut, Story, Subject};
use postrider_mail::{AttemptId, SessionId, UnixMillis};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql, Transaction, params};
use std::path::Path;

/// `PRAGMA user_version` of the schema below.
pub(crate) const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE story (
        id INTEGER PRIMARY KEY,
        subject_kind INTEGER NOT NULL,  -- 1 session, 2 attempt, 3 operator, 4 server
        subject_id INTEGER,
        part INTEGER NOT NULL,
        started_at INTEGER NOT NULL,    -- milliseconds since 1970
        last_at INTEGER NOT NULL,
        peer TEXT,
        lines_left_out INTEGER NOT NULL,
        outcomes_left_out INTEGER NOT NULL,
        keys_left_out INTEGER NOT NULL,
        format INTEGER NOT NULL,
        events TEXT NOT NULL
    );
    PRAGMA user_version = 1;
";

/// The segment that is being written.
pub(crate) struct Writing {
    connection: Connection,
    stories: u32,
    fresh_pairs: usize,
    first_at: Option<UnixMillis>,
    last_at: Option<UnixMillis>,
    /// Scratch for the keys of one transaction.
    scratch: Vec<u8>,
}

impl Writing {
    /// Opens the segment at `path`, or creates it. `None` when its schema is not the one written here: it
    /// is for reading only, and the next number is free.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Option<Self>> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        match (version, tables) {
            (0, 0) => {
                connection.pragma_update(None, "page_size", PAGE_OCTETS)?;
                configure(&connection)?;
                let transaction = connection.transaction()?;
                transaction.execute_batch(index::SCHEMA)?;
                transaction.execute_batch(SCHEMA)?;
                transaction.commit()?;
            }
            (SCHEMA_VERSION, _) => configure(&connection)?,
            _ => return Ok(None),
        }
        let span = span(&connection)?;
        let fresh_pairs = index::fresh_pairs(&connection)?;
        Ok(Some(Self {
            connection,
            stories: span.map_or(0, |span| span.stories),
            fresh_pairs,
            first_at: span.map(|span| span.first_at),
            last_at: span.map(|span| span.last_at),
            scratch: Vec::new(),
        }))
    }

    /// Appends all stories in one transaction, or none.
    pub(crate) fn append(&mut self, stories: &[row::Row]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut id = self.stories;
        for story in stories {
            id += 1;
            insert(&transaction, id, story)?;
        }
        let fresh_pairs =
            index::append(&transaction, self.stories, stories, self.fresh_pairs, &mut self.scratch)?;
        transaction.commit()?;
        self.fresh_pairs = fresh_pairs;
        self.stories = id;
        for story in stories {
            self.first_at.get_or_insert(story.last_at);
            self.last_at = self.last_at.max(Some(story.last_at));
        }
        Ok(())
    }

    /// How many parts it holds.
    pub(crate) fn stories(&self) -> u32 {
        self.stories
    }

    /// When its first story was told.
    pub(crate) fn first_at(&self) -> Option<UnixMillis> {
        self.first_at
    }

    /// The latest moment it tells of.
    pub(crate) fn last_at(&self) -> Option<UnixMillis> {
        self.last_at
    }

    /// Makes it one plain file, as far as no reader is in the way.
    pub(crate) fn seal(self) {
        self.connection.flush_prepared_statement_cache();
        // A reader that is in it keeps the write-ahead log; the segment is readable either way.
        let sealed = self.connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()));
        if let Err(error) = sealed {
            tracing::debug!(%error, "a segment of the journal keeps its write-ahead log");
        }
    }

    /// Limits the file, to see what a full disk does.
    #[cfg(test)]
    pub(crate) fn allow_pages(&self, pages: u32) -> rusqlite::Result<()> {
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }
}

/// Nothing here is promised to survive a power cut; NORMAL keeps the file itself whole, for the price of a
/// sync per checkpoint.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // SQLite answers before the change is committed; its error comes with the step after the answer.
    connection
        .prepare("PRAGMA journal_mode=WAL")?
        .query_map([], |_| Ok(()))?
        .collect::<rusqlite::Result<()>>()?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))
}

fn insert(transaction: &Transaction<'_>, id: u32, story: &row::Row) -> rusqlite::Result<()> {
    let (kind, subject_id) = match story.subject {
        Subject::Session(id) => (1, Some(id.row())),
        Subject::Attempt(id) => (2, Some(id.row())),
        Subject::Operator => (3, None),
        Subject::Server => (4, None),
    };
    let mut statement = transaction.prepare_cached(
        "INSERT INTO story (id, subject_kind, subject_id, part, started_at, last_at, peer,
             lines_left_out, outcomes_left_out, keys_left_out, format, events)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    statement.execute(params![
        id,
        kind,
        subject_id,
        story.part,
        story.started_at.get(),
        story.last_at.get(),
        story.peer.map(|peer| peer.to_string()),
        story.left_out.lines,
        story.left_out.outcomes,
        story.left_out.keys,
        FORMAT_VERSION,
        JsonText(&story.events),
    ])?;
    Ok(())
}

/// JSON, which is UTF-8, bound as text without another look at it.
struct JsonText<'a>(&'a [u8]);

impl ToSql for JsonText<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// How many parts a segment holds, and from when to when they tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    stories: u32,
    first_at: UnixMillis,
    last_at: UnixMillis,
}

fn span(connection: &Connection) -> rusqlite::Result<Option<Span>> {
    let end = |order: &str| {
        let sql = format!("SELECT id, last_at FROM story ORDER BY id {order} LIMIT 1");
        let found = connection.query_row(&sql, [], |row| Ok((row.get(0)?, UnixMillis::new(row.get(1)?))));
        match found {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            found => found.map(Some),
        }
    };
    Ok(match (end("ASC")?, end("DESC")?) {
        (Some((_, first_at)), Some((stories, last_at))) => Some(Span { stories, first_at, last_at }),
        _ => None,
    })
}

/// A segment opened for reading, here or in another process.
pub(crate) struct Reading {
    connection: Connection,
}

/// What became of one stored row.
pub(crate) enum Stored {
    Part(Story),
    Unreadable(String),
}

const COLUMNS: &str = "subject_kind, subject_id, part, started_at, peer, \
                       lines_left_out, outcomes_left_out, keys_left_out, events";

impl Reading {
    /// Opens the segment at `path`. `None` when a newer version wrote it, or when it is not written yet.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Option<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((version == SCHEMA_VERSION).then_some(Self { connection }))
    }

    /// The latest moment its last story tells of; `None` when it is empty.
    pub(crate) fn last_at(&self) -> rusqlite::Result<Option<UnixMillis>> {
        Ok(span(&self.connection)?.map(|span| span.last_at))
    }

    /// The latest moment its first story tells of; `None` when it is empty.
    pub(crate) fn first_at(&self) -> rusqlite::Result<Option<UnixMillis>> {
        Ok(span(&self.connection)?.map(|span| span.first_at))
    }

    /// The rows with this key, newest first.
    pub(crate) fn rows_with(&self, key: Key) -> rusqlite::Result<Vec<u32>> {
        // One snapshot: what is fresh now must not move into a run between the two looks.
        index::rows_with(&*self.connection.unchecked_transaction()?, key)
    }

    /// The part stored in one row; `None` when there is no such row.
    pub(crate) fn part(&self, id: u32) -> rusqlite::Result<Option<Stored>> {
        let sql = format!("SELECT {COLUMNS} FROM story WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([id])?;
        rows.next()?.map(stored).transpose()
    }

    /// Whom a row is about.
    pub(crate) fn subject(&self, id: u32) -> rusqlite::Result<Option<Subject>> {
        let mut statement =
            self.connection.prepare_cached("SELECT subject_kind, subject_id FROM story WHERE id = ?1")?;
        let mut rows = statement.query([id])?;
        Ok(rows.next()?.map(subject).transpose()?.flatten())
    }

    /// The number of the part in a row.
    pub(crate) fn part_number(&self, id: u32) -> rusqlite::Result<Option<u32>> {
        let mut statement = self.connection.prepare_cached("SELECT part FROM story WHERE id = ?1")?;
        let mut rows = statement.query([id])?;
        rows.next()?.map(|row| row.get(0)).transpose()
    }

    /// The newest row; 0 when there is none.
    pub(crate) fn newest(&self) -> rusqlite::Result<u32> {
        self.connection.query_row("SELECT coalesce(max(id), 0) FROM story", [], |row| row.get(0))
    }

    /// The rows from `newest` down to behind `floor` that are about sessions, newest first.
    pub(crate) fn sessions(&self, newest: u32, floor: u32) -> rusqlite::Result<Vec<u32>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM story WHERE id <= ?1 AND id > ?2 AND subject_kind = 1 ORDER BY id DESC",
        )?;
        statement.query_map([newest, floor], |row| row.get(0))?.collect()
    }

    /// The rows from `newest` down to behind `floor` whose stored events are like `pattern`, newest first.
    pub(crate) fn rows_like(&self, pattern: &str, newest: u32, floor: u32) -> rusqlite::Result<Vec<u32>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM story WHERE id <= ?1 AND id > ?2 AND events LIKE ?3 ESCAPE '\\' ORDER BY id DESC",
        )?;
        statement.query_map(params![newest, floor, pattern], |row| row.get(0))?.collect()
    }
}

fn subject(row: &Row<'_>) -> rusqlite::Result<Option<Subject>> {
    let (kind, id): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
    Ok(match (kind, id) {
        (1, Some(id)) => SessionId::from_row(id).map(Subject::Session),
        (2, Some(id)) => AttemptId::from_row(id).map(Subject::Attempt),
        (3, _) => Some(Subject::Operator),
        (4, _) => Some(Subject::Server),
        _ => None,
    })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let Some(subject) = subject(row)? else {
        return Ok(Stored::Unreadable("its subject is not known here".into()));
    };
    let events = match row.get_ref(8)?.as_str() {
        Ok(events) if events.len() <= ROW_OCTETS_MAX => serde_json::from_str(events),
        Ok(_) => return Ok(Stored::Unreadable("it is longer than any that is written here".into())),
        Err(error) => return Ok(Stored::Unreadable(error.to_string())),
    };
    let events = match events {
        Ok(events) => events,
        Err(error) => return Ok(Stored::Unreadable(error.to_string())),
    };
    let peer = row.get_ref(4)?.as_str_or_null()?.and_then(|peer| peer.parse().ok());
    let left_out = LeftOut { lines: row.get(5)?, outcomes: row.get(6)?, keys: row.get(7)?, parts: 0 };
    let started_at = UnixMillis::new(row.get(3)?);
    Ok(Stored::Part(Story::stored(subject, started_at, peer, row.get(2)?, events, left_out)))
}

/// Whether an error says that the file itself is damaged, or is no segment: then another file will do.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    match error {
        // Our statements are fixed; one that does not fit found tables that are not ours (`Unknown`).
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        }
        Error::SqlInputError { .. }
        | Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}

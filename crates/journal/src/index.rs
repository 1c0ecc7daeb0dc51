//! By what the stories of one segment are found: pairs of key and row.
//!
//! An index kept by SQLite would touch a page per key and story. Here a transaction appends one row of
//! unsorted pairs, and when enough of them wait, they become one sorted run. A look-up scans what is fresh
//! and searches the runs.

use crate::key::Key;
use crate::limits::{CHUNK_PAIRS, FRESH_PAIRS_MAX, MATCHES_MAX};
use crate::row;
use rusqlite::{Connection, Transaction, params};

/// The tables.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE fresh (last_story INTEGER PRIMARY KEY, pairs BLOB NOT NULL);
    CREATE TABLE run (
        number INTEGER NOT NULL,        -- grows with the age of the stories
        first_hash INTEGER NOT NULL,
        first_story INTEGER NOT NULL,
        pairs BLOB NOT NULL,
        PRIMARY KEY (number, first_hash, first_story)
    ) WITHOUT ROWID;
";

/// How many pairs are not sorted yet.
pub(crate) fn fresh_pairs(connection: &Connection) -> rusqlite::Result<usize> {
    let octets: i64 =
        connection.query_row("SELECT coalesce(sum(length(pairs)), 0) FROM fresh", [], |row| row.get(0))?;
    Ok(usize::try_from(octets).unwrap_or(0) / Pair::OCTETS)
}

/// Adds the keys of stories that follow on `last_story`, with `scratch` for their octets. Returns how many
/// pairs are unsorted then, of which there were `fresh` before.
pub(crate) fn append(
    transaction: &Transaction<'_>,
    last_story: u32,
    stories: &[row::Row],
    fresh: usize,
    scratch: &mut Vec<u8>,
) -> rusqlite::Result<usize> {
    scratch.clear();
    let mut story = last_story;
    for row in stories {
        story += 1;
        row.keys.iter().for_each(|key| Pair { hash: key.hash(), story }.push(scratch));
    }
    transaction
        .prepare_cached("INSERT INTO fresh (last_story, pairs) VALUES (?1, ?2)")?
        .execute(params![story, &*scratch])?;
    let fresh = fresh + scratch.len() / Pair::OCTETS;
    if fresh < FRESH_PAIRS_MAX {
        return Ok(fresh);
    }
    sort_fresh(transaction, story)?;
    Ok(0)
}

/// The rows with this key, newest first, at most [`MATCHES_MAX`].
pub(crate) fn rows_with(snapshot: &Connection, key: Key) -> rusqlite::Result<Vec<u32>> {
    let hash = key.hash();
    let mut rows = Vec::new();
    let mut fresh = snapshot.prepare_cached("SELECT pairs FROM fresh ORDER BY last_story DESC")?;
    let mut found = fresh.query([])?;
    while let Some(row) = found.next()? {
        collect(row.get_ref(0)?.as_blob()?, hash, &mut rows);
    }
    let mut runs = snapshot.prepare_cached("SELECT DISTINCT number FROM run ORDER BY number DESC")?;
    let runs = runs.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u32>>>()?;
    // The last piece that starts before the hash may end in it; those that start with it follow.
    let mut pieces = snapshot.prepare_cached(
        "SELECT pairs FROM (SELECT pairs FROM run WHERE number = ?1 AND first_hash < ?2
                            ORDER BY first_hash DESC, first_story DESC LIMIT 1)
         UNION ALL SELECT pairs FROM run WHERE number = ?1 AND first_hash = ?2",
    )?;
    for run in runs {
        if rows.len() >= MATCHES_MAX {
            break;
        }
        let mut found = pieces.query(params![run, hash])?;
        while let Some(row) = found.next()? {
            collect(row.get_ref(0)?.as_blob()?, hash, &mut rows);
        }
    }
    rows.sort_unstable_by(|a, b| b.cmp(a));
    rows.dedup();
    rows.truncate(MATCHES_MAX);
    Ok(rows)
}

/// Turns all fresh keys into one sorted run, numbered by its last story.
fn sort_fresh(transaction: &Transaction<'_>, last_story: u32) -> rusqlite::Result<()> {
    let mut pairs = Vec::with_capacity(2 * FRESH_PAIRS_MAX);
    {
        let mut statement = transaction.prepare_cached("SELECT pairs FROM fresh")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            pairs.extend(Pair::all(row.get_ref(0)?.as_blob()?));
        }
    }
    pairs.sort_unstable();
    let mut insert = transaction
        .prepare_cached("INSERT INTO run (number, first_hash, first_story, pairs) VALUES (?1, ?2, ?3, ?4)")?;
    let mut octets = Vec::with_capacity(CHUNK_PAIRS * Pair::OCTETS);
    for chunk in pairs.chunks(CHUNK_PAIRS) {
        octets.clear();
        chunk.iter().for_each(|pair| pair.push(&mut octets));
        insert.execute(params![last_story, chunk[0].hash, chunk[0].story, octets])?;
    }
    transaction.prepare_cached("DELETE FROM fresh")?.execute([])?;
    Ok(())
}

/// One key of one story, as the index holds it: 8 octets of hash, 4 of story, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    hash: i64,
    story: u32,
}

impl Pair {
    const OCTETS: usize = 12;

    fn push(self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.hash.to_be_bytes());
        octets.extend_from_slice(&self.story.to_be_bytes());
    }

    fn all(octets: &[u8]) -> impl Iterator<Item = Self> {
        let (pairs, _) = octets.as_chunks::<{ Self::OCTETS }>();
        pairs.iter().map(|&[a, b, c, d, e, f, g, h, i, j, k, l]| Self {
            hash: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            story: u32::from_be_bytes([i, j, k, l]),
        })
    }
}

fn collect(octets: &[u8], hash: i64, rows: &mut Vec<u32>) {
    rows.extend(Pair::all(octets).filter(|pair| pair.hash == hash).map(|pair| pair.story));
}

//! Going through the queue message by message, for listings and for what an operator does to many.
//!
//! Most messages are none of those a filter means. So the recipients are first asked, in one cheap look,
//! whether any has what the filter wants; only then is the message read as it is shown.

use crate::entry::RouteKey;
use crate::filter::{Filter, Part};
use crate::row;
use crate::view::{View, recipients, view};
use postrider_mail::QueueId;
use rusqlite::{CachedStatement, Connection, Row, params};
use std::time::{Duration, Instant};

/// When a page ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) rows: usize,
    pub(crate) time: Option<Duration>,
}

/// What [`find`] found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) ids: Vec<QueueId>,
    pub(crate) next: Option<QueueId>,
}

/// Ids alone.
pub(crate) fn find(
    connection: &Connection,
    filter: &Filter,
    after: Option<QueueId>,
    bounds: Bounds,
) -> rusqlite::Result<Found> {
    let mut ids = Vec::new();
    let next = scan(connection, filter, after, bounds, 0, |view| ids.push(view.id))?;
    Ok(Found { ids, next })
}

/// Goes through the messages behind `after` in order of their ids.
pub(crate) fn scan(
    connection: &Connection,
    filter: &Filter,
    after: Option<QueueId>,
    bounds: Bounds,
    shown_max: usize,
    mut take: impl FnMut(View),
) -> rusqlite::Result<Option<QueueId>> {
    let began = bounds.time.map(|time| (Instant::now(), time));
    let (first, last) = match filter.id {
        Some(id) => (id.row().max(after.map_or(0, |after| after.row().saturating_add(1))), id.row()),
        None => (after.map_or(0, |after| after.row().saturating_add(1)), i64::MAX),
    };
    let held = if filter.held == Some(true) { "AND m.held_at IS NOT NULL" } else { "" };
    let sql = format!(
        "SELECT m.id, m.received_at, m.expires_at, (SELECT size FROM content WHERE id = m.content), m.reverse_path, \
         m.priority, m.held_at, m.held_why, m.account, m.service, m.peer, m.helo, m.protocol, m.tls, m.session, \
         m.message_id, m.from_domain, m.smtputf8, m.ret, m.envid, m.by_time, m.by_mode, m.release_at, m.solicit \
         FROM message m WHERE m.id BETWEEN ?1 AND ?2 {held} ORDER BY m.id"
    );
    let mut candidates = Candidates::new(connection, filter)?;
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([first, last])?;
    let (mut looked, mut taken) = (0, 0);
    while let Some(row) = rows.next()? {
        let id = row::queue_id(row, 0)?;
        looked += 1;
        if candidates.have(id, &mut looked)?
            && let Some(mut view) = taken_view(connection, filter, row, shown_max, &mut looked)?
        {
            view.recipient_count = view.recipients.len();
            view.recipients.truncate(shown_max);
            take(view);
            taken += 1;
        }
        let late = began.is_some_and(|(began, time)| began.elapsed() > time);
        if taken >= bounds.messages || looked >= bounds.rows || late {
            return Ok((id.row() < last).then_some(id));
        }
    }
    Ok(None)
}

/// The message of a row with its recipients, if the filter takes it.
fn taken_view(
    connection: &Connection,
    filter: &Filter,
    row: &Row<'_>,
    shown_max: usize,
    looked: &mut usize,
) -> rusqlite::Result<Option<View>> {
    let mut view = view(row)?;
    if !filter.takes_message(&view) {
        return Ok(None);
    }
    if shown_max > 0 || filter.asks_recipients() {
        view.recipients = recipients(connection, view.id)?;
        *looked += view.recipients.len();
    }
    let taken = !filter.asks_recipients() || filter.takes_recipients(&view.recipients);
    Ok(taken.then_some(view))
}

/// The cheap look: whether a message has a recipient such as the filter asks for. Never says no to one that
/// has.
struct Candidates<'c> {
    statement: Option<CachedStatement<'c>>,
    key: Option<&'c str>,
    state: Option<i64>,
    owing: bool,
    part: Option<Part>,
}

impl<'c> Candidates<'c> {
    fn new(connection: &'c Connection, filter: &'c Filter) -> rusqlite::Result<Self> {
        let sql = "SELECT address FROM recipient WHERE message = ?1 AND (?2 IS NULL OR route_key = ?2) \
                   AND (?3 IS NULL OR state = ?3) AND (NOT ?4 OR notice_owed <> 0)";
        // One message is read at once.
        let asked = filter.asks_recipients() && filter.id.is_none();
        Ok(Self {
            statement: asked.then(|| connection.prepare_cached(sql)).transpose()?,
            key: filter.key.as_ref().map(RouteKey::as_str),
            state: filter.state.map(|state| state as i64),
            owing: filter.owing == Some(true),
            part: filter.recipient.as_deref().map(Part::new),
        })
    }

    fn have(&mut self, id: QueueId, looked: &mut usize) -> rusqlite::Result<bool> {
        let Some(statement) = &mut self.statement else { return Ok(true) };
        let mut rows = statement.query(params![id.row(), self.key, self.state, self.owing])?;
        while let Some(row) = rows.next()? {
            *looked += 1;
            // What is not text is for the full look to show.
            let address = row.get_ref(0)?.as_str().unwrap_or_default();
            if self.part.as_ref().is_none_or(|part| address.is_empty() || part.is_in(address)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! What an operator does to what is queued: hold, release, retry, delete, pause, resume.
//!
//! Each call is one step over a bounded part of the queue, so that mail goes on between steps.

use crate::entry::RouteKey;
use crate::limits::{PAGE_MESSAGES_MAX, STEP_ROWS_MAX};
use crate::request::Operate;
use crate::scan::{self, Bounds};
use crate::schedule::Pauses;
use crate::turn::{Core, Fault};
use crate::view;
use postrider_mail::{QueueId, Reason, Text, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// What is done to the messages a filter names.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Kept and not tried, until released. Held time does not count towards expiry.
    Hold(Reason),
    Release,
    /// Due now, before its release too.
    Retry,
    /// Removed without a notice.
    Delete,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operated {
    /// The messages that changed, at most [`PAGE_MESSAGES_MAX`](crate::limits::PAGE_MESSAGES_MAX): for the
    /// record of the operator's command.
    pub ids: Vec<QueueId>,
    /// Where the next step goes on: give it as `after`. `None`: the whole queue was looked at.
    pub next: Option<QueueId>,
}

/// Stops or resumes lending under a key, or under all.
#[derive(Debug)]
pub(crate) struct Pause {
    pub(crate) key: Option<RouteKey>,
    /// `None`: resume.
    pub(crate) why: Option<Text>,
    pub(crate) now: UnixMillis,
}

impl Core {
    pub(crate) fn operate(&mut self, ask: &Operate) -> Result<Operated, Fault> {
        let bounds = Bounds { messages: PAGE_MESSAGES_MAX, rows: STEP_ROWS_MAX, time: None };
        let found = scan::find(&self.connection, &ask.filter, ask.after, bounds)?;
        let mut ids = Vec::new();
        for id in found.ids {
            let changed = match &ask.action {
                Action::Hold(reason) => self.hold_one(id, reason, ask.now)?,
                Action::Release => self.release_one(id, ask.now)?,
                Action::Retry => self.retry_one(id, ask.now)?,
                Action::Delete => self.remove(id)?,
            };
            ids.extend(changed.then_some(id));
        }
        Ok(Operated { ids, next: found.next })
    }

    /// Holds a message; what is in flight comes to its end and then waits too. False: it was held already.
    pub(crate) fn hold_one(&self, id: QueueId, reason: &Reason, now: UnixMillis) -> Result<bool, Fault> {
        let sql = "UPDATE message SET held_at = ?2, held_why = ?3 WHERE id = ?1 AND held_at IS NULL";
        if self.connection.prepare_cached(sql)?.execute(params![id.row(), now.get(), reason.to_string()])?
            == 0
        {
            return Ok(false);
        }
        let sql = "UPDATE recipient SET pending = 0 WHERE message = ?1 AND pending";
        self.connection.prepare_cached(sql)?.execute([id.row()])?;
        Ok(true)
    }

    fn release_one(&mut self, id: QueueId, now: UnixMillis) -> Result<bool, Fault> {
        // Held time does not count towards expiry. A deadline that the sender set stays what it is.
        let sql = "UPDATE message SET held_at = NULL, expires_at = min(expires_at + max(0, ?2 - held_at), \
                   CASE WHEN by_mode IN ('R', 'RT') THEN by_time ELSE ?3 END) \
                   WHERE id = ?1 AND held_at IS NOT NULL RETURNING expires_at, by_time";
        let mut statement = self.connection.prepare_cached(sql)?;
        let moments = statement.query_row(params![id.row(), now.get(), i64::MAX], |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))
        });
        let moments = moments.optional()?;
        drop(statement);
        let Some((expires_at, by)) = moments else { return Ok(false) };
        self.expiry.note(UnixMillis::new(expires_at));
        if let Some(by) = by {
            self.deadlines.note(UnixMillis::new(by));
        }
        let sql = "UPDATE recipient SET pending = 1, next_attempt = \
                   max(?2, coalesce((SELECT release_at FROM message WHERE id = ?1), ?2)) \
                   WHERE message = ?1 AND state = 0 AND boot IS NULL RETURNING route_key";
        self.due_now(sql, id, now)?;
        Ok(true)
    }

    /// Makes what waits due now. Who kept it for a later release has been overruled: that is now.
    fn retry_one(&mut self, id: QueueId, now: UnixMillis) -> Result<bool, Fault> {
        let sql = "UPDATE recipient SET next_attempt = ?2 WHERE message = ?1 AND pending RETURNING route_key";
        let is_due = self.due_now(sql, id, now)?;
        if is_due {
            let sql = "UPDATE message SET release_at = ?2 WHERE id = ?1 AND release_at > ?2";
            self.connection.prepare_cached(sql)?.execute([id.row(), now.get()])?;
        }
        Ok(is_due)
    }

    /// Runs an update that makes rows due and gives their keys; false when there were none.
    fn due_now(&mut self, sql: &str, id: QueueId, now: UnixMillis) -> Result<bool, Fault> {
        let keys = self
            .connection
            .prepare_cached(sql)?
            .query_map([id.row(), now.get()], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<String>>>()?;
        for key in keys.iter().filter_map(|key| RouteKey::new(key).ok()) {
            self.schedule.note(&key, now.get());
        }
        self.batch.woke |= !keys.is_empty();
        Ok(!keys.is_empty())
    }

    pub(crate) fn pause(&mut self, ask: &Pause) -> Result<(), Fault> {
        let name = ask.key.as_ref().map_or("", RouteKey::as_str);
        if let Some(why) = &ask.why {
            let sql = "INSERT OR REPLACE INTO pause VALUES (?1, ?2, ?3)";
            self.connection.prepare_cached(sql)?.execute(params![name, ask.now.get(), why.as_str()])?;
        } else {
            self.connection.prepare_cached("DELETE FROM pause WHERE route_key = ?1")?.execute([name])?;
        }
        self.batch.pauses = Some(pauses(&self.connection)?);
        self.batch.woke = true;
        Ok(())
    }
}

/// What is paused, as stored.
pub(crate) fn pauses(connection: &Connection) -> rusqlite::Result<Pauses> {
    let mut pauses = Pauses::default();
    for pause in view::pauses(connection)? {
        match pause.key {
            Some(key) => drop(pauses.keys.insert(key)),
            None => pauses.everything = true,
        }
    }
    Ok(pauses)
}

//! Handing out what is due: fair between keys, in order of priority and time within one.
//!
//! Each key that has room gives one attempt per round, so that a destination with a long queue does not
//! stand before the others. The next attempt of a recipient is written before this one is handed out: a
//! crash repeats an attempt late rather than at once and for ever.

use crate::entry::{Attempt, Lease, Leased, Message, RouteKey, Target};
use crate::limits::{ATTEMPTS_PER_LEASE_MAX, KEYS_PER_SWEEP, PRIORITIES, RECIPIENTS_PER_ATTEMPT_MAX};
use crate::row;
use crate::settle::set_aside_reason;
use crate::turn::{Core, Fault};
use postrider_mail::{QueueId, Text, UnixMillis};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows whose moment is moved by one statement after the clock went back.
const CLAMPED_ROWS_MAX: u32 = 5000;

/// Messages of one key that one look may set aside as unreadable.
const SET_ASIDE_MAX: usize = 100;

/// What the index says of one key.
enum Head {
    Due(QueueId),
    Later(i64),
    Empty,
}

/// Recipients with whether they were told of a delay.
type Targets = (Vec<Target>, Vec<bool>);

impl Core {
    pub(crate) fn lease(&mut self, ask: &Lease) -> Result<Leased, Fault> {
        let now = ask.now;
        if now < self.latest {
            self.schedule.begin_sweep();
        }
        self.latest = now;
        self.sweep(now)?;
        let mut room = ask.room.iter().map(|(key, room)| (key.clone(), *room)).collect::<BTreeMap<_, _>>();
        let limit = ask.limit.min(ATTEMPTS_PER_LEASE_MAX);
        let due = self.schedule.soonest().take_while(|(due, _)| *due <= now.get());
        let has_room = |key: &RouteKey| room.get(key).copied().unwrap_or(ask.room_per_key) > 0;
        let mut keys: Vec<RouteKey> =
            due.filter(|(_, key)| has_room(key)).take(limit).map(|(_, key)| key.clone()).collect();
        let mut attempts = Vec::new();
        while !keys.is_empty() && attempts.len() < limit {
            let mut served = Vec::with_capacity(keys.len());
            for key in keys {
                if attempts.len() == limit {
                    break;
                }
                let Some(attempt) = self.lend_one(&key, now)? else { continue };
                attempts.push(attempt);
                let left = room.entry(key.clone()).or_insert(ask.room_per_key);
                *left = left.saturating_sub(1);
                if *left > 0 {
                    served.push(key);
                }
            }
            keys = served;
        }
        let has_room = |key: &RouteKey| room.get(key).copied().unwrap_or(ask.room_per_key) > 0;
        let next_key = self.schedule.soonest().find(|(_, key)| has_room(key)).map(|(due, _)| due);
        let next_due =
            next_key.into_iter().chain(self.schedule.sweep_due(now.get())).min().map(UnixMillis::new);
        Ok(Leased { attempts, next_due })
    }

    /// One attempt under a key, if anything is due there. Leaves the key's moment in the schedule.
    fn lend_one(&mut self, key: &RouteKey, now: UnixMillis) -> Result<Option<Attempt>, Fault> {
        for _ in 0..SET_ASIDE_MAX {
            let id = match self.head(key, now)? {
                Head::Due(id) => id,
                Head::Later(due) => {
                    self.schedule.set(key, due);
                    return Ok(None);
                }
                Head::Empty => {
                    self.schedule.forget(key);
                    return Ok(None);
                }
            };
            // What was just served goes behind those that have waited: any moment up to now is still true.
            self.schedule.set(key, now.get());
            match self.read_due(id, key, now) {
                Ok(Some((message, open, (targets, told)))) => {
                    self.record_lease(&message, &targets, now)?;
                    let message = Arc::new(message);
                    return Ok(Some(self.lend(now, &message, key.clone(), targets, &told, open)));
                }
                Ok(None) => self.set_aside(id, "its rows do not fit together", now)?,
                Err(Fault::Rejected(why)) => self.set_aside(id, &why, now)?,
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    fn set_aside(&mut self, id: QueueId, why: &str, now: UnixMillis) -> Result<(), Fault> {
        tracing::error!(message = %id, why, "a message cannot be read and is set aside");
        self.hold_one(id, &set_aside_reason(&Text::clean(why)), now)?;
        let sql = "UPDATE recipient SET pending = 0 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute([id.row()])?;
        Ok(())
    }

    /// What stands first under a key: the smallest priority that has something due.
    fn head(&self, key: &RouteKey, now: UnixMillis) -> Result<Head, Fault> {
        let mut head = Head::Empty;
        self.each_priority(key, |core, priority| {
            let sql = "SELECT next_attempt, message FROM recipient INDEXED BY recipient_pending \
                       WHERE pending AND route_key = ?1 AND priority = ?2 ORDER BY next_attempt LIMIT 1";
            let first = core
                .connection
                .prepare_cached(sql)?
                .query_row(params![key.as_str(), priority], |row| {
                    Ok((row.get::<_, i64>(0)?, row::queue_id(row, 1)?))
                })
                .optional()?;
            match (first, &head) {
                (Some((due, id)), _) if due <= now.get() => head = Head::Due(id),
                (Some((due, _)), Head::Later(other)) => head = Head::Later(due.min(*other)),
                (Some((due, _)), _) => head = Head::Later(due),
                (None, _) => {}
            }
            Ok(!matches!(head, Head::Due(_)))
        })?;
        Ok(head)
    }

    /// Calls `look` for each priority that occurs under a key, while it says true.
    fn each_priority(
        &self,
        key: &RouteKey,
        mut look: impl FnMut(&Self, i64) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut after = i64::MIN;
        for _ in PRIORITIES {
            let sql = "SELECT priority FROM recipient INDEXED BY recipient_pending \
                       WHERE pending AND route_key = ?1 AND priority > ?2 ORDER BY priority LIMIT 1";
            let mut statement = self.connection.prepare_cached(sql)?;
            let found: Option<i64> =
                statement.query_row(params![key.as_str(), after], |row| row.get(0)).optional()?;
            let Some(priority) = found else { return Ok(()) };
            if !look(self, priority)? {
                return Ok(());
            }
            after = priority;
        }
        Ok(())
    }

    /// The message, how many of its recipients are open, and those that are due under the key.
    fn read_due(
        &self,
        id: QueueId,
        key: &RouteKey,
        now: UnixMillis,
    ) -> Result<Option<(Message, usize, Targets)>, Fault> {
        let mut statement = self.connection.prepare_cached(row::MESSAGE)?;
        let Some((message, open)) = row::message(&mut statement, id, &self.shelf)? else { return Ok(None) };
        let sql = "SELECT ordinal, address, given, via, attempts, delay_told FROM recipient \
                   WHERE message = ?1 AND pending AND route_key = ?2 AND next_attempt <= ?3 ORDER BY ordinal LIMIT ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let targets = statement
            .query_map(
                params![id.row(), key.as_str(), now.get(), RECIPIENTS_PER_ATTEMPT_MAX as i64],
                |row| Ok((row::target(row)?, row.get::<_, bool>(5)?)),
            )?
            .collect::<rusqlite::Result<Targets>>()?;
        Ok((!targets.0.is_empty()).then_some((message, open as usize, targets)))
    }

    fn record_lease(&mut self, message: &Message, targets: &[Target], now: UnixMillis) -> Result<(), Fault> {
        let sql = "UPDATE recipient SET pending = 0, boot = ?3, attempts = attempts + 1, next_attempt = ?4 \
                   WHERE message = ?1 AND ordinal = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        for target in targets {
            let next = self.settings.retry.next(
                now,
                target.attempts.saturating_add(1),
                message.expires_at,
                self.dice.roll(),
            );
            statement.execute(params![message.id.row(), target.id.0, self.boot, next.get()])?;
            self.batch.octets += 512;
        }
        Ok(())
    }

    /// Reads the next keys of the index into the schedule. After the clock went back, and at start, moments
    /// beyond the longest wait are moved to it: a stepped clock strands nothing.
    fn sweep(&mut self, now: UnixMillis) -> Result<(), Fault> {
        let Some(mut at) = self.schedule.sweep(now.get()) else { return Ok(()) };
        for _ in 0..KEYS_PER_SWEEP {
            let sql = "SELECT route_key FROM recipient INDEXED BY recipient_pending \
                       WHERE pending AND route_key > ?1 ORDER BY route_key LIMIT 1";
            let found: Option<String> =
                self.connection.prepare_cached(sql)?.query_row([&at], |row| row.get(0)).optional()?;
            let Some(text) = found else {
                self.schedule.swept(None);
                return Ok(());
            };
            // A key that no version writes can never be asked for: its rows show in listings and wait there.
            if let Ok(key) = RouteKey::new(&text)
                && self.sweep_key(&key, now)?
            {
                break;
            }
            at = text;
        }
        self.schedule.swept(Some(at));
        Ok(())
    }

    /// Notes when a key is due; true when there is more to do for it.
    fn sweep_key(&mut self, key: &RouteKey, now: UnixMillis) -> Result<bool, Fault> {
        let latest = now.plus(self.settings.retry.longest);
        let mut more = false;
        self.each_priority(key, |core, priority| {
            let sql = "UPDATE recipient SET next_attempt = ?3 WHERE (message, ordinal) IN (SELECT message, ordinal \
                       FROM recipient INDEXED BY recipient_pending \
                       WHERE pending AND route_key = ?1 AND priority = ?2 AND next_attempt > ?3 LIMIT ?4)";
            let mut statement = core.connection.prepare_cached(sql)?;
            let moved = statement.execute(params![key.as_str(), priority, latest.get(), CLAMPED_ROWS_MAX])?;
            more |= moved >= CLAMPED_ROWS_MAX as usize;
            Ok(true)
        })?;
        match self.head(key, now)? {
            Head::Due(_) => self.schedule.note(key, now.get()),
            Head::Later(due) => self.schedule.note(key, due),
            Head::Empty => {}
        }
        Ok(more)
    }
}

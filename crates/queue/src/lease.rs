//! Handing out what is due: fair between keys, in order of priority and time within one.
//!
//! Each key that has room gives one message per round, so that a destination with a long queue does not
//! stand before the others. The next attempt of a recipient is written before this one is handed out: a
//! crash repeats an attempt late rather than at once and for ever.
//!
//! The highest priority goes first under a key (RFC 6710 §5). Lest the lowest starve while a destination is
//! too slow for all, one turn in [`PATIENCE`] goes to what has been due for longest, whatever its priority,
//! once that has been due for [`STARVING_AFTER`].
//!
//! What a lease costs depends on what it names and hands out, not on how much waits: the schedule gives keys
//! in order of time, and no more keys without room can stand before the others than the lease names.

use crate::deadline::Passed;
use crate::entry::{Attempt, Message, RouteKey, Target};
use crate::expire::{Mark, millis};
use crate::flight::moments;
use crate::limits::{
    ATTEMPTS_PER_LEASE_MAX, ATTEMPTS_PER_MESSAGE_MAX, KEYS_PER_SWEEP, PATIENCE, PRIORITIES,
    RECIPIENTS_PER_ATTEMPT_MAX, STARVING_AFTER,
};
use crate::retry::Told;
use crate::room::{Lease, Leased, Room};
use crate::row;
use crate::turn::{Core, Fault};
use crate::untried::set_aside_reason;
use postrider_mail::{QueueId, Text, UnixMillis};
use rusqlite::{OptionalExtension, params};
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

/// Recipients with what the sender was told of their delay.
type Targets = Vec<(Target, Told)>;

impl Core {
    pub(crate) fn lease(&mut self, ask: &Lease) -> Result<Leased, Fault> {
        let now = ask.now;
        if now < self.latest {
            self.schedule.begin_sweep();
            self.expiry.stepped_back(now.plus(self.settings.retry.grace()));
            self.deadlines = Mark::first();
        }
        self.latest = now;
        self.sweep(now)?;
        let Passed { mut expired, owing } = self.pass_deadlines(now)?;
        expired.extend(self.expire(now)?);
        let mut room = Room::new(ask);
        let limit = if self.is_behind_deadlines(now) { 0 } else { ask.limit };
        let keys = self.due_keys(&room, limit.min(ATTEMPTS_PER_LEASE_MAX), now);
        let attempts = self.lend_rounds(keys, &mut room, limit, now)?;
        let moments = [
            self.next_key(&room),
            self.schedule.sweep_due(now.get()),
            self.expiry_due(),
            self.deadline_due(),
        ];
        let next_due = moments.into_iter().flatten().min().map(UnixMillis::new);
        Ok(Leased { attempts, expired, owing, next_due })
    }

    /// Keys with something due and room for it, those that wait longest first.
    fn due_keys(&self, room: &Room<'_>, limit: usize, now: UnixMillis) -> Vec<RouteKey> {
        let mut keys: Vec<(i64, &RouteKey)> = match room.only() {
            Some(named) => named.filter_map(|key| Some((self.schedule.due(key)?, key))).collect(),
            None => {
                let due = self.schedule.soonest().take_while(|(due, _)| *due <= now.get());
                due.filter(|(_, key)| room.left(key) > 0).take(limit).collect()
            }
        };
        keys.retain(|(due, _)| *due <= now.get());
        keys.sort_unstable();
        keys.into_iter().take(limit).map(|(_, key)| key.clone()).collect()
    }

    /// The moment of the first key that has room left.
    fn next_key(&self, room: &Room<'_>) -> Option<i64> {
        match room.only() {
            Some(named) => named.filter_map(|key| self.schedule.due(key)).min(),
            None => self.schedule.soonest().find(|(_, key)| room.left(key) > 0).map(|(due, _)| due),
        }
    }

    /// A message of each key in turn, until nothing is due or no room is left.
    fn lend_rounds(
        &mut self,
        mut keys: Vec<RouteKey>,
        room: &mut Room<'_>,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<Attempt>, Fault> {
        let mut attempts = Vec::new();
        let mut lent = 0;
        while !keys.is_empty() {
            let mut served = Vec::with_capacity(keys.len());
            for key in keys {
                if lent >= limit || attempts.len() + ATTEMPTS_PER_MESSAGE_MAX > ATTEMPTS_PER_LEASE_MAX {
                    return Ok(attempts);
                }
                let lot = self.lend_message(&key, now)?;
                if lot.is_empty() {
                    continue;
                }
                attempts.extend(lot);
                lent += 1;
                room.take(&key);
                if room.left(&key) > 0 {
                    served.push(key);
                }
            }
            keys = served;
        }
        Ok(attempts)
    }

    /// The attempts of one message under a key, if anything is due there. Leaves the key's moment in the
    /// schedule.
    fn lend_message(&mut self, key: &RouteKey, now: UnixMillis) -> Result<Vec<Attempt>, Fault> {
        for _ in 0..SET_ASIDE_MAX {
            let is_patient = self.dice.roll().is_multiple_of(PATIENCE);
            let id = match self.head(key, now, is_patient)? {
                Head::Due(id) => id,
                Head::Later(due) => {
                    self.schedule.set(key, due);
                    return Ok(Vec::new());
                }
                Head::Empty => {
                    self.schedule.forget(key);
                    return Ok(Vec::new());
                }
            };
            // What was just served goes behind those that have waited: any moment up to now is still true.
            self.schedule.set(key, now.get());
            match self.read_due(id, key, now) {
                Ok(Some((message, open, targets))) => {
                    self.record_lease(&message, &targets, now)?;
                    return Ok(self.lend_lot(now, message, key, targets, open));
                }
                Ok(None) => self.set_aside(id, "its rows do not fit together", now)?,
                Err(Fault::Rejected(why)) => self.set_aside(id, &why, now)?,
                Err(fault) => return Err(fault),
            }
        }
        Ok(Vec::new())
    }

    fn lend_lot(
        &mut self,
        now: UnixMillis,
        message: Message,
        key: &RouteKey,
        targets: Targets,
        open: usize,
    ) -> Vec<Attempt> {
        let message = Arc::new(message);
        let mut attempts = Vec::with_capacity(targets.len().div_ceil(RECIPIENTS_PER_ATTEMPT_MAX));
        let mut targets = targets.into_iter();
        while !targets.as_slice().is_empty() {
            let lot = targets.by_ref().take(RECIPIENTS_PER_ATTEMPT_MAX).collect();
            attempts.push(self.lend(now, &message, key.clone(), lot, open));
        }
        attempts
    }

    pub(crate) fn set_aside(&mut self, id: QueueId, why: &str, now: UnixMillis) -> Result<(), Fault> {
        tracing::error!(message = %id, why, "a message cannot be read and is set aside");
        self.hold_one(id, &set_aside_reason(&Text::clean(why)), now)?;
        let sql = "UPDATE recipient SET pending = 0 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute([id.row()])?;
        Ok(())
    }

    /// What stands first under a key: the highest priority that has something due. `is_patient`: what has
    /// been due for longest instead, if that is [`STARVING_AFTER`].
    fn head(&self, key: &RouteKey, now: UnixMillis, is_patient: bool) -> Result<Head, Fault> {
        let mut head = Head::Empty;
        let mut oldest = now.get().saturating_sub(millis(STARVING_AFTER)).saturating_add(1);
        self.each_priority(key, |_, _, due, id| {
            head = match head {
                Head::Due(_) if due >= oldest => return Ok(true),
                _ if due <= now.get() => {
                    oldest = oldest.min(due);
                    Head::Due(id)
                }
                Head::Later(other) => Head::Later(due.min(other)),
                _ => Head::Later(due),
            };
            Ok(is_patient || !matches!(head, Head::Due(_)))
        })?;
        Ok(head)
    }

    /// Calls `look` for each priority that occurs under a key, with when its first is due and of which
    /// message that is, while it says true.
    fn each_priority(
        &self,
        key: &RouteKey,
        mut look: impl FnMut(&Self, i64, i64, QueueId) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let sql = "SELECT priority, next_attempt, message FROM recipient INDEXED BY recipient_pending \
                   WHERE pending AND route_key = ?1 AND priority > ?2 ORDER BY priority, next_attempt LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut after = i64::MIN;
        for _ in PRIORITIES {
            let first = statement.query_row(params![key.as_str(), after], |row| {
                Ok((row.get(0)?, row.get(1)?, row::queue_id(row, 2)?))
            });
            let Some((priority, due, id)) = first.optional()? else { return Ok(()) };
            if !look(self, priority, due, id)? {
                return Ok(());
            }
            after = priority;
        }
        Ok(())
    }

    /// The message, how many of its recipients are open, and those that are due under the key, with others
    /// that soon will be.
    fn read_due(
        &self,
        id: QueueId,
        key: &RouteKey,
        now: UnixMillis,
    ) -> Result<Option<(Message, usize, Targets)>, Fault> {
        let mut statement = self.connection.prepare_cached(row::MESSAGE)?;
        let Some((message, open)) = row::message(&mut statement, id, &self.shelf)? else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(
            "SELECT ordinal, address, given, via, attempts, notify, orcpt, delay_told FROM recipient \
             WHERE message = ?1 AND pending AND route_key = ?2 AND next_attempt <= ?3 ORDER BY ordinal LIMIT ?4",
        )?;
        let soon = now.plus(self.settings.retry.gather());
        let limit = (ATTEMPTS_PER_MESSAGE_MAX * RECIPIENTS_PER_ATTEMPT_MAX) as i64;
        let targets = statement
            .query_map(params![id.row(), key.as_str(), soon.get(), limit], |row| {
                Ok((row::target(row)?, row::told(row, row::BEHIND_TARGET)?))
            })?
            .collect::<rusqlite::Result<Targets>>()?;
        Ok((!targets.is_empty()).then_some((message, open as usize, targets)))
    }

    fn record_lease(&mut self, message: &Message, targets: &Targets, now: UnixMillis) -> Result<(), Fault> {
        let sql = "UPDATE recipient SET pending = 0, boot = ?3, attempts = attempts + 1, next_attempt = ?4 \
                   WHERE message = ?1 AND ordinal = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let moments = moments(message.begins_at(), message.expires_at, message.requests.by);
        for (target, told) in targets {
            let tries = target.attempts.saturating_add(1);
            let next = self.settings.retry.next(now, tries, moments, *told, self.dice.of(message.id, tries));
            statement.execute(params![message.id.row(), target.id.0, self.boot, next.get()])?;
            self.batch.octets += 512;
        }
        Ok(())
    }

    /// Reads the next keys of the index into the schedule. After the clock went back, and at start, moments
    /// beyond the longest wait are moved to it: a stepped clock strands nothing. A release is a moment that
    /// the sender chose, and stays.
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
        self.each_priority(key, |core, priority, _, _| {
            let sql = "UPDATE recipient SET next_attempt = ?3 WHERE (message, ordinal) IN (SELECT message, ordinal \
                       FROM recipient INDEXED BY recipient_pending \
                       WHERE pending AND route_key = ?1 AND priority = ?2 AND next_attempt > ?3 AND next_attempt > \
                       coalesce((SELECT release_at FROM message WHERE id = recipient.message), 0) LIMIT ?4)";
            let mut statement = core.connection.prepare_cached(sql)?;
            let moved = statement.execute(params![key.as_str(), priority, latest.get(), CLAMPED_ROWS_MAX])?;
            more |= moved >= CLAMPED_ROWS_MAX as usize;
            Ok(true)
        })?;
        match self.head(key, now, false)? {
            Head::Due(_) => self.schedule.note(key, now.get()),
            Head::Later(due) => self.schedule.note(key, due),
            Head::Empty => {}
        }
        Ok(more)
    }
}

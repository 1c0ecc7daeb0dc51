//! Expiry in every state: what is past its time ends, although its key has no room, is paused, or is never
//! asked for.
//!
//! Mail that is tried expires when a try fails (`settle`), and its last try falls on that very moment. What
//! is here is for mail that no one comes to try. It is given a little longer, [`Retry::grace`], so that a
//! last try finds room; the same time after a start, and no less than
//! [`RECLAIM_JITTER`](crate::limits::RECLAIM_JITTER), so that mail is tried once more after a long standstill.
//! Mail whose sender wants it back at a deadline has no such grace: see `deadline`. Held mail does not expire, and what is in flight is settled by whoever holds it.
//!
//! An index gives messages in order of expiry, and a mark says how far it was looked through, so that those
//! that are past it (in flight, or with only a notice owed) are not looked at again. Whatever makes a
//! recipient wait moves the mark back where it must.
//!
//! [`Retry::grace`]: crate::Retry::grace

use crate::entry::{Message, RouteKey, Settlement, Target};
use crate::flight::{Lent, LentRecipient};
use crate::limits::{EXPIRED_PER_LEASE_MAX, EXPIRY_LOOKS_MAX, RECIPIENTS_PER_ATTEMPT_MAX};
use crate::row;
use crate::settle::{Decision, expired_reply};
use crate::turn::{Core, Fault};
use postrider_mail::{QueueId, Reply, UnixMillis};
use rusqlite::{OptionalExtension, params};
use std::sync::Arc;
use std::time::Duration;

/// Recipients that were given up without another try.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Their message.
    pub message: Arc<Message>,
    /// The recipients, at most
    /// [`RECIPIENTS_PER_ATTEMPT_MAX`](crate::limits::RECIPIENTS_PER_ATTEMPT_MAX): others follow on their own.
    pub recipients: Vec<ExpiredRecipient>,
    /// All is final and nothing owed: the message has left the queue.
    pub removed: bool,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredRecipient {
    /// Who.
    pub target: Target,
    /// The key they waited under.
    pub key: RouteKey,
    /// What the last try was answered; where there was none, a sentence of our own.
    pub reply: Reply,
    /// What became of them.
    pub settlement: Settlement,
}

/// How far an index of messages by a moment was looked through.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The last message looked at: its moment, and its id.
    pub(crate) looked: (i64, i64),
    /// Nothing behind `looked` has a moment before this; the least number: not known.
    pub(crate) next: i64,
}

impl Mark {
    /// Before the first.
    pub(crate) fn first() -> Self {
        Self { looked: (i64::MIN, i64::MIN), next: i64::MIN }
    }

    /// Something waits that has this moment.
    pub(crate) fn note(&mut self, moment: UnixMillis) {
        let before = moment.get().saturating_sub(1);
        self.looked = self.looked.min((before, i64::MAX));
        self.next = self.next.min(moment.get());
    }
}

/// How far messages were looked through in order of their expiry.
#[derive(Debug)]
pub(crate) struct Expiry {
    mark: Mark,
    /// Nothing is given up before this.
    begins: UnixMillis,
}

impl Expiry {
    /// Looks from the first message on, once `begins` has come.
    pub(crate) fn new(begins: UnixMillis) -> Self {
        Self { mark: Mark::first(), begins }
    }

    /// Something waits that expires at this moment.
    pub(crate) fn note(&mut self, expires_at: UnixMillis) {
        self.mark.note(expires_at);
    }

    /// The clock went back: what it was to wait for may be far away. Small steps put nothing off.
    pub(crate) fn stepped_back(&mut self, begins: UnixMillis) {
        *self = Self::new(self.begins.min(begins));
    }

    /// Forgets how far it has looked, after a rollback.
    pub(crate) fn begin(&mut self) {
        *self = Self::new(self.begins);
    }
}

impl Core {
    /// Gives up what has expired; bounded, and what is left makes the next lease due at once.
    pub(crate) fn expire(&mut self, now: UnixMillis) -> Result<Vec<Expired>, Fault> {
        let mut given_up = Vec::new();
        let horizon = self.expiry_horizon(now);
        for _ in 0..EXPIRY_LOOKS_MAX {
            let begun = now >= self.expiry.begins || self.expiry.mark.next == i64::MIN;
            if !begun || self.expiry.mark.next > horizon {
                break;
            }
            let Some((expires_at, id)) = self.expiring()? else {
                self.expiry.mark.next = i64::MAX;
                break;
            };
            self.expiry.mark.next = expires_at;
            if expires_at > horizon || now < self.expiry.begins {
                break;
            }
            match self.expire_one(id, now) {
                Ok(Some(expired)) => given_up.push(expired),
                Ok(None) => self.expiry.mark.looked = (expires_at, id.row()),
                Err(Fault::Rejected(why)) => self.set_aside(id, &why, now)?,
                Err(fault) => return Err(fault),
            }
            if given_up.len() == EXPIRED_PER_LEASE_MAX {
                break;
            }
        }
        Ok(given_up)
    }

    /// When the next lease has something to give up.
    pub(crate) fn expiry_due(&self) -> Option<i64> {
        let grace = millis(self.settings.retry.grace());
        let next = self.expiry.mark.next.saturating_add(grace).max(self.expiry.begins.get());
        (self.expiry.mark.next < i64::MAX).then_some(next)
    }

    fn expiry_horizon(&self, now: UnixMillis) -> i64 {
        now.get().saturating_sub(millis(self.settings.retry.grace()))
    }

    /// The message behind the mark that expires first.
    fn expiring(&self) -> Result<Option<(i64, QueueId)>, Fault> {
        let sql = "SELECT expires_at, id FROM message INDEXED BY message_expiring \
                   WHERE held_at IS NULL AND (expires_at, id) > (?1, ?2) ORDER BY expires_at, id LIMIT 1";
        let (at, id) = self.expiry.mark.looked;
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row([at, id], |row| Ok((row.get(0)?, row::queue_id(row, 1)?)));
        Ok(found.optional()?)
    }

    /// Gives up recipients of one message that wait; `None`: none does.
    pub(crate) fn expire_one(&mut self, id: QueueId, now: UnixMillis) -> Result<Option<Expired>, Fault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT ordinal, address, given, via, attempts, notify, orcpt, route_key, last_reply, delay_told FROM recipient \
             WHERE message = ?1 AND pending ORDER BY ordinal LIMIT ?2",
        )?;
        let at = row::BEHIND_TARGET;
        let waiting = statement
            .query_map(params![id.row(), RECIPIENTS_PER_ATTEMPT_MAX as i64], |row| {
                let key: String = row.get(at)?;
                let key = RouteKey::new(&key).map_err(|_| row::damaged("route key"))?;
                let reply = row.get_ref(at + 1)?.as_str_or_null()?.and_then(row::reply);
                Ok((row::target(row)?, key, reply, row::told(row, at + 2)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        drop(statement);
        if waiting.is_empty() {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(row::MESSAGE)?;
        let found = row::message(&mut statement, id, &self.shelf)?;
        drop(statement);
        let Some((message, open)) = found else {
            return Err(Fault::Rejected("its rows do not fit together".into()));
        };
        let whole = open as usize == waiting.len();
        let mut lent = Lent::of(&message, RouteKey::local(), whole, Vec::new());
        let mut decisions = Vec::with_capacity(waiting.len());
        let mut recipients = Vec::with_capacity(waiting.len());
        for (target, key, reply, told) in waiting {
            let one = LentRecipient::of(&target, target.attempts, told);
            let decision = Decision::expired(lent.may_owe(&self.shelf, one), one, reply.is_some());
            let (settlement, reply) = (decision.settlement(), reply.unwrap_or_else(expired_reply));
            recipients.push(ExpiredRecipient { target, key, reply, settlement });
            decisions.push(decision);
        }
        let removed = self.record(&mut lent, &decisions, now)?;
        Ok(Some(Expired { message: Arc::new(message), recipients, removed }))
    }
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_again_moves_the_mark_back() {
        let mut mark = Mark { looked: (50, 3), next: i64::MAX };
        mark.note(UnixMillis::new(70));
        assert_eq!((mark.looked, mark.next), ((50, 3), 70));
        mark.note(UnixMillis::new(50));
        assert_eq!((mark.looked, mark.next), ((49, i64::MAX), 50));
    }
}

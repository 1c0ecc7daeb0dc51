//! Deadlines for delivery that senders set (RFC 2852 §4), kept to the moment and in every state: although a
//! key has no room, is paused, or is never asked for.
//!
//! In mode `R` what still waits at the deadline is given up then, without the last try that other mail gets:
//! mail that comes late is not wanted. It is never lent behind its deadline. In mode `N` its sender is told
//! of the delay, once and unless NOTIFY forbids all notices, and it is tried on. What is in flight is looked
//! at when it is settled. Held mail is not looked at: its deadline counts when it is released.
//!
//! An index holds the messages with a deadline and no others, so that mail without one pays nothing. As for
//! expiry, a mark says how far it was looked through.

use crate::entry::Notice;
use crate::expire::Expired;
use crate::limits::{EXPIRED_PER_LEASE_MAX, EXPIRY_LOOKS_MAX};
use crate::retry::Told;
use crate::row;
use crate::turn::{Core, Fault};
use postrider_mail::{ByMode, DeliverBy, QueueId, UnixMillis};
use rusqlite::{OptionalExtension, params};

/// What came of the deadlines that have passed.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Given up.
    pub(crate) expired: Vec<Expired>,
    /// Notices of delay became owed.
    pub(crate) owing: bool,
}

/// A message whose deadline is the next.
struct Deadline {
    at: i64,
    id: QueueId,
    mode: ByMode,
}

impl Core {
    /// Looks at the deadlines that have passed; bounded, and what is left makes the next lease due at once.
    pub(crate) fn pass_deadlines(&mut self, now: UnixMillis) -> Result<Passed, Fault> {
        let mut passed = Passed::default();
        for _ in 0..EXPIRY_LOOKS_MAX {
            if self.deadlines.next > now.get() || passed.expired.len() == EXPIRED_PER_LEASE_MAX {
                break;
            }
            let Some(deadline) = self.next_deadline()? else {
                self.deadlines.next = i64::MAX;
                break;
            };
            self.deadlines.next = deadline.at;
            if deadline.at > now.get() {
                break;
            }
            let expired = match deadline.mode {
                ByMode::Notify => {
                    passed.owing |= self.owe_delays(deadline.id)?;
                    Ok(None)
                }
                ByMode::Return => self.expire_one(deadline.id, now),
            };
            match expired {
                // Others of its recipients may wait still.
                Ok(Some(expired)) => passed.expired.push(expired),
                Ok(None) => self.deadlines.looked = (deadline.at, deadline.id.row()),
                Err(Fault::Rejected(why)) => self.set_aside(deadline.id, &why, now)?,
                Err(fault) => return Err(fault),
            }
        }
        Ok(passed)
    }

    /// When the next lease has a deadline to look at.
    pub(crate) fn deadline_due(&self) -> Option<i64> {
        (self.deadlines.next < i64::MAX).then_some(self.deadlines.next)
    }

    /// Whether deadlines have passed that were not looked at: until they were, nothing is lent.
    pub(crate) fn is_behind_deadlines(&self, now: UnixMillis) -> bool {
        self.deadlines.next <= now.get()
    }

    /// A recipient of a message with this deadline waits, and the sender was told this of it.
    pub(crate) fn note_deadline(&mut self, by: Option<DeliverBy>, told: Told) {
        if let Some(by) = by.filter(|by| by.mode == ByMode::Return || !told.has(Told::DEADLINE)) {
            self.deadlines.note(by.at);
        }
    }

    /// The message behind the mark whose deadline comes first.
    fn next_deadline(&self) -> Result<Option<Deadline>, Fault> {
        let sql = "SELECT by_time, id, by_mode FROM message INDEXED BY message_deadline \
                   WHERE by_time IS NOT NULL AND held_at IS NULL AND (by_time, id) > (?1, ?2) \
                   ORDER BY by_time, id LIMIT 1";
        let (at, id) = self.deadlines.looked;
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_row([at, id], |row| {
            let is_return = row.get_ref(2)?.as_str().is_ok_and(|mode| mode.starts_with('R'));
            let mode = if is_return { ByMode::Return } else { ByMode::Notify };
            Ok(Deadline { at: row.get(0)?, id: row::queue_id(row, 1)?, mode })
        });
        Ok(found.optional()?)
    }

    /// Owes the sender a notice of delay about each recipient that waits, has had none for the deadline, and
    /// may have one.
    fn owe_delays(&mut self, id: QueueId) -> Result<bool, Fault> {
        let sql = "UPDATE recipient SET notice_owed = ?2, delay_told = delay_told | ?3 | ?4 \
                   WHERE message = ?1 AND pending AND delay_told & ?4 = 0";
        let told = params![id.row(), Notice::Delay as i64, Told::LATE.row(), Told::DEADLINE.row()];
        let owed = self.connection.prepare_cached(sql)?.execute(told)?;
        self.batch.octets += 512 * owed as u64;
        Ok(owed > 0)
    }
}

//! What became of recipients, and when a message leaves.
//!
//! A fate and the notice it owes are one commit. A message leaves when no recipient is open: all final, and
//! nothing owed. The one short cut: an attempt that holds all open recipients of a message and settles them
//! with nothing owed removes the message without writing their rows first.

use crate::entry::{Became, Fate, Notice, Outcome, RecipientId, Settled, Settlement, State, SuccessNotice};
use crate::flight::{Lent, LentRecipient};
use crate::retry::Told;
use crate::row::{queue_id, reply_text};
use crate::turn::{Core, Fault};
use postrider_mail::{AttemptId, Code, Enhanced, Notify, QueueId, Reply, UnixMillis};
use rusqlite::{OptionalExtension, params};

/// What one fate makes of one recipient.
pub(crate) struct Decision {
    ordinal: u32,
    became: Became,
    owed: Option<Notice>,
    forbidden: Option<Notice>,
    pub(crate) attempts: u32,
    told: Told,
    /// What was answered and by whom; `None`: there was no try, and the last answer stands.
    answer: Option<(String, String)>,
}

impl Decision {
    /// Given up without a try. `answered`: the answer to an earlier one says more than we could.
    pub(crate) fn expired(may_owe: bool, recipient: LentRecipient, answered: bool) -> Self {
        Self {
            ordinal: recipient.ordinal,
            became: Became::Final(State::Expired),
            owed: may_owe.then_some(Notice::Failure),
            forbidden: (!may_owe).then_some(Notice::Failure),
            attempts: recipient.attempts,
            told: recipient.told,
            answer: (!answered).then(|| (reply_text(&expired_reply()), String::new())),
        }
    }

    /// Due now, as if the attempt had not been.
    pub(crate) fn untried(recipient: LentRecipient, next_attempt: UnixMillis) -> Self {
        Self {
            ordinal: recipient.ordinal,
            became: Became::Waiting { next_attempt },
            owed: None,
            forbidden: None,
            attempts: recipient.attempts.saturating_sub(1),
            told: recipient.told,
            answer: None,
        }
    }

    fn state(&self) -> State {
        match self.became {
            Became::Final(state) => state,
            Became::Waiting { .. } | Became::Gone => State::Waiting,
        }
    }

    /// Final, with nothing owed.
    fn closes(&self) -> bool {
        matches!(self.became, Became::Final(_)) && self.owed.is_none()
    }

    pub(crate) fn settlement(&self) -> Settlement {
        let recipient = RecipientId(self.ordinal);
        Settlement { recipient, became: self.became, owed: self.owed, forbidden: self.forbidden }
    }
}

impl Core {
    pub(crate) fn settle(
        &mut self,
        attempt: AttemptId,
        fates: &[(RecipientId, Fate)],
        now: UnixMillis,
    ) -> Result<Settled, Fault> {
        let Some(mut lent) = self.flight.get(attempt).cloned() else {
            return Ok(Settled {
                recipients: fates.iter().map(|(id, _)| gone(*id)).collect(),
                removed: false,
            });
        };
        let mut may_expire = None;
        let mut decisions = Vec::with_capacity(fates.len());
        let mut recipients = Vec::with_capacity(fates.len());
        for (id, fate) in fates {
            let Some(recipient) = lent.take(*id) else {
                recipients.push(gone(*id));
                continue;
            };
            let decision = self.decide(&lent, recipient, fate, now, &mut may_expire)?;
            recipients.push(decision.settlement());
            decisions.push(decision);
        }
        let removed = self.record(&mut lent, &decisions, now)?;
        self.flight.put(attempt, lent);
        Ok(Settled { recipients, removed })
    }

    fn decide(
        &self,
        lent: &Lent,
        recipient: LentRecipient,
        fate: &Fate,
        now: UnixMillis,
        may_expire: &mut Option<bool>,
    ) -> Result<Decision, Fault> {
        let mut told = recipient.told;
        let success =
            || (!lent.null_path && tells_success(recipient.notify, fate.success)).then_some(Notice::Success);
        let (became, notice) = match fate.outcome {
            Outcome::Delivered => (Became::Final(State::Delivered), success()),
            Outcome::Relayed => (Became::Final(State::Relayed), success()),
            Outcome::Expanded => (Became::Final(State::Expanded), success()),
            Outcome::Discarded => (Became::Final(State::Discarded), None),
            Outcome::Failed => (Became::Final(State::Failed), Some(Notice::Failure)),
            Outcome::Deferred
                if now >= lent.expires_at && self.may_expire(lent.message, now, may_expire)? =>
            {
                (Became::Final(State::Expired), Some(Notice::Failure))
            }
            Outcome::Deferred => {
                let (retry, moments) = (&self.settings.retry, lent.moments());
                let tell = if lent.null_path { None } else { retry.tell(now, moments, told) };
                told = tell.unwrap_or(told);
                let dice = self.dice.of(lent.message, recipient.attempts);
                let next_attempt = retry.next(now, recipient.attempts, moments, told, dice);
                (Became::Waiting { next_attempt }, tell.map(|_| Notice::Delay))
            }
        };
        let is_owed = notice != Some(Notice::Failure) || lent.may_owe(&self.shelf, recipient);
        Ok(Decision {
            ordinal: recipient.ordinal,
            became,
            owed: notice.filter(|_| is_owed),
            forbidden: notice.filter(|_| !is_owed),
            attempts: recipient.attempts,
            told,
            answer: Some((reply_text(&fate.reply), fate.mta.as_str().to_owned())),
        })
    }

    /// Writes what was decided; says whether the message has left.
    pub(crate) fn record(
        &mut self,
        lent: &mut Lent,
        decisions: &[Decision],
        now: UnixMillis,
    ) -> Result<bool, Fault> {
        let closing = decisions.iter().filter(|decision| decision.closes()).count();
        if closing < decisions.len() {
            lent.whole = false;
        }
        if lent.whole && lent.recipients.is_empty() && closing > 0 {
            return self.remove_over(lent.message, lent.content);
        }
        for decision in decisions {
            self.record_one(lent, decision, now)?;
        }
        if closing == 0 { Ok(false) } else { self.close(lent.message, closing) }
    }

    fn record_one(&mut self, lent: &Lent, decision: &Decision, now: UnixMillis) -> Result<(), Fault> {
        let next_attempt = match decision.became {
            Became::Waiting { next_attempt } => Some(next_attempt.get()),
            Became::Final(_) | Became::Gone => None,
        };
        self.connection
            .prepare_cached(
                "UPDATE recipient SET state = ?3, boot = NULL, attempts = ?4, \
                 pending = ?5 IS NOT NULL AND (SELECT held_at IS NULL FROM message WHERE id = ?1), \
                 next_attempt = coalesce(?5, next_attempt), last_reply = coalesce(?6, last_reply), \
                 last_mta = coalesce(?7, last_mta), last_time = coalesce(?8, last_time), delay_told = ?9, \
                 notice_owed = CASE WHEN ?10 <> 0 THEN ?10 WHEN ?3 <> 0 THEN 0 ELSE notice_owed END \
                 WHERE message = ?1 AND ordinal = ?2",
            )?
            .execute(params![
                lent.message.row(),
                decision.ordinal,
                decision.state() as i64,
                decision.attempts,
                next_attempt,
                decision.answer.as_ref().map(|(reply, _)| reply),
                decision.answer.as_ref().map(|(_, mta)| mta),
                decision.answer.as_ref().map(|_| now.get()),
                decision.told.row(),
                decision.owed.map_or(0, |notice| notice as i64),
            ])?;
        self.batch.octets += 512;
        if let Some(next_attempt) = next_attempt {
            self.schedule.note(&lent.key, next_attempt);
            self.expiry.note(lent.expires_at);
            self.note_deadline(lent.by, decision.told);
            self.batch.woke = true;
        }
        Ok(())
    }

    /// Clears debts; says whether the message has left.
    pub(crate) fn told(
        &mut self,
        message: QueueId,
        recipients: &[(RecipientId, Notice)],
    ) -> Result<bool, Fault> {
        let mut closing = 0;
        for (id, notice) in recipients {
            let sql = "UPDATE recipient SET notice_owed = 0 \
                       WHERE message = ?1 AND ordinal = ?2 AND notice_owed = ?3 RETURNING state";
            let state: Option<i64> = self
                .connection
                .prepare_cached(sql)?
                .query_row(params![message.row(), id.0, *notice as i64], |row| row.get(0))
                .optional()?;
            closing += usize::from(state.is_some_and(|state| state != State::Waiting as i64));
        }
        if closing == 0 { Ok(false) } else { self.close(message, closing) }
    }

    /// Counts recipients as closed; the last one takes the message with it.
    fn close(&mut self, message: QueueId, closing: usize) -> Result<bool, Fault> {
        let sql = "UPDATE message SET open = open - ?2 WHERE id = ?1 RETURNING open, content";
        let left = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![message.row(), closing as i64], |row| {
                Ok((row.get::<_, i64>(0)?, queue_id(row, 1)?))
            })
            .optional()?;
        match left {
            Some((open, content)) if open <= 0 => self.remove_over(message, content),
            _ => Ok(false),
        }
    }

    /// Removes a message whatever its state; says whether it was there.
    pub(crate) fn remove(&mut self, message: QueueId) -> Result<bool, Fault> {
        let sql = "SELECT content FROM message WHERE id = ?1";
        let content = self
            .connection
            .prepare_cached(sql)?
            .query_row([message.row()], |row| queue_id(row, 0))
            .optional()?;
        self.flight.end_message(message);
        content.map_or(Ok(false), |content| self.remove_over(message, content))
    }

    fn remove_over(&mut self, message: QueueId, content: QueueId) -> Result<bool, Fault> {
        if self.connection.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([message.row()])? == 0
        {
            return Ok(false);
        }
        self.connection
            .prepare_cached("DELETE FROM recipient WHERE message = ?1")?
            .execute([message.row()])?;
        let in_file: Option<bool> = self
            .connection
            .prepare_cached("DELETE FROM content WHERE id = ?1 AND messages = 1 RETURNING octets IS NULL")?
            .query_row([content.row()], |row| row.get(0))
            .optional()?;
        match in_file {
            None => {
                let sql = "UPDATE content SET messages = messages - 1 WHERE id = ?1";
                self.connection.prepare_cached(sql)?.execute([content.row()])?;
            }
            Some(true) => {
                let sql = "INSERT OR IGNORE INTO garbage VALUES (?1)";
                self.connection.prepare_cached(sql)?.execute([content.row()])?;
                self.batch.garbage.push(content);
            }
            Some(false) => {}
        }
        self.tally.messages -= 1;
        self.batch.octets += 1024;
        Ok(true)
    }

    /// Whether a message is past its time and not held; looked up once. What is known in flight may be old:
    /// a hold that was released meanwhile gave it more time.
    pub(crate) fn may_expire(
        &self,
        message: QueueId,
        now: UnixMillis,
        known: &mut Option<bool>,
    ) -> Result<bool, Fault> {
        if let Some(may) = known {
            return Ok(*may);
        }
        let sql = "SELECT held_at IS NULL AND expires_at <= ?2 FROM message WHERE id = ?1";
        let may = self
            .connection
            .prepare_cached(sql)?
            .query_row([message.row(), now.get()], |row| row.get(0))
            .optional()?;
        Ok(*known.insert(may.unwrap_or(true)))
    }
}

/// Whether a success is told (RFC 3461 §5.2, RFC 3461 §5.2.2, RFC 3461 §5.2.3, RFC 2852 §4).
fn tells_success(notify: Option<Notify>, success: SuccessNotice) -> bool {
    match success {
        SuccessNotice::IfAsked => notify.is_some_and(|notify| notify.wants(Notify::SUCCESS)),
        SuccessNotice::PassedOn => false,
        SuccessNotice::Always => notify != Some(Notify::NEVER),
    }
}

pub(crate) fn gone(recipient: RecipientId) -> Settlement {
    Settlement { recipient, became: Became::Gone, owed: None, forbidden: None }
}

/// What we say of mail that was never tried.
pub(crate) fn expired_reply() -> Reply {
    Reply::new(Code::of(554), Enhanced::of(5, 4, 7), "the message could not be delivered in time")
}

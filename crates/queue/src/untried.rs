//! Attempts that end without a fate for all: given back, held, or routed elsewhere. They do not count.

use crate::entry::Settled;
use crate::flight::LentRecipient;
use crate::request::{GiveBack, Reroute};
use crate::settle::{Decision, gone};
use crate::turn::{Core, Fault};
use postrider_mail::{Reason, Text};
use rusqlite::params;

impl Core {
    /// Ends an attempt for these recipients without counting it: they are due now, under other keys.
    pub(crate) fn reroute(&mut self, ask: &Reroute) -> Result<Settled, Fault> {
        let Some(mut lent) = self.flight.get(ask.attempt).cloned() else {
            return Ok(Settled {
                recipients: ask.to.iter().map(|(id, _)| gone(*id)).collect(),
                removed: false,
            });
        };
        let mut recipients = Vec::with_capacity(ask.to.len());
        for (id, key) in &ask.to {
            let Some(recipient) = lent.take(*id) else {
                recipients.push(gone(*id));
                continue;
            };
            let sql = "UPDATE recipient SET route_key = ?3, boot = NULL, attempts = ?4, next_attempt = ?5, \
                       pending = (SELECT held_at IS NULL FROM message WHERE id = ?1) \
                       WHERE message = ?1 AND ordinal = ?2";
            let decision = Decision::untried(recipient, ask.now);
            self.connection.prepare_cached(sql)?.execute(params![
                lent.message.row(),
                id.0,
                key.as_str(),
                decision.attempts,
                ask.now.get()
            ])?;
            self.schedule.note(key, ask.now.get());
            self.note_deadline(lent.by, recipient.told);
            self.batch.octets += 512;
            recipients.push(decision.settlement());
        }
        lent.whole = false;
        self.expiry.note(lent.expires_at);
        self.batch.woke = true;
        self.flight.put(ask.attempt, lent);
        Ok(Settled { recipients, removed: false })
    }

    /// Ends an attempt for the recipients that were not settled: they are due at once, as if it had not been.
    pub(crate) fn give_back(&mut self, ask: &GiveBack) -> Result<Settled, Fault> {
        let Some(mut lent) = self.flight.get(ask.attempt).cloned() else { return Ok(Settled::default()) };
        if let Some(reason) = &ask.hold {
            self.hold_one(lent.message, reason, ask.now)?;
        }
        let expired = ask.now >= lent.expires_at && self.may_expire(lent.message, ask.now, &mut None)?;
        let given_back = std::mem::take(&mut lent.recipients).into_iter().map(|recipient| {
            if expired {
                let attempts = recipient.attempts.saturating_sub(1);
                let untried = LentRecipient { attempts, ..recipient };
                Decision::expired(lent.may_owe(&self.shelf, recipient), untried, attempts > 0)
            } else {
                Decision::untried(recipient, ask.now)
            }
        });
        let decisions: Vec<Decision> = given_back.collect();
        let removed = self.record(&mut lent, &decisions, ask.now)?;
        self.flight.end(ask.attempt);
        Ok(Settled { recipients: decisions.iter().map(Decision::settlement).collect(), removed })
    }
}

/// Why a message is held whose content cannot be read.
pub(crate) fn set_aside_reason(why: &Text) -> Reason {
    Reason::new("spool", why.clone())
}

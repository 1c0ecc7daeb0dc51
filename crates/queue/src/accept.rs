//! Taking a message in: content, message and recipients in the open transaction, and what is lent with it.

use crate::content::Matter;
use crate::entry::{Accepted, Attempt, Message, Receipt, RecipientId, RouteKey, Target};
use crate::flight::{Lent, LentRecipient};
use crate::limits::{ATTEMPTS_PER_ACCEPT_MAX, RECIPIENTS_PER_ATTEMPT_MAX};
use crate::new_message::{Lend, NewMessage, Source};
use crate::rendition::{Content, Place};
use crate::retry::By;
use crate::row::traits;
use crate::turn::{Core, Fault};
use postrider_mail::{Domain, HeloName, Recipient, SessionId, Text, UnixMillis};
use rusqlite::params;
use std::fs;
use std::sync::Arc;

/// What a commit lends under one key.
type Batch = (RouteKey, Vec<Target>);

impl Core {
    pub(crate) fn accept(&mut self, new: &mut NewMessage) -> Result<Accepted, Fault> {
        let content = self.store_content(new)?;
        let expires_at = self.settings.retry.expires(new.received_at);
        self.store_message(new, &content, expires_at)?;
        let batches = self.store_recipients(new, expires_at)?;
        self.tally.stored(new.id);
        self.expiry.note(expires_at);
        self.batch.octets += 1024 + if content.is_in_memory() { content.facts.size } else { 0 };
        let attempts = self.lend_accepted(new, content, expires_at, batches);
        Ok(Accepted { receipt: Receipt::after_commit(new.id), attempts })
    }

    /// Stores the octets, or counts one message more over octets that are there.
    fn store_content(&mut self, new: &mut NewMessage) -> Result<Content, Fault> {
        let sealed = match &new.source {
            Source::Sealed(sealed) => sealed,
            Source::Shared(content) => {
                let sql = "UPDATE content SET messages = messages + 1 WHERE id = ?1";
                if self.connection.prepare_cached(sql)?.execute([content.id.row()])? == 0 {
                    return Err(Fault::Rejected("the content to share has left the queue".into()));
                }
                return Ok(content.clone());
            }
        };
        let (octets, place) = match &sealed.matter {
            Matter::Memory(octets) => (Some(octets.octets.as_slice()), Place::Memory(Arc::clone(octets))),
            Matter::File(_) => (None, Place::File),
        };
        let facts = sealed.facts;
        self.connection
            .prepare_cached("INSERT INTO content VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                sealed.id.row(),
                octets,
                facts.size.cast_signed(),
                facts.checksum.cast_signed(),
                facts.header_octets.cast_signed(),
                facts.line_octets_max.cast_signed(),
                traits(&facts),
                new.hop_count,
            ])?;
        // After the insert: an id that is taken must never replace another message's file.
        if octets.is_none() {
            let folder = &self.shelf.folder;
            fs::rename(folder.incoming(sealed.id), folder.content(sealed.id))?;
            self.batch.renamed.push(sealed.id);
        }
        Ok(Content { id: sealed.id, facts, hop_count: new.hop_count, place, shelf: Arc::clone(&self.shelf) })
    }

    fn store_message(
        &self,
        new: &NewMessage,
        content: &Content,
        expires_at: UnixMillis,
    ) -> Result<(), Fault> {
        let reception = &new.reception;
        let peer = reception.peer.as_ref();
        self.connection
            .prepare_cached(
                "INSERT INTO message (id, content, open, prefix, cuts, reverse_path, body, priority, received_at, \
                 expires_at, held_at, held_why, account, service, peer, helo, protocol, tls, session, message_id, \
                 from_domain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
                 ?19, ?20, ?21)",
            )?
            .execute(params![
                new.id.row(),
                content.id.row(),
                new.recipients.len() as i64,
                new.rendition.prefix(),
                new.rendition.cuts_row(),
                new.reverse_path.to_string(),
                new.body.map(|body| body.to_string()),
                new.priority,
                new.received_at.get(),
                expires_at.get(),
                new.held.as_ref().map(|_| new.received_at.get()),
                new.held.as_ref().map(ToString::to_string),
                reception.account.as_ref().map(Text::as_str),
                peer.map(|peer| peer.service().to_string()),
                peer.map(|peer| peer.address().to_string()),
                reception.helo.as_ref().map(HeloName::as_str),
                reception.protocol.map(|protocol| protocol.to_string()),
                reception.tls.as_ref().map(Text::as_str),
                reception.session.map(SessionId::row),
                new.message_id.as_ref().map(Text::as_str),
                new.from_domain.as_ref().map(Domain::ascii),
            ])?;
        Ok(())
    }

    /// Stores the recipients; those that are lent are in flight from the first.
    fn store_recipients(&mut self, new: &NewMessage, expires_at: UnixMillis) -> Result<Vec<Batch>, Fault> {
        let mut batches: Vec<Batch> = Vec::new();
        let now = new.received_at;
        let by = By { received_at: now, expires_at, delay_told: new.is_untold() };
        let retry_at = self.settings.retry.next(now, 1, by, self.dice.of(new.id, 1));
        for (number, (recipient, key)) in (0u32..).zip(&new.recipients) {
            let open = batches
                .iter()
                .position(|(of, targets)| of == key && targets.len() < RECIPIENTS_PER_ATTEMPT_MAX);
            let lent = (open.is_some() || batches.len() < ATTEMPTS_PER_ACCEPT_MAX) && self.lends(new, key);
            let waits = new.held.is_none() && !lent;
            let next_attempt = if lent { retry_at } else { now };
            self.store_recipient(new, number, recipient, key, waits, lent, next_attempt)?;
            if lent {
                let target = Target {
                    id: RecipientId(number),
                    address: recipient.address.clone(),
                    given: recipient.given.clone(),
                    via: recipient.via.clone(),
                    attempts: 0,
                };
                match open.and_then(|at| batches.get_mut(at)) {
                    Some((_, targets)) => targets.push(target),
                    None => batches.push((key.clone(), vec![target])),
                }
            } else if waits {
                self.schedule.note(key, now.get());
                self.batch.woke = true;
            }
        }
        // The attempts of one key stand together, so that they can share a transaction.
        batches.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(batches)
    }

    fn lends(&self, new: &NewMessage, key: &RouteKey) -> bool {
        let wanted = match &new.lend {
            Lend::Nothing => false,
            Lend::All => true,
            Lend::Keys(keys) => keys.contains(key),
        };
        wanted && new.held.is_none() && !self.schedule.is_paused(key)
    }

    #[expect(clippy::too_many_arguments, reason = "one row, column by column")]
    fn store_recipient(
        &self,
        new: &NewMessage,
        number: u32,
        recipient: &Recipient,
        key: &RouteKey,
        waits: bool,
        lent: bool,
        next_attempt: UnixMillis,
    ) -> Result<(), Fault> {
        let address = recipient.address.to_string();
        let given = recipient.given.to_string();
        self.connection
            .prepare_cached(
                "INSERT INTO recipient (message, ordinal, address, given, via, route_key, priority, state, pending, \
                 boot, attempts, next_attempt, delay_told) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                new.id.row(),
                number,
                address,
                (given != address).then_some(given),
                recipient.via.as_ref().map(ToString::to_string),
                key.as_str(),
                new.priority,
                waits,
                lent.then_some(self.boot),
                u32::from(lent),
                next_attempt.get(),
                new.is_untold(),
            ])?;
        Ok(())
    }

    fn lend_accepted(
        &mut self,
        new: &NewMessage,
        content: Content,
        expires_at: UnixMillis,
        batches: Vec<Batch>,
    ) -> Vec<Attempt> {
        if batches.is_empty() {
            return Vec::new();
        }
        let message = Arc::new(Message {
            id: new.id,
            reverse_path: new.reverse_path.clone(),
            body: new.body,
            rendition: Arc::new(new.rendition.clone()),
            hop_count: content.hop_count,
            content,
            received_at: new.received_at,
            expires_at,
            message_id: new.message_id.clone(),
            session: new.reception.session,
            released: false,
        });
        let whole = new.recipients.len();
        let attempts = batches.into_iter().map(|(key, targets)| {
            let told = vec![new.is_untold(); targets.len()];
            self.lend(new.received_at, &message, key, targets, &told, whole)
        });
        attempts.collect()
    }

    /// Notes an attempt as out. `open` is the number of the message's recipients that are not closed.
    pub(crate) fn lend(
        &mut self,
        now: UnixMillis,
        message: &Arc<Message>,
        key: RouteKey,
        targets: Vec<Target>,
        delay_told: &[bool],
        open: usize,
    ) -> Attempt {
        let id = self.ids.attempt_id(now);
        let recipients = targets.iter().zip(delay_told).map(|(target, &delay_told)| LentRecipient {
            ordinal: target.id.0,
            attempts: target.attempts + 1,
            delay_told,
        });
        let lent = Lent::of(message, key.clone(), open == targets.len(), recipients.collect());
        self.flight.put(id, lent);
        Attempt { id, message: Arc::clone(message), key, recipients: targets }
    }
}

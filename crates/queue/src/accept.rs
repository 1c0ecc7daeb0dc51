//! Taking a message in: content, message and recipients in the open transaction, and what is lent with it.

use crate::content::Matter;
use crate::entry::{
    Accepted, Attempt, Message, Notice, Receipt, RecipientId, RouteKey, State, Target, begins_at,
};
use crate::flight::{Lent, LentRecipient, moments};
use crate::limits::{ATTEMPTS_PER_ACCEPT_MAX, RECIPIENTS_PER_ATTEMPT_MAX};
use crate::new_message::{Lend, NewMessage, Source};
use crate::rendition::{Content, Place};
use crate::retry::Told;
use crate::row::{by_mode, traits};
use crate::turn::{Core, Fault};
use postrider_mail::{
    Domain, EnvelopeId, HeloName, Recipient, Requests, SessionId, Solicitation, Text, UnixMillis,
};
use rusqlite::params;
use std::fs;
use std::sync::Arc;

/// What a commit lends under one key.
type Batch = (RouteKey, Vec<(Target, Told)>);

impl Core {
    pub(crate) fn accept(&mut self, new: &mut NewMessage) -> Result<Accepted, Fault> {
        let content = self.store_content(new)?;
        let expires_at = new.expires(&self.settings.retry);
        self.store_message(new, &content, expires_at)?;
        let batches = self.store_recipients(new, expires_at)?;
        self.store_expanded(new)?;
        self.tally.stored(new.id);
        self.expiry.note(expires_at);
        if let Some(by) = new.requests.by {
            self.deadlines.note(by.at);
        }
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
                (new.recipients.len() + new.expanded.len()) as i64,
                new.rendition.prefix(),
                new.rendition.cuts_row(),
                new.reverse_path.to_string(),
                new.body.map(|body| body.to_string()),
                new.order(),
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
        self.store_requests(new)
    }

    /// Most senders ask for nothing that needs a column: mail without wishes does not pay for them.
    fn store_requests(&self, new: &NewMessage) -> Result<(), Fault> {
        let requests = &new.requests;
        if *requests == (Requests { priority: requests.priority, ..Requests::default() }) {
            return Ok(());
        }
        self.connection
            .prepare_cached(
                "UPDATE message SET smtputf8 = ?2, ret = ?3, envid = ?4, by_time = ?5, by_mode = ?6, release_at = ?7, \
                 solicit = ?8 WHERE id = ?1",
            )?
            .execute(params![
                new.id.row(),
                requests.smtputf8,
                requests.ret.map(|ret| ret.to_string()),
                requests.envid.as_ref().map(EnvelopeId::to_xtext),
                requests.by.map(|by| by.at.get()),
                requests.by.map(by_mode),
                requests.release_at.map(UnixMillis::get),
                requests.solicit.as_ref().map(Solicitation::as_str),
            ])?;
        Ok(())
    }

    /// Stores the recipients; those that are lent are in flight from the first.
    fn store_recipients(&mut self, new: &NewMessage, expires_at: UnixMillis) -> Result<Vec<Batch>, Fault> {
        let mut batches: Vec<Batch> = Vec::new();
        let begins_at = begins_at(new.received_at, &new.requests);
        let moments = moments(begins_at, expires_at, new.requests.by);
        let dice = self.dice.of(new.id, 1);
        for (number, (recipient, key)) in (0u32..).zip(&new.recipients) {
            let open = batches
                .iter()
                .position(|(of, targets)| of == key && targets.len() < RECIPIENTS_PER_ATTEMPT_MAX);
            let lent = (open.is_some() || batches.len() < ATTEMPTS_PER_ACCEPT_MAX) && self.lends(new, key);
            let waits = new.held.is_none() && !lent;
            let told = new.told(recipient);
            let next_attempt = if lent {
                self.settings.retry.next(new.received_at, 1, moments, told, dice)
            } else {
                begins_at
            };
            self.store_recipient(new, number, recipient, key, waits, lent, next_attempt)?;
            if lent {
                let target = Target {
                    id: RecipientId(number),
                    address: recipient.address.clone(),
                    given: recipient.given.clone(),
                    via: recipient.via.clone(),
                    attempts: 0,
                    notify: recipient.notify,
                    orcpt: recipient.orcpt.clone(),
                };
                match open.and_then(|at| batches.get_mut(at)) {
                    Some((_, targets)) => targets.push((target, told)),
                    None => batches.push((key.clone(), vec![(target, told)])),
                }
            } else if waits {
                self.schedule.note(key, begins_at.get());
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
        wanted && new.held.is_none() && new.is_due() && !self.schedule.is_paused(key)
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
                 boot, attempts, next_attempt, delay_told, notify, orcpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, \
                 ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                new.id.row(),
                number,
                address,
                (given != address).then_some(given),
                recipient.via.as_ref().map(ToString::to_string),
                key.as_str(),
                new.order(),
                waits,
                lent.then_some(self.boot),
                u32::from(lent),
                next_attempt.get(),
                new.told(recipient).row(),
                recipient.notify.map(|notify| notify.to_string()),
                recipient.orcpt.as_ref().map(ToString::to_string),
            ])?;
        Ok(())
    }

    /// Stores those that an alias was expanded for: final, with the notice owed.
    fn store_expanded(&mut self, new: &NewMessage) -> Result<(), Fault> {
        let sql = "INSERT INTO recipient (message, ordinal, address, given, notify, orcpt, route_key, priority, state, \
                   pending, attempts, next_attempt, last_time, notice_owed) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, ?10, ?10, ?11)";
        for (number, recipient) in (new.recipients.len()..).zip(&new.expanded) {
            let address = recipient.address.to_string();
            let given = recipient.given.to_string();
            self.connection.prepare_cached(sql)?.execute(params![
                new.id.row(),
                number as i64,
                address,
                (given != address).then_some(given),
                recipient.notify.map(|notify| notify.to_string()),
                recipient.orcpt.as_ref().map(ToString::to_string),
                RouteKey::local().as_str(),
                new.order(),
                State::Expanded as i64,
                new.received_at.get(),
                Notice::Success as i64,
            ])?;
            self.batch.octets += 512;
        }
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
            requests: new.requests.clone(),
            rendition: Arc::new(new.rendition.clone()),
            hop_count: content.hop_count,
            content,
            received_at: new.received_at,
            expires_at,
            message_id: new.message_id.clone(),
            session: new.reception.session,
            released: false,
        });
        let open = new.recipients.len() + new.expanded.len();
        let attempts = batches
            .into_iter()
            .map(|(key, targets)| self.lend(new.received_at, &message, key, targets, open));
        attempts.collect()
    }

    /// Notes an attempt as out. `open` is the number of the message's recipients that are not closed.
    pub(crate) fn lend(
        &mut self,
        now: UnixMillis,
        message: &Arc<Message>,
        key: RouteKey,
        targets: Vec<(Target, Told)>,
        open: usize,
    ) -> Attempt {
        let id = self.ids.attempt_id(now);
        let lent = targets
            .iter()
            .map(|(target, told)| LentRecipient::of(target, target.attempts.saturating_add(1), *told));
        let lent = Lent::of(message, key.clone(), open == targets.len(), lent.collect());
        self.flight.put(id, lent);
        let recipients = targets.into_iter().map(|(target, _)| target).collect();
        Attempt { id, message: Arc::clone(message), key, recipients }
    }
}

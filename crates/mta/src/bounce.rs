//! Pays what senders are owed: notices about mail that failed, is late, or went well where they asked to hear
//! of that (RFC 3461 §6, RFC 3464 §2).
//!
//! A debt is written by the commit that settles a recipient, and cleared by the commit that stores the
//! notice: so a crash between the two finds the debt again, and a crash after them finds the notice. What is
//! owed now about one message is told in one notice about failures, one about delays and one about successes.
//!
//! A notice is a message of its own under the null reverse-path, so that nothing is ever sent about it
//! (RFC 3461 §6.1). It has no Received field: nobody received it (RFC 5321 §4.4). It goes where any mail for
//! the reverse-path goes, through aliases and routes. Where that is nowhere, the debt ends with a record in the
//! journal and a count, and a copy to postmaster, where the operator wants one.
//!
//! What a notice says was tried comes from the journal, which promises nothing: without it the notice is
//! shorter.

mod account;
mod addressee;
mod returned;

use crate::dispatch::route_key;
use crate::limits::{NOTICE_LINGER, NOTICE_LOOK_AGAIN, NOTICES_AT_ONCE_MAX};
use crate::server::{Server, Settings, Stop, told_to_stop};
use account::Account;
use addressee::{Addressee, addressee};
use postrider_journal::event::{self, Accepted, Told};
use postrider_journal::{Reader, Subject, What};
use postrider_mail::dsn::{self, Action, Recipient, Report};
use postrider_mail::{Envelope, Mailbox, QueueId, Reason, Requests, ReversePath, Text};
use postrider_queue::limits::RECIPIENTS_PER_ATTEMPT_MAX;
use postrider_queue::{Change, NewMessage, Notice, Owed, OwedRecipient, Sealed, State, Unable};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Runs until told to stop. `under_way` lives until the last notice that was begun has been stored.
pub async fn bounce(
    server: Server,
    reader: Reader,
    mut stop: watch::Receiver<Stop>,
    under_way: mpsc::Sender<()>,
) {
    let mut settings = server.settings.clone();
    loop {
        // Nobody is ever told at the null path; postmaster may be.
        let to_postmaster = settings.borrow_and_update().notices.undeliverable_to_postmaster;
        server.queue.owe_for_null_paths(to_postmaster);
        pay_all(&server, &reader, &stop).await;
        tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => break,
            () = server.owing.notified() => {}
            Ok(()) = settings.changed() => {}
            () = tokio::time::sleep(NOTICE_LOOK_AGAIN) => {}
        }
        // What fails together is told together.
        tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => break,
            () = tokio::time::sleep(NOTICE_LINGER) => {}
        }
    }
    drop(under_way);
}

/// Pays every debt there is, page by page. What cannot be paid now is met again at the next look.
async fn pay_all(server: &Server, reader: &Reader, stop: &watch::Receiver<Stop>) {
    let mut after = None;
    let mut more = false;
    loop {
        if *stop.borrow() != Stop::No || server.queue.health().is_err() {
            return;
        }
        let page = match look(server, after).await {
            Ok(page) => page,
            Err(error) => return tracing::error!(%error, "the queue cannot be asked which notices are owed"),
        };
        let Some(last) = page.last() else {
            if !std::mem::take(&mut more) {
                return;
            }
            after = None;
            continue;
        };
        after = Some(last.message.id);
        more |= pay_page(server, reader, stop, page).await;
    }
}

/// A page of debts, once the journal has what was told so far.
async fn look(server: &Server, after: Option<QueueId>) -> io::Result<Vec<Owed>> {
    let (queue, stories) = (server.queue.clone(), server.stories.clone());
    let look = server.world.blocking(move || {
        stories.flush();
        queue.owed(after)
    });
    look.await.unwrap_or_else(|_| Err(io::Error::other("the look-up ended without an answer")))
}

/// Pays the debts of a page, several at a time, so that they share commits. Says whether one of the messages
/// may owe more than a page shows of it.
async fn pay_page(server: &Server, reader: &Reader, stop: &watch::Receiver<Stop>, page: Vec<Owed>) -> bool {
    let mut paying = JoinSet::new();
    let mut more = false;
    for owed in page {
        if *stop.borrow() != Stop::No {
            break;
        }
        if paying.len() >= NOTICES_AT_ONCE_MAX {
            more |= matches!(paying.join_next().await, Some(Ok(true)));
        }
        let (server, reader) = (server.clone(), reader.clone());
        paying.spawn(async move {
            let (id, is_full) = (owed.message.id, owed.recipients.len() >= RECIPIENTS_PER_ATTEMPT_MAX);
            match pay(&server, &reader, owed).await {
                Ok(()) => is_full,
                Err(unpaid) => {
                    tracing::warn!(%id, %unpaid, "a notice is owed and cannot be stored now");
                    false
                }
            }
        });
    }
    // A payment that panicked is a defect; its debt stays, and is met again later.
    while let Some(paid) = paying.join_next().await {
        more |= matches!(paid, Ok(true));
    }
    more
}

/// Why a debt stays for now.
#[derive(Debug)]
enum Unpaid {
    /// The spool cannot take the notice.
    Spool(Unable),
    /// Something could not be read or written.
    Trouble(Text),
    /// The world ended.
    Stopped,
}

impl fmt::Display for Unpaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spool(unable) => unable.fmt(f),
            Self::Trouble(why) => why.fmt(f),
            Self::Stopped => f.write_str("the server is stopping"),
        }
    }
}

/// What is told of one message in one notice.
struct Letter {
    id: QueueId,
    kind: Notice,
    recipients: usize,
    /// The notice, until it is sealed.
    octets: Vec<u8>,
    /// Its size.
    size: u64,
}

/// All that is to be done about the debts of one message.
struct Payment {
    settings: Arc<Settings>,
    owed: Owed,
    addressee: Addressee,
    letters: Vec<Letter>,
}

/// Pays what is owed about one message, in one transaction.
async fn pay(server: &Server, reader: &Reader, owed: Owed) -> Result<(), Unpaid> {
    let Some(mut payment) = prepare(server, reader, owed).await? else { return Ok(()) };
    let mut changes = Vec::with_capacity(payment.letters.len() + 1);
    if let Some(to) = payment.addressee.recipients() {
        for letter in &mut payment.letters {
            let sealed = seal(server, letter.id, std::mem::take(&mut letter.octets)).await?;
            let message = message(server, &payment.settings, sealed, to.to_vec())?;
            changes.push(Change::Store(Box::new(message)));
        }
    }
    let Owed { message, recipients } = &payment.owed;
    let recipients = recipients.iter().map(|recipient| (recipient.target.id, recipient.notice)).collect();
    changes.push(Change::Told { message: message.id, recipients });
    server.queue.apply(changes, server.world.now()).await.map_err(Unpaid::Spool)?;
    record(server, &payment);
    Ok(())
}

/// Does everything that reads a disk. `None`: the message has gone, and with it the debt.
async fn prepare(server: &Server, reader: &Reader, owed: Owed) -> Result<Option<Payment>, Unpaid> {
    let (for_work, reader, settings) = (server.clone(), reader.clone(), server.settings());
    let work = server.world.blocking(move || {
        let server = for_work;
        let addressee = addressee(&server, &settings, &owed).map_err(Unpaid::Trouble)?;
        let Some(original) = returned::read(&owed, settings.notices).map_err(Unpaid::Trouble)? else {
            return Ok(None);
        };
        let account = Account::of(&reader, owed.message.id);
        let requests = &owed.message.requests;
        let kinds = [Notice::Failure, Notice::Delay, Notice::Success];
        let letters = kinds.into_iter().filter_map(|kind| {
            let told = owed.recipients.iter().filter(|recipient| recipient.notice == kind);
            let told: Vec<Recipient> = told.map(|one| recipient(one, &owed, &account)).collect();
            if told.is_empty() || !addressee.hears_of(kind) {
                return None;
            }
            let id = server.world.queue_id();
            let octets = dsn::compose(&Report {
                id,
                date: server.world.now(),
                hostname: &settings.hostname,
                reader: addressee.reader()?,
                about: owed.message.id,
                arrived: owed.message.received_at,
                message_id: owed.message.message_id.as_ref(),
                envelope_id: requests.envid.as_ref(),
                deliver_by: requests.by.map(|by| by.at),
                recipients: &told,
                original: original.as_original(kind),
            });
            Some(Letter { id, kind, recipients: told.len(), size: octets.len() as u64, octets })
        });
        let letters = letters.collect();
        Ok(Some(Payment { settings, owed, addressee, letters }))
    });
    work.await.unwrap_or(Err(Unpaid::Stopped))
}

/// What the notice says of one recipient.
fn recipient(one: &OwedRecipient, owed: &Owed, account: &Account) -> Recipient {
    let address = &one.target.address;
    Recipient {
        address: address.clone(),
        given: one.target.given.clone(),
        orcpt: one.target.orcpt.clone(),
        action: match (one.notice, one.state) {
            (Notice::Delay, _) => Action::Delayed { until: owed.message.expires_at },
            (Notice::Success, State::Delivered) => Action::Delivered,
            (Notice::Success, State::Expanded) => Action::Expanded,
            (Notice::Success, _) => Action::Relayed,
            (Notice::Failure, State::Expired) => Action::Expired,
            (Notice::Failure, _) => Action::Failed,
        },
        reply: one.reply.clone(),
        remote: one.mta.clone().filter(is_host),
        tried_at: one.at,
        tried: account.tried(address),
        dialogue: one.reply.as_ref().map(|reply| account.dialogue(address, reply)).unwrap_or_default(),
    }
}

/// Whether whoever answered is another host, `mx.example [192.0.2.1]`, or the path of a socket: `local` and
/// `remote` are agents of our own.
fn is_host(mta: &Text) -> bool {
    mta.as_str().contains('[') || mta.as_str().starts_with('/')
}

/// Makes the octets a draft that is whole.
async fn seal(server: &Server, id: QueueId, octets: Vec<u8>) -> Result<Sealed, Unpaid> {
    let mut draft = server.queue.draft(id);
    draft.pour(&octets);
    drop(octets);
    let sealed = if draft.needs_io() {
        server.drafting(move || draft.seal()).await.map_err(|_| Unpaid::Stopped)?
    } else {
        draft.seal()
    };
    sealed.map_err(|error| Unpaid::Trouble(format!("the notice could not be written: {error}").into()))
}

fn message(
    server: &Server,
    settings: &Settings,
    sealed: Sealed,
    recipients: Vec<postrider_mail::Recipient>,
) -> Result<NewMessage, Unpaid> {
    let message_id = dsn::message_id(sealed.id(), &settings.hostname);
    let envelope =
        Envelope { reverse_path: ReversePath::Null, body: None, requests: Requests::default(), recipients };
    let key = |address: &Mailbox| route_key(settings, address);
    let mut message = NewMessage::new(sealed, envelope, server.world.now(), key)
        .map_err(|error| Unpaid::Trouble(error.to_string().into()))?;
    message.message_id = Some(message_id);
    message.from_domain = Some(settings.hostname.clone());
    Ok(message)
}

/// Tells the journal and the log what was done about the debts.
fn record(server: &Server, payment: &Payment) {
    let Payment { settings, owed, addressee, letters } = payment;
    let about = owed.message.id;
    let mut story = server.stories.begin(Subject::Server, None);
    if let Some(message_id) = &owed.message.message_id {
        story.found_by(message_id);
    }
    if let Some(why) = addressee.trouble() {
        for one in owed.recipients.iter().filter(|one| one.notice == Notice::Failure) {
            let (recipient, reason) = (one.target.address.clone(), Reason::new("notice", why.clone()));
            tracing::warn!(id = %about, %recipient, %reason, "not delivered, and its sender cannot be told");
            story.add(What::Unreported {
                id: about,
                recipient: Box::new(recipient),
                reason: Box::new(reason),
            });
        }
    }
    let (Some(reader), Some(recipients)) = (addressee.reader(), addressee.recipients()) else { return };
    for letter in letters {
        let (id, to) = (letter.id, reader.mailbox());
        let told = match letter.kind {
            Notice::Failure => Told::Failure,
            Notice::Delay => Told::Delay,
            Notice::Success => Told::Success,
        };
        tracing::info!(%id, %about, %to, ?told, recipients = letter.recipients, "notice");
        story.add(What::Notice(Box::new(event::Notice {
            about,
            id,
            to: to.clone(),
            told,
            recipients: u32::try_from(letter.recipients).unwrap_or(u32::MAX),
        })));
        story.add(What::Accepted(Box::new(Accepted {
            id,
            reverse_path: ReversePath::Null,
            recipients: recipients.iter().map(|recipient| recipient.address.clone()).collect(),
            recipients_unlisted: 0,
            message_id: Some(dsn::message_id(id, &settings.hostname)),
            octets: letter.size,
        })));
    }
}

//! Looking into the queue without taking part in it: listings, one message, counts, debts.
//!
//! These calls block and read on connections that cannot write. A page ends after a number of messages, of
//! rows looked at, or a time, whichever comes first, and says where the next one begins: a long read
//! transaction would hold back checkpoints. Values are shown as they are stored; what does not parse is
//! shown too.

use crate::entry::{Message, Notice, RecipientId, RouteKey, State, Target};
use crate::filter::Filter;
use crate::limits::{LISTED_RECIPIENTS_MAX, RECIPIENTS_PER_ATTEMPT_MAX};
use crate::row;
use crate::scan::{Bounds, scan};
use crate::shelf::Shelf;
use postrider_mail::{QueueId, Reply, SessionId, Text, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why and since when a message is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// Since when.
    pub since: UnixMillis,
    /// Which check or person, and why.
    pub why: Text,
}

/// A message as shown to an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its id.
    pub id: QueueId,
    /// When it came.
    pub received_at: UnixMillis,
    /// When it is given up.
    pub expires_at: UnixMillis,
    /// Octets as received.
    pub size: u64,
    /// Empty: the null path.
    pub reverse_path: Text,
    /// From -9, last, to 9, first (RFC 6710 §5).
    pub priority: i64,
    /// What else its sender asked for.
    #[serde(default)]
    pub requests: RequestsView,
    /// Whether it is held.
    pub held: Option<HeldView>,
    /// The account that submitted it.
    pub account: Option<Text>,
    /// What the listener was for.
    pub service: Option<Text>,
    /// The client's address and port.
    pub peer: Option<Text>,
    /// What the client called itself.
    pub helo: Option<Text>,
    /// The dialect.
    pub protocol: Option<Text>,
    /// TLS version and cipher.
    pub tls: Option<Text>,
    /// The conversation.
    pub session: Option<SessionId>,
    /// Its Message-ID field.
    pub message_id: Option<Text>,
    /// The domain of its From field.
    pub from_domain: Option<Text>,
    /// How many recipients it has, those not shown too.
    pub recipient_count: usize,
    /// The recipients; in a listing only the first, [`LISTED_RECIPIENTS_MAX`] of them.
    pub recipients: Vec<RecipientView>,
}

/// What a sender asked for, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestsView {
    /// SMTPUTF8 (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// RET: `FULL` or `HDRS`.
    pub ret: Option<Text>,
    /// ENVID, in xtext.
    pub envid: Option<Text>,
    /// BY: the deadline.
    pub by: Option<UnixMillis>,
    /// What happens then: `R`, it comes back, or `N`, the sender is told; with `T` for a trace.
    pub by_mode: Option<Text>,
    /// HOLDFOR or HOLDUNTIL: not tried before.
    pub release_at: Option<UnixMillis>,
    /// SOLICIT.
    pub solicit: Option<Text>,
}

/// A recipient as shown to an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientView {
    /// Its number in the message.
    pub id: RecipientId,
    /// Where the message goes.
    pub address: Text,
    /// The forward-path as given, where it differs.
    pub given: Option<Text>,
    /// The alias that led here.
    pub via: Option<Text>,
    /// NOTIFY, where it was given (RFC 3461 §4.1).
    pub notify: Option<Text>,
    /// ORCPT, decoded (RFC 3461 §4.2).
    pub orcpt: Option<Text>,
    /// Where it queues.
    pub key: Text,
    /// Where it stands; `None`: the stored number means nothing to this version.
    pub state: Option<State>,
    /// Lent out now.
    pub in_flight: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is due, while it waits.
    pub next_attempt: UnixMillis,
    /// The last answer.
    pub last_reply: Option<Reply>,
    /// Who gave it.
    pub last_mta: Option<Text>,
    /// When.
    pub last_time: Option<UnixMillis>,
    /// The notice the sender is owed.
    pub owed: Option<Notice>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Oldest first.
    pub messages: Vec<View>,
    /// Give it as `after` for the next page, which may be empty and still not be the last. `None`: the end.
    pub next: Option<QueueId>,
}

/// The queue in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages.
    pub messages: u64,
    /// Recipients that wait for an attempt.
    pub waiting: u64,
    /// Recipients that are lent out.
    pub in_flight: u64,
    /// Messages held.
    pub held: u64,
    /// Recipients about whom the sender is owed a notice.
    pub owed: u64,
    /// When the oldest message came.
    pub oldest: Option<UnixMillis>,
    /// Octets of content in memory.
    pub in_memory_octets: u64,
}

/// A pause that an operator ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseView {
    /// Which key; `None`: everything.
    pub key: Option<RouteKey>,
    /// Since when.
    pub since: UnixMillis,
    /// Why.
    pub why: Text,
}

/// A message about which the sender is owed notices.
#[derive(Clone, Debug)]
pub struct Owed {
    /// The message.
    pub message: Message,
    /// Recipients with a debt, at most
    /// [`RECIPIENTS_PER_ATTEMPT_MAX`](crate::limits::RECIPIENTS_PER_ATTEMPT_MAX): the others come when these
    /// are told.
    pub recipients: Vec<OwedRecipient>,
}

/// What a notice says of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedRecipient {
    /// Who.
    pub target: Target,
    /// What the sender is owed.
    pub notice: Notice,
    /// Where the recipient stands.
    pub state: State,
    /// The last answer.
    pub reply: Option<Reply>,
    /// Who gave it.
    pub mta: Option<Text>,
    /// When.
    pub at: Option<UnixMillis>,
}

pub(crate) fn list(
    connection: &Connection,
    filter: &Filter,
    after: Option<QueueId>,
    bounds: Bounds,
) -> rusqlite::Result<Listing> {
    let mut messages = Vec::new();
    let next = scan(connection, filter, after, bounds, LISTED_RECIPIENTS_MAX, |view| messages.push(view))?;
    Ok(Listing { messages, next })
}

pub(crate) fn show(connection: &Connection, id: QueueId) -> rusqlite::Result<Option<View>> {
    let bounds = Bounds { messages: 1, rows: usize::MAX, time: None };
    let mut found = None;
    scan(connection, &Filter::of(id), None, bounds, usize::MAX, |view| found = Some(view))?;
    Ok(found)
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Text>> {
    Ok(row.get_ref(column)?.as_bytes_or_null()?.map(Text::from_peer))
}

pub(crate) fn view(row: &Row<'_>) -> rusqlite::Result<View> {
    let held: Option<i64> = row.get(6)?;
    let why = text(row, 7)?.unwrap_or_default();
    let size: Option<i64> = row.get(3)?;
    Ok(View {
        id: row::queue_id(row, 0)?,
        received_at: UnixMillis::new(row.get(1)?),
        expires_at: UnixMillis::new(row.get(2)?),
        size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        reverse_path: text(row, 4)?.unwrap_or_default(),
        priority: -row.get::<_, i64>(5)?.clamp(-9, 9),
        requests: RequestsView {
            smtputf8: row.get(17)?,
            ret: text(row, 18)?,
            envid: text(row, 19)?,
            by: row.get::<_, Option<i64>>(20)?.map(UnixMillis::new),
            by_mode: text(row, 21)?,
            release_at: row.get::<_, Option<i64>>(22)?.map(UnixMillis::new),
            solicit: text(row, 23)?,
        },
        held: held.map(|since| HeldView { since: UnixMillis::new(since), why }),
        account: text(row, 8)?,
        service: text(row, 9)?,
        peer: text(row, 10)?,
        helo: text(row, 11)?,
        protocol: text(row, 12)?,
        tls: text(row, 13)?,
        session: row.get::<_, Option<i64>>(14)?.and_then(SessionId::from_row),
        message_id: text(row, 15)?,
        from_domain: text(row, 16)?,
        recipient_count: 0,
        recipients: Vec::new(),
    })
}

/// All recipients of a message, of which there are never more than one accept stores.
pub(crate) fn recipients(connection: &Connection, id: QueueId) -> rusqlite::Result<Vec<RecipientView>> {
    let mut statement = connection.prepare_cached(
        "SELECT ordinal, address, given, via, route_key, state, boot IS NOT NULL, attempts, next_attempt, last_reply, \
         last_mta, last_time, notice_owed, notify, orcpt FROM recipient WHERE message = ?1 ORDER BY ordinal",
    )?;
    let views = statement.query_map([id.row()], |row| {
        Ok(RecipientView {
            id: RecipientId(row::small(row, 0, "recipient number")?),
            address: text(row, 1)?.unwrap_or_default(),
            given: text(row, 2)?,
            via: text(row, 3)?,
            notify: text(row, 13)?,
            orcpt: text(row, 14)?,
            key: text(row, 4)?.unwrap_or_default(),
            state: State::from_row(row.get(5)?),
            in_flight: row.get(6)?,
            attempts: row::small(row, 7, "number of attempts")?,
            next_attempt: UnixMillis::new(row.get(8)?),
            last_reply: row.get_ref(9)?.as_str_or_null()?.and_then(row::reply),
            last_mta: text(row, 10)?.filter(|mta| !mta.is_empty()),
            last_time: row.get::<_, Option<i64>>(11)?.map(UnixMillis::new),
            owed: Notice::from_row(row.get(12)?),
        })
    })?;
    views.collect()
}

pub(crate) fn stats(connection: &Connection, shelf: &Shelf) -> rusqlite::Result<Stats> {
    let count = |sql: &str| {
        let count: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok::<u64, rusqlite::Error>(u64::try_from(count).unwrap_or(0))
    };
    let oldest = connection
        .prepare_cached("SELECT received_at FROM message ORDER BY id LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Stats {
        messages: count("SELECT messages FROM spool")?,
        waiting: count("SELECT count(*) FROM recipient INDEXED BY recipient_pending WHERE pending")?,
        in_flight: count(
            "SELECT count(*) FROM recipient INDEXED BY recipient_in_flight WHERE boot IS NOT NULL",
        )?,
        held: count("SELECT count(*) FROM message INDEXED BY message_held WHERE held_at IS NOT NULL")?,
        owed: count("SELECT count(*) FROM recipient INDEXED BY recipient_owing WHERE notice_owed <> 0")?,
        oldest: oldest.map(UnixMillis::new),
        in_memory_octets: shelf.budget.used() as u64,
    })
}

pub(crate) fn pauses(connection: &Connection) -> rusqlite::Result<Vec<PauseView>> {
    let mut statement =
        connection.prepare_cached("SELECT route_key, since, why FROM pause ORDER BY route_key")?;
    let pauses = statement.query_map([], |row| {
        let key: String = row.get(0)?;
        let since = UnixMillis::new(row.get(1)?);
        Ok(PauseView { key: RouteKey::new(&key).ok(), since, why: text(row, 2)?.unwrap_or_default() })
    })?;
    pauses.collect()
}

/// Messages behind `after` that owe notices. One that cannot be read is reported and passed over.
pub(crate) fn owed(
    connection: &Connection,
    shelf: &Arc<Shelf>,
    after: Option<QueueId>,
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT message FROM recipient INDEXED BY recipient_owing \
         WHERE notice_owed <> 0 AND message > ?1 ORDER BY message LIMIT ?2",
    )?;
    let after = after.map_or(-1, QueueId::row);
    let ids = statement.query_map(params![after, limit as i64], |row| row::queue_id(row, 0))?;
    let ids = ids.collect::<rusqlite::Result<Vec<QueueId>>>()?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        match owed_of(connection, shelf, id) {
            Ok(owed) => all.extend(owed),
            Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
                tracing::error!(message = %id, %error, "a notice is owed about a message that cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn owed_of(connection: &Connection, shelf: &Arc<Shelf>, id: QueueId) -> rusqlite::Result<Option<Owed>> {
    let mut statement = connection.prepare_cached(row::MESSAGE)?;
    let Some((message, _)) = row::message(&mut statement, id, shelf)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "SELECT ordinal, address, given, via, attempts, notify, orcpt, notice_owed, state, last_reply, last_mta, last_time \
         FROM recipient WHERE message = ?1 AND notice_owed <> 0 ORDER BY ordinal LIMIT ?2",
    )?;
    let at = row::BEHIND_TARGET;
    let recipients = statement.query_map(params![id.row(), RECIPIENTS_PER_ATTEMPT_MAX as i64], |row| {
        Ok(OwedRecipient {
            target: row::target(row)?,
            notice: Notice::from_row(row.get(at)?).ok_or_else(|| row::damaged("notice"))?,
            state: State::from_row(row.get(at + 1)?).ok_or_else(|| row::damaged("state"))?,
            reply: row.get_ref(at + 2)?.as_str_or_null()?.and_then(row::reply),
            mta: text(row, at + 3)?.filter(|mta| !mta.is_empty()),
            at: row.get::<_, Option<i64>>(at + 4)?.map(UnixMillis::new),
        })
    })?;
    Ok(Some(Owed { message, recipients: recipients.collect::<rusqlite::Result<_>>()? }))
}

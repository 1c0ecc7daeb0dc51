//! Values as columns and back. What is read from disk passes the same door as a peer's words: a row that
//! does not parse is an error, never a guess.

use crate::entry::{Message, RecipientId, Target};
use crate::facts::Facts;
use crate::rendition::{Content, Place, Rendition};
use crate::retry::Told;
use crate::shelf::Shelf;
use postrider_mail::{
    ByMode, Code, DeliverBy, Enhanced, EnvelopeId, ForwardPath, Mailbox, Priority, QueueId, Reply, Requests,
    ReversePath, SessionId, Text, UnixMillis,
};
use rusqlite::types::Type;
use rusqlite::{Row, Statement};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A stored value that no version of this program writes.
#[derive(Debug)]
struct Damaged(&'static str);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored {} cannot be read", self.0)
    }
}

impl std::error::Error for Damaged {}

pub(crate) fn damaged(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, Box::new(Damaged(what)))
}

fn parsed<T: FromStr>(text: &str, what: &'static str) -> rusqlite::Result<T> {
    text.parse().map_err(|_| damaged(what))
}

fn unsigned(row: &Row<'_>, column: usize, what: &'static str) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| damaged(what))
}

pub(crate) fn small(row: &Row<'_>, column: usize, what: &'static str) -> rusqlite::Result<u32> {
    u32::try_from(row.get::<_, i64>(column)?).map_err(|_| damaged(what))
}

pub(crate) fn queue_id(row: &Row<'_>, column: usize) -> rusqlite::Result<QueueId> {
    QueueId::from_row(row.get(column)?).ok_or_else(|| damaged("queue id"))
}

/// Code and enhanced code on the first line, then a line per line of text. No text holds a line end.
pub(crate) fn reply_text(reply: &Reply) -> String {
    let mut text = reply.code().to_string();
    if let Some(enhanced) = reply.enhanced() {
        text.push(' ');
        text.push_str(&enhanced.to_string());
    }
    for line in reply.lines() {
        text.push('\n');
        text.push_str(line.as_str());
    }
    text
}

pub(crate) fn reply(text: &str) -> Option<Reply> {
    let mut lines = text.split('\n');
    let codes = lines.next()?;
    let (code, enhanced) =
        codes.split_once(' ').map_or((codes, None), |(code, enhanced)| (code, Some(enhanced)));
    let code = Code::try_from(code.parse::<u16>().ok()?).ok()?;
    let enhanced = enhanced.map(str::parse::<Enhanced>).transpose().ok()?;
    Some(Reply::of_lines(code, enhanced, lines.map(Text::clean)))
}

/// What the sender was told of a delay.
pub(crate) fn told(row: &Row<'_>, column: usize) -> rusqlite::Result<Told> {
    Told::from_row(row.get(column)?).ok_or_else(|| damaged("note of what was told"))
}

/// The flags of [`Facts`] as one number.
pub(crate) fn traits(facts: &Facts) -> i64 {
    i64::from(facts.eight_bit_header)
        | i64::from(facts.eight_bit_body) << 1
        | i64::from(facts.nul) << 2
        | i64::from(facts.bare_newline) << 3
}

/// The columns that [`message`] reads, in its order.
pub(crate) const MESSAGE: &str = "SELECT m.id, m.reverse_path, m.body, m.prefix, m.cuts, m.received_at, m.expires_at, \
     m.message_id, m.session, c.id, c.octets IS NULL, c.size, c.checksum, c.header_octets, c.line_octets_max, \
     c.traits, c.hop_count, m.open, m.held_at IS NULL AND m.held_why IS NOT NULL, m.smtputf8, m.ret, m.envid, \
     m.by_time, m.by_mode, m.priority, m.release_at, m.solicit \
     FROM message m JOIN content c ON c.id = m.content WHERE m.id = ?1";

/// Reads [`MESSAGE`]; the number is that of recipients still open. `None`: no such row.
pub(crate) fn message(
    statement: &mut Statement<'_>,
    id: QueueId,
    shelf: &Arc<Shelf>,
) -> rusqlite::Result<Option<(Message, u32)>> {
    let mut rows = statement.query([id.row()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let cuts: Option<Vec<u8>> = row.get(4)?;
    let rendition = Rendition::from_row(row.get(3)?, cuts.as_deref()).map_err(|_| damaged("rendition"))?;
    let session: Option<i64> = row.get(8)?;
    let message = Message {
        id: queue_id(row, 0)?,
        reverse_path: parsed::<ReversePath>(row.get_ref(1)?.as_str()?, "reverse-path")?,
        body: optional(row, 2, "BODY")?,
        requests: requests(row)?,
        rendition: Arc::new(rendition),
        content: content(row, shelf)?,
        hop_count: small(row, 16, "hop count")?,
        received_at: UnixMillis::new(row.get(5)?),
        expires_at: UnixMillis::new(row.get(6)?),
        message_id: row.get_ref(7)?.as_str_or_null()?.map(Text::clean),
        session: session.and_then(SessionId::from_row),
        released: row.get(18)?,
    };
    Ok(Some((message, small(row, 17, "number of open recipients")?)))
}

/// Reads the columns of [`MESSAGE`] from `smtputf8` on.
fn requests(row: &Row<'_>) -> rusqlite::Result<Requests> {
    let envid = row.get_ref(21)?.as_str_or_null()?.map(EnvelopeId::from_xtext).transpose();
    let priority: i64 = row.get(24)?;
    Ok(Requests {
        smtputf8: row.get(19)?,
        ret: optional(row, 20, "RET")?,
        envid: envid.map_err(|_| damaged("ENVID"))?,
        by: match row.get_ref(23)?.as_str_or_null()? {
            Some(mode) => Some(deliver_by(row.get(22)?, mode).ok_or_else(|| damaged("BY"))?),
            None => None,
        },
        // Stored so that the smaller goes first.
        priority: Priority::clamped(i8::try_from(-priority.clamp(-9, 9)).unwrap_or(0)),
        release_at: row.get::<_, Option<i64>>(25)?.map(UnixMillis::new),
        solicit: optional(row, 26, "SOLICIT")?,
    })
}

/// How a deadline's mode is stored: as in `BY=`, but for the seconds.
pub(crate) fn by_mode(by: DeliverBy) -> &'static str {
    match (by.mode, by.trace) {
        (ByMode::Return, false) => "R",
        (ByMode::Return, true) => "RT",
        (ByMode::Notify, false) => "N",
        (ByMode::Notify, true) => "NT",
    }
}

fn deliver_by(at: i64, mode: &str) -> Option<DeliverBy> {
    let (mode, trace) = match mode {
        "R" => (ByMode::Return, false),
        "RT" => (ByMode::Return, true),
        "N" => (ByMode::Notify, false),
        "NT" => (ByMode::Notify, true),
        _ => return None,
    };
    Some(DeliverBy { at: UnixMillis::new(at), mode, trace })
}

fn optional<T: FromStr>(row: &Row<'_>, column: usize, what: &'static str) -> rusqlite::Result<Option<T>> {
    row.get_ref(column)?.as_str_or_null()?.map(|text| parsed(text, what)).transpose()
}

fn content(row: &Row<'_>, shelf: &Arc<Shelf>) -> rusqlite::Result<Content> {
    let traits: i64 = row.get(15)?;
    Ok(Content {
        id: queue_id(row, 9)?,
        facts: Facts {
            size: unsigned(row, 11, "size")?,
            checksum: row.get::<_, i64>(12)?.cast_unsigned(),
            header_octets: unsigned(row, 13, "header length")?,
            line_octets_max: unsigned(row, 14, "line length")?,
            eight_bit_header: traits & 1 != 0,
            eight_bit_body: traits & 2 != 0,
            nul: traits & 4 != 0,
            bare_newline: traits & 8 != 0,
        },
        hop_count: small(row, 16, "hop count")?,
        place: if row.get(10)? { Place::File } else { Place::Row },
        shelf: Arc::clone(shelf),
    })
}

/// The number of the first column behind those that [`target`] reads.
pub(crate) const BEHIND_TARGET: usize = 7;

/// Reads `ordinal, address, given, via, attempts, notify, orcpt`, which must be the first columns.
pub(crate) fn target(row: &Row<'_>) -> rusqlite::Result<Target> {
    let address: Mailbox = parsed(row.get_ref(1)?.as_str()?, "address")?;
    let given = match row.get_ref(2)?.as_str_or_null()? {
        Some(given) => parsed(given, "forward-path")?,
        None => ForwardPath::Mailbox(address.clone()),
    };
    Ok(Target {
        id: RecipientId(small(row, 0, "recipient number")?),
        address,
        given,
        via: optional(row, 3, "alias")?,
        attempts: small(row, 4, "number of attempts")?,
        notify: optional(row, 5, "NOTIFY")?,
        orcpt: optional(row, 6, "ORCPT")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_stored_with_all_its_lines() {
        let lines = [Text::literal("first"), Text::default(), Text::literal("third 5.1.1")];
        for enhanced in [None, Some(Enhanced::of(5, 1, 1))] {
            let said = Reply::of_lines(Code::of(550), enhanced, lines.clone());
            assert_eq!(reply(&reply_text(&said)), Some(said));
        }
        for damaged in ["", "abc", "99", "250 x\nfine", "250\u{0}"] {
            assert_eq!(reply(damaged), None, "{damaged:?}");
        }
    }
}

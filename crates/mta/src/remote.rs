//! One message over one connection: its transactions, and what their replies mean for each recipient.
//!
//! Where a host decides about a recipient, that is the recipient's fate in this attempt. Where the session
//! fails before it did (421, a lost connection, silence, no SMTP), the recipient stays open, and another
//! host may be asked. What the replies mean is RFC 5321 §4.2, §4.5.3.1.10 and RFC 2033 §4.2; this module
//! knows no DNS, no other host, and not when anything is tried again.

mod progress;
mod requests;
mod words;

pub(crate) use progress::Progress;
pub(crate) use words::{fate_of, own_fate};

use crate::connection::{Broken, Connection, Outgoing};
use crate::loops;
use crate::story::Telling;
use crate::world::World;
use postrider_mail::Text;
use postrider_policy::route::{EightBit, Way};
use postrider_queue::{ContentError, Message, Outcome};
use postrider_smtp::client::{self, Failure, FailureKind, PassedOn, Stage, Transaction};
use postrider_smtp::server::Dialect;
use progress::{Group, Said};
use std::sync::Arc;

/// A message, and the host that the connection leads to.
pub(crate) struct Errand<'a> {
    /// The message.
    pub(crate) message: &'a Arc<Message>,
    /// How the host is to be treated.
    pub(crate) way: &'a Way,
    /// The host and its address: `mx.example [192.0.2.1]`.
    pub(crate) mta: Text,
}

/// How a message's transactions over a connection ended.
#[derive(Debug)]
pub(crate) enum Came {
    /// Every recipient is decided, and the connection may carry more.
    Usable,
    /// The host has taken as much as it takes over one connection (RFC 9422 §3). Recipients that are still
    /// open may go over another at once.
    Spent,
    /// The session failed, to the site's account. Recipients that are still open go to another host.
    Gone(Failure),
    /// A connection that carried messages before ended before this one began: no attempt, and nobody's
    /// fault. The same host may be asked over a fresh connection.
    Stale(Failure),
    /// The content cannot be read. Whether the connection is of use is for itself to say.
    Content(ContentError),
}

/// Brings the message to the recipients that are open, in as many transactions as it takes: one for those
/// that no alias stands before and one for each alias, and more where the host takes few at a time. Each
/// transaction decides for a recipient at least, so there are never more of them than recipients.
pub(crate) async fn transact(
    connection: &mut Connection,
    errand: &Errand<'_>,
    progress: &mut Progress,
    story: &mut Telling,
) -> Came {
    let world = connection.world();
    let forwarding = connection.dialect() == Dialect::Smtp;
    if forwarding && let Err(error) = refuse_loops(&world, errand, progress).await {
        return Came::Content(error);
    }
    refuse_eight_bit(connection, errand, progress);
    while let Some(group) = progress.next_group(forwarding) {
        if connection.messages() > 0 && connection.is_spent() {
            return Came::Spent;
        }
        let now = world.now();
        if requests::is_too_late(errand.message, now) {
            let why = "its sender wanted it back by now";
            progress.decide_open(&own_fate(Outcome::Deferred, 451, (4, 4, 7), why));
            break;
        }
        let alias = progress.alias_of(&group).filter(|_| forwarding).cloned();
        let prefix = alias.as_ref().map_or(Vec::new(), |alias| loops::delivered_to(alias).into_bytes());
        let mail = requests::mail(connection, errand, &prefix, now);
        let transaction = Transaction { mail, recipients: progress.rcpts(&group) };
        let mut content = match Outgoing::open(&world, errand.message, prefix).await {
            Ok(content) => content,
            Err(error) => return Came::Content(error),
        };
        match connection.send(transaction, &mut content, story).await {
            Ok(outcome) => {
                let said = said(connection, errand, outcome.passed_on);
                tell_what_was_left_out(&outcome, &said, progress, &group, story);
                let decided = progress.record(&group, outcome.fates, &said);
                let goes_on = connection.is_spent() && connection.messages() > 1;
                if decided == 0 && !goes_on {
                    // The engine leaves nothing undecided; a defect there must not become a loop here.
                    let why = "the host's replies decided nothing";
                    progress.decide_all(&group, &own_fate(Outcome::Deferred, 451, (4, 5, 0), why));
                }
                if !connection.is_usable() && !progress.is_done() {
                    return Came::Gone(out_of_step());
                }
            }
            Err(Broken::Content(error)) => return Came::Content(error),
            Err(Broken::Session(mut failure)) => {
                let fates = std::mem::take(&mut failure.fates);
                if fates.contains(&client::Fate::LostAfterDot) {
                    story.note("the answer to the content was lost: the message may arrive twice");
                }
                let said = said(connection, errand, connection.offer().passes_on());
                let decided = progress.record(&group, fates, &said);
                let stale = decided == 0 && connection.messages() > 0 && is_before_mail(&failure);
                return if stale { Came::Stale(failure) } else { Came::Gone(failure) };
            }
        }
    }
    if connection.is_usable() { Came::Usable } else { Came::Gone(out_of_step()) }
}

/// Who speaks for the recipients of a transaction at a host that was told this much.
fn said<'a>(connection: &Connection, errand: &'a Errand<'_>, passed_on: PassedOn) -> Said<'a> {
    let dialect = connection.dialect();
    let is_last = dialect == Dialect::Lmtp;
    let by = errand.message.requests.by.filter(|_| !is_last);
    let success = requests::success(by, passed_on);
    Said { dialect, mta: &errand.mta, success, forgets_deadline: by.is_some() && !passed_on.deliver_by }
}

/// Notes what a host that took the message could not be told.
fn tell_what_was_left_out(
    outcome: &client::Outcome,
    said: &Said<'_>,
    progress: &Progress,
    group: &Group,
    story: &mut Telling,
) {
    if !outcome.fates.iter().any(|fate| matches!(fate, client::Fate::Accepted(_))) {
        return;
    }
    if outcome.body_undeclared {
        story.note("8-bit content went to a host that does not offer 8BITMIME");
    }
    if !outcome.passed_on.dsn && progress.wants_success(group) {
        story.note("the host does not offer DSN: that it has the message is told from here");
    }
    if said.forgets_deadline {
        story.note("the host does not offer DELIVERBY, and knows nothing of the deadline");
    }
}

/// Whether the host had ended the session before it heard of the message.
fn is_before_mail(failure: &Failure) -> bool {
    match failure.stage {
        Stage::Idle => true,
        Stage::Reset | Stage::Mail => {
            matches!(failure.kind, FailureKind::Disconnected | FailureKind::Closing)
        }
        _ => false,
    }
}

fn out_of_step() -> Failure {
    Failure { stage: Stage::Idle, kind: FailureKind::OutOfTurn, reply: None, fates: Vec::new() }
}

/// A message that passed an alias before does not pass it again.
async fn refuse_loops(
    world: &World,
    errand: &Errand<'_>,
    progress: &mut Progress,
) -> Result<(), ContentError> {
    let aliases = progress.aliases();
    if aliases.is_empty() {
        return Ok(());
    }
    let section = if errand.message.content.is_in_memory() {
        loops::header_section(errand.message)?
    } else {
        let message = Arc::clone(errand.message);
        let read = world.blocking(move || loops::header_section(&message)).await;
        read.map_err(|_| ContentError::Io(std::io::Error::other("the read was given up")))??
    };
    for alias in aliases.iter().filter(|alias| loops::is_delivered_to(&section, alias)) {
        let why = format!("mail loop: this message has passed {alias} before");
        progress.decide_alias(alias, &own_fate(Outcome::Failed, 554, (5, 4, 6), why));
    }
    Ok(())
}

/// Content is never recoded: where a host does not offer 8BITMIME and the route says so, it is not sent
/// (RFC 6152 §3).
fn refuse_eight_bit(connection: &Connection, errand: &Errand<'_>, progress: &mut Progress) {
    let refused = requests::is_eight_bit(errand.message)
        && !requests::goes_as_binary(connection, errand.message)
        && !connection.offer().eight_bit_mime
        && errand.way.eight_bit == EightBit::Refuse;
    if refused {
        let why = format!("the message has 8-bit content, which {} does not offer to take", errand.mta);
        progress.decide_open(&own_fate(Outcome::Failed, 554, (5, 6, 3), why));
    }
}

#[cfg(test)]
mod tests;

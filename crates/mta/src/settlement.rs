//! Records what became of recipients, and tells it: the queue first, then the story and the log.

use crate::server::Server;
use crate::story::Telling;
use postrider_journal::What;
use postrider_journal::event::{Ending, Fate as Ended};
use postrider_mail::{AttemptId, ByMode, Mailbox, Notify, QueueId, Reason, Reply, Text, UnixMillis};
use postrider_queue::{
    Attempt, Became, Expired, Fate, Outcome, RecipientId, RouteKey, Settlement, State, Target,
};

/// Settles recipients of an attempt and tells what became of each.
pub(crate) async fn settle(
    server: &Server,
    story: &mut Telling,
    attempt: AttemptId,
    id: QueueId,
    fates: Vec<(&Target, Fate)>,
) {
    if fates.is_empty() {
        return;
    }
    let recorded: Vec<(RecipientId, Fate)> =
        fates.iter().map(|(target, fate)| (target.id, fate.clone())).collect();
    let settled =
        server.recorded(|| server.queue.settle(attempt, recorded.clone(), server.world.now())).await;
    match settled {
        Ok(settled) => {
            for ((target, fate), settlement) in fates.iter().zip(&settled.recipients) {
                let ended = (ending(fate.outcome, settlement), &fate.reply);
                log(id, &target.address, ended, fate.mta.as_str(), settlement);
                tell(story, id, target, ended, settlement);
            }
            notice_owed(server, story, &settled.recipients);
        }
        Err(error) => {
            tracing::error!(%id, %attempt, %error, "not settled; it is looked at again after a restart");
            story.note(format!("what became of it could not be recorded: {error}"));
        }
    }
}

/// Tells of recipients that the queue gave up without a last try.
pub(crate) fn tell_expired(server: &Server, expired: &[Expired]) {
    for one in expired {
        let id = one.message.id;
        let mut story = server.stories.begin(postrider_journal::Subject::Server, None);
        let deadline =
            one.message.requests.by.filter(|by| by.mode == ByMode::Return && by.at <= one.message.expires_at);
        story.note(match deadline {
            Some(by) => format!("given up: its sender wanted it back after {} (RFC 2852)", by.at.rfc5322()),
            None => "given up: it could not be delivered in time, and no connection was free for a last try"
                .into(),
        });
        for recipient in &one.recipients {
            let ended = (Ending::Failed, &recipient.reply);
            log(id, &recipient.target.address, ended, "local", &recipient.settlement);
            tell(&mut story, id, &recipient.target, ended, &recipient.settlement);
        }
        let settlements: Vec<_> = one.recipients.iter().map(|recipient| recipient.settlement).collect();
        notice_owed(server, &mut story, &settlements);
    }
}

/// Wakes whoever writes notices, once the journal has what they tell.
fn notice_owed(server: &Server, story: &mut Telling, settlements: &[Settlement]) {
    if settlements.iter().any(|settlement| settlement.owed.is_some()) {
        story.hand_over();
        server.owing.notify_one();
    }
}

fn ending(outcome: Outcome, settlement: &Settlement) -> Ending {
    match outcome {
        Outcome::Delivered => Ending::Delivered,
        Outcome::Relayed => Ending::Relayed,
        Outcome::Expanded => Ending::Expanded,
        Outcome::Discarded => Ending::Discarded,
        Outcome::Deferred if matches!(settlement.became, Became::Waiting { .. }) => Ending::Deferred,
        Outcome::Deferred | Outcome::Failed => Ending::Failed,
    }
}

fn next_attempt(settlement: &Settlement) -> Option<UnixMillis> {
    match settlement.became {
        Became::Waiting { next_attempt } => Some(next_attempt),
        Became::Final(_) | Became::Gone => None,
    }
}

/// A line for the log; what holds spaces is a text there, in quotes.
fn log(
    id: QueueId,
    recipient: &Mailbox,
    (ending, reply): (Ending, &Reply),
    by: &str,
    settlement: &Settlement,
) {
    let reply = reply.to_string();
    match ending {
        Ending::Deferred => {
            let next = next_attempt(settlement).map(|at| at.to_string()).unwrap_or_default();
            tracing::warn!(%id, %recipient, reply, by, next, "deferred");
        }
        Ending::Failed if settlement.became == Became::Final(State::Expired) => {
            tracing::warn!(%id, %recipient, reply, by, "expired");
        }
        Ending::Failed => tracing::warn!(%id, %recipient, reply, by, "failed"),
        Ending::Relayed => tracing::info!(%id, %recipient, reply, by, "relayed"),
        Ending::Discarded => tracing::info!(%id, %recipient, "discarded"),
        Ending::Delivered | Ending::Expanded => tracing::info!(%id, %recipient, "delivered"),
    }
}

fn tell(
    story: &mut Telling,
    id: QueueId,
    target: &Target,
    (ending, reply): (Ending, &Reply),
    settlement: &Settlement,
) {
    let next_attempt = next_attempt(settlement);
    let recipient = &target.address;
    story.add(What::Fate(Box::new(Ended {
        id,
        recipient: recipient.clone(),
        ending,
        reply: reply.clone(),
        next_attempt,
    })));
    if settlement.forbidden.is_some() {
        let reason = match target.notify {
            Some(notify) if !notify.wants(Notify::FAILURE) => {
                Reason::new("NOTIFY", format!("its sender asked for NOTIFY={notify} (RFC 3461 §4.1)"))
            }
            _ => Reason::new("null reverse-path", "no notice is ever sent about a notice (RFC 5321 §4.5.5)"),
        };
        story.add(What::Unreported { id, recipient: Box::new(recipient.clone()), reason: Box::new(reason) });
    }
}

/// What cannot be delivered as it is, is kept for the operator, neither tried for ever nor bounced.
pub(crate) async fn set_aside(
    server: &Server,
    story: &mut Telling,
    attempt: AttemptId,
    id: QueueId,
    why: &str,
) {
    tracing::error!(%id, why, "held");
    story.note(format!("held: {why}"));
    let held = server.recorded(|| server.queue.set_aside(attempt, Text::from(why), server.world.now()));
    if let Err(error) = held.await {
        tracing::error!(%id, %error, "the message could not be held; it is tried again after a restart");
        story.note(format!("it could not be held: {error}"));
    }
}

/// Gives an attempt back that nothing was done for.
pub(crate) async fn give_back(server: &Server, attempt: AttemptId, id: QueueId) {
    let given = server.recorded(|| server.queue.give_back(attempt, server.world.now())).await;
    if let Err(error) = given {
        tracing::error!(%id, %error, "an attempt was not given back; it is due after a restart");
    }
}

/// Gives back what nothing was done for of an attempt; other recipients of it may be under way another way.
pub(crate) async fn give_back_some(server: &Server, attempt: &Attempt, targets: &[Target]) {
    if targets.len() == attempt.recipients.len() {
        return give_back(server, attempt.id, attempt.message.id).await;
    }
    let here: Vec<(RecipientId, RouteKey)> =
        targets.iter().map(|target| (target.id, attempt.key.clone())).collect();
    let given = server.recorded(|| server.queue.reroute(attempt.id, here.clone(), server.world.now())).await;
    if let Err(error) = given {
        tracing::error!(id = %attempt.message.id, %error, "an attempt was not given back; it is due after a restart");
    }
}

//! Takes what is due out of the queue, sends it where it is routed now, and settles what became of it.

use crate::lending::{Borrowing, Lent};
use crate::limits::{DISPATCH_PAUSE, DISPATCH_SLEEP_MAX, SETTLE_INTERVAL};
use crate::local::{self, Delivery};
use crate::server::{Server, Settings, Stop, told_to_stop};
use crate::story::Telling;
use postrider_journal::event::{Attempt as Tried, Ending, Fate as Ended};
use postrider_journal::{Subject, What};
use postrider_mail::{Reason, Text, UnixMillis};
use postrider_policy::route::{Hop, Released, route};
use postrider_queue::{Attempt, Became, ContentError, Lease, Outcome, Settlement};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Runs until told to stop. `under_way` lives in every delivery, so that whoever waits for its other end
/// knows when the last has ended.
///
/// The loop never waits for a place while something else could come: a place may be in the hands of what
/// is on its way to this very loop.
pub async fn dispatch(
    server: Server,
    mut borrowing: Borrowing,
    mut stop: watch::Receiver<Stop>,
    under_way: mpsc::Sender<()>,
) {
    let room = Arc::clone(&borrowing.room);
    let mut is_due = true;
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => return,
            lent = borrowing.lent.recv() => match lent {
                Some(lent) => start(&server, &room, lent, &under_way),
                None => return,
            },
            Ok(place) = Arc::clone(&room).acquire_owned(), if is_due => {
                (is_due, wait) = lease(&server, &room, place, &under_way).await;
            }
            () = server.queue.changed(), if !is_due => is_due = true,
            () = tokio::time::sleep(wait), if !is_due => is_due = true,
        }
    }
}

/// Takes what is due, as much as there is room for; says whether there may be more, and how long to sleep
/// if not.
async fn lease(
    server: &Server,
    room: &Arc<Semaphore>,
    place: OwnedSemaphorePermit,
    under_way: &mpsc::Sender<()>,
) -> (bool, Duration) {
    let free = u32::try_from(1 + room.available_permits()).unwrap_or(u32::MAX);
    let now = server.world.now();
    let lease = Lease { now, limit: free as usize, room_per_key: free, room: Vec::new() };
    let leased = match server.queue.lease(lease).await {
        Ok(leased) => leased,
        Err(error) => {
            tracing::error!(%error, "the queue cannot be asked for what is due");
            return (false, DISPATCH_PAUSE);
        }
    };
    let found = !leased.attempts.is_empty();
    let mut place = Some(place);
    for attempt in leased.attempts {
        start(server, room, Lent { attempt, place: place.take() }, under_way);
    }
    (found, sleep(now, leased.next_due))
}

fn sleep(now: UnixMillis, next_due: Option<UnixMillis>) -> Duration {
    let wait = next_due.map_or(DISPATCH_SLEEP_MAX, |due| due.since(now));
    wait.clamp(Duration::from_millis(1), DISPATCH_SLEEP_MAX)
}

/// Starts one attempt; it waits for a place itself, where it has none.
fn start(server: &Server, room: &Arc<Semaphore>, lent: Lent, under_way: &mpsc::Sender<()>) {
    let (server, room, under_way) = (server.clone(), Arc::clone(room), under_way.clone());
    tokio::spawn(async move {
        let place = match lent.place {
            Some(place) => Ok(place),
            None => room.acquire_owned().await,
        };
        // The semaphore is never closed.
        if let Ok(place) = place {
            carry_out(&server, lent.attempt, place).await;
        }
        drop(under_way);
    });
}

/// One attempt, from its routes to its settlement.
async fn carry_out(server: &Server, attempt: Attempt, place: OwnedSemaphorePermit) {
    let settings = server.settings();
    let id = attempt.message.id;
    let mut story = server.stories.begin(Subject::Attempt(attempt.id), None);
    story.add(What::Attempt(Box::new(Tried { id, host: Text::literal("local"), address: None })));
    if let Some(message_id) = &attempt.message.message_id {
        story.found_by(message_id);
    }
    let attempt = Arc::new(attempt);
    let work = {
        let (server, settings, attempt) = (server.clone(), Arc::clone(&settings), Arc::clone(&attempt));
        server.world.clone().blocking(move || deliver_routed(&server, &settings, &attempt))
    };
    let Ok(deliveries) = work.await else {
        // The delivery panicked: a defect, which must neither lose the message nor be repeated for ever.
        let why = "the delivery ended without a result; this is a defect of the server";
        return set_aside(server, &mut story, &attempt, why).await;
    };
    drop(place);
    for delivery in &deliveries {
        if let Some(file) = &delivery.file {
            story.add(What::Delivered {
                recipient: Box::new(delivery.address.clone()),
                file: Text::from(file.to_string_lossy().as_ref()),
            });
        }
    }
    if let Some(error) = deliveries.iter().find_map(damage) {
        return set_aside(server, &mut story, &attempt, &error.to_string()).await;
    }
    settle_slot(server).await;
    let fates: Vec<_> =
        deliveries.iter().map(|delivery| (delivery.recipient, delivery.fate.clone())).collect();
    let settled =
        server.recorded(|| server.queue.settle(attempt.id, fates.clone(), server.world.now())).await;
    match settled {
        Ok(settled) => {
            for (delivery, settlement) in deliveries.iter().zip(&settled.recipients) {
                tell(&mut story, &attempt, delivery, settlement);
            }
        }
        Err(error) => {
            tracing::error!(%id, attempt = %attempt.id, %error, "not settled; the deliveries are looked at again after a restart");
            story.note(format!("what became of it could not be recorded: {error}"));
        }
    }
}

/// Waits for the next moment at which deliveries are settled. All that ended meanwhile settle together, in
/// one commit and one sync; what a crash repeats meanwhile is recognised by its name in the mailbox.
async fn settle_slot(server: &Server) {
    let since = server.world.instant().saturating_duration_since(server.started);
    let slot = SETTLE_INTERVAL.as_micros();
    let wait = slot - since.as_micros() % slot;
    tokio::time::sleep(Duration::from_micros(u64::try_from(wait).unwrap_or(0))).await;
}

/// Delivers those recipients that are routed here now; the others wait.
fn deliver_routed(server: &Server, settings: &Settings, attempt: &Attempt) -> Vec<Delivery> {
    let (here, nowhere): (Vec<_>, Vec<_>) = attempt.recipients.iter().cloned().partition(|target| {
        route(&settings.rules.routes, &settings.rules.local, &target.address, Released::No)
            == Some(&Hop::Local)
    });
    let mut deliveries = local::deliver(server, settings, &Attempt { recipients: here, ..attempt.clone() });
    deliveries.extend(nowhere.into_iter().map(|target| Delivery {
        recipient: target.id,
        fate: local::fate(
            Outcome::Deferred,
            451,
            (4, 4, 4),
            format!("no route leads to {} now", target.address.host()),
        ),
        address: target.address,
        file: None,
        content: None,
    }));
    deliveries
}

/// Content that is not what was accepted.
fn damage(delivery: &Delivery) -> Option<&ContentError> {
    delivery.content.as_ref().filter(|error| matches!(error, ContentError::Missing | ContentError::Damaged))
}

/// What cannot be delivered as it is, is kept for the operator, neither tried for ever nor bounced.
async fn set_aside(server: &Server, story: &mut Telling, attempt: &Attempt, why: &str) {
    let id = attempt.message.id;
    tracing::error!(%id, why, "held");
    story.note(format!("held: {why}"));
    let held = server.recorded(|| server.queue.set_aside(attempt.id, Text::from(why), server.world.now()));
    if let Err(error) = held.await {
        tracing::error!(%id, %error, "the message could not be held; it is tried again after a restart");
        story.note(format!("it could not be held: {error}"));
    }
}

fn tell(story: &mut Telling, attempt: &Attempt, delivery: &Delivery, settlement: &Settlement) {
    let id = attempt.message.id;
    let next_attempt = match settlement.became {
        Became::Waiting { next_attempt } => Some(next_attempt),
        Became::Final(_) | Became::Gone => None,
    };
    let ending = match delivery.fate.outcome {
        Outcome::Delivered => Ending::Delivered,
        Outcome::Relayed => Ending::Relayed,
        Outcome::Expanded => Ending::Expanded,
        Outcome::Deferred if next_attempt.is_some() => Ending::Deferred,
        Outcome::Deferred | Outcome::Failed => Ending::Failed,
    };
    let (recipient, reply) = (&delivery.address, &delivery.fate.reply);
    match ending {
        Ending::Deferred => {
            let next = next_attempt.map(|at| at.to_string()).unwrap_or_default();
            tracing::warn!(%id, %recipient, %reply, next, "deferred");
        }
        Ending::Failed => tracing::warn!(%id, %recipient, %reply, "failed"),
        _ => tracing::info!(%id, %recipient, "delivered"),
    }
    story.add(What::Fate(Box::new(Ended {
        id,
        recipient: recipient.clone(),
        ending,
        reply: reply.clone(),
        next_attempt,
    })));
    if settlement.forbidden.is_some() {
        let reason =
            Reason::new("null reverse-path", "no notice is ever sent about a notice (RFC 5321 §4.5.5)");
        story.add(What::Unreported { id, recipient: Box::new(recipient.clone()), reason: Box::new(reason) });
    }
}

//! Takes what is due out of the queue, sends it where it is routed now, and settles what became of it.

use crate::lending::{Borrowing, Lent};
use crate::limits::{DISPATCH_PAUSE, DISPATCH_SLEEP_MAX, SETTLE_INTERVAL};
use crate::local::{self, Delivery};
use crate::server::told_to_stop;
use crate::server::{Server, Settings};
use crate::story::Telling;
use postrider_journal::event::{Attempt as Tried, Ending, Fate as Ended};
use postrider_journal::{Subject, What};
use postrider_mail::{Reason, Text, UnixMillis};
use postrider_policy::route::{Hop, route};
use postrider_queue::{Attempt, Became, ContentError, Lease, Outcome, Settlement};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Runs until told to stop, then until what is under way has ended or `under_way` is abandoned.
pub async fn dispatch(
    server: Server,
    mut borrowing: Borrowing,
    mut stop: watch::Receiver<bool>,
    under_way: mpsc::Sender<()>,
) {
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut stop) => return,
            lent = borrowing.lent.recv() => match lent {
                Some(lent) => start(&server, &borrowing.room, lent, &under_way).await,
                None => return,
            },
            () = server.queue.changed() => wait = lease(&server, &borrowing.room, &under_way).await,
            () = tokio::time::sleep(wait) => wait = lease(&server, &borrowing.room, &under_way).await,
        }
    }
}

/// Takes what is due while there is room; gives how long to sleep.
async fn lease(server: &Server, room: &Arc<Semaphore>, under_way: &mpsc::Sender<()>) -> Duration {
    loop {
        // Without room there is nothing to ask for: wait for one delivery to end.
        let Ok(first) = Arc::clone(room).acquire_owned().await else { return DISPATCH_SLEEP_MAX };
        let free = u32::try_from(1 + room.available_permits()).unwrap_or(u32::MAX);
        let now = server.world.now();
        let lease = Lease { now, limit: free as usize, room_per_key: free, room: Vec::new() };
        let leased = match server.queue.lease(lease).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be asked for what is due");
                return DISPATCH_PAUSE;
            }
        };
        let found = leased.attempts.len();
        let mut first = Some(first);
        for attempt in leased.attempts {
            start(server, room, Lent { attempt, place: first.take() }, under_way).await;
        }
        if found == 0 {
            return sleep(now, leased.next_due);
        }
    }
}

fn sleep(now: UnixMillis, next_due: Option<UnixMillis>) -> Duration {
    let wait = next_due.map_or(DISPATCH_SLEEP_MAX, |due| due.since(now));
    wait.clamp(Duration::from_millis(1), DISPATCH_SLEEP_MAX)
}

/// Starts one attempt once it has a place.
async fn start(server: &Server, room: &Arc<Semaphore>, lent: Lent, under_way: &mpsc::Sender<()>) {
    let place = match lent.place {
        Some(place) => place,
        None => match Arc::clone(room).acquire_owned().await {
            Ok(place) => place,
            Err(_) => return,
        },
    };
    let (server, under_way) = (server.clone(), under_way.clone());
    tokio::spawn(async move {
        carry_out(&server, lent.attempt, place).await;
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
        // The runtime is going down: the attempt is in flight until the next start, which takes it up.
        story.note("the delivery was cut short; it is tried again after the restart");
        return;
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
        return set_aside(server, &mut story, &attempt, error).await;
    }
    settle_slot(server).await;
    let fates = deliveries.iter().map(|delivery| (delivery.recipient, delivery.fate.clone())).collect();
    match server.queue.settle(attempt.id, fates, server.world.now()).await {
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
        route(&settings.routes, &settings.rules.local, &target.address) == Some(Hop::Local)
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

/// What cannot be read is kept for the operator, neither tried for ever nor bounced.
async fn set_aside(server: &Server, story: &mut Telling, attempt: &Attempt, error: &ContentError) {
    let id = attempt.message.id;
    tracing::error!(%id, %error, "set aside");
    story.note(format!("held: {error}"));
    let now = server.world.now();
    if let Err(error) = server.queue.set_aside(attempt.id, Text::from(error.to_string()), now).await {
        tracing::error!(%id, %error, "the message could not be set aside");
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

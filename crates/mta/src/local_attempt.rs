//! One attempt whose recipients are on this host: a place among the deliveries, the disk, the settlement.

use crate::limits::SETTLE_INTERVAL;
use crate::local::{self, Delivery};
use crate::server::Server;
use crate::settlement::{set_aside, settle};
use crate::story::Telling;
use postrider_journal::event::Attempt as Tried;
use postrider_journal::{Subject, What};
use postrider_mail::Text;
use postrider_queue::{Attempt, ContentError, Target};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Delivers to these recipients of the attempt, on a thread that may block, and settles them.
pub(crate) async fn deliver(
    server: &Server,
    attempt: Arc<Attempt>,
    targets: Vec<Target>,
    place: OwnedSemaphorePermit,
) {
    let id = attempt.message.id;
    let mut story = begin(server, &attempt, &targets, Text::literal("local"));
    let targets = Arc::new(targets);
    let work = {
        let (server, settings) = (server.clone(), server.settings());
        let (attempt, targets) = (Arc::clone(&attempt), Arc::clone(&targets));
        server.world.clone().blocking(move || local::deliver(&server, &settings, &attempt.message, &targets))
    };
    let Ok(deliveries) = work.await else {
        // The delivery panicked: a defect, which must neither lose the message nor be repeated for ever.
        let why = "the delivery ended without a result; this is a defect of the server";
        return set_aside(server, &mut story, attempt.id, id, why).await;
    };
    drop(place);
    for (target, delivery) in targets.iter().zip(&deliveries) {
        if let Some(file) = &delivery.file {
            story.add(What::Delivered {
                recipient: Box::new(target.address.clone()),
                file: Text::from(file.to_string_lossy().as_ref()),
            });
        }
    }
    if let Some(error) = deliveries.iter().find_map(damage) {
        return set_aside(server, &mut story, attempt.id, id, &error.to_string()).await;
    }
    settle_slot(server).await;
    let fates = targets.iter().zip(deliveries).map(|(target, delivery)| (target, delivery.fate));
    settle(server, &mut story, attempt.id, id, fates.collect()).await;
}

/// The story of an attempt that begins now.
pub(crate) fn begin(server: &Server, attempt: &Attempt, targets: &[Target], host: Text) -> Telling {
    let mut story = server.stories.begin(Subject::Attempt(attempt.id), None);
    let number = 1 + targets.iter().map(|target| target.attempts).max().unwrap_or(0);
    story.add(What::Attempt(Box::new(Tried { id: attempt.message.id, host, address: None, number })));
    if let Some(message_id) = &attempt.message.message_id {
        story.found_by(message_id);
    }
    for target in targets {
        story.found_by_origin(target);
    }
    story
}

/// Content that is not what was accepted.
fn damage(delivery: &Delivery) -> Option<&ContentError> {
    delivery.content.as_ref().filter(|error| matches!(error, ContentError::Missing | ContentError::Damaged))
}

/// Waits for the next moment at which deliveries are settled. All that ended meanwhile settle together, in
/// one commit and one sync; what a crash repeats meanwhile is recognised by its name in the mailbox.
async fn settle_slot(server: &Server) {
    let since = server.world.instant().saturating_duration_since(server.started);
    let slot = SETTLE_INTERVAL.as_micros();
    let wait = slot - since.as_micros() % slot;
    tokio::time::sleep(Duration::from_micros(u64::try_from(wait).unwrap_or(0))).await;
}

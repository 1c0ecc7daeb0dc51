//! Carries the messages of one route key to the next host, one after the other, over whatever connection is free.
//!
//! Trouble with a host (no connection, a refusal to serve, 421, silence, nonsense) is the host's, and the message
//! goes to the next one; an answer about the message is the message's, and stands.

mod trip;

use crate::destinations::{Load, Seat};
use crate::local_attempt;
use crate::server::{Server, Stop};
use crate::settlement::{give_back_some, set_aside};
use postrider_mail::Text;
use trip::{End, Trip};

/// Works for a key until nothing waits there, or the server stops.
pub(crate) async fn courier(server: Server, mut seat: Seat) {
    while *server.stop.borrow() == Stop::No
        && let Some(load) = seat.next()
    {
        let attempts: Vec<_> = load.jobs.iter().map(|job| job.attempt.clone()).collect();
        // A task of its own: a panic ends this attempt and no more.
        if tokio::spawn(carry(server.clone(), load)).await.is_ok() {
            continue;
        }
        for attempt in attempts {
            let mut story =
                local_attempt::begin(&server, &attempt, &attempt.recipients, Text::literal("(defect)"));
            let why = "the delivery ended without a result; this is a defect of the server";
            set_aside(&server, &mut story, attempt.id, attempt.message.id, why).await;
        }
    }
}

/// One message to one destination.
async fn carry(server: Server, load: Load) {
    let mut trip = Trip::new(&server, &load.jobs);
    let end = trip.run().await;
    trip.settle().await;
    if end == End::Stopped {
        for job in &load.jobs {
            give_back_some(&server, &job.attempt, &job.targets).await;
        }
    }
}

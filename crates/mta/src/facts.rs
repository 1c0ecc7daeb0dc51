//! Fetches the facts that policy asks for, each once, under a deadline.

use crate::limits::FACT_TIMEOUT;
use crate::server::{Server, Settings};
use postrider_mail::Mailbox;
use postrider_policy::admit::Fact;
use postrider_policy::expand::{Expansion, expand};
use postrider_policy::port::Unavailable;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A fact that is there at once, or on its way.
pub(crate) enum Fetched {
    Now(Fact<Expansion>),
    Later(Pin<Box<dyn Future<Output = Fact<Expansion>> + Send>>),
}

/// Who stands behind `address`.
pub(crate) fn directory(server: &Server, settings: &Arc<Settings>, address: Mailbox) -> Fetched {
    let directory = Arc::clone(&server.directory);
    if settings.rules.local.is_every() {
        // Needs no look-up, so nothing can block.
        return Fetched::Now(fact(expand(&*directory, &settings.rules.local, &address)));
    }
    let settings = Arc::clone(settings);
    let answer = server.world.blocking(move || fact(expand(&*directory, &settings.rules.local, &address)));
    Fetched::Later(Box::pin(async move {
        match tokio::time::timeout(FACT_TIMEOUT, answer).await {
            Ok(Ok(fact)) => fact,
            Ok(Err(_)) => Fact::Unavailable("the look-up ended without an answer".into()),
            Err(_) => Fact::Unavailable(format!("no answer within {} s", FACT_TIMEOUT.as_secs())),
        }
    }))
}

fn fact(answer: Result<Expansion, Unavailable>) -> Fact<Expansion> {
    match answer {
        Ok(expansion) => Fact::Known(expansion),
        Err(unavailable) => Fact::Unavailable(unavailable.to_string()),
    }
}

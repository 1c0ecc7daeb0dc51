//! Fetches the facts that policy asks for, each once, under a deadline.

use crate::limits::FACT_TIMEOUT;
use crate::server::{Server, Settings};
use postrider_mail::Mailbox;
use postrider_policy::admit::Fact;
use postrider_policy::expand::{Expansion, expand};
use postrider_policy::port::Directory;
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
        return Fetched::Now(look_up(&*directory, settings, &address));
    }
    let settings = Arc::clone(settings);
    let answer = server.world.blocking(move || look_up(&*directory, &settings, &address));
    Fetched::Later(Box::pin(async move {
        match tokio::time::timeout(FACT_TIMEOUT, answer).await {
            Ok(Ok(fact)) => fact,
            Ok(Err(_)) => Fact::Unavailable("the look-up ended without an answer".into()),
            Err(_) => Fact::Unavailable(format!("no answer within {} s", FACT_TIMEOUT.as_secs())),
        }
    }))
}

fn look_up(directory: &dyn Directory, settings: &Settings, address: &Mailbox) -> Fact<Expansion> {
    let rules = &settings.rules;
    match expand(directory, &rules.local, &rules.routes, address) {
        Ok(expansion) => Fact::Known(expansion),
        Err(unavailable) => Fact::Unavailable(unavailable.to_string()),
    }
}

//! What a host's trouble means for the trip, what was decided in the end, and in which words it is told.

use super::{Tried, Trip};
use crate::destinations::Slot;
use crate::hosts::Target as HostTarget;
use crate::net::Endpoint;
use crate::remote::{fate_of, own_fate};
use crate::settlement::{set_aside, settle};
use postrider_journal::What;
use postrider_journal::event::HostResult;
use postrider_mail::Text;
use postrider_policy::route::Hop;
use postrider_queue::{ContentError, Fate, Outcome, Target};
use postrider_smtp::client::{Failure, Stage};
use std::io;

impl Trip<'_> {
    /// No connection.
    pub(super) fn unreached(&mut self, target: &HostTarget, slot: Slot, error: &io::Error) -> Tried {
        let why = Text::from(words(error));
        self.story.add(What::Host(Box::new(target.tried(HostResult::Failed, Some(why.clone())))));
        tracing::info!(id = %self.message.id, host = %target.name(), endpoint = %target.endpoint, why = why.as_str(), "not reached");
        let text = format!("{}: {why}", place(target));
        if is_our_own_lack(error) {
            // No answer is missing: this host has a trouble of its own (RFC 3463 §3.4).
            self.undecided(own_fate(Outcome::Deferred, 451, (4, 3, 0), text));
            drop(slot);
            return Tried::Next;
        }
        let mut fate = own_fate(Outcome::Deferred, 451, (4, 4, 1), text);
        fate.mta = mta(target);
        self.undecided(fate);
        let others = self.blame(slot, &why);
        if others > 0 { Tried::WaitForTurn } else { Tried::Next }
    }

    /// The host would not serve us, or broke off.
    pub(super) fn broke_off(&mut self, target: &HostTarget, slot: Slot, failure: &Failure) -> Tried {
        let why = Text::from(failure.to_string());
        self.story.add(What::Host(Box::new(target.tried(HostResult::Failed, Some(why.clone())))));
        tracing::info!(id = %self.message.id, host = %target.name(), endpoint = %target.endpoint, why = why.as_str(), "broke off");
        self.undecided(fate_of(failure, &mta(target)));
        let others = self.blame(slot, &why);
        let at_the_door = matches!(failure.stage, Stage::Greeting | Stage::Hello);
        match self.progress.is_done() {
            true => Tried::Done,
            // Whoever takes no mail at all (RFC 7504 §3) has no turn to wait for.
            false if others > 0 && at_the_door && !failure.takes_no_mail() => Tried::WaitForTurn,
            false => Tried::Next,
        }
    }

    /// Counts trouble against the site, while its connection still counts as one.
    fn blame(&self, slot: Slot, why: &Text) -> u32 {
        let rest = self.settings.outbound.rest;
        let others = self.server.destinations.trouble(&slot, why, rest, self.now());
        drop(slot);
        others
    }

    pub(super) fn unreadable(&mut self, error: ContentError) -> Tried {
        match error {
            ContentError::Missing | ContentError::Damaged => self.damage = Some(error),
            ContentError::Gone | ContentError::Io(_) => {
                let fate = own_fate(Outcome::Deferred, 451, (4, 3, 0), error.to_string());
                self.progress.decide_open(&fate);
            }
        }
        Tried::Done
    }

    /// What is said of those still open when no host is left. Only when every host has refused for good is it a
    /// failure.
    pub(super) fn undecided(&mut self, fate: Fate) {
        match &self.last {
            Some(last) if last.outcome == Outcome::Deferred && fate.outcome == Outcome::Failed => {}
            _ => self.last = Some(fate),
        }
    }

    /// Records what was decided, then lets the connection go on.
    pub(in crate::courier) async fn settle(mut self) {
        let fates = self.progress.into_fates();
        let mut fates = fates.into_iter();
        for job in self.jobs {
            let id = self.message.id;
            // The progress has the recipients of all jobs in their order.
            let decided: Vec<(Target, Fate)> = fates
                .by_ref()
                .take(job.targets.len())
                .filter_map(|(target, fate)| fate.map(|fate| (target, fate)))
                .collect();
            let some_open = decided.len() < job.targets.len();
            let decided = decided.iter().map(|(target, fate)| (target, fate.clone())).collect();
            settle(self.server, &mut self.story, job.attempt.id, id, decided).await;
            if let Some(error) = self.damage.as_ref().filter(|_| some_open) {
                set_aside(self.server, &mut self.story, job.attempt.id, id, &error.to_string()).await;
            }
        }
        let Some(lent) = self.lent else { return };
        let messages_max = self.settings.outbound.messages_per_connection;
        if lent.connection.messages() >= messages_max || lent.connection.is_spent() {
            tokio::spawn(crate::destinations::end(*lent));
        } else {
            self.server.destinations.give(lent, self.server.world.instant());
        }
    }
}

/// Where the trip leads, for the head of its story.
pub(super) fn heading(hop: &Hop, targets: &[Target]) -> Text {
    match (hop, targets.first()) {
        (Hop::Mx(_), Some(target)) => Text::from(target.address.host().to_string()),
        _ => Text::from(hop.to_string()),
    }
}

/// Who answered: `mx.example.org [192.0.2.1]`.
pub(super) fn mta(target: &HostTarget) -> Text {
    match &target.endpoint {
        Endpoint::Tcp(address) if is_named(target) => {
            Text::from(format!("{} [{}]", target.name(), address.ip()))
        }
        _ => target.name(),
    }
}

/// Where it was tried: `mx.example.org at 192.0.2.1:25`.
fn place(target: &HostTarget) -> Text {
    if is_named(target) {
        Text::from(format!("{} at {}", target.name(), target.endpoint))
    } else {
        Text::from(target.endpoint.to_string())
    }
}

/// Whether it has a name beside its address: no address literal, no socket.
fn is_named(target: &HostTarget) -> bool {
    matches!(target.endpoint, Endpoint::Tcp(_)) && !target.name().as_str().starts_with('[')
}

/// What the system says of a connection that could not be made.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "no connection in time".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    }
}

/// Out of descriptors, memory or ports: no fault of the other end.
fn is_our_own_lack(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    let number = error.raw_os_error();
    lacks.iter().any(|lack| number == Some(lack.raw_os_error()))
}

//! Carries commands out. Every command that changes something is recorded in the journal, with who gave it.

use crate::command::{Activity, Answer, Changed, Command, DestinationView, Health, Pauses, Who};
use postrider_journal::{Journal, Query, Reader, Story, Subject, What};
use postrider_mail::{QueueId, Reason, Text, UnixMillis};
use postrider_queue::{Filter, Operated, Queue, Unable};
use std::future::Future;
use std::io;
use std::sync::Arc;

/// Ids that an answer and the record of a command list.
const IDS_LISTED_MAX: usize = 20;

/// Steps of one command. Each looks at a bounded part of the queue; together they cover millions.
const STEPS_MAX: usize = 100_000;

/// Destinations that one answer lists.
const DESTINATIONS_LISTED_MAX: usize = 1000;

/// Knows where mail is leaving for. A server's dispatcher does; without a server nothing leaves.
pub trait Destinations: Send + Sync {
    /// Every destination with mail on its way or waiting for a connection, and every one that rests; in any
    /// order. Must not block.
    fn view(&self) -> Vec<DestinationView>;

    /// All of it in numbers; `None`: nothing ever leaves. Must not block.
    fn activity(&self) -> Option<Activity>;

    /// Hosts that are left alone for a while are tried again with the next message: the operator asks for it.
    fn forget_rests(&self);
}

/// Nothing is on its way.
struct Nowhere;

impl Destinations for Nowhere {
    fn view(&self) -> Vec<DestinationView> {
        Vec::new()
    }

    fn activity(&self) -> Option<Activity> {
        None
    }

    fn forget_rests(&self) {}
}

/// Carries out commands against one queue and one journal.
#[derive(Clone)]
pub struct Executor {
    queue: Queue,
    journal: Journal,
    reader: Reader,
    clock: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
    destinations: Arc<dyn Destinations>,
}

impl Executor {
    /// The clock gives the moment at which a command takes effect. Nothing is on its way to anywhere, unless
    /// [`Executor::with_destinations`] says otherwise.
    pub fn new(
        queue: Queue,
        journal: Journal,
        reader: Reader,
        clock: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
    ) -> Self {
        Self { queue, journal, reader, clock, destinations: Arc::new(Nowhere) }
    }

    /// The same, beside a dispatcher that can be asked.
    #[must_use]
    pub fn with_destinations(self, destinations: Arc<dyn Destinations>) -> Self {
        Self { destinations, ..self }
    }

    /// Whether [`Executor::look`] answers this command; else [`Executor::change`] does.
    pub fn is_look(command: &Command) -> bool {
        matches!(
            command,
            Command::List { .. }
                | Command::Show { .. }
                | Command::Health
                | Command::Destinations
                | Command::Trace { .. }
        )
    }

    /// Answers a command that only looks. Blocks on disks.
    pub fn look(&self, command: &Command) -> Answer {
        let looked = match command {
            Command::List { filter, after, limit } => {
                self.queue.list(filter, *after, *limit).map(Answer::Listing)
            }
            Command::Show { id } => {
                self.queue.show(*id).map(|message| Answer::Message { message: message.map(Box::new) })
            }
            Command::Health => self.health().map(Answer::Health),
            Command::Destinations => Ok(self.destinations()),
            Command::Trace { what, limit } => Ok(self.trace(what, *limit)),
            _ => Ok(Answer::Failed { why: Text::literal("this command changes something") }),
        };
        looked.unwrap_or_else(|error| failed(&error))
    }

    fn health(&self) -> io::Result<Health> {
        let mut troubles = Vec::new();
        if let Err(poisoned) = self.queue.health() {
            troubles.push(Text::from(poisoned.to_string()));
        }
        let counts = self.journal.counts();
        if counts.lost > 0 {
            troubles.push(Text::from(format!("{} stories could not be written to the journal", counts.lost)));
        }
        let (queue, pauses) = (self.queue.stats()?, self.queue.pauses()?);
        Ok(Health { troubles, queue, pauses, activity: self.destinations.activity() })
    }

    fn destinations(&self) -> Answer {
        let mut destinations = self.destinations.view();
        destinations
            .sort_by(|a, b| (a.resting_until.is_none(), &a.key).cmp(&(b.resting_until.is_none(), &b.key)));
        let unlisted = destinations.len().saturating_sub(DESTINATIONS_LISTED_MAX) as u64;
        destinations.truncate(DESTINATIONS_LISTED_MAX);
        Answer::Destinations { destinations, unlisted }
    }

    fn trace(&self, what: &Text, limit: usize) -> Answer {
        // What was told a moment ago is to be found too. A writer that has ended says so in `remarks`.
        let flushed = self.journal.flush();
        let Ok(query) = what.as_str().parse::<Query>();
        match self.reader.find(&query.at_most(limit)) {
            Ok(found) => {
                let mut remarks: Vec<Text> =
                    found.remarks.iter().map(|r| Text::from(r.to_string())).collect();
                if flushed.is_err() {
                    remarks.push(Text::literal(
                        "the journal's writer has ended: the newest stories are missing",
                    ));
                }
                Answer::Stories { stories: found.stories, remarks }
            }
            Err(error) => failed(&error),
        }
    }

    /// Carries out a command that changes something, and records it.
    pub async fn change(&self, who: &Who, command: Command) -> Answer {
        let words = words(&command);
        let answer = self.carry_out(command).await;
        let outcome = match &answer {
            Answer::Changed(changed) => {
                let ids: String = changed.ids.iter().map(|id| format!(" {id}")).collect();
                let more = if changed.messages > changed.ids.len() as u64 { " …" } else { "" };
                let messages = if changed.messages == 1 { "message" } else { "messages" };
                format!("{words}: {} {messages} changed{ids}{more}", changed.messages)
            }
            Answer::Failed { why } => format!("{words}: {why}"),
            _ => words,
        };
        self.record(who, &outcome);
        answer
    }

    async fn carry_out(&self, command: Command) -> Answer {
        let now = (self.clock)();
        let queue = &self.queue;
        match command {
            Command::Hold { filter, why } => {
                let reason = Reason::new("operator", why);
                all(|after| queue.hold(filter.clone(), after, reason.clone(), now)).await
            }
            Command::Release { filter } => all(|after| queue.release(filter.clone(), after, now)).await,
            Command::Retry { filter } => {
                self.destinations.forget_rests();
                all(|after| queue.retry(filter.clone(), after, now)).await
            }
            Command::Delete { filter } => all(|after| queue.delete(filter.clone(), after, now)).await,
            Command::Pause { key, why } => self.paused(queue.pause(key, why, now).await),
            Command::Resume { key } => self.paused(queue.resume(key, now).await),
            Command::List { .. }
            | Command::Show { .. }
            | Command::Health
            | Command::Destinations
            | Command::Trace { .. } => Answer::Failed { why: Text::literal("this command changes nothing") },
        }
    }

    fn paused(&self, done: Result<(), Unable>) -> Answer {
        match done {
            Ok(()) => match self.queue.pauses() {
                Ok(pauses) => Answer::Pauses(Pauses { pauses }),
                Err(error) => failed(&error),
            },
            Err(unable) => failed(&unable),
        }
    }

    fn record(&self, who: &Who, outcome: &str) {
        let now = (self.clock)();
        let mut story = Story::new(Subject::Operator, now, None);
        story.add(now, What::Command { who: who.0.clone(), text: Text::from(outcome) });
        self.journal.tell(story);
    }
}

/// Takes every step of one command, each a transaction of its own.
async fn all<F>(mut step: impl FnMut(Option<QueueId>) -> F) -> Answer
where
    F: Future<Output = Result<Operated, Unable>>,
{
    let mut changed = Changed::default();
    let mut after = None;
    for _ in 0..STEPS_MAX {
        match step(after).await {
            Ok(operated) => {
                changed.messages += operated.ids.len() as u64;
                let room = IDS_LISTED_MAX.saturating_sub(changed.ids.len());
                changed.ids.extend(operated.ids.into_iter().take(room));
                after = operated.next;
            }
            Err(unable) => {
                let why = format!("after {} messages: {unable}", changed.messages);
                return Answer::Failed { why: Text::from(why) };
            }
        }
        if after.is_none() {
            break;
        }
    }
    Answer::Changed(changed)
}

fn failed(error: &dyn std::fmt::Display) -> Answer {
    Answer::Failed { why: Text::from(error.to_string()) }
}

/// A command in words, for the record.
fn words(command: &Command) -> String {
    let key = |key: &Option<postrider_queue::RouteKey>| {
        key.as_ref().map_or_else(|| "everything".to_owned(), ToString::to_string)
    };
    match command {
        Command::Hold { filter, why } => format!("queue hold {} ({why})", which(filter)),
        Command::Release { filter } => format!("queue release {}", which(filter)),
        Command::Retry { filter } => format!("queue retry {}", which(filter)),
        Command::Delete { filter } => format!("queue delete {}", which(filter)),
        Command::Pause { key: paused, why } => format!("queue pause {} ({why})", key(paused)),
        Command::Resume { key: paused } => format!("queue resume {}", key(paused)),
        Command::List { .. } => "queue list".into(),
        Command::Show { id } => format!("queue show {id}"),
        Command::Health => "health".into(),
        Command::Destinations => "queue destinations".into(),
        Command::Trace { what, .. } => format!("trace {what}"),
    }
}

/// A filter in words: what it asks for, and nothing it does not.
fn which(filter: &Filter) -> String {
    let mut parts = Vec::new();
    let mut part = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{name}={value}"));
        }
    };
    part("id", filter.id.map(|id| id.to_string()));
    part("sender", filter.sender.clone());
    part("message-id", filter.message_id.clone());
    part("held", filter.held.map(|held| held.to_string()));
    part("received-before", filter.received_before.map(|at| at.to_string()));
    part("received-after", filter.received_after.map(|at| at.to_string()));
    part("recipient", filter.recipient.clone());
    part("key", filter.key.as_ref().map(ToString::to_string));
    part("state", filter.state.map(|state| format!("{state:?}").to_lowercase()));
    part("owing", filter.owing.map(|owing| owing.to_string()));
    if parts.is_empty() { "all messages".into() } else { parts.join(" ") }
}

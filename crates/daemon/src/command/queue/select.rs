//! Which messages a command means: ids, filters, or all.

use super::route_key;
use crate::command::Failure;
use crate::config::units::{UnitError, parse_duration};
use clap::{Args, ValueEnum};
use postrider_mail::{QueueId, UnixMillis};
use postrider_queue::{Filter, RouteKey, State};
use std::collections::BTreeSet;
use std::time::Duration;

/// The heading of filters in `--help`.
const HEADING: &str = "Which messages";

/// Filters. A message has to agree with all that are given.
#[derive(Debug, Default, Args)]
pub(super) struct Wanted {
    /// Part of the sender's address, in any case; '<>': messages without a sender
    #[arg(long, help_heading = HEADING, value_name = "PART")]
    sender: Option<String>,
    /// Part of a recipient's address, in any case
    #[arg(long, help_heading = HEADING, value_name = "PART")]
    recipient: Option<String>,
    /// A destination, as `queue destinations` shows it: local, @domain, host:port …
    #[arg(long, help_heading = HEADING, value_name = "KEY", value_parser = route_key)]
    key: Option<RouteKey>,
    /// Part of the Message-ID, in any case
    #[arg(long, help_heading = HEADING, value_name = "PART")]
    message_id: Option<String>,
    /// A recipient in this state
    #[arg(long, help_heading = HEADING, value_name = "STATE")]
    state: Option<StateName>,
    /// Only what is held
    #[arg(long, help_heading = HEADING)]
    held: bool,
    /// Only messages whose sender is owed a notice
    #[arg(long, help_heading = HEADING)]
    owing: bool,
    /// Came longer ago than this, such as 1h or 2d
    #[arg(long, help_heading = HEADING, value_name = "TIME", value_parser = duration)]
    older: Option<Duration>,
    /// Came within this time, such as 30m
    #[arg(long, help_heading = HEADING, value_name = "TIME", value_parser = duration)]
    newer: Option<Duration>,
}

/// Ids, filters or all; something has to be said.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Ids of messages, as `postrider queue list` shows them
    #[arg(value_name = "ID")]
    ids: Vec<QueueId>,
    #[command(flatten)]
    wanted: Wanted,
    /// All messages
    #[arg(long, help_heading = HEADING, conflicts_with = "ids")]
    all: bool,
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateName {
    /// Not final: waiting, being delivered or held
    Waiting,
    /// In the mailbox
    Delivered,
    /// Taken by the next host
    Relayed,
    /// Sent on by a list or alias
    Expanded,
    /// Refused for good
    Failed,
    /// Given up for its age
    Expired,
    /// Dropped by a route
    Discarded,
}

impl From<StateName> for State {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Waiting => Self::Waiting,
            StateName::Delivered => Self::Delivered,
            StateName::Relayed => Self::Relayed,
            StateName::Expanded => Self::Expanded,
            StateName::Failed => Self::Failed,
            StateName::Expired => Self::Expired,
            StateName::Discarded => Self::Discarded,
        }
    }
}

impl Wanted {
    /// The filter as the queue knows it. Ages are counted back from `now`.
    pub(super) fn filter(&self, now: UnixMillis) -> Filter {
        let ago = |age: Duration| {
            let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            UnixMillis::new(now.get().saturating_sub(millis))
        };
        let sender = self.sender.as_deref().map(|part| if part == "<>" { "" } else { part });
        Filter {
            id: None,
            sender: sender.map(str::to_owned),
            message_id: self.message_id.clone(),
            held: self.held.then_some(true),
            received_before: self.older.map(ago),
            received_after: self.newer.map(ago),
            recipient: self.recipient.clone(),
            key: self.key.clone(),
            state: self.state.map(State::from),
            owing: self.owing.then_some(true),
        }
    }
}

/// What a command is carried out on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// Each of these, where it agrees with its filter.
    Ids(Vec<(QueueId, Filter)>),
    /// Whatever agrees.
    Filter(Box<Filter>),
}

impl Selection {
    /// What is meant.
    ///
    /// # Errors
    /// Nothing was said, or both a filter and everything.
    pub(super) fn selected(&self, now: UnixMillis) -> Result<Selected, Failure> {
        let filter = self.wanted.filter(now);
        let is_filtered = filter != Filter::default();
        if self.all && is_filtered {
            return Err(Failure::usage("--all means every message: leave it out, or the filters"));
        }
        if !self.ids.is_empty() {
            let ids: BTreeSet<QueueId> = self.ids.iter().copied().collect();
            let each = |id| (id, Filter { id: Some(id), ..filter.clone() });
            return Ok(Selected::Ids(ids.into_iter().map(each).collect()));
        }
        if !self.all && !is_filtered {
            return Err(Failure::usage(
                "which messages? give their ids, a filter such as --sender, or --all\n  \
                 `postrider queue list` shows what there is",
            ));
        }
        Ok(Selected::Filter(Box::new(filter)))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| {
        let example = "write 30m, 2h or 1d12h; the units are d, h, m, s and ms";
        match error {
            UnitError::NoUnit(_) => format!("a duration needs a unit: {example}"),
            UnitError::UnknownUnit(unit, Some(meant)) => {
                format!("no unit is called {unit}: perhaps {meant}?")
            }
            UnitError::TooLarge => "that is too long".into(),
            _ => format!("that is no duration: {example}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

    fn nothing() -> Selection {
        Selection { ids: Vec::new(), wanted: Wanted::default(), all: false }
    }

    #[test]
    fn nothing_said_is_refused_and_never_means_everything() {
        assert!(nothing().selected(NOW).is_err());
        let all = Selection { all: true, ..nothing() };
        assert_eq!(all.selected(NOW).unwrap(), Selected::Filter(Box::default()));
        let wanted = Wanted { held: true, ..Wanted::default() };
        assert!(Selection { all: true, wanted, ..nothing() }.selected(NOW).is_err());
    }

    #[test]
    fn ids_are_taken_once_each_and_filters_apply_to_them() {
        let id = QueueId::from_row(7).unwrap();
        let wanted = Wanted { sender: Some("<>".into()), ..Wanted::default() };
        let selected = Selection { ids: vec![id, id], wanted, all: false }.selected(NOW).unwrap();
        let filter = Filter { id: Some(id), sender: Some(String::new()), ..Filter::default() };
        assert_eq!(selected, Selected::Ids(vec![(id, filter)]));
    }

    #[test]
    fn ages_count_back_from_now() {
        let hour = Duration::from_secs(3600);
        let filter =
            Wanted { older: Some(hour), newer: Some(Duration::MAX), ..Wanted::default() }.filter(NOW);
        assert_eq!(filter.received_before, Some(UnixMillis::new(NOW.get() - 3_600_000)));
        assert!(filter.received_after.unwrap() < UnixMillis::new(0));
    }
}

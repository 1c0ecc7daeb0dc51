//! `postrider queue destinations`: where mail is leaving for, and what keeps it.

use super::{misunderstood, without_server, words};
use crate::command::control;
use crate::command::place::Place;
use crate::command::{Failure, answer};
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use postrider_control::{Answer, Command, DestinationView};
use postrider_mail::UnixMillis;
use serde_json::json;

/// Show where mail is leaving for, with how many connections, and which destinations are left alone for now
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider queue destinations
  postrider queue destinations --json

A destination whose hosts cannot be reached rests; its mail waits, and one attempt after the rest tries again.
Every destination has a window: connections that it may have now. It starts small, grows while all goes well, \
and shrinks after trouble. `postrider queue pause KEY` stops delivery to a destination altogether.")]
pub(super) struct Show {
    /// Answer in JSON, for programs; times are milliseconds since 1970
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Show {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        control::with(&self.place.folder()?, |control| {
            let Answer::Destinations { destinations, unlisted } = control.ask(&Command::Destinations)? else {
                return Err(misunderstood());
            };
            let mut text = if self.json {
                format!("{}\n", json!({ "destinations": destinations, "unlisted": unlisted }))
            } else {
                report(&destinations, unlisted, wall_clock()())
            };
            if !self.json && !control.is_running() {
                text = without_server(control);
            }
            Ok(answer(&text, Exit::Ok))
        })
    }
}

/// The table.
pub(super) fn report(destinations: &[DestinationView], unlisted: u64, now: UnixMillis) -> String {
    if destinations.is_empty() {
        return "No mail is leaving now, and no destination rests.\n".into();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["KEY", "CONNECTIONS", "WAITING", "STATE"]);
    for one in destinations {
        table.add_row([
            one.key.to_string(),
            format!("{} of {}", one.connections, one.window),
            one.waiting.to_string(),
            state(one, now),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if matches!(index, 1 | 2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    if unlisted > 0 {
        text.push_str(&format!("… and {unlisted} more.\n"));
    }
    text
}

/// `rests 4 min more: connection refused`.
pub(super) fn state(destination: &DestinationView, now: UnixMillis) -> String {
    let state = match destination.resting_until {
        Some(until) if until > now => format!("rests {} more", words::span(until.since(now))),
        Some(_) => "is tried again now".into(),
        None if destination.connections == 0 && destination.waiting == 0 => "idle".into(),
        None => String::new(),
    };
    match (&destination.why, state.is_empty()) {
        (Some(why), true) => format!("last trouble: {why}"),
        (Some(why), false) => format!("{state}: {why}"),
        (None, _) => state,
    }
}

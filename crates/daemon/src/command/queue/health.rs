//! `postrider queue health`: whether all is well, and the queue in numbers.

use super::{misunderstood, words};
use crate::command::control;
use crate::command::place::Place;
use crate::command::{Failure, answer};
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::Args;
use postrider_control::{Activity, Answer, Command, Health};
use postrider_mail::UnixMillis;
use std::fmt::Write as _;

/// Tell whether the server keeps its promises, and what it has to do, in numbers
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider queue health
  postrider queue health --json | jq .queue.messages

Exit codes: 0 all is well, 69 there is trouble, or the folder is not there.")]
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
            let Answer::Health(health) = control.ask(&Command::Health)? else { return Err(misunderstood()) };
            let exit = if health.troubles.is_empty() { Exit::Ok } else { Exit::Unavailable };
            let text = match self.json {
                true => {
                    serde_json::to_string(&health).map_err(|error| Failure::os(error.to_string()))? + "\n"
                }
                false => report(&health, wall_clock()()),
            };
            Ok(answer(&text, exit))
        })
    }
}

/// A line for each number, below what is wrong and what is paused.
pub(super) fn report(health: &Health, now: UnixMillis) -> String {
    let mut text = String::new();
    for trouble in &health.troubles {
        text.push_str(&format!("Trouble: {trouble}\n"));
    }
    text.push_str(&words::pauses(&health.pauses));
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<13} {value}");
    };
    let queue = &health.queue;
    let oldest = queue.oldest.map(|at| format!(", the oldest from {}", words::ago(at, now)));
    line("Queued", words::count(queue.messages, "message") + &oldest.unwrap_or_default());
    line("Held", words::count(queue.held, "message"));
    line("Waiting", words::count(queue.waiting, "recipient"));
    line("On the way", words::count(queue.in_flight, "recipient"));
    line("Owed a notice", words::count(queue.owed, "recipient"));
    line("In memory", words::size(queue.in_memory_octets));
    match &health.activity {
        Some(activity) => about_server(activity, &mut line),
        None => line("Server", "none runs: mail moves when it is started".into()),
    }
    text
}

fn about_server(activity: &Activity, line: &mut impl FnMut(&str, String)) {
    let Activity { connections, resting, notices, unreported } = *activity;
    line("Connections", format!("{connections} to other hosts"));
    line("Resting", words::count(resting, "destination"));
    line("Since start", format!("{} written", words::count(notices, "notice")));
    let ended = words::count(unreported, "recipient");
    line("", format!("{ended} neither reached nor reported, as no notice could be sent"));
}

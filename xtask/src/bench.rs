//! `cargo xtask bench`: what the release binary does, measured from outside.
//!
//! The server is one process, the clients are another, both on this machine and on loopback; figures of
//! speed are therefore figures of both. Every run has a folder and a port of its own, is bounded in count and
//! time, and ends what it started.

mod client;
mod deferred;
mod engine;
mod memory;
mod process;
mod relay;
mod row;
mod server;
mod speed;
mod syncs;

use crate::limits::{SECONDS_DEFAULT, SECONDS_MAX};
use crate::problem::Problem;
use crate::tools::{self, cargo};
use row::Row;
use std::path::PathBuf;

const HELP: &str = "\
What the release binary does per second, per message and per session.

Usage: cargo xtask bench [OPTION]... [GROUP]...

Groups (all of them when none is named):
  speed   messages per second, accepted and delivered, and CPU time per message, at 1, 20 and
          200 sessions, 4 KiB and 64 KiB
  syncs   fsync and fdatasync per message, counted by strace in runs of their own
  idle    memory of an idle session, at 10,000 of them
  large   growth of memory while one message of 50 MiB is received and delivered
  engine  the protocol engine alone, by DATA and by BDAT: instructions and allocations per message,
          counted by valgrind, and sessions per second in memory
  relay   smtp-source to smtp-sink through Postrider and through Postfix: messages per second, CPU
  fanout  one message to 1,000 recipients at one destination, through both
  crowd   20,000 messages to 200 domains, 5 of them dead and 5 taking 5 connections at a time
  deferred
          a queue of 200,000 deferred messages: start, memory, listings

The server runs `postrider serve` with local delivery; as root it becomes `nobody`. A client sends many
messages over one connection: MAIL, RCPT and DATA in one write, then the content, then it waits for
the 250. CPU time is that of the server process until it is quiet again: receiving, syncing, journal
and delivery. `relay`, `fanout` and `crowd` need what `cargo xtask ci servers` unpacks. A figure that
misses its target makes the exit code 1.

Options:
  --json         one JSON array instead of the table
  --seconds N    how long each row of `speed` lasts (default 3)
  --data DIR     where the servers keep their mail (default: the target folder); the disk matters
  --binary FILE  measure this server (default: build this checkout's)
  --help         this text

Examples:
  cargo xtask bench
  cargo xtask bench --json idle large
  cargo xtask bench --data /var/tmp --seconds 10 speed
";

/// What is to be measured, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Seconds of each row of `speed`.
    pub(crate) seconds: u64,
    /// Where the servers keep their mail.
    data: PathBuf,
    /// The server.
    binary: PathBuf,
    build: bool,
    json: bool,
    groups: Vec<&'static Group>,
}

#[derive(Debug)]
struct Group {
    name: &'static str,
    measure: fn(&Plan) -> Result<Vec<Row>, Problem>,
    /// Whether the server is measured, and so must be there.
    of_server: bool,
}

static GROUPS: [Group; 9] = [
    Group { name: "speed", measure: speed::measure, of_server: true },
    Group { name: "syncs", measure: syncs::measure, of_server: true },
    Group { name: "idle", measure: memory::idle, of_server: true },
    Group { name: "large", measure: memory::large, of_server: true },
    Group { name: "engine", measure: engine::measure, of_server: false },
    Group { name: "relay", measure: relay::throughput, of_server: true },
    Group { name: "fanout", measure: relay::fanout, of_server: true },
    Group { name: "crowd", measure: relay::crowd, of_server: true },
    Group { name: "deferred", measure: deferred::measure, of_server: true },
];

/// Runs the command. `false` when a figure missed its target.
///
/// # Errors
/// The command line makes no sense, or something could not be measured at all.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, Problem> {
    if let Some((&"client", rest)) = arguments.split_first() {
        return client::run(rest).map(|()| true);
    }
    if arguments.iter().any(|argument| matches!(*argument, "--help" | "-h")) {
        print!("{HELP}");
        return Ok(true);
    }
    measure(&plan(arguments)?)
}

/// Measures and prints. `false` when a figure missed its target.
///
/// # Errors
/// Something could not be measured at all.
pub(crate) fn measure(plan: &Plan) -> Result<bool, Problem> {
    build(plan)?;
    let mut rows = Vec::new();
    for group in &plan.groups {
        eprintln!("measuring: {}", group.name);
        rows.extend((group.measure)(plan)?);
    }
    Ok(show(plan, &rows))
}

/// Besieges the server for so many minutes, and prints. `false` when a figure missed its target.
///
/// # Errors
/// Something could not be measured at all.
pub(crate) fn siege(plan: &Plan, minutes: u32) -> Result<bool, Problem> {
    build(plan)?;
    Ok(show(plan, &relay::siege(plan, minutes)?))
}

fn build(plan: &Plan) -> Result<(), Problem> {
    let build = plan.build && plan.groups.iter().any(|group| group.of_server);
    if build && !tools::run(&mut cargo(["build", "--release", "--package", "postrider"]))? {
        return Err(Problem::new("the server does not build"));
    }
    Ok(())
}

fn show(plan: &Plan, rows: &[Row]) -> bool {
    print!("{}", if plan.json { row::json(rows) } else { row::table(rows) });
    !rows.iter().any(Row::misses)
}

/// What the command line asks for.
pub(crate) fn plan(arguments: &[&str]) -> Result<Plan, Problem> {
    let mut plan = Plan {
        seconds: SECONDS_DEFAULT,
        data: tools::target(),
        binary: tools::target().join("release/postrider"),
        build: true,
        json: false,
        groups: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value =
            || arguments.next().ok_or_else(|| Problem::usage(format!("{argument} needs a value")));
        match *argument {
            "--json" => plan.json = true,
            "--seconds" => plan.seconds = seconds(value()?)?,
            "--data" => plan.data = path(value()?)?,
            "--binary" => (plan.binary, plan.build) = (path(value()?)?, false),
            name => match GROUPS.iter().find(|group| group.name == name) {
                Some(group) => plan.groups.push(group),
                None => return Err(Problem::usage(format!("there is nothing to measure called `{name}`"))),
            },
        }
    }
    if plan.groups.is_empty() {
        plan.groups.extend(&GROUPS);
    }
    Ok(plan)
}

fn seconds(text: &str) -> Result<u64, Problem> {
    let number = text.parse().ok().filter(|number| (1..=SECONDS_MAX).contains(number));
    number.ok_or_else(|| Problem::usage(format!("--seconds is a number from 1 to {SECONDS_MAX}")))
}

fn path(text: &str) -> Result<PathBuf, Problem> {
    std::path::absolute(text).map_err(|_| Problem::usage("a path is not empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_words_everything_is_measured() {
        let plan = plan(&[]).unwrap();
        assert_eq!((plan.groups.len(), plan.json, plan.seconds), (GROUPS.len(), false, SECONDS_DEFAULT));
        assert!(plan.build);
    }

    #[test]
    fn words_choose_and_options_set() {
        let words = ["--json", "idle", "--seconds", "9", "--data", "/d", "--binary", "/b"];
        let plan = plan(&words).unwrap();
        assert_eq!((plan.groups[0].name, plan.groups.len()), ("idle", 1));
        assert_eq!((plan.json, plan.seconds, plan.data), (true, 9, PathBuf::from("/d")));
        assert_eq!((plan.binary, plan.build), (PathBuf::from("/b"), false));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [&["fast"][..], &["--seconds"], &["--seconds", "0"], &["--seconds", "x"], &["--fast"]] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
    }
}

//! A long queue: what a server costs that starts over 200,000 deferred messages, and what looking into them
//! costs.

use super::Plan;
use super::process::pause;
use super::row::Row;
use super::server::Server;
use crate::limits::{DEFERRED_DOMAINS, DEFERRED_MESSAGES, DEFERRED_OCTETS, KIB, QUIET};
use crate::problem::{Problem, While};
use crate::tools::{self, cargo};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Start, memory and listings.
pub(crate) fn measure(plan: &Plan) -> Result<Vec<Row>, Problem> {
    let empty = Server::start(plan)?;
    pause(QUIET);
    let (empty_start, empty_memory) = (empty.started_in, empty.process.memory_kib()?);
    drop(empty);
    let server = Server::start_over(plan, fill)?;
    let start = server.started_in;
    pause(QUIET);
    let memory = server.process.memory_kib()?;
    let of = format!("{DEFERRED_MESSAGES} deferred messages");
    let mib = |kib: u64| kib as f64 / KIB as f64;
    let mut rows = vec![
        Row::new("start to greeting, empty queue", empty_start.as_secs_f64(), "s"),
        Row::new(format!("start to greeting, {of}"), start.as_secs_f64(), "s"),
        Row::new("memory after the start, empty queue", mib(empty_memory), "MiB"),
        Row::new(format!("memory after the start, {of}"), mib(memory), "MiB"),
    ];
    let last = format!("user{}@", DEFERRED_MESSAGES - 1);
    for (what, words) in [
        ("list of 50", &["queue", "list", "--limit", "50"][..]),
        ("list by destination", &["queue", "list", "--json", "--key", "@d42.example"]),
        ("list by sender", &["queue", "list", "--json", "--sender", "sender42@"]),
        ("list by recipient, the last", &["queue", "list", "--json", "--recipient", &last]),
        ("list of everything", &["queue", "list", "--json"]),
    ] {
        let (took, lines) = asked(plan, &server, words)?;
        rows.push(Row::new(format!("{what}: {lines} lines, {of}"), took.as_secs_f64() * 1000.0, "ms"));
    }
    let after = server.process.memory_kib()?;
    rows.push(Row::new("memory after the listings", mib(after), "MiB"));
    Ok(rows)
}

/// Fills the spool of a server that does not run yet.
fn fill(data: &Path) -> Result<(), Problem> {
    let words = ["run", "--release", "--package", "postrider-queue", "--example", "deferred", "--"];
    let numbers = [DEFERRED_MESSAGES, DEFERRED_DOMAINS, DEFERRED_OCTETS].map(|number| number.to_string());
    let mut command = cargo(words);
    command.arg(data.join("queue")).args(numbers);
    // What it prints is not a figure of ours.
    let said = tools::output(&mut command).ok_or_else(|| Problem::new("the spool could not be filled"))?;
    eprintln!("{}", said.trim());
    Ok(())
}

/// Time and lines of one command.
fn asked(plan: &Plan, server: &Server, words: &[&str]) -> Result<(Duration, usize), Problem> {
    let mut command = Command::new(&plan.binary);
    command.args(words).arg("--config").arg(server.config()).stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output().while_(words.join(" "))?;
    let took = began.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Problem::new(format!("{}: {said}", words.join(" "))));
    }
    Ok((took, output.stdout.iter().filter(|octet| **octet == b'\n').count()))
}

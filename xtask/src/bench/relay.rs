//! Mail that goes on to other hosts, beside Postfix in the same run. The loads are those of the end-to-end tests,
//! run by a program of theirs in release mode, for they need the same name server, hosts and machines.

use super::Plan;
use super::row::Row;
use crate::limits::{
    BINARY_VARIABLE, CROWD, END_TO_END_PACKAGE, FANOUT_RECIPIENTS, RELAY_LOAD_PROGRAM, RELAYED_MESSAGES,
    RELAYED_OCTETS, RELAYED_SESSIONS,
};
use crate::problem::{Problem, While};
use crate::tools::{self, cargo};
use std::process::{Command, Stdio};

/// `smtp-source` → relay → `smtp-sink`.
pub(crate) fn throughput(plan: &Plan) -> Result<Vec<Row>, Problem> {
    load(plan, "throughput", &[RELAYED_MESSAGES, RELAYED_SESSIONS, RELAYED_OCTETS])
}

/// One message to many recipients at one destination.
pub(crate) fn fanout(plan: &Plan) -> Result<Vec<Row>, Problem> {
    load(plan, "fanout", &[FANOUT_RECIPIENTS])
}

/// Many domains, of which some are dead and some take few connections.
pub(crate) fn crowd(plan: &Plan) -> Result<Vec<Row>, Problem> {
    load(plan, "crowd", &CROWD)
}

/// Ordinary clients, alone for a quarter of the time, then with a crowd that wastes time and memory.
pub(crate) fn siege(plan: &Plan, minutes: u32) -> Result<Vec<Row>, Problem> {
    load(plan, "siege", &[minutes * 15, minutes * 45])
}

fn load(plan: &Plan, what: &str, numbers: &[u32]) -> Result<Vec<Row>, Problem> {
    let mut build = cargo(["build", "--release", "--package", END_TO_END_PACKAGE, "--bin"]);
    if !tools::run(build.arg(RELAY_LOAD_PROGRAM))? {
        return Err(Problem::new("the load does not build"));
    }
    let mut command = Command::new(tools::target().join("release").join(RELAY_LOAD_PROGRAM));
    command.arg(what).args(numbers.iter().map(u32::to_string));
    // Every server's queue lies on the same disk.
    command.env(BINARY_VARIABLE, &plan.binary).env("TMPDIR", &plan.data);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().while_(RELAY_LOAD_PROGRAM)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Problem::new(format!("the load `{what}` failed: {text}")));
    }
    let rows: Vec<Row> = text.lines().filter_map(row).collect();
    if rows.is_empty() {
        let why = text.lines().find_map(|line| line.strip_prefix("LEFT OUT: "));
        return Ok(vec![Row::not_measured(what, why.unwrap_or("the load says nothing"))]);
    }
    Ok(rows)
}

/// `WHAT`, `FIGURE`, `UNIT`, `BELOW` with tabs between them; the last may be empty. Other lines are for people.
fn row(line: &str) -> Option<Row> {
    let mut fields = line.split('\t');
    let (what, figure, unit, below) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let row = Row::new(what, figure.parse().ok()?, unit.to_owned());
    Some(match below.parse() {
        Ok(target) => row.below(target),
        Err(_) => row,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_tabs_is_a_figure() {
        assert!(row("CPU\t0.3\ttimes\t0.2").unwrap().misses());
        assert!(!row("CPU\t0.1\ttimes\t0.2").unwrap().misses());
        assert!(!row("time\t12\tms\t").unwrap().misses());
        assert!(row("LEFT OUT: bind9 is not unpacked").is_none());
    }
}

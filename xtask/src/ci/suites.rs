//! The test suites. nextest runs them where it is installed (all programs at once, each test a process of
//! its own), `cargo test` otherwise. Both use the dev profile, and one build serves the tests of the crates and
//! the binary that the end-to-end tests start.

use super::Outcome;
use crate::counts::{self, Counts};
use crate::limits::{BINARY_VARIABLE, END_TO_END_PACKAGE};
use crate::problem::Problem;
use crate::tools::{self, cargo, listen};
use std::io::{self, IsTerminal};
use std::process::Command;

/// The tests of the crates.
pub(super) fn unit() -> Result<Outcome, Problem> {
    let mut outcome = if nextest_is_here() {
        nextest(&format!("not package({END_TO_END_PACKAGE})"))?
    } else {
        cargo_test(&["--workspace", "--exclude", END_TO_END_PACKAGE, "--all-targets"])?
    };
    // Examples in the documentation: neither runner's other mode runs them. There may be none.
    let examples = cargo_test(&["--workspace", "--doc"])?;
    outcome.counts += examples.counts;
    outcome.remarks.extend(examples.remarks);
    Ok(never_empty(outcome))
}

/// The tests of the binary as a whole.
pub(super) fn end_to_end() -> Result<Outcome, Problem> {
    let outcome = if nextest_is_here() {
        nextest(&format!("package({END_TO_END_PACKAGE})"))?
    } else if tools::run(&mut cargo(["build", "--workspace", "--bins"]))? {
        cargo_test(&["--package", END_TO_END_PACKAGE, "--tests"])?
    } else {
        return Ok(Outcome::failed("the binaries do not build"));
    };
    Ok(never_empty(outcome))
}

/// Every test of the crates for longer: with so many cases of each property, optimised, the ignored ones too.
pub(crate) fn long(cases: u32) -> Result<Counts, Problem> {
    let mut command =
        cargo(["test", "--release", "--workspace", "--exclude", END_TO_END_PACKAGE, "--no-fail-fast"]);
    command.args(["--all-targets", "--", "--include-ignored"]).env("PROPTEST_CASES", cases.to_string());
    let outcome = never_empty(suite(command, counts::cargo_test)?);
    for remark in &outcome.remarks {
        eprintln!("{remark}");
    }
    Ok(outcome.counts)
}

fn nextest_is_here() -> bool {
    tools::output(&mut cargo(["nextest", "--version"])).is_some()
}

/// A suite that ran nothing proves nothing.
fn never_empty(mut outcome: Outcome) -> Outcome {
    if outcome.counts.ran() == 0 {
        outcome.counts += Counts::FAILED;
        outcome.remarks.push("the suite ran no tests".to_owned());
    }
    outcome
}

/// The tests of the workspace that match the filter. Selecting packages instead would resolve features
/// anew and build everything again.
fn nextest(filter: &str) -> Result<Outcome, Problem> {
    let config = tools::root().join("xtask/nextest.toml");
    let config = format!("xtask:{}", config.display());
    let command = cargo(["nextest", "run", "--workspace", "--tool-config-file", &config, "-E", filter]);
    suite(command, counts::nextest)
}

fn cargo_test(which: &[&str]) -> Result<Outcome, Problem> {
    suite(cargo(["test", "--no-fail-fast"].iter().chain(which)), counts::cargo_test)
}

/// Runs a runner and counts by its closing lines.
fn suite(mut command: Command, closing_line: fn(&str) -> Option<Counts>) -> Result<Outcome, Problem> {
    command.env(BINARY_VARIABLE, tools::target().join("debug/postrider"));
    if io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let (status, heard) = listen(&mut command, closing_line)?;
    let mut outcome = Outcome { counts: heard.into_iter().sum(), remarks: Vec::new() };
    if outcome.counts.failed > 0 {
        outcome.remarks.push("tests failed: their output is above".to_owned());
    } else if !status.success() {
        outcome.counts += Counts::FAILED;
        outcome.remarks.push(format!("the runner ended with {status}: see above"));
    }
    Ok(outcome)
}

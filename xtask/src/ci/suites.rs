//! The test suites. nextest runs them where it is installed (all programs at once, each test a process of
//! its own), `cargo test` otherwise; both with the dev profile, so that one build serves the lints' leftovers,
//! the tests of the crates and the binary that the end-to-end tests start.

use super::Outcome;
use crate::counts::{Counts, closing_line};
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
        let command =
            cargo(["test", "--workspace", "--exclude", END_TO_END_PACKAGE, "--all-targets", "--no-fail-fast"]);
        suite(command)?
    };
    // Examples in the documentation: neither runner's other mode runs them. There may be none.
    let examples = suite(cargo(["test", "--workspace", "--doc", "--no-fail-fast"]))?;
    outcome.counts += examples.counts;
    outcome.remarks.extend(examples.remarks);
    Ok(never_empty(outcome))
}

/// The tests of the binary as a whole.
pub(super) fn end_to_end() -> Result<Outcome, Problem> {
    let outcome = if nextest_is_here() {
        nextest(&format!("package({END_TO_END_PACKAGE})"))?
    } else if tools::run(&mut cargo(["build", "--workspace", "--bins"]))? {
        suite(cargo(["test", "--package", END_TO_END_PACKAGE, "--tests", "--no-fail-fast"]))?
    } else {
        return Ok(Outcome::failed("the binaries do not build"));
    };
    Ok(never_empty(outcome))
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
    let common = ["--workspace", "--tool-config-file", &config, "-E", filter];
    let mut outcome = suite(cargo(["nextest", "run"].iter().chain(&common)))?;
    // To nextest, what the filter leaves out is skipped; we mean what says #[ignore].
    if outcome.counts.skipped > 0 {
        let list = ["nextest", "list", "--run-ignored", "only", "--message-format", "oneline"];
        let ignored = tools::output(&mut cargo(list.iter().chain(&common)));
        let ignored = ignored.ok_or_else(|| Problem::new("nextest does not list the ignored tests"))?;
        outcome.counts.skipped = ignored.lines().filter(|line| !line.trim().is_empty()).count() as u64;
    }
    Ok(outcome)
}

/// Runs a runner and counts by its closing lines.
fn suite(mut command: Command) -> Result<Outcome, Problem> {
    command.env(BINARY_VARIABLE, tools::target().join("debug/postrider"));
    if io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let (status, heard) = listen(&mut command, closing_line)?;
    let mut outcome = Outcome { counts: heard.into_iter().sum(), remarks: Vec::new() };
    if outcome.counts.failed > 0 {
        outcome.remarks.push("tests failed: their output is above".to_owned());
    } else if !status.success() && outcome.counts.ran() > 0 || !status.success() && !status_of_no_tests(status) {
        outcome.counts += Counts::FAILED;
        outcome.remarks.push(format!("the runner ended with {status}: see above"));
    }
    Ok(outcome)
}

//! `cargo xtask ci`: every check that a change must pass, in an order in which the quick ones come first.
//!
//! A step that fails does not keep the others from running: one run tells everything. Where `CI=true`
//! nothing may be skipped.

mod packages;
mod steps;
pub(crate) mod suites;
mod unpacked;
mod walls;

use crate::counts::Counts;
use crate::problem::Problem;
use crate::table;
use std::time::{Duration, Instant};
use steps::{STEPS, Step};

const HELP: &str = "\
Every check and every test, with counts at the end.

Usage: cargo xtask ci [--list] [STEP]...

Without STEP all steps run, in the order of the list. Standard input is not read. The last line is
`N passed, N failed, N skipped`: tests, and every other step as one. The exit code is 0 when nothing
failed.

What cannot be done on this machine (a Debian package that may not be installed, a tool that cannot be
fetched) is skipped with a word about it. With CI=true in the environment it is a failure.

Options:
  --list  the steps, and what each is for
  --help  this text

Examples:
  cargo xtask ci
  cargo xtask ci fmt clippy
  CI=true cargo xtask ci
";

/// What a step came to.
pub(crate) struct Outcome {
    counts: Counts,
    /// What a person should know or do, a sentence each.
    remarks: Vec<String>,
}

impl Outcome {
    fn passed() -> Self {
        Self { counts: Counts::PASSED, remarks: Vec::new() }
    }

    fn failed(remark: impl Into<String>) -> Self {
        Self { counts: Counts::FAILED, remarks: vec![remark.into()] }
    }

    fn skipped(remark: impl Into<String>) -> Self {
        Self { counts: Counts::SKIPPED, remarks: vec![remark.into()] }
    }

    /// A check that held, or one that did not and then is helped by `hint`.
    fn of(held: bool, hint: &str) -> Self {
        if held { Self::passed() } else { Self::failed(hint) }
    }
}

/// Runs the command. `false` when something failed.
///
/// # Errors
/// A step is not known.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, Problem> {
    if arguments.iter().any(|argument| matches!(*argument, "--help" | "-h")) {
        print!("{HELP}");
        return Ok(true);
    }
    if arguments.contains(&"--list") {
        for step in &STEPS {
            println!("{:<10}{}", step.name, step.what);
        }
        return Ok(true);
    }
    let steps = chosen(arguments)?;
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    let began = Instant::now();
    let done: Vec<Done> = steps.into_iter().map(|step| do_step(step, strict)).collect();
    print!("\n{}", report(&done, began.elapsed()));
    Ok(done.iter().all(|done| done.outcome.counts.failed == 0))
}

/// The steps of these names, in their own order.
fn chosen(names: &[&str]) -> Result<Vec<&'static Step>, Problem> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(Problem::usage(format!("there is no step `{unknown}` (there are {})", known.join(", "))));
    }
    Ok(STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name)).collect())
}

struct Done {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

fn do_step(step: &'static Step, strict: bool) -> Done {
    eprintln!("\n=== {}: {}", step.name, step.what);
    let began = Instant::now();
    let mut outcome = (step.work)().unwrap_or_else(|problem| Outcome::failed(problem.to_string()));
    if strict && outcome.counts.skipped > 0 {
        outcome.counts.failed += std::mem::take(&mut outcome.counts.skipped);
        outcome.remarks.push("nothing may be skipped where CI=true".to_owned());
    }
    let took = began.elapsed();
    let word = match outcome.counts {
        Counts { failed: 1.., .. } => "failed",
        Counts { passed: 0, .. } => "skipped",
        _ => "passed",
    };
    eprintln!("=== {} {word} after {:.1} s", step.name, took.as_secs_f64());
    for remark in &outcome.remarks {
        eprintln!("    {remark}");
    }
    Done { name: step.name, outcome, took }
}

/// The table, the remarks once more, and the closing line.
fn report(done: &[Done], took: Duration) -> String {
    let rows: Vec<[String; 5]> = done
        .iter()
        .map(|Done { name, outcome: Outcome { counts, .. }, took }| {
            let time = format!("{:.1} s", took.as_secs_f64());
            [
                (*name).to_owned(),
                counts.passed.to_string(),
                counts.failed.to_string(),
                counts.skipped.to_string(),
                time,
            ]
        })
        .collect();
    let mut text = table::lay_out(["step", "passed", "failed", "skipped", "time"], &rows);
    for Done { name, outcome, .. } in done {
        for remark in &outcome.remarks {
            text.push_str(&format!("{name}: {remark}\n"));
        }
    }
    let all: Counts = done.iter().map(|done| done.outcome.counts).sum();
    text.push_str(&format!("\nall of it took {:.0} s\n{all}\n", took.as_secs_f64()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_in_their_own_order_and_an_unknown_one_is_refused() {
        let names: Vec<_> = chosen(&["clippy", "fmt"]).unwrap().iter().map(|step| step.name).collect();
        assert_eq!(names, ["fmt", "clippy"]);
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
        assert!(chosen(&["fmt", "tset"]).is_err());
    }

    #[test]
    fn the_last_line_has_the_counts_alone() {
        let outcome = |passed, failed| Outcome {
            counts: Counts { passed, failed, skipped: 1 },
            remarks: vec!["look here".to_owned()],
        };
        let took = Duration::from_millis(1500);
        let done =
            [("a", outcome(3, 0)), ("b", outcome(0, 2))].map(|(name, outcome)| Done { name, outcome, took });
        let report = report(&done, took);
        assert_eq!(report.lines().last(), Some("3 passed, 2 failed, 2 skipped"));
        assert!(report.contains("b: look here\n"), "{report}");
    }

    #[test]
    fn what_is_skipped_fails_where_nothing_may_be() {
        static STEP: Step = Step { name: "s", what: "w", work: || Ok(Outcome::skipped("no network")) };
        assert_eq!(do_step(&STEP, false).outcome.counts, Counts::SKIPPED);
        assert_eq!(do_step(&STEP, true).outcome.counts, Counts::FAILED);
    }

    #[test]
    fn broken_machinery_is_a_failure() {
        static STEP: Step = Step { name: "s", what: "w", work: || Err(Problem::new("no such program")) };
        assert_eq!(do_step(&STEP, false).outcome.counts, Counts::FAILED);
    }
}

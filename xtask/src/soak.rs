//! `cargo xtask soak`: what takes too long for every change.

use crate::bench;
use crate::ci::suites;
use crate::limits::{SOAK_CASES, SOAK_MINUTES, SOAK_MINUTES_MAX, SOAK_SECONDS};
use crate::problem::Problem;

const HELP: &str = "\
What takes too long for every change.

Usage: cargo xtask soak [--minutes N] [OPTION]... [PART]...

Parts (all of them when none is named):
  siege   ordinary clients, alone for a quarter of the time, then with a crowd that does in every
          state of a session whatever wastes time and memory, and hosts that do so when mail goes to
          them: how long the ordinary ones wait, the server's memory, what was acknowledged and arrived
  bench   bench, with a minute for each row of speed
  tests   every test of the crates, those marked #[ignore] too, with 20,000 cases for each property
          in release mode; the last line is `N passed, N failed, N skipped`

Options:
  --minutes N    how long the siege lasts (default 60)
  --seconds N    how long each row of bench's speed lasts (default 60)
  --json, --data DIR, --binary FILE
                 as for bench
  --help         this text

The exit code is 1 when a figure misses its target or a test fails.

Examples:
  cargo xtask soak
  cargo xtask soak --minutes 5 siege
";

/// What a soak consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Siege,
    Bench,
    Tests,
}

const PARTS: [(&str, Part); 3] = [("siege", Part::Siege), ("bench", Part::Bench), ("tests", Part::Tests)];

/// What the command line asks for.
#[derive(Debug)]
struct Plan<'a> {
    minutes: u32,
    parts: Vec<Part>,
    /// What is for bench.
    others: Vec<&'a str>,
}

/// Runs the command. `false` when a target was missed or a test failed.
///
/// # Errors
/// The command line makes no sense, or something could not be run at all.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, Problem> {
    if arguments.iter().any(|argument| matches!(*argument, "--help" | "-h")) {
        print!("{HELP}");
        return Ok(true);
    }
    let plan = plan(arguments)?;
    let seconds = SOAK_SECONDS.to_string();
    // What is said later counts.
    let others: Vec<&str> = ["--seconds", &seconds].into_iter().chain(plan.others).collect();
    let bench = bench::plan(&others)?;
    let mut well = true;
    for part in plan.parts {
        well &= match part {
            Part::Siege => bench::siege(&bench, plan.minutes)?,
            Part::Bench => bench::measure(&bench)?,
            Part::Tests => {
                let counts = suites::long(SOAK_CASES)?;
                println!("\n{counts}");
                counts.failed == 0
            }
        };
    }
    Ok(well)
}

fn plan<'a>(arguments: &[&'a str]) -> Result<Plan<'a>, Problem> {
    let mut plan = Plan { minutes: SOAK_MINUTES, parts: Vec::new(), others: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(&argument) = arguments.next() {
        if argument == "--minutes" {
            let minutes = arguments.next().and_then(|text| text.parse().ok());
            plan.minutes =
                minutes.filter(|minutes| (1..=SOAK_MINUTES_MAX).contains(minutes)).ok_or_else(|| {
                    Problem::usage(format!("--minutes is a number from 1 to {SOAK_MINUTES_MAX}"))
                })?;
        } else if let Some((_, part)) = PARTS.iter().find(|(name, _)| *name == argument) {
            plan.parts.push(*part);
        } else {
            plan.others.push(argument);
        }
    }
    if plan.parts.is_empty() {
        plan.parts.extend(PARTS.map(|(_, part)| part));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_chosen_and_the_rest_is_for_bench() {
        let plan = plan(&["--minutes", "5", "siege", "--data", "/d", "tests"]).unwrap();
        assert_eq!((plan.minutes, &plan.parts[..]), (5, &[Part::Siege, Part::Tests][..]));
        assert_eq!(plan.others, ["--data", "/d"]);
    }

    #[test]
    fn without_words_everything_is_run_for_an_hour() {
        let plan = plan(&[]).unwrap();
        assert_eq!((plan.minutes, plan.parts.len()), (60, 3));
    }

    #[test]
    fn minutes_are_a_number() {
        for bad in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "x"], &["--minutes", "siege"]] {
            assert!(plan(bad).is_err(), "{bad:?}");
        }
    }
}

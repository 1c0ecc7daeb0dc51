//! `cargo xtask soak`: what takes too long for every change.

use crate::bench;
use crate::ci::suites;
use crate::limits::{SOAK_CASES, SOAK_SECONDS};
use crate::problem::Problem;

const HELP: &str = "\
The long versions: bench with a minute for each row of speed, then every test of the crates, those
marked #[ignore] too, with 20,000 cases for each property in release mode.

Usage: cargo xtask soak [--seconds N] [BENCH OPTION OR GROUP]...

Everything behind `soak` is for bench (`cargo xtask bench --help`); without --seconds each row of speed
lasts 60 seconds. The last line is `N passed, N failed, N skipped`. The exit code is 1 when a figure
misses its target or a test fails.

Examples:
  cargo xtask soak
  cargo xtask soak --seconds 3600 speed
";

/// Runs the command. `false` when a target was missed or a test failed.
///
/// # Errors
/// The command line makes no sense, or something could not be run at all.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, Problem> {
    if arguments.iter().any(|argument| matches!(*argument, "--help" | "-h")) {
        print!("{HELP}");
        return Ok(true);
    }
    let seconds = SOAK_SECONDS.to_string();
    // What is said later counts.
    let arguments: Vec<&str> = ["--seconds", &seconds].into_iter().chain(arguments.iter().copied()).collect();
    let met = bench::measure(&bench::plan(&arguments)?)?;
    let counts = suites::long(SOAK_CASES)?;
    println!("\n{counts}");
    Ok(met && counts.failed == 0)
}

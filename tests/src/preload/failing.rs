//! Runs a scenario once for every call that may fail.
//!
//! A first run counts the calls. Then, for each number n, a fresh run in which the n-th fails. Afterwards everything that
//! was acknowledged must be there twice over: on the folder as the program left it, and on the disk as the power
//! would have left it, with nothing that was not synced. The second catches a program that meets a failed sync by
//! trying again (see the crash model in [`super::disk`]).

use super::crash::{Recorded, list, locked, verify};
use super::disk::Choice;
use super::library::{Failure, Faults, Library};
use super::limits::PARALLEL;
use super::scenario::Scenario;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// What became of every run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingReport {
    /// How the calls failed.
    pub failure: Failure,
    /// Calls counted in the run without failures, by kind.
    pub calls: BTreeMap<String, u32>,
    /// Runs with a failing call.
    pub runs: u32,
    /// Runs that ended before their call came.
    pub not_reached: u32,
    /// Acknowledged in the run without failures.
    pub acknowledged_whole: usize,
    /// Acknowledged over all runs.
    pub acknowledged: usize,
    /// Duplicates found, over all runs.
    pub duplicates: usize,
    /// What was lost, the first ones by name.
    pub lost: Vec<String>,
    /// How many runs lost something, did not open afterwards, or did not run to an end.
    pub losing: u32,
}

impl fmt::Display for FailingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { error, kind, sticky, short } = self.failure;
        write!(f, "failing calls ({error:?}")?;
        kind.map_or(Ok(()), |kind| write!(f, ", only {kind:?}"))?;
        f.write_str(if sticky { ", from then on" } else { ", once" })?;
        f.write_str(if short { ", short writes):" } else { "):" })?;
        self.calls.iter().try_for_each(|(kind, count)| write!(f, " {count} {kind},"))?;
        writeln!(
            f,
            " {} acknowledged; {} runs ({} ended before their call), {} acknowledged in them, {} lost something, \
             {} duplicates",
            self.acknowledged_whole,
            self.runs,
            self.not_reached,
            self.acknowledged,
            self.losing,
            self.duplicates
        )?;
        self.lost.iter().try_for_each(|loss| writeln!(f, "  {loss}"))
    }
}

/// Runs the scenario with every n-th call failing, at most `runs_max` of them, evenly spread. The caller asserts
/// over the report.
///
/// # Errors
/// The program does not run without failures, or a report or trace cannot be read.
pub fn every_failing_call(
    library: &Library,
    scenario: &impl Scenario,
    failure: Failure,
    runs_max: u32,
) -> io::Result<FailingReport> {
    let (whole, faults) = Recorded::run(library, scenario, |faults| faults.only(failure.kind))?;
    let calls = faults.calls()?;
    let total = u32::try_from(calls.len()).map_err(io::Error::other)?;
    let runs = total.min(runs_max);
    let report = Mutex::new(FailingReport {
        failure,
        calls: by_kind(&calls),
        runs,
        not_reached: 0,
        acknowledged_whole: whole.acknowledged(scenario).len(),
        acknowledged: 0,
        duplicates: 0,
        lost: Vec::new(),
        losing: 0,
    });
    let next = AtomicU32::new(0);
    let work = || -> io::Result<()> {
        loop {
            let run = next.fetch_add(1, Ordering::Relaxed);
            if run >= runs {
                return Ok(());
            }
            // Evenly spread over the calls, each once when there is room for all.
            let spread = u64::from(run) * u64::from(total) / u64::from(runs.max(1));
            let nth = 1 + u32::try_from(spread).map_err(io::Error::other)?;
            one_run(library, scenario, failure, nth, &report)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(done) => done,
            Err(_) => Err(io::Error::other("the scenario panicked")),
        })
    })?;
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// `NUMBER KIND RESULT PATH [PATH]`, counted by KIND.
fn by_kind(calls: &[String]) -> BTreeMap<String, u32> {
    let mut kinds = BTreeMap::new();
    for kind in calls.iter().filter_map(|call| call.split(' ').nth(1)) {
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// One run in which the n-th call fails, judged.
fn one_run(
    library: &Library,
    scenario: &impl Scenario,
    failure: Failure,
    nth: u32,
    report: &Mutex<FailingReport>,
) -> io::Result<()> {
    let (recorded, faults) =
        match Recorded::run(library, scenario, |faults: Faults| faults.fail(nth, failure)) {
            Ok(run) => run,
            Err(error) => {
                let mut report = locked(report);
                report.losing += 1;
                list(
                    &mut report.lost,
                    &format!("call {nth}"),
                    vec![format!("the run did not end well: {error}")],
                );
                return Ok(());
            }
        };
    let calls = faults.calls()?;
    let failed = calls.iter().find(|call| call.starts_with(&format!("{nth} ")));
    let promised = recorded.acknowledged(scenario);
    let synced = recorded.home.path().join("synced");
    let state = recorded.after()?.state(Choice::Nothing)?.without(|path| scenario.leaves_out(path));
    state.write_to(&synced)?;
    let (lost, mut duplicates) = verify(scenario, &recorded.folder(), &promised);
    let (lost_by_power, more) = verify(scenario, &synced, &promised);
    duplicates += more;

    let mut report = locked(report);
    report.not_reached += u32::from(failed.is_none());
    report.acknowledged += promised.len();
    report.duplicates += duplicates;
    if !lost.is_empty() || !lost_by_power.is_empty() {
        report.losing += 1;
        let place = failed.map_or("no call", String::as_str);
        list(&mut report.lost, place, lost);
        list(&mut report.lost, &format!("{place}, then the power"), lost_by_power);
    }
    Ok(())
}

//! Visits the moments of a recorded run, rebuilds what the disk may hold at each, and has it judged.
//!
//! Moments are: just before and just after every sync, just after every acknowledgement left, the end, and, as far
//! as the bound allows, after other changes, chosen by seed. At each: nothing that was not synced, everything,
//! and samples of what lies between. A state that was judged already with the same acknowledgements is not judged again.

use super::disk::{Choice, Disk, State};
use super::library::{Faults, Library};
use super::limits::{LOSSES_LISTED_MAX, MEMORY_ROOM_OCTETS_MIN, PARALLEL};
use super::random::Random;
use super::scenario::Scenario;
use super::trace::{self, Event};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Chooses moments and states; the same seed on the same trace gives the same states.
    pub seed: u64,
    /// Moments visited at most.
    pub points_max: usize,
    /// States between nothing and everything, for each moment.
    pub samples: u64,
    /// Whether syncs do nothing: the test of the test.
    pub nosync: bool,
    /// Whether to stop at the first loss.
    pub stop_at_loss: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { seed: 1, points_max: 200, samples: 3, nosync: false, stop_at_loss: false }
    }
}

/// What became of every state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// The seed of [`Bounds`].
    pub seed: u64,
    /// Events in the trace.
    pub events: usize,
    /// Syncs in the trace.
    pub syncs: usize,
    /// Acknowledgements in the trace.
    pub acknowledged: usize,
    /// Moments visited.
    pub points: usize,
    /// Moments left out because of the bound.
    pub points_left_out: usize,
    /// States rebuilt.
    pub states: usize,
    /// States judged: rebuilt, and not the same as one before.
    pub opened: usize,
    /// Duplicates found, over all states.
    pub duplicates: usize,
    /// What was lost, the first ones by name.
    pub lost: Vec<String>,
    /// How many states lost something, or did not open.
    pub losing: usize,
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "crash states: {} events, {} syncs, {} acknowledged; {} moments ({} left out), {} states, \
             {} opened, {} lost something, {} duplicates; seed {}",
            self.events,
            self.syncs,
            self.acknowledged,
            self.points,
            self.points_left_out,
            self.states,
            self.opened,
            self.losing,
            self.duplicates,
            self.seed
        )?;
        self.lost.iter().try_for_each(|loss| writeln!(f, "  {loss}"))
    }
}

/// A folder for one run or one state: in memory where there is room, since no real disk is asked to keep anything.
fn scratch_folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(room) if room.f_bavail.saturating_mul(room.f_frsize) >= MEMORY_ROOM_OCTETS_MIN => {
            tempfile::tempdir_in(memory)
        }
        _ => tempfile::tempdir(),
    }
}

/// A run that was recorded.
pub(super) struct Recorded {
    /// The folder before the run.
    pub(super) before: Disk,
    pub(super) events: Vec<Event>,
    /// Holds the folder that was really written, as `data`, and the papers of the run.
    pub(super) home: TempDir,
}

impl Recorded {
    /// Runs the scenario once, under what `told` makes of a mere recording.
    pub(super) fn run(
        library: &Library,
        scenario: &impl Scenario,
        told: impl FnOnce(Faults) -> Faults,
    ) -> io::Result<(Self, Faults)> {
        let home = scratch_folder()?;
        let root = home.path().join("data");
        std::fs::create_dir(&root)?;
        scenario.prepare(&root)?;
        let before = Disk::read(&root)?;
        let faults = told(Faults::record(library, &root, home.path())?);
        scenario.run(&faults)?;
        let events = trace::read(faults.trace())?;
        Ok((Self { before, events, home }, faults))
    }

    /// The disk at the end of the trace.
    pub(super) fn after(&self) -> io::Result<Disk> {
        let mut disk = self.before.clone();
        self.events.iter().try_for_each(|event| disk.apply(event))?;
        Ok(disk)
    }

    /// All that was acknowledged.
    pub(super) fn acknowledged(&self, scenario: &impl Scenario) -> Vec<String> {
        self.events.iter().flat_map(|event| acknowledged(scenario, event)).collect()
    }

    /// The folder that the program left.
    pub(super) fn folder(&self) -> PathBuf {
        self.home.path().join("data")
    }
}

fn acknowledged(scenario: &impl Scenario, event: &Event) -> Vec<String> {
    match event {
        Event::Send(_, octets) => scenario.acknowledged(octets),
        _ => Vec::new(),
    }
}

/// Runs the scenario once and judges the states of its disk. The caller asserts over the report.
///
/// # Errors
/// The program does not run, or the trace does not explain the folder it left: something reached the disk in a way
/// that the library does not see.
pub fn every_crash_state(
    library: &Library,
    scenario: &impl Scenario,
    bounds: Bounds,
) -> io::Result<CrashReport> {
    let told = |faults: Faults| if bounds.nosync { faults.nosync() } else { faults };
    let (recorded, _) = Recorded::run(library, scenario, told)?;
    let left_out = |path: &Path| scenario.leaves_out(path);
    let rebuilt = recorded.after()?.state(Choice::Everything)?.without(left_out);
    let real = Disk::read(&recorded.folder())?.state(Choice::Everything)?.without(left_out);
    if let Some(path) = rebuilt.difference(&real) {
        let path = path.display();
        return Err(io::Error::other(format!("the trace does not explain what lies at `{path}`")));
    }
    let report = Mutex::new(CrashReport {
        seed: bounds.seed,
        events: recorded.events.len(),
        syncs: recorded.events.iter().filter(|event| matches!(event, Event::Sync(_))).count(),
        acknowledged: recorded.acknowledged(scenario).len(),
        ..CrashReport::default()
    });
    let enough = AtomicBool::new(false);
    let (sender, receiver) = sync_channel(PARALLEL);
    let (receiver, report_to, enough_for) = (Arc::new(Mutex::new(receiver)), &report, &enough);
    std::thread::scope(|scope| {
        // The judges own the receiver: when all have failed, the walk learns it from its sender.
        let judges: Vec<_> = std::iter::repeat_n(receiver, PARALLEL)
            .map(|receiver| scope.spawn(move || judge(scenario, bounds, &receiver, report_to, enough_for)))
            .collect();
        let visited = visit(&recorded, scenario, bounds, &sender, &report, &enough);
        drop(sender);
        judges.into_iter().try_for_each(|judge| match judge.join() {
            Ok(done) => done,
            Err(_) => Err(io::Error::other("the verification panicked")),
        })?;
        visited
    })?;
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A state that waits for judgement.
struct Case {
    state: State,
    acknowledged: Arc<Vec<String>>,
    /// Where it comes from, for people.
    name: String,
}

/// Walks along the trace and sends the states on.
fn visit(
    recorded: &Recorded,
    scenario: &impl Scenario,
    bounds: Bounds,
    cases: &SyncSender<Case>,
    report: &Mutex<CrashReport>,
    enough: &AtomicBool,
) -> io::Result<()> {
    let (points, left_out) = points(&recorded.events, scenario, bounds);
    locked(report).points_left_out = left_out;
    let mut disk = recorded.before.clone();
    let mut promised = Arc::new(Vec::new());
    let mut seen = BTreeSet::new();
    for position in 0..=recorded.events.len() {
        if points.contains(&position) {
            locked(report).points += 1;
            let samples = (0..bounds.samples)
                .map(|sample| Choice::Sample(bounds.seed ^ (position as u64) << 20 ^ sample << 52));
            for choice in [Choice::Nothing, Choice::Everything].into_iter().chain(samples) {
                if enough.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let state = disk.state(choice)?.without(|path| scenario.leaves_out(path));
                locked(report).states += 1;
                if !seen.insert((state.fingerprint(), promised.len())) {
                    continue;
                }
                let name = name_of(&recorded.events, position, choice);
                if cases.send(Case { state, acknowledged: Arc::clone(&promised), name }).is_err() {
                    return Ok(()); // The judges stopped: their error says why.
                }
            }
        }
        if let Some(event) = recorded.events.get(position) {
            disk.apply(event)?;
            let new = acknowledged(scenario, event);
            if !new.is_empty() {
                Arc::make_mut(&mut promised).extend(new);
            }
        }
    }
    Ok(())
}

/// The moments to visit, each as the number of events that happened before it, and how many were left out.
fn points(events: &[Event], scenario: &impl Scenario, bounds: Bounds) -> (BTreeSet<usize>, usize) {
    let (mut first, mut others) = (BTreeSet::from([events.len()]), BTreeSet::new());
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Sync(_) | Event::SyncFailed(_) => first.extend([index, index + 1]),
            Event::Send(..) if acknowledged(scenario, event).is_empty() => {}
            Event::Send(..) => _ = first.insert(index + 1),
            _ => _ = others.insert(index + 1),
        }
    }
    let mut random = Random::new(bounds.seed);
    let others: Vec<usize> = others.difference(&first).copied().collect();
    let all = first.len() + others.len();
    let mut chosen = some_of(first.into_iter().collect(), bounds.points_max, &mut random);
    chosen.extend(some_of(others, bounds.points_max - chosen.len(), &mut random));
    let left_out = all - chosen.len();
    (chosen.into_iter().collect(), left_out)
}

/// At most `bound` of the things, by chance.
fn some_of(mut things: Vec<usize>, bound: usize, random: &mut Random) -> Vec<usize> {
    while things.len() > bound {
        things.swap_remove(random.below(things.len()));
    }
    things
}

fn name_of(events: &[Event], position: usize, choice: Choice) -> String {
    let last = position.checked_sub(1).and_then(|index| events.get(index));
    let after = last.map_or_else(|| "the start".to_owned(), Event::to_string);
    format!("moment {position} (after {after}), {choice:?}")
}

/// Takes states and has them verified, each on a folder of its own.
fn judge(
    scenario: &impl Scenario,
    bounds: Bounds,
    cases: &Mutex<Receiver<Case>>,
    report: &Mutex<CrashReport>,
    enough: &AtomicBool,
) -> io::Result<()> {
    loop {
        let case = locked(cases).recv();
        let Ok(case) = case else { return Ok(()) };
        if enough.load(Ordering::Relaxed) {
            continue; // Keeps the walk from waiting for us.
        }
        let home = scratch_folder()?;
        let folder = home.path().join("data");
        case.state.write_to(&folder)?;
        let (lost, duplicates) = verify(scenario, &folder, &case.acknowledged);
        let mut report = locked(report);
        report.opened += 1;
        report.duplicates += duplicates;
        if !lost.is_empty() {
            report.losing += 1;
            if bounds.stop_at_loss {
                enough.store(true, Ordering::Relaxed);
            }
            list(&mut report.lost, &case.name, lost);
        }
    }
}

/// What is lost on this folder, and how many duplicates are there.
pub(super) fn verify(
    scenario: &impl Scenario,
    folder: &Path,
    acknowledged: &[String],
) -> (Vec<String>, usize) {
    match scenario.verify(folder, acknowledged) {
        Ok(found) => (found.lost, found.duplicates),
        Err(error) => (vec![format!("the folder does not open: {error}")], 0),
    }
}

/// Adds losses to a list, up to its bound.
pub(super) fn list(listed: &mut Vec<String>, place: &str, losses: Vec<String>) {
    let room = LOSSES_LISTED_MAX.saturating_sub(listed.len());
    listed.extend(losses.into_iter().take(room).map(|loss| format!("{place}: {loss}")));
}

/// The lock, also after another thread panicked: its panic is reported by its end.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

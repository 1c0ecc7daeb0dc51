//! Relays under load, Postrider beside Postfix: what `cargo xtask bench relay` measures, and what tests do on a smaller
//! scale; and a server that is besieged, for `cargo xtask soak`.

pub mod crowd;
pub mod fanout;
pub mod siege;
pub mod throughput;

use crate::limits::LOOK_AGAIN;
use crate::machine::Machine;
use crate::onward::Origin;
use crate::postfix;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How long a whole load may take.
pub const LOAD_MAX: Duration = Duration::from_secs(15 * 60);

/// Ticks of CPU time in `/proc`, the kernel's `USER_HZ`: the same on every platform we build for.
const TICKS_PER_SECOND: u64 = 100;

/// One line of a table: what was measured, in which unit, and what it is to stay below.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What came of it.
    pub figure: f64,
    /// Of what.
    pub unit: &'static str,
    /// The target, where there is one.
    pub below: Option<f64>,
}

impl Figure {
    /// Something measured.
    pub fn new(what: impl Into<String>, figure: f64, unit: &'static str) -> Self {
        Self { what: what.into(), figure, unit, below: None }
    }

    /// It is to stay below this.
    #[must_use]
    pub fn below(self, target: f64) -> Self {
        Self { below: Some(target), ..self }
    }
}

/// Four fields with tabs between them, the last empty where there is no target: what `xtask` reads.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}\t", self.what, self.figure, self.unit)?;
        self.below.map_or(Ok(()), |below| write!(f, "{below}"))
    }
}

/// A server under load that sends everything to one host.
pub enum Relay {
    /// Ours.
    Postrider(Box<Origin>),
    /// Debian's Postfix, as it comes.
    Postfix(Box<Machine>),
}

impl Relay {
    /// Ours, with whatever else its configuration has.
    pub fn postrider(onward: SocketAddr, sections: &str) -> Self {
        let route =
            format!("[limits]\nsessions_per_peer = 1000\n{sections}[[route]]\nto = \"smtp://{onward}\"\n");
        Self::Postrider(Box::new(Origin::patient(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &route)))
    }

    /// Postfix, where it can be had.
    pub fn postfix(onward: SocketAddr, settings: &str) -> Option<Self> {
        postfix::start(onward, settings).map(|machine| Self::Postfix(Box::new(machine)))
    }

    /// What it is called in a table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Postrider(_) => "postrider",
            Self::Postfix(_) => "postfix",
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Postrider(origin) => origin.server().address(),
            Self::Postfix(machine) => machine.address(),
        }
    }

    /// CPU time of all its processes so far, those that have ended too.
    pub fn cpu(&self) -> Duration {
        let first = match self {
            Self::Postrider(origin) => origin.server().pid().as_raw_nonzero().get().unsigned_abs(),
            Self::Postfix(machine) => machine.pid(),
        };
        Duration::from_millis(ticks_of_tree(first) * 1000 / TICKS_PER_SECOND)
    }
}

/// Ticks of a process and of everything that descends from it.
fn ticks_of_tree(pid: u32) -> u64 {
    // Whoever ends meanwhile is counted by its parent.
    let own = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| ticks(&stat)).unwrap_or(0);
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return own };
    let children =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect();
    own + children.into_iter().map(ticks_of_tree).sum::<u64>()
}

/// utime, stime, cutime and cstime of `/proc/PID/stat`, fields 14 to 17; the name, field 2, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

/// Waits for the end of a load, which may take its time.
///
/// # Panics
/// With `what`, after [`LOAD_MAX`].
#[expect(clippy::disallowed_methods, reason = "what other processes do is not announced to us")]
pub fn wait(what: &str, mut over: impl FnMut() -> bool) {
    let began = Instant::now();
    while !over() {
        assert!(began.elapsed() < LOAD_MAX, "waited {} s in vain: {what}", LOAD_MAX.as_secs());
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The value below which this part of the others is; they are sorted.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a length is an index"
    )]
    let at = ((sorted.len() as f64) * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_four_fields_behind_any_name() {
        let stat = "42 (a) b c) S 1 42 42 0 -1 4194560 900 0 1 0 150 50 7 3 20 0 9 0 100 1 2 3";
        assert_eq!(ticks(stat), Some(210));
        assert_eq!(ticks("42 (a) S 1"), Some(0));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let times: Vec<Duration> = (0..100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.5), times[50]);
        assert_eq!(quantile(&times, 0.99), times[99]);
        assert_eq!(quantile(&times[..1], 0.99), times[0]);
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}

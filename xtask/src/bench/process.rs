//! What Linux says of a process: proc(5).

use crate::limits::{KERNEL_TICKS_PER_SECOND, POLL, QUIET, SETTLE_MAX};
use crate::problem::{Problem, While};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// CPU time used so far, in user mode and in the kernel, all threads together.
    pub(crate) fn cpu(self) -> Result<Duration, Problem> {
        let stat = self.file("stat")?;
        cpu_of(&stat).ok_or_else(|| Problem::new(format!("/proc/{}/stat is not as proc(5) says", self.0)))
    }

    /// Memory now, in KiB: VmRSS.
    pub(crate) fn memory_kib(self) -> Result<u64, Problem> {
        self.status("VmRSS")
    }

    /// The most memory since the last [`Process::forget_peak`], in KiB: VmHWM.
    pub(crate) fn peak_kib(self) -> Result<u64, Problem> {
        self.status("VmHWM")
    }

    /// Lets the peak begin anew at what is used now.
    pub(crate) fn forget_peak(self) -> Result<(), Problem> {
        let file = format!("/proc/{}/clear_refs", self.0);
        fs::write(&file, "5").while_(file)
    }

    /// Its only child, once there is one.
    pub(crate) fn child(self) -> Option<Self> {
        let children = self.file(&format!("task/{}/children", self.0)).ok()?;
        children.split_whitespace().next()?.parse().ok().map(Self)
    }

    /// Waits until it has used no CPU time for a while, and gives what it has used until then.
    pub(crate) fn when_quiet(self) -> Result<Duration, Problem> {
        let began = Instant::now();
        let (mut used, mut since) = (self.cpu()?, Instant::now());
        while since.elapsed() < QUIET {
            if began.elapsed() > SETTLE_MAX {
                return Err(Problem::new("the server does not come to rest: is it delivering at all?"));
            }
            pause(POLL);
            let now = self.cpu()?;
            // The clock of a server at rest ticks now and then.
            if now.saturating_sub(used) > Duration::from_secs(1) / KERNEL_TICKS_PER_SECOND {
                (used, since) = (now, Instant::now());
            }
        }
        self.cpu()
    }

    fn status(self, name: &str) -> Result<u64, Problem> {
        let status = self.file("status")?;
        kib_of(&status, name).ok_or_else(|| Problem::new(format!("/proc/{}/status has no {name}", self.0)))
    }

    fn file(self, name: &str) -> Result<String, Problem> {
        let file = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&file).while_(file)
    }
}

/// Waits, where only the passing of time will do.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement of another process has no condition to wait for"
)]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// utime and stime of `/proc/PID/stat`, fields 14 and 15; the name, field 2, may hold spaces and brackets.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 1000 / u64::from(KERNEL_TICKS_PER_SECOND)))
}

/// `VmRSS:      1234 kB` of `/proc/PID/status`.
fn kib_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_two_fields_behind_any_name() {
        let stat = "42 (a) b c) S 1 42 42 0 -1 4194560 900 0 1 0 150 50 0 0 20 0 9 0 100 1 2 3";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu_of("42 (a) S 1"), None);
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "Name:\tx\nVmHWM:\t    5120 kB\nVmRSS:\t    4096 kB\n";
        assert_eq!((kib_of(status, "VmRSS"), kib_of(status, "VmHWM")), (Some(4096), Some(5120)));
        assert_eq!(kib_of(status, "Vm"), None);
    }

    #[test]
    fn our_own_process_can_be_read() {
        let we = Process(std::process::id());
        assert!(we.memory_kib().unwrap() > 0 && we.peak_kib().unwrap() > 0);
        we.cpu().unwrap();
    }
}

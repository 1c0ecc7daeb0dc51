//! Every bound and every name that two files share, with its unit.

use std::time::Duration;

/// The version of cargo-deny that is installed when there is none: one that builds with our compiler.
pub(crate) const CARGO_DENY_VERSION: &str = "0.20.2";

/// The package of crash and end-to-end tests.
pub(crate) const END_TO_END_PACKAGE: &str = "postrider-tests";

/// The environment variable that tells the end-to-end tests where the binary is.
pub(crate) const BINARY_VARIABLE: &str = "POSTRIDER_BINARY";

/// Octets of a KiB.
pub(crate) const KIB: usize = 1024;

// Citations ---------------------------------------------------------------------------------------------

/// Octets of a file that is searched for citations.
pub(crate) const SOURCE_OCTETS_MAX: u64 = 4 * 1024 * 1024;
/// Folders within each other that are searched.
pub(crate) const SOURCE_DEPTH_MAX: usize = 16;

// Measurements ------------------------------------------------------------------------------------------

/// How long a row of `bench speed` lasts, in seconds.
pub(crate) const SECONDS_DEFAULT: u64 = 3;
/// The same in `soak`.
pub(crate) const SOAK_SECONDS: u64 = 60;
/// The longest that may be asked for.
pub(crate) const SECONDS_MAX: u64 = 24 * 60 * 60;
/// Octets of content sent for one row at most, however long it may last.
pub(crate) const SPEED_OCTETS_MAX: usize = 4 * KIB * KIB * KIB;
/// Sessions at a time.
pub(crate) const SESSIONS: [u64; 3] = [1, 20, 200];
/// Messages that a fresh server gets before it is measured.
pub(crate) const WARM_UP_MESSAGES: u64 = 20;

/// Messages of each session under strace …
pub(crate) const SYNCS_MESSAGES_PER_SESSION: u64 = 50;
/// … and how long they may take, in seconds.
pub(crate) const SYNCS_SECONDS: u64 = 60;

/// Idle sessions at a time. Half of a usual hard limit of 20,000 descriptors, on either side.
pub(crate) const IDLE_SESSIONS: u64 = 10_000;
/// What each may cost, in KiB.
pub(crate) const IDLE_TARGET_KIB: f64 = 6.0;

/// Octets of the large message: what a server takes when nothing is configured.
pub(crate) const LARGE_OCTETS: usize = 50 * KIB * KIB;
/// What the server may grow by meanwhile, in MiB.
pub(crate) const LARGE_TARGET_MIB: f64 = 2.0;
/// How long it may take, in seconds.
pub(crate) const LARGE_SECONDS: u64 = 60;

/// Messages of a long queue, the domains they go to, and the octets of each.
pub(crate) const DEFERRED_MESSAGES: usize = 200_000;
pub(crate) const DEFERRED_DOMAINS: usize = 5000;
pub(crate) const DEFERRED_OCTETS: usize = 2 * KIB;

/// Messages of the two runs of the engine that are counted.
pub(crate) const ENGINE_MESSAGES: [u64; 2] = [100, 300];
/// Sessions of each run of the engine that is timed …
pub(crate) const ENGINE_SESSIONS: u64 = 100_000;
/// … and how many runs there are.
pub(crate) const ENGINE_RUNS: u32 = 5;

/// The program of [`END_TO_END_PACKAGE`] that puts relays under load.
pub(crate) const RELAY_LOAD_PROGRAM: &str = "relay-load";
/// Messages that go through each relay …
pub(crate) const RELAYED_MESSAGES: u32 = 10_000;
/// … in so many sessions at a time …
pub(crate) const RELAYED_SESSIONS: u32 = 20;
/// … each of so many octets.
pub(crate) const RELAYED_OCTETS: u32 = 4096;
/// Recipients of one message.
pub(crate) const FANOUT_RECIPIENTS: u32 = 1000;
/// Messages, domains, those that do not answer, those that refuse, those that take five connections, how many
/// milliseconds each host thinks about a message, and how many one that takes five connections.
pub(crate) const CROWD: [u32; 7] = [20_000, 200, 3, 2, 5, 20, 500];

/// Who the server is when we are root.
pub(crate) const UNPRIVILEGED_USER: &str = "nobody";
/// How long a server may take to greet.
pub(crate) const START_MAX: Duration = Duration::from_secs(20);
/// How long a server may take to stop: its own limit is 30 s.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(40);
/// How long a server may go on delivering when no more comes in.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(10 * 60);
/// A server that used no CPU for so long is at rest.
pub(crate) const QUIET: Duration = Duration::from_secs(1);
/// Between two looks.
pub(crate) const POLL: Duration = Duration::from_millis(50);
/// How long a client waits for a reply.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(120);
/// Octets of the stack of a client's thread.
pub(crate) const CLIENT_STACK_OCTETS: usize = 256 * KIB;
/// Octets of a line of content with its line end.
pub(crate) const LINE_OCTETS: usize = 78;
/// Ticks of CPU time in `/proc`, the kernel's USER_HZ: the same on every platform we build for.
pub(crate) const KERNEL_TICKS_PER_SECOND: u32 = 100;

// Long runs ---------------------------------------------------------------------------------------------

/// How long the siege lasts, in minutes …
pub(crate) const SOAK_MINUTES: u32 = 60;
/// … and at the longest: a week.
pub(crate) const SOAK_MINUTES_MAX: u32 = 7 * 24 * 60;
/// Cases of each property in `soak`; 256 otherwise.
pub(crate) const SOAK_CASES: u32 = 20_000;

//! How long tests wait, and how much they let grow, in one place.

use std::time::Duration;

/// How long anything may take before a test gives up. Nothing waits that long where things are well; a busy
/// machine may need it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that nobody announces: a file that appears, a process that ends.
pub const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Lines of a process that are kept for a test's message.
pub const LINES_SHOWN_MAX: usize = 60;

/// How much more memory than before a server may use at any moment, whatever one peer or a few do, in KiB.
/// Generous: the buffers of the allocator, of a database or two and of 64 threads are in it; one endless line kept
/// would be more.
pub const GROWTH_KIB_MAX: u64 = 24 * 1024;

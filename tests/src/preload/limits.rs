//! Bounds of the crash proofs.

/// Octets of one trace; a scenario that writes more is too large to explore.
pub const TRACE_OCTETS_MAX: u64 = 1 << 30;

/// Octets of one path in a trace: Linux' PATH_MAX.
pub const PATH_OCTETS_MAX: u32 = 4096;

/// The unit a disk writes whole or not at all.
pub const SECTOR_OCTETS: usize = 512;

/// Runs and verifications at the same time.
pub const PARALLEL: usize = 2;

/// Losses listed by name in a report; more are counted.
pub const LOSSES_LISTED_MAX: usize = 20;

/// Depth of folders that is looked into.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// Octets that must be free in `/dev/shm` for it to be used; below, the folder for temporary files is.
pub const MEMORY_ROOM_OCTETS_MIN: u64 = 1 << 30;

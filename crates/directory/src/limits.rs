//! Every size of the directory, with its unit and its source.

use std::time::Duration;

/// Members of one alias.
pub const ALIAS_MEMBERS_MAX: usize = 1000;

/// Accounts or aliases in one page of a listing.
pub const LIST_PAGE_MAX: u32 = 1000;

/// Characters of a password that is set. NIST SP 800-63B asks for at least 8.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;

/// Octets of a password, set or claimed: hashing costs a bounded time.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

/// KiB of memory for one argon2id hash. OWASP's Password Storage Cheat Sheet: 19 MiB with two passes and one
/// lane; RFC 9106 §4 recommends more for hosts that can spare it, which one with many sessions cannot.
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;

/// Passes of one argon2id hash.
pub const ARGON2_PASSES: u32 = 2;

/// Lanes of one argon2id hash.
pub const ARGON2_LANES: u32 = 1;

/// Read connections that are kept open between look-ups.
pub const READERS_KEPT: usize = 4;

/// Statements that each connection keeps prepared.
pub const STATEMENTS_CACHED: usize = 16;

/// How long a connection waits while another process changes the directory.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

//! Every bound of the spool, with its unit. What an operator may set has its default here.

use std::time::Duration;

/// Octets of content that are kept inside the database row; larger content is a file. What is in a row is
/// written twice, to the log and to the database: the larger, the better a file.
pub const INLINE_OCTETS_DEFAULT: usize = 16 * 1024;

/// Octets that [`INLINE_OCTETS_DEFAULT`] may be set to at most: a row is read and written whole.
pub const INLINE_OCTETS_MAX: usize = 1024 * 1024;

/// Octets of content in memory, all drafts and lent attempts together. Beyond it drafts go to files.
pub const IN_FLIGHT_OCTETS_DEFAULT: usize = 64 * 1024 * 1024;

/// Octets that a draft in a file gathers before it wants to be flushed.
pub const FLUSH_OCTETS: usize = 64 * 1024;

/// Octets that a draft may keep in memory when the budget is spent.
pub const FLUSH_OCTETS_SHORT: usize = 4 * 1024;

/// Octets of a file that are read in one go.
pub const READ_OCTETS: usize = 64 * 1024;

/// Octets of a rendition's prefix: trace fields, Authentication-Results, signatures.
pub const PREFIX_OCTETS_MAX: usize = 64 * 1024;

/// Ranges that a rendition may cut out of the header section.
pub const CUTS_MAX: usize = 4096;

/// Recipients of one message after aliases: all of them stand in one transaction.
pub const RECIPIENTS_PER_MESSAGE_MAX: usize = 10_000;

/// Recipients of one attempt; RFC 5321 §4.5.3.1.8 promises 100 to every client.
pub const RECIPIENTS_PER_ATTEMPT_MAX: usize = 100;

/// Attempts of one message under one key that one lease hands out together.
pub const ATTEMPTS_PER_MESSAGE_MAX: usize = 10;

/// Attempts that one accept lends at most; other recipients wait for a lease.
pub const ATTEMPTS_PER_ACCEPT_MAX: usize = 16;

/// Octets of a route key: a domain of 255 octets and a word before it.
pub const ROUTE_KEY_OCTETS_MAX: usize = 320;

/// Requests that may wait for the committer. Beyond it a message is refused for now (4yz).
pub const REQUESTS_MAX: usize = 4096;

/// Requests that share one transaction and one sync.
pub const BATCH_MAX: usize = 512;

/// Attempts that one lease hands out at most.
pub const ATTEMPTS_PER_LEASE_MAX: usize = 1000;

/// Lots of recipients, each of one message, that one lease gives up as expired, and as many whose deadline
/// has passed.
pub const EXPIRED_PER_LEASE_MAX: usize = 100;

/// Messages that one lease looks at to find those, and those.
pub const EXPIRY_LOOKS_MAX: usize = 1000;

/// Route keys the schedule keeps in memory (about 200 octets each). Those beyond are found by sweeping.
pub const KEYS_MAX: usize = 65_536;

/// Route keys that one lease reads while it sweeps.
pub const KEYS_PER_SWEEP: usize = 512;

/// Different priorities that can stand under one key (RFC 6710: -9 to 9).
pub const PRIORITIES: std::ops::RangeInclusive<i8> = -9..=9;

/// One turn in so many under a key goes to what has been due for longest, whatever its priority.
pub const PATIENCE: u64 = 8;

/// How long something must have been due for such a turn.
pub const STARVING_AFTER: Duration = Duration::from_secs(10 * 60);

/// Messages of one page of a listing, and of one step of hold, release, retry or delete.
pub const PAGE_MESSAGES_MAX: usize = 1000;

/// Rows that one page of a listing looks at before it gives what it has and says where to go on.
pub const PAGE_ROWS_MAX: usize = 20_000;

/// Rows that one step of hold, release, retry or delete looks at: the committer does nothing else meanwhile.
pub const STEP_ROWS_MAX: usize = 2000;

/// Messages that one look for owed notices gives.
pub const OWED_MESSAGES_MAX: usize = 100;

/// How long the committer waits for readers when it restarts the log; after that it tries again later.
pub const RESTART_WAIT: Duration = Duration::from_millis(50);

/// How long a page of a listing may take: a longer read transaction would hold back checkpoints.
pub const PAGE_TIME_MAX: Duration = Duration::from_secs(2);

/// Recipients shown with a message in a listing; `show` gives all.
pub const LISTED_RECIPIENTS_MAX: usize = 20;

/// Read-only connections that are kept open.
pub const READERS_MAX: usize = 4;

/// How long a connection waits for a lock that someone else (a shell on the database) holds.
pub const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Octets of the write-ahead log beyond which the committer itself restarts it.
pub const WAL_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Octets written to the database between two calls to the checkpointer.
pub const CHECKPOINT_OCTETS: u64 = 4 * 1024 * 1024;

/// Octets set aside on the disk, given up when it is full so that settling and removing still work.
pub const RESERVE_OCTETS: u64 = 8 * 1024 * 1024;

/// Octets that must be free, beside the reserve, before mail is taken again after the disk was full.
pub const FREE_OCTETS_AFTER_FULL: u64 = 16 * 1024 * 1024;

/// Files removed from `content/` before that folder is synced and their garbage rows go.
pub const GARBAGE_BATCH: usize = 256;

/// Database pages given back to the file system after a restart of the log, when many are free.
pub const VACUUM_PAGES: u32 = 1024;

/// Free database pages that are kept for reuse.
pub const FREE_PAGES_KEPT: u32 = 16 * 1024;

/// Names of lost files that the report of start-up lists.
pub const LOST_NAMES_MAX: usize = 100;

/// What another boot had in flight is due at once, spread over this time.
pub const RECLAIM_JITTER: Duration = Duration::from_secs(10);

/// How long a message waits after its first failed try.
pub const RETRY_FIRST_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// The longest wait between two tries.
pub const RETRY_LONGEST_DEFAULT: Duration = Duration::from_secs(4 * 60 * 60);

/// How long a message is tried; RFC 5321 §4.5.4.1 asks for four or five days at least.
pub const EXPIRY_DEFAULT: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// The longest that [`EXPIRY_DEFAULT`] may be set to.
pub const EXPIRY_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The part of the expiry that a last try may wait for room before the message is given up without it.
pub const EXPIRY_GRACE_PART: u32 = 100;

/// The longest that wait may be.
pub const EXPIRY_GRACE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long after its reception the sender of a message is told that it is late, where that is wanted.
pub const DELAY_NOTICE_DEFAULT: Duration = Duration::from_secs(4 * 60 * 60);

/// The part of the first wait by which a recipient is tried early when others of its message are due under
/// the same key: what failed within minutes comes back in one transaction.
pub const GATHER_PART: u32 = 10;

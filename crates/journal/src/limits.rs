//! Every size of the journal, with its unit. What lies beyond a limit is counted, and the reader says so.

use std::time::Duration;

/// Lines of dialogue and verdicts kept of one session; an accepted message grants it as many again, so that
/// every message carries its own story.
pub const LINES_MAX: u32 = 200;

/// Octets of text in those lines.
pub const LINE_OCTETS_MAX: usize = 64 * 1024;

/// Outcomes (accepted, fates, commands, the end) in one part. An attempt has at most 100 recipients.
pub const OUTCOMES_MAX: u32 = 256;

/// Octets of text in the outcomes of one part.
pub const OUTCOME_OCTETS_MAX: usize = 256 * 1024;

/// Recipients that one `Accepted` lists; the rest is a number.
pub const RECIPIENTS_LISTED_MAX: usize = 100;

/// Lines of a reply kept with a fate.
pub const FATE_REPLY_LINES_MAX: usize = 8;

/// Keys under which one part can be found.
pub const KEYS_MAX: usize = 256;

/// Stories that may wait for the writer.
pub const WAITING_STORIES_MAX: usize = 8192;

/// Octets of all stories that wait for the writer.
pub const WAITING_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// How long the writer gathers stories into one transaction. A flush does not wait for it.
pub const GATHER: Duration = Duration::from_millis(25);

/// Stories in one segment.
pub const SEGMENT_STORIES_MAX: u32 = 100_000;

/// Time from the first to the last story of one segment.
pub const SEGMENT_AGE_MAX: Duration = Duration::from_hours(24);

/// A segment is closed when it holds this fraction of all that may be kept, so that dropping one whole
/// segment never drops more.
pub const SEGMENT_SHARE: u64 = 8;

/// Octets below which no segment is closed for its size.
pub const SEGMENT_OCTETS_MIN: u64 = 1024 * 1024;

/// Pairs of key and story that wait unsorted in a segment, 12 octets each.
pub const FRESH_PAIRS_MAX: usize = 64 * 1024;

/// Sorted pairs in one row of the index: 6 KiB.
pub const CHUNK_PAIRS: usize = 512;

/// Octets of a page of a segment: several stories fit on one.
pub const PAGE_OCTETS: u32 = 8192;

/// KiB of page cache of the writer's connection.
pub const WRITER_CACHE_KIB: u32 = 4096;

/// How long a connection waits for a lock of another process.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Octets of one stored part; a longer row is not the writer's work and is not read.
pub const ROW_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Stories that one query returns.
pub const FOUND_MAX: usize = 1000;

/// Stories that one query returns unless it asks for another number.
pub const FOUND_DEFAULT: usize = 20;

/// Rows that one key may yield in one segment, newest first.
pub const MATCHES_MAX: usize = 20_000;

/// Parts of one story that are joined, counted from its newest.
pub const PARTS_JOINED_MAX: usize = 64;

/// Segments in a row without a part of a story, after which no further part is looked for.
pub const SEGMENTS_WITHOUT_PART_MAX: u32 = 3;

/// Rows that a search for text looks through, newest first.
pub const TEXT_ROWS_MAX: u32 = 500_000;

/// Rows that a search for text reads at a time, so that no read transaction stays open for long.
pub const TEXT_ROWS_STEP: u32 = 4096;

/// Remarks that one answer carries.
pub const REMARKS_MAX: usize = 20;

/// How long the journal keeps stories unless it is told otherwise.
pub const KEEP_DEFAULT: Duration = Duration::from_hours(30 * 24);

/// Octets of disk the journal takes unless it is told otherwise.
pub const OCTETS_DEFAULT: u64 = 1024 * 1024 * 1024;

//! How much a check looks at, and how much it lets an engine hold, in one place.

/// Octets of one input; what is longer is cut. Larger than every limit that a check wants to see passed.
pub const INPUT_OCTETS_MAX: usize = 16 * 1024;

/// Octets of a reply's input: enough for a reply that is too long.
pub const REPLY_INPUT_OCTETS_MAX: usize = 160 * 1024;

/// Octets up to which an input is also given octet by octet.
pub const OCTET_BY_OCTET_MAX: usize = 1024;

/// Pieces into which an input is cut at random places.
pub const PIECES_MAX: usize = 12;

/// Octets of content that the smaller of the two servers takes.
pub const SMALL_CONTENT_OCTETS: u64 = 200;

/// Recipients that the smaller of the two servers takes.
pub const SMALL_RECIPIENTS: u32 = 4;

/// Octets that one call into a server may add to the wire behind the bound for waiting replies: the words of
/// HELP, a reply to EHLO, and the refusal of a message for each recipient of an LMTP transaction.
pub const REPLIES_OF_ONE_CALL_OCTETS_MAX: usize = 16 * 1024;

/// Calls into an engine for each octet of its input, and as many beside.
pub const CALLS_PER_OCTET_MAX: usize = 8;

/// Octets of content that a client is given to send.
pub const CLIENT_CONTENT_OCTETS_MAX: usize = 255;

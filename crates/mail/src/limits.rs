//! Every size a noun may have, with its unit and its source. Sizes of lines and sessions are the engine's.

/// Octets of a local part. RFC 5321 §4.5.3.1.1 asks for at least 64; the return paths of mailing lists
/// (VERP, BATV) are longer, so only the path around it bounds it.
pub const LOCAL_PART_OCTETS_MAX: usize = 254;

/// Octets of a domain name, in its ASCII form (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_OCTETS_MAX: usize = 255;

/// Octets of one label of a domain name, in its ASCII form (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;

/// Octets of a path, with its angle brackets (RFC 5321 §4.5.3.1.3).
pub const PATH_OCTETS_MAX: usize = 256;

/// Octets of the name a client gives in HELO or EHLO.
pub const HELO_OCTETS_MAX: usize = 255;

/// Octets of one [`Text`](crate::Text). Longer peer text is cut and marked with an ellipsis.
pub const TEXT_OCTETS_MAX: usize = 1000;

/// Lines of one [`Reply`](crate::Reply). RFC 5321 sets none; EHLO replies of large servers have about 20.
pub const REPLY_LINES_MAX: usize = 100;

/// Octets of a word in a notice; a longer one (nobody writes it) is broken, so that lines stay below 998.
pub const NOTICE_WORD_OCTETS_MAX: usize = 900;

/// Octets of a header section that a notice brings back.
pub const NOTICE_HEADER_OCTETS_MAX: usize = 64 * 1024;

/// Octets of text behind which a notice tells reasons only, no longer what was tried and said.
pub const NOTICE_STORY_OCTETS_MAX: usize = 32 * 1024;

/// Octets of one line of what was tried and said, in a notice.
pub const NOTICE_LINE_OCTETS_MAX: usize = 300;

/// Lines of what was tried, and of what was said, about one recipient of a notice.
pub const NOTICE_LINES_MAX: usize = 20;

/// Octets of the ENVID parameter's xtext (RFC 3461 §4.4).
pub const ENVID_OCTETS_MAX: usize = 100;

/// Octets of the ORCPT parameter's value (RFC 3461 §4.2).
pub const ORCPT_OCTETS_MAX: usize = 500;

/// Octets of the SOLICIT parameter's value (RFC 3865 §2.5).
pub const SOLICIT_OCTETS_MAX: usize = 1000;

//! Every size and timeout of the engine, with its unit and its source. Enforced in the reader, in every
//! state; sizes of names and paths are in [`postrider_mail::limits`].

use std::time::Duration;

pub use postrider_mail::limits::{
    DOMAIN_OCTETS_MAX, HELO_OCTETS_MAX, LOCAL_PART_OCTETS_MAX, PATH_OCTETS_MAX, REPLY_LINES_MAX,
};

// Sizes -----------------------------------------------------------------------------------------------

/// Octets of a command line with its line end. RFC 5321 §4.5.3.1.4 asks for 512; extensions add to it
/// (RFC 1870 §4, RFC 3461 §4), and a generous reader loses nothing.
pub const COMMAND_LINE_OCTETS_MAX: usize = 2048;

/// Octets of one reply line that the client reads, with its line end. RFC 5321 §4.5.3.1.5 says 512;
/// peers exceed it.
pub const REPLY_LINE_OCTETS_MAX: usize = 4096;

/// Octets of one whole reply that the client reads; a peer that goes on talking is left.
pub const REPLY_OCTETS_MAX: usize = 64 * 1024;

/// Octets of one reply line that we print, with its line end (RFC 5321 §4.5.3.1.5).
pub const REPLY_PRINTED_OCTETS_MAX: usize = 512;

/// Octets of replies that wait to be sent before the server reads no further command: a peer that asks
/// (six octets of HELP for two hundred of reply) and does not listen holds this much and a reply.
pub const REPLIES_WAITING_OCTETS_MAX: usize = 64 * 1024;

/// Octets of text of a reply that an outcome keeps for one recipient; the dialogue hears all of it. Whole
/// lines, and the first always, so that a transaction's memory follows its number of recipients.
pub const REPLY_KEPT_OCTETS_MAX: usize = 2048;

/// Octets of content that are taken when nothing else is configured (RFC 1870; RFC 5321 §4.5.3.1.7 asks
/// for at least 64 KiB).
pub const CONTENT_OCTETS_DEFAULT: u64 = 50 * 1024 * 1024;

/// Octets of one line of content without its line end that are taken, whatever is configured. RFC 5321
/// §4.5.3.1.6 says 998; programs exceed it by orders of magnitude, and content is never held by lines.
pub const CONTENT_LINE_OCTETS_MAX: u64 = 1024 * 1024;

/// Octets of one line of content without its line end that the standard allows (RFC 5321 §4.5.3.1.6).
pub const CONTENT_LINE_OCTETS_STANDARD: u64 = 998;

/// Octets of one chunk that are read to their end when the chunk is refused (RFC 3030 §2 sets no bound). Behind
/// an announcement of more, unless content may be as large, the session ends.
pub const CHUNK_OCTETS_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Recipients of one transaction when nothing else is configured. RFC 5321 §4.5.3.1.8 asks for at least 100.
pub const RECIPIENTS_DEFAULT: u32 = 1000;

/// Commands from one message accepted to the next that name no recipient and bring no content: HELO, MAIL, RSET,
/// NOOP, VRFY and their like. Behind them the session ends: a place is for those who bring mail.
pub const COMMANDS_PER_MESSAGE_MAX: u32 = 1000;

/// Commands per session that are answered with an error of syntax or order before the session ends
/// (RFC 5321 §4.3.2 leaves it to us). A refused recipient is not an error of this kind.
pub const ERRORS_MAX: u32 = 20;

/// Recipients refused per transaction for being too many before the session ends.
pub const SURPLUS_RECIPIENTS_MAX: u32 = 10_000;

// Timeouts of the server (RFC 5321 §4.5.3.2.7) ----------------------------------------------------------

/// How long a command line may take from the reply before it to its line end. Bytes do not extend it.
pub const SERVER_COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long content may pause between two octets.
pub const SERVER_CONTENT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long one transaction may take from MAIL to its end, however lively. Bytes do not extend it.
pub const SERVER_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60 * 60);

// Timeouts of the client, per phase ----------------------------------------------------------------------

/// Waiting for the greeting (RFC 5321 §4.5.3.2.1).
pub const CLIENT_GREETING_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Waiting for the reply to EHLO, HELO, LHLO, RSET, NOOP; RFC 5321 names none, so as for MAIL.
pub const CLIENT_COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Waiting for the reply to MAIL (RFC 5321 §4.5.3.2.2).
pub const CLIENT_MAIL_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Waiting for the reply to RCPT (RFC 5321 §4.5.3.2.3).
pub const CLIENT_RCPT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Waiting for the 354 after DATA (RFC 5321 §4.5.3.2.4).
pub const CLIENT_DATA_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// From MAIL to the reply to DATA altogether, however lively the peer. RFC 5321 names none; a thousand
/// recipients at the pace of a slow host fit in.
pub const CLIENT_ENVELOPE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Waiting for one chunk of content to be taken by the peer (RFC 5321 §4.5.3.2.5).
pub const CLIENT_CHUNK_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// Waiting for the reply after the final dot (RFC 5321 §4.5.3.2.6).
pub const CLIENT_END_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Waiting for the reply to QUIT: the work is done, so not long.
pub const CLIENT_QUIT_TIMEOUT: Duration = Duration::from_secs(30);

//! Every size and timeout of `send` and `talk`, with its unit. What the protocol itself sets is in
//! [`postrider_smtp::limits`].

use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// Octets of a message file, of an attachment, of a text on standard input, and of the whole message.
pub(in crate::command) const MESSAGE_OCTETS_MAX: u64 = 256 * MIB;

/// Octets of one line of a message without its line end (RFC 5322 §2.1.1).
pub(in crate::command) const MESSAGE_LINE_OCTETS_MAX: usize = 998;

/// Recipients of one message.
pub(in crate::command) const RECIPIENTS_MAX: usize = 1000;

/// Attachments of one message; header fields given on the command line.
pub(in crate::command) const PARTS_MAX: usize = 100;

/// Octets of a header field given on the command line.
pub(in crate::command) const FIELD_OCTETS_MAX: usize = 16 * 1024;

/// Octets of content that are put on the wire at a time.
pub(in crate::command) const PIECE_OCTETS: usize = 64 * 1024;

/// Octets that are read from the peer at a time.
pub(in crate::command) const READ_OCTETS: usize = 16 * 1024;

/// Octets of one line that is typed into `talk`: more than any host takes.
pub(in crate::command) const TYPED_LINE_OCTETS_MAX: usize = 1024 * 1024;

/// Replies that nobody asked for, after which `talk` leaves the host.
pub(in crate::command) const UNASKED_REPLIES_MAX: usize = 100;

/// Waiting for the host's address and for the connection, when nothing else is said. RFC 5321 sets none.
pub(in crate::command) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The same for each of the hosts that DNS names: there may be ten addresses, and somebody is watching.
pub(in crate::command) const MX_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

//! Bounds of the crash proofs with the real server.

use std::time::Duration;

/// How long the server may take for anything before it counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a server is asked whether it has ended, or its queue.
pub const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Octets of a server's standard error that are shown with a failure.
pub const WORDS_SHOWN_OCTETS_MAX: usize = 2000;

/// Octets of one answer on the control socket.
pub const ANSWER_OCTETS_MAX: u64 = 16 << 20;

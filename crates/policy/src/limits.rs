//! Bounds of decisions, with units.

use std::time::Duration;

/// Destinations that one forward-path may expand to; a larger alias is refused.
pub const DESTINATIONS_MAX: usize = 1000;

/// Addresses looked up while one forward-path is expanded.
pub const LOOK_UPS_MAX: usize = 4000;

/// Received fields of a message that is still taken (RFC 5321 §6.3 asks for at least 100 as a limit that
/// catches loops; 50 is what a path through real hosts never reaches).
pub const HOPS_DEFAULT: u32 = 50;

/// Sessions of one peer at a time.
pub const SESSIONS_PER_PEER_DEFAULT: u32 = 100;

/// The port of SMTP between hosts (RFC 5321 §4.5.4.2).
pub const SMTP_PORT: u16 = 25;

/// Connections to one site at a time, at most; a site starts with far fewer.
pub const CONNECTIONS_PER_SITE_DEFAULT: u32 = 20;

/// How far the sender may put a message off, when nothing else is configured (RFC 4865 §4).
pub const FUTURE_RELEASE_DEFAULT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

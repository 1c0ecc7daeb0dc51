//! What must hold for every octet that comes in.
//!
//! Each check is a `fn(&[u8])` that panics when a property is broken. Three callers share them: the fuzz
//! targets in `fuzz/`, the replay of their corpus, and proptest with inputs that look like the real thing
//! (both in `tests/` beside this). So what a fuzzer once found is tested for ever, and a property is written
//! down once.
//!
//! The properties:
//! - nothing panics, and nothing goes on for ever;
//! - what an engine holds, leaves in its input and puts on the wire is bounded;
//! - the same things happen, however the octets are split;
//! - what was printed and is parsed again gives the same value;
//! - no bare CR, no bare LF and no NUL stands in any output.
//!
//! What else a check needs (where to split, what to answer) follows from its input, so that an input alone
//! repeats a failure.

#![expect(clippy::panic, clippy::expect_used, reason = "a check fails by panicking")]

pub mod address;
pub mod client;
pub mod command;
pub mod dice;
pub mod false_ends;
pub mod header;
pub mod limits;
pub mod proxy;
pub mod reply;
pub mod server;
pub mod wire;
pub mod xtext;

/// Panics when a property does not hold for these octets.
pub type Check = fn(&[u8]);

/// Every check, by the name that its fuzz target and its corpus have.
pub const CHECKS: [(&str, Check); 9] = [
    ("address", address::address),
    ("client_session", client::client_session),
    ("command_line", command::command_line),
    ("header_section", header::header_section),
    ("parameters", command::parameters),
    ("proxy_header", proxy::proxy_header),
    ("reply", reply::reply),
    ("server_session", server::server_session),
    ("xtext", xtext::xtext),
];

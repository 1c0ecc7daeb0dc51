//! The SMTP and LMTP protocol engine, server and client, sans-IO (RFC 5321, RFC 2033).
//!
//! What this crate does not do: it never touches a socket, a clock or a file, decides nothing, and knows no
//! runtime. Bytes and `now` go in; events and bytes come out.

mod chunk;
pub mod client;
pub mod command;
mod data;
pub mod dialogue;
pub mod extension;
pub mod forward;
pub mod limits;
mod line;
pub mod reply;
pub mod server;

pub use dialogue::{Dialogue, Line, Out, Silent};

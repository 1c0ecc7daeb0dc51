//! The agents: they listen, receive, take in, dispatch and deliver. Tokio lives here.
//!
//! What this crate does not do: it knows no configuration format, starts no threads, reads no clock but the
//! world's, and decides nothing. [`policy`](postrider_policy) decides, the [engine](postrider_smtp)
//! understands octets, the [queue](postrider_queue) remembers.

pub mod dispatch;
mod facts;
pub mod intake;
pub mod lending;
pub mod limits;
pub mod listen;
pub mod local;
mod lookup;
mod maildir;
pub mod net;
pub mod operator;
mod reception;
pub mod server;
pub mod story;
pub mod world;

pub use server::{Notices, Outbound, Returned, Server, Settings};
pub use story::{Observer, Stories};
pub use world::World;

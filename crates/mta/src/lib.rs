//! The agents: they listen, receive, take in, dispatch and deliver. Tokio lives here.
//!
//! What this crate does not do: it knows no configuration format, starts no threads, reads no clock but the
//! world's, and decides nothing. [`policy`](postrider_policy) decides, the [engine](postrider_smtp)
//! understands octets, the [queue](postrider_queue) remembers.

pub mod bounce;
mod connection;
mod courier;
pub mod destinations;
pub mod dispatch;
mod facts;
pub mod hosts;
pub mod intake;
pub mod lending;
pub mod limits;
pub mod listen;
pub mod local;
mod local_attempt;
mod lookup;
mod loops;
mod maildir;
pub mod net;
pub mod operator;
pub mod proxy;
mod reception;
mod remote;
pub mod resolver;
pub mod server;
mod settlement;
pub mod shortage;
mod site;
pub mod story;
pub mod world;

#[cfg(test)]
#[path = "../tests/common/peer.rs"]
mod peer;
#[cfg(test)]
mod trial;

pub use server::{BareNewlines, LongLines, Notices, Outbound, Returned, Server, Settings, Smtp};
pub use story::{Observer, Stories};
pub use world::World;

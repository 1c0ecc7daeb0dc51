//! Decides: facts in, verdict out. Synchronous, without sockets, files or waiting.
//!
//! | module | decides |
//! |---|---|
//! | [`local`] | which domains are ours, and how their addresses are spelled |
//! | [`admit`] | whether a client, a sender, a recipient, a message is taken |
//! | [`relay`] | who may send through this host to elsewhere |
//! | [`trust`] | whose word about another client is taken |
//! | [`expand`] | who stands behind an address of ours |
//! | [`moved`] | who has moved, and where to |
//! | [`route`] | where a recipient's message goes next |
//! | [`port`] | what policy may be told by others |
//!
//! A verdict always has a reason. A fact that is missing is named ([`admit::Need`]) and fetched by the
//! agents; policy never waits for one.

pub mod admit;
pub mod expand;
pub mod limits;
pub mod local;
pub mod moved;
pub mod port;
pub mod relay;
pub mod route;
pub mod trust;
pub mod verdict;

pub use verdict::{Decision, Verdict};

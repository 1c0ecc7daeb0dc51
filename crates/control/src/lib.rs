//! What an operator can do, as values plus one executor.
//!
//! A [`Command`] goes in, an [`Answer`] comes out; both are plain data that serialise as JSON. The control
//! socket, the command line and, later, HTTP are skins over them. Nothing here knows a socket, a terminal
//! or who may do what: that is settled before a command arrives.

mod command;
mod execute;

pub use command::{Activity, Answer, Changed, Command, DestinationView, Health, Pauses, Who};
pub use execute::{Destinations, Executor};

//! Helpers for the end-to-end tests.
//!
//! [`site`] is a place for a server, [`process`] a running one, [`client`] someone who talks to it. Failures panic:
//! the helpers of tests are tests too.

pub mod binary;
pub mod client;
pub mod crash;
pub mod limits;
pub mod preload;
pub mod process;
pub mod random;
pub mod site;
pub mod tee;
pub mod terminal;
pub mod tools;
pub mod transcript;
pub mod wait;

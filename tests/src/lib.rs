//! Helpers for the end-to-end tests.
//!
//! [`site`] is a place for a server, [`process`] a running one, [`client`] someone who talks to it, [`states`] how far
//! such a talk has come, [`memory`] what it costs; [`onward`] is one that sends mail on: to a scripted [`peer`], to a
//! [`sink`], to other mail servers that live on [`machine`]s of their own
//! ([`postfix`], [`exim`], [`opensmtpd`]) or in processes of ours ([`aiosmtpd`]), by a real name server ([`dns`]).
//! [`bodies`] are messages of every kind, a [`wiretap`] sees them pass, a [`matrix`] says what became of them. [`load`] puts it under load. Failures panic:
//! the helpers of tests are tests too.

pub mod aiosmtpd;
pub mod binary;
pub mod bodies;
pub mod client;
pub mod crash;
pub mod dns;
pub mod exim;
pub mod haproxy;
pub mod javascript;
pub mod limits;
pub mod load;
pub mod machine;
pub mod matrix;
pub mod memory;
pub mod numbered;
pub mod onward;
pub mod opensmtpd;
pub mod peer;
pub mod postfix;
pub mod preload;
pub mod process;
pub mod python;
pub mod random;
pub mod sink;
pub mod site;
pub mod states;
pub mod tee;
pub mod terminal;
pub mod tools;
pub mod transcript;
pub mod wait;
pub mod wiretap;

//! The real server in the crash proofs: what is done with it, and how to see what became of the mail.
//!
//! - [`letter`] is a numbered message: its content and where it goes follow from its number, so what is found on a
//!   disk can be judged without knowing who wrote it.
//! - [`play`] is a scenario of [`crate::preload`]: letters are sent in sessions, the server is stopped.
//! - [`server`], [`talk`] and [`control`] run the binary, send letters, and give an operator's commands. Their
//!   errors are values: a server on a failing disk may refuse, or end.
//! - [`verdict`] starts the server again on a folder that a crash left, lets it finish, and looks for every letter.

pub mod control;
pub mod letter;
pub mod limits;
pub mod play;
pub mod server;
pub mod talk;
pub mod verdict;

pub use letter::Letter;
pub use play::{Kind, Play, Session};

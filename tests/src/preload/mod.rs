//! Crash proofs: the real program on a disk that fails, and on a disk that forgets.
//!
//! A library in C (`preload/`, see the head of `fault.h`) is preloaded into a program. It fails the n-th write, sync,
//! rename or unlink, and it records every change the program makes below one folder, together with the words it
//! sends to its sockets. From there:
//!
//! - [`library`] builds it and says, as values, what it shall do ([`Faults`]).
//! - [`trace`] reads the record.
//! - [`disk`] is the crash model: what a disk may hold after the power went. **Read its head first.**
//! - [`crash`] visits the moments of a trace, rebuilds the states of each, and has them judged.
//! - [`failing`] runs a scenario once for every call that may fail.
//!
//! A test describes a program as a [`Scenario`] and calls [`every_crash_state`] and [`every_failing_call`]. A test
//! that proves durability is itself tested: with [`Faults::nosync`] the same scenario must lose mail.
//!
//! Not here: what is a message, and where it may be found. That is the scenario's.

pub mod crash;
pub mod disk;
pub mod failing;
pub mod library;
pub mod limits;
mod random;
pub mod scenario;
pub mod subject;
pub mod trace;
mod waiting;

pub use crash::{Bounds, CrashReport, every_crash_state};
pub use failing::{FailingReport, every_failing_call};
pub use library::{ErrorKind, Failure, Faults, Kind, Library};
pub use scenario::{Found, Scenario};

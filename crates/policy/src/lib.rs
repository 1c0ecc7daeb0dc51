//! Decides: facts in, verdict out.

pub mod port;

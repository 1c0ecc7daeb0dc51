//! Every bound and every name that two files share, with its unit.

/// The version of cargo-deny that is installed when there is none: one that builds with our compiler.
pub(crate) const CARGO_DENY_VERSION: &str = "0.20.2";

/// The package of crash and end-to-end tests.
pub(crate) const END_TO_END_PACKAGE: &str = "postrider-tests";

/// The environment variable that tells the end-to-end tests where the binary is.
pub(crate) const BINARY_VARIABLE: &str = "POSTRIDER_BINARY";

//! Runs the real binary on a configuration in a folder of its own.

#![expect(clippy::unwrap_used, reason = "clippy frees test functions, not their helpers")]

use std::path::Path;
use std::process::{Command, Output};

/// The name of the file, as it is shown.
pub(crate) const FILE: &str = "postrider.toml";

/// `postrider ARGUMENTS` in this folder.
pub(crate) fn postrider(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postrider")).current_dir(folder).args(arguments).output().unwrap()
}

/// What `postrider check` says on standard error of a configuration that it must refuse.
#[allow(dead_code, reason = "not every test binary has broken configurations")]
pub(crate) fn told(source: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), source.trim_start_matches('\n')).unwrap();
    let output = postrider(folder.path(), &["check", "--config", FILE]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

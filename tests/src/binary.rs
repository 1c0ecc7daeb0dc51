//! Where the program under test is.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The binary `postrider`: the one that `POSTRIDER_BINARY` names, or else the one beside this test's program,
/// built first, so that `cargo test` alone is enough on a clean checkout.
///
/// # Panics
/// When there is none, and none can be built.
pub fn postrider() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("POSTRIDER_BINARY") {
        Some(named) => {
            let named = PathBuf::from(named);
            assert!(named.is_file(), "POSTRIDER_BINARY names {}, which is not there", named.display());
            named
        }
        None => build(),
    })
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/test-0123
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("who am I: {error}"));
    let profile = test.ancestors().nth(2).unwrap_or_else(|| panic!("{} is nowhere", test.display()));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["build", "--quiet", "--package", "postrider", "--target-dir"]);
    cargo.arg(profile.parent().unwrap_or(profile));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status();
    assert!(matches!(&built, Ok(status) if status.success()), "postrider does not build: {built:?}");
    profile.join("postrider")
}

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

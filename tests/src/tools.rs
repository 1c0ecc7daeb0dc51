//! Programs that tests use and machines may lack.

use std::path::PathBuf;

/// Whether this run stands for the project: then nothing may be left out.
pub fn strict() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// Says what is left out, and why.
///
/// # Panics
/// Where `CI=true`: there, nothing may be left out.
#[track_caller]
pub fn left_out(why: &str) {
    assert!(!strict(), "with CI=true nothing is left out: {why}");
    println!("LEFT OUT: {why}");
}

/// The program of this name, or a word that it is missing.
///
/// # Panics
/// When it is missing where `CI=true`.
#[track_caller]
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        left_out(&format!("the program {name} is not installed"));
    }
    found
}

//! The steps, and those that are one command each.

use super::{Outcome, packages, suites, unpacked, walls};
use crate::limits::CARGO_DENY_VERSION;
use crate::problem::Problem;
use crate::tools::{self, cargo};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One step of `cargo xtask ci`.
pub(crate) struct Step {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) work: fn() -> Result<Outcome, Problem>,
}

/// All of them, in the order in which they run.
pub(super) static STEPS: [Step; 11] = [
    Step { name: "fetch", what: "Cargo.lock fits, and every dependency is here", work: fetch },
    Step { name: "packages", what: "Debian packages that the end-to-end tests use", work: packages::work },
    Step {
        name: "servers",
        what: "Debian's mail and name servers, unpacked for the tests",
        work: unpacked::work,
    },
    Step { name: "fmt", what: "every file is formatted", work: fmt },
    Step { name: "walls", what: "no crate uses what its floor forbids", work: walls::work },
    Step { name: "rfc", what: "code, tests and docs/rfc.toml agree on the standards we follow", work: rfc },
    Step { name: "clippy", what: "no warning of the compiler or of clippy", work: clippy },
    Step { name: "deny", what: "licences, bans and sources of dependencies", work: deny },
    Step { name: "doc", what: "the documentation builds without a warning", work: doc },
    Step { name: "unit", what: "unit, dialogue, property and doc tests of every crate", work: suites::unit },
    Step { name: "e2e", what: "crash and end-to-end tests of the real binary", work: suites::end_to_end },
];

fn fetch() -> Result<Outcome, Problem> {
    // For all platforms: cargo-deny looks at the whole lock file, offline.
    let held = tools::run(&mut cargo(["fetch", "--locked"]))?;
    Ok(Outcome::of(held, "run `cargo check` and commit Cargo.lock; without a network, leave this step out"))
}

fn fmt() -> Result<Outcome, Problem> {
    let held = tools::run(&mut cargo(["fmt", "--all", "--check"]))?;
    Ok(Outcome::of(held, "run `cargo fmt --all`"))
}

fn rfc() -> Result<Outcome, Problem> {
    let held = crate::rfc::run(&[])?;
    Ok(Outcome::of(
        held,
        "mend what it says; `cargo xtask rfc --write` writes docs/rfc.md and README.md anew",
    ))
}

fn clippy() -> Result<Outcome, Problem> {
    let held = tools::run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(Outcome::of(held, "mend what clippy says; an exception is an #[expect] with its reason"))
}

fn deny() -> Result<Outcome, Problem> {
    let Some(program) = cargo_deny()? else {
        return Ok(Outcome::skipped(format!(
            "cargo-deny is not here and could not be installed: \
             run `cargo install --locked cargo-deny@{CARGO_DENY_VERSION}` where there is a network"
        )));
    };
    let mut command = Command::new(program);
    command.current_dir(tools::root()).args(["--offline", "check", "licenses", "bans", "sources"]);
    Ok(Outcome::of(tools::run(&mut command)?, "see deny.toml for what is allowed and why"))
}

/// The program, installed below the target folder if it is nowhere else.
fn cargo_deny() -> Result<Option<PathBuf>, Problem> {
    let folder = tools::target().join("tools");
    let ours = folder.join("bin/cargo-deny");
    if let Some(found) = tools::find("cargo-deny").or_else(|| Some(ours.clone()).filter(|ours| ours.exists()))
    {
        return Ok(Some(found));
    }
    let package = format!("cargo-deny@{CARGO_DENY_VERSION}");
    let mut install = cargo(["install", "--locked", "--quiet", &package, "--root"]);
    // A build folder of its own would be thrown away; this one lets a broken-off build go on.
    install.arg(&folder).env("CARGO_TARGET_DIR", folder.join("build"));
    let installed = tools::run(&mut install)? && Path::new(&ours).exists();
    Ok(installed.then_some(ours))
}

fn doc() -> Result<Outcome, Problem> {
    let mut command = cargo(["doc", "--workspace", "--no-deps"]);
    let held = tools::run(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::of(held, "mend the links and examples that rustdoc names"))
}

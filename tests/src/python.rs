//! Python programs of the field that judge what we write or speak with us, from PyPI: pinned, kept below the target
//! folder, fetched by the first test that needs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::tools::{left_out, tool};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// flufl.bounce reads notices for GNU Mailman; the others are what it needs.
const PACKAGES: [&str; 3] = ["flufl.bounce==6.0.0", "atpublic==9.0.0", "zope.interface==8.7"];

/// aiosmtpd is the mail server of the Python world; the others are what it needs.
const AIOSMTPD: [&str; 3] = ["aiosmtpd==1.4.6", "atpublic==5.0", "attrs==24.2.0"];

/// A Python that has what reads notices, or a word that there is none.
///
/// # Panics
/// When there is none where `CI=true`.
pub fn python() -> Option<Python> {
    with(&PACKAGES)
}

/// A Python that has aiosmtpd, or a word that there is none.
///
/// # Panics
/// When there is none where `CI=true`.
pub fn aiosmtpd() -> Option<Python> {
    with(&AIOSMTPD)
}

fn with(packages: &[&str]) -> Option<Python> {
    let program = tool("python3")?;
    let folder = packages_folder(packages[0]);
    if !folder.is_dir() && !install(&program, packages, &folder) {
        left_out(&format!("pip could not fetch {}", packages.join(" ")));
        return None;
    }
    Some(Python { program, packages: folder })
}

/// A Python.
pub struct Python {
    program: PathBuf,
    packages: PathBuf,
}

impl Python {
    /// Runs a script that reads `input`; gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, script: &str, input: &[u8]) -> String {
        let mut command = self.command(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}\n{said}{complained}", output.status);
        said.into_owned()
    }

    /// A script, to be given its arguments.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-B", "-c", script]).env("PYTHONPATH", &self.packages);
        command
    }
}

fn packages_folder(first: &str) -> PathBuf {
    tools_folder().join(format!("python-{}", first.replace("==", "-")))
}

/// `TARGET/tools`, beside the test's own program: `TARGET/PROFILE/deps/test-0123`.
pub(crate) fn tools_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("tools")
}

/// Installs beside the folder, and renames: two tests at once do not see half of it.
fn install(program: &Path, packages: &[&str], folder: &Path) -> bool {
    let tools = folder.parent().unwrap();
    fs::create_dir_all(tools).unwrap();
    let fresh = tempfile::tempdir_in(tools).unwrap();
    let place = fresh.path().join("packages");
    let mut pip = Command::new(program);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]);
    // What is installed in a folder of ours concerns nobody else, root or not.
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    let installed = pip.arg(&place).args(packages).status().is_ok_and(|status| status.success());
    // Who renames second finds it there.
    installed && (fs::rename(&place, folder).is_ok() || folder.is_dir())
}

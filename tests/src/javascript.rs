//! Programs of the JavaScript world that send us mail, from npm: pinned, kept below the target folder, fetched by
//! the first test that needs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::python::tools_folder;
use crate::tools::{left_out, tool};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// nodemailer needs nothing else.
const NODEMAILER: &str = "nodemailer@10.6.0";

/// A script in Node.js that may `require("nodemailer")`, to be given its arguments; a word where there is none.
///
/// # Panics
/// When there is none where `CI=true`.
pub fn nodemailer(script: &str) -> Option<Command> {
    let program = tool("node")?;
    let folder = tools_folder().join(NODEMAILER.replace('@', "-"));
    if !folder.is_dir() && !install(&tool("npm")?, &folder) {
        left_out(&format!("npm could not fetch {NODEMAILER}"));
        return None;
    }
    let mut command = Command::new(program);
    command.args(["-e", script]).env("NODE_PATH", folder.join("node_modules"));
    Some(command)
}

/// Installs beside the folder, and renames: two tests at once do not see half of it.
fn install(npm: &Path, folder: &Path) -> bool {
    let tools = folder.parent().unwrap();
    fs::create_dir_all(tools).unwrap();
    let fresh = tempfile::tempdir_in(tools).unwrap();
    let place: PathBuf = fresh.path().join("packages");
    fs::create_dir(&place).unwrap();
    let mut npm = Command::new(npm);
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"]);
    // Its own words would only disturb those of the test.
    npm.arg(&place).arg(NODEMAILER).stdout(Stdio::null());
    let installed = npm.status().is_ok_and(|status| status.success());
    // Who renames second finds it there.
    installed && (fs::rename(&place, folder).is_ok() || folder.is_dir())
}

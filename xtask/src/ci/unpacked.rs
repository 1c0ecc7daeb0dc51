//! Servers, and a proxy, that the end-to-end tests run beside ours, each unpacked into a folder of its own below the
//! target folder. They are not installed: Debian's mail servers exclude each other, and an installed server is
//! started at once. `tests/src/machine.rs` gives them a place where they find themselves installed.

use super::Outcome;
use super::packages::apt_get;
use crate::counts::Counts;
use crate::problem::{Problem, While};
use crate::tools;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The packages, named as their folders are.
const PACKAGES: [&str; 5] = ["postfix", "exim4-daemon-light", "opensmtpd", "haproxy", "bind9"];

pub(super) fn work() -> Result<Outcome, Problem> {
    let mut outcome = Outcome { counts: Counts::default(), remarks: Vec::new() };
    let mut updated = false;
    for package in PACKAGES {
        let there = folder(package).exists() || unpack(package, &mut updated)?;
        outcome.counts += if there { Counts::PASSED } else { Counts::SKIPPED };
        if !there {
            outcome
                .remarks
                .push(format!("tests beside {package} cannot run: apt-get does not bring it, see above"));
        }
    }
    Ok(outcome)
}

/// Where a package lies once it is unpacked.
fn folder(package: &str) -> PathBuf {
    tools::target().join("tools/debian").join(package)
}

/// Downloads a package and what it needs beyond what is installed here, and unpacks all of it. `false` when
/// there is no apt-get, or it has no such package.
fn unpack(package: &str, updated: &mut bool) -> Result<bool, Problem> {
    if tools::find("apt-get").is_none() {
        return Ok(false);
    }
    // A stale list names versions that are gone.
    if !std::mem::replace(updated, true) && !update()? {
        return Ok(false);
    }
    let Some(plan) =
        tools::output(apt_get(false, &["install", "--simulate", "--no-install-recommends"]).arg(package))
    else {
        return Ok(false);
    };
    let new = folder(package).with_extension("new");
    let archives = new.join("archives");
    // What an interrupted run left.
    let _ = fs::remove_dir_all(&new);
    fs::create_dir_all(&archives).while_(archives.display())?;
    let mut download = apt_get(false, &["download"]);
    download.args(to_install(&plan, package)).current_dir(&archives);
    if !tools::run(&mut download)? {
        return Ok(false);
    }
    for archive in fs::read_dir(&archives).while_(archives.display())? {
        let archive = archive.while_(archives.display())?.path();
        if !tools::run(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&new))? {
            return Ok(false);
        }
    }
    fs::remove_dir_all(&archives).while_(archives.display())?;
    fs::rename(&new, folder(package)).while_(package)?;
    Ok(true)
}

/// Fetches the lists of packages, where we may.
fn update() -> Result<bool, Problem> {
    let sudo = !tools::are_root();
    if sudo && tools::output(Command::new("sudo").args(["-n", "true"])).is_none() {
        // The lists that are there may do.
        return Ok(true);
    }
    tools::run(&mut apt_get(sudo, &["update"]))
}

/// The packages that a simulated installation names (`Inst NAME (VERSION …)`), and the package itself, which
/// may be installed here already.
fn to_install<'a>(plan: &'a str, package: &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> =
        plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next()).collect();
    if !names.contains(&package) {
        names.push(package);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_comes_with_what_it_needs_and_comes_even_if_installed() {
        let plan =
            "NOTE: simulation\nInst libuv1 (1.44 Debian:12)\nInst bind9 (9.18 x)\nConf bind9 (9.18 x)\n";
        assert_eq!(to_install(plan, "bind9"), ["libuv1", "bind9"]);
        assert_eq!(to_install("", "bind9"), ["bind9"]);
    }
}

//! Who the process is, and what it may use: user, umask, descriptors. All of it before the runtime starts,
//! while there is one thread.

use crate::command::Failure;
use nix::unistd::{Uid, User, initgroups, setgid, setuid};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use std::ffi::CString;

/// Descriptors kept for everything that is no session: database files, deliveries, drafts, control.
const DESCRIPTORS_RESERVED: u64 = 256;

/// What is made is for its owner alone.
pub(crate) fn private_files() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Raises the limit of open files to what the system allows; gives how many sessions fit.
pub(crate) fn sessions_possible() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // No limit at all still means a number that a kernel can hold.
    let descriptors = current.unwrap_or(1 << 20).min(1 << 20);
    usize::try_from(descriptors.saturating_sub(DESCRIPTORS_RESERVED)).unwrap_or(usize::MAX).max(16)
}

/// Becomes `user` when started as root; refuses to stay root.
pub(crate) fn drop_to(user: Option<&str>) -> Result<(), Failure> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let Some(name) = user else {
        return Err(Failure::config(
            "started as root, and the configuration names no user to become after binding\n  \
             write `user = \"postrider\"` (a user of its own), or start it as that user and let systemd bind the ports",
        ));
    };
    let failed =
        |what: &str, error: nix::errno::Errno| Failure::os(format!("cannot become {name}: {what}: {error}"));
    let found = User::from_name(name).map_err(|error| failed("the user database", error))?;
    let Some(user) = found else {
        return Err(Failure::config(format!(
            "there is no user {name} on this system\n  make one: useradd --system --no-create-home --shell /usr/sbin/nologin {name}"
        )));
    };
    if user.uid.is_root() {
        return Err(Failure::config("the user to become is root: name one of its own"));
    }
    let c_name = CString::new(name).map_err(|_| Failure::config("a user's name holds no NUL"))?;
    initgroups(&c_name, user.gid).map_err(|error| failed("its groups", error))?;
    setgid(user.gid).map_err(|error| failed("its group", error))?;
    setuid(user.uid).map_err(|error| failed("its user id", error))?;
    if Uid::effective().is_root() || setuid(Uid::from_raw(0)).is_ok() {
        return Err(Failure::os("root could not be given up"));
    }
    Ok(())
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Uid::effective().is_root()
}

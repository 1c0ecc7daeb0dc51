//! Who the process is, and what it may use: user, umask, descriptors. All of it before the runtime starts,
//! while there is one thread.

use crate::command::Failure;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use std::ffi::CString;

/// Descriptors kept, at the least, for everything that is no session: database files, deliveries, control.
const DESCRIPTORS_RESERVED_MIN: u64 = 256;

/// The part of all descriptors that is kept where that is more: one in so many.
///
/// A session that receives large content holds a second descriptor, that of its draft's file. Two for every
/// session would halve the sessions, nearly all of which hold one; so a quarter is kept, enough for a third of
/// the sessions to have a file at once. Whoever finds no descriptor beyond that is told to try again (451), and
/// the spool stays in order: what a commit needs is open from the start.
const RESERVED_ONE_IN: u64 = 4;

/// Sessions that are always allowed; with fewer descriptors than they need, accepting pauses.
const SESSIONS_MIN: u64 = 16;

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
    usize::try_from(sessions_within(descriptors)).unwrap_or(usize::MAX)
}

fn sessions_within(descriptors: u64) -> u64 {
    let reserved = DESCRIPTORS_RESERVED_MIN.max(descriptors / RESERVED_ONE_IN);
    descriptors.saturating_sub(reserved).max(SESSIONS_MIN)
}

/// The user of this system that root becomes.
#[derive(Clone, Debug)]
pub(crate) struct Account(User);

impl Account {
    /// Its number.
    pub(crate) fn user(&self) -> u32 {
        self.0.uid.as_raw()
    }

    /// The number of its group.
    pub(crate) fn group(&self) -> u32 {
        self.0.gid.as_raw()
    }
}

/// Becomes `user` when started as root; refuses to stay root.
pub(crate) fn drop_to(user: Option<&str>) -> Result<(), Failure> {
    match account_to_be(user)? {
        Some(account) => become_account(&account),
        None => Ok(()),
    }
}

/// Becomes this user.
pub(crate) fn become_account(Account(user): &Account) -> Result<(), Failure> {
    let failed = |why: String| Failure::os(format!("cannot become {}: {why}", user.name));
    become_for_good(Some(&user.name), user.uid, user.gid).map_err(failed)
}

/// Whom a process that was started as root is to become; `None` where it was not.
pub(crate) fn account_to_be(user: Option<&str>) -> Result<Option<Account>, Failure> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let Some(name) = user else {
        return Err(Failure::config(
            "started as root, and the configuration names no user to become after binding\n  \
             write `user = \"postrider\"` (a user of its own), or start it as that user and let systemd bind the ports",
        ));
    };
    let failed = |why: String| Failure::os(format!("cannot become {name}: {why}"));
    let found = User::from_name(name).map_err(|error| failed(format!("the user database: {error}")))?;
    let Some(user) = found else {
        return Err(Failure::config(format!(
            "there is no user {name} on this system\n  make one: useradd --system --no-create-home --shell /usr/sbin/nologin {name}"
        )));
    };
    if user.uid.is_root() {
        return Err(Failure::config("the user to become is root: name one of its own"));
    }
    Ok(Some(Account(user)))
}

/// Root becomes another user, with that user's groups (of a `name` the system knows) or `group` alone, and
/// makes sure that there is no way back. The error is the end of a sentence.
pub(crate) fn become_for_good(name: Option<&str>, user: Uid, group: Gid) -> Result<(), String> {
    let failed = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    let groups = match name {
        Some(name) => {
            let name = CString::new(name).map_err(|_| "a user's name holds no NUL")?;
            initgroups(&name, group)
        }
        None => setgroups(&[]),
    };
    groups.map_err(failed("its groups"))?;
    setgid(group).map_err(failed("its group"))?;
    setuid(user).map_err(failed("its user id"))?;
    if Uid::effective().is_root() || setuid(Uid::from_raw(0)).is_ok() {
        return Err("root could be regained".into());
    }
    Ok(())
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Uid::effective().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_idle_sessions_fit_where_twenty_thousand_files_may_be_open() {
        assert_eq!(sessions_within(20_000), 15_000);
    }

    #[test]
    fn few_descriptors_leave_a_whole_reserve_and_some_sessions() {
        assert_eq!(sessions_within(1024), 768);
        assert_eq!(sessions_within(276), 20);
        assert_eq!(sessions_within(64), SESSIONS_MIN);
    }

    #[test]
    fn a_third_of_the_sessions_may_hold_a_second_descriptor() {
        for descriptors in [4096, 20_000, 1 << 20] {
            let sessions = sessions_within(descriptors);
            assert!(sessions + sessions / 3 <= descriptors);
        }
    }
}

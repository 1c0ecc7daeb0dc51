//! The trace that the library in `preload/` writes: what a program did to its disk and said to its sockets, in order.
//!
//! A record is a head of 40 octets in the machine's byte order (`struct record`: event, octets of path, octets of
//! second path, reserved: u32; inode, offset, octets of data: u64), then both paths, relative to the root, and the
//! data. A record that is cut off at the end of the trace, because the program was killed, is passed over.

use super::limits::{PATH_OCTETS_MAX, TRACE_OCTETS_MAX};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The inode number of a file, folder or socket; unique while the thing exists.
pub type Inode = u64;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file began to exist.
    Create(PathBuf, Inode),
    /// A folder began to exist.
    Mkdir(PathBuf, Inode),
    /// Data was written into a file at this offset in octets.
    Write(Inode, u64, Vec<u8>),
    /// A file was given this length in octets.
    Resize(Inode, u64),
    /// A name moved, replacing what had the second one.
    Rename(PathBuf, PathBuf),
    /// A file got another name.
    Link(PathBuf, PathBuf),
    /// A name of a file ended.
    Unlink(PathBuf),
    /// A folder ended.
    Rmdir(PathBuf),
    /// A file or folder was synced.
    Sync(Inode),
    /// A sync failed.
    SyncFailed(Inode),
    /// Octets are about to leave through this socket.
    Send(Inode, Vec<u8>),
    /// Something that the crash model does not cover.
    Unsupported(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(path, inode) => write!(f, "create {} (inode {inode})", path.display()),
            Self::Mkdir(path, inode) => write!(f, "mkdir {} (inode {inode})", path.display()),
            Self::Write(inode, at, data) => write!(f, "write {} octets at {at} to inode {inode}", data.len()),
            Self::Resize(inode, octets) => write!(f, "resize inode {inode} to {octets} octets"),
            Self::Rename(from, to) => write!(f, "rename {} to {}", from.display(), to.display()),
            Self::Link(from, to) => write!(f, "link {} as {}", from.display(), to.display()),
            Self::Unlink(path) => write!(f, "unlink {}", path.display()),
            Self::Rmdir(path) => write!(f, "rmdir {}", path.display()),
            Self::Sync(inode) => write!(f, "sync inode {inode}"),
            Self::SyncFailed(inode) => write!(f, "failed sync of inode {inode}"),
            Self::Send(_, data) => write!(f, "send {:?}", String::from_utf8_lossy(data)),
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
        }
    }
}

/// Reads a trace; one that was never begun is empty.
///
/// # Errors
/// It cannot be read, is too large, or is not a trace.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
        Ok(facts) if facts.len() > TRACE_OCTETS_MAX => {
            return Err(io::Error::other("the trace is too large to explore"));
        }
        Ok(_) => {}
    }
    let octets = std::fs::read(path)?;
    let mut rest = octets.as_slice();
    let mut events = Vec::new();
    while let Some(event) = record(&mut rest)? {
        events.push(event);
    }
    Ok(events)
}

/// The next record; none at the end, or where the last one is cut off.
fn record(rest: &mut &[u8]) -> io::Result<Option<Event>> {
    let mut input = *rest;
    let (Some(event), Some(path), Some(path2), Some(_)) =
        (u32_of(&mut input), u32_of(&mut input), u32_of(&mut input), u32_of(&mut input))
    else {
        return Ok(None);
    };
    let (Some(inode), Some(offset), Some(data)) =
        (u64_of(&mut input), u64_of(&mut input), u64_of(&mut input))
    else {
        return Ok(None);
    };
    if path > PATH_OCTETS_MAX || path2 > PATH_OCTETS_MAX || data > TRACE_OCTETS_MAX {
        return Err(io::Error::other("this is not a trace"));
    }
    let (Some(path), Some(path2), Some(data)) =
        (take(&mut input, u64::from(path)), take(&mut input, u64::from(path2)), take(&mut input, data))
    else {
        return Ok(None);
    };
    *rest = input;
    let name = |octets: &[u8]| PathBuf::from(OsStr::from_bytes(octets));
    Ok(Some(match event {
        1 => Event::Create(name(path), inode),
        2 => Event::Mkdir(name(path), inode),
        3 => Event::Write(inode, offset, data.to_vec()),
        4 => Event::Resize(inode, offset),
        5 => Event::Rename(name(path), name(path2)),
        6 => Event::Link(name(path), name(path2)),
        7 => Event::Unlink(name(path)),
        8 => Event::Rmdir(name(path)),
        9 => Event::Sync(inode),
        10 => Event::SyncFailed(inode),
        11 => Event::Send(inode, data.to_vec()),
        12 => Event::Unsupported(String::from_utf8_lossy(path).into_owned()),
        _ => return Err(io::Error::other("the trace has an event that is not known")),
    }))
}

fn take<'a>(input: &mut &'a [u8], octets: u64) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(usize::try_from(octets).ok()?)?;
    *input = rest;
    Some(taken)
}

fn u32_of(input: &mut &[u8]) -> Option<u32> {
    let (number, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u32::from_ne_bytes(*number))
}

fn u64_of(input: &mut &[u8]) -> Option<u64> {
    let (number, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u64::from_ne_bytes(*number))
}

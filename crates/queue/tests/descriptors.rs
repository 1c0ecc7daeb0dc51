//! A process without descriptors. One test alone: the limit is the whole process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use rig::{Rig, START, rendition};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;

/// More than the spool and the test runner hold.
const DESCRIPTORS: u64 = 64;

#[test]
fn without_descriptors_a_draft_fails_alone_and_a_commit_goes_on() {
    let mut rig = Rig::new();
    let large = b"Subject: large\r\n\r\n".repeat(10_000);
    let sealed = rig.message(&large, "a@x.example", &["b@y.example"], START);
    let id = sealed.id();
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: before.maximum }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }

    let mut draft = rig.queue.draft(rig.ids.queue_id(START));
    draft.pour(&large);
    let no_descriptor = draft.flush().unwrap_err();
    assert_eq!(no_descriptor.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    assert_eq!(rig.queue.health(), Ok(()));
    let no_descriptor = draft.seal().unwrap_err();
    assert_eq!(no_descriptor.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    // The file of this one is renamed, both folders are synced.
    let accepted = rig.drive(async |queue| queue.accept(sealed).await).unwrap();
    assert_eq!(accepted.receipt.id(), id);
    assert_eq!(rig.queue.health(), Ok(()));

    drop(taken);
    let attempt = rig.lease_one(START);
    assert_eq!(rendition(&attempt).unwrap(), large);
    rig.accept(&large, "a@x.example", &["b@y.example"], START);
}

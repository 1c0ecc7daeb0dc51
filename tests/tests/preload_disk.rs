//! The crash model, rule by rule (see the head of `preload::disk`).

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::preload::disk::{Choice, Disk, State};
use postrider_tests::preload::limits::SECTOR_OCTETS;
use postrider_tests::preload::trace::{Event, Inode};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

const FILE: Inode = 1 << 40;
const OTHER: Inode = FILE + 1;

/// A disk with an empty root of this inode.
fn empty() -> (Disk, Inode) {
    let folder = tempfile::tempdir().unwrap();
    let inode = std::fs::metadata(folder.path()).unwrap().ino();
    (Disk::read(folder.path()).unwrap(), inode)
}

/// A disk that keeps the empty file `a`, and then this happens.
fn after(events: &[Event]) -> Disk {
    let (mut disk, _) = synced_file(b"");
    events.iter().for_each(|event| disk.apply(event).unwrap());
    disk
}

/// A disk that keeps the file `a` with this content.
fn synced_file(content: &[u8]) -> (Disk, Inode) {
    let (mut disk, root) = empty();
    for event in [
        Event::Create("a".into(), FILE),
        Event::Write(FILE, 0, content.into()),
        Event::Sync(FILE),
        Event::Sync(root),
    ] {
        disk.apply(&event).unwrap();
    }
    (disk, root)
}

fn nothing(disk: &Disk) -> State {
    disk.state(Choice::Nothing).unwrap()
}

fn everything(disk: &Disk) -> State {
    disk.state(Choice::Everything).unwrap()
}

/// All the contents that the file `a` has in many samples.
fn contents(disk: &Disk) -> BTreeSet<Vec<u8>> {
    let sample = |seed| disk.state(Choice::Sample(seed)).unwrap();
    (0..2000).filter_map(|seed| sample(seed).file("a").map(<[u8]>::to_vec)).collect()
}

/// A letter for each sector.
fn sectors(letters: &str) -> Vec<u8> {
    letters.bytes().flat_map(|letter| [letter; SECTOR_OCTETS]).collect()
}

#[test]
fn what_is_synced_stays() {
    let (disk, _) = synced_file(b"mail");
    assert_eq!(contents(&disk), BTreeSet::from([b"mail".to_vec()]));
    assert_eq!(nothing(&disk), everything(&disk));
}

#[test]
fn a_file_without_its_folder_synced_is_not_there() {
    let (mut disk, _) = empty();
    disk.apply(&Event::Create("a".into(), FILE)).unwrap();
    disk.apply(&Event::Write(FILE, 0, b"mail".to_vec())).unwrap();
    disk.apply(&Event::Sync(FILE)).unwrap();
    assert_eq!(nothing(&disk).file("a"), None);
    assert_eq!(everything(&disk).file("a"), Some(b"mail".as_slice()));
}

#[test]
fn a_folder_synced_without_its_file_keeps_an_empty_name() {
    let (mut disk, root) = empty();
    disk.apply(&Event::Create("a".into(), FILE)).unwrap();
    disk.apply(&Event::Write(FILE, 0, b"mail".to_vec())).unwrap();
    disk.apply(&Event::Sync(root)).unwrap();
    assert_eq!(nothing(&disk).file("a"), Some(b"".as_slice()));
}

#[test]
fn each_sector_stands_still_at_a_moment_of_its_own() {
    let (mut disk, _) = synced_file(&sectors("abc"));
    disk.apply(&Event::Write(FILE, 0, sectors("ABC"))).unwrap();
    let found = contents(&disk);
    for torn in ["abc", "Abc", "aBc", "abC", "ABc", "AbC", "aBC", "ABC"] {
        assert!(found.contains(&sectors(torn)), "{torn}");
    }
    assert_eq!(found.len(), 8, "no sector is torn");
}

#[test]
fn a_later_write_may_be_there_without_an_earlier_one() {
    let (mut disk, _) = synced_file(&sectors("ab"));
    disk.apply(&Event::Write(FILE, 0, sectors("A"))).unwrap();
    disk.apply(&Event::Write(FILE, SECTOR_OCTETS as u64, sectors("B"))).unwrap();
    assert!(contents(&disk).contains(&sectors("aB")));
}

#[test]
fn a_sector_never_goes_back_behind_what_it_had_between() {
    let (mut disk, _) = synced_file(&sectors("a"));
    disk.apply(&Event::Write(FILE, 0, sectors("b"))).unwrap();
    disk.apply(&Event::Write(FILE, 0, b"cc".to_vec())).unwrap();
    let mixed = [b"cc".as_slice(), &sectors("a")[2..]].concat();
    let found = contents(&disk);
    assert!(found.contains(&sectors("a")) && found.contains(&sectors("b")));
    assert!(!found.contains(&mixed), "the second write implies the first, in one sector");
}

#[test]
fn what_grew_without_a_sync_may_be_shorter_or_zeros() {
    let (mut disk, _) = synced_file(&sectors("a"));
    disk.apply(&Event::Write(FILE, SECTOR_OCTETS as u64, sectors("b"))).unwrap();
    let found = contents(&disk);
    assert_eq!(found, BTreeSet::from([sectors("a"), sectors("ab"), sectors("a\0")]));
}

#[test]
fn a_shortened_file_may_keep_its_end() {
    let (mut disk, _) = synced_file(&sectors("ab"));
    disk.apply(&Event::Resize(FILE, SECTOR_OCTETS as u64)).unwrap();
    let found = contents(&disk);
    assert!(found.contains(&sectors("ab")) && found.contains(&sectors("a")));
    disk.apply(&Event::Sync(FILE)).unwrap();
    assert_eq!(contents(&disk), BTreeSet::from([sectors("a")]));
}

#[test]
fn a_failed_sync_spoils_a_later_one() {
    let (mut disk, _) = synced_file(&sectors("ab"));
    for event in [
        Event::Write(FILE, 0, sectors("A")),
        Event::SyncFailed(FILE),
        Event::Write(FILE, SECTOR_OCTETS as u64, sectors("B")),
        Event::Sync(FILE),
    ] {
        disk.apply(&event).unwrap();
    }
    assert_eq!(nothing(&disk).file("a"), Some(sectors("aB").as_slice()));
    assert_eq!(contents(&disk), BTreeSet::from([sectors("aB"), sectors("AB")]));
}

#[test]
fn a_rename_inside_a_folder_is_atomic() {
    let disk = after(&[Event::Rename("a".into(), "b".into())]);
    for seed in 0..200 {
        let state = disk.state(Choice::Sample(seed)).unwrap();
        assert!(state.file("a").is_some() != state.file("b").is_some());
    }
    assert!(nothing(&disk).file("a").is_some() && everything(&disk).file("b").is_some());
}

#[test]
fn a_rename_between_folders_is_kept_by_syncing_both() {
    let (mut disk, root) = synced_file(b"");
    disk.apply(&Event::Mkdir("d".into(), OTHER)).unwrap();
    disk.apply(&Event::Rename("a".into(), "d/a".into())).unwrap();
    assert!(nothing(&disk).file("a").is_some());
    disk.apply(&Event::Sync(OTHER)).unwrap();
    assert!(nothing(&disk).file("d/a").is_none(), "the folder itself has no name yet");
    disk.apply(&Event::Sync(root)).unwrap();
    assert!(nothing(&disk).file("a").is_none() && nothing(&disk).file("d/a").is_some());
}

#[test]
fn names_come_and_go_each_for_itself() {
    let disk = after(&[Event::Create("b".into(), OTHER), Event::Unlink("a".into())]);
    let found: BTreeSet<_> = (0..200)
        .map(|seed| disk.state(Choice::Sample(seed)).unwrap())
        .map(|state| (state.file("a").is_some(), state.file("b").is_some()))
        .collect();
    assert_eq!(found.len(), 4);
}

#[test]
fn a_used_inode_number_means_the_new_file() {
    let disk = after(&[
        Event::Unlink("a".into()),
        Event::Create("b".into(), FILE),
        Event::Write(FILE, 0, b"new".to_vec()),
    ]);
    assert_eq!(everything(&disk).file("b"), Some(b"new".as_slice()));
}

#[test]
fn a_trace_with_a_gap_is_refused() {
    let (mut disk, _) = empty();
    assert!(disk.apply(&Event::Write(FILE, 0, b"x".to_vec())).is_err());
    assert!(disk.apply(&Event::Rename("a".into(), "b".into())).is_err());
    assert!(disk.apply(&Event::Unsupported("syncfs".into())).is_err());
}

#[test]
fn a_state_is_written_and_read_back() {
    let disk = after(&[Event::Mkdir("d".into(), OTHER), Event::Link("a".into(), "d/b".into())]);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    everything(&disk).write_to(&copy).unwrap();
    assert_eq!(everything(&Disk::read(&copy).unwrap()), everything(&disk));
}

//! The crash proofs, proved: what keeps its word passes every state, and each way of breaking it is found out.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::preload::subject::Subject;
use postrider_tests::preload::{
    Bounds, CrashReport, ErrorKind, FailingReport, Failure, Faults, Found, Kind, Library, Scenario,
    every_crash_state, every_failing_call,
};
use std::io;
use std::path::Path;

fn subject(way: &'static str, count: u32) -> Subject {
    Subject { program: env!("CARGO_BIN_EXE_preload-subject").into(), way, count }
}

fn crash(way: &'static str, bounds: Bounds) -> CrashReport {
    let report = every_crash_state(&Library::build().unwrap(), &subject(way, 20), bounds).unwrap();
    println!("{way}: {report}");
    assert_eq!(report.acknowledged, 20);
    assert!(report.opened > 0);
    report
}

fn keeps_its_word(way: &'static str) {
    let report = crash(way, Bounds::default());
    assert!(report.syncs > 20 && report.opened > 50);
    assert_eq!(report.losing, 0, "{report}");
}

fn is_found_out(way: &'static str, nosync: bool) {
    let report = crash(way, Bounds { nosync, stop_at_loss: true, ..Bounds::default() });
    assert_ne!(report.losing, 0, "{report}");
}

fn failing(way: &'static str, failure: Failure) -> FailingReport {
    let report = every_failing_call(&Library::build().unwrap(), &subject(way, 6), failure, u32::MAX).unwrap();
    println!("{way}: {report}");
    assert_eq!(report.acknowledged_whole, 6);
    assert!(report.runs > 0 && report.not_reached == 0, "{report}");
    report
}

#[test]
fn the_nth_call_fails_and_the_report_names_it() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("data");
    std::fs::create_dir(&root).unwrap();
    let full = Failure { kind: Some(Kind::Write), short: true, ..Failure::from_then_on(ErrorKind::NoSpace) };
    let faults = Faults::record(&Library::build().unwrap(), &root, home.path()).unwrap().fail(2, full);
    subject("files", 3).run(&faults).unwrap();
    let calls = ["1 write ok incoming/1", "2 write short incoming/2", "3 write ENOSPC incoming/2"];
    assert_eq!(faults.calls().unwrap(), calls);
}

#[test]
fn a_database_with_full_syncs_loses_nothing() {
    keeps_its_word("sqlite-full");
}

#[test]
fn files_renamed_with_every_sync_lose_nothing() {
    keeps_its_word("files");
}

#[test]
fn a_maildir_with_every_sync_loses_nothing() {
    keeps_its_word("maildir");
}

#[test]
fn a_database_without_syncs_is_found_out() {
    is_found_out("sqlite-off", false);
}

#[test]
fn a_file_renamed_before_it_is_synced_is_found_out() {
    is_found_out("files-unsynced", false);
}

#[test]
fn a_folder_that_is_not_synced_is_found_out() {
    is_found_out("maildir-unsynced", false);
}

#[test]
fn syncs_that_do_nothing_are_found_out() {
    for way in ["sqlite-full", "files", "maildir"] {
        is_found_out(way, true);
    }
}

#[test]
fn no_failing_call_loses_what_was_acknowledged() {
    for way in ["sqlite-full", "files", "maildir"] {
        for failure in [
            Failure::once(ErrorKind::Io),
            Failure::once(ErrorKind::NoSpace),
            Failure::from_then_on(ErrorKind::Io),
            Failure::from_then_on(ErrorKind::NoSpace),
            Failure { kind: Some(Kind::Write), short: true, ..Failure::from_then_on(ErrorKind::NoSpace) },
        ] {
            let report = failing(way, failure);
            assert_eq!(report.losing, 0, "{report}");
        }
    }
}

/// SQLite answers "wal" before it is so.
#[test]
fn a_log_that_was_not_waited_for_is_found_out() {
    let report = failing("sqlite-hasty", Failure { kind: Some(Kind::Sync), ..Failure::once(ErrorKind::Io) });
    assert_ne!(report.losing, 0, "{report}");
}

#[test]
fn a_change_that_the_library_does_not_see_is_reported() {
    struct Unseen(Subject);
    impl Scenario for Unseen {
        fn run(&self, faults: &Faults) -> io::Result<()> {
            self.0.run(faults)?;
            std::fs::write(faults.root().join("unseen"), "by a raw system call")
        }
        fn acknowledged(&self, sent: &[u8]) -> Vec<String> {
            self.0.acknowledged(sent)
        }
        fn verify(&self, folder: &Path, acknowledged: &[String]) -> io::Result<Found> {
            self.0.verify(folder, acknowledged)
        }
    }
    let unseen = Unseen(subject("files", 1));
    let error = every_crash_state(&Library::build().unwrap(), &unseen, Bounds::default()).unwrap_err();
    assert!(error.to_string().contains("unseen"), "{error}");
}

#[test]
fn a_failed_sync_that_is_tried_again_is_found_out() {
    let report =
        failing("files-retrying", Failure { kind: Some(Kind::Sync), ..Failure::once(ErrorKind::Io) });
    assert_ne!(report.losing, 0, "{report}");
}

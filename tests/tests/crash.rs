//! Crash proofs of the server itself: every state that a crash can leave the disk in, and every call of it that can
//! fail. The crash model is in the head of `preload::disk`; what counts as lost, in `crash::verdict`.
//!
//! `POSTRIDER_CRASH_SCALE=10` visits up to ten times as many moments, at each ten times as many samples, and makes ten
//! times as many runs. The figures of each proof are shown, also when it passes. A duplicate there is a letter that
//! was committed, and the crash came before its 250 left: its client sends it again.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::crash::{Kind, Letter, Play, Session};
use postrider_tests::preload::{
    Bounds, CrashReport, ErrorKind, Failure, Kind as Call, Library, every_crash_state, every_failing_call,
};
use std::io::Write;

/// Moments visited in each recorded scenario; at each, nothing, everything and so many samples.
const POINTS_MAX: usize = 150;
const SAMPLES: u64 = 2;

/// Runs in which one call fails: every call, there are fewer.
const RUNS_ONCE_MAX: u32 = 1000;

/// Runs for each other way of failing: evenly spread over the calls.
const RUNS_MAX: u32 = 120;

/// How much further to look than by default.
fn scale() -> u32 {
    std::env::var("POSTRIDER_CRASH_SCALE").map_or(1, |scale| scale.parse().unwrap())
}

/// Shows what was covered; `println` would be kept from whoever reads the output of a test that passes.
fn show(report: &impl std::fmt::Display) {
    let test = std::thread::current().name().unwrap_or("crash").to_owned();
    std::io::stderr().write_all(format!("{test}: {report}\n").as_bytes()).unwrap();
}

fn play(kind: Kind, letters: Vec<Letter>, pipelined: &[bool], at_once: bool) -> Play {
    let each = letters.len() / pipelined.len();
    let sessions = pipelined.iter().enumerate();
    let sessions = sessions.map(|(n, &pipelined)| Session { letters: n * each..(n + 1) * each, pipelined });
    Play { kind, sessions: sessions.collect(), letters, at_once, earlier: 0 }
}

fn crash(play: &Play, bounds: Bounds) -> CrashReport {
    let report = every_crash_state(&Library::build().unwrap(), play, bounds).unwrap();
    show(&report);
    assert_eq!(report.acknowledged, play.sent(), "{report}");
    report
}

fn loses_nothing(play: &Play) {
    loses_nothing_in(play, POINTS_MAX);
}

fn loses_nothing_in(play: &Play, points_max: usize) {
    let scale = scale();
    let bounds = Bounds {
        points_max: points_max * scale as usize,
        samples: SAMPLES * u64::from(scale),
        ..Bounds::default()
    };
    let report = crash(play, bounds);
    assert!(report.syncs > report.acknowledged && report.opened > points_max, "{report}");
    assert_eq!(report.losing, 0, "{report}");
}

fn small_letters() -> Play {
    play(Kind::Dev, vec![Letter::small(&["anna"]); 9], &[true, false, true], false)
}

fn large_letters() -> Play {
    let letters = vec![
        Letter::large(&["anna"]),
        Letter::huge(&["bert"]),
        Letter::small(&["anna"]),
        Letter::large(&["anna", "carl"]),
    ];
    play(Kind::Dev, letters, &[false, true], false)
}

/// The log is copied into the database after 4 MiB, and begins anew. Fewer moments: each state has much in it.
#[test]
fn letters_survive_every_crash_while_the_log_is_copied() {
    let letters = vec![Letter::middling(&["anna"]); 150];
    loses_nothing_in(&play(Kind::Dev, letters, &[true, true, true], true), POINTS_MAX / 3);
}

/// A server that begins where another was killed.
fn second_life() -> Play {
    let mut letters = [Letter::small(&["anna", "bert"]), Letter::large(&["anna"])].repeat(3);
    letters.push(Letter::large(&["bert"]));
    let session = Session { letters: 6..7, pipelined: true };
    Play { kind: Kind::Dev, letters, sessions: vec![session], at_once: false, earlier: 6 }
}

#[test]
fn small_letters_survive_every_crash() {
    loses_nothing(&small_letters());
}

#[test]
fn large_letters_survive_every_crash() {
    loses_nothing(&large_letters());
}

#[test]
fn letters_to_an_alias_survive_every_crash_for_each_member() {
    let letters =
        vec![Letter::small(&["team"]), Letter::small(&["team", "dora"]), Letter::large(&["team", "anna"])];
    loses_nothing(&play(Kind::Serve, letters, &[true], false));
}

fn letters_that_fail() -> Play {
    let letters =
        vec![Letter::small(&["gone"]), Letter::small(&["anna", "gone"]), Letter::large(&["gone", "anna"])];
    play(Kind::Leaving, letters, &[true], false)
}

/// Whatever commit a crash follows (that of the failure, of the notice, of its delivery), the sender is told once.
#[test]
fn notices_arrive_exactly_once_over_every_crash() {
    loses_nothing_in(&letters_that_fail(), 3 * POINTS_MAX);
}

/// To each member of an alias, to a mailbox, and to a host that tells nobody anything.
fn letters_of_the_curious() -> Play {
    let letters = vec![
        Letter::small(&["team"]).curious(),
        Letter::small(&["far"]).curious(),
        Letter::small(&["team", "far", "dora"]).curious(),
        Letter::large(&["dora", "far"]).curious(),
        Letter::small(&["team", "far"]),
    ];
    play(Kind::Telling, letters, &[true], false)
}

/// Expanded, relayed, delivered: whatever commit a crash follows, each is told once to whoever asked, and to no other.
#[test]
fn good_news_arrives_exactly_once_over_every_crash() {
    loses_nothing_in(&letters_of_the_curious(), POINTS_MAX);
}

#[test]
fn no_call_that_fails_loses_good_news() {
    none_loses_a_letter(&letters_of_the_curious(), Failure::once(ErrorKind::Io), RUNS_MAX / 2);
}

#[test]
fn no_call_that_fails_loses_a_notice() {
    none_loses_a_letter(&letters_that_fail(), Failure::once(ErrorKind::Io), RUNS_MAX);
}

#[test]
fn letters_of_many_sessions_at_once_survive_every_crash() {
    let letters =
        (0..16).map(|n| if n % 5 == 4 { Letter::large(&["anna"]) } else { Letter::small(&["bert"]) });
    loses_nothing(&play(Kind::Dev, letters.collect(), &[true, false, true, true], true));
}

#[test]
fn a_crash_while_a_crash_is_repaired_loses_nothing() {
    loses_nothing(&second_life());
}

/// The test of the test. Visited are the moments just after each acknowledgement, and the end.
#[test]
fn without_syncs_letters_are_lost() {
    for play in [small_letters(), large_letters()] {
        let points_max = play.letters.len() + 1;
        let report = crash(&play, Bounds { nosync: true, points_max, ..Bounds::default() });
        assert!(report.losing > play.letters.len(), "{report}");
        assert!(report.lost.iter().any(|loss| loss.ends_with("is nowhere")), "{report}");
    }
}

fn no_failing_call_loses_a_letter(failure: Failure, runs_max: u32) {
    let letters = vec![Letter::small(&["anna"]), Letter::large(&["anna"]), Letter::small(&["bert", "anna"])];
    none_loses_a_letter(&play(Kind::Dev, letters, &[true], false), failure, runs_max);
}

fn none_loses_a_letter(play: &Play, failure: Failure, runs_max: u32) {
    let runs_max = runs_max * scale();
    let report = every_failing_call(&Library::build().unwrap(), play, failure, runs_max).unwrap();
    show(&report);
    assert_eq!(report.acknowledged_whole, play.sent(), "{report}");
    assert_eq!(report.losing, 0, "{report}");
}

#[test]
fn no_call_that_fails_while_a_crash_is_repaired_loses_a_letter() {
    none_loses_a_letter(&second_life(), Failure::once(ErrorKind::Io), RUNS_MAX);
}

#[test]
fn no_call_that_fails_once_loses_a_letter() {
    no_failing_call_loses_a_letter(Failure::once(ErrorKind::Io), RUNS_ONCE_MAX);
}

#[test]
fn no_disk_that_is_full_for_a_moment_loses_a_letter() {
    no_failing_call_loses_a_letter(Failure::once(ErrorKind::NoSpace), RUNS_MAX);
}

#[test]
fn no_disk_that_stays_full_loses_a_letter() {
    no_failing_call_loses_a_letter(Failure::from_then_on(ErrorKind::NoSpace), RUNS_MAX);
}

#[test]
fn no_disk_that_dies_loses_a_letter() {
    no_failing_call_loses_a_letter(Failure::from_then_on(ErrorKind::Io), RUNS_MAX);
}

#[test]
fn no_write_that_ends_half_way_loses_a_letter() {
    let short = Failure { short: true, ..Failure::from_then_on(ErrorKind::NoSpace) };
    no_failing_call_loses_a_letter(Failure { kind: Some(Call::Write), ..short }, RUNS_MAX);
}

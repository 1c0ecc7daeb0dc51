//! Every transcript in `tests/dialogue/` against the server engine, whole lines at a time and octet by octet.
//! The format is described in `tests/dialogue/README.md`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod driver;
mod transcript;

use driver::Driven;
use postrider_mail::Enhanced;
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use transcript::{Transcript, Turn};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogue")
}

/// Each transcript with its name.
fn all() -> Vec<(String, String)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "smtp"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let mut all: Vec<_> = files.map(read).collect();
    all.sort();
    all
}

fn play(name: &str, transcript: &Transcript, octet_by_octet: bool) {
    let mut driven = Driven::new(transcript.setup.clone(), transcript.scene.clone());
    // Who talks first is heard first.
    if !matches!(transcript.turns.first(), Some(Turn::Client(_))) {
        driven.run();
    }
    let mut present: Vec<&str> = Vec::new();
    let mut absent: Vec<&str> = Vec::new();
    for turn in &transcript.turns {
        match turn {
            Turn::Client(octets) if octet_by_octet => octets.iter().for_each(|octet| driven.hear(&[*octet])),
            Turn::Client(octets) => driven.hear(octets),
            Turn::EndOfInput => driven.end_of_input(),
            Turn::Timeout => driven.time_out(),
            Turn::Stop => driven.last_call(),
            Turn::CutOff => driven.cut_off(),
            Turn::Present(text) => present.push(text),
            Turn::Absent(text) => absent.push(text),
            Turn::Server(expected) => {
                let lines =
                    driven.reply().unwrap_or_else(|| panic!("{name}: no reply where {expected:?} is due"));
                let reply = lines.last().unwrap();
                let is_due = expected.iter().any(|start| reply.starts_with(start.as_str()));
                assert!(is_due, "{name}: {reply:?} where {expected:?} is due");
                assert!(reply.len() > 8, "{name}: a reply without a sentence: {reply:?}");
                let says = |text: &str| lines.iter().any(|line| words(line).starts_with(text));
                for text in present.drain(..) {
                    assert!(says(text), "{name}: no line {text:?} in {lines:?}");
                }
                for text in absent.drain(..) {
                    assert!(!says(text), "{name}: a line {text:?} in {lines:?}");
                }
            }
            Turn::Filed(content) => {
                let filed = driven.filed.last().map(|octets| String::from_utf8_lossy(octets));
                assert_eq!(filed, Some(String::from_utf8_lossy(content)), "{name}");
            }
            Turn::Closed => assert!(driven.is_closed(), "{name}: the session goes on"),
        }
    }
    assert!(present.is_empty() && absent.is_empty(), "{name}: S+ and S- stand before their reply");
    assert_eq!(driven.reply(), None, "{name}: said more");
}

/// A reply line without its codes.
fn words(line: &str) -> &str {
    let text = &line[4..];
    match text.split_once(' ') {
        Some((code, words)) if code.parse::<Enhanced>().is_ok() => words,
        _ => text,
    }
}

#[test]
fn every_transcript_is_what_is_said() {
    let (mut played, mut failed) = (0, Vec::new());
    for (name, text) in all() {
        let transcript = transcript::parse(&name, &text);
        if transcript.is_binary_only {
            continue;
        }
        // Each says what is wrong with it; all of them are to be heard.
        let is_right = catch_unwind(|| {
            play(&name, &transcript, false);
            if !transcript.is_at_once {
                play(&name, &transcript, true);
            }
        });
        if is_right.is_err() {
            failed.push(name);
        }
        played += 1;
    }
    println!("{played} transcripts played");
    assert!(failed.is_empty(), "{failed:?}");
    assert!(played >= 220, "only {played} transcripts were found");
}

#[test]
fn every_transcript_opens_with_what_it_shows_and_shows_it_once() {
    let mut seen = BTreeSet::new();
    for (name, text) in all() {
        assert!(text.starts_with("# "), "{name}: a comment opens a transcript");
        let said: Vec<String> =
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        assert!(seen.insert(said), "{name}: it is another's twin");
    }
}

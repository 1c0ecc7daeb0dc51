//! The journal as its callers see it: told on one side, found on the other, in folders of their own.

#![expect(clippy::unwrap_used, reason = "a helper of a test that fails fails the test")]

use postrider_journal::event::{Accepted, Attempt, Ending, Fate, HostResult, HostTried, Speaker};
use postrider_journal::{
    Found, Journal, Query, Reader, Settings, Story, Subject, What, WriterEnded, limits, render,
};
use postrider_mail::{AttemptId, Code, Enhanced, Mailbox, QueueId, Reply, SessionId, UnixMillis};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const START: UnixMillis = UnixMillis::new(1_795_372_275_042);

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(START.get() + ms)
}

fn days(days: u64) -> UnixMillis {
    START.plus(Duration::from_hours(24 * days))
}

fn session_id(n: i64) -> SessionId {
    SessionId::from_row(n).unwrap()
}

fn queue_id(n: i64) -> QueueId {
    QueueId::from_row(n).unwrap()
}

fn session(n: i64, now: UnixMillis) -> Story {
    Story::new(Subject::Session(session_id(n)), now, Some("192.0.2.7:2525".parse().unwrap()))
}

fn said(text: &str) -> What {
    What::Said { who: Speaker::Theirs, text: text.into() }
}

fn accepted(id: i64, recipient: &str) -> What {
    What::Accepted(Box::new(Accepted {
        id: queue_id(id),
        reverse_path: "sender@far.example".parse().unwrap(),
        recipients: vec![recipient.parse().unwrap()],
        recipients_unlisted: 0,
        message_id: Some(format!("<{id}@far.example>").into()),
        octets: 1000,
    }))
}

fn attempt(n: i64, id: i64, recipient: &str, now: UnixMillis) -> Story {
    let mut story = Story::new(Subject::Attempt(AttemptId::from_row(n).unwrap()), now, None);
    story.add(
        now,
        What::Fate(Box::new(Fate {
            id: queue_id(id),
            recipient: recipient.parse().unwrap(),
            ending: Ending::Delivered,
            reply: Reply::new(Code::of(250), Enhanced::of(2, 0, 0), "lies in the mailbox"),
            next_attempt: None,
        })),
    );
    story
}

/// Tells a session of one line, in one transaction of its own.
fn tell(journal: &Journal, writer: &mut postrider_journal::Writer, n: i64, now: UnixMillis) {
    let mut story = session(n, now);
    story.add(now, said(&format!("NOOP {n}")));
    journal.tell(story);
    writer.step();
}

fn find(reader: &Reader, typed: &str) -> Found {
    reader.find(&typed.parse().unwrap()).unwrap()
}

fn subjects(found: &Found) -> Vec<Subject> {
    found.stories.iter().map(Story::subject).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> =
        entries.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".db")).collect();
    names.sort();
    names
}

#[test]
fn a_message_is_found_by_everything_it_is_known_by() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    let mut story = session(7, START);
    story.add(START, accepted(70, "Friend@local.example"));
    journal.tell(story.hand_over());
    journal.tell(attempt(8, 70, "Friend@local.example", at(5)));
    journal.tell(session(9, at(6)));
    writer.step();
    let both = [Subject::Attempt(AttemptId::from_row(8).unwrap()), Subject::Session(session_id(7))];
    for typed in [queue_id(70).to_string().as_str(), "friend@LOCAL.example", "FRIEND@local.example"] {
        assert_eq!(subjects(&find(&reader, typed)), both, "{typed}");
    }
    for typed in ["<70@far.example>", "70@far.example", "sender@far.example", &session_id(7).to_string()] {
        assert_eq!(subjects(&find(&reader, typed)), both[1..], "{typed}");
    }
    for typed in ["192.0.2.7", "192.0.2.7:99", "::ffff:192.0.2.7"] {
        assert_eq!(find(&reader, typed).stories.len(), 2, "{typed}");
    }
    assert_eq!(subjects(&find(&reader, "LIES IN the mailbox")), both[..1], "words of a reply");
    for typed in [queue_id(71).to_string().as_str(), "nobody@local.example", "192.0.2.8", "subject", "%", ""]
    {
        let expected = if typed.is_empty() { 3 } else { 0 };
        assert_eq!(find(&reader, typed).stories.len(), expected, "{typed}");
    }
}

#[test]
fn an_attempt_is_found_by_its_destination_and_the_hosts_it_tried() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    let mut story = attempt(8, 70, "b@example.org", START);
    let begun = Attempt { id: queue_id(70), host: "example.org".into(), address: None, number: 1 };
    story.add(START, What::Attempt(Box::new(begun)));
    story.add(
        START,
        What::Host(Box::new(HostTried {
            host: "MX1.example.org".into(),
            address: Some("192.0.2.25:25".parse().unwrap()),
            result: HostResult::Failed,
            why: None,
        })),
    );
    journal.tell(story);
    journal.tell(session(9, at(6)));
    writer.step();
    let this = [Subject::Attempt(AttemptId::from_row(8).unwrap())];
    for typed in ["example.org", "@Example.ORG", "mx1.example.org", "192.0.2.25", "192.0.2.25:25"] {
        assert_eq!(subjects(&find(&reader, typed)), this, "{typed}");
    }
    assert!(find(&reader, "mx2.example.org").stories.is_empty());
}

#[test]
fn the_parts_of_a_session_are_joined_in_order_across_segments() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    let mut story = session(7, START);
    for day in 0..4 {
        story.add(days(day), said(&format!("day {day}")));
        journal.tell(story.hand_over());
        writer.step();
    }
    assert_eq!(files(folder.path()).len(), 4);
    let found = reader.find(&Query::session(session_id(7))).unwrap();
    assert_eq!(found.stories.len(), 1);
    let text: Vec<_> = render::lines(&found.stories[0]).skip(1).map(|line| line.text).collect();
    assert_eq!(text, ["day 0", "day 1", "day 2", "day 3"]);
    assert!(found.stories[0].left_out().is_nothing());

    // The first segment goes; the story says that its beginning is missing.
    std::fs::remove_file(folder.path().join("0001.db")).unwrap();
    let found = reader.find(&Query::session(session_id(7))).unwrap();
    assert_eq!((found.stories[0].part(), found.stories[0].left_out().parts), (1, 1));
}

#[test]
fn last_is_the_last_session_and_what_became_of_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    assert!(find(&reader, "last").stories.is_empty());
    journal.tell(session(6, START));
    let mut story = session(7, at(1));
    story.add(at(2), accepted(70, "a@local.example"));
    journal.tell(story);
    journal.tell(attempt(8, 70, "a@local.example", at(3)));
    journal.tell(attempt(9, 60, "a@local.example", at(4)));
    writer.step();
    let expected = [Subject::Attempt(AttemptId::from_row(8).unwrap()), Subject::Session(session_id(7))];
    assert_eq!(subjects(&find(&reader, "last")), expected);
    assert_eq!(reader.find(&Query::last().at_most(2)).unwrap().stories.len(), 3);
}

#[test]
fn keys_are_found_when_they_have_moved_into_sorted_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    let parts = i64::try_from(limits::FRESH_PAIRS_MAX / 4).unwrap();
    for n in 0..parts {
        let mut story = session(n, START);
        story.add(START, accepted(n, &format!("user{}@local.example", n % 100)));
        journal.tell(story);
        if n % 4000 == 0 {
            writer.step();
        }
    }
    writer.step();
    for n in [0, 1, parts / 2, parts - 1] {
        assert_eq!(subjects(&find(&reader, &queue_id(n).to_string())), [Subject::Session(session_id(n))]);
    }
    // A key that fills many pieces of a run: newest first.
    let sender: Mailbox = "sender@far.example".parse().unwrap();
    let found = reader.find(&Query::address(&sender).at_most(3)).unwrap();
    let newest = [parts - 1, parts - 2, parts - 3].map(|n| Subject::Session(session_id(n)));
    assert_eq!((subjects(&found), found.more), (newest.to_vec(), true));
    let user: Mailbox = "user7@local.example".parse().unwrap();
    let found = reader.find(&Query::address(&user).at_most(1000)).unwrap();
    assert_eq!(found.stories.len(), usize::try_from((parts + 92) / 100).unwrap());
}

#[test]
fn whole_segments_go_by_age_even_when_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { keep: Duration::from_hours(72), ..Settings::default() };
    let (journal, mut writer, reader) = postrider_journal::open(folder.path(), settings, START).unwrap();
    for day in 0..6 {
        tell(&journal, &mut writer, i64::try_from(day).unwrap(), days(day));
    }
    assert_eq!(files(folder.path()), ["0003.db", "0004.db", "0005.db", "0006.db"]);
    assert_eq!(find(&reader, "192.0.2.7").stories.len(), 4);
    journal.tidy(days(8));
    writer.step();
    assert_eq!(files(folder.path()), ["0006.db"], "the one being written is as old as its last story");
    drop((journal, writer));
    let (_journal, _writer, _) = postrider_journal::open(folder.path(), settings, days(8)).unwrap();
    assert_eq!(files(folder.path()), ["0006.db"], "it is gone on with");
}

#[test]
fn whole_segments_go_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { octets_max: 4 * 1024 * 1024, ..Settings::default() };
    let (journal, mut writer, reader) = postrider_journal::open(folder.path(), settings, START).unwrap();
    for n in 0..200 {
        let mut story = session(n, at(n));
        for _ in 0..60 {
            story.add(at(n), said(&"x".repeat(900)));
        }
        journal.tell(story);
        writer.step();
    }
    let octets: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(octets <= settings.octets_max, "{octets}");
    let found = reader.find(&Query::peer("192.0.2.7".parse().unwrap()).at_most(1000)).unwrap();
    assert_eq!(found.stories[0].subject(), Subject::Session(session_id(199)));
    assert!((20..100).contains(&found.stories.len()), "{}", found.stories.len());
}

#[test]
fn a_restart_goes_on_in_the_same_segment() {
    let folder = tempfile::tempdir().unwrap();
    for boot in 0..3 {
        let (journal, mut writer, reader) =
            postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
        tell(&journal, &mut writer, boot, at(boot));
        assert_eq!(find(&reader, "192.0.2.7").stories.len(), usize::try_from(boot + 1).unwrap());
    }
    assert_eq!(files(folder.path()), ["0001.db"]);
}

#[test]
fn a_damaged_segment_is_set_aside_and_told_and_the_rest_is_found() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (journal, mut writer, _) =
            postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
        for day in 0..3 {
            tell(&journal, &mut writer, i64::try_from(day).unwrap(), days(day));
        }
    }
    std::fs::write(folder.path().join("0002.db"), "no database").unwrap();
    // A reader alone passes it over and says so.
    let found = find(&Reader::new(folder.path()), "192.0.2.7");
    assert_eq!((found.stories.len(), found.remarks.len()), (2, 1));
    assert!(found.remarks[0].as_str().contains("0002"), "{:?}", found.remarks);

    std::fs::write(folder.path().join("0003.db"), vec![0x55; 100_000]).unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), days(3)).unwrap();
    assert_eq!(writer.remarks().len(), 2);
    assert_eq!(files(folder.path()), ["0001.db"]);
    assert_eq!(files(&folder.path().join("damaged")), ["0002.db", "0003.db"]);
    tell(&journal, &mut writer, 9, days(3));
    assert_eq!(files(folder.path()), ["0001.db", "0004.db"], "a number is used once");
    let found = find(&reader, "damaged");
    assert_eq!(subjects(&found), [Subject::Server]);
    assert_eq!(found.stories[0].events().len(), 2);
    assert_eq!(find(&reader, "192.0.2.7").stories.len(), 2);
}

#[test]
fn a_segment_that_loses_its_tables_while_it_is_written_is_replaced_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    tell(&journal, &mut writer, 1, START);
    let vandal = rusqlite::Connection::open(folder.path().join("0001.db")).unwrap();
    vandal.execute_batch("DROP TABLE story; DROP TABLE run").unwrap();
    tell(&journal, &mut writer, 2, START);
    writer.step();
    assert_eq!(subjects(&find(&reader, "192.0.2.7")), [Subject::Session(session_id(2))]);
    assert_eq!(journal.counts().lost, 0);
    assert_eq!(subjects(&find(&reader, "0001")), [Subject::Server]);
}

#[test]
fn a_segment_of_a_newer_version_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (journal, mut writer, _) =
            postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
        tell(&journal, &mut writer, 1, START);
    }
    let newer = rusqlite::Connection::open(folder.path().join("0001.db")).unwrap();
    newer.pragma_update(None, "user_version", 2).unwrap();
    drop(newer);
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    tell(&journal, &mut writer, 2, START);
    assert_eq!(files(folder.path()), ["0001.db", "0002.db"]);
    let found = find(&reader, "192.0.2.7");
    assert_eq!(subjects(&found), [Subject::Session(session_id(2))]);
    assert!(found.remarks[0].as_str().contains("newer version"), "{:?}", found.remarks);
}

#[test]
fn events_of_a_newer_version_and_unreadable_rows_do_not_hide_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    for n in 1..=3 {
        tell(&journal, &mut writer, n, START);
    }
    let other = rusqlite::Connection::open(folder.path().join("0001.db")).unwrap();
    let newer = r#"[{"at_ms":3,"kind":"teleported","to":"moon"},{"at_ms":4,"kind":"said","who":"ours","text":"250 ok"}]"#;
    other.execute("UPDATE story SET format = 2, events = ?1 WHERE id = 1", [newer]).unwrap();
    other.execute("UPDATE story SET events = 'no json' WHERE id = 2", []).unwrap();
    let found = find(&reader, "192.0.2.7");
    assert_eq!(subjects(&found), [3, 1].map(|n| Subject::Session(session_id(n))));
    let text: Vec<_> = render::lines(&found.stories[1]).skip(1).map(|line| line.to_string()).collect();
    assert!(text[0].contains("written by a newer version") && text[0].contains("moon"), "{text:?}");
    assert!(text[1].ends_with("S: 250 ok"), "{text:?}");
    assert!(found.remarks[0].as_str().contains("row 2"), "{:?}", found.remarks);
}

#[test]
fn what_finds_no_room_is_counted_and_the_count_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer, reader) =
        postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    let told = limits::WAITING_STORIES_MAX as u64 + 10;
    for n in 0..told {
        journal.tell(session(i64::try_from(n).unwrap(), START));
    }
    assert_eq!((journal.counts().told, journal.counts().lost), (told, 10));
    writer.step();
    let found = find(&reader, "10 stories could not be kept");
    assert_eq!(found.stories.len(), 0, "the number is no part of the stored words");
    let found = find(&reader, "waited for the disk");
    let What::Lost { stories, .. } = found.stories[0].events()[0].what else { panic!("{found:?}") };
    assert_eq!(stories, 10);
}

#[test]
fn large_stories_are_bounded_by_their_octets_while_they_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _writer, _) = postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    for n in 0..300 {
        let mut story = session(n, START);
        for _ in 0..64 {
            story.add(START, said(&"x".repeat(1000)));
        }
        journal.tell(story);
    }
    let kept = journal.counts().told - journal.counts().lost;
    assert!((100..limits::WAITING_OCTETS_MAX as u64 / 64_000).contains(&kept), "{kept}");
}

#[test]
fn a_folder_that_went_away_costs_stories_and_nothing_else() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("journal");
    let (journal, mut writer, reader) = postrider_journal::open(&folder, Settings::default(), START).unwrap();
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    tell(&journal, &mut writer, 1, START);
    assert_eq!(journal.counts().lost, 1);
    assert!(reader.find(&Query::last()).is_err());
    std::fs::remove_file(&folder).unwrap();
    tell(&journal, &mut writer, 2, START);
    assert_eq!(journal.counts().lost, 1);
    let found = reader.find(&Query::words("")).unwrap();
    assert_eq!(subjects(&found), [Subject::Server, Subject::Session(session_id(2))]);
}

#[test]
fn readers_find_whole_stories_while_the_writer_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, writer, _) = postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| writer.run());
        let telling = scope.spawn(|| {
            for n in 0..3000 {
                let mut story = session(n, at(n));
                story.add(at(n), accepted(n, "a@local.example"));
                journal.tell(story.hand_over());
                story.add(at(n), What::Closed { why: "QUIT".into() });
                journal.tell(story);
                if n % 100 == 0 {
                    journal.flush().unwrap();
                    // Told and flushed: a reader of its own sees it at once.
                    let found = Reader::new(folder.path()).find(&Query::queue(queue_id(n))).unwrap();
                    assert_eq!(found.stories[0].events().len(), 2);
                    assert!(found.remarks.is_empty(), "{:?}", found.remarks);
                }
            }
            drop(journal);
        });
        telling.join().unwrap();
        writing.join().unwrap();
    });
    let found = Reader::new(folder.path()).find(&Query::last().at_most(1000)).unwrap();
    assert_eq!(found.stories.len(), 1000);
    assert!(found.stories.iter().all(|story| story.events().len() == 2));
}

#[test]
fn nobody_waits_for_a_writer_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, writer, _) = postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
    journal.tell(session(1, START));
    drop(writer);
    assert_eq!(journal.flush(), Err(WriterEnded));
    journal.tell(session(2, START));
    assert_eq!((journal.counts().told, journal.counts().lost), (2, 2));
}

/// What a generated session does next.
#[derive(Clone, Debug)]
enum Move {
    Say(String),
    Accept(u8),
    HandOver,
    Write,
    Restart,
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => "\\PC{0,20}|[\"\\\\%_\\x00-\\x1f]{1,5}".prop_map(Move::Say),
        3 => (0u8..5).prop_map(Move::Accept),
        2 => Just(Move::HandOver),
        2 => Just(Move::Write),
        1 => Just(Move::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_told_is_found_whole_however_it_is_parted(
        sessions in prop::collection::vec(prop::collection::vec(a_move(), 0..12), 1..6)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = || postrider_journal::open(folder.path(), Settings::default(), START).unwrap();
        let (mut journal, mut writer, reader) = open();
        let mut told = Vec::new();
        for (n, moves) in (0i64..).zip(sessions) {
            let (mut story, mut whole) = (session(n, at(n)), session(n, at(n)));
            for what in moves {
                match what {
                    Move::Say(text) => {
                        story.add(at(n + 1), said(&text));
                        whole.add(at(n + 1), said(&text));
                    }
                    Move::Accept(user) => {
                        let what = accepted(n * 10 + i64::from(user), &format!("user{user}@local.example"));
                        story.add(at(n + 2), what.clone());
                        whole.add(at(n + 2), what);
                    }
                    Move::HandOver => journal.tell(story.hand_over()),
                    Move::Write => writer.step(),
                    Move::Restart => {
                        writer.step();
                        drop((journal, writer));
                        (journal, writer, _) = open();
                    }
                }
            }
            journal.tell(story);
            told.push(whole);
        }
        writer.step();
        for whole in &told {
            let Subject::Session(id) = whole.subject() else { unreachable!() };
            let found = reader.find(&Query::session(id)).unwrap();
            prop_assert_eq!(found.stories[0].events(), whole.events());
            prop_assert!(found.stories[0].left_out().is_nothing() && found.remarks.is_empty());
            for line in render::lines(&found.stories[0]) {
                prop_assert!(!line.to_string().contains(char::is_control));
            }
        }
        for user in 0..5 {
            let address: Mailbox = format!("user{user}@local.example").parse().unwrap();
            let found = subjects(&reader.find(&Query::address(&address)).unwrap());
            let mentions = |story: &&Story| story.events().iter().any(|event| {
                matches!(&event.what, What::Accepted(accepted) if accepted.recipients.contains(&address))
            });
            let expected: Vec<_> = told.iter().rev().filter(mentions).map(Story::subject).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

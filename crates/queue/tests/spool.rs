//! Facts about the spool, each through its public door.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod rig;

use postrider_mail::{Reason, Text};
use postrider_queue::limits::RECIPIENTS_PER_ATTEMPT_MAX;
use postrider_queue::{
    Became, Change, ContentError, Filter, Lease, Lend, NewMessage, Notice, OpenError, Outcome, Rendition,
    Retry, RouteKey, Settings, State, Unable, open,
};
use rig::{Rig, START, drive, envelope, fate, rendition};
use std::fs;
use std::io::Read;
use std::time::Duration;

const SMALL: &[u8] = b"Subject: hello\r\nBcc: secret@example.org\r\n\r\nHello.\r\n";

fn large() -> Vec<u8> {
    let mut content = SMALL.to_vec();
    (0..3000)
        .for_each(|line| content.extend_from_slice(format!("line {line} of a large message\r\n").as_bytes()));
    content
}

#[test]
fn what_was_accepted_is_leased_read_settled_and_gone() {
    let mut rig = Rig::new();
    for content in [SMALL.to_vec(), large()] {
        let id = rig.accept(&content, "a@x.example", &["b@y.example"], START);
        let attempt = rig.lease_one(START);
        assert_eq!(attempt.message.id, id);
        assert_eq!(attempt.message.content.facts().header_octets, 43);
        assert_eq!(rendition(&attempt).unwrap(), content);
        assert!(rig.settle(&attempt, Outcome::Delivered, START).removed);
        assert_eq!(rig.queue.show(id).unwrap(), None);
        assert_eq!((rig.files("content"), rig.files("incoming")), (vec![], vec![]));
    }
    assert_eq!(rig.queue.stats().unwrap().messages, 0);
}

#[test]
fn large_content_is_a_file_and_small_content_is_not() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    assert_eq!(rig.files("content").len(), 0);
    let id = rig.accept(&large(), "a@x.example", &["b@y.example"], START);
    assert_eq!(rig.files("content"), [id.to_string()]);
}

#[test]
fn a_spent_budget_sends_small_drafts_to_files_too() {
    let mut rig = Rig::with(Settings { in_flight_octets_max: 9000, ..Settings::default() });
    let first = rig.message(&[b'x'; 5000], "a@x.example", &["b@y.example"], START);
    let second = rig.message(&[b'y'; 5000], "a@x.example", &["b@y.example"], START);
    for message in [first, second] {
        rig.drive(async |queue| queue.accept(message).await).unwrap();
    }
    assert_eq!(rig.files("content").len(), 1);
    assert_eq!(rig.queue.stats().unwrap().in_memory_octets, 0);
}

#[test]
fn a_lent_message_is_delivered_from_memory() {
    let mut rig = Rig::new();
    let mut message = rig.message(SMALL, "a@x.example", &["b@y.example", "c@z.example"], START);
    message.lend = Lend::Keys(vec![RouteKey::new("@y.example").unwrap()]);
    let accepted = rig.drive(async |queue| queue.accept(message).await).unwrap();
    let [attempt] = accepted.attempts.as_slice() else { panic!("one key was to be lent") };
    assert!(attempt.message.content.is_in_memory());
    assert_eq!(rendition(attempt).unwrap(), SMALL);
    let other = rig.lease_one(START);
    assert_eq!(other.key.as_str(), "@z.example");
    assert!(!rig.settle(attempt, Outcome::Delivered, START).removed);
    assert!(rig.settle(&other, Outcome::Delivered, START).removed);
}

#[test]
fn a_rendition_is_prefix_and_content_without_the_cuts() {
    let mut rig = Rig::new();
    for content in [SMALL.to_vec(), large()] {
        let mut message = rig.message(&content, "a@x.example", &["b@y.example"], START);
        message.rendition = Rendition::new(b"Received: us\r\n".to_vec(), [16..20, 20..41]).unwrap();
        rig.drive(async |queue| queue.accept(message).await).unwrap();
        let attempt = rig.lease_one(START);
        let expected = [b"Received: us\r\nSubject: hello\r\n", &content[41..]].concat();
        assert_eq!(rendition(&attempt).unwrap(), expected);
        let mut read = Vec::new();
        attempt.message.content.read(&attempt.message.rendition).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, expected);
        rig.settle(&attempt, Outcome::Delivered, START);
    }
}

#[test]
fn the_same_recipient_given_twice_gets_one_copy() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example", "c@y.example", "b@Y.EXAMPLE"], START);
    let attempt = rig.lease_one(START);
    let addresses: Vec<String> = attempt.recipients.iter().map(|target| target.address.to_string()).collect();
    assert_eq!(addresses, ["b@y.example", "c@y.example"]);
}

#[test]
fn an_attempt_has_at_most_a_hundred_recipients() {
    let mut rig = Rig::new();
    let to: Vec<String> = (0..250).map(|n| format!("u{n}@y.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    rig.accept(SMALL, "a@x.example", &to, START);
    let sizes: Vec<usize> =
        rig.lease(START).attempts.iter().map(|attempt| attempt.recipients.len()).collect();
    assert_eq!(sizes, [RECIPIENTS_PER_ATTEMPT_MAX, RECIPIENTS_PER_ATTEMPT_MAX, 50]);
}

#[test]
fn a_long_queue_for_one_destination_does_not_stand_before_the_others() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        rig.accept(SMALL, "a@x.example", &["b@busy.example"], START);
    }
    rig.accept(SMALL, "a@x.example", &["b@quiet.example"], START.plus(Duration::from_millis(1)));
    let now = START.plus(Duration::from_secs(1));
    let ask = Lease { now, limit: 4, room_per_key: 10, room: Vec::new() };
    let attempts = rig.drive(async |queue| queue.lease(ask).await).unwrap().attempts;
    assert!(attempts.iter().any(|attempt| attempt.key.as_str() == "@quiet.example"));
}

#[test]
fn a_key_without_room_lends_nothing_and_does_not_wake_the_dispatcher() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let ask = |room| Lease {
        now: START,
        limit: 10,
        room_per_key: 5,
        room: vec![(RouteKey::new("@y.example").unwrap(), room)],
    };
    let leased = rig.drive(async |queue| queue.lease(ask(0)).await).unwrap();
    let expiry = START.plus(Retry::default().expiry + Retry::default().grace());
    assert_eq!((leased.attempts.len(), leased.next_due), (0, Some(expiry)));
    let leased = rig.drive(async |queue| queue.lease(ask(1)).await).unwrap();
    assert_eq!((leased.attempts.len(), leased.next_due), (1, Some(expiry)));
}

/// RFC 6710 §4.1
#[test]
fn what_is_deferred_waits_and_comes_back() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    let settled = rig.settle(&attempt, Outcome::Deferred, START);
    let Became::Waiting { next_attempt } = settled.recipients[0].became else { panic!("it waits") };
    let waited = next_attempt.since(START);
    assert!(waited >= Duration::from_secs(240) && waited <= Duration::from_secs(360), "{waited:?}");
    let leased = rig.lease(START);
    assert_eq!((leased.attempts.len(), leased.next_due), (0, Some(next_attempt)));
    let again = rig.lease_one(next_attempt);
    assert_eq!(again.recipients[0].attempts, 1);
}

#[test]
fn mail_that_expires_fails_and_the_sender_is_told_once() {
    let mut rig = Rig::new();
    let id = rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let expired = START.plus(Retry::default().expiry);
    let attempt = rig.lease_one(expired);
    let settled = rig.settle(&attempt, Outcome::Deferred, expired);
    assert_eq!(settled.recipients[0].became, Became::Final(State::Expired));
    assert_eq!(settled.recipients[0].owed, Some(Notice::Failure));
    let mut rig = rig.reopen(expired);
    let owed = rig.queue.owed(None).unwrap();
    assert_eq!(owed[0].message.id, id);
    assert_eq!(owed[0].recipients[0].reply.as_ref().unwrap().to_string(), "451 said so");
    let notice = rig.message(b"Subject: undelivered\r\n\r\n", "", &["a@x.example"], expired);
    let told =
        Change::Told { message: id, recipients: vec![(owed[0].recipients[0].target.id, Notice::Failure)] };
    let changes = vec![Change::Store(Box::new(notice)), told];
    let applied = rig.drive(async |queue| queue.apply(changes, expired).await).unwrap();
    assert_eq!((applied.stored.len(), applied.removed), (1, vec![id]));
    assert_eq!(rig.queue.owed(None).unwrap().len(), 0);
    assert_eq!(rig.queue.stats().unwrap().messages, 1);
}

#[test]
fn nothing_is_owed_to_the_null_path_and_the_caller_hears_of_it() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    let settled = rig.settle(&attempt, Outcome::Failed, START);
    assert_eq!((settled.recipients[0].owed, settled.recipients[0].forbidden), (None, Some(Notice::Failure)));
    assert!(settled.removed);
}

#[test]
fn a_late_message_owes_one_notice_of_delay_and_still_waits() {
    let retry = Retry { delay_notice_after: Some(Duration::from_secs(3600)), ..Retry::default() };
    let mut rig = Rig::with(Settings { retry, ..Settings::default() });
    let mut message = rig.message(SMALL, "a@x.example", &["b@y.example"], START);
    message.set_delay_notices(true);
    rig.drive(async |queue| queue.accept(message).await).unwrap();
    let mut now = START.plus(Duration::from_secs(3600));
    let mut owed = Vec::new();
    for _ in 0..3 {
        let attempt = rig.lease_one(now);
        owed.push(rig.settle(&attempt, Outcome::Deferred, now).recipients[0].owed);
        now = now.plus(retry.longest);
    }
    assert_eq!(owed, [Some(Notice::Delay), None, None]);
    let attempt = rig.lease_one(now);
    assert!(rig.settle(&attempt, Outcome::Delivered, now).removed, "a delivery moots the delay");
}

#[test]
fn an_attempt_given_back_is_as_if_it_had_not_been() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example", "c@y.example"], START);
    let attempt = rig.lease_one(START);
    let first = vec![(attempt.recipients[0].id, fate(Outcome::Delivered))];
    rig.drive(async |queue| queue.settle(attempt.id, first, START).await).unwrap();
    rig.drive(async |queue| queue.give_back(attempt.id, START).await).unwrap();
    let again = rig.lease_one(START);
    assert_eq!(again.recipients.len(), 1);
    assert_eq!((again.recipients[0].id, again.recipients[0].attempts), (attempt.recipients[1].id, 0));
    assert_eq!(rig.settle(&attempt, Outcome::Delivered, START).recipients[0].became, Became::Gone);
}

#[test]
fn held_mail_waits_for_a_person_and_does_not_expire() {
    let mut rig = Rig::new();
    let mut message = rig.message(SMALL, "a@x.example", &["b@y.example"], START);
    message.held = Some(Reason::new("test", "looks odd"));
    message.lend = Lend::All;
    let accepted = rig.drive(async |queue| queue.accept(message).await).unwrap();
    let id = accepted.receipt.id();
    assert_eq!(accepted.attempts.len(), 0);
    let later = START.plus(2 * Retry::default().expiry);
    assert_eq!(rig.lease(later).attempts.len(), 0);
    assert_eq!(rig.queue.show(id).unwrap().unwrap().held.unwrap().why.as_str(), "test: looks odd");
    let released = rig.drive(async |queue| queue.release(Filter::default(), None, later).await).unwrap();
    assert_eq!(released.ids, [id]);
    let attempt = rig.lease_one(later);
    assert!(matches!(
        rig.settle(&attempt, Outcome::Deferred, later).recipients[0].became,
        Became::Waiting { .. }
    ));
}

#[test]
fn mail_held_while_it_is_in_flight_waits_afterwards() {
    let mut rig = Rig::new();
    let id = rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    let why = Reason::new("operator", "wait");
    rig.drive(async |queue| queue.hold(Filter::of(id), None, why, START).await).unwrap();
    let expired = START.plus(Retry::default().expiry);
    let settled = rig.settle(&attempt, Outcome::Deferred, expired);
    assert!(matches!(settled.recipients[0].became, Became::Waiting { .. }), "held mail does not expire");
    assert_eq!(rig.lease(expired.plus(Retry::default().expiry)).attempts.len(), 0);
}

#[test]
fn a_pause_outlives_a_restart() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example", "c@z.example"], START);
    let key = RouteKey::new("@y.example").unwrap();
    let why = Text::literal("their host asked");
    rig.drive(async |queue| queue.pause(Some(key.clone()), why, START).await).unwrap();
    let mut rig = rig.reopen(START);
    assert_eq!(rig.lease_one(START).key.as_str(), "@z.example");
    assert_eq!(rig.queue.pauses().unwrap()[0].key, Some(key.clone()));
    rig.drive(async |queue| queue.resume(Some(key), START).await).unwrap();
    assert_eq!(rig.lease_one(START).key.as_str(), "@y.example");
}

#[test]
fn a_message_deleted_under_its_attempt_is_gone() {
    let mut rig = Rig::new();
    let id = rig.accept(&large(), "a@x.example", &["b@y.example"], START);
    let attempt = rig.lease_one(START);
    let deleted = rig.drive(async |queue| queue.delete(Filter::of(id), None, START).await).unwrap();
    assert_eq!(deleted.ids, [id]);
    assert!(matches!(rendition(&attempt), Err(ContentError::Gone)));
    assert_eq!(rig.settle(&attempt, Outcome::Deferred, START).recipients[0].became, Became::Gone);
    assert_eq!(rig.lease(START.plus(Retry::default().expiry)).attempts.len(), 0);
}

#[test]
fn content_that_is_shared_stays_until_its_last_message_leaves() {
    let mut rig = Rig::new();
    rig.accept(&large(), "a@x.example", &["b@y.example"], START);
    let first = rig.lease_one(START);
    let id = rig.ids.queue_id(START);
    let to = envelope("list@y.example", &["c@z.example"]);
    let key = RouteKey::new("@z.example").unwrap();
    let forward = NewMessage::sharing(id, &first.message.content, to, START, |_| key.clone()).unwrap();
    let fates = vec![(first.recipients[0].id, fate(Outcome::Expanded))];
    let changes = vec![Change::Store(Box::new(forward)), Change::Settle { attempt: first.id, fates }];
    let applied = rig.drive(async |queue| queue.apply(changes, START).await).unwrap();
    assert_eq!(applied.removed, [first.message.id]);
    assert_eq!(rig.files("content").len(), 1);
    let second = rig.lease_one(START);
    assert_eq!(rendition(&second).unwrap(), large());
    rig.settle(&second, Outcome::Delivered, START);
    assert_eq!(rig.files("content").len(), 0);
}

#[test]
fn an_attempt_that_was_out_at_a_crash_is_due_at_once() {
    let mut rig = Rig::new();
    rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    rig.lease_one(START);
    let mut rig = rig.reopen(START);
    assert_eq!(rig.recovery.reclaimed, 1);
    assert_eq!(rig.recovery.sentences().len(), 1);
    assert_eq!(rig.lease_one(START.plus(Duration::from_secs(10))).recipients[0].attempts, 1);
}

#[test]
fn a_clock_stepped_back_strands_nothing() {
    let mut rig = Rig::new();
    let future = START.plus(Duration::from_secs(365 * 86_400));
    rig.accept(SMALL, "a@x.example", &["b@y.example"], future);
    rig.lease(future.plus(Duration::from_secs(1)));
    let mut rig = rig.reopen(future);
    assert_eq!(rig.lease(START).attempts.len(), 0);
    let due = START.plus(Retry::default().longest);
    assert_eq!(rig.lease(START).next_due, Some(due));
    assert_eq!(rig.lease(due).attempts.len(), 1);
}

#[test]
fn a_dropped_draft_leaves_no_file() {
    let mut rig = Rig::new();
    let message = rig.message(&large(), "a@x.example", &["b@y.example"], START);
    assert_eq!(rig.files("incoming").len(), 1);
    drop(message);
    let _ = rig.committer.step();
    assert_eq!(rig.files("incoming").len(), 0);
}

#[test]
fn start_up_empties_incoming_and_moves_orphans_to_lost() {
    let mut rig = Rig::new();
    let id = rig.accept(&large(), "a@x.example", &["b@y.example"], START);
    fs::write(rig.path("incoming/half"), "half a message").unwrap();
    for _ in 0..2 {
        fs::write(rig.path("content/0123456789abc"), "whose?").unwrap();
        rig = rig.reopen(START);
        assert_eq!((rig.recovery.lost, rig.files("content")), (1, vec![id.to_string()]));
    }
    assert_eq!(rig.files("incoming").len(), 0);
    assert_eq!(rig.files("lost"), ["0123456789abc", "0123456789abc.1"]);
}

#[test]
fn a_missing_file_is_reported_and_the_message_set_aside() {
    let mut rig = Rig::new();
    let id = rig.accept(&large(), "a@x.example", &["b@y.example"], START);
    fs::remove_file(rig.path("content").join(id.to_string())).unwrap();
    let attempt = rig.lease_one(START);
    let error = rendition(&attempt).unwrap_err();
    assert!(matches!(error, ContentError::Missing));
    let why = Text::clean(&error.to_string());
    rig.drive(async |queue| queue.set_aside(attempt.id, why, START).await).unwrap();
    assert!(rig.queue.show(id).unwrap().unwrap().held.unwrap().why.as_str().starts_with("spool: "));
    assert_eq!(rig.lease(START.plus(Retry::default().expiry)).attempts.len(), 0);
}

#[test]
fn damaged_content_is_never_delivered_whole() {
    let mut rig = Rig::new();
    let content = large();
    let id = rig.accept(&content, "a@x.example", &["b@y.example"], START);
    let path = rig.path("content").join(id.to_string());
    let attempt = rig.lease_one(START);
    let mut damaged = content.clone();
    damaged[70] ^= 1;
    for octets in [damaged, content[..content.len() - 1].to_vec(), [content, vec![b'x']].concat()] {
        fs::write(&path, octets).unwrap();
        assert!(matches!(rendition(&attempt), Err(ContentError::Damaged)));
    }
}

#[test]
fn a_second_server_is_refused_the_folder() {
    let rig = Rig::new();
    let refused = open(rig.folder.path(), Settings::default(), 1, START).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }));
    assert!(refused.to_string().contains("another server"), "{refused}");
}

#[test]
fn a_newer_schema_is_refused_and_not_touched() {
    let rig = Rig::new();
    let folder = rig.folder;
    drop((rig.queue, rig.committer, rig.checkpointer));
    let database = folder.path().join("queue.db");
    let shell = rusqlite::Connection::open(&database).unwrap();
    shell.pragma_update(None, "user_version", 3).unwrap();
    drop(shell);
    let refused = open(folder.path(), Settings::default(), 1, START).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 3, known: 2, .. }), "{refused}");
    let shell = rusqlite::Connection::open(&database).unwrap();
    shell.pragma_update(None, "user_version", 2).unwrap();
    drop(shell);
    open(folder.path(), Settings::default(), 1, START).unwrap();
}

#[test]
fn a_database_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shell = rusqlite::Connection::open(folder.path().join("queue.db")).unwrap();
    shell.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(shell);
    let refused = open(folder.path(), Settings::default(), 1, START).unwrap_err();
    assert!(matches!(refused, OpenError::NotAQueue { .. }));
}

#[test]
fn a_file_that_cannot_be_moved_poisons_the_spool_until_it_is_opened_again() {
    let mut rig = Rig::new();
    let kept = rig.accept(SMALL, "a@x.example", &["b@y.example"], START);
    let message = rig.message(&large(), "a@x.example", &["b@y.example"], START);
    fs::remove_dir(rig.path("content")).unwrap();
    let refused = rig.drive(async |queue| queue.accept(message).await).unwrap_err();
    assert!(matches!(refused, Unable::Poisoned(_)), "{refused}");
    assert!(rig.queue.health().is_err());
    let message = rig.message(SMALL, "a@x.example", &["b@y.example"], START);
    let refused = rig.drive(async |queue| queue.accept(message).await).unwrap_err();
    assert!(matches!(refused, Unable::Poisoned(_)));
    let mut rig = rig.reopen(START);
    assert_eq!(rig.queue.health(), Ok(()));
    assert_eq!(rig.lease_one(START).message.id, kept);
}

#[test]
fn an_id_that_is_taken_is_refused_and_the_others_of_its_batch_go_on() {
    let mut rig = Rig::new();
    let taken = rig.accept(&large(), "a@x.example", &["b@y.example"], START);
    let mut draft = rig.queue.draft(taken);
    draft.pour(b"intruder");
    let sealed = draft.seal().unwrap();
    let again =
        NewMessage::new(sealed, envelope("", &["b@y.example"]), START, |_| RouteKey::local()).unwrap();
    let other = rig.message(SMALL, "a@x.example", &["c@z.example"], START);
    let queue = rig.queue.clone();
    let both = async {
        let mut other = std::pin::pin!(queue.accept(other));
        let first = futures_poll(other.as_mut()).await;
        assert!(first.is_none());
        (queue.accept(again).await, other.await)
    };
    let (again, other) = drive(&mut rig.committer, both);
    assert!(matches!(again, Err(Unable::Rejected(_))));
    assert!(other.is_ok());
    let attempts = rig.lease(START).attempts;
    assert_eq!(
        rendition(attempts.iter().find(|attempt| attempt.message.id == taken).unwrap()).unwrap(),
        large()
    );
}

/// Polls once: sends the request without waiting for its answer.
async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_stopped_queue_says_so() {
    let rig = Rig::new();
    let queue = rig.queue.clone();
    let committer = std::thread::Builder::new().spawn(move || rig.committer.run()).unwrap();
    let checkpointer = std::thread::Builder::new().spawn(move || rig.checkpointer.run()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        queue.stop().await;
        let ask = Lease { now: START, limit: 1, room_per_key: 1, room: Vec::new() };
        assert!(matches!(queue.lease(ask).await, Err(Unable::Stopped)));
    });
    committer.join().unwrap();
    checkpointer.join().unwrap();
}

#[test]
fn listings_filter_and_page() {
    let mut rig = Rig::new();
    let ids: Vec<_> =
        (0..5).map(|n| rig.accept(SMALL, &format!("s{n}@x.example"), &["b@y.example"], START)).collect();
    rig.accept(SMALL, "", &["c@z.example"], START);
    let filter = Filter { recipient: Some("B@Y.".into()), ..Filter::default() };
    let page = rig.queue.list(&filter, None, 3).unwrap();
    assert_eq!(page.messages.iter().map(|view| view.id).collect::<Vec<_>>(), ids[..3]);
    let page = rig.queue.list(&filter, page.next, 3).unwrap();
    assert_eq!(page.messages.iter().map(|view| view.id).collect::<Vec<_>>(), ids[3..]);
    assert_eq!(page.next, None);
    let null = Filter { sender: Some(String::new()), ..Filter::default() };
    assert_eq!(rig.queue.list(&null, None, 10).unwrap().messages.len(), 1);
    let sender = Filter { sender: Some("S3@".into()), ..Filter::default() };
    assert_eq!(rig.queue.list(&sender, None, 10).unwrap().messages[0].id, ids[3]);
    let key = Filter { key: Some(RouteKey::new("@z.example").unwrap()), ..Filter::default() };
    assert_eq!(rig.queue.list(&key, None, 10).unwrap().messages.len(), 1);
    let both = Filter { recipient: Some("b@".into()), ..key };
    assert_eq!(rig.queue.list(&both, None, 10).unwrap().messages.len(), 0, "one recipient has both");
    let attempt = rig.lease(START).attempts.remove(0);
    rig.settle(&attempt, Outcome::Failed, START);
    let owing = |owing| Filter { owing: Some(owing), ..Filter::default() };
    assert_eq!(rig.queue.list(&owing(true), None, 10).unwrap().messages[0].id, attempt.message.id);
    assert_eq!(rig.queue.list(&owing(false), None, 10).unwrap().messages.len(), 5);
    assert_eq!(rig.queue.stats().unwrap().waiting, 0);
}

//! Mail that is late, and mail that is given up: what its sender hears, and that every state comes to an end.
//!
//! The waits of the queue are shortened to milliseconds; no test depends on how long anything takes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::network::{Manner, Network, zone};
use common::{Running, Surroundings, queue_id, wait_for};
use postrider_mta::Settings;
use postrider_policy::route::{Hop, Matches, Pattern, Rule, Way};
use postrider_queue::{Filter, Retry, RouteKey};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;

const HELLO: &str = "Subject: hello\r\nMessage-ID: <1@local.example>\r\n\r\nthe body\r\n";

/// Tries follow each other at once; a message is late after this, and given up after that.
fn retry(late_ms: Option<u64>, expiry_ms: u64) -> Retry {
    Retry {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(100),
        delay_notice_after: late_ms.map(Duration::from_millis),
        expiry: Duration::from_millis(expiry_ms),
        ..Retry::default()
    }
}

/// A server that relays for the test's client, with one domain elsewhere, `a.example` at 192.0.2.1.
fn start(network: &Arc<Network>, retry: Retry) -> Running {
    start_at(&Arc::new(tempfile::tempdir().unwrap()), network, retry, |settings| {
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
    })
}

fn start_at(
    folder: &Arc<TempDir>,
    network: &Arc<Network>,
    retry: Retry,
    adjust: impl FnOnce(&mut Settings),
) -> Running {
    let surroundings = Surroundings {
        net: Arc::clone(network) as Arc<dyn postrider_mta::net::Net>,
        resolver: Arc::new(zone(&[("a.example", &["192.0.2.1"])])),
        queue: postrider_queue::Settings { retry, ..postrider_queue::Settings::default() },
        folder: Arc::clone(folder),
    };
    let running = common::start_in(surroundings, |settings| {
        let hop = Hop::Mx(Arc::new(Way::default()));
        settings.rules.routes.push(Rule { matches: Matches::Everything, hop });
        adjust(settings);
    });
    running.directory.account("ann");
    running
}

/// A message from ann to a recipient elsewhere: its id.
fn submit(running: &Running, to: &str) -> String {
    let mut client = running.connect().greeted();
    queue_id(&client.submit_from("ann@local.example", &[to], HELLO))
}

fn is_empty(running: &Running) -> bool {
    running.queued().messages.is_empty()
}

/// What ann was told, the delays and the failures.
fn told(running: &Running) -> (Vec<String>, Vec<String>) {
    let mail = running.mail("ann@local.example");
    let notices = mail.iter().map(|file| std::fs::read_to_string(file).unwrap());
    notices.partition(|notice| notice.contains("\nSubject: Delayed: "))
}

/// The failure that ann was told of, once she was and nothing is left.
fn the_failure(running: &Running) -> String {
    wait_for("an empty queue", || is_empty(running));
    let (delays, mut failures) = told(running);
    assert_eq!((delays.len(), failures.len()), (0, 1), "{delays:?} {failures:?}");
    failures.remove(0)
}

fn assert_says(notice: &str, parts: &[&str]) {
    for part in parts {
        assert!(notice.contains(part), "{part:?} is missing in\n{notice}");
    }
}

/// RFC 5321 §4.5.4.1
#[test]
fn a_deadline_of_the_senders_comes_before_the_operators() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Busy("DELIVERBY", "450 4.2.1 the mailbox is busy"));
    let running = start(&network, retry(None, 600_000));
    for (by, subject, action) in [("BY=1;N", "Delayed:", "delayed"), ("BY=1;R", "Not delivered:", "failed")] {
        let before = running.mail("ann@local.example").len();
        let mut client = running.connect().greeted();
        client.expect(&format!("MAIL FROM:<ann@local.example> {by}"), "250");
        client.expect("RCPT TO:<x@a.example>", "250");
        client.expect("DATA", "354");
        client.send(HELLO.as_bytes());
        let id = queue_id(&client.expect(".", "250"));
        wait_for("a notice", || running.mail("ann@local.example").len() > before);
        let told = running.mail("ann@local.example");
        let notices = told.iter().map(|file| std::fs::read_to_string(file).unwrap());
        let about = format!("\nX-Postrider-Queue-ID: {id}\n");
        let notice = notices.into_iter().find(|notice| notice.contains(&about)).unwrap();
        let action = format!("\nAction: {action}\n");
        assert_says(&notice, &[&format!("\nSubject: {subject} "), &action, "\nDeliver-By-Date: "]);
        let is_queued = running.queued().messages.iter().any(|message| message.id.to_string() == id);
        assert_eq!(is_queued, by.ends_with('N'), "{by}");
    }
}

#[test]
fn the_sender_of_late_mail_hears_it_once_and_at_the_end_that_it_failed() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Rcpt("450 4.2.1 the mailbox is busy"));
    let running = start(&network, retry(Some(300), 2_000));
    submit(&running, "x@a.example");
    wait_for("an empty queue", || is_empty(&running));
    let (delays, failures) = told(&running);
    assert_eq!((delays.len(), failures.len()), (1, 1), "{delays:?}\n{failures:?}");
    assert_says(
        &delays[0],
        &[
            "Your message to <x@a.example> has not been delivered yet; it is still being",
            "\nThe last answer, by mx0.a.example [192.0.2.1]:\n\n    450 4.2.1 the mailbox is busy\n",
            "\nAction: delayed\nStatus: 4.2.1\n",
            "\nWill-Retry-Until: ",
        ],
    );
    assert_says(
        &failures[0],
        &[
            "\nSubject: Not delivered: ",
            "could not be delivered in time, and is not\ntried any more.",
            "\nAction: failed\nStatus: 4.2.1\n",
        ],
    );
    assert_eq!(running.server.stories.notices(), (2, 0));
}

#[test]
fn whoever_may_not_relay_hears_of_failures_only() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Rcpt("450 4.2.1 the mailbox is busy"));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let running = start_at(&folder, &network, retry(Some(100), 1_500), |settings| {
        settings.rules.relay.domains = vec![Pattern::Exactly("a.example".parse().unwrap())];
    });
    submit(&running, "x@a.example");
    assert_says(&the_failure(&running), &["\nAction: failed\nStatus: 4.2.1\n"]);
}

#[test]
fn a_notice_quotes_the_host_that_refused_and_tells_what_was_said_and_tried() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Down);
    network.host("192.0.2.2:25", Manner::Rcpt("550 5.7.1 <x@b.example> does not want your mail"));
    let surroundings = Surroundings {
        net: Arc::clone(&network) as Arc<dyn postrider_mta::net::Net>,
        resolver: Arc::new(zone(&[("b.example", &["192.0.2.1", "192.0.2.2"])])),
        ..Surroundings::default()
    };
    let running = common::start_in(surroundings, |settings| {
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
        let hop = Hop::Mx(Arc::new(Way::default()));
        settings.rules.routes.push(Rule { matches: Matches::Everything, hop });
    });
    running.directory.account("ann");
    submit(&running, "x@b.example");
    let notice = the_failure(&running);
    assert_says(
        &notice,
        &[
            "\nThe answer of mx1.b.example [192.0.2.2]:\n\n    550 5.7.1 <x@b.example> does not want your mail\n",
            "tried mx0.b.example",
            "connection refused\n",
            "connected to mx1.b.example",
            "\n    > RCPT TO:<x@b.example>\n    < 550 5.7.1 <x@b.example> does not want your mail\n",
            "\nRemote-MTA: dns; mx1.b.example\n",
            "\nDiagnostic-Code: smtp; 550 5.7.1 <x@b.example> does not want your mail\n",
            "\nAction: failed\nStatus: 5.7.1\n",
        ],
    );
}

#[test]
fn mail_under_a_paused_key_is_given_up_in_time() {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.1:25", Manner::Good);
    let running = start(&network, retry(None, 300));
    let key = RouteKey::new("@a.example").unwrap();
    let now = running.server.world.now();
    running.runtime.block_on(running.server.queue.pause(Some(key), "a test".into(), now)).unwrap();
    let id = submit(&running, "x@a.example");
    assert_says(&the_failure(&running), &["\nAction: failed\nStatus: 5.4.7\n"]);
    assert_eq!(host.connections.load(Ordering::SeqCst), 0);
    let story = running.story(&id);
    assert!(story.contains("no connection was free for a last try"), "{story}");
}

#[test]
fn mail_for_a_host_that_rests_is_given_up_in_time_and_says_why_it_rests() {
    let network = Arc::new(Network::default());
    network.host("192.0.2.1:25", Manner::Down);
    // The host is left alone for longer than the message lives.
    let running = start(&network, retry(None, 600));
    submit(&running, "x@a.example");
    assert_says(
        &the_failure(&running),
        &["192.0.2.1:25: connection refused", "\nAction: failed\nStatus: 4.4.1\n"],
    );
}

#[test]
fn mail_that_waited_in_memory_beyond_its_time_ends_with_its_try() {
    let network = Arc::new(Network::default());
    let slow = network.host("192.0.2.1:25", Manner::SlowThen("421 4.3.2 not now"));
    let running = start(&network, retry(None, 300));
    let ids: Vec<String> = (0..8).map(|_| submit(&running, "x@a.example")).collect();
    let expired = || {
        let now = running.server.world.now();
        running.queued().messages.iter().all(|message| message.expires_at < now)
    };
    wait_for("the end of their time", expired);
    assert_eq!(running.queued().messages.len(), ids.len(), "what is in flight is nobody else's to end");
    slow.let_go();
    wait_for("an empty queue", || is_empty(&running));
    let (delays, failures) = told(&running);
    assert_eq!((delays.len(), failures.len()), (0, ids.len()));
}

#[test]
fn mail_in_flight_when_the_server_died_is_tried_once_more_and_then_given_up() {
    let network = Arc::new(Network::default());
    let slow = network.host("192.0.2.1:25", Manner::Slow);
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let relay = |settings: &mut Settings| {
        settings.rules.relay.from = vec!["127.0.0.0/8".parse().unwrap()];
    };
    let running = start_at(&folder, &network, retry(None, 300), relay);
    submit(&running, "x@a.example");
    wait_for("a connection", || slow.connections.load(Ordering::SeqCst) == 1);
    let expires_at = running.queued().messages[0].expires_at;
    wait_for("the end of its time", || running.server.world.now() > expires_at);
    running.die();
    let host = network.host("192.0.2.1:25", Manner::Rcpt("450 4.2.1 the mailbox is busy"));
    let running = start_at(&folder, &network, retry(None, 300), relay);
    assert_says(
        &the_failure(&running),
        &["450 4.2.1 the mailbox is busy\n", "\nAction: failed\nStatus: 4.2.1\n"],
    );
    assert_eq!(host.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn held_mail_is_never_given_up() {
    let network = Arc::new(Network::default());
    let host = network.host("192.0.2.1:25", Manner::Good);
    let running = start(&network, retry(None, 300));
    running.pause();
    let held = submit(&running, "x@a.example");
    let now = running.server.world.now();
    let reason = postrider_mail::Reason::new("operator", "a test");
    running.runtime.block_on(running.server.queue.hold(Filter::default(), None, reason, now)).unwrap();
    let other = submit(&running, "y@a.example");
    wait_for("the end of the other", || {
        !running.story(&other).is_empty() && running.queued().messages.len() == 1
    });
    assert_eq!(running.queued().messages[0].id.to_string(), held);
    running.release();
    running.resume();
    wait_for("the released message", || host.messages() == 1);
    wait_for("an empty queue", || is_empty(&running));
}

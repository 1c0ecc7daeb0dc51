//! `smtp-sink` as the next hop, with everything it can do to a client: nothing acknowledged is lost, nothing comes
//! twice but what was lost after the dot.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_journal::event::Ending;
use postrider_tests::onward::{Origin, Try};
use postrider_tests::sink::Sink;
use postrider_tests::wait::until_true;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Messages for each sink.
const MESSAGES: usize = 5;

/// What comes of messages to a sink that never behaves otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// All are relayed at the first attempt.
    Relayed,
    /// The first answer ends it: the sender hears of a failure.
    Fails,
    /// The same, but that the host is left alone after some refusals, and messages wait for that.
    FailsInTurn,
    /// They are tried until they expire.
    Expires,
}

/// Flags of smtp-sink(1), and what comes of it.
const SINKS: [(&[&str], Then); 31] = [
    (&[], Then::Relayed),
    (&["-8"], Then::Relayed),
    (&["-e"], Then::Relayed),
    (&["-E"], Then::Relayed),
    (&["-p"], Then::Relayed),
    (&["-P"], Then::Relayed),
    (&["-m", "1"], Then::Relayed),
    (&["-w", "1"], Then::Relayed),
    // Without -p it would answer a pipelined DATA before the RCPT that it delays.
    (&["-p", "-W", "rcpt:1"], Then::Relayed),
    (&["-H", "1"], Then::Relayed),
    (&["-h", "other.example"], Then::Relayed),
    // It says that it is us.
    (&["-h", "mx.local.example"], Then::Fails),
    (&["-f", "connect"], Then::FailsInTurn),
    (&["-f", "ehlo"], Then::Relayed),
    (&["-f", "mail"], Then::Fails),
    (&["-f", "rcpt"], Then::Fails),
    (&["-f", "data"], Then::Fails),
    (&["-f", "."], Then::Fails),
    (&["-A", "0"], Then::Fails),
    (&["-r", "connect"], Then::Expires),
    (&["-r", "mail"], Then::Expires),
    (&["-r", "rcpt"], Then::Expires),
    (&["-r", "data"], Then::Expires),
    (&["-r", "."], Then::Expires),
    (&["-q", "connect"], Then::Expires),
    (&["-q", "mail"], Then::Expires),
    (&["-q", "data"], Then::Expires),
    (&["-q", "."], Then::Expires),
    (&["-Q", "ehlo"], Then::Expires),
    (&["-Q", "rcpt"], Then::Expires),
    (&["-Q", "."], Then::Expires),
];

fn content(number: usize, name: &str) -> String {
    format!(
        "Subject: {number}\r\nX-Name: {name}.{number}\r\n\r\nGrüße, nicht nur ASCII\r\n..\r\n{}\r\n",
        "x".repeat(700)
    )
}

fn route(name: &str, scheme: &str, sink: &Sink) -> String {
    format!("[[route]]\ndomains = [\"{name}.example\"]\nto = \"{scheme}://{}\"\n", sink.address())
}

fn send_all(origin: &Origin, name: &str) -> Vec<String> {
    let send = |number| origin.send(&[&format!("you@{name}.example")], &content(number, name));
    (0..MESSAGES).map(send).collect()
}

/// How often a sink has taken each message; all are whole.
fn copies(sink: &Sink, name: &str) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for taken in sink.taken() {
        let text = String::from_utf8(taken.message).unwrap();
        let said = text.lines().find_map(|line| line.strip_prefix("X-Name: ")).unwrap().to_owned();
        let number = said.rsplit('.').next().unwrap().parse().unwrap();
        let sent = content(number, name).replace("\r\n", "\n").replace("\n..\n", "\n.\n");
        assert!(text.ends_with(&sent), "{name}: {text}");
        *copies.entry(said).or_default() += 1;
    }
    copies
}

fn last_ending(tries: &[Try]) -> Option<Ending> {
    tries.last()?.fates.last().map(|fate| fate.ending)
}

#[test]
fn whatever_smtp_sink_does_nothing_is_lost_and_nothing_comes_twice() {
    let mut sinks = Vec::new();
    for (flags, _) in SINKS {
        let Some(sink) = Sink::start(flags) else { return };
        sinks.push(sink);
    }
    let name = |number: usize| format!("s{number}");
    let routes: String = sinks.iter().enumerate().map(|(at, sink)| route(&name(at), "smtp", sink)).collect();
    let origin = Origin::start("4s", &routes);
    let ids: Vec<Vec<String>> = (0..sinks.len()).map(|number| send_all(&origin, &name(number))).collect();
    for ((number, (flags, then)), (sink, ids)) in SINKS.iter().enumerate().zip(sinks.iter().zip(&ids)) {
        for id in ids {
            let over = |tries: &[Try]| last_ending(tries).is_some_and(|ending| ending != Ending::Deferred);
            let tries = origin.tries_until(id, over);
            let ending = last_ending(&tries);
            let tried = tries.iter().filter(|one| !one.fates.is_empty()).count();
            match then {
                Then::Relayed => {
                    assert_eq!((ending, tried), (Some(Ending::Relayed), 1), "{flags:?}: {tries:#?}");
                }
                Then::Fails => {
                    assert_eq!((ending, tried), (Some(Ending::Failed), 1), "{flags:?}: {tries:#?}");
                }
                Then::FailsInTurn => assert_eq!(ending, Some(Ending::Failed), "{flags:?}: {tries:#?}"),
                Then::Expires => {
                    assert!(tried >= 2 && ending == Some(Ending::Failed), "{flags:?}: {tries:#?}");
                }
            }
        }
        let copies = copies(sink, &name(number));
        println!("{flags:?}: {copies:?}");
        if *then == Then::Relayed {
            assert_eq!(copies.len(), MESSAGES, "{flags:?}");
        }
        // A sink that breaks off after the dot has kept what it never acknowledged.
        if !flags.contains(&".") {
            assert!(copies.values().all(|&copies| copies == 1), "{flags:?}: {copies:?}");
        }
    }
    origin.is_done();
    let unhappy = SINKS.iter().filter(|(_, then)| *then != Then::Relayed).count() * MESSAGES;
    assert_eq!(origin.notices().len(), unhappy, "a notice for each that did not arrive");
}

#[test]
fn a_sink_that_ends_after_some_messages_gets_the_rest_when_it_is_back() {
    let Some(sink) = Sink::start(&["-M", "2"]) else { return };
    let origin = Origin::start("1h", &route("back", "smtp", &sink));
    let ids = send_all(&origin, "back");
    origin.tries_until(ids.last().unwrap(), |tries| last_ending(tries).is_some());
    let sink = sink.again(&[]);
    origin.is_done();
    let copies = copies(&sink, "back");
    assert_eq!(copies.len(), MESSAGES, "{copies:?}");
    println!("{copies:?}");
    assert_eq!(origin.notices(), Vec::<String>::new());
}

#[test]
fn a_sink_that_hangs_up_on_idle_connections_costs_no_attempt() {
    let Some(sink) = Sink::start(&["-t", "1"]) else { return };
    let origin = Origin::start("1h", &route("idle", "smtp", &sink));
    for number in 0..3 {
        let id = origin.send(&["you@idle.example"], &content(number, "idle"));
        let tries = origin.tries_until(&id, |tries| last_ending(tries).is_some());
        assert_eq!(last_ending(&tries), Some(Ending::Relayed), "{tries:#?}");
        assert_eq!(tries.len(), 1, "{tries:#?}");
        // The sink waits a second for the next command.
        let sent = Instant::now();
        until_true("the sink has hung up", || sent.elapsed() > Duration::from_millis(1300));
    }
    origin.is_done();
    assert_eq!(copies(&sink, "idle").values().copied().collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn lmtp_to_a_sink_is_delivery() {
    let Some(sink) = Sink::start(&["-L"]) else { return };
    let origin = Origin::start("1h", &route("lmtp", "lmtp", &sink));
    let id = origin.send(&["one@lmtp.example", "two@lmtp.example"], &content(0, "lmtp"));
    let tries = origin.tries_until(&id, |tries| last_ending(tries).is_some());
    let endings: Vec<Ending> = tries[0].fates.iter().map(|fate| fate.ending).collect();
    assert_eq!(endings, [Ending::Delivered, Ending::Delivered], "{tries:#?}");
    origin.is_done();
    assert_eq!(sink.taken()[0].recipients, ["<one@lmtp.example>", "<two@lmtp.example>"]);
}

//! Hosts that fail at every step of the dialogue, and are well again afterwards: what is lost, what comes twice,
//! what is tried again, what the sender hears.

use postrider_journal::event::{Ending, HostResult};
use postrider_tests::onward::{Origin, Try};
use postrider_tests::peer::{Fault, Peer, Script, Step};
use postrider_tests::wait::{until, until_true};

/// What a failure comes to, if the host is well the next time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The first attempt succeeds all the same.
    AtOnce,
    /// A later one does, and the host has seen the message once.
    Later,
    /// A later one does, and the host has seen the message twice: it was lost after the dot.
    MayBeTwice,
    /// A later one does; whether the host has seen the end of the content before is not known to us.
    LaterUnsure,
    /// The sender hears that it failed.
    Fails,
}

struct Row {
    step: Step,
    fault: Fault,
    then: Then,
}

const fn row(step: Step, fault: Fault, then: Then) -> Row {
    Row { step, fault, then }
}

const NOT_NOW: Fault = Fault::Says("451 4.3.0 not now");
const GOING: Fault = Fault::Says("421 4.3.2 going down");
const NEVER: Fault = Fault::Says("554 5.7.1 never, says the peer");
const GARBAGE: Fault = Fault::Mutters("\u{1}no reply at all\r\n");
const HALF: Fault = Fault::Mutters("25");

/// Every step, every failure.
const ROWS: [Row; 50] = [
    row(Step::Greeting, Fault::Close, Then::Later),
    row(Step::Greeting, GOING, Then::Later),
    row(Step::Greeting, NOT_NOW, Then::Later),
    row(Step::Greeting, NEVER, Then::Fails),
    row(Step::Greeting, Fault::Silence, Then::Later),
    row(Step::Greeting, GARBAGE, Then::Later),
    row(Step::Greeting, HALF, Then::Later),
    row(Step::Ehlo, Fault::Close, Then::Later),
    row(Step::Ehlo, GOING, Then::Later),
    row(Step::Ehlo, NOT_NOW, Then::Later),
    // HELO is said then, and that is answered.
    row(Step::Ehlo, NEVER, Then::AtOnce),
    row(Step::Ehlo, Fault::Silence, Then::Later),
    row(Step::Ehlo, GARBAGE, Then::Later),
    row(Step::Ehlo, HALF, Then::Later),
    row(Step::Mail, Fault::Close, Then::Later),
    row(Step::Mail, GOING, Then::Later),
    row(Step::Mail, NOT_NOW, Then::Later),
    row(Step::Mail, NEVER, Then::Fails),
    row(Step::Mail, Fault::Silence, Then::Later),
    row(Step::Mail, GARBAGE, Then::Later),
    row(Step::Mail, HALF, Then::Later),
    row(Step::FirstRcpt, Fault::Close, Then::Later),
    row(Step::FirstRcpt, GOING, Then::Later),
    row(Step::FirstRcpt, NOT_NOW, Then::Later),
    row(Step::FirstRcpt, NEVER, Then::Fails),
    row(Step::FirstRcpt, Fault::Silence, Then::Later),
    row(Step::FirstRcpt, GARBAGE, Then::Later),
    row(Step::FirstRcpt, HALF, Then::Later),
    row(Step::Data, Fault::Close, Then::Later),
    row(Step::Data, GOING, Then::Later),
    row(Step::Data, NOT_NOW, Then::Later),
    row(Step::Data, NEVER, Then::Fails),
    row(Step::Data, Fault::Silence, Then::Later),
    row(Step::Data, GARBAGE, Then::Later),
    row(Step::Data, HALF, Then::Later),
    row(Step::Content, Fault::Close, Then::LaterUnsure),
    row(Step::Content, GOING, Then::LaterUnsure),
    row(Step::Content, Fault::Silence, Then::LaterUnsure),
    row(Step::Content, HALF, Then::LaterUnsure),
    row(Step::Dot, Fault::Close, Then::MayBeTwice),
    row(Step::Dot, GOING, Then::MayBeTwice),
    row(Step::Dot, NOT_NOW, Then::MayBeTwice),
    row(Step::Dot, NEVER, Then::Fails),
    row(Step::Dot, Fault::Silence, Then::MayBeTwice),
    row(Step::Dot, GARBAGE, Then::MayBeTwice),
    row(Step::Dot, HALF, Then::MayBeTwice),
    row(Step::Quit, Fault::Close, Then::AtOnce),
    row(Step::Quit, NEVER, Then::AtOnce),
    row(Step::Quit, Fault::Silence, Then::AtOnce),
    row(Step::Quit, HALF, Then::AtOnce),
];

/// A route to each of these peers: `NUMBER.example`.
fn routes<'p>(peers: impl IntoIterator<Item = &'p Peer>) -> String {
    let route = |(number, peer): (usize, &Peer)| {
        format!("[[route]]\ndomains = [\"{number}.example\"]\nto = \"smtp://{}\"\n", peer.address())
    };
    peers.into_iter().enumerate().map(route).collect()
}

fn content(number: usize) -> String {
    format!("Subject: number {number}\r\nX-Number: {number}\r\n\r\nThe text of {number}.\r\n")
}

fn endings(tries: &[Try]) -> Vec<Ending> {
    tries.iter().flat_map(|one| &one.fates).map(|fate| fate.ending).collect()
}

#[test]
fn a_host_that_fails_once_at_any_step_loses_nothing_and_gets_nothing_twice() {
    let peers: Vec<Peer> =
        ROWS.iter().map(|row| Peer::start(Script::failing(row.step, row.fault).times(1))).collect();
    let origin = Origin::start("1h", &routes(&peers));
    let ids: Vec<String> = (0..ROWS.len())
        .map(|number| origin.send(&[&format!("you@{number}.example")], &content(number)))
        .collect();
    for ((number, row), (peer, id)) in ROWS.iter().enumerate().zip(peers.iter().zip(&ids)) {
        let what = format!("{:?} {:?}", row.step, row.fault);
        let tries = origin.tries_until(id, |tries| endings(tries).iter().any(|end| *end != Ending::Deferred));
        let (last, before) = tries.split_last().unwrap();
        let ending = last.fates.last().unwrap().ending;
        assert!(before.iter().flat_map(|one| &one.fates).all(|fate| fate.next_attempt.is_some()), "{what}");
        if row.then == Then::Fails {
            assert_eq!(ending, Ending::Failed, "{what}: {tries:#?}");
            let notice = origin.notice_about(&format!("you@{number}.example"));
            assert!(notice.contains("never, says the peer"), "the host's own words: {notice}");
            assert!(notice.contains("\nStatus: 5.7.1\n"), "{notice}");
            assert_eq!(peer.accepted(), 0, "{what}");
            continue;
        }
        assert_eq!(ending, Ending::Relayed, "{what}: {tries:#?}");
        assert_eq!(tries.len(), if row.then == Then::AtOnce { 1 } else { 2 }, "{what}: {tries:#?}");
        let seen = peer.seen();
        assert_eq!(seen.iter().filter(|seen| seen.accepted).count(), 1, "{what}: {seen:#?}");
        let copies = if row.then == Then::MayBeTwice { 2 } else { 1 };
        assert_eq!(seen.len(), copies, "{what}: {seen:#?}");
        let taken = seen.last().unwrap();
        assert!(taken.content.ends_with(content(number).as_bytes()), "{what}: whole");
        assert_eq!(taken.recipients, [format!("<you@{number}.example>")], "{what}");
        let connection_failed = !matches!(row.fault, Fault::Says(line) if !line.starts_with("421"));
        if let [first, _] = &tries[..]
            && connection_failed
        {
            let failed =
                first.hosts.iter().any(|host| host.result == HostResult::Failed && host.why.is_some());
            assert!(failed, "{what}: the story says how the host failed: {first:#?}");
        }
        // After a word of refusal nobody need fear.
        let unsure = row.step == Step::Dot && !matches!(row.fault, Fault::Says(_));
        if unsure {
            let reply = tries[0].fates[0].reply.to_string();
            assert!(reply.contains("twice"), "{what}: {reply}");
        }
    }
    origin.is_done();
    let failures = ROWS.iter().filter(|row| row.then == Then::Fails).count();
    assert_eq!(origin.notices().len(), failures, "each notice once, and none about what was late");
    origin.stop();
}

#[test]
fn a_server_with_nothing_else_to_do_tries_again_when_it_is_time() {
    let peer = Peer::start(Script::failing(Step::Mail, NOT_NOW).times(1));
    let retry = "[retry]\nfirst = \"3s\"\n";
    let origin = Origin::patient("127.0.0.1:0".parse().unwrap(), &format!("{retry}{}", routes([&peer])));
    origin.send(&["you@0.example"], &content(0));
    // Nobody asks the server anything meanwhile: that would wake it.
    until_true("it is there", || peer.accepted() == 1);
    origin.is_done();
}

#[test]
fn one_recipient_refused_does_not_keep_the_others_from_their_mail() {
    let faults = [
        // A peer that wants fewer recipients at a time gets two transactions in one attempt.
        Fault::Says("452 4.5.3 too many recipients"),
        Fault::Says("450 4.2.1 busy"),
        Fault::Says("550 5.1.1 nobody of that name"),
        Fault::Says("421 4.3.2 going down"),
    ];
    let peers = faults.map(|fault| Peer::start(Script::failing(Step::LaterRcpt, fault).times(1)));
    let origin = Origin::start("1h", &routes(&peers));
    let send = |number: usize| {
        origin.send(&[&format!("one@{number}.example"), &format!("two@{number}.example")], &content(number))
    };
    let ids = [send(0), send(1), send(2), send(3)];
    let tries = ids.map(|id| {
        origin.tries_until(&id, |tries| {
            endings(tries).iter().filter(|end| **end != Ending::Deferred).count() == 2
        })
    });
    origin.is_done();
    let recipients = |peer: &Peer| peer.seen().iter().map(|seen| seen.recipients.clone()).collect::<Vec<_>>();
    assert_eq!(tries[0].len(), 1, "no attempt is counted for 452 4.5.3: {:#?}", tries[0]);
    assert_eq!(recipients(&peers[0]), [["<one@0.example>"], ["<two@0.example>"]]);
    assert_eq!(endings(&tries[1]), [Ending::Relayed, Ending::Deferred, Ending::Relayed]);
    assert_eq!(recipients(&peers[1]), [["<one@1.example>"], ["<two@1.example>"]]);
    assert_eq!(endings(&tries[2]), [Ending::Relayed, Ending::Failed]);
    assert_eq!(recipients(&peers[2]), [["<one@2.example>"]]);
    assert!(origin.notice_about("two@2.example").contains("nobody of that name"));
    assert_eq!(recipients(&peers[3]), [["<one@3.example>", "<two@3.example>"]]);
    assert_eq!(origin.notices().len(), 1);
}

#[test]
fn a_host_that_breaks_off_in_a_large_message_gets_it_whole_the_next_time() {
    let faults =
        [Fault::Close, Fault::Silence, Fault::Says("421 4.3.0 enough"), Fault::Says("552 5.3.4 too big")];
    let peers = faults.map(|fault| Peer::start(Script::failing(Step::Content, fault).times(1)));
    let origin = Origin::start("1h", &routes(&peers));
    let large =
        format!("Subject: large\r\n\r\n{}", "a line of some content, with a dot.\r\n".repeat(150_000));
    let ids: Vec<String> =
        (0..peers.len()).map(|number| origin.send(&[&format!("you@{number}.example")], &large)).collect();
    origin.is_done();
    for (peer, (id, fault)) in peers.iter().zip(ids.iter().zip(&faults)) {
        let tries = origin.tries(id);
        println!("{fault:?}: {:?}", endings(&tries));
        let whole = peer.seen().iter().filter(|seen| seen.content.ends_with(large.as_bytes())).count();
        // Who says 552 and listens on has refused it for good.
        if matches!(fault, Fault::Says(line) if line.starts_with("552")) {
            assert!(whole <= 1);
        } else {
            assert_eq!((whole, peer.seen().len()), (1, 1), "{fault:?}");
        }
    }
}

#[test]
fn a_host_that_never_answers_rests_and_the_operator_sees_why() {
    let peer = Peer::start(Script::failing(Step::Greeting, Fault::Silence));
    let origin = Origin::start("1h", &routes([&peer]));
    let id = origin.send(&["you@0.example"], &content(0));
    until_true("it is deferred", || endings(&origin.tries(&id)).contains(&Ending::Deferred));
    let seen = until("the destination shows trouble", || {
        let shown = origin.site.postrider(&["queue", "destinations", "--json"]);
        shown.lines().any(|line| line.contains("\"why\":\"")).then_some(shown)
    });
    println!("{seen}");
    assert!(seen.contains(&format!("\"key\":\"[127.0.0.1]:{}\"", peer.address().port())), "{seen}");
    let shown = origin.site.postrider(&["queue", "show", &id]);
    println!("{shown}");
    assert!(shown.contains(&peer.address().ip().to_string()), "the host that was tried: {shown}");
    // Well again, and the mail goes out without anybody's help.
    peer.change(Script::default());
    origin.is_done();
    assert_eq!(peer.accepted(), 1);
}

#[test]
fn a_connection_that_was_kept_and_died_is_no_attempt() {
    let peer = Peer::start(Script::default());
    let origin = Origin::start("1h", &routes([&peer]));
    origin.send(&["you@0.example"], &content(0));
    until_true("the first is there", || peer.accepted() == 1);
    // Whatever connection was kept hears this as its last word.
    peer.change(Script::failing(Step::Mail, Fault::Close).times(1));
    let id = origin.send(&["you@0.example"], &content(1));
    origin.is_done();
    let tries = origin.tries(&id);
    assert_eq!(tries.len(), 1, "{tries:#?}");
    assert_eq!((peer.accepted(), peer.connections()), (2, 2));
}

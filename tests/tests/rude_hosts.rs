//! Hosts that do to us what rude clients do: they never stop talking, never listen, drip, say what nobody asked.
//! Memory stays bounded, others get their mail meanwhile, and so do they once they behave.

use postrider_journal::event::Ending;
use postrider_tests::limits::GROWTH_KIB_MAX;
use postrider_tests::memory::Memory;
use postrider_tests::onward::Origin;
use postrider_tests::peer::{Fault, Peer, Script, Step};
use postrider_tests::wait::until_true;
use std::time::Instant;

const STEPS: [Step; 8] = [
    Step::Greeting,
    Step::Ehlo,
    Step::Mail,
    Step::FirstRcpt,
    Step::Data,
    Step::Content,
    Step::Dot,
    Step::Quit,
];

/// Octets of each message: more than a connection holds that nobody reads from.
const CONTENT_OCTETS: usize = 4 * 1024 * 1024;

/// Messages to a host that behaves, sent meanwhile.
const MEANWHILE: usize = 20;

const LETTERS: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// What hosts do at every step, and what that is called.
const FAULTS: [(&str, Fault); 9] = [
    ("an endless line", Fault::Floods("250 ", LETTERS)),
    ("an endless line that is no reply", Fault::Floods("", LETTERS)),
    ("an endless reply", Fault::Floods("", "250-and so on\r\n")),
    ("an endless banner", Fault::Floods("220-welcome\r\n", "220-\r\n")),
    ("an endless row of replies", Fault::Floods("", "250 ok\r\n")),
    ("a drip", Fault::Drips("250-slowly\r\n")),
    ("nothing, and deaf", Fault::Deaf),
    ("its side closed", Fault::HalfCloses),
    ("TLS", Fault::Gabbles(b"\x16\x03\x01\x00\x6d\x01\x00\x00\x69\x03\x03\r\n\0\n")),
];

/// Replies to what was not said yet.
fn foretold(step: Step) -> Fault {
    Fault::Says(match step {
        Step::Greeting => "220 peer.example\r\n250 hello\r\n250 mail\r\n250 rcpt\r\n354 go on\r\n250 taken",
        Step::Ehlo => "250 hello\r\n250 mail\r\n250 rcpt\r\n354 go on\r\n250 taken",
        Step::Mail => "250 mail\r\n250 rcpt\r\n354 go on\r\n250 taken",
        Step::FirstRcpt | Step::LaterRcpt => "250 rcpt\r\n354 go on\r\n250 taken",
        Step::Data => "354 go on\r\n250 taken",
        Step::Content => "250 taken",
        Step::Dot => "250 taken\r\n250 and the next",
        Step::Quit => "221 bye\r\n221 bye",
    })
}

/// A rude host, and what it does once.
struct Rude {
    what: &'static str,
    step: Step,
    peer: Peer,
}

fn rude_hosts() -> Vec<Rude> {
    let at =
        |what, step, fault| Rude { what, step, peer: Peer::start(Script::failing(step, fault).times(1)) };
    let faults = FAULTS.into_iter().flat_map(|(what, fault)| STEPS.map(|step| at(what, step, fault)));
    faults.chain(STEPS.map(|step| at("replies to what was not said", step, foretold(step)))).collect()
}

fn route(domain: &str, peer: &Peer) -> String {
    format!("[[route]]\ndomains = [\"{domain}.example\"]\nto = \"smtp://{}\"\n", peer.address())
}

/// RFC 5321 §4.5.3.2
#[test]
fn hosts_that_waste_time_and_memory_get_little_of_either_and_their_mail_in_the_end() {
    let (rude, polite) = (rude_hosts(), Peer::start(Script::default()));
    let routes = rude.iter().enumerate().map(|(number, rude)| route(&format!("r{number}"), &rude.peer));
    let origin = Origin::start("1h", &routes.chain([route("polite", &polite)]).collect::<String>());
    origin.send(&["first@polite.example"], "Subject: first\r\n\r\nhello\r\n");
    until_true("the first has arrived", || polite.accepted() == 1);
    let memory = Memory::watch(origin.server());
    let line = format!("{LETTERS}\r\n");
    let content = format!("Subject: large\r\n\r\n{}", line.repeat(CONTENT_OCTETS / line.len()));
    let ids: Vec<String> =
        (0..rude.len()).map(|number| origin.send(&[&format!("you@r{number}.example")], &content)).collect();
    let began = Instant::now();
    for number in 0..MEANWHILE {
        origin.send(&["you@polite.example"], &format!("Subject: {number}\r\n\r\nhello\r\n"));
    }
    until_true("the polite host has its mail", || polite.accepted() == 1 + MEANWHILE);
    println!("{MEANWHILE} messages to a polite host meanwhile: {:?}", began.elapsed());
    until_true("everyone has everything", || rude.iter().all(|rude| !rude.peer.seen().is_empty()));
    origin.is_done();
    memory
        .stays_below(&format!("{} rude hosts, {CONTENT_OCTETS} octets for each", rude.len()), GROWTH_KIB_MAX);
    for (rude, id) in rude.iter().zip(&ids) {
        let what = format!("{} at {:?}", rude.what, rude.step);
        let tries = origin.tries(id);
        let endings: Vec<Ending> = tries.iter().flat_map(|one| &one.fates).map(|fate| fate.ending).collect();
        println!("{what}: {endings:?}, {}", tries[0].fates[0].reply);
        // The answer to the content stands, whatever is said behind it; and there is nothing to lose at QUIT.
        let at_once = rude.step == Step::Quit || rude.step == Step::Dot && rude.what.contains("replies");
        // Who answers amid the content may find that all of it is on its way.
        let may_be_at_once = rude.step == Step::Content && rude.what.contains("replies");
        let due: &[Ending] = match endings.len() {
            1 if at_once || may_be_at_once => &[Ending::Relayed],
            _ if at_once => &[],
            _ => &[Ending::Deferred, Ending::Relayed],
        };
        assert_eq!(endings, due, "{what}");
        let seen = rude.peer.seen();
        let whole = content.as_bytes();
        assert!(seen.iter().all(|seen| seen.content.ends_with(&whole[whole.len() - 1000..])), "{what}");
        assert!(seen.len() <= 1 + usize::from(matches!(rude.step, Step::Content | Step::Dot)), "{what}");
    }
    origin.stop();
}

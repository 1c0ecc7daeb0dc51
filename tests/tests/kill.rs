//! kill -9 at random moments under load. What was acknowledged is delivered, whole, to everyone; what is there
//! twice was sent twice.
//!
//! Several sessions send numbered messages to two mailboxes each. A message without a 250 is sent again in the
//! next round, as every mail server would. So there are two kinds of copies beyond the first: those that the
//! sender made by sending again what had been stored (RFC 1047 names the gap: killed between the commit and the
//! 250), which have queue ids of their own; and those that a repeated delivery would make, which would share a
//! queue id. The first kind is counted; of the second there must be none.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::process::Server;
use postrider_tests::random::Random;
use postrider_tests::site::Site;
use postrider_tests::wait::until_true;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 50;
const SESSIONS: usize = 6;
const RECIPIENTS: [&str; 2] = ["friend@local.example", "afair@local.example"];

/// Every so many messages one is too large for a row of the database.
const LARGE_EVERY: u64 = 7;

/// What the senders know of a message.
#[derive(Clone, Copy, Default)]
struct Known {
    /// How often its final dot was sent.
    sent: u32,
    /// Whether a 250 came.
    acknowledged: bool,
}

type Ledger = Mutex<BTreeMap<u64, Known>>;

/// The content of message `number`, with CRLF line ends.
fn content(number: u64) -> String {
    let lines = if number.is_multiple_of(LARGE_EVERY) { 1500 } else { 5 };
    let mut content = format!("Subject: message\r\nX-Number: {number}\r\n\r\n");
    for line in 0..lines {
        content.push_str(&format!("{number}: line {line} of {lines}\r\n"));
    }
    content
}

/// Sends messages on one connection until it breaks; tells of each acknowledgement.
fn send(
    address: SocketAddr,
    ledger: &Ledger,
    numbers: impl Fn() -> u64,
    acknowledged: &Sender<()>,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut replies = BufReader::new(stream.try_clone()?);
    expect(&mut replies, "220")?;
    stream.write_all(b"EHLO client.example\r\n")?;
    expect(&mut replies, "250")?;
    loop {
        let number = numbers();
        let [one, other] = RECIPIENTS;
        let envelope =
            format!("MAIL FROM:<sender@client.example>\r\nRCPT TO:<{one}>\r\nRCPT TO:<{other}>\r\nDATA\r\n");
        stream.write_all(envelope.as_bytes())?;
        for code in ["250", "250", "250", "354"] {
            expect(&mut replies, code)?;
        }
        // Counted before it may arrive: the dot is in the last octets.
        ledger.lock().unwrap().get_mut(&number).unwrap().sent += 1;
        stream.write_all(format!("{}.\r\n", content(number)).as_bytes())?;
        expect(&mut replies, "250")?;
        ledger.lock().unwrap().get_mut(&number).unwrap().acknowledged = true;
        // Nobody may be counting any more.
        let _ = acknowledged.send(());
    }
}

fn expect(replies: &mut impl BufRead, code: &str) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if replies.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        assert!(line.starts_with(code), "{line:?} where {code} is due");
        if line.as_bytes()[3] == b' ' {
            return Ok(());
        }
    }
}

/// One round: load, and a kill after so many acknowledgements and a little time.
fn round(server: Server, ledger: &Ledger, random: &mut Random) {
    let address = server.address();
    let unsent: Vec<u64> = {
        let ledger = ledger.lock().unwrap();
        ledger.iter().filter(|(_, known)| !known.acknowledged).map(|(&number, _)| number).collect()
    };
    let unsent = Mutex::new(unsent);
    let next = || {
        let mut ledger = ledger.lock().unwrap();
        let again = unsent.lock().unwrap().pop();
        let number = again.unwrap_or_else(|| ledger.last_key_value().map_or(1, |(&last, _)| last + 1));
        ledger.entry(number).or_default();
        number
    };
    let (acknowledged, acknowledgements) = channel();
    thread::scope(|scope| {
        for _ in 0..SESSIONS {
            let acknowledged = acknowledged.clone();
            // It ends in an error, whichever way the kill broke the connection.
            scope.spawn(move || _ = send(address, ledger, next, &acknowledged));
        }
        drop(acknowledged);
        let enough = random.below(60);
        for _ in 0..enough {
            if acknowledgements.recv_timeout(Duration::from_secs(30)).is_err() {
                panic!("no message is acknowledged any more");
            }
        }
        let moment = Instant::now() + Duration::from_micros(random.below(8000));
        while Instant::now() < moment {
            thread::yield_now();
        }
        server.kill();
    });
}

/// Copies of each message in one mailbox, by number. Each is whole, and no two come from one acceptance.
fn copies(site: &Site, recipient: &str) -> BTreeMap<u64, u32> {
    let mut copies = BTreeMap::new();
    let mut queue_ids = HashSet::new();
    for (name, octets) in site.mail(recipient) {
        let text = String::from_utf8(octets).unwrap();
        let (_, number) = text.split_once("X-Number: ").unwrap_or_else(|| panic!("{name}: {text:?}"));
        let number: u64 = number.split('\n').next().unwrap().parse().unwrap();
        let whole = content(number).replace("\r\n", "\n");
        assert!(text.ends_with(&whole), "{name}, message {number}, is not whole");
        let (_, id) = text.split_once(" id ").unwrap_or_else(|| panic!("{name}: no id in {text:?}"));
        let id: String = id.chars().take_while(char::is_ascii_alphanumeric).collect();
        assert!(queue_ids.insert(id.clone()), "{id} was delivered to {recipient} twice");
        *copies.entry(number).or_default() += 1;
    }
    copies
}

#[test]
fn what_was_acknowledged_survives_kill_9_and_nothing_is_delivered_twice() {
    let rounds = std::env::var("POSTRIDER_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Random::announced();
    let site = Site::local_example("");
    let ledger = Ledger::default();
    for _ in 0..rounds {
        round(site.serve(), &ledger, &mut random);
    }
    let server = site.serve();
    let ledger = ledger.into_inner().unwrap();
    let acknowledged = || ledger.iter().filter(|(_, known)| known.acknowledged).map(|(&number, _)| number);
    let stored: Vec<_> =
        RECIPIENTS.iter().map(|recipient| all_there(&site, recipient, acknowledged())).collect();
    assert_eq!(site.postrider(&["queue", "list", "--json"]), "", "nothing is left in the queue");
    assert!(server.stop().success());
    let mut figures = (0, 0);
    for (recipient, copies) in RECIPIENTS.iter().zip(&stored) {
        for (number, &count) in copies {
            let known = ledger[number];
            assert!(count <= known.sent, "{number} was sent {} times, {recipient} has {count}", known.sent);
            figures.0 += u32::from(!known.acknowledged);
            figures.1 += count - 1;
        }
    }
    println!(
        "{rounds} rounds of kill -9, {SESSIONS} sessions: {} messages acknowledged, all of them in both mailboxes;\n\
         {} copies of messages that were stored though no 250 came;\n\
         {} second copies of messages that their sender sent again for want of a 250; none for any other reason",
        acknowledged().count(),
        figures.0,
        figures.1,
    );
    assert!(acknowledged().count() as u64 > rounds, "that was no load");
}

/// Waits until all of `numbers` are in the mailbox, then gives what else is there.
fn all_there(site: &Site, recipient: &str, numbers: impl Iterator<Item = u64>) -> BTreeMap<u64, u32> {
    let numbers: Vec<u64> = numbers.collect();
    let mut there = 0;
    until_true(&format!("all that was acknowledged is with {recipient}"), || {
        let now = site.mail(recipient).len();
        // Looking into every file is for when no more comes.
        std::mem::replace(&mut there, now) == now && now >= numbers.len() && {
            let copies = copies(site, recipient);
            numbers.iter().all(|number| copies.contains_key(number))
        }
    });
    copies(site, recipient)
}

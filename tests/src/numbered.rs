//! Numbered messages, sent by several sessions until the server is killed, and a ledger of what was acknowledged.
//! A message without a 250 is sent again in the next round, as every mail server would.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::process::Server;
use crate::random::Random;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Sessions that send at a time.
pub const SESSIONS: usize = 6;

/// Every so many messages one is too large for a row of the database.
const LARGE_EVERY: u64 = 7;

/// What the senders know of a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// How often its final dot was sent.
    pub sent: u32,
    /// Whether a 250 came.
    pub acknowledged: bool,
}

/// What the senders know of every message.
pub type Ledger = Mutex<BTreeMap<u64, Known>>;

/// The content of message `number`, with CRLF line ends.
pub fn content(number: u64) -> String {
    let lines = if number.is_multiple_of(LARGE_EVERY) { 1500 } else { 5 };
    let mut content = format!("Subject: message\r\nX-Number: {number}\r\n\r\n");
    for line in 0..lines {
        content.push_str(&format!("{number}: line {line} of {lines}\r\n"));
    }
    content
}

/// Which message this is, and the queue id it had here; line ends are LF or CRLF. It is whole.
///
/// # Panics
/// When it is not.
pub fn known_by(name: &str, octets: &[u8]) -> (u64, String) {
    let text = String::from_utf8_lossy(octets).replace("\r\n", "\n");
    let (_, number) = text.split_once("X-Number: ").unwrap_or_else(|| panic!("{name}: {text:?}"));
    let number: u64 = number.split('\n').next().unwrap().parse().unwrap();
    let whole = content(number).replace("\r\n", "\n");
    assert!(text.ends_with(&whole), "{name}, message {number}, is not whole");
    let (_, id) = text.split_once(" id ").unwrap_or_else(|| panic!("{name}: no id in {text:?}"));
    (number, id.chars().take_while(char::is_ascii_alphanumeric).collect())
}

/// One round: load, and a kill after so many acknowledgements and a little time.
pub fn round(server: Server, recipients: &[&str], ledger: &Ledger, random: &mut Random) {
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
            scope.spawn(move || _ = send(address, recipients, ledger, next, &acknowledged));
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

/// Sends messages on one connection until it breaks; tells of each acknowledgement.
fn send(
    address: SocketAddr,
    recipients: &[&str],
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
        let mut envelope = String::from("MAIL FROM:<sender@client.example>\r\n");
        for recipient in recipients {
            envelope.push_str(&format!("RCPT TO:<{recipient}>\r\n"));
        }
        envelope.push_str("DATA\r\n");
        stream.write_all(envelope.as_bytes())?;
        for _ in 0..=recipients.len() {
            expect(&mut replies, "250")?;
        }
        expect(&mut replies, "354")?;
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

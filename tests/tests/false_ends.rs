//! False ends of data against the running binary: in through both settings for bare newlines, by DATA and in
//! chunks, and out again to hosts that write down every octet. The engines alone see each of them in every
//! split: `tests/checks/tests/false_ends.rs`.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_checks::false_ends::{BEFORE, FalseEnd, SMUGGLED, all, dots_of_the_loosest_reader, normalised};
use postrider_checks::wire::nothing_bare;
use postrider_tests::client::Client;
use postrider_tests::onward::{Origin, SENDER};
use postrider_tests::site::Site;
use postrider_tests::wait::until;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Connections that one test holds at a time.
const AT_A_TIME: usize = 4;

const FRIEND: &str = "friend@local.example";

/// Work on each of them, a few at a time.
fn each(ends: &[FalseEnd], work: impl Fn(usize, &FalseEnd) + Sync) {
    thread::scope(|scope| {
        for start in 0..AT_A_TIME {
            let work = &work;
            scope.spawn(move || {
                let ours = ends.iter().enumerate().skip(start).step_by(AT_A_TIME);
                ours.for_each(|(number, end)| work(number, end));
            });
        }
    });
}

/// A client in the midst of a transaction, all before the content said.
fn in_transaction(address: SocketAddr, parameters: &str, data: bool) -> Client {
    let mut client = Client::greeted(address);
    client.says(&format!("MAIL FROM:<good@client.example>{parameters}"), "250");
    client.says(&format!("RCPT TO:<{FRIEND}>"), "250");
    if data {
        client.says("DATA", "354");
    }
    client
}

/// The codes of all replies to come, until the server closes.
fn codes(client: &mut Client) -> Vec<String> {
    let mut codes = Vec::new();
    // A server that has closed on octets it did not want resets the connection.
    while let Ok(Some(reply)) = client.reply() {
        codes.push(reply[..3].to_owned());
    }
    codes
}

/// How the octets go out: whole, in two segments that part at one of the places, or each by itself.
fn sends(client: &mut Client, octets: &[u8], how: usize, at: usize) {
    // The server may have closed already.
    let _ = match how {
        0 => client.stream().write_all(octets),
        1 => client.stream().write_all(&octets[..at]).and_then(|()| client.stream().write_all(&octets[at..])),
        _ => client.type_out(octets),
    };
}

/// One of the places where a cut matters, another for each number.
fn place(end: &FalseEnd, number: usize) -> usize {
    let places: Vec<usize> = end.places().collect();
    places[number % places.len()]
}

/// Sends every false end; gives how many messages were taken.
fn by_data(address: SocketAddr, ends: &[FalseEnd], normalises: bool) -> usize {
    let taken = Mutex::new(0);
    each(ends, |number, end| {
        for how in 0..3 {
            let mut client = in_transaction(address, "", true);
            let octets = [BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes(), b"QUIT\r\n"].concat();
            sends(&mut client, &octets, how, place(end, number));
            let codes = codes(&mut client);
            let due: &[&str] = match () {
                () if end.ends_for_lf_readers() => &["521"],
                () if end.has_nul() || !normalises => &["554", "221"],
                () => &["250", "221"],
            };
            assert_eq!(codes, due, "{} sent the way {how}", end.shown());
            *taken.lock().unwrap() += usize::from(codes[0] == "250");
        }
    });
    taken.into_inner().unwrap()
}

/// The same in two chunks, and a command behind them.
fn by_chunks(address: SocketAddr, ends: &[FalseEnd], normalises: bool, parameters: &str) -> usize {
    let taken = Mutex::new(0);
    each(ends, |number, end| {
        let content = [BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes()].concat();
        let (one, two) = content.split_at(place(end, number));
        let mut client = in_transaction(address, parameters, false);
        let mut octets = format!("BDAT {}\r\n", one.len()).into_bytes();
        octets.extend_from_slice(one);
        octets.extend_from_slice(format!("BDAT {} LAST\r\n", two.len()).as_bytes());
        octets.extend_from_slice(two);
        octets.extend_from_slice(b"NOOP\r\nQUIT\r\n");
        sends(&mut client, &octets, number % 3, place(end, number));
        let codes = codes(&mut client);
        let case = format!("{}{parameters}", end.shown());
        assert_eq!(codes.get(2..), Some(&["250".to_owned(), "221".to_owned()][..]), "{case}: {codes:?}");
        let is_fine = !parameters.is_empty() || normalises && !end.has_nul();
        assert_eq!(codes[1] == "250", is_fine, "{case}: {codes:?}");
        *taken.lock().unwrap() += usize::from(is_fine);
    });
    taken.into_inner().unwrap()
}

#[test]
fn one_message_in_at_most_one_out_and_nobody_waits() {
    let ends = all();
    for setting in ["refuse", "normalise"] {
        let site = Site::local_example(&format!("[smtp]\nbare_newlines = \"{setting}\"\n"));
        let server = site.serve();
        let normalises = setting == "normalise";
        let by_data = by_data(server.address(), &ends, normalises);
        let by_chunks = by_chunks(server.address(), &ends, normalises, "");
        println!(
            "{setting}: {} false ends by DATA in three ways, {by_data} taken; {} by BDAT, {by_chunks} taken",
            ends.len(),
            ends.len()
        );
        let mail = site.delivered(FRIEND, by_data + by_chunks);
        assert!(server.stop().success());
        for (name, octets) in mail {
            let text = String::from_utf8_lossy(&octets);
            assert!(text.starts_with("Return-Path: <good@client.example>"), "{name}: {text}");
            assert!(text.contains("MAIL FROM:<evil@client.example>"), "{name} lost its end: {text}");
        }
        assert_eq!(site.files_in_mailboxes().len(), by_data + by_chunks);
    }
}

/// A host that takes every message and writes down every octet: a server of its own, since it reads no line
/// that does not end in CRLF.
struct Recorder {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<Recorded>>>,
}

/// One message as it came over the wire.
#[derive(Clone, Debug)]
struct Recorded {
    /// Its content, as it was sent: dots stuffed, with the final dot; or the chunks' octets.
    wire: Vec<u8>,
    in_chunks: bool,
}

impl Recorder {
    fn start(offers: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&messages);
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let recorded = Arc::clone(&recorded);
                // It ends with its connection.
                let talk = move || _ = talk(stream, offers, &recorded);
                thread::Builder::new().name("recorder".into()).spawn(talk).unwrap();
            }
        };
        thread::Builder::new().name("recorder-listens".into()).spawn(serve).unwrap();
        Self { address, messages }
    }

    fn messages(&self) -> Vec<Recorded> {
        self.messages.lock().unwrap().clone()
    }
}

/// Up to CRLF; what is bare in a line of the peer's is a finding.
fn line(input: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if input.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(line)
}

fn talk(stream: TcpStream, offers: &str, recorded: &Mutex<Vec<Recorded>>) -> std::io::Result<()> {
    let mut output = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    output.write_all(b"220 recorder.example\r\n")?;
    let mut chunks = Vec::new();
    loop {
        let said = line(&mut input)?;
        let text = String::from_utf8_lossy(&said).to_ascii_uppercase();
        let reply = if text.starts_with("EHLO") {
            format!("250-recorder.example\r\n{offers}250 ENHANCEDSTATUSCODES\r\n")
        } else if text.starts_with("DATA") {
            output.write_all(b"354 go\r\n")?;
            let mut wire = Vec::new();
            while !wire.ends_with(b"\r\n.\r\n") {
                wire.extend(line(&mut input)?);
            }
            recorded.lock().unwrap().push(Recorded { wire, in_chunks: false });
            "250 2.0.0 taken\r\n".to_owned()
        } else if let Some(size) = text.strip_prefix("BDAT ") {
            let size = size.trim_end();
            let octets: usize = size.trim_end_matches(" LAST").parse().unwrap();
            let start = chunks.len();
            chunks.resize(start + octets, 0);
            input.read_exact(&mut chunks[start..])?;
            if size.ends_with(" LAST") {
                let wire = std::mem::take(&mut chunks);
                recorded.lock().unwrap().push(Recorded { wire, in_chunks: true });
            }
            "250 2.0.0 taken\r\n".to_owned()
        } else if text.starts_with("QUIT") {
            return output.write_all(b"221 2.0.0 bye\r\n");
        } else {
            "250 2.0.0 ok\r\n".to_owned()
        };
        output.write_all(reply.as_bytes())?;
    }
}

/// Hands in a message for a recipient by BDAT, in one chunk.
fn hand_in(client: &mut Client, parameters: &str, recipient: &str, content: &[u8]) {
    client.says(&format!("MAIL FROM:<{SENDER}>{parameters}"), "250");
    client.says(&format!("RCPT TO:<{recipient}>"), "250");
    client.send(format!("BDAT {} LAST\r\n", content.len()).as_bytes());
    client.send(content);
    client.hears("250");
}

/// A relay that normalises, before two hosts.
fn relay() -> (Origin, Recorder, Recorder) {
    let plain = Recorder::start("250-8BITMIME\r\n250-PIPELINING\r\n");
    let binary = Recorder::start("250-8BITMIME\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n");
    let route = |domain: &str, recorder: &Recorder| {
        format!("[[route]]\ndomains = [\"{domain}\"]\nto = \"smtp://{}\"\n", recorder.address)
    };
    let origin = Origin::start(
        "1h",
        &format!(
            "[smtp]\nbare_newlines = \"normalise\"\n{}{}",
            route("plain.example", &plain),
            route("binary.example", &binary)
        ),
    );
    (origin, plain, binary)
}

#[test]
fn as_relayed_each_is_one_message_with_one_end_and_nothing_bare() {
    let (origin, plain, _binary) = relay();
    let ends: Vec<FalseEnd> = all().into_iter().filter(|end| !end.has_nul()).collect();
    let address = origin.server().address();
    each(&ends, |_, end| {
        let mut client = Client::greeted(address);
        let content = [BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes()].concat();
        hand_in(&mut client, "", "you@plain.example", &content);
        client.says("QUIT", "221");
    });
    let came = until("all have been relayed", || {
        Some(plain.messages()).filter(|messages| messages.len() >= ends.len())
    });
    origin.is_done();
    assert_eq!(came.len(), ends.len(), "one message in, one out");
    let mut due: Vec<Vec<u8>> = Vec::new();
    for end in &ends {
        due.push(normalised(&[BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes()].concat()));
    }
    for message in &came {
        assert!(!message.in_chunks, "text goes by DATA");
        nothing_bare(&message.wire);
        assert_eq!(dots_of_the_loosest_reader(&message.wire), 1, "{}", message.wire.escape_ascii());
        let lines = message.wire.split_inclusive(|octet| *octet == b'\n');
        let unstuffed: Vec<u8> =
            lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line).to_vec()).collect();
        let content = unstuffed.strip_suffix(b"\r\n").unwrap();
        // What we add stands before it: Received, and nothing else that this looks at.
        let known = due.iter().position(|due| content.ends_with(due));
        due.swap_remove(known.unwrap_or_else(|| panic!("not as sent: {}", content.escape_ascii())));
    }
    println!("{} false ends relayed by DATA", came.len());
    origin.stop();
}

#[test]
fn a_binary_body_arrives_as_it_was_or_comes_back() {
    let (origin, plain, binary) = relay();
    let ends: Vec<FalseEnd> = all().into_iter().filter(FalseEnd::has_nul).collect();
    let address = origin.server().address();
    each(&ends, |_, end| {
        let mut client = Client::greeted(address);
        let content = [BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes()].concat();
        hand_in(&mut client, " BODY=BINARYMIME", "you@binary.example", &content);
        client.says("QUIT", "221");
    });
    let came = until("all have been relayed", || {
        Some(binary.messages()).filter(|messages| messages.len() >= ends.len())
    });
    let mut due: Vec<Vec<u8>> = Vec::new();
    for end in &ends {
        due.push([BEFORE.as_bytes(), end.octets(), SMUGGLED.as_bytes()].concat());
    }
    for message in &came {
        assert!(message.in_chunks, "what is binary goes in chunks");
        let known = due.iter().position(|due| message.wire.ends_with(due));
        due.swap_remove(known.unwrap_or_else(|| panic!("not as sent: {}", message.wire.escape_ascii())));
    }
    assert_eq!(due.len(), 0, "one message in, one out");
    println!("{} binary bodies relayed by BDAT", came.len());
    let mut client = Client::greeted(address);
    hand_in(&mut client, " BODY=BINARYMIME", "you@plain.example", b"Subject: x\r\n\r\na\0b\n.\nc");
    client.says("QUIT", "221");
    let notice = origin.notice_about("you@plain.example");
    assert!(notice.contains("\nStatus: 5.6."), "{notice}");
    origin.is_done();
    assert_eq!(plain.messages().len(), 0, "nothing binary reaches a host that does not take it");
    origin.stop();
}

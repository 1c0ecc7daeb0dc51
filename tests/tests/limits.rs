//! Peers that never stop: memory stays bounded, everyone else is served meanwhile, and what was acknowledged
//! arrives. Those that do nothing are in `idlers.rs`, hosts that do the same to us in `rude_hosts.rs`.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::client::{Client, bystander};
use postrider_tests::limits::GROWTH_KIB_MAX;
use postrider_tests::memory::Memory;
use postrider_tests::site::Site;
use postrider_tests::states::{CHUNK_OCTETS, FRIEND, NEIGHBOUR, Scene, State};
use postrider_tests::wait::until_true;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

/// Octets of a line that does not end.
const ENDLESS_OCTETS: usize = CHUNK_OCTETS;

/// How often a command is said that one says once.
const THOUSANDS: usize = 100;

/// Sends so many times the same letter.
fn drone(mut stream: TcpStream, octets: usize) -> io::Result<()> {
    let letters = [b'x'; 64 * 1024];
    (0..octets / letters.len()).try_for_each(|_| stream.write_all(&letters))
}

/// An endless line, to the reply that it ends in. Whether the session goes on then.
fn endless_line(client: &mut Client, state: State) -> bool {
    if state == State::ProxyHeader {
        client.send(&[b'x'; 200]);
        client.hears("521 5.5.1");
        // Nobody listens any more; somewhere in between this is noticed.
        let _ = drone(client.stream(), ENDLESS_OCTETS);
        return false;
    }
    drone(client.stream(), ENDLESS_OCTETS).unwrap();
    true
}

/// RFC 5321 §4.5.3.1
#[test]
fn an_endless_line_costs_nothing_in_any_state_and_ends_in_a_reply() {
    for scene in [Scene::start(), Scene::pausing()] {
        let address = scene.server().address();
        bystander(address, NEIGHBOUR, "first");
        let memory = Memory::watch(scene.server());
        let mut clients: Vec<(State, Client)> =
            scene.states().iter().map(|&state| (state, scene.enter(state))).collect();
        let go_on: Vec<bool> = thread::scope(|scope| {
            let drones: Vec<_> = clients
                .iter_mut()
                .map(|(state, client)| scope.spawn(|| endless_line(client, *state)))
                .collect();
            bystander(address, NEIGHBOUR, "meanwhile");
            drones.into_iter().map(|drone| drone.join().unwrap()).collect()
        });
        // All of them are in the middle of their lines.
        bystander(address, NEIGHBOUR, "afterwards");
        let mut sent = 0;
        for ((state, client), _) in clients.iter_mut().zip(&go_on).filter(|(_, goes_on)| **goes_on) {
            let reply = match state {
                State::Pause => {
                    client.hears("220");
                    client.says("", "500 5.5.2")
                }
                State::Header | State::Body => client.says("\r\n.", "554 5.6.0"),
                State::Chunk => client.hears("554 5.6.0"),
                _ => client.says("", "500 5.5.2"),
            };
            println!("{state}: {ENDLESS_OCTETS} octets without a line end, then {reply}");
            client.says("NOOP", "250");
            if matches!(state, State::Greeted | State::Header | State::Body) {
                client.sends(&[FRIEND], "Subject: after all\r\n\r\nhello\r\n");
                sent += 1;
            }
        }
        memory.stays_below("endless lines", GROWTH_KIB_MAX);
        scene.site.delivered(FRIEND, sent);
        scene.site.delivered(NEIGHBOUR, 3);
        // Their transactions would be waited for.
        drop(clients);
        scene.stop();
    }
}

/// Says 100,000 lines, of which `line` gives each, and hears what comes, until the server has enough or the peer has
/// said all of it: how often each reply came.
fn hundred_thousand(mut client: Client, line: impl Fn(usize) -> String + Send) -> BTreeMap<String, usize> {
    let mut stream = client.stream();
    let mut replies = BTreeMap::new();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for thousand in 0..THOUSANDS {
                let lines: String = (thousand * 1000..(thousand + 1) * 1000).map(&line).collect();
                // The server may hang up long before all of them are said.
                stream.write_all(lines.as_bytes())?;
            }
            stream.shutdown(Shutdown::Write)
        });
        while let Ok(Some(reply)) = client.reply() {
            *replies.entry(reply[..3].to_owned()).or_default() += 1;
        }
        let _ = client.stream().shutdown(Shutdown::Both);
        let _ = writer.join().unwrap();
    });
    replies
}

/// What comes of 100,000 RCPT in each state: how often, and which code.
fn due_to_rcpt(state: State) -> &'static [(&'static str, usize)] {
    match state {
        // A line that begins so is no PROXY header.
        State::ProxyHeader => &[("521", 1)],
        State::Pause => &[("220", 1), ("421", 1), ("503", 20)],
        // RCPT before MAIL, or between chunks, is an error like any other.
        State::Stranger | State::Greeted | State::Chunks | State::Lhlo => &[("421", 1), ("503", 20)],
        State::Xclient => &[("421", 1), ("503", 20)],
        State::Mail => &[("250", 1000), ("421", 1), ("452", 10_000)],
        State::Rcpt | State::LmtpRcpt => &[("250", 999), ("421", 1), ("452", 10_000)],
        // It is content, and what is cut off is no message.
        State::Header | State::Body | State::Chunk => &[],
    }
}

/// RFC 5321 §4.5.3.1.8
#[test]
fn a_hundred_thousand_recipients_at_once_are_too_many_in_every_state() {
    for scene in [Scene::start(), Scene::pausing()] {
        let address = scene.server().address();
        bystander(address, NEIGHBOUR, "first");
        for &state in scene.states() {
            let memory = Memory::watch(scene.server());
            let client = scene.enter(state);
            let rcpt = |number| format!("RCPT TO:<friend+{number}@local.example>\r\n");
            let replies = thread::scope(|scope| {
                let crowd = scope.spawn(|| hundred_thousand(client, rcpt));
                bystander(address, NEIGHBOUR, "meanwhile");
                crowd.join().unwrap()
            });
            println!("{state}: 100,000 RCPT, and {replies:?}");
            let due = due_to_rcpt(state).iter().map(|&(code, count)| (code.to_owned(), count));
            assert_eq!(replies, due.collect(), "{state}");
            memory.stays_below(state.words(), GROWTH_KIB_MAX);
        }
        scene.site.delivered(NEIGHBOUR, scene.states().len() + 1);
        let site = scene.stop();
        assert!(site.mail(FRIEND).is_empty());
    }
}

#[test]
fn a_server_that_allows_ten_thousand_recipients_has_memory_for_them() {
    let site = Site::local_example("[limits]\nrecipients = 10000\n");
    let server = site.serve();
    bystander(server.address(), FRIEND, "first");
    let memory = Memory::watch(&server);
    let mut client = Client::greeted(server.address());
    client.says("MAIL FROM:<sender@client.example>", "250");
    let replies = hundred_thousand(client, |number| format!("RCPT TO:<friend+{number}@local.example>\r\n"));
    let due = [("250", 10_000), ("421", 1), ("452", 10_000)];
    assert_eq!(replies, due.map(|(code, count)| (code.to_owned(), count)).into());
    memory.stays_below("100,000 recipients, 10,000 allowed", GROWTH_KIB_MAX);
    assert!(server.stop().success());
}

/// RFC 3030 §2
#[test]
fn a_message_in_a_hundred_thousand_chunks_of_an_octet_is_a_message() {
    let scene = Scene::start();
    let address = scene.server().address();
    for (sent, state) in [State::Rcpt, State::LmtpRcpt].into_iter().enumerate() {
        let memory = Memory::watch(scene.server());
        let mut client = scene.enter(state);
        let mut stream = client.stream();
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..THOUSANDS {
                    stream.write_all("BDAT 1\r\nx".repeat(1000).as_bytes()).unwrap();
                }
            });
            bystander(address, NEIGHBOUR, "meanwhile");
            for _ in 0..THOUSANDS * 1000 {
                client.hears("250");
            }
        });
        client.says("BDAT 0 LAST", "250");
        client.says("QUIT", "221");
        memory.stays_below(&format!("100,000 chunks {state}"), GROWTH_KIB_MAX);
        let mail = scene.site.delivered(FRIEND, sent + 1);
        let whole = |octets: &[u8]| octets.iter().filter(|&&octet| octet == b'x').count() >= THOUSANDS * 1000;
        assert!(mail.iter().all(|(_, octets)| whole(octets)));
    }
    scene.stop();
}

/// What is said 100,000 times without listening to the replies: short commands with long replies are the worst.
const DEAF_SAYS: [&str; 6] = [
    "HELP\r\n",
    "NOOP\r\n",
    "RSET\r\n",
    "VRFY friend\r\n",
    "RCPT TO:<friend@local.example>\r\n",
    "BDAT 1\r\nx",
];

/// Says it until the server takes no more; how many octets it took.
fn says_and_does_not_listen(client: &Client, line: &str) -> usize {
    let mut stream = client.stream();
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
    stream.set_nonblocking(true).unwrap();
    let lines = line.repeat(1000);
    let mut said = 0;
    while said < line.len() * THOUSANDS * 1000 {
        match stream.write(&lines.as_bytes()[said % lines.len()..]) {
            Ok(octets) if octets > 0 => said += octets,
            // Full, or over.
            _ => break,
        }
    }
    said
}

#[test]
fn peers_that_do_not_read_the_replies_wait_for_themselves_alone() {
    for scene in [Scene::start(), Scene::pausing()] {
        let address = scene.server().address();
        bystander(address, NEIGHBOUR, "first");
        let at_rest = scene.server().sockets();
        for &state in scene.states() {
            let memory = Memory::watch(scene.server());
            let deaf: Vec<Client> = DEAF_SAYS.iter().map(|_| scene.enter(state)).collect();
            let said =
                deaf.iter().zip(DEAF_SAYS).map(|(client, line)| says_and_does_not_listen(client, line));
            let said: usize = said.sum();
            bystander(address, NEIGHBOUR, "meanwhile");
            memory.stays_below(
                &format!("{state}: {} that do not read, {said} octets", deaf.len()),
                GROWTH_KIB_MAX,
            );
        }
        // Whoever has gone leaves nothing behind.
        until_true("all are gone", || scene.server().sockets() <= at_rest);
        scene.site.delivered(NEIGHBOUR, scene.states().len() + 1);
        scene.stop();
    }
}

#[test]
fn the_sessions_of_one_peer_are_counted() {
    let site = Site::local_example("[limits]\nsessions_per_peer = 2\n");
    let server = site.serve();
    let first = Client::greeted(server.address());
    let mut second = Client::greeted(server.address());
    let mut third = Client::connect(server.address());
    println!("{}", third.hears("421"));
    third.hears_the_end();
    drop(first);
    until_true("a place is free again", || {
        Client::connect(server.address()).reply().unwrap().is_some_and(|reply| reply.starts_with("220"))
    });
    second.says("NOOP", "250");
    assert!(server.stop().success());
}

//! Peers that never stop, or never start: memory stays bounded, and everyone else is served meanwhile.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::client::{Client, bystander};
use postrider_tests::process::Server;
use postrider_tests::site::Site;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::thread;

const TO: &str = "friend@local.example";

/// How much more memory than before a server may ever have used, in KiB. Generous: the buffers of the allocator,
/// of a database or two and of 64 threads are in it; one endless line kept would be more.
const GROWTH_KIB_MAX: u64 = 24 * 1024;

/// Octets of a command line that does not end.
const ENDLESS_OCTETS: usize = 30 * 1024 * 1024;

/// Octets of content that does not end its line: more than a message may have.
const ENDLESS_CONTENT_OCTETS: usize = 60 * 1024 * 1024;

/// A server that has warmed up, and the memory it uses.
fn warm(site: &Site, server: &Server) -> u64 {
    bystander(server.address(), TO, "first");
    site.delivered(TO, 1);
    server.resident_peak_kib()
}

fn stays_below(what: &str, server: &Server, before: u64) {
    let peak = server.resident_peak_kib();
    let grown = peak.saturating_sub(before);
    println!("{what}: {before} KiB before, {peak} KiB at most, {grown} KiB more");
    assert!(grown < GROWTH_KIB_MAX, "{what}: {grown} KiB more");
}

/// Sends `octets` times the same letter.
fn drone(client: &mut Client, octets: usize) {
    let letters = [b'x'; 64 * 1024];
    for _ in 0..octets / letters.len() {
        client.send(&letters);
    }
}

#[test]
fn an_endless_line_costs_nothing_in_any_state_and_ends_in_a_reply() {
    let site = Site::local_example("");
    let server = site.serve();
    let before = warm(&site, &server);
    let address = server.address();
    let stranger = || {
        let mut client = Client::connect(address);
        client.hears("220");
        client
    };
    let greeted = || Client::greeted(address);
    let sender = || {
        let mut client = greeted();
        client.says("MAIL FROM:<sender@client.example>", "250");
        client
    };
    let recipient = || {
        let mut client = sender();
        client.says(&format!("RCPT TO:<{TO}>"), "250");
        client
    };
    let content = |header: &[u8]| {
        let mut client = recipient();
        client.says("DATA", "354");
        client.send(header);
        client
    };
    let mut lines = [("HELO", stranger()), ("MAIL", greeted()), ("RCPT", sender()), ("DATA", recipient())];
    let mut contents = [("554 5.6.0", content(b"Subject: x")), ("552 5.3.4", content(b"Subject: x\r\n\r\n"))];
    thread::scope(|scope| {
        for (_, client) in &mut lines {
            scope.spawn(|| drone(client, ENDLESS_OCTETS));
        }
        for (_, client) in &mut contents {
            scope.spawn(|| drone(client, ENDLESS_CONTENT_OCTETS));
        }
        bystander(address, TO, "meanwhile");
    });
    // All of them are in the middle of their lines, and others are served.
    bystander(address, TO, "afterwards");
    for (state, client) in &mut lines {
        client.says("", "500 5.5.2");
        client.says("NOOP", "250");
        println!(
            "before {state}: {ENDLESS_OCTETS} octets without a line end, then 500, and the session goes on"
        );
    }
    for (code, client) in &mut contents {
        println!("in content: {ENDLESS_CONTENT_OCTETS} octets, then {}", client.says("\r\n.", code));
        client.sends(&[TO], "Subject: after all\r\n\r\nhello\r\n");
    }
    site.delivered(TO, 5);
    stays_below("endless lines", &server, before);
    // Their transactions would be waited for.
    drop((lines, contents));
    assert!(server.stop().success());
}

/// 100,000 RCPT in one transaction, each with another address: how often each reply came.
fn crowd(server: &Server) -> BTreeMap<String, u32> {
    let mut client = Client::greeted(server.address());
    client.says("MAIL FROM:<sender@client.example>", "250");
    let mut stream = client.stream();
    let mut replies: BTreeMap<String, u32> = BTreeMap::new();
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for thousand in 0..100 {
                let line = |number| format!("RCPT TO:<friend+{thousand}-{number}@local.example>\r\n");
                // The server may hang up long before all of them are said.
                stream.write_all((0..1000).map(line).collect::<String>().as_bytes())?;
            }
            stream.shutdown(Shutdown::Write)
        });
        bystander(server.address(), TO, "meanwhile");
        while let Ok(Some(reply)) = client.reply() {
            *replies.entry(reply[..9].trim_end().to_owned()).or_default() += 1;
        }
        let _ = client.stream().shutdown(Shutdown::Both);
        let _ = writer.join().unwrap();
    });
    println!("100,000 RCPT in one transaction: {replies:?}");
    replies
}

#[test]
fn a_hundred_thousand_recipients_at_once_are_too_many() {
    for (allowed, limits) in [(1000, ""), (10_000, "[limits]\nrecipients = 10000\n")] {
        let site = Site::local_example(limits);
        let server = site.serve();
        let before = warm(&site, &server);
        let due = [("250 2.1.5", allowed), ("421 4.5.3", 1), ("452 4.5.3", 10_000)];
        assert_eq!(crowd(&server), due.map(|(reply, count)| (reply.to_owned(), count)).into());
        site.delivered(TO, 2);
        stays_below(&format!("100,000 recipients, {allowed} allowed"), &server, before);
        assert!(server.stop().success());
    }
}

#[test]
fn five_hundred_silent_sessions_keep_nobody_out() {
    const SILENT: u64 = 500;
    let site = Site::local_example("[limits]\nsessions_per_peer = 1000\n");
    let server = site.serve();
    let before = warm(&site, &server);
    let mut silent: Vec<Client> = (0..SILENT).map(|_| Client::connect(server.address())).collect();
    for client in &mut silent {
        client.hears("220");
    }
    let now = server.resident_kib();
    println!("{SILENT} silent sessions: {} KiB each", now.saturating_sub(before) as f64 / SILENT as f64);
    bystander(server.address(), TO, "meanwhile");
    site.delivered(TO, 2);
    stays_below("500 silent sessions", &server, before);
    for client in &mut silent {
        client.says("NOOP", "250");
    }
    assert!(server.stop().success());
}

#[test]
fn peers_that_do_not_read_the_replies_wait_for_themselves_alone() {
    const DEAF: usize = 20;
    const OCTETS_EACH: usize = 256 * 1024;
    let site = Site::local_example("");
    let server = site.serve();
    let before = warm(&site, &server);
    let deaf: Vec<Client> = (0..DEAF).map(|_| Client::connect(server.address())).collect();
    // Six octets for a reply of many: far more replies than any socket holds.
    let commands = b"HELP\r\n".repeat(OCTETS_EACH / 6);
    for client in &deaf {
        let mut stream = client.stream();
        set_socket_recv_buffer_size(&stream, 4096).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut said = 0;
        while let Some(octets) = stream.write(&commands[said..]).ok().filter(|&octets| octets > 0) {
            said += octets;
        }
    }
    bystander(server.address(), TO, "meanwhile");
    site.delivered(TO, 2);
    stays_below(&format!("{DEAF} peers that do not read"), &server, before);
    drop(deaf);
    assert!(server.stop().success());
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
    postrider_tests::wait::until_true("a place is free again", || {
        Client::connect(server.address()).reply().unwrap().is_some_and(|reply| reply.starts_with("220"))
    });
    second.says("NOOP", "250");
    assert!(server.stop().success());
}

//! Debian's Postfix, Exim and OpenSMTPD as next hops and as senders: all of it arrives, once, and is what was sent.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::client::Client;
use postrider_tests::machine::Machine;
use postrider_tests::onward::{Origin, SENDER, Street};
use postrider_tests::wait::until_true;
use postrider_tests::{exim, opensmtpd, postfix};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Messages each way.
const MESSAGES: usize = 60;

/// Fields that servers put above a message.
const TRACE: [&str; 8] = [
    "Return-Path:",
    "Delivered-To:",
    "X-Original-To:",
    "Envelope-to:",
    "Delivery-date:",
    "Received:",
    "X-Delivered-To:",
    "Authentication-Results:",
];

/// Message `number`, with CRLF line ends: dots, octets above 127, lines near the limit, sizes of every magnitude.
fn content(number: usize) -> String {
    let mut content = format!(
        "From: {SENDER}\r\nTo: you@else.example\r\nDate: Sun, 22 Nov 2026 20:00:00 +0000\r\nMessage-ID: <{number}@local.example>\r\n\
         Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= {number}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Number: {number}\r\n\r\n\
         .\r\n..\r\n.eins\r\nGrüße, 你好\r\n{}\r\n \r\n\t\r\n",
        "x".repeat(900 + number % 90)
    );
    for line in 0..(number % 7) * (number % 7) * 40 {
        content.push_str(&format!("line {line} of message {number}\r\n"));
    }
    content
}

fn stuffed(content: &str) -> String {
    content.replace("\r\n.", "\r\n..")
}

/// Each message is there once, whole, below nothing but trace fields.
fn all_once(mail: &[Vec<u8>], who: &str) {
    let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
    for octets in mail {
        let text = std::str::from_utf8(octets).unwrap();
        let (_, number) = text.split_once("X-Number: ").unwrap_or_else(|| panic!("{who}: {text}"));
        let number: usize = number.lines().next().unwrap().trim().parse().unwrap();
        let sent = content(number).replace("\r\n", "\n");
        let Some(above) = text.strip_suffix(&sent) else {
            panic!("{who}: message {number} is not what was sent:\n{text}")
        };
        for line in above.lines() {
            let lower = line.to_ascii_lowercase();
            let known = line.starts_with([' ', '\t'])
                || TRACE.iter().any(|field| lower.starts_with(&field.to_ascii_lowercase()));
            assert!(known, "{who}: {line:?} above message {number}");
        }
        *copies.entry(number).or_default() += 1;
    }
    let twice: Vec<_> = copies.iter().filter(|(_, copies)| **copies > 1).collect();
    assert!(twice.is_empty(), "{who}: there twice: {twice:?}");
    assert_eq!(copies.len(), MESSAGES, "{who}");
}

/// Hands all messages to a server on a few connections.
fn hand_in(to: SocketAddr, recipient: &str) {
    const CONNECTIONS: usize = 4;
    std::thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut client = Client::greeted(to);
                for number in (first..MESSAGES).step_by(CONNECTIONS) {
                    client.says(&format!("MAIL FROM:<{SENDER}> BODY=8BITMIME"), "250");
                    client.says(&format!("RCPT TO:<{recipient}>"), "250");
                    client.says("DATA", "354");
                    client.send(stuffed(&content(number)).as_bytes());
                    client.says(".", "250");
                }
                client.says("QUIT", "221");
            });
        }
    });
}

/// To the other server, and from it.
fn both_ways(domain: &str, start: impl FnOnce(SocketAddr) -> Option<Machine>) {
    let street = Street::new();
    let Some(machine) = start(street.at(1)) else { return };
    let route = format!("[[route]]\ndomains = [\"{domain}\"]\nto = \"smtp://{}\"\n", machine.address());
    let origin = Origin::at(street.at(1), "1h", &route);
    hand_in(origin.server().address(), &format!("you@{domain}"));
    until_true("the other server has all of it", || machine.mail_count() >= MESSAGES);
    origin.is_done();
    all_once(&machine.mail(), domain);
    hand_in(machine.address(), SENDER);
    until_true("all of it came from the other server", || origin.site.mail(SENDER).len() >= MESSAGES);
    origin.is_done();
    let mail: Vec<Vec<u8>> = origin.site.mail(SENDER).into_iter().map(|(_, octets)| octets).collect();
    all_once(&mail, "postrider");
    assert_eq!(machine.mail_count(), MESSAGES, "nothing came back");
}

#[test]
fn mail_goes_to_postfix_and_comes_from_it() {
    both_ways(postfix::DOMAIN, |onward| postfix::start(onward, ""));
}

#[test]
fn mail_goes_to_exim_and_comes_from_it() {
    both_ways(exim::DOMAIN, exim::start);
}

#[test]
fn mail_goes_to_opensmtpd_and_comes_from_it() {
    both_ways(opensmtpd::DOMAIN, opensmtpd::start);
}

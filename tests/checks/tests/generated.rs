//! The checks under proptest: inputs that look like the real thing, with hostile octets spliced in.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_checks::CHECKS;
use postrider_checks::{address, client, command, header, proxy, reply, server, xtext};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Cases of each check: about a second each.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() }
}

/// What a hostile hand puts anywhere.
fn splice() -> impl Strategy<Value = Vec<u8>> {
    const KNOWN: [&[u8]; 16] = [
        b"\r",
        b"\n",
        b"\0",
        b".",
        b"\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r.\r",
        b"\r\n..",
        b" ",
        b"\t",
        b"\xff",
        b"\x1b[31m",
        b"\x16\x03\x01",
        b"@",
        b"\"",
    ];
    prop_oneof![
        6 => select(&KNOWN[..]).prop_map(<[u8]>::to_vec),
        2 => vec(any::<u8>(), 1..6),
        1 => (900usize..2300).prop_map(|octets| vec![b'x'; octets]),
    ]
}

/// The parts in order, with a few octets put in, left out or turned around.
fn mutated(parts: impl Strategy<Value = Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<u8>> {
    let places = vec((any::<prop::sample::Index>(), splice(), 0u8..4), 0..4);
    (parts, places).prop_map(|(parts, places)| {
        let mut octets = parts.concat();
        for (place, splice, how) in places {
            let at = place.index(octets.len() + 1);
            match how {
                0 | 1 => drop(octets.splice(at..at, splice)),
                2 if at < octets.len() => drop(octets.remove(at)),
                _ => octets.truncate(at.max(octets.len() / 2)),
            }
        }
        octets
    })
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    select(words).prop_map(|word| word.as_bytes().to_vec())
}

const PARAMETERS: &[&str] = &[
    "SIZE=9",
    "SIZE=99999999999999999999",
    "BODY=8BITMIME",
    "BODY=BINARYMIME",
    "BODY=7bit",
    "SMTPUTF8",
    "RET=FULL",
    "RET=HDRS",
    "ENVID=QQ+2B1",
    "BY=120;R",
    "BY=-5;NT",
    "HOLDFOR=60",
    "HOLDUNTIL=2026-11-22T18:31:15Z",
    "MT-PRIORITY=-9",
    "SOLICIT=net.example:ADV",
    "NOTIFY=NEVER",
    "NOTIFY=SUCCESS,DELAY",
    "NOTIFY=NEVER,DELAY",
    "ORCPT=rfc822;Bob+40example.org",
    "ORCPT=utf-8;j\\x{F6}rg@example.org",
    "AUTH=<>",
    "X-NEW",
    "=",
    "120;R",
    "-5;NT",
    "60",
    "2026-11-22T18:31:15.5+02:00",
    "-9",
    "net.example:ADV,org.example",
    "SUCCESS,FAILURE",
    "FULL",
    "rfc822;a+2Bb@c",
    "utf-8;jörg@example.org",
    "QQ+2B1",
];

const ADDRESSES: &[&str] = &[
    "a",
    "b.c",
    "\"",
    "\\",
    "@",
    ".",
    " ",
    "example",
    ".org",
    "[192.0.2.1]",
    "[IPv6:",
    "2001:db8::1",
    "]",
    "jörg",
    "bücher",
    "xn--bcher-kva",
    "。",
    "＠",
    "%",
    "!",
    "(c)",
    "<",
    ">",
    "@r.example:",
    "postmaster",
    ",",
    "\u{ad}",
    "\u{202e}",
    "=?utf-8?q?a?=",
    "-",
];

const COMMANDS: &[&str] = &[
    "EHLO a.example",
    "HELO",
    "HELO a",
    "LHLO a.example",
    "MAIL FROM:<a@b.example>",
    "MAIL FROM:<>",
    "MAIL FROM:<a@b.example> BODY=BINARYMIME",
    "MAIL FROM:<jörg@b.example> SMTPUTF8",
    "RCPT TO:<c@d.example>",
    "RCPT TO:<e@d.example> NOTIFY=NEVER",
    "RCPT TO:<Postmaster>",
    "DATA",
    "RSET",
    "NOOP",
    "QUIT",
    "VRFY x",
    "EXPN x",
    "HELP",
    "HELP BDAT",
    "ETRN #q",
    "ETRN d.example",
    "STARTTLS",
    "AUTH PLAIN AGEAYg==",
    "BDAT 0 LAST",
    "BDAT 99999999999999999999",
    "XCLIENT ADDR=192.0.2.1 NAME=b.example",
    "XFORWARD ADDR=IPV6:2001:db8::1 SOURCE=LOCAL",
    "GET / HTTP/1.1",
    "PROXY TCP4 192.0.2.1 192.0.2.2 9 25",
    ".",
    "..",
    ".x",
    "text",
    "Subject: x",
    "",
];

/// A message by DATA or by BDAT, whole, or what stands in one.
fn transaction() -> impl Strategy<Value = Vec<u8>> {
    let content =
        vec(words(&["a", ".", "..", "\r\n", "\r\n", "\r", "\n", "\0", "é", "Subject: x\r\n\r\n"]), 0..12)
            .prop_map(|parts| parts.concat());
    let start = "EHLO a.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n";
    (content, any::<bool>(), 0usize..3).prop_map(move |(content, chunks, wrong)| {
        let mut octets = start.as_bytes().to_vec();
        if chunks {
            let (one, two) = content.split_at(content.len() / 2);
            octets.extend_from_slice(format!("BDAT {}\r\n", one.len()).as_bytes());
            octets.extend_from_slice(one);
            octets.extend_from_slice(format!("BDAT {} LAST\r\n", two.len() + wrong / 2).as_bytes());
            octets.extend_from_slice(two);
        } else {
            octets.extend_from_slice(b"DATA\r\n");
            octets.extend_from_slice(&content);
            octets.extend_from_slice(b"\r\n.\r\n");
        }
        octets
    })
}

fn session() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = words(COMMANDS).prop_map(|line| [&line[..], b"\r\n"].concat());
    vec(prop_oneof![5 => line, 2 => transaction()], 0..20)
}

const REPLIES: &[&str] = &[
    "220 mx.example\r\n",
    "250 2.1.0 ok\r\n",
    "250 ok\r\n",
    "250\r\n",
    "250-a\r\n",
    "250 a\n",
    "354 go on\r\n",
    "421 4.3.2 bye\r\n",
    "450 4.2.0 later\r\n",
    "452 4.5.3 enough\r\n",
    "500 what\r\n",
    "550 5.1.1 no\r\n",
    "550 5.7.2\r\n",
    "521 no mail\r\n",
    "556 5.1.10 no mail\r\n",
    "554 2.0.0 odd\r\n",
    "221 bye\r\n",
    "650 x\r\n",
    "x\r\n",
];

const OFFERS: &[&str] = &[
    "PIPELINING",
    "SIZE 1000",
    "SIZE 10",
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "BINARYMIME",
    "DSN",
    "LIMITS RCPTMAX=1",
    "LIMITS RCPTMAX=2 MAILMAX=1 RCPTDOMAINMAX=1",
    "MT-PRIORITY",
    "DELIVERBY",
    "DELIVERBY 999",
    "NO-SOLICITING",
    "FUTURERELEASE 9 2030-01-01T00:00:00Z",
    "ENHANCEDSTATUSCODES",
];

/// What a peer says: a greeting, an offer, then anything.
fn peer() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (vec(select(OFFERS), 0..10), vec(words(REPLIES), 0..25), any::<bool>()).prop_map(
        |(offers, replies, good)| {
            let mut said = b"220 mx.example\r\n250-mx.example\r\n".to_vec();
            offers.iter().for_each(|offer| said.extend_from_slice(format!("250-{offer}\r\n").as_bytes()));
            said.extend_from_slice(b"250 X-LAST\r\n");
            if good {
                said.extend_from_slice(
                    b"250 mail\r\n250 rcpt\r\n250 rcpt\r\n250 rcpt\r\n354 go\r\n250 taken\r\n",
                );
            }
            [vec![said], replies].concat()
        },
    )
}

const CONTENT: &[&str] = &["a", ".", "\r\n", "\r\n.\r\n", "\r", "\n", "\n.\n", "\0", "Subject: x\r\n\r\n"];

const FIELDS: &[&str] = &[
    "Received: from a\r\n\tby b\r\n",
    "received:x\n",
    "Subject : y\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "no colon\r\n",
    ": z\r\n",
    "X:\r\n",
    "From: a@b",
    "\r",
];

/// A header of either version, then what the client says.
fn proxy_header() -> impl Strategy<Value = Vec<Vec<u8>>> {
    const LINES: &[&str] = &[
        "PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n",
        "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 65535 0\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN x y z\r\n",
        "PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n",
        "EHLO x\r\n",
    ];
    let commands = select(&[0x20u8, 0x21, 0x22, 0x11][..]);
    let families = select(&[0u8, 0x11, 0x21, 0x31, 0x12][..]);
    let binary = (commands, families, vec(any::<u8>(), 0..80)).prop_map(|(command, family, block)| {
        let octets = u8::try_from(block.len()).unwrap();
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family, 0, octets], &block].concat()
    });
    prop_oneof![words(LINES), binary].prop_map(|header| vec![header, b"EHLO a.example\r\n".to_vec()])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn proxy_headers(input in mutated(proxy_header())) {
        proxy::proxy_header(&input);
    }

    #[test]
    fn addresses(input in mutated(vec(words(ADDRESSES), 0..10))) {
        address::address(&input);
    }

    #[test]
    fn command_lines(input in mutated((words(COMMANDS), vec(words(PARAMETERS), 0..5)).prop_map(|(line, parameters)| {
        let parameters = parameters.into_iter().map(|parameter| [b" ", &parameter[..]].concat());
        [vec![line], parameters.collect()].concat()
    }))) {
        command::command_line(&input);
    }

    #[test]
    fn parameters(input in mutated(vec(words(PARAMETERS), 0..4).prop_map(|all| vec![all.join(&b' ')]))) {
        command::parameters(&input);
    }

    #[test]
    fn xtexts(input in mutated(vec(words(&["a", "+2B", "+0A", "+", "\\x{F6}", "\\x{D}", "\\", "}", "ö", "=", "@"]), 0..12))) {
        xtext::xtext(&input);
    }

    #[test]
    fn replies(input in mutated(vec(words(REPLIES), 0..120))) {
        reply::reply(&input);
    }

    #[test]
    fn header_sections(input in mutated(vec(words(FIELDS), 0..12))) {
        header::header_section(&input);
    }

    #[test]
    fn server_sessions(setting in any::<u8>(), octets in mutated(session())) {
        server::server_session(&[&[setting], &octets[..]].concat());
    }

    #[test]
    fn client_sessions(
        setting in any::<u8>(),
        said in mutated(peer()),
        content in vec(words(CONTENT), 0..12).prop_map(|parts| parts.concat()),
    ) {
        let octets = u8::try_from(content.len()).unwrap();
        client::client_session(&[&[setting, octets], &said[..], &content].concat());
    }

    #[test]
    fn pure_noise(input in vec(any::<u8>(), 0..400)) {
        for (_, check) in CHECKS {
            check(&input);
        }
    }
}

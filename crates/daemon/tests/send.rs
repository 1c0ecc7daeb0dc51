//! `postrider send` from end to end: the real binary against hosts that play scripts, and against
//! `postrider dev`.

mod peer;

use mail_parser::{MessageParser, MimeHeaders};
use peer::{Dev, Ran, against, run};
use std::net::TcpListener;

const HELLO: &str = "S: 220 mx.example\nC: EHLO [127.0.0.1]\nS: 250 mx.example\n";
const MAIL: &str = "C: MAIL FROM:<a@a.example>\nS: 250 ok\n";
const RCPT: &str = "C: RCPT TO:<b@b.example>\nS: 250 ok\n";
const DATA: &str = "C: DATA\nS: 354 go on\ncontent\n";
const QUIT: &str = "C: QUIT\nS: 221 bye\n";

/// The arguments of a small message, and more of them.
fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["send", "--server", "{}", "--from", "a@a.example", "--to", "b@b.example"];
    arguments.extend(["--subject", "s", "--timeout", "20s"]);
    arguments.extend(more);
    arguments
}

/// Sends a file from standard input.
fn file(script: &str, content: &[u8]) -> Ran {
    let arguments = ["send", "--server", "{}", "--from", "a@a.example", "--to", "b@b.example", "--file", "-"];
    against(script, &arguments, content)
}

#[test]
fn an_accepted_message_shows_its_conversation() {
    let script = [HELLO, MAIL, RCPT, DATA, "S: 250 2.0.0 queued as 1\n", QUIT].concat();
    let ran = against(&script, &small(&["--body", "hi"]), b"");
    assert_eq!(ran.code, 0, "{}", ran.said());
    for line in [
        "  C: MAIL FROM:<a@a.example>\n",
        "  S: 354 go on\n",
        "=> <b@b.example> accepted: 250 2.0.0 queued as 1\n",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.said());
    }
    assert!(ran.stdout.lines().any(|line| line.starts_with("   +0.")), "{}", ran.said());
    let content = String::from_utf8(ran.content).unwrap();
    assert!(content.contains("\r\nSubject: s\r\n") && content.ends_with("\r\n\r\nhi\r\n"), "{content}");
}

#[test]
fn a_refusal_at_any_step_is_explained_and_has_its_exit_code() {
    let at_hello = "S: 220 mx.example\nC: EHLO [127.0.0.1]\n";
    let at_mail = [HELLO, "C: MAIL FROM:<a@a.example>\n"].concat();
    let at_rcpt = [HELLO, MAIL, "C: RCPT TO:<b@b.example>\n"].concat();
    let at_data = [HELLO, MAIL, RCPT, "C: DATA\n"].concat();
    let at_end = [HELLO, MAIL, RCPT, DATA].concat();
    for (before, reply, code, words) in [
        ("", "554 5.7.1 go away", 69, "at the greeting"),
        ("", "421 4.3.2 busy", 75, "Trying again later may help."),
        (at_hello, "450 4.7.0 later", 75, "at EHLO"),
        (&at_mail, "550 5.1.8 no such domain", 69, "refused at MAIL"),
        (&at_mail, "530 5.7.10 TLS first", 69, "plain text only"),
        (
            &at_rcpt,
            "550 5.1.1 no such user",
            69,
            "There is no such mailbox at that host. Who can mend it: you",
        ),
        (&at_rcpt, "550 5.7.1 no relaying", 69, "does not relay for strangers"),
        (&at_rcpt, "450 4.7.1 greylisted", 75, "not taken now, at RCPT"),
        (&at_rcpt, "452 4.2.2 full", 75, "make room in it. Trying again later may help."),
        (&at_data, "451 4.3.0 oops", 75, "at DATA"),
        (&at_end, "552 5.3.4 too big", 69, "make it smaller"),
        (&at_end, "421 4.3.2 shutting down", 75, "wait until it is back"),
    ] {
        let script = format!("{before}S: {reply}\nclose");
        let ran = against(&script, &small(&[]), b"");
        assert_eq!(ran.code, code, "{reply}: {}", ran.said());
        assert!(ran.stdout.contains(words), "{reply}: {}", ran.said());
        assert!(ran.stdout.contains(reply), "{reply}: {}", ran.said());
    }
}

#[test]
fn where_only_some_are_accepted_the_others_decide_the_exit_code() {
    for (reply, code, fate) in [("550 5.1.1 no", 69, "refused"), ("450 4.2.1 later", 75, "deferred")] {
        let other = format!("C: RCPT TO:<c@c.example>\nS: {reply}\n");
        let script = [HELLO, MAIL, RCPT, &other, DATA, "S: 250 2.0.0 ok\n", QUIT].concat();
        let ran = against(&script, &small(&["--to", "c@c.example", "--json"]), b"");
        assert_eq!(ran.code, code, "{}", ran.said());
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(json["recipients"][0]["fate"], "accepted");
        assert_eq!(json["recipients"][1]["recipient"], "c@c.example");
        assert_eq!(json["recipients"][1]["fate"], fate);
        assert_eq!(json["recipients"][1]["reply"], reply);
        assert_eq!(json["recipients"][1]["try_again"], code == 75);
        assert_eq!(json["exit"], code);
    }
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let hello = "S: 220 mx.example\nC: LHLO me.example\nS: 250-mx.example\nS: 250 PIPELINING\n";
    let envelope = "C: MAIL FROM:<a@a.example>\nC: RCPT TO:<b@b.example>\nC: RCPT TO:<c@c.example>\n\
                    C: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go on\ncontent\n";
    let script = [hello, envelope, "S: 250 2.0.0 laid down\nS: 452 4.2.2 full\n", QUIT].concat();
    let ran = against(&script, &small(&["--to", "c@c.example", "--lmtp", "--helo", "me.example"]), b"");
    assert_eq!(ran.code, 75, "{}", ran.said());
    assert!(ran.stdout.contains("<b@b.example> accepted: 250 2.0.0 laid down"), "{}", ran.said());
    assert!(ran.stdout.contains("<c@c.example> not taken now, after the content: 452"), "{}", ran.said());
}

#[test]
fn recipients_beyond_the_hosts_limit_go_in_another_transaction_at_once() {
    let too_many = "C: RCPT TO:<c@c.example>\nS: 452 4.5.3 too many\n";
    let second = "C: RCPT TO:<c@c.example>\nS: 250 ok\n";
    let one = [HELLO, MAIL, RCPT, too_many, DATA, "S: 250 ok\n"].concat();
    let script = [&one, MAIL, second, DATA, "S: 250 ok\n", QUIT].concat();
    let ran = against(&script, &small(&["--to", "c@c.example"]), b"");
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(ran.content.len() % 2, 0);
    let (first, second) = ran.content.split_at(ran.content.len() / 2);
    assert_eq!(first, second);
}

#[test]
fn a_connection_lost_after_the_dot_may_have_brought_the_message() {
    let ran = against(&[HELLO, MAIL, RCPT, DATA, "close"].concat(), &small(&[]), b"");
    assert_eq!(ran.code, 75, "{}", ran.said());
    assert!(ran.stdout.contains("perhaps accepted"), "{}", ran.said());
}

#[test]
fn a_connection_lost_before_the_dot_brought_nothing() {
    let at_hello = "S: 220 mx.example\nC: EHLO [127.0.0.1]\n";
    for before in ["", at_hello, HELLO, &[HELLO, MAIL].concat(), &[HELLO, MAIL, RCPT].concat()] {
        let ran = against(&format!("{before}close"), &small(&[]), b"");
        assert_eq!(ran.code, 75, "{}", ran.said());
        assert!(ran.stdout.contains("the connection was closed"), "{}", ran.said());
        assert!(ran.stdout.contains("<b@b.example> not sent"), "{}", ran.said());
    }
}

#[test]
fn what_is_not_smtp_is_a_protocol_error_and_is_shown_without_control_characters() {
    for greeting in ["raw: SSH-2.0-OpenSSH_9\\n", "raw: \\e[31m\\0red\\n", "S: 354 go on"] {
        let ran = against(greeting, &small(&[]), b"");
        assert_eq!(ran.code, 76, "{}", ran.said());
        assert!(!ran.stdout.contains(['\x1b', '\0']), "{}", ran.said().escape_debug());
    }
    let out_of_turn = [HELLO, "C: MAIL FROM:<a@a.example>\nS: 354 now\n"].concat();
    assert_eq!(against(&out_of_turn, &small(&[]), b"").code, 76);
}

#[test]
fn a_host_that_drips_is_understood_and_one_that_says_nothing_is_left() {
    let dripped = HELLO.replace("S: ", "drip: ");
    let script = [&dripped, MAIL, RCPT, DATA, "S: 250 ok\n", QUIT].concat();
    assert_eq!(against(&script, &small(&[]), b"").code, 0);
    let mut arguments = small(&[]);
    arguments.retain(|word| !["--timeout", "20s"].contains(word));
    arguments.extend(["--timeout", "200ms"]);
    for before in ["", HELLO] {
        let ran = against(before, &arguments, b"");
        assert_eq!(ran.code, 75, "{}", ran.said());
        assert!(ran.stdout.contains("the host took too long"), "{}", ran.said());
    }
}

#[test]
fn an_old_host_is_greeted_by_helo() {
    let hello = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 502 what?\nC: HELO [127.0.0.1]\nS: 250 mx\n";
    let ran = against(&[hello, MAIL, RCPT, DATA, "S: 250 ok\n", QUIT].concat(), &small(&[]), b"");
    assert_eq!(ran.code, 0, "{}", ran.said());
}

#[test]
fn where_nothing_listens_it_says_what_to_start() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments: Vec<String> = small(&[]).into_iter().map(|word| word.replace("{}", &free)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = run(&arguments, b"");
    assert_eq!(ran.code, 75, "{}", ran.said());
    assert!(ran.stderr.contains(&format!("postrider dev --listen {free}")), "{}", ran.said());
}

#[test]
fn an_unknown_host_has_an_exit_code_of_its_own() {
    // Longer than a label may be: no name service is asked.
    let arguments = small(&[]).into_iter().map(|word| word.replace("{}", &"a".repeat(64)));
    let arguments: Vec<String> = arguments.collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = run(&arguments, b"");
    assert_eq!(ran.code, 68, "{}", ran.said());
}

#[test]
fn a_file_goes_as_it_is_with_crlf_at_its_line_ends() {
    let hello = "S: 220 mx\nC: EHLO [127.0.0.1]\nS: 250-mx\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250 SIZE\n";
    let mail = "C: MAIL FROM:<a@a.example> SIZE=27 BODY=8BITMIME SMTPUTF8\nS: 250 ok\n";
    let ran = file(
        &[hello, mail, RCPT, DATA, "S: 250 ok\n", QUIT].concat(),
        "Subject: ä\n\n.\n..\r\nbye".as_bytes(),
    );
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(ran.content, "Subject: ä\r\n\r\n.\r\n..\r\nbye\r\n".as_bytes());
}

#[test]
fn octets_beyond_ascii_for_a_host_that_does_not_offer_them_are_noted() {
    let ran = file(&[HELLO, MAIL, RCPT, DATA, "S: 250 ok\n", QUIT].concat(), "ä\n".as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(ran.stdout.contains("does not offer 8BITMIME"), "{}", ran.said());
}

/// Answers of a host that offers what mail in any script, and notices, need.
const MODERN: &str = "S: 220 mx.example\nC: EHLO [127.0.0.1]\nS: 250-mx.example\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250 DSN\n";

#[test]
fn what_the_sender_wants_to_hear_is_said_where_it_can_be() {
    let asks = ["--notify", "success,delay", "--ret", "hdrs", "--envid", "QQ+1", "--orcpt", "bob@b.example"];
    let send = |script: &str| {
        let message =
            ["send", "--server", "{}", "--from", "a@a.example", "--to", "b@b.example", "--file", "-"];
        against(script, &[&message[..], &asks].concat(), b"Subject: x\n\nx\n")
    };
    let said = "C: MAIL FROM:<a@a.example> RET=HDRS ENVID=QQ+2B1\nS: 250 ok\n\
                C: RCPT TO:<b@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob@b.example\nS: 250 ok\n";
    let ran = send(&[MODERN, said, DATA, "S: 250 ok\n", QUIT].concat());
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(!ran.stdout.contains("DSN:"), "{}", ran.said());
    let ran = send(&[HELLO, MAIL, RCPT, DATA, "S: 250 ok\n", QUIT].concat());
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(ran.stdout.contains("does not offer DSN"), "{}", ran.said());
}

#[test]
fn an_address_beyond_ascii_goes_only_to_a_host_that_takes_it() {
    let send = |script: &str| {
        let message = ["--from", "a@a.example", "--to", "jörg@b.example", "--subject", "x", "--body", "x"];
        against(script, &[&["send", "--server", "{}"], &message[..]].concat(), b"")
    };
    let said = "C: MAIL FROM:<a@a.example> BODY=8BITMIME SMTPUTF8\nS: 250 ok\nC: RCPT TO:<jörg@b.example>\nS: 250 ok\n";
    let ran = send(&[MODERN, said, DATA, "S: 250 ok\n", QUIT].concat());
    assert_eq!(ran.code, 0, "{}", ran.said());
    let header = String::from_utf8(ran.content.clone()).unwrap();
    assert!(header.contains("To: <jörg@b.example>"), "{header}");
    let ran = send(&[HELLO, QUIT].concat());
    assert_eq!(ran.code, 69, "{}", ran.said());
    assert!(ran.said().contains("5.6.7"), "{}", ran.said());
}

#[test]
fn what_cannot_be_sent_is_refused_before_anyone_is_asked() {
    let from_to = ["send", "--from", "a@a.example", "--to", "b@b.example"];
    for (more, input, code, words) in [
        (&["--file", "-"][..], &b"a\n\nb\0\n"[..], 65, "line 3 holds a NUL"),
        (&["--file", "-"], b"a\rb\n", 65, "line 1 holds a CR without an LF"),
        (&["--file", "-"], b"", 65, "it is empty"),
        (&["--body", "-"], b"\xff", 65, "not UTF-8"),
        (&["--file", "/nonexistent"], b"", 66, "/nonexistent"),
        (&["--body", "-", "--attach", "-"], b"", 64, "a name"),
        (&["--body", "x", "--attach", "/nonexistent"], b"", 66, "/nonexistent"),
        (&[], b"", 64, "nothing to send"),
        (&["--file", "-", "--subject", "x"], b"", 64, "--file"),
        (&["--subject", "a\r\nBcc: x@x.example"], b"", 64, "one line"),
        (&["--body", "x", "--header", "X: a\nb"], b"", 64, "one line"),
        (&["--body", "x", "--header", "Bcc: b@b.example"], b"", 64, "--to"),
        (&["--body", "x", "--header", "Content-Type: text/html"], b"", 64, "--file"),
        (&["--subject", "x", "--header", "subject: y"], b"", 64, "given twice"),
        (&["--body", "x", "--notify", "never,success"], b"", 64, "NOTIFY is NEVER"),
        (&["--body", "x", "--ret", "all"], b"", 64, "FULL or HDRS"),
        (&["--body", "x", "--envid", "\t"], b"", 64, "printable"),
        (&["--body", "x", "--orcpt", "bob"], b"", 64, "rfc822;bob@example.org"),
        (&["--body", "x", "--orcpt", "c@c.example", "--to", "d@d.example"], b"", 64, "one recipient"),
        (&["--body", "x", "--timeout", "0s"], b"", 64, "30s"),
    ] {
        let ran = run(&[&from_to[..], more].concat(), input);
        assert_eq!(ran.code, code, "{more:?}: {}", ran.said());
        assert!(ran.stderr.contains(words), "{more:?}: {}", ran.said());
    }
    let from_nobody = ["send", "--from", "<>", "--to", "b@b.example", "--subject", "x"];
    assert!(run(&from_nobody, b"").stderr.contains("--header 'From"));
}

#[test]
fn quiet_says_nothing_of_a_success_and_everything_of_a_refusal() {
    let good = [HELLO, MAIL, RCPT, DATA, "S: 250 ok\n", QUIT].concat();
    let ran = against(&good, &small(&["--quiet"]), b"");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let bad = [HELLO, MAIL, "C: RCPT TO:<b@b.example>\nS: 550 5.1.1 no\n", QUIT].concat();
    let ran = against(&bad, &small(&["--quiet"]), b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (69, ""));
    assert!(ran.stderr.contains("no such mailbox"), "{}", ran.said());
}

#[test]
fn dev_keeps_a_file_octet_for_octet() {
    let mut dev = Dev::start();
    let message =
        "From: a@a.example\r\nSubject: =?x?\r\n folded\r\n\r\n.leading dots\r\n..\r\n.\r\ngrün\t \r\n\r\n";
    let address = dev.address.clone();
    let arguments =
        ["send", "--server", &address, "--from", "a@a.example", "--to", "b@b.example", "--file", "-"];
    let ran = run(&arguments, message.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(String::from_utf8(dev.delivered("b@b.example")).unwrap(), message);
}

/// Octets that no pattern helps to guess, from a fixed seed (xorshift).
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// RFC 5322 §3.6
#[test]
fn a_composed_message_reads_back_as_it_was_given() {
    let mut dev = Dev::start();
    let folder = tempfile::tempdir().unwrap();
    let (photo, table) = (folder.path().join("Übersicht „neu“ 1.png"), folder.path().join("data.csv"));
    std::fs::write(&photo, noise(100_000)).unwrap();
    std::fs::write(&table, "a;b\nä;ö\n").unwrap();
    let subject = format!("Grüße aus Köln {}", "und von überall her ".repeat(20)).trim_end().to_owned();
    let text = format!("Hällo\n\n.\n{}\nlong: {}\n", "x".repeat(3000), "wört ".repeat(500));
    let address = dev.address.clone();
    let mut arguments = vec!["send", "--server", &address, "--from", "a@a.example", "--to", "b@b.example"];
    arguments.extend([
        "--subject",
        &subject,
        "--body",
        "-",
        "--header",
        "From: Jörg \"J\" Ü <j@bücher.example>",
    ]);
    arguments.extend([
        "--header",
        "Comments: grün",
        "--attach",
        photo.to_str().unwrap(),
        "--attach",
        table.to_str().unwrap(),
    ]);
    let ran = run(&arguments, text.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.said());

    let stored = dev.delivered("b@b.example");
    assert!(stored.is_ascii());
    let longest = stored.split(|&b| b == b'\n').map(<[u8]>::len).max().unwrap();
    assert!(longest <= 79, "a line of {longest} octets");
    let message = MessageParser::default().parse(&stored).unwrap();
    assert_eq!(message.subject(), Some(subject.as_str()));
    let from = message.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Jörg \"J\" Ü"), Some("j@xn--bcher-kva.example")));
    assert_eq!(message.header("Comments").unwrap().as_text(), Some("grün"));
    assert!(message.date().is_some() && message.message_id().unwrap().ends_with("@a.example"));
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n"), text);
    let attachments: Vec<_> = message.attachments().collect();
    assert_eq!(attachments[0].attachment_name(), Some("Übersicht „neu“ 1.png"));
    assert_eq!(attachments[0].contents(), noise(100_000));
    assert_eq!(attachments[1].contents(), "a;b\nä;ö\n".as_bytes());
}

#[test]
fn what_may_harm_a_message_is_told_in_json_too() {
    let arguments =
        ["send", "--server", "{}", "--from", "a@a.example", "--to", "b@b.example", "--file", "-", "--json"];
    let script = [HELLO, MAIL, RCPT, DATA, "S: 250 ok\n", QUIT].concat();
    let ran = against(&script, &arguments, &[b'x'; 999]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(json["warnings"][0].as_str().unwrap().contains("999 octets"), "{json}");
}

#[test]
fn a_session_refused_for_good_is_not_to_be_tried_again() {
    let ran = against("S: 554 5.7.1 no\nclose", &small(&["--json"]), b"");
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["recipients"][0]["fate"], "unsent");
    assert_eq!(json["recipients"][0]["try_again"], false);
    assert_eq!(json["exit"], 69);
}

#[test]
fn a_host_that_refuses_amid_the_content_has_decided() {
    let large =
        b"Subject: large\n\n".iter().copied().chain(b"0123456789\n".repeat(400_000)).collect::<Vec<u8>>();
    for (reply, code, fate) in
        [("554 5.3.4 too much", 69, "refused"), ("452 4.3.1 no room for that", 75, "not taken now")]
    {
        let ran = file(&[HELLO, MAIL, RCPT, "C: DATA\nS: 354 go on\n", "S: ", reply].concat(), &large);
        assert_eq!(ran.code, code, "{}", ran.said());
        let told = format!("=> <b@b.example> {fate}");
        assert!(
            ran.stdout.lines().any(|line| line.contains(&told) && line.contains(reply)),
            "{}",
            ran.said()
        );
    }
}

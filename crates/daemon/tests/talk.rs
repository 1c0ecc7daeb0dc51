//! `postrider talk` from end to end, with standard input as a pipe.

mod peer;

use peer::{Dev, against, run};

const TALK: [&str; 4] = ["talk", "{}", "--timeout", "20s"];

#[test]
fn a_script_is_held_line_by_line_and_ends_with_quit() {
    let script = "S: 220 mx\nalone: EHLO me\nS: 250 mx\nalone: MAIL FROM:<a@b>\nS: 250 ok\nalone: RCPT TO:<c@d>\n\
                  S: 250 ok\nalone: DATA\nS: 354 go\ncontent\nS: 250 ok\nC: QUIT\nS: 221 bye";
    let input = b"EHLO me\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\nDATA\nSubject: x\n\n..dot\n.\n";
    let ran = against(script, &TALK, input);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(ran.content, b"Subject: x\r\n\r\n.dot\r\n");
    for line in [
        "  C: EHLO me\n",
        "  S: 354 go\n",
        "-- Next: RCPT TO:<",
        "-- Type the message",
        "-- The host answers for the message",
    ] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.said());
    }
}

#[test]
fn a_refusal_is_explained_and_decides_the_exit_code() {
    for (reply, code, words) in [
        ("550 5.1.1 no such user", 69, "There is no such mailbox"),
        ("451 4.3.0 oops", 75, "Trying again later may help."),
    ] {
        let script = format!("S: 220 mx\nC: VRFY x\nS: {reply}\nC: QUIT\nS: 221 bye");
        let ran = against(&script, &TALK, b"VRFY x\nQUIT\n");
        assert_eq!(ran.code, code, "{}", ran.said());
        assert!(ran.stdout.contains(words), "{}", ran.said());
    }
}

#[test]
fn a_host_that_goes_ends_the_conversation() {
    for script in [
        "close",
        "S: 220 mx\nC: NOOP\nclose",
        "S: 421 4.3.2 busy\nclose",
        "S: 220 mx\nS: 421 4.4.2 too slow\nclose",
    ] {
        let ran = against(script, &TALK, b"NOOP\n");
        assert_eq!(ran.code, 75, "{}", ran.said());
    }
}

#[test]
fn what_is_not_smtp_is_a_protocol_error_and_is_shown_without_control_characters() {
    for script in ["raw: HTTP/1.1 400\\n", "raw: \\e]0;title\\0\\n", "raw: 220 \\e[2J\\nnonsense\\n"] {
        let ran = against(script, &TALK, b"");
        assert_eq!(ran.code, 76, "{}", ran.said());
        assert!(!ran.stdout.contains(['\x1b', '\0']), "{}", ran.said().escape_debug());
    }
}

#[test]
fn a_message_whose_input_ends_is_not_ended() {
    // The peer goes on reading after the last step: a dot would have been answered by nobody.
    let script = "S: 220 mx\nC: DATA\nS: 354 go\nC: half\nend of input";
    let ran = against(script, &TALK, b"DATA\nhalf\n");
    assert_eq!(ran.code, 75, "{}", ran.said());
    assert!(ran.stdout.contains("the input ended before the message did"), "{}", ran.said());
}

#[test]
fn a_host_that_never_answers_is_left() {
    let ran = against("S: 220 mx\n", &["talk", "{}", "--timeout", "200ms"], b"NOOP\n");
    assert_eq!(ran.code, 75, "{}", ran.said());
    assert!(ran.stdout.contains("has not answered in time"), "{}", ran.said());
}

#[test]
fn a_password_is_sent_and_not_shown() {
    let script =
        "S: 220 mx\nC: AUTH PLAIN AGEAc2VjcmV0\nS: 334 \nC: c2VjcmV0\nS: 235 ok\nC: QUIT\nS: 221 bye";
    let ran = against(script, &TALK, b"AUTH PLAIN AGEAc2VjcmV0\nc2VjcmV0\n");
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(!ran.stdout.contains("c2VjcmV0"), "{}", ran.said());
    assert!(ran.stdout.contains("C: AUTH PLAIN (not shown)"), "{}", ran.said());
}

#[test]
fn lmtp_waits_for_an_answer_for_each_recipient() {
    let script = "S: 220 mx\nC: LHLO me\nS: 250 mx\nC: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<a@b>\nS: 250 ok\n\
                  C: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 one\nS: 250 two\n\
                  C: QUIT\nS: 221 bye";
    let input = b"LHLO me\nMAIL FROM:<>\nRCPT TO:<a@b>\nRCPT TO:<c@d>\nDATA\nx\n.\nQUIT\n";
    let ran = against(script, &["talk", "{}", "--lmtp"], input);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert!(ran.stdout.contains("S: 250 two"), "{}", ran.said());
}

#[test]
fn dev_can_be_talked_to() {
    let mut dev = Dev::start();
    let address = dev.address.clone();
    let input =
        b"EHLO me\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\nSubject: by hand\n\nhi\n.\nQUIT\n";
    let ran = run(&["talk", &address], input);
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(dev.delivered("c@d.example"), b"Subject: by hand\r\n\r\nhi\r\n");
}

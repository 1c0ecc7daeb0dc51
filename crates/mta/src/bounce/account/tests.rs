use super::*;
use postrider_journal::event::Fate;
use postrider_mail::{AttemptId, Code, Enhanced};

const START: UnixMillis = UnixMillis::new(1_795_372_275_042);

fn bob() -> Mailbox {
    "bob@x.example".parse().unwrap()
}

fn no() -> Reply {
    Reply::new(Code::of(550), Enhanced::of(5, 1, 1), "no such user")
}

/// `C:` and `S:` lines, `host NAME`, `content`, `fate ADDRESS`.
fn attempt(row: i64, transcript: &str) -> Story {
    let mut story = Story::new(Subject::Attempt(AttemptId::from_row(row).unwrap()), START, None);
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let what = match line.split_once(' ').unwrap_or((line, "")) {
            ("C:", said) => What::Said { who: Speaker::Ours, text: said.into() },
            ("S:", said) => What::Said { who: Speaker::Theirs, text: said.into() },
            ("host", name) => What::Host(Box::new(HostTried {
                host: name.into(),
                address: Some("192.0.2.25:25".parse().unwrap()),
                result: HostResult::Failed,
                why: Some("connection refused".into()),
            })),
            ("content", _) => What::Content { octets: 7 },
            ("fate", address) => What::Fate(Box::new(Fate {
                id: QueueId::from_row(1).unwrap(),
                recipient: address.parse().unwrap(),
                ending: Ending::Failed,
                reply: no(),
                next_attempt: None,
            })),
            other => panic!("{other:?}"),
        };
        story.add(START, what);
    }
    story
}

fn dialogue(transcript: &str) -> Vec<String> {
    let account = Account { attempts: vec![attempt(1, transcript)] };
    let said = account.dialogue(&bob(), &no()).into_iter().map(|said| match said {
        Said::Ours(line) => format!("C: {line}"),
        Said::Theirs(line) => format!("S: {line}"),
    });
    said.collect()
}

#[test]
fn a_pipelined_answer_finds_its_command() {
    let said = dialogue(
        "S: 220-mx\nS: 220 ready\nC: EHLO us\nS: 250-mx\nS: 250 PIPELINING\n\
         C: MAIL FROM:<>\nC: RCPT TO:<ann@x.example>\nC: RCPT TO:<bob@x.example>\nC: RCPT TO:<carl@x.example>\n\
         C: DATA\nS: 250 ok\nS: 550 not ann\nS: 550-5.1.1 no such\nS: 550 5.1.1 user\nS: 550 not carl\nS: 503 no\n\
         fate ann@x.example\nfate bob@x.example",
    );
    assert_eq!(said, ["C: RCPT TO:<bob@x.example>", "S: 550-5.1.1 no such", "S: 550 5.1.1 user"]);
}

#[test]
fn an_answer_to_the_content_stands_alone() {
    let said = dialogue(
        "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<bob@x.example>\nS: 250 ok\nC: DATA\nS: 354 go\n\
         content\nS: 550 spam\nfate bob@x.example",
    );
    assert_eq!(said, ["S: 550 spam"]);
}

#[test]
fn a_host_that_went_silent_owes_no_answers_to_the_next() {
    let said = dialogue(
        "host a\nS: 220 a\nC: EHLO us\nhost b\nS: 220 b\nC: EHLO us\nS: 250 b\nC: MAIL FROM:<>\nS: 550 go away\n\
         fate bob@x.example",
    );
    assert_eq!(said, ["C: MAIL FROM:<>", "S: 550 go away"]);
}

#[test]
fn without_a_conversation_nothing_is_quoted() {
    assert!(dialogue("fate bob@x.example").is_empty());
    assert!(dialogue("S: 220 a\nC: EHLO us\nS: 250 a\nfate bob@x.example").is_empty());
    assert!(dialogue("C: RCPT TO:<bob@x.example>\nS: 550 no\nfate ann@x.example").is_empty());
}

#[test]
fn what_was_tried_is_told_for_this_recipient_alone_and_ends_with_the_last() {
    let mut attempts: Vec<Story> = (0..12)
        .map(|row| attempt(row, &format!("host mx{row}.x.example\nfate bob@x.example\nfate ann@x.example")))
        .collect();
    attempts.push(attempt(99, "host elsewhere.example\nfate ann@x.example"));
    let tried = Account { attempts }.tried(&bob());
    assert_eq!(tried.len(), NOTICE_LINES_MAX);
    assert_eq!(
        tried[NOTICE_LINES_MAX - 2..],
        [
            "Sun, 22 Nov 2026 18:31:15 +0000: tried mx11.x.example at 192.0.2.25:25, and failed: connection refused"
                .into(),
            Text::literal("Sun, 22 Nov 2026 18:31:15 +0000: no: 550 5.1.1 no such user"),
        ]
    );
}

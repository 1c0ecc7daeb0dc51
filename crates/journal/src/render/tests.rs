//! How stories read.

use super::*;
use postrider_mail::{AttemptId, Code, Enhanced, QueueId, Reason, Reply, SessionId, UnixMillis};

const START: UnixMillis = UnixMillis::new(1_795_372_275_042);

fn print(story: &Story) -> String {
    lines(story).map(|line| format!("{line}\n")).collect()
}

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(START.get() + ms)
}

fn said(who: Speaker, text: &str) -> What {
    What::Said { who, text: text.into() }
}

#[test]
fn a_session_reads_like_a_dialogue() {
    let id = SessionId::from_row(7).unwrap();
    let mut story = Story::new(Subject::Session(id), START, Some("192.0.2.7:2525".parse().unwrap()));
    story.add(START, said(Speaker::Ours, "220 mx.example.org ESMTP Postrider"));
    story.add(at(12), said(Speaker::Theirs, "RCPT TO:<b@x.example>"));
    let verdict = Verdict {
        question: "RCPT TO:<b@x.example>".into(),
        decision: Decision::Accept,
        reason: Reason::new("directory", "b@x.example is an account"),
    };
    story.add(at(12), What::Verdict(Box::new(verdict)));
    story.add(at(1015), What::Content { octets: 1 });
    let accepted = Accepted {
        id: QueueId::from_row(1 << 60).unwrap(),
        reverse_path: ReversePath::Null,
        recipients: vec!["b@x.example".parse().unwrap(), "c@x.example".parse().unwrap()],
        recipients_unlisted: 2,
        message_id: Some("<1@client.example>".into()),
        octets: 2048,
    };
    story.add(at(1020), What::Accepted(Box::new(accepted)));
    story.add(at(1020), said(Speaker::Ours, "250 2.0.0 queued as 1000000000000"));
    story.add(at(100_020), What::Closed { why: "QUIT".into() });
    assert_eq!(
        print(&story),
        "\
session 0000000000007 with 192.0.2.7:2525, 2026-11-22T18:31:15.042Z
   +0.000s  S: 220 mx.example.org ESMTP Postrider
   +0.012s  C: RCPT TO:<b@x.example>
   +0.012s  -> accept RCPT TO:<b@x.example> (directory: b@x.example is an account)
   +1.015s  C: (1 octet of content)
   +1.020s  => accepted as 1000000000000: 2048 octets, from <> for <b@x.example>, <c@x.example> and 2 more, \
Message-ID <1@client.example>
   +1.020s  S: 250 2.0.0 queued as 1000000000000
 +100.020s  -- closed: QUIT
"
    );
}

fn fate(recipient: &str, ending: Ending, reply: Reply, next_attempt: Option<UnixMillis>) -> What {
    let id = QueueId::from_row(1 << 60).unwrap();
    let recipient = recipient.parse().unwrap();
    What::Fate(Box::new(Fate { id, recipient, ending, reply, next_attempt }))
}

fn tried(host: &str, address: &str, result: HostResult, why: Option<&str>) -> What {
    let address = Some(address.parse().unwrap());
    What::Host(Box::new(HostTried { host: host.into(), address, result, why: why.map(Into::into) }))
}

#[test]
fn an_attempt_tells_its_hosts_the_dialogue_and_what_comes_next() {
    let mut story = Story::new(Subject::Attempt(AttemptId::from_row(8).unwrap()), START, None);
    let id = QueueId::from_row(1 << 60).unwrap();
    let attempt = Attempt { id, host: "example.org".into(), address: None, number: 2 };
    story.add(START, What::Attempt(Box::new(attempt)));
    story.add(START, What::Note { text: "MX of example.org: 10 mx1.example.org, 20 mx2.example.org".into() });
    let refused = Some("connection refused");
    story.add(at(1), tried("mx0.example.org", "127.0.0.1:25", HostResult::PassedOver, Some("loopback")));
    story.add(at(2), tried("mx1.example.org", "192.0.2.1:25", HostResult::Failed, refused));
    story.add(at(5), tried("[192.0.2.25]", "192.0.2.25:25", HostResult::Connected, None));
    story.add(at(9), said(Speaker::Theirs, "220 mx2.example.org"));
    story.add(at(9), said(Speaker::Ours, "EHLO mx.example.net"));
    let taken = Reply::new(Code::of(250), Enhanced::of(2, 0, 0), "queued as 4D2");
    story.add(at(12), fate("a@example.org", Ending::Relayed, taken, None));
    let later = Reply::new(Code::of(451), Enhanced::of(4, 7, 1), "later");
    story.add(at(12), fate("b@example.org", Ending::Deferred, later.clone(), Some(at(300_012))));
    story.add(at(12), fate("c@example.org", Ending::Deferred, later, Some(at(300_012))));
    assert_eq!(
        print(&story),
        "\
attempt 0000000000008, 2026-11-22T18:31:15.042Z
   +0.000s  => 1000000000000 to example.org, attempt 2
   +0.000s  -- MX of example.org: 10 mx1.example.org, 20 mx2.example.org
   +0.001s  -> passed over mx0.example.org at 127.0.0.1:25: loopback
   +0.002s  -> tried mx1.example.org at 192.0.2.1:25, and failed: connection refused
   +0.005s  -> connected to 192.0.2.25:25
   +0.009s  S: 220 mx2.example.org
   +0.009s  C: EHLO mx.example.net
   +0.012s  => <a@example.org> relayed: 250 2.0.0 queued as 4D2
   +0.012s  => <b@example.org> deferred: 451 4.7.1 later; next attempt in 5 min, at 2026-11-22T18:36:15.054Z
   +0.012s  => <c@example.org> deferred: the same
"
    );
}

#[test]
fn what_differs_in_anything_is_told_in_full() {
    let mut story = Story::new(Subject::Attempt(AttemptId::from_row(8).unwrap()), START, None);
    let later = || Reply::new(Code::of(451), Enhanced::of(4, 7, 1), "later");
    for (recipient, next) in [("a@b", 60_000), ("c@d", 61_000), ("e@f", 61_000)] {
        story.add(START, fate(recipient, Ending::Deferred, later(), Some(at(next))));
    }
    story.add(START, What::Note { text: "between".into() });
    story.add(START, fate("g@h", Ending::Deferred, later(), Some(at(61_000))));
    assert_eq!(print(&story).matches("451 4.7.1 later").count(), 3);
}

#[test]
fn a_wait_has_one_unit() {
    let said: Vec<String> = [0, 1, 119, 120, 719, 7199, 7200, 172_799, 172_800, u64::MAX]
        .map(|seconds| span(Duration::from_secs(seconds)))
        .to_vec();
    let expected = ["0 s", "1 s", "119 s", "2 min", "12 min", "120 min", "2 h", "48 h", "2 d"];
    assert_eq!(said[..9], expected);
}

#[test]
fn what_is_left_out_is_said() {
    let mut story = Story::new(Subject::Server, START, None);
    for _ in 0..crate::limits::LINES_MAX + 1 {
        story.add(START, What::Note { text: "again".into() });
    }
    story.miss_parts(2);
    let print = print(&story);
    assert!(print.ends_with(
        "            -- ... 1 line was not kept\n            -- ... 2 parts are no longer there\n"
    ));
}

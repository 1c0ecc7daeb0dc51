//! What a message costs the journal: `cargo run --release -p postrider-journal --example cost [messages]`.
//!
//! A message is three parts: its session up to the 250, the session's end, and the attempt that delivers
//! it. Prints CPU time of the whole process, tellers included, as the kernel counts it; then what look-ups take.

#![expect(clippy::expect_used, reason = "a measurement stops at the first surprise")]
#![expect(clippy::cast_precision_loss, reason = "figures are printed with three digits")]

use postrider_journal::event::{Accepted, Attempt, Decision, Ending, Fate, Speaker, Verdict};
use postrider_journal::{Query, Settings, Story, Subject, What};
use postrider_mail::{AttemptId, Code, Enhanced, QueueId, Reason, Reply, SessionId, UnixMillis};
use std::time::{Duration, Instant};

const START_MS: i64 = 1_795_372_275_042;

fn main() {
    let messages: i64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let folder = std::env::temp_dir().join(format!("postrider-journal-cost-{}", std::process::id()));
    let settings = Settings { octets_max: u64::MAX, ..Settings::default() };
    let start = UnixMillis::new(START_MS);
    let (journal, writer, reader) =
        postrider_journal::open(&folder, settings, start).expect("a folder to write to");
    let write = || {
        writer.run();
        cpu("thread-self")
    };
    let thread = std::thread::Builder::new().name("journal".into()).spawn(write).expect("a thread");
    let made = cpu("self");
    (0..messages).for_each(|n| tell(None, n));
    let made = cpu("self") - made;
    let (began, cpu) = (Instant::now(), cpu("self"));
    for n in 0..messages {
        tell(Some(&journal), n);
        if n % 1000 == 999 {
            // Tell no faster than it is written: nothing may be lost in a measurement.
            journal.flush().expect("the writer runs");
        }
    }
    journal.flush().expect("the writer runs");
    let (wall, cpu) = (began.elapsed(), (self::cpu("self") - cpu).saturating_sub(made));
    let counts = journal.counts();
    println!(
        "{messages} messages, {} parts, {} lost: {:.0} messages/s, {:.1} us of CPU per message behind what it takes to make them ({:.1}), {} octets each on disk",
        counts.told,
        counts.lost,
        messages as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / messages as f64,
        made.as_secs_f64() * 1e6 / messages as f64,
        octets(&folder) / messages.unsigned_abs(),
    );
    let old = QueueId::from_row(messages / 3).expect("a positive id");
    for (what, query) in [
        ("the last session", Query::last()),
        ("an old queue id", Query::queue(old)),
        ("a busy peer", Query::peer("192.0.2.7".parse().expect("an address"))),
        ("words that are not there", Query::words("no such words")),
    ] {
        let began = Instant::now();
        let found = reader.find(&query).expect("a readable folder");
        println!(
            "{what}: {} stories in {:.1} ms {:?}",
            found.stories.len(),
            began.elapsed().as_secs_f64() * 1e3,
            found.remarks
        );
    }
    drop(journal);
    let writer = thread.join().expect("the writer ends");
    println!(
        "the writer's thread: {:.1} us of CPU per message",
        writer.as_secs_f64() * 1e6 / messages as f64
    );
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

/// Makes the stories of one message, and tells them.
fn tell(journal: Option<&postrider_journal::Journal>, n: i64) {
    let tell = |story: Story| match journal {
        Some(journal) => journal.tell(story),
        None => drop(std::hint::black_box(story)),
    };
    let now = UnixMillis::new(START_MS + n);
    let id = QueueId::from_row(n).expect("a positive id");
    let peer = "192.0.2.7:2525".parse().ok();
    let mut session = Story::new(Subject::Session(SessionId::from_row(n).expect("a positive id")), now, peer);
    let said = |who, text: String| What::Said { who, text: text.into() };
    session.add(now, said(Speaker::Ours, "220 mx.example.org ESMTP Postrider".into()));
    session.add(now, said(Speaker::Theirs, "EHLO client.example".into()));
    for line in [
        "250-mx.example.org",
        "250-PIPELINING",
        "250-SIZE 52428800",
        "250-8BITMIME",
        "250 ENHANCEDSTATUSCODES",
    ] {
        session.add(now, said(Speaker::Ours, line.into()));
    }
    session
        .add(now, said(Speaker::Theirs, format!("MAIL FROM:<sender{}@client.example> SIZE=4096", n % 1000)));
    session.add(now, said(Speaker::Ours, "250 2.1.0 go on".into()));
    session.add(now, said(Speaker::Theirs, format!("RCPT TO:<user{}@local.example>", n % 5000)));
    let question = format!("RCPT TO:<user{}@local.example>", n % 5000).into();
    let reason = Reason::new("directory", "the address is an account");
    session.add(now, What::Verdict(Box::new(Verdict { question, decision: Decision::Accept, reason })));
    session.add(now, said(Speaker::Ours, "250 2.1.5 go on".into()));
    session.add(now, said(Speaker::Theirs, "DATA".into()));
    session.add(now, said(Speaker::Ours, "354 end with a dot alone on a line".into()));
    session.add(now, What::Content { octets: 4096 });
    let recipient: postrider_mail::Mailbox =
        format!("user{}@local.example", n % 5000).parse().expect("an address");
    let accepted = Accepted {
        id,
        reverse_path: format!("sender{}@client.example", n % 1000).parse().expect("an address"),
        recipients: vec![recipient.clone()],
        recipients_unlisted: 0,
        message_id: Some(format!("<{n}.1795372275@client.example>").into()),
        octets: 4096,
    };
    session.add(now, What::Accepted(Box::new(accepted)));
    session.add(now, said(Speaker::Ours, format!("250 2.0.0 queued as {id}")));
    tell(session.hand_over());
    session.add(now, said(Speaker::Theirs, "QUIT".into()));
    session.add(now, said(Speaker::Ours, "221 2.0.0 goodbye".into()));
    session.add(now, What::Closed { why: "QUIT".into() });
    tell(session);

    let mut attempt = Story::new(Subject::Attempt(AttemptId::from_row(n).expect("a positive id")), now, None);
    attempt.add(now, What::Attempt(Box::new(Attempt { id, host: "local".into(), address: None, number: 1 })));
    let reply = Reply::new(Code::of(250), Enhanced::of(2, 0, 0), "delivered");
    let fate = Fate { id, recipient, ending: Ending::Delivered, reply, next_attempt: None };
    attempt.add(now, What::Fate(Box::new(fate)));
    tell(attempt);
}

/// User and system time of this process or thread, from Linux's own account.
fn cpu(whose: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{whose}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn octets(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|file| file.len()).sum()
}

//! Sessions as people typed them and as our transcripts have them, against the running binary: key by key over
//! a socket, at a telnet, at an nc.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::binary::root;
use postrider_tests::process::Server;
use postrider_tests::site::Site;
use postrider_tests::terminal::Terminal;
use postrider_tests::tools::{left_out, tool};
use postrider_tests::transcript::{Listener, Transcript, Turn, read_folder};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

/// The sessions that people have typed by hand for decades. They are kept beside the repository.
fn typed_by_people() -> Vec<Transcript> {
    let folder = match std::env::var_os("POSTRIDER_DIALOGUES") {
        Some(named) => PathBuf::from(named),
        None => match std::env::var_os("POSTRIDER_CORPORA") {
            Some(corpora) => PathBuf::from(corpora).with_file_name("dialogues"),
            None => root().join("../shared/dialogues"),
        },
    };
    if !folder.is_dir() {
        left_out(&format!("{} is not there (POSTRIDER_DIALOGUES names another folder)", folder.display()));
        return Vec::new();
    }
    let transcripts = read_folder(&folder);
    assert!(transcripts.len() >= 4, "only {} transcripts in {}", transcripts.len(), folder.display());
    transcripts
}

/// Ours, but those for the engine alone.
fn ours() -> Vec<Transcript> {
    let mut transcripts = read_folder(&root().join("tests/dialogue"));
    let all = transcripts.len();
    transcripts.retain(|transcript| transcript.engine_only.is_none());
    println!("{all} transcripts, {} of them for the engine alone", all - transcripts.len());
    assert!(transcripts.len() >= 150, "only {} transcripts", transcripts.len());
    transcripts
}

/// Plays all of them; those that stop the server have one of their own.
fn play(transcripts: &[Transcript], start: impl Fn() -> (Site, Server)) {
    let (_site, shared) = start();
    let mut failed = Vec::new();
    for transcript in transcripts {
        // Each says what is wrong with it; all of them are to be heard.
        let is_right = catch_unwind(AssertUnwindSafe(|| {
            if transcript.turns.contains(&Turn::Stop) {
                let (_site, mut server) = start();
                transcript.play(&server);
                assert!(server.ended().success(), "{}", transcript.name);
            } else {
                transcript.play(&shared);
            }
        }));
        if is_right.is_err() {
            failed.push(&transcript.name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(shared.stop().success());
    println!("{} transcripts played", transcripts.len());
}

/// What stands in the configuration for a setting of a transcript: keys at the top, and keys of `[smtp]`.
fn keys(setting: &str) -> (&'static str, &'static str) {
    match setting {
        "normalise" => ("", "bare_newlines = \"normalise\""),
        "long lines refused" => ("", "long_lines = \"refuse\""),
        "early talkers refused" => ("", "early_talkers = \"refuse\"\ngreet_pause = \"1s\""),
        "xclient" => ("xclient_from = [\"127.0.0.0/8\"]", ""),
        "xforward" => ("xforward_from = [\"127.0.0.0/8\"]", ""),
        "proxy" => ("proxy_from = [\"127.0.0.0/8\"]", ""),
        "etrn" => ("", "etrn = [\"client.example\"]"),
        "future release" => ("relay_from = [\"127.0.0.0/8\"]", "future_release_max = \"7d\""),
        "deliver by 60" => ("", "deliver_by_min = \"60s\""),
        "no soliciting net.example:ADV" => ("", "no_soliciting = [\"net.example:ADV\"]"),
        // A key of the domains.
        "verify" => ("", ""),
        other => panic!("no key stands for {other:?}"),
    }
}

/// The site of the transcripts: who is there, who has moved, whose mail goes on, and what they set.
fn site(settings: &BTreeSet<String>) -> Site {
    let (top, smtp): (Vec<_>, Vec<_>) = settings.iter().map(|setting| keys(setting)).unzip();
    let (top, smtp) = (top.join("\n"), smtp.join("\n"));
    let verify = settings.contains("verify");
    let site = Site::new();
    site.configure(&format!(
        "{top}
smarthost = \"127.0.0.1:9\"
[domains.\"local.example\"]
verify = {verify}
[domains.\"second.example\"]
verify = {verify}
[domains.\"closed.example\"]
mail = false
[moved]
\"gone@local.example\" = \"gone@elsewhere.example\"
[smtp]
{smtp}
[limits]
recipients = 3
message_size = \"100000B\"
[[listener]]
address = \"127.0.0.2:0\"
service = \"lmtp\"
[[listener]]
address = \"127.0.0.3:0\"
service = \"closed\"
"
    ));
    site.add_accounts(&["friend@local.example", "richlowe@local.example", "afair@local.example"]);
    site.add_accounts(&["afair@second.example"]);
    site.add_alias("staff@local.example", &["friend@local.example", "afair@local.example"]);
    site.add_alias("forwarded@local.example", &["away@elsewhere.example"]);
    site
}

fn serve() -> (Site, Server) {
    serve_with(&BTreeSet::new())
}

fn serve_with(settings: &BTreeSet<String>) -> (Site, Server) {
    let site = site(settings);
    let server = site.serve();
    (site, server)
}

fn dev() -> (Site, Server) {
    let site = Site::new();
    let server = site.dev();
    (site, server)
}

#[test]
fn what_people_typed_for_decades_works_with_serve_as_it_comes() {
    play(&typed_by_people(), || {
        let site = Site::local_example("");
        let server = site.serve();
        (site, server)
    });
}

#[test]
fn what_people_typed_for_decades_works_with_dev() {
    play(&typed_by_people(), dev);
}

#[test]
fn our_transcripts_are_what_serve_says() {
    let mut transcripts = ours();
    transcripts.retain(|transcript| transcript.settings.is_empty());
    play(&transcripts, serve);
}

#[test]
fn our_transcripts_with_settings_are_what_serve_says_with_them() {
    let mut groups: BTreeMap<_, Vec<Transcript>> = BTreeMap::new();
    for transcript in ours() {
        groups.entry(transcript.settings.clone()).or_default().push(transcript);
    }
    groups.remove(&BTreeSet::new());
    for (settings, transcripts) in groups {
        println!("{settings:?}");
        play(&transcripts, || serve_with(&settings));
    }
}

#[test]
fn our_transcripts_are_what_dev_says() {
    let mut transcripts = ours();
    transcripts.retain(|transcript| {
        let listens = transcript.listener == Listener::Smtp && transcript.settings.is_empty();
        listens && transcript.serve_only.is_none()
    });
    play(&transcripts, dev);
}

/// Types every session of `typed_by_people` into what `open` starts, a Return after each line.
fn at(open: impl Fn(&Server) -> Terminal) {
    let site = Site::local_example("");
    let server = site.serve();
    for transcript in typed_by_people() {
        let mut terminal = open(&server);
        for turn in &transcript.turns {
            match turn {
                Turn::Client(line) => {
                    terminal.types(std::str::from_utf8(line).unwrap().trim_end_matches("\r\n"));
                }
                Turn::Server(starts) => _ = terminal.reads(starts),
                other => panic!("{}: {other:?} cannot be typed", transcript.name),
            }
        }
    }
    assert!(server.stop().success());
}

fn command(program: PathBuf, arguments: &[&str], server: &Server) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(server.address().ip().to_string()).arg(server.address().port().to_string());
    command
}

#[test]
fn they_work_at_a_telnet() {
    if let Some(telnet) = tool("telnet") {
        at(|server| Terminal::pty(command(telnet.clone(), &[], server)));
    }
}

#[test]
fn they_work_at_an_nc_that_is_told_to_send_crlf() {
    if let Some(nc) = tool("nc") {
        at(|server| Terminal::piped(command(nc.clone(), &["-C"], server)));
    }
}

#[test]
fn whoever_types_at_a_plain_nc_is_told_what_is_wrong() {
    let Some(nc) = tool("nc") else { return };
    let (site, server) = dev();
    let mut terminal = Terminal::piped(command(nc, &[], &server));
    let reads = |terminal: &mut Terminal, start: &str| terminal.reads(&[start.to_owned()]);
    reads(&mut terminal, "220");
    for (line, reply) in [
        ("HELO client.example", "250"),
        ("MAIL FROM:<a@client.example>", "250"),
        ("RCPT TO:<friend@local.example>", "250"),
        ("DATA", "354"),
    ] {
        terminal.types(line);
        reads(&mut terminal, reply);
    }
    for line in ["Subject: x", "", "hello", "."] {
        terminal.types(line);
    }
    assert!(reads(&mut terminal, "521 5.5.2").contains("nc -C"));
    terminal.ends();
    assert!(server.stop().success());
    assert_eq!(site.files_in_mailboxes(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_not_a_message_leaves_nothing_in_a_mailbox() {
    const NONE: [&str; 9] = [
        "bare-lf-dot.smtp",
        "bare-lf-in-content.smtp",
        "browser.smtp",
        "cut-off-in-content.smtp",
        "injected-cr.smtp",
        "nul-in-content.smtp",
        "smuggle-cr-dot-cr.smtp",
        "smuggle-crlf-dot-lf.smtp",
        "smuggle-lf-dot-crlf.smtp",
    ];
    let transcripts = ours();
    for (site, server) in [serve(), dev()] {
        for name in NONE {
            transcripts.iter().find(|transcript| transcript.name == name).unwrap().play(&server);
        }
        assert!(server.stop().success());
        assert_eq!(site.files_in_mailboxes(), Vec::<PathBuf>::new());
    }
}

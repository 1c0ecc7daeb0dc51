//! Sessions as people typed them and as our transcripts have them, against the running binary: key by key over
//! a socket, at a telnet, at an nc.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::binary::root;
use postrider_tests::process::Server;
use postrider_tests::site::Site;
use postrider_tests::terminal::Terminal;
use postrider_tests::tools::{left_out, tool};
use postrider_tests::transcript::{Transcript, Turn, read_folder};
use std::path::PathBuf;
use std::process::Command;

/// What a server needs to be told to be the one of the transcripts.
const LIMITS: &str = "[limits]\nrecipients = 3\nmessage_size = \"100000B\"\n";

/// Transcripts for the engine alone: deadlines of five minutes, and senders that only a policy of tests refuses.
const ENGINE_ONLY: [&str; 5] = [
    "cut-off.smtp",
    "timeout.smtp",
    "timeout-in-content.smtp",
    "refusals.smtp",
    "refused-mail-pipelined.smtp",
];

/// Transcripts in which something is refused that `dev` takes: unknown recipients, large messages, LMTP.
const NOT_DEV: [&str; 10] = [
    "bdat-lmtp.smtp",
    "bdat-refused.smtp",
    "bdat-too-large.smtp",
    "smtputf8.smtp",
    "lmtp.smtp",
    "lmtp-refused-content.smtp",
    "pipelined.smtp",
    "size-declared.smtp",
    "size-undeclared.smtp",
    "too-many-recipients.smtp",
];

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

fn ours() -> Vec<Transcript> {
    let mut transcripts = read_folder(&root().join("tests/dialogue"));
    for name in ENGINE_ONLY.iter().chain(&NOT_DEV) {
        assert!(
            transcripts.iter().any(|transcript| transcript.name == *name),
            "{name} is not there any more"
        );
    }
    transcripts.retain(|transcript| !transcript.engine_only);
    assert!(transcripts.len() >= 25, "only {} transcripts", transcripts.len());
    transcripts
}

/// Plays all of them; those that stop the server have one of their own.
fn play(transcripts: &[Transcript], start: impl Fn() -> (Site, Server)) {
    let (_site, shared) = start();
    for transcript in transcripts {
        if transcript.turns.contains(&Turn::Stop) {
            let (_site, mut server) = start();
            transcript.play(&server);
            assert!(server.ended().success(), "{}", transcript.name);
        } else {
            transcript.play(&shared);
        }
    }
    assert!(shared.stop().success());
    println!("{} transcripts played", transcripts.len());
}

fn serve() -> (Site, Server) {
    let site = Site::local_example(LIMITS);
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
    transcripts.retain(|transcript| !ENGINE_ONLY.contains(&transcript.name.as_str()));
    play(&transcripts, serve);
}

#[test]
fn our_transcripts_are_what_dev_says() {
    let mut transcripts = ours();
    let left_out = |name: &str| ENGINE_ONLY.contains(&name) || NOT_DEV.contains(&name);
    transcripts.retain(|transcript| !left_out(&transcript.name));
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

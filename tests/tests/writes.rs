//! Every pipelined batch is answered in one write: counted by strace.
//!
//! While the directory is asked, replies wait for company, but not for long: the server promises each reply
//! within 5 ms of machinery that is slow. So on a machine that is busy a batch may be answered in two writes, and
//! then the first of them must have waited that long.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are tests too")]

use postrider_tests::client::Client;
use postrider_tests::process::Server;
use postrider_tests::site::Site;
use postrider_tests::tools::tool;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Batches of an envelope, and as many of content.
const MESSAGES: usize = 50;

/// How long replies wait for the directory before they are sent without the rest, in seconds.
const LINGER_S: f64 = 0.005;

/// Calls that send on a socket, and calls that receive.
const SENDS: [&str; 5] = ["write(", "writev(", "sendto(", "sendmsg(", "sendfile("];
const RECEIVES: [&str; 4] = ["read(", "readv(", "recvfrom(", "recvmsg("];

/// The server command under strace, which steps aside so that the server's process is ours to signal.
fn traced(strace: &Path, command: &Command, trace: &Path) -> Command {
    let mut traced = Command::new(strace);
    traced
        .args(["-D", "-f", "--seccomp-bpf", "-ttt", "-yy", "-s", "16", "-e"])
        .arg("trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,sendfile");
    traced.arg("-o").arg(trace).arg(command.get_program()).args(command.get_args());
    traced
}

/// A call on the connection that did something.
struct Call {
    /// When it began, in seconds.
    at: f64,
    sends: bool,
}

/// The calls on the connection of `port`, in order.
fn calls(trace: &str, port: u16) -> Vec<Call> {
    let call = |line: &str| {
        // PROCESS TIME NAME(DESCRIPTOR<TCP:[OURS->THEIRS]>, …
        let (time, call) = line.split_once(' ')?.1.trim_start().split_once(' ')?;
        let sends = SENDS.iter().any(|name| call.starts_with(name));
        let ours = call.contains(&format!(":{port}]>")) && !call.contains("EAGAIN");
        let counts = ours && (sends || RECEIVES.iter().any(|name| call.starts_with(name)));
        counts.then(|| Call { at: time.parse().unwrap(), sends })
    };
    trace.lines().filter_map(call).collect()
}

fn a_batch_is_a_write(site: &Site, command: &Command, slow_directory: bool) {
    let Some(strace) = tool("strace") else { return };
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let server = Server::start(traced(&strace, command, &trace));
    let mut client = Client::greeted(server.address());
    let port = client.stream().local_addr().unwrap().port();
    let recipients = ["friend", "richlowe", "afair", "staff", "postmaster"];
    let named = recipients.map(|user| format!("RCPT TO:<{user}@local.example>\r\n")).concat();
    let envelope = format!("MAIL FROM:<sender@client.example>\r\n{named}DATA\r\n");
    for _ in 0..MESSAGES {
        client.send(envelope.as_bytes());
        for code in ["250", "250", "250", "250", "250", "250", "354"] {
            client.hears(code);
        }
        client.send(b"Subject: x\r\n\r\nhello\r\n.\r\n");
        client.hears("250");
    }
    client.says("QUIT", "221");
    client.hears_the_end();
    site.delivered("richlowe@local.example", MESSAGES);
    assert!(server.stop().success());
    let trace = fs::read_to_string(&trace).unwrap();
    let calls = calls(&trace, port);
    let writes = calls.iter().filter(|call| call.sends).count();
    let reads = calls.len() - writes;
    // A write after a write, with nothing read between them, answers a batch a second time.
    let second: Vec<&[Call]> = calls.windows(3).filter(|three| three[1].sends && three[2].sends).collect();
    let excused =
        second.iter().filter(|three| slow_directory && three[1].at - three[0].at >= LINGER_S).count();
    // Beside the batches: the greeting, EHLO, QUIT; and the read that saw the end.
    let batches = 2 * MESSAGES + 3;
    println!("{batches} batches and lines: {writes} writes ({excused} for a slow directory), {reads} reads");
    assert_eq!(writes - excused, batches);
    // A batch may come in two segments, and a read may find nothing.
    assert!(reads < 2 * batches, "{reads} reads");
}

#[test]
fn dev_answers_a_batch_in_one_write() {
    let site = Site::new();
    a_batch_is_a_write(&site, &site.dev_command(), false);
}

#[test]
fn serve_answers_a_batch_in_one_write_though_it_asks_the_directory() {
    let site = Site::local_example("");
    a_batch_is_a_write(&site, &site.serve_command(), true);
}

//! Outputs that nobody reads from: the server goes on, and ends when it is told to.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, ErrorKind, PipeWriter, Read, Write, pipe};
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// When a server that should end counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills a pipe to the last octet; who writes to it then waits.
fn fill(mut writer: &PipeWriter) {
    let flags = fcntl_getfl(writer).unwrap();
    fcntl_setfl(writer, flags | OFlags::NONBLOCK).unwrap();
    for size in [4096, 1] {
        while let Ok(written) = writer.write(&vec![b'\n'; size]) {
            assert!(written > 0);
        }
    }
    assert_eq!(writer.write(b"\n").unwrap_err().kind(), ErrorKind::WouldBlock);
    fcntl_setfl(writer, flags).unwrap();
}

#[test]
fn a_terminal_that_is_not_read_from_stops_neither_the_sessions_nor_the_end() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = pipe().unwrap();
    let mut dev = Command::new(env!("CARGO_BIN_EXE_postrider"))
        .args(["dev", "--listen", "127.0.0.1:0", "--log-level", "trace", "--data"])
        .arg(home.path().join("data"))
        .stdout(writer.try_clone().unwrap())
        .stderr(writer.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(reader);
    let (mut line, mut address) = (String::new(), String::new());
    while !line.contains("Ctrl-C") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0);
        if let Some(listening) = line.trim().strip_prefix("listening ") {
            address = listening.trim().into();
        }
    }
    fill(&writer);

    for _ in 0..3 {
        let mut client = TcpStream::connect(&address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"EHLO me.example\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert!(said.contains("\r\n221 "), "{said}");
    }
    let pid = Pid::from_child(&dev);
    kill_process(pid, Signal::TERM).unwrap();
    let (ended, end) = channel();
    thread::Builder::new().spawn(move || ended.send(dev.wait().unwrap())).unwrap();
    let Ok(status) = end.recv_timeout(PATIENCE) else {
        kill_process(pid, Signal::KILL).unwrap();
        unreachable!("the server does not end");
    };
    assert!(status.success());
}

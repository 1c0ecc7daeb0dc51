//! Other ends for the real binary: a host that plays a script, and `postrider dev` of the same build.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy frees test functions, not their helpers"
)]
#![allow(dead_code, reason = "not every test binary needs both ends")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// How long a peer waits for the binary before the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a command ended, and what the peer has heard.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Everything read by the `content` steps of the script, dots unstuffed.
    pub(crate) content: Vec<u8>,
}

impl Ran {
    fn new(output: Output, content: Vec<u8>) -> Self {
        Self {
            code: output.status.code().expect("the command ends by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            content,
        }
    }

    /// Both outputs, for the message of an assertion.
    pub(crate) fn said(&self) -> String {
        format!("exit {}\n{}{}", self.code, self.stdout, self.stderr)
    }
}

/// `postrider ARGUMENTS`, with this on standard input.
pub(crate) fn run(arguments: &[&str], input: &[u8]) -> Ran {
    Ran::new(output(arguments, input), Vec::new())
}

/// The same, against a host that plays `script`. `{}` in the arguments stands for its address.
pub(crate) fn against(script: &str, arguments: &[&str], input: &[u8]) -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let arguments: Vec<String> =
        arguments.iter().map(|word| word.replace("{}", &address.to_string())).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    thread::scope(|scope| {
        let peer = scope.spawn(|| play(&listener.accept().unwrap().0, script));
        let output = output(&arguments, input);
        // Wakes a peer that nobody came to.
        drop(TcpStream::connect(address));
        let content = match peer.join() {
            Ok(content) => content,
            Err(_) => panic!("{}", Ran::new(output, Vec::new()).said()),
        };
        Ran::new(output, content)
    })
}

fn output(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postrider"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A command need not read its input.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// Plays a script, a step per line: `S: text` says a line, `C: line` hears exactly this line, `alone: line`
/// the same with nothing sent behind it, `content` reads a message up to its dot, `drip: text` says a line
/// octet by octet, `raw: octets` says escaped octets, `end of input` hears the other
/// side hang up, `close` hangs up. At the end it listens until the
/// other side goes.
pub(crate) fn play(stream: &TcpStream, script: &str) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    let mut content = Vec::new();
    for step in script.lines().map(str::trim).filter(|step| !step.is_empty()) {
        let (what, text) = step.split_once(": ").unwrap_or((step, ""));
        match what {
            "S" => say(stream, format!("{text}\r\n").as_bytes()),
            "raw" => say(
                stream,
                text.replace("\\e", "\x1b").replace("\\0", "\0").replace("\\n", "\r\n").as_bytes(),
            ),
            "drip" => format!("{text}\r\n").as_bytes().chunks(1).for_each(|octet| say(stream, octet)),
            "C" => assert_eq!(line(&mut reader), text, "in\n{script}"),
            "alone" => {
                assert_eq!(line(&mut reader), text, "in\n{script}");
                assert!(reader.buffer().is_empty(), "{:?}", reader.buffer().escape_ascii().to_string());
            }
            "content" => read_content(&mut reader, &mut content),
            "end of input" => assert_eq!(reader.read_until(b'\n', &mut Vec::new()).unwrap(), 0),
            "close" => return content,
            _ => panic!("no such step: {step}"),
        }
    }
    // What the other side still says does not matter, nor how it goes.
    let _ = reader.read_to_end(&mut Vec::new());
    content
}

/// The other side may be gone: what it has said tells more.
fn say(mut stream: &TcpStream, octets: &[u8]) {
    let _ = stream.write_all(octets);
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    line.strip_suffix("\r\n").map_or_else(|| format!("(no line: {line:?})"), str::to_owned)
}

fn read_content(reader: &mut impl BufRead, content: &mut Vec<u8>) {
    loop {
        let mut line = Vec::new();
        assert!(reader.read_until(b'\n', &mut line).unwrap() > 0, "the content has no end");
        match line.as_slice() {
            b".\r\n" => return,
            [b'.', rest @ ..] => content.extend_from_slice(rest),
            line => content.extend_from_slice(line),
        }
    }
}

/// A running `postrider dev`, killed when dropped.
pub(crate) struct Dev {
    child: Child,
    shown: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
    pub(crate) address: String,
}

impl Dev {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let shown = BufReader::new(child.stdout.take().unwrap());
        let mut dev = Self { child, shown, folder, address: String::new() };
        let listening = dev.next_line(|line| line.trim_start().starts_with("listening"));
        dev.address = listening.split_whitespace().last().unwrap().parse::<SocketAddr>().unwrap().to_string();
        dev
    }

    /// A message as it lies in the Maildir of `mailbox`, once the server says that it delivered one: below
    /// the trace fields, with CRLF.
    pub(crate) fn delivered(&mut self, mailbox: &str) -> Vec<u8> {
        let start = format!("<{mailbox}> delivered to");
        self.next_line(|line| line.contains(&start));
        let file = newest(&self.folder.path().join("data/mail").join(mailbox).join("new"));
        let stored = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        let mut lines = stored.split_inclusive('\n').peekable();
        for field in ["Return-Path:", "Delivered-To:", "Received:"] {
            assert!(lines.next().unwrap().starts_with(field), "{stored}");
        }
        while lines.peek().is_some_and(|line| line.starts_with(['\t', ' '])) {
            lines.next();
        }
        lines.collect::<String>().replace('\n', "\r\n").into_bytes()
    }

    fn next_line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let mut line = String::new();
            assert!(self.shown.read_line(&mut line).unwrap() > 0, "the server ended");
            if wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn newest(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.max_by_key(|path| path.file_name().unwrap().to_owned()).expect("a message was delivered")
}

//! Transcripts (`tests/dialogue/README.md`), read and played against a running server.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::client::Client;
use crate::process::Server;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// A session as it must go.
pub struct Transcript {
    /// The name of its file.
    pub name: String,
    /// What the server's configuration says besides; the tests know what stands for it.
    pub settings: BTreeSet<String>,
    /// On which listener.
    pub listener: Listener,
    /// What is sent stands in one write, for that is what it is about.
    pub at_once: bool,
    /// Why only the engine can play it.
    pub engine_only: Option<String>,
    /// Why `dev` cannot play it.
    pub serve_only: Option<String>,
    /// What happens, in order.
    pub turns: Vec<Turn>,
}

/// The listeners of the server that plays, in the order of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// For SMTP.
    Smtp,
    /// For LMTP.
    Lmtp,
    /// For nobody.
    Closed,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The client sends these octets.
    Client(Vec<u8>),
    /// The server gives one reply, whose last line starts with one of these.
    Server(Vec<String>),
    /// A line of the next reply starts so, behind its codes.
    Present(String),
    /// None does.
    Absent(String),
    /// The server has ended the session.
    Closed,
    /// The client closes its side.
    EndOfInput,
    /// Nothing comes until the deadline.
    Timeout,
    /// The server is asked to stop.
    Stop,
}

/// The transcripts of a folder, by name.
#[track_caller]
pub fn read_folder(folder: &Path) -> Vec<Transcript> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "smtp"));
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        parse(name, &fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

fn parse(name: String, text: &str) -> Transcript {
    let mut transcript = Transcript {
        name,
        settings: BTreeSet::new(),
        listener: Listener::Smtp,
        at_once: false,
        engine_only: None,
        serve_only: None,
        turns: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let turn = match line.split_at_checked(2) {
            Some(("! ", directive)) => match transcript.directive(directive) {
                Some(turn) => turn,
                None => continue,
            },
            Some(("C:", said)) => Turn::Client(format!("{}\r\n", without_space(said)).into_bytes()),
            Some(("C!", raw)) => Turn::Client(unescape(without_space(raw))),
            Some(("S:", reply)) => {
                Turn::Server(reply.split('|').map(|start| start.trim().to_owned()).collect())
            }
            Some(("S+", text)) => Turn::Present(text.trim().to_owned()),
            Some(("S-", text)) => Turn::Absent(text.trim().to_owned()),
            _ => panic!("{}: what is {line:?}?", transcript.name),
        };
        transcript.turns.push(turn);
    }
    transcript
}

fn without_space(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

/// `\r`, `\n`, `\0`, `\xHH`, `\\`, and `{N:x}` for N times x.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((repeated, behind)) = repetition(rest) {
            octets.extend(repeated);
            rest = behind;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            octets.extend_from_slice(c.to_string().as_bytes());
            continue;
        }
        let (escape, behind) = rest.split_at(1);
        rest = behind;
        octets.push(match escape {
            "r" => b'\r',
            "n" => b'\n',
            "0" => 0,
            "x" => {
                let (digits, behind) = rest.split_at(2);
                rest = behind;
                u8::from_str_radix(digits, 16).unwrap()
            }
            other => other.as_bytes()[0],
        });
    }
    octets
}

fn repetition(text: &str) -> Option<(Vec<u8>, &str)> {
    let (inner, behind) = text.strip_prefix('{')?.split_once('}')?;
    let (count, what) = inner.split_once(':')?;
    Some((unescape(what).repeat(count.parse().ok()?), behind))
}

impl Transcript {
    /// What happens by a directive; a setting is noted.
    fn directive(&mut self, directive: &str) -> Option<Turn> {
        let (word, why) = directive.split_once(": ").unwrap_or((directive, ""));
        match word {
            "closed" => return Some(Turn::Closed),
            "end of input" => return Some(Turn::EndOfInput),
            "timeout" => return Some(Turn::Timeout),
            // The engine alone is cut off; transcripts that do so are not played against the binary.
            "stop" | "cut off" => return Some(Turn::Stop),
            "lmtp" => self.listener = Listener::Lmtp,
            "closed listener" => self.listener = Listener::Closed,
            "at once" => self.at_once = true,
            "engine only" => self.engine_only = Some(why.to_owned()),
            "serve only" => self.serve_only = Some(why.to_owned()),
            // What the engine handed on: its driver looks at it. And what it has no driver for.
            _ if word.starts_with("filed ") || word == "binary only" => {}
            _ => _ = self.settings.insert(directive.to_owned()),
        }
        None
    }

    /// Plays it as a person types it: every octet a segment of its own, every reply waited for. Nothing may be
    /// said that is not in it.
    #[track_caller]
    pub fn play(&self, server: &Server) {
        let mut client = Client::connect(server.addresses()[self.listener as usize]);
        let mut finished = false;
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for turn in &self.turns {
            match turn {
                Turn::Client(octets) => self.send(&mut client, octets),
                Turn::Server(starts) => {
                    let lines = self.hear(&mut client, starts);
                    self.look(&lines, &std::mem::take(&mut present), &std::mem::take(&mut absent));
                }
                Turn::Present(text) => present.push(text.as_str()),
                Turn::Absent(text) => absent.push(text.as_str()),
                Turn::EndOfInput => {
                    client.finish();
                    finished = true;
                }
                Turn::Closed => {
                    finished = true;
                    self.end(&mut client);
                }
                Turn::Stop => server.signal(Signal::TERM),
                Turn::Timeout => panic!("{}: nobody waits five minutes here", self.name),
            }
        }
        if !finished {
            client.finish();
            self.end(&mut client);
        }
    }

    #[track_caller]
    fn send(&self, client: &mut Client, octets: &[u8]) {
        let sent = if self.at_once { client.write(octets) } else { client.type_out(octets) };
        match sent {
            Ok(()) => {}
            // The server has had enough: what it said is heard next.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    #[track_caller]
    fn hear(&self, client: &mut Client, starts: &[String]) -> Vec<String> {
        let lines = match client.reply_lines() {
            Ok(lines) if !lines.is_empty() => lines,
            other => panic!("{}: {other:?} where {starts:?} is due", self.name),
        };
        let reply = &lines[lines.len() - 1];
        // The engine's tests count their ids; ours come from a clock.
        let due = starts.iter().any(|start| reply.starts_with(start.trim_end_matches("id1")));
        assert!(due, "{}: {reply:?} where {starts:?} is due", self.name);
        assert!(reply.len() > 8, "{}: a reply without a sentence: {reply:?}", self.name);
        lines
    }

    #[track_caller]
    fn look(&self, lines: &[String], present: &[&str], absent: &[&str]) {
        let says = |text: &str| lines.iter().any(|line| words(line).starts_with(text));
        for text in present {
            assert!(says(text), "{}: no line {text:?} in {lines:?}", self.name);
        }
        for text in absent {
            assert!(!says(text), "{}: a line {text:?} in {lines:?}", self.name);
        }
    }

    #[track_caller]
    fn end(&self, client: &mut Client) {
        match client.reply() {
            Ok(None) => {}
            other => panic!("{}: {other:?} where the end is due", self.name),
        }
    }
}

/// A reply line without its codes.
fn words(line: &str) -> &str {
    let text = line.get(4..).unwrap_or_default();
    let is_enhanced =
        |code: &str| code.contains('.') && code.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    match text.split_once(' ') {
        Some((code, words)) if is_enhanced(code) => words,
        _ => text,
    }
}

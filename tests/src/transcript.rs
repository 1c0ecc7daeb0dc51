//! Transcripts (`tests/dialogue/README.md`), read and played against a running server.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::client::Client;
use crate::process::Server;
use rustix::process::Signal;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// A session as it must go.
pub struct Transcript {
    /// The name of its file.
    pub name: String,
    /// Whether the listener speaks LMTP.
    pub lmtp: bool,
    /// Whether it needs a server that only the engine's own driver has.
    pub engine_only: bool,
    /// What happens, in order.
    pub turns: Vec<Turn>,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The client sends these octets.
    Client(Vec<u8>),
    /// The server gives one reply, whose last line starts with one of these.
    Server(Vec<String>),
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
    let mut transcript = Transcript { name, lmtp: false, engine_only: false, turns: Vec::new() };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let turn = match line {
            "! lmtp" => {
                transcript.lmtp = true;
                continue;
            }
            "! closed" => Turn::Closed,
            "! end of input" => Turn::EndOfInput,
            "! timeout" => Turn::Timeout,
            // The engine alone is cut off; transcripts that do so are not played against the binary.
            "! stop" | "! cut off" => Turn::Stop,
            // What the engine handed on: its driver looks at it.
            _ if line.starts_with("! filed ") => continue,
            // A setting; the engine's driver knows which there are.
            _ if line.starts_with("! ") => {
                transcript.engine_only = true;
                continue;
            }
            "C:" => Turn::Client(b"\r\n".to_vec()),
            _ => match line.split_at_checked(3) {
                Some(("C: ", said)) => Turn::Client(format!("{said}\r\n").into_bytes()),
                Some(("C! ", raw)) => Turn::Client(unescape(raw)),
                Some(("S: ", reply)) => {
                    Turn::Server(reply.split('|').map(|start| start.trim().to_owned()).collect())
                }
                _ => panic!("{}: what is {line:?}?", transcript.name),
            },
        };
        transcript.turns.push(turn);
    }
    transcript
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
    /// Plays it as a person types it: every octet a segment of its own, every reply waited for. Nothing may be
    /// said that is not in it.
    #[track_caller]
    pub fn play(&self, server: &Server) {
        let mut client = Client::connect(server.addresses()[usize::from(self.lmtp)]);
        let mut finished = false;
        for turn in &self.turns {
            match turn {
                Turn::Client(octets) => match client.type_out(octets) {
                    Ok(()) => {}
                    // The server has had enough: what it said is heard below.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
                    Err(error) => panic!("{}: {error}", self.name),
                },
                Turn::Server(starts) => self.hear(&mut client, starts),
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
    fn hear(&self, client: &mut Client, starts: &[String]) {
        let reply = match client.reply() {
            Ok(Some(reply)) => reply,
            other => panic!("{}: {other:?} where {starts:?} is due", self.name),
        };
        // The engine's tests count their ids; ours come from a clock.
        let due = starts.iter().any(|start| reply.starts_with(start.trim_end_matches("id1")));
        assert!(due, "{}: {reply:?} where {starts:?} is due", self.name);
        assert!(reply.len() > 8, "{}: a reply without a sentence: {reply:?}", self.name);
    }

    #[track_caller]
    fn end(&self, client: &mut Client) {
        match client.reply() {
            Ok(None) => {}
            other => panic!("{}: {other:?} where the end is due", self.name),
        }
    }
}

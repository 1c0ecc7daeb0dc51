//! One connection of a scripted server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Fault, Script, Seen, Shared, Step, rude};
use crate::limits::PATIENCE;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// One connection.
pub(super) struct Talk<'s> {
    shared: &'s Shared,
    input: BufReader<TcpStream>,
    output: Vec<u8>,
    mail: String,
    recipients: Vec<String>,
}

/// The connection is to end.
fn over<T>() -> io::Result<T> {
    Err(ErrorKind::ConnectionAborted.into())
}

impl<'s> Talk<'s> {
    pub(super) fn begin(shared: &'s Shared, stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE * 10))?;
        let input = BufReader::with_capacity(64 * 1024, stream);
        let mut talk =
            Self { shared, input, output: Vec::new(), mail: String::new(), recipients: Vec::new() };
        talk.reply(Step::Greeting, "220 peer.example ESMTP")?;
        Ok(talk)
    }

    pub(super) fn go_on(mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" | "LHLO" => self.hello()?,
                "MAIL" => {
                    if self.reply(Step::Mail, "250 2.1.0 ok")? {
                        self.mail = behind_colon(&line);
                        self.recipients.clear();
                    }
                }
                "RCPT" => {
                    let step = if self.recipients.is_empty() { Step::FirstRcpt } else { Step::LaterRcpt };
                    if self.reply(step, "250 2.1.5 ok")? {
                        self.recipients.push(behind_colon(&line));
                    }
                }
                "DATA" if self.recipients.is_empty() => self.say("503 5.5.1 no recipients")?,
                "DATA" => {
                    if self.reply(Step::Data, "354 go on")? {
                        self.content()?;
                    }
                }
                "RSET" => {
                    self.recipients.clear();
                    self.say("250 2.0.0 ok")?;
                }
                "NOOP" => self.say("250 2.0.0 ok")?,
                "QUIT" => {
                    self.reply(Step::Quit, "221 2.0.0 bye")?;
                    return self.flush();
                }
                _ => self.say("500 5.5.2 what?")?,
            }
        }
    }

    fn hello(&mut self) -> io::Result<()> {
        let mut lines = String::new();
        let offers = self.shared.script.lock().unwrap().offers.clone();
        for (number, line) in ["peer.example"].iter().chain(&offers).enumerate() {
            let last = number == offers.len();
            lines.push_str(&format!("250{}{line}\r\n", if last { ' ' } else { '-' }));
        }
        self.reply(Step::Ehlo, lines.trim_end()).map(drop)
    }

    fn content(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(fault) = self.shared.fault_at(Step::Content) {
            // Some of it has come by then.
            self.line()?;
            self.commit(fault)?;
        }
        let Script { keeps, thinks, .. } = self.shared.script.lock().unwrap().clone();
        let mut content = Vec::new();
        loop {
            let line = self.line()?;
            if line == b".\r\n" {
                break;
            }
            if keeps {
                content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
        let seen = Seen {
            mail: std::mem::take(&mut self.mail),
            recipients: std::mem::take(&mut self.recipients),
            content,
            accepted: false,
            at: Instant::now(),
        };
        think(thinks);
        let place = {
            let mut all = self.shared.seen.lock().unwrap();
            all.push(seen);
            all.len() - 1
        };
        if self.reply(Step::Dot, "250 2.0.0 taken")? {
            // Said is said, whether or not it is heard.
            self.shared.seen.lock().unwrap()[place].accepted = true;
        }
        Ok(())
    }

    /// Says what is due, or fails. Whether it said what is due.
    fn reply(&mut self, step: Step, due: &str) -> io::Result<bool> {
        match self.shared.fault_at(step) {
            Some(fault) => self.commit(fault).map(|()| false),
            None => self.say(due).map(|()| true),
        }
    }

    fn commit(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Close => {
                self.flush()?;
                over()
            }
            Fault::Says(line) => {
                self.say(line)?;
                if line.starts_with("421") {
                    self.flush()?;
                    return over();
                }
                Ok(())
            }
            Fault::Mutters(octets) => {
                self.output.extend_from_slice(octets.as_bytes());
                self.flush()?;
                over()
            }
            Fault::Silence => {
                self.flush()?;
                io::copy(&mut self.input, &mut io::sink())?;
                over()
            }
            rude => {
                self.flush()?;
                rude::behave(self.input.get_mut(), rude, &self.shared.over)?;
                over()
            }
        }
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        // Replies to what came in one segment leave in one.
        if self.input.buffer().is_empty() { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let output = std::mem::take(&mut self.output);
        self.input.get_mut().write_all(&output)
    }

    /// The next line, with its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        if self.input.buffer().is_empty() {
            self.flush()?;
        }
        let mut line = Vec::new();
        loop {
            if self.input.by_ref().take(1 << 20).read_until(b'\n', &mut line)? == 0 {
                return over();
            }
            if line.ends_with(b"\r\n") {
                return Ok(line);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "other hosts are further away than those of a test")]
fn think(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}

fn behind_colon(line: &str) -> String {
    line.split_once(':').map_or("", |(_, path)| path).trim().to_owned()
}

//! A person at a program: what is typed goes to it, what it prints is looked through for SMTP replies.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::wait::until;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A program that someone types into.
pub struct Terminal {
    child: Child,
    /// Dropped, it ends the program's input.
    keyboard: Option<Box<dyn Write>>,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the screen was read.
    read: usize,
    line_end: &'static [u8],
}

impl Terminal {
    /// The program at a terminal (a pty), which echoes what is typed and turns Return into what it likes.
    pub fn pty(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        // It must not become the terminal of the tests: a hang-up there would end them.
        let no_terminal_of_ours = OFlags::NOCTTY.bits().cast_signed();
        let theirs = || {
            OpenOptions::new().read(true).write(true).custom_flags(no_terminal_of_ours).open(&name).unwrap()
        };
        command.stdin(theirs()).stdout(theirs()).stderr(theirs());
        let child = command.spawn().unwrap();
        drop(command);
        let ours = File::from(ours);
        Self::new(child, Box::new(ours.try_clone().unwrap()), ours, b"\r")
    }

    /// The program between two pipes.
    pub fn piped(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (keyboard, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self::new(child, Box::new(keyboard), screen, b"\n")
    }

    fn new(
        child: Child,
        keyboard: Box<dyn Write>,
        mut output: impl Read + Send + 'static,
        line_end: &'static [u8],
    ) -> Self {
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        let watch = move || {
            let mut room = [0; 4096];
            // A pty whose other side is closed says EIO: the end, too.
            while let Ok(octets @ 1..) = output.read(&mut room) {
                shown.lock().unwrap().extend_from_slice(&room[..octets]);
            }
        };
        thread::Builder::new().name("screen".into()).spawn(watch).unwrap();
        Self { child, keyboard: Some(keyboard), screen, read: 0, line_end }
    }

    /// Types a line, key by key, and Return.
    pub fn types(&mut self, line: &str) {
        let Some(keyboard) = &mut self.keyboard else { panic!("nobody types any more") };
        for key in line.as_bytes().chunks(1).chain([self.line_end]) {
            // A program that has ended shows it on the screen.
            let _ = keyboard.write_all(key).and_then(|()| keyboard.flush());
        }
    }

    /// The next SMTP reply on the screen: its last line. What is no reply (echo, remarks of the program) is
    /// passed over.
    #[track_caller]
    pub fn reads(&mut self, starts: &[String]) -> String {
        let screen = Arc::clone(&self.screen);
        let reply = until(&format!("{starts:?} on the screen"), || {
            let shown = screen.lock().unwrap();
            while let Some(end) = shown[self.read..].iter().position(|&octet| octet == b'\n') {
                let line = String::from_utf8_lossy(&shown[self.read..self.read + end]).trim().to_owned();
                self.read += end + 1;
                if is_last_line_of_reply(&line) {
                    return Some(line);
                }
            }
            None
        });
        assert!(starts.iter().any(|start| reply.starts_with(start.as_str())), "{reply:?}, not {starts:?}");
        reply
    }

    /// Waits for the program's end.
    #[track_caller]
    pub fn ends(&mut self) {
        self.keyboard = None;
        until("the program ends", || self.child.try_wait().unwrap());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("on the screen:\n{}", String::from_utf8_lossy(&self.screen.lock().unwrap()));
        }
    }
}

fn is_last_line_of_reply(line: &str) -> bool {
    let line = line.as_bytes();
    line.len() > 3 && line[..3].iter().all(u8::is_ascii_digit) && line[3] == b' '
}

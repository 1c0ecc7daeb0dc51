//! A client that sends letters and takes any answer: on a failing disk, refusals and closed connections are right.

use super::letter::{self, Letter};
use super::limits::PATIENCE;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// Sends these letters in one session, and gives the ids of those that were accepted. Pipelined: MAIL, RCPT and DATA
/// in one write, the next letter's behind the end of this one's content.
///
/// # Errors
/// The connection broke or was closed before the end.
pub fn send(
    server: SocketAddr,
    letters: &[Letter],
    numbers: impl Iterator<Item = usize>,
    pipelined: bool,
) -> io::Result<Vec<String>> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut talk = Talk { stream: BufReader::new(stream) };
    talk.hear()?;
    talk.say("EHLO client.example\r\n")?;
    talk.hear()?;
    let mut accepted = Vec::new();
    for number in numbers {
        let letter = letters.get(number).ok_or_else(|| io::Error::other("no such letter"))?;
        accepted.extend(talk.letter(*letter, number, pipelined)?);
    }
    talk.say("QUIT\r\n")?;
    talk.hear()?;
    Ok(accepted)
}

/// The id in the reply that hands over responsibility.
pub fn acknowledged(line: &str) -> Option<String> {
    line.strip_prefix("250 ")?.split_once("queued as ").map(|(_, id)| id.to_owned())
}

struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    /// One transaction; the letter's id if it was accepted.
    fn letter(&mut self, letter: Letter, number: usize, pipelined: bool) -> io::Result<Option<String>> {
        let mut commands = vec![format!("MAIL FROM:<{}>\r\n", letter::sender(number))];
        let notify = if letter.is_curious { " NOTIFY=SUCCESS" } else { "" };
        let rcpt = |local: &&str| format!("RCPT TO:<{}>{notify}\r\n", letter::address(local));
        commands.extend(letter.to.iter().map(rcpt));
        commands.push("DATA\r\n".into());
        let mut last = String::new();
        if pipelined {
            self.say(&commands.concat())?;
        }
        for command in &commands {
            if !pipelined {
                self.say(command)?;
            }
            last = self.hear()?;
        }
        if !last.starts_with("354") {
            // The server wants none of it: what was begun is forgotten.
            self.say("RSET\r\n")?;
            self.hear()?;
            return Ok(None);
        }
        self.say(&(letter.content(number) + ".\r\n"))?;
        Ok(acknowledged(self.hear()?.trim_end()))
    }

    fn say(&mut self, octets: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(octets.as_bytes())
    }

    /// The last line of the next reply.
    fn hear(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }
}

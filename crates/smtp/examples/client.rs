//! A client over a plain socket: `cargo run --example client -- 127.0.0.1:2525 me@client.example you@local.example`
//! sends what stands on standard input to one recipient, and says what became of it.

use postrider_mail::Host;
use postrider_smtp::client::{Dialect, Event, Fate, Session, Transaction};
use postrider_smtp::{Dialogue, Line, Out};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Shows the conversation.
struct Shown;

impl Dialogue for Shown {
    fn line(&mut self, line: Line<'_>) {
        match line {
            Line::Command(line) => println!("C: {}", String::from_utf8_lossy(line)),
            Line::Content { octets } => println!("C: ({octets} octets of content)"),
            Line::Reply(line) => println!("S: {}", String::from_utf8_lossy(line)),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, from, to] = arguments.as_slice() else {
        return Err("give server, sender, recipient".into());
    };
    let mut content = Vec::new();
    io::stdin().read_to_end(&mut content)?;
    let transaction = Transaction::new(from.parse()?, [to.parse()?]);
    let name: Host = "client.example".parse()?;
    for fate in send(TcpStream::connect(server)?, name, transaction, &content)? {
        match fate {
            Fate::Accepted(reply) => println!("taken: {reply}"),
            other => println!("not taken: {other:?}"),
        }
    }
    Ok(())
}

/// One message over one connection. `content` has CRLF line ends; dots are stuffed by the engine.
pub(crate) fn send(
    mut stream: TcpStream,
    name: Host,
    message: Transaction,
    content: &[u8],
) -> io::Result<Vec<Fate>> {
    let mut session = Session::new(Dialect::Smtp, name, Instant::now());
    let (mut input, mut wire) = (Vec::new(), Vec::new());
    let (mut message, mut fates, mut event) = (Some(message), Vec::new(), Event::NeedInput);
    loop {
        let mut out = Out { now: Instant::now(), wire: &mut wire, dialogue: &mut Shown };
        event = match event {
            // Whatever was read is given to the session before it is told to begin anything.
            Event::NeedInput | Event::Ready(_) if !input.is_empty() => {
                let step = session.receive(&input, &mut out);
                input.drain(..step.consumed);
                step.event
            }
            Event::NeedInput => {
                stream.write_all(&std::mem::take(&mut wire))?;
                read(&mut stream, &mut session, &mut input)?
            }
            Event::Ready(idle) => match message.take() {
                Some(message) => session.begin(idle, message, &mut out),
                None => {
                    session.quit(idle, &mut out);
                    Event::NeedInput
                }
            },
            Event::SendContent(open) => {
                session.content(&open, content, &mut out);
                session.dot(&open, &mut out);
                // Only when the dot has left may the peer have the message.
                stream.write_all(&std::mem::take(&mut wire))?;
                let now = Instant::now();
                session.end_of_content(open, &mut Out { now, wire: &mut wire, dialogue: &mut Shown });
                Event::NeedInput
            }
            Event::Finished(outcome, idle) => {
                fates = outcome.fates;
                Event::Ready(idle)
            }
            Event::Failed(failure) => return Err(io::Error::other(failure.to_string())),
            Event::Closed => return Ok(fates),
        };
    }
}

/// Waits for octets, no longer than the session does.
fn read(stream: &mut TcpStream, session: &mut Session, input: &mut Vec<u8>) -> io::Result<Event> {
    let left = session.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
    stream.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))))?;
    let mut wire = Vec::new();
    let mut out = Out { now: Instant::now(), wire: &mut wire, dialogue: &mut Shown };
    let mut octets = [0; 4096];
    Ok(match stream.read(&mut octets) {
        Ok(0) => session.end_of_input(&mut out),
        Ok(read) => {
            input.extend_from_slice(&octets[..read]);
            Event::NeedInput
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            session.timed_out(&mut out)
        }
        Err(error) => return Err(error),
    })
}

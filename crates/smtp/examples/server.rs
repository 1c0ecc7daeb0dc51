//! A server over plain sockets, one thread for each client: `cargo run --example server -- 127.0.0.1:2525 .`
//!
//! It takes mail for `local.example`, writes each message to a file in the folder, syncs it, and only then says
//! 250. The engine does the talking; this file owns the socket, the clock and the decisions. It offers what
//! keeping a message is enough for; DSN and its like it could not honour, so it does not offer them.

use postrider_mail::{Code, Enhanced, Refusal};
use postrider_smtp::server::{Dialect, Event, Filed, Gate, Question, Session, Setup};
use postrider_smtp::{Out, Silent};
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listener = TcpListener::bind(arguments.next().unwrap_or("127.0.0.1:2525".into()))?;
    let folder = PathBuf::from(arguments.next().unwrap_or(".".into()));
    let setup = Arc::new(Setup::new("mx.local.example".parse()?, Dialect::Smtp));
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, setup, folder) = (stream?, Arc::clone(&setup), folder.clone());
        // A thread for each client is enough here; the library starts none.
        #[expect(clippy::disallowed_methods, reason = "a program decides about its own threads")]
        std::thread::spawn(move || match converse(stream, setup, &folder) {
            Ok(()) => println!("a client has gone"),
            Err(error) => println!("a client was lost: {error}"),
        });
    }
    Ok(())
}

/// Holds one conversation: what was read goes in, what is to be said comes out.
pub(crate) fn converse(mut stream: TcpStream, setup: Arc<Setup>, folder: &Path) -> io::Result<()> {
    let mut session: Session<String> = Session::new(setup, Instant::now());
    let (mut input, mut wire, mut message) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let mut out = Out { now: Instant::now(), wire: &mut wire, dialogue: &mut Silent };
        let step = session.receive(&input, &mut out);
        match step.event {
            Event::Ask(question) => answer(&mut session, question, &mut message, folder, &mut out),
            // The session takes no more than its setup allows.
            Event::Content(octets) => message.extend_from_slice(octets),
            Event::TransactionOver => message.clear(),
            Event::Closed => return stream.write_all(&wire),
            Event::NeedInput => {
                stream.write_all(&std::mem::take(&mut wire))?;
                input.drain(..step.consumed);
                read(&mut stream, &mut session, &mut input, &mut wire)?;
                continue;
            }
        }
        input.drain(..step.consumed);
    }
}

/// Waits for octets, no longer than the session does.
fn read(
    stream: &mut TcpStream,
    session: &mut Session<String>,
    input: &mut Vec<u8>,
    wire: &mut Vec<u8>,
) -> io::Result<()> {
    let left = session.deadline().saturating_duration_since(Instant::now());
    stream.set_read_timeout(Some(left.max(std::time::Duration::from_millis(1))))?;
    let mut octets = [0; 16 * 1024];
    match stream.read(&mut octets) {
        Ok(0) => session.end_of_input(),
        Ok(read) => input.extend_from_slice(&octets[..read]),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            session.timed_out(&mut Out { now: Instant::now(), wire, dialogue: &mut Silent });
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Decides. Each question comes with a token that its answer consumes.
fn answer(
    session: &mut Session<String>,
    question: Question,
    message: &mut Vec<u8>,
    folder: &Path,
    out: &mut Out<'_>,
) {
    let refusal = |code, detail, text: &str| Refusal::of(Code::of(code), Enhanced::of(5, 1, detail), text);
    match question {
        Question::Connect(asked) => session.answer(asked, Gate::Accept, out),
        Question::Hello(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Mail(asked, _) => session.answer(asked, Gate::Accept, out),
        Question::Rcpt(asked, rcpt) => {
            let ours = rcpt.forward_path.mailbox().is_none_or(|to| to.host().key() == "local.example");
            let no = || Gate::Refuse(refusal(550, 2, "only local.example is here"));
            session.answer(asked, if ours { Gate::Accept } else { no() }, out);
        }
        Question::Open(asked) => session.answer(asked, Gate::Accept, out),
        Question::Close(asked) => {
            let filed = match keep(&std::mem::take(message), folder) {
                Ok(name) => Filed::Queued(name),
                Err(error) => Filed::Refused(Refusal::of(
                    Code::of(451),
                    Enhanced::of(4, 3, 0),
                    format!("not written: {error}"),
                )),
            };
            session.answer(asked, filed, out);
        }
        Question::Verify(asked, _) => session.answer(asked, refusal(550, 1, "not told here").into(), out),
        Question::Expand(asked, _) => session.answer(asked, refusal(550, 1, "not told here").into(), out),
        Question::Turn(asked, _) => session.answer(asked, refusal(550, 1, "nothing waits here").into(), out),
        Question::Xclient(asked, _) => session.answer(asked, Gate::Refuse(refusal(550, 0, "not you")), out),
        Question::Xforward(asked, _) => session.answer(asked, Gate::Refuse(refusal(550, 0, "not you")), out),
    }
}

/// A 250 means that it is synced to disk.
fn keep(message: &[u8], folder: &Path) -> io::Result<String> {
    let name = format!("{}.eml", UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    let mut file = File::create_new(folder.join(&name))?;
    file.write_all(message)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(name)
}

//! One connection against hosts of several manners, over streams in memory.

use super::{Connection, Outgoing};
use crate::limits::QUIT_TIMEOUT;
use crate::peer::{Fault, Manner, Step};
use crate::trial::{REPLY_TIMEOUT, Trial};
use postrider_mail::ForwardPath;
use postrider_queue::Attempt;
use postrider_smtp::client::{Fate, Outcome, Transaction};
use postrider_smtp::command::{MailFrom, RcptTo};
use postrider_smtp::limits::REPLY_OCTETS_MAX;
use postrider_smtp::server::Dialect;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::Notify;
use tokio::time::Instant;

async fn send(trial: &mut Trial, connection: &mut Connection, attempt: &Attempt) -> Result<Outcome, String> {
    let message = &attempt.message;
    let transaction = Transaction {
        mail: MailFrom::new(message.reverse_path.clone()),
        recipients: attempt
            .recipients
            .iter()
            .map(|target| RcptTo::new(ForwardPath::Mailbox(target.address.clone())))
            .collect(),
    };
    let mut content = Outgoing::open(&trial.world, message, Vec::new()).await.unwrap();
    let sent = connection.send(transaction, &mut content, &mut trial.story).await;
    sent.map_err(|broken| match broken {
        super::Broken::Session(failure) => failure.to_string(),
        super::Broken::Content(error) => error.to_string(),
    })
}

fn is_accepted(outcome: &Outcome) -> bool {
    outcome.fates.iter().all(|fate| matches!(fate, Fate::Accepted(_)))
}

#[tokio::test]
async fn a_small_message_costs_a_write_for_its_envelope_and_one_for_its_content() {
    let mut trial = Trial::new();
    let content = format!("Subject: x\r\n\r\n{}", "a line\r\n".repeat(1000));
    let attempt = trial.message(&["a@x.example", "b@x.example"], content.as_bytes()).await;
    let (opened, peer, counter) = trial.open(Manner::sound(), 64 * 1024).await;
    let mut connection = opened.unwrap();
    assert_eq!(counter.writes(), 1, "EHLO");
    for carried in 1..=3 {
        assert!(is_accepted(&send(&mut trial, &mut connection, &attempt).await.unwrap()));
        assert_eq!(counter.writes(), 1 + 2 * carried);
        let wire = &mut connection.wire;
        assert_eq!((wire.outgoing().capacity(), wire.came().capacity()), (0, 0), "idle, it owns no buffer");
    }
    connection.quit().await;
    assert_eq!(counter.writes(), 8, "QUIT");
    assert!(peer.await.unwrap().arrived.iter().all(|message| message.content == content));
}

#[tokio::test]
async fn content_from_a_file_arrives_whole_with_its_dots() {
    let mut trial = Trial::new();
    let content = format!("Subject: x\r\n\r\n{}", ".a line\r\n.\r\n..\r\nanother\r\n".repeat(20_000));
    let attempt = trial.message(&["a@x.example"], content.as_bytes()).await;
    assert!(!attempt.message.content.is_in_memory());
    let (opened, peer, _) = trial.open(Manner::sound(), 64 * 1024).await;
    let mut connection = opened.unwrap();
    assert!(is_accepted(&send(&mut trial, &mut connection, &attempt).await.unwrap()));
    connection.quit().await;
    assert!(peer.await.unwrap().arrived[0].content == content);
}

#[tokio::test]
async fn a_host_that_listens_only_while_it_is_heard_gets_its_envelope() {
    let mut trial = Trial::new();
    let recipients: Vec<String> = (0..100).map(|number| format!("r{number}@x.example")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let attempt = trial.message(&recipients, b"\r\nhi\r\n").await;
    tokio::time::pause();
    // Pipes far smaller than the envelope and the replies to it, in both directions.
    let (opened, _, _) = trial.open(Manner::sound(), 64).await;
    assert!(is_accepted(&send(&mut trial, &mut opened.unwrap(), &attempt).await.unwrap()));
}

/// A host that says this at once, whatever it is told; and hears us for as long as we are there.
async fn babbler(words: &'static [u8]) -> DuplexStream {
    let (ours, mut theirs) = duplex(64 * 1024);
    theirs.write_all(words).await.unwrap();
    tokio::spawn(async move {
        let mut heard = Vec::new();
        // It ends with its client.
        let _ = theirs.read_to_end(&mut heard).await;
    });
    ours
}

#[tokio::test]
async fn replies_that_come_before_their_commands_are_no_replies() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"\r\nhi\r\n").await;
    let stream = babbler(b"220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n").await;
    let mut connection = trial.open_stream(Box::new(stream), Dialect::Smtp).await.unwrap();
    let sent = send(&mut trial, &mut connection, &attempt).await;
    assert_eq!(sent, Err("between messages: the host sent a reply that means nothing here: 250 ok".into()));
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn half_a_reply_between_messages_is_not_taken_for_the_next_answer() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"\r\nhi\r\n").await;
    let stream = babbler(b"220 x\r\n250 x\r\n25").await;
    let mut connection = trial.open_stream(Box::new(stream), Dialect::Smtp).await.unwrap();
    let sent = send(&mut trial, &mut connection, &attempt).await;
    assert_eq!(sent, Err("between messages: the host sent a reply that means nothing here".into()));
}

/// A host that answers each of our lines so, in turn, and then does with the stream what is asked.
async fn answering(mut theirs: DuplexStream, answers: &[&str]) -> DuplexStream {
    let mut heard = Vec::new();
    for (line, answer) in answers.iter().enumerate() {
        theirs.write_all(answer.as_bytes()).await.unwrap();
        while heard.split(|&octet| octet == b'\n').count() <= line + 1 {
            assert!(theirs.read_buf(&mut heard).await.unwrap() > 0);
        }
    }
    theirs
}

/// RFC 5321 §4.2.5
#[tokio::test]
async fn an_acceptance_that_comes_with_the_invitation_accepts_nothing() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"\r\nhi\r\n").await;
    let (ours, theirs) = duplex(64 * 1024);
    let peer = tokio::spawn(async move {
        let answers = ["220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n"];
        let mut theirs = answering(theirs, &answers).await;
        theirs.write_all(b"354 go\r\n250 taken\r\n").await.unwrap();
        let mut heard = Vec::new();
        let _ = theirs.read_to_end(&mut heard).await;
        heard
    });
    let mut connection = trial.open_stream(Box::new(ours), Dialect::Smtp).await.unwrap();
    let sent = send(&mut trial, &mut connection, &attempt).await;
    assert_eq!(
        sent,
        Err("amid the content: the host sent a reply that means nothing here: 250 taken".into())
    );
    drop(connection);
    assert_eq!(peer.await.unwrap(), b"", "no content, and no dot");
}

/// A stream that takes so many writes, then nothing for so many tries, then all.
struct Stubborn {
    stream: DuplexStream,
    takes: usize,
    refuses: usize,
    /// Woken when it takes nothing.
    refused: Arc<Notify>,
}

impl AsyncRead for Stubborn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Stubborn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match (self.takes, self.refuses) {
            (1.., _) => self.takes -= 1,
            (0, 1..) => {
                self.refuses -= 1;
                self.refused.notify_one();
                return Poll::Pending;
            }
            (0, 0) => {}
        }
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn no_dot_follows_a_failure() {
    let mut trial = Trial::new();
    let attempt = trial.message(&["a@x.example"], b"\r\nhi\r\n").await;
    let (ours, theirs) = duplex(4096);
    let refused = Arc::new(Notify::new());
    let content_waits = Arc::clone(&refused);
    let peer = tokio::spawn(async move {
        let answers = ["220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n"];
        let mut theirs = answering(theirs, &answers).await;
        theirs.write_all(b"354 go\r\n").await.unwrap();
        content_waits.notified().await;
        theirs.write_all(b"421 4.3.2 going down\r\n").await.unwrap();
        let mut heard = Vec::new();
        let _ = theirs.read_to_end(&mut heard).await;
        heard
    });
    // EHLO, MAIL, RCPT and DATA go out, the content does not.
    let stream = Stubborn { stream: ours, takes: 4, refuses: 2, refused };
    let mut connection = trial.open_stream(Box::new(stream), Dialect::Smtp).await.unwrap();
    let sent = send(&mut trial, &mut connection, &attempt).await;
    assert_eq!(sent, Err("amid the content: the host ends the session: 421 4.3.2 going down".into()));
    drop(connection);
    assert_eq!(peer.await.unwrap(), b"");
}

#[tokio::test]
async fn a_host_that_hangs_up_amid_the_content_is_heard_to_its_last_word() {
    let mut trial = Trial::new();
    let content = format!("\r\n{}", "a line\r\n".repeat(1500));
    let attempt = trial.message(&["a@x.example"], content.as_bytes()).await;
    let (ours, theirs) = duplex(4096);
    tokio::spawn(async move {
        let answers = ["220 x\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n"];
        let mut theirs = answering(theirs, &answers).await;
        theirs.write_all(b"354 go\r\n").await.unwrap();
        let mut some = [0; 100];
        theirs.read_exact(&mut some).await.unwrap();
        theirs.write_all(b"552 5.3.4 too much\r\n").await.unwrap();
    });
    let mut connection = trial.open_stream(Box::new(ours), Dialect::Smtp).await.unwrap();
    let sent = send(&mut trial, &mut connection, &attempt).await;
    let expected = "amid the content: the host refused the message before its end: 552 5.3.4 too much";
    assert_eq!(sent, Err(expected.into()));
}

#[tokio::test]
async fn an_endless_greeting_ends_at_its_bound() {
    let mut trial = Trial::new();
    let (ours, mut theirs) = duplex(4096);
    let peer = tokio::spawn(async move {
        let mut said = 0;
        while theirs.write_all(b"220-and on and on\r\n").await.is_ok() {
            said += 19;
        }
        said
    });
    let failure = trial.open_stream(Box::new(ours), Dialect::Smtp).await.err().unwrap();
    assert_eq!(failure.to_string(), "at the greeting: the reply has more than 65536 octets");
    assert!(peer.await.unwrap() < REPLY_OCTETS_MAX + 3 * 4096);
}

#[tokio::test(start_paused = true)]
async fn octets_that_drip_do_not_extend_the_wait_for_a_reply() {
    let mut trial = Trial::new();
    let (ours, mut theirs) = duplex(4096);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(7)).await;
            if theirs.write_all(b"2").await.is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    let failure = trial.open_stream(Box::new(ours), Dialect::Smtp).await.err().unwrap();
    assert_eq!(failure.to_string(), "at the greeting: the host took too long");
    assert_eq!(start.elapsed().as_secs(), REPLY_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn quit_waits_for_its_answer_but_not_long() {
    for (manner, seconds) in
        [(Manner::sound(), 0), (Manner::failing(Step::Quit, Fault::Silence), QUIT_TIMEOUT.as_secs())]
    {
        let mut trial = Trial::new();
        let (opened, _, _) = trial.open(manner, 4096).await;
        let start = Instant::now();
        opened.unwrap().quit().await;
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

/// RFC 5321 §3.8
#[tokio::test]
async fn whoever_is_turned_away_says_quit() {
    let mut trial = Trial::new();
    let (opened, peer, _) = trial.open(Manner::failing(Step::Greeting, Fault::Permanent), 4096).await;
    assert!(opened.is_err());
    drop(opened);
    assert_eq!(peer.await.unwrap().commands, ["QUIT"]);
}

#[tokio::test]
async fn the_end_of_an_idle_connection_is_seen_without_waiting() {
    for (last, expected) in [
        ("421 4.4.2 idle too long\r\n", "the host ends the session: 421 4.4.2 idle too long"),
        ("", "the connection was closed"),
    ] {
        let mut trial = Trial::new();
        let (ours, theirs) = duplex(4096);
        let peer = tokio::spawn(async move {
            let mut theirs = answering(theirs, &["220 x\r\n"]).await;
            theirs.write_all(b"250 x\r\n").await.unwrap();
            theirs
        });
        let mut connection = trial.open_stream(Box::new(ours), Dialect::Smtp).await.unwrap();
        let mut theirs = peer.await.unwrap();
        assert_eq!(connection.ended(), None);
        theirs.write_all(last.as_bytes()).await.unwrap();
        drop(theirs);
        let failure = connection.ended().unwrap();
        assert_eq!(failure.to_string(), format!("between messages: {expected}"));
        assert!(!connection.is_usable() && connection.ended().is_some());
    }
}

//! What tests of outbound connections share: a spool with one message, a story that can be read, and a
//! scripted host at the other end of a stream in memory.

use crate::connection::Connection;
use crate::net::{Stream, SystemNet};
use crate::peer::{Manner, Peer, Then};
use crate::story::{Observer, Stories, Telling};
use crate::world::{RuntimePool, WallClock, World};
use postrider_journal::event::Event;
use postrider_journal::{Subject, What, render};
use postrider_mail::dns::Zone;
use postrider_mail::id::IdMaker;
use postrider_mail::{AttemptId, Body, Envelope, Mailbox, QueueId, Recipient, Requests, UnixMillis};
use postrider_queue::{Attempt, Lend, NewMessage, Queue, RouteKey};
use postrider_smtp::client::Failure;
use postrider_smtp::server::Dialect;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;

pub(crate) const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

/// The longest wait for a reply.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// A spool, a world and a story.
pub(crate) struct Trial {
    pub(crate) world: Arc<World>,
    pub(crate) queue: Queue,
    pub(crate) story: Telling,
    heard: Arc<Heard>,
    pub(crate) folder: TempDir,
    next_id: i64,
}

/// The story, line by line.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn event(&self, subject: Subject, _: u64, what: &What) {
        let line = render::line(subject, &Event { at_ms: 0, what: what.clone() });
        self.0.lock().unwrap().push(format!("{} {}", line.mark, line.text));
    }
}

impl Trial {
    /// Begins with an empty spool. Within a runtime of one thread.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened =
            postrider_queue::open(&folder.path().join("queue"), postrider_queue::Settings::default(), 7, NOW)
                .unwrap();
        let committer = opened.committer;
        std::thread::Builder::new().spawn(move || committer.run()).unwrap();
        let (journal, _, _) = postrider_journal::open(
            &folder.path().join("journal"),
            postrider_journal::Settings::default(),
            NOW,
        )
        .unwrap();
        let clock: WallClock = Arc::new(|| NOW);
        let world = World::new(
            Arc::clone(&clock),
            IdMaker::new(0, 0, NOW, None),
            Arc::new(RuntimePool),
            Arc::new(SystemNet),
            Arc::new(Zone::default()),
            7,
        );
        let heard = Arc::new(Heard::default());
        let observer = Arc::clone(&heard) as Arc<dyn Observer>;
        let subject = Subject::Attempt(AttemptId::from_row(1).unwrap());
        let story = Stories::new(journal, clock, Some(observer)).begin(subject, None);
        Self { world: Arc::new(world), queue: opened.queue, story, heard, folder, next_id: 1 }
    }

    /// Accepts a message for these recipients (`address`, or `address via alias`), and lends it.
    pub(crate) async fn message(&mut self, recipients: &[&str], content: &[u8]) -> Attempt {
        let recipients = recipients.iter().map(|recipient| {
            let (address, via) = recipient.split_once(" via ").unwrap_or((recipient, ""));
            let via: Option<Mailbox> = via.parse().ok();
            Recipient { via, ..Recipient::direct(address.parse().unwrap()) }
        });
        self.asking(Requests::default(), None, recipients.collect(), content).await
    }

    /// Accepts a message whose sender asks for this, and lends it.
    pub(crate) async fn asking(
        &mut self,
        requests: Requests,
        body: Option<Body>,
        recipients: Vec<Recipient>,
        content: &[u8],
    ) -> Attempt {
        let reverse_path = "sender@client.example".parse().unwrap();
        let envelope = Envelope { reverse_path, body, requests, recipients };
        self.next_id += 1;
        let mut draft = self.queue.draft(QueueId::from_row(self.next_id).unwrap());
        draft.pour(content);
        let key = |_: &Mailbox| RouteKey::new("@next.example").unwrap();
        let mut message = NewMessage::new(draft.seal().unwrap(), envelope, NOW, key).unwrap();
        message.lend = Lend::All;
        self.queue.accept(message).await.unwrap().attempts.remove(0)
    }

    /// Connects to a host of this manner, over a stream that holds so many octets; gives
    /// what became of it when the connection ends.
    pub(crate) async fn open(
        &mut self,
        manner: Manner,
        octets: usize,
    ) -> (Result<Connection, Failure>, JoinHandle<Peer>, Counter) {
        let (ours, theirs) = tokio::io::duplex(octets);
        let dialect = if manner.lmtp { Dialect::Lmtp } else { Dialect::Smtp };
        let peer = tokio::spawn(play(Peer::new(manner), theirs));
        let counter = Counter::default();
        let opened = self.open_stream(Box::new(Counted(ours, counter.clone())), dialect).await;
        (opened, peer, counter)
    }

    /// Opens a connection over this stream.
    pub(crate) async fn open_stream(
        &mut self,
        stream: Box<dyn Stream>,
        dialect: Dialect,
    ) -> Result<Connection, Failure> {
        let (world, name) = (Arc::clone(&self.world), "us.example".parse().unwrap());
        Connection::open(world, stream, dialect, name, REPLY_TIMEOUT, &mut self.story).await
    }

    /// The story so far.
    pub(crate) fn told(&self) -> String {
        self.heard.0.lock().unwrap().join("\n")
    }
}

/// Plays the peer until its client is gone, or it closes.
async fn play(mut peer: Peer, mut stream: DuplexStream) -> Peer {
    let (mut said, mut then) = peer.connected();
    loop {
        // A client that is gone hears nothing more.
        if stream.write_all(&said).await.is_err() || then == Then::Close {
            return peer;
        }
        if then == Then::Nothing {
            return std::future::pending().await;
        }
        let mut octets = vec![0; 16 * 1024];
        match stream.read(&mut octets).await {
            Ok(0) | Err(_) => return peer,
            Ok(count) => (said, then) = peer.heard(&octets[..count]),
        }
    }
}

/// Writes so far.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn writes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose writes are counted.
pub(crate) struct Counted<S>(pub(crate) S, pub(crate) Counter);

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, octets);
        self.1.0.fetch_add(usize::from(written.is_ready()), Ordering::Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

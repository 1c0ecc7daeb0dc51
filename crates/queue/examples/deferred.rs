//! Fills a spool with deferred messages, for measuring what a long queue costs; prints what it did.
//!
//! `cargo run --release -p postrider-queue --example deferred FOLDER [MESSAGES [DOMAINS [OCTETS]]]`
//!
//! The folder is that of the spool (`queue` in a server's data folder) and must not be in use. Every message
//! is accepted, lent by its accept and deferred for hours, as if its destination were down.

use postrider_mail::id::IdMaker;
use postrider_mail::{Code, Envelope, Recipient, Reply, UnixMillis};
use postrider_queue::{Fate, Lend, NewMessage, Opened, Outcome, Queue, Retry, RouteKey, Settings, open};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Builder;

/// Messages under way at a time: they share a commit.
const PRODUCERS: usize = 250;

type Outcomes<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is to be stored.
#[derive(Clone, Debug)]
struct Plan {
    messages: usize,
    domains: usize,
    content: Arc<[u8]>,
    now: UnixMillis,
}

fn main() -> Outcomes<()> {
    let mut arguments = std::env::args().skip(1);
    let folder: PathBuf = arguments.next().ok_or("which folder?")?.into();
    let mut number = |default| arguments.next().map_or(Ok(default), |number| number.parse::<usize>());
    let (messages, domains, octets) = (number(200_000)?, number(5000)?.max(1), number(2048)?);
    let content = b"Subject: deferred\r\n\r\n".iter().copied();
    let content = content.chain(b"0123456789abcd\r\n".repeat(octets / 16)).take(octets).collect();
    let plan = Plan { messages, domains, content, now: now()? };

    let longest = Duration::from_secs(4 * 60 * 60);
    let retry = Retry { first: longest, longest, ..Retry::default() };
    let Opened { queue, committer, checkpointer, last_id, .. } =
        open(&folder, Settings { retry, ..Settings::default() }, 1, plan.now)?;
    let ids = Arc::new(Mutex::new(IdMaker::new(0, 0, plan.now, last_id)));
    let committing = thread::Builder::new().name("committer".into()).spawn(move || committer.run())?;
    let checkpointing =
        thread::Builder::new().name("checkpointer".into()).spawn(move || checkpointer.run())?;
    let began = Instant::now();
    Builder::new_current_thread().build()?.block_on(async {
        let producers = (0..PRODUCERS).map(|nth| produce(queue.clone(), Arc::clone(&ids), plan.clone(), nth));
        let producers: Vec<_> = producers.map(tokio::spawn).collect();
        for producer in producers {
            producer.await??;
        }
        queue.stop().await;
        Outcomes::Ok(())
    })?;
    committing.join().map_err(|_| "the committer panicked")?;
    checkpointing.join().map_err(|_| "the checkpointer panicked")?;
    println!(
        "{messages} messages to {domains} domains, deferred for hours, in {:.1} s and {} commits",
        began.elapsed().as_secs_f64(),
        queue.commits(),
    );
    Ok(())
}

/// The nth producer's share: every [`PRODUCERS`]th message.
async fn produce(queue: Queue, ids: Arc<Mutex<IdMaker>>, plan: Plan, nth: usize) -> Outcomes<()> {
    for number in (nth..plan.messages).step_by(PRODUCERS) {
        let id = ids.lock().unwrap_or_else(PoisonError::into_inner).queue_id(plan.now);
        let mut draft = queue.draft(id);
        draft.pour(&plan.content);
        let address = format!("user{number}@d{}.example", number % plan.domains);
        let envelope = Envelope {
            reverse_path: format!("sender{}@bench.example", number % 100).parse()?,
            body: None,
            requests: postrider_mail::Requests::default(),
            recipients: vec![Recipient::direct(address.parse()?)],
        };
        let key = RouteKey::new(&format!("@d{}.example", number % plan.domains))?;
        let mut message = NewMessage::new(draft.seal()?, envelope, plan.now, |_| key.clone())?;
        message.lend = Lend::All;
        let accepted = queue.accept(message).await?;
        for attempt in accepted.attempts {
            let reply = Reply::new(Code::of(421), None, "come back later");
            let fate = Fate::new(Outcome::Deferred, reply, "mx.example [192.0.2.1]");
            let fates = attempt.recipients.iter().map(|target| (target.id, fate.clone())).collect();
            queue.settle(attempt.id, fates, plan.now).await?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the server that opens this spool will go by the real clock")]
fn now() -> Outcomes<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixMillis::new(i64::try_from(since.as_millis())?))
}

//! How much the spool costs: whole lives of messages (accept, read, settle, gone) per second, CPU per
//! message, and commits per message.
//!
//! `cargo run --release -p postrider-queue --example life [FOLDER [SECONDS [OCTETS,… [PRODUCERS,…]]]]`
//!
//! Every producer accepts one message after the other, lent by its accept, reads it and settles it. Each is
//! durable before it counts.

use postrider_mail::id::IdMaker;
use postrider_mail::{Code, Envelope, Recipient, Reply, ReversePath, UnixMillis};
use postrider_queue::{Fate, Lend, NewMessage, Opened, Outcome, Queue, RouteKey, Settings, open};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

const NOW: UnixMillis = UnixMillis::new(1_795_372_275_042);

type Outcomes<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcomes<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("postrider-life"), Into::into);
    let seconds = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    println!(
        "{:>9} {:>7} {:>9} {:>10} {:>12} {:>10}",
        "producers", "octets", "msg/s", "CPU us/msg", "commits/msg", "p99 ms"
    );
    let sizes = arguments.next().map_or(Ok(vec![4096, 16_384, 65_536]), |list| numbers(&list))?;
    let crowds = arguments.next().map_or(Ok(vec![1, 20, 200]), |list| numbers(&list))?;
    for octets in sizes {
        for &producers in &crowds {
            let folder = folder.join(format!("{producers}-{octets}"));
            let _ = std::fs::remove_dir_all(&folder);
            life(&folder, producers, octets, Duration::from_secs(seconds))?;
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

fn life(folder: &Path, producers: usize, octets: usize, time: Duration) -> Outcomes<()> {
    let Opened { queue, committer, checkpointer, .. } = open(folder, Settings::default(), 1, NOW)?;
    let committing = thread::Builder::new().name("committer".into()).spawn(move || committer.run())?;
    let checkpointing =
        thread::Builder::new().name("checkpointer".into()).spawn(move || checkpointer.run())?;
    let content: Arc<[u8]> = b"Subject: life\r\n\r\n"
        .iter()
        .copied()
        .chain(b"0123456789abcde\n".repeat(octets / 16))
        .take(octets)
        .collect();
    let ids = Arc::new(Mutex::new(IdMaker::new(0, 0, NOW, None)));
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (cpu, began) = (cpu_time()?, Instant::now());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut waits = runtime.block_on(async {
        let tasks: Vec<_> = (0..producers)
            .map(|_| {
                tokio::spawn(produce(
                    queue.clone(),
                    Arc::clone(&ids),
                    Arc::clone(&content),
                    Arc::clone(&over),
                    Arc::clone(&done),
                ))
            })
            .collect();
        tokio::time::sleep(time).await;
        over.store(true, Ordering::Relaxed);
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await??);
        }
        Outcomes::Ok(waits)
    })?;
    let (spent, count) = (cpu_time()?.saturating_sub(cpu), done.load(Ordering::Relaxed).max(1));
    waits.sort_unstable();
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or_default();
    let commits = queue.commits();
    runtime.block_on(queue.stop());
    committing.join().map_err(|_| "the committer panicked")?;
    checkpointing.join().map_err(|_| "the checkpointer panicked")?;
    println!(
        "{producers:>9} {octets:>7} {:>9.0} {:>10.1} {:>12.3} {:>10.2}",
        count as f64 / began.elapsed().as_secs_f64(),
        spent.as_secs_f64() * 1e6 / count as f64,
        commits as f64 / count as f64,
        p99.as_secs_f64() * 1e3,
    );
    Ok(())
}

async fn produce(
    queue: Queue,
    ids: Arc<Mutex<IdMaker>>,
    content: Arc<[u8]>,
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Outcomes<Vec<Duration>> {
    let mailbox = "friend@local.example".parse()?;
    let envelope = Envelope {
        reverse_path: ReversePath::Null,
        body: None,
        requests: postrider_mail::Requests::default(),
        recipients: vec![Recipient::direct(mailbox)],
    };
    let key = RouteKey::local();
    let mut waits = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = ids.lock().unwrap_or_else(PoisonError::into_inner).queue_id(NOW);
        let mut draft = queue.draft(id);
        draft.pour(&content);
        // File work is done here, where a server would use its blocking pool.
        let sealed = draft.seal()?;
        let mut message = NewMessage::new(sealed, envelope.clone(), NOW, |_| key.clone())?;
        message.lend = Lend::All;
        let asked = Instant::now();
        let accepted = queue.accept(message).await?;
        waits.push(asked.elapsed());
        for attempt in accepted.attempts {
            let mut reader = attempt.message.content.read(&attempt.message.rendition)?;
            while reader.chunk()?.is_some() {}
            let fate = Fate::new(Outcome::Delivered, Reply::new(Code::of(250), None, "delivered"), "local");
            let fates = attempt.recipients.iter().map(|target| (target.id, fate.clone())).collect();
            queue.settle(attempt.id, fates, NOW).await?;
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(waits)
}

/// `1,20,200`
fn numbers(list: &str) -> Outcomes<Vec<usize>> {
    Ok(list.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

/// CPU time of this process, user and system.
fn cpu_time() -> Outcomes<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 =
        fields.get(11).ok_or("stat")?.parse::<u64>()? + fields.get(12).ok_or("stat")?.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

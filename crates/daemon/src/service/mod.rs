//! A running server: everything opened, wired, started, stopped. It decides nothing about mail.
//!
//! | module | what it does |
//! |---|---|
//! | `open` | opens what lies in the data folder, and starts its threads |
//! | `signals` | what SIGTERM, SIGINT and SIGHUP lead to |
//! | `sockets` | binds, or takes what the service manager bound |
//! | `privileges` | root, users, descriptors |

mod open;
pub(crate) mod privileges;
mod signals;
pub(crate) mod sockets;

pub(crate) use open::{Spool, open_spool, queue_folder, wall_clock};

use crate::command::Failure;
use crate::exit::Exit;
use postrider_control::Executor;
use postrider_journal::{Journal, What};
use postrider_mail::dns::Resolver;
use postrider_mta::destinations::Outlook;
use postrider_mta::lending::{Borrowing, lending};
use postrider_mta::limits::{DRAFT_WRITES_MAX, STOP_TIMEOUT};
use postrider_mta::listen::{Listener, Seats};
use postrider_mta::local::Mailboxes;
use postrider_mta::operator::Door;
use postrider_mta::server::Stop;
use postrider_mta::world::WallClock;
use postrider_mta::{Observer, Server, Settings, Stories, World};
use postrider_policy::port::Directory;
use signals::Signals;
use sockets::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};

/// How long sessions that are cut off have to hear it.
const CUT_OFF_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the journal is asked to drop what is too old.
const TIDY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Threads for look-ups, drafts and deliveries; twice what deliveries alone may take.
const BLOCKING_THREADS_MAX: usize = 2 * postrider_mta::limits::LOCAL_DELIVERIES_MAX;

/// What a server is made of.
pub(crate) struct Plan {
    /// Everything is kept below it.
    pub(crate) data: PathBuf,
    /// Bound sockets, and what each is for.
    pub(crate) sockets: Vec<Bound>,
    /// What is in force at first.
    pub(crate) settings: Settings,
    /// Who is local.
    pub(crate) directory: Arc<dyn Directory>,
    /// Asks DNS.
    pub(crate) resolver: Arc<dyn Resolver>,
    /// How the spool and the journal are kept.
    pub(crate) storage: Storage,
    /// Sessions at a time.
    pub(crate) sessions_max: usize,
    /// Who watches live.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Reads the settings again, for SIGHUP; gives what they are and what to say.
    pub(crate) reload: Option<Reload>,
}

/// How the spool and the journal are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Storage {
    pub(crate) queue: postrider_queue::Settings,
    pub(crate) journal: postrider_journal::Settings,
}

/// Reads the settings again: the new ones with what needs a restart, or why the old ones stay.
pub(crate) type Reload = Box<dyn FnMut() -> Result<(Settings, Vec<String>), String> + Send>;

/// Where the control socket of a data folder is.
pub(crate) fn control_socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// Runs until a signal says stop. `ready` is called once everything listens.
pub(crate) fn run(plan: Plan, ready: impl FnOnce()) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("postrider")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(|error| Failure::os(format!("the runtime cannot be started: {error}")))?;
    let spool = open_spool(&plan.data, plan.storage)?;
    let outcome = runtime.block_on(serve(plan, &spool, ready));
    // Blocking work that is still under way comes to its end; its messages are in the queue in any case.
    runtime.shutdown_timeout(STOP_TIMEOUT);
    let Spool { threads, queue, journal, .. } = spool;
    // The threads end when nobody holds their other ends, and we are the last.
    drop((queue, journal));
    for thread in threads.join() {
        tracing::error!(thread, "does not end and is left behind: the next start goes on as after a crash");
    }
    outcome
}

async fn serve(plan: Plan, spool: &Spool, ready: impl FnOnce()) -> Result<Exit, Failure> {
    let (settings, in_force) = watch::channel(Arc::new(plan.settings));
    let destinations = Arc::default();
    let (lending, borrowing) = lending(&destinations);
    let listeners: Vec<_> = plan.sockets.iter().filter_map(|(socket, _)| socket.address()).collect();
    let (stop, stopping) = watch::channel(Stop::No);
    let clock = wall_clock();
    let server = Server {
        world: Arc::new(World::new(
            Arc::clone(&clock),
            spool.ids(),
            Arc::new(postrider_mta::world::RuntimePool),
            Arc::new(postrider_mta::net::SystemNet),
            plan.resolver,
            spool.seed(),
        )),
        queue: spool.queue.clone(),
        stories: Stories::new(spool.journal.clone(), Arc::clone(&clock), plan.observer),
        directory: plan.directory,
        mailboxes: Mailboxes::new(&plan.data.join("mail")),
        settings: in_force,
        started: Instant::now(),
        stop: stopping.clone(),
        drafts: Arc::new(Semaphore::new(DRAFT_WRITES_MAX)),
        disk: Arc::default(),
        owing: Arc::default(),
        destinations,
        listeners: listeners.into(),
        lending,
    };
    let mut story = server.stories.begin(postrider_journal::Subject::Server, None);
    for sentence in &spool.recovered {
        tracing::warn!("{sentence}");
        story.note(sentence.as_str());
    }
    story.note(format!("started, {} messages in the queue", spool.messages));
    story.hand_over();

    let mut signals = Signals::new()?;
    let (under_way, mut all_done) = mpsc::channel(1);
    let (destinations, world) = (Arc::clone(&server.destinations), Arc::clone(&server.world));
    let outlook = Outlook::new(destinations, world, server.stories.clone());
    let executor = Executor::new(spool.queue.clone(), spool.journal.clone(), spool.reader.clone(), clock)
        .with_destinations(Arc::new(outlook));
    start(&server, plan.sockets, plan.sessions_max, borrowing, &stopping, &under_way)?;
    let (reader, stop_notices) = (spool.reader.clone(), stopping.clone());
    tokio::spawn(postrider_mta::bounce::bounce(server.clone(), reader, stop_notices, under_way.clone()));
    Door::of(&plan.data)
        .and_then(|door| postrider_mta::operator::listen(executor, &server.world, door, stopping))
        .map_err(|error| Failure::os(format!("{}: {error}", control_socket(&plan.data).display())))?;
    drop(under_way);
    tokio::spawn(tidy(spool.journal.clone(), wall_clock()));
    ready();
    sockets::notify_ready();
    let name = signals.wait(plan.reload, &settings).await;
    sockets::notify_stopping();
    tracing::info!(signal = name, "stopping: open transactions may end");
    stop.send_replace(Stop::Soon);
    tokio::select! {
        _ = all_done.recv() => {}
        () = tokio::time::sleep(STOP_TIMEOUT) => tracing::warn!("some sessions did not end in time and are cut off"),
        () = signals.again() => tracing::warn!("told again: open sessions are cut off"),
    }
    // Whoever is still there hears 421; a delivery under way is recognised after the next start.
    stop.send_replace(Stop::Now);
    let _ = tokio::time::timeout(CUT_OFF_TIMEOUT, all_done.recv()).await;
    story.add(What::Note { text: format!("stopped by {name}").into() });
    tracing::info!("stopped");
    Ok(Exit::Ok)
}

/// Starts the listeners and the dispatcher.
fn start(
    server: &Server,
    sockets: Vec<Bound>,
    sessions_max: usize,
    borrowing: Borrowing,
    stopping: &watch::Receiver<Stop>,
    under_way: &mpsc::Sender<()>,
) -> Result<(), Failure> {
    let seats = Seats::new(sessions_max);
    for (socket, purpose) in sockets {
        let listener = Listener::new(socket, purpose)
            .map_err(|error| Failure::os(format!("a listening socket cannot be used: {error}")))?;
        let seats = Arc::clone(&seats);
        let (server, stopping, under_way) = (server.clone(), stopping.clone(), under_way.clone());
        tokio::spawn(postrider_mta::listen::listen(server, listener, seats, stopping, under_way));
    }
    let (stopping, under_way) = (stopping.clone(), under_way.clone());
    tokio::spawn(postrider_mta::dispatch::dispatch(server.clone(), borrowing, stopping, under_way));
    Ok(())
}

/// Lets the journal drop what is too old, also while nothing happens.
async fn tidy(journal: Journal, clock: WallClock) {
    loop {
        tokio::time::sleep(TIDY_INTERVAL).await;
        journal.tidy(clock());
    }
}

//! A server in this process, on a free port of loopback, with a directory in memory; and a client that
//! says one thing at a time.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod network;

use postrider_journal::Query;
use postrider_mail::dns::{Resolver, Zone};
use postrider_mail::id::IdMaker;
use postrider_mail::{Mailbox, Service, UnixMillis};
use postrider_mta::bounce::bounce;
use postrider_mta::dispatch::dispatch;
use postrider_mta::lending::lending;
use postrider_mta::limits::DRAFT_WRITES_MAX;
use postrider_mta::listen::{Listener, Purpose, Seats, Socket, listen};
use postrider_mta::local::Mailboxes;
use postrider_mta::net::{Net, SystemNet};
use postrider_mta::server::Stop;
use postrider_mta::world::{RuntimePool, WallClock};
use postrider_mta::{Notices, Outbound, Server, Settings, Smtp, Stories, World};
use postrider_policy::admit::Rules;
use postrider_policy::local::{DomainRules, Domains, Local};
use postrider_policy::port::{Directory, Entry, Unavailable};
use postrider_queue::{Filter, Listing};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// The directory: `None` means that it cannot be read.
#[derive(Default)]
pub(crate) struct Table(Mutex<Option<BTreeMap<String, Entry>>>);

impl Directory for Table {
    fn look_up(&self, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        match &*self.0.lock().unwrap() {
            Some(table) => Ok(table.get(&address.key()).cloned()),
            None => Err(Unavailable("the disk is away".into())),
        }
    }
}

impl Table {
    pub(crate) fn account(&self, local: &str) {
        self.put(local, Some(Entry::Account(mailbox(local))));
    }

    pub(crate) fn alias(&self, local: &str, members: &[&str]) {
        self.put(local, Some(Entry::Alias(members.iter().map(|member| mailbox(member)).collect())));
    }

    /// An alias of any domain.
    pub(crate) fn alias_at(&self, address: &str, members: &[&str]) {
        let all = |members: &[&str]| members.iter().map(|member| member.parse().unwrap()).collect();
        let key = address.parse::<Mailbox>().unwrap().key();
        self.0.lock().unwrap().get_or_insert_default().insert(key, Entry::Alias(all(members)));
    }

    pub(crate) fn remove(&self, local: &str) {
        self.put(local, None);
    }

    pub(crate) fn break_down(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn put(&self, local: &str, entry: Option<Entry>) {
        let mut table = self.0.lock().unwrap();
        let table = table.get_or_insert_default();
        match entry {
            Some(entry) => table.insert(mailbox(local).key(), entry),
            None => table.remove(&mailbox(local).key()),
        };
    }
}

pub(crate) fn mailbox(local: &str) -> Mailbox {
    format!("{local}@local.example").parse().unwrap()
}

/// A running server.
pub(crate) struct Running {
    pub address: SocketAddr,
    pub server: Server,
    pub directory: Arc<Table>,
    pub runtime: Runtime,
    pub folder: Arc<TempDir>,
    stop: watch::Sender<Stop>,
    configuration: watch::Sender<Arc<Settings>>,
    held: Option<std::sync::mpsc::Sender<()>>,
    reader: postrider_journal::Reader,
}

/// Starts a server whose settings were adjusted by `adjust`.
pub(crate) fn start(service: Service, adjust: impl FnOnce(&mut Settings)) -> Running {
    let mut running = start_held(service, adjust);
    running.let_go();
    running
}

/// The same, with a queue that answers nothing until [`Running::let_go`].
pub(crate) fn start_held(service: Service, adjust: impl FnOnce(&mut Settings)) -> Running {
    start_with(service, Surroundings::default(), adjust)
}

/// A server for other mail servers, with these surroundings.
pub(crate) fn start_in(surroundings: Surroundings, adjust: impl FnOnce(&mut Settings)) -> Running {
    let mut running = start_with(Service::Mta, surroundings, adjust);
    running.let_go();
    running
}

/// What is around a server.
pub(crate) struct Surroundings {
    pub net: Arc<dyn Net>,
    pub resolver: Arc<dyn Resolver>,
    pub queue: postrider_queue::Settings,
    /// Where everything lies; another server may have been here before.
    pub folder: Arc<TempDir>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            net: Arc::new(SystemNet),
            resolver: Arc::new(Zone::default()),
            queue: postrider_queue::Settings::default(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
        }
    }
}

fn start_with(service: Service, surroundings: Surroundings, adjust: impl FnOnce(&mut Settings)) -> Running {
    let folder = surroundings.folder;
    let clock: WallClock = Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "a test stands in for the daemon")]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        UnixMillis::new(i64::try_from(since.as_millis()).unwrap())
    });
    let now = clock();
    // A server that was here before may still be letting go of it.
    let opened = once("the spool is free", || {
        postrider_queue::open(&folder.path().join("queue"), surroundings.queue, 7, now).ok()
    });
    let (journal, writer, reader) = once("the journal is free", || {
        let settings = postrider_journal::Settings::default();
        postrider_journal::open(&folder.path().join("journal"), settings, now).ok()
    });
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let committer = opened.committer;
    std::thread::Builder::new()
        .spawn(move || {
            // Goes on when it is let go.
            let _ = held.recv();
            committer.run();
        })
        .unwrap();
    std::thread::Builder::new().spawn(move || writer.run()).unwrap();

    let directory = Arc::new(Table::default());
    directory.account("friend");
    let mut settings = settings();
    adjust(&mut settings);
    let (configuration, in_force) = watch::channel(Arc::new(settings));
    let destinations = Arc::default();
    let (lending, borrowing) = lending(&destinations);
    let (stop, stopping) = watch::channel(Stop::No);
    let server = Server {
        world: Arc::new(World::new(
            Arc::clone(&clock),
            IdMaker::new(0, 0, now, opened.last_id),
            Arc::new(RuntimePool),
            surroundings.net,
            surroundings.resolver,
            7,
        )),
        queue: opened.queue,
        stories: Stories::new(journal, clock, None),
        directory: Arc::clone(&directory) as Arc<dyn Directory>,
        mailboxes: Mailboxes::new(&folder.path().join("mail")),
        settings: in_force,
        started: Instant::now(),
        stop: stopping.clone(),
        drafts: Arc::new(Semaphore::new(DRAFT_WRITES_MAX)),
        disk: Arc::default(),
        owing: Arc::default(),
        destinations,
        listeners: Arc::from([]),
        lending,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (under_way, _) = mpsc::channel(1);
    let address = runtime.block_on(async {
        let socket = Socket::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = socket.address().unwrap();
        tokio::spawn(listen(
            server.clone(),
            Listener::new(socket, Purpose::Serve(service)).unwrap(),
            Seats::new(50),
            stopping.clone(),
            under_way.clone(),
        ));
        tokio::spawn(bounce(server.clone(), reader.clone(), stopping.clone(), under_way.clone()));
        tokio::spawn(dispatch(server.clone(), borrowing, stopping, under_way));
        address
    });
    Running { address, server, configuration, directory, runtime, folder, stop, held: Some(let_go), reader }
}

fn settings() -> Settings {
    let domains = BTreeMap::from([(
        "local.example".parse().unwrap(),
        DomainRules { verify: true, ..DomainRules::default() },
    )]);
    let local = Local {
        hostname: "mx.local.example".parse().unwrap(),
        domains: Domains::These(domains),
        postmaster: None,
    };
    Settings {
        hostname: "mx.local.example".parse().unwrap(),
        banner: "Postrider".into(),
        content_octets_max: 10_000_000,
        recipients_max: 1000,
        rules: Rules::new(local),
        smtp: Smtp::default(),
        outbound: Outbound::default(),
        notices: Notices::default(),
    }
}

impl Running {
    /// The queue answers from now on.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Listens on one more socket.
    pub(crate) fn open(&self, socket: Socket, purpose: Purpose) {
        let (under_way, _) = mpsc::channel(1);
        let (server, stop) = (self.server.clone(), self.server.stop.clone());
        self.runtime.block_on(async {
            let listener = Listener::new(socket, purpose).unwrap();
            tokio::spawn(listen(server, listener, Seats::new(50), stop, under_way));
        });
    }

    /// The messages in `new/` of a mailbox.
    pub(crate) fn mail(&self, folder: &str) -> Vec<PathBuf> {
        let new = self.folder.path().join("mail").join(folder).join("new");
        let Ok(entries) = std::fs::read_dir(new) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The one message of a mailbox, once it is there.
    pub(crate) fn only_mail(&self, folder: &str) -> String {
        wait_for("a message in the mailbox", || !self.mail(folder).is_empty());
        let mail = self.mail(folder);
        assert_eq!(mail.len(), 1, "{mail:?}");
        std::fs::read_to_string(&mail[0]).unwrap()
    }

    pub(crate) fn queued(&self) -> Listing {
        self.server.queue.list(&Filter::default(), None, 100).unwrap()
    }

    pub(crate) fn pause(&self) {
        let now = self.server.world.now();
        self.runtime.block_on(self.server.queue.pause(None, "a test".into(), now)).unwrap();
    }

    /// Changes the settings while the server runs.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::clone(&self.server.settings());
        change(&mut settings);
        self.configuration.send_replace(Arc::new(settings));
    }

    /// Lets go what is held.
    pub(crate) fn release(&self) {
        let now = self.server.world.now();
        let released = self.server.queue.release(Filter::default(), None, now);
        self.runtime.block_on(released).unwrap();
    }

    pub(crate) fn resume(&self) {
        let now = self.server.world.now();
        self.runtime.block_on(self.server.queue.resume(None, now)).unwrap();
    }

    /// All that the journal says of something, as text.
    pub(crate) fn story(&self, what: &str) -> String {
        let query: Query = what.parse().unwrap();
        let found = self.reader.find(&query).unwrap();
        let lines = found.stories.iter().flat_map(postrider_journal::render::lines);
        lines.map(|line| line.to_string() + "\n").collect()
    }

    /// Ends at once: nothing is given back, nothing settled.
    pub(crate) fn die(mut self) {
        let idle = tokio::runtime::Builder::new_current_thread().build().unwrap();
        drop(std::mem::replace(&mut self.runtime, idle));
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(Stop::Soon);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// What this gives, once it gives something.
fn once<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    wait_for(what, || {
        found = look();
        found.is_some()
    });
    found.unwrap()
}

/// A person at a terminal.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// Another handle on the connection, to send while replies are read.
    pub(crate) fn sender(&self) -> TcpStream {
        self.reader.get_ref().try_clone().unwrap()
    }

    /// Waits until something has come that is not read.
    pub(crate) fn wait_for_octets(&self) {
        assert!(self.reader.get_ref().peek(&mut [0]).unwrap() > 0);
    }

    /// The next whole reply: its lines, joined.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(&line);
            if is_last {
                return reply;
            }
        }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.reader.get_mut().write_all(octets).unwrap();
    }

    /// Says a line and hears the reply.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// Says a line and hears a reply that starts so.
    pub(crate) fn expect(&mut self, line: &str, start: &str) -> String {
        let reply = self.say(line);
        assert!(reply.starts_with(start), "{line:?} was answered {reply:?}, not {start}");
        reply
    }

    /// A whole message, to the reply after its content.
    pub(crate) fn submit(&mut self, to: &[&str], content: &str) -> String {
        self.submit_from("sender@client.example", to, content)
    }

    /// The same, from this reverse-path.
    pub(crate) fn submit_from(&mut self, from: &str, to: &[&str], content: &str) -> String {
        self.expect(&format!("MAIL FROM:<{from}>"), "250");
        for recipient in to {
            self.expect(&format!("RCPT TO:<{recipient}>"), "250");
        }
        self.expect("DATA", "354");
        self.send(content.as_bytes());
        self.say(".")
    }

    /// Greets after connecting.
    pub(crate) fn greeted(mut self) -> Self {
        assert!(self.reply().starts_with("220"));
        self.expect("EHLO client.example", "250");
        self
    }
}

/// The id in a 250.
pub(crate) fn queue_id(reply: &str) -> String {
    reply.trim().rsplit(' ').next().unwrap().to_owned()
}

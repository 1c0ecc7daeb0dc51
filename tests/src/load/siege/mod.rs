//! A server among ordinary clients, first alone with them, then with a crowd that does to it, in every state of the
//! session and as hosts it sends to, whatever wastes time and memory. How long the ordinary ones wait, what memory
//! it takes, and whether everything that was acknowledged arrives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod misdeeds;
mod senders;

use super::{Figure, quantile, wait};
use crate::memory::Memory;
use crate::peer::{Fault, Peer, Script, Step};
use crate::random::Random;
use crate::states::{NEIGHBOUR, Scene, State};
use crate::wait::pause;
use misdeeds::{Actor, MISDEEDS};
use senders::{Sent, send};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Ordinary clients at a time.
const SENDERS: usize = 4;

/// What the server may grow by, in MiB: the crowd holds hundreds of sessions and dozens of connections of ours.
const GROWTH_MIB_MAX: f64 = 64.0;

/// How a siege goes.
#[derive(Clone, Copy, Debug)]
pub struct Siege {
    /// For how long the ordinary clients are alone …
    pub alone: Duration,
    /// … and for how long with the crowd.
    pub crowded: Duration,
}

/// What was sent while something lasted.
#[derive(Debug, Default)]
struct Phase {
    sent: Vec<Sent>,
    /// Why sessions failed.
    failures: Vec<String>,
}

/// What each rude host does.
fn rude_scripts() -> Vec<Script> {
    let faults = [
        Fault::Floods("250 ", "xxxxxxxxxxxxxxxx"),
        Fault::Floods("", "250-and so on\r\n"),
        Fault::Drips("250-slowly\r\n"),
        Fault::Deaf,
        Fault::HalfCloses,
        Fault::Says("250 one\r\n250 two\r\n354 three\r\n250 four"),
    ];
    let steps = [Step::Greeting, Step::Ehlo, Step::Mail, Step::Data, Step::Content];
    let at = |fault| steps.map(|step| Script { keeps: false, ..Script::failing(step, fault) });
    faults.into_iter().flat_map(at).collect()
}

/// A siege under way.
struct Field {
    scene: Scene,
    polite: Peer,
    rude: Vec<Peer>,
    number: AtomicUsize,
    random: Mutex<Random>,
}

impl Siege {
    /// Runs it.
    ///
    /// # Panics
    /// When something that was acknowledged does not arrive.
    #[track_caller]
    pub fn run(self) -> Vec<Figure> {
        let field = Field::lay_out();
        let server = field.scene.server();
        field.during(Duration::from_secs(1));
        let memory = Memory::watch(server);
        let alone = field.during(self.alone);
        let mut figures = alone.figures("alone");
        figures.push(Figure::new("memory alone, at most", server.resident_peak_kib() as f64 / 1024.0, "MiB"));
        let (crowded, misdeeds) = field.crowded(self.crowded);
        figures.extend(crowded.figures("with the crowd"));
        figures.extend(misdeeds);
        let growth = server.resident_peak_kib() as f64 / 1024.0;
        figures.push(Figure::new("memory with the crowd, at most", growth, "MiB"));
        let begun = memory.before_kib() as f64 / 1024.0;
        figures.push(Figure::new("growth of memory", growth - begun, "MiB").below(GROWTH_MIB_MAX));
        figures.extend(field.tally(&[alone, crowded]));
        figures
    }
}

impl Field {
    fn lay_out() -> Self {
        let polite = Peer::start(Script { keeps: false, ..Script::default() });
        let rude: Vec<Peer> = rude_scripts().into_iter().map(Peer::start).collect();
        let route = |domain: &str, peer: &Peer| {
            format!("[[route]]\ndomains = [\"{domain}.example\"]\nto = \"smtp://{}\"\n", peer.address())
        };
        let mut sections = String::from(
            "[retry]\nfirst = \"1s\"\ncap = \"5s\"\ndelay_notice_after = \"never\"\n\
             [outbound]\nconnect_timeout = \"1s\"\nreply_timeout = \"2s\"\nrest = \"1s\"\n",
        );
        sections.push_str(&route("polite", &polite));
        for (number, peer) in rude.iter().enumerate() {
            sections.push_str(&route(&format!("r{number}"), peer));
        }
        let (scene, random) = (Scene::start_with(&sections), Mutex::new(Random::announced()));
        Self { scene, polite, rude, number: AtomicUsize::new(0), random }
    }

    /// Lets the ordinary clients send for so long.
    fn during(&self, time: Duration) -> Phase {
        let over = AtomicBool::new(false);
        let mut phase = Phase::default();
        thread::scope(|scope| {
            let ordinary = || {
                let mut phase = Phase::default();
                while !over.load(Ordering::Relaxed) {
                    let number = self.number.fetch_add(1, Ordering::Relaxed);
                    match send(self.scene.server().address(), number as u64) {
                        Ok(sent) => phase.sent.push(sent),
                        Err(why) => phase.failures.push(why),
                    }
                    rest();
                }
                phase
            };
            let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(ordinary)).collect();
            let (began, mut minutes) = (Instant::now(), 0);
            while began.elapsed() < time {
                pause();
                if began.elapsed().as_secs() / 60 > minutes {
                    minutes += 1;
                    self.tell(minutes);
                }
            }
            over.store(true, Ordering::Relaxed);
            for sender in senders {
                let Phase { sent, failures } = sender.join().unwrap();
                phase.sent.extend(sent);
                phase.failures.extend(failures);
            }
        });
        phase
    }

    /// The same, and the crowd does what it does.
    fn crowded(&self, time: Duration) -> (Phase, Vec<Figure>) {
        let over = AtomicBool::new(false);
        let done: Vec<AtomicUsize> = MISDEEDS.iter().map(|_| AtomicUsize::new(0)).collect();
        let phase = thread::scope(|scope| {
            for (misdeed, done) in MISDEEDS.iter().zip(&done) {
                let over = &over;
                scope.spawn(move || {
                    let mut actor = Actor::new(self);
                    while !over.load(Ordering::Relaxed) {
                        (misdeed.act)(&mut actor);
                        done.fetch_add(1, Ordering::Relaxed);
                        rest();
                    }
                });
            }
            let phase = self.during(time);
            over.store(true, Ordering::Relaxed);
            phase
        });
        let count = |(misdeed, done): (&misdeeds::Misdeed, &AtomicUsize)| {
            Figure::new(misdeed.name, done.load(Ordering::Relaxed) as f64, "times")
        };
        (phase, MISDEEDS.iter().zip(&done).map(count).collect())
    }

    fn tell(&self, minutes: u64) {
        let server = self.scene.server();
        let (memory, sent) = (server.resident_kib() / 1024, self.number.load(Ordering::Relaxed));
        eprintln!(
            "minute {minutes}: memory {memory} MiB, {} sockets, {sent} ordinary messages",
            server.sockets()
        );
    }

    /// Lets the rude hosts behave, waits until everything has arrived, and counts.
    fn tally(self, phases: &[Phase]) -> Vec<Figure> {
        for peer in &self.rude {
            peer.change(Script { keeps: false, ..Script::default() });
        }
        // Those before the first phase have arrived, too, and are not counted.
        let acknowledged: BTreeSet<u64> =
            phases.iter().flat_map(|phase| &phase.sent).map(|sent| sent.number).collect();
        let mut arrived = BTreeSet::new();
        wait("all that was acknowledged has arrived", || {
            arrived = self.arrived();
            acknowledged.is_subset(&arrived)
        });
        wait("the queue is empty", || self.scene.site.postrider(&["queue", "list", "--json"]).is_empty());
        let rude: usize = self.rude.iter().map(Peer::recipients).sum();
        let after = self.scene.server().resident_kib() as f64 / 1024.0;
        self.scene.stop();
        let missing = acknowledged.difference(&arrived).count();
        vec![
            Figure::new("memory when the crowd has gone", after, "MiB"),
            Figure::new("ordinary messages acknowledged", acknowledged.len() as f64, "messages"),
            Figure::new("of these not arrived", missing as f64, "messages").below(1.0),
            Figure::new("messages that rude hosts took in the end", rude as f64, "messages"),
        ]
    }

    /// The numbers of all ordinary messages that have arrived.
    fn arrived(&self) -> BTreeSet<u64> {
        let folder = self.scene.site.data().join("mail").join(NEIGHBOUR).join("new");
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let local = files.filter_map(|file| {
            let mut start = Vec::new();
            fs::File::open(file.path()).ok()?.take(4096).read_to_end(&mut start).ok()?;
            senders::number_in(&String::from_utf8_lossy(&start))
        });
        let seen = self.polite.seen();
        let relayed = seen.iter().filter(|seen| seen.accepted).flat_map(|seen| &seen.recipients);
        local.chain(relayed.filter_map(|recipient| senders::number_of(recipient))).collect()
    }
}

impl Phase {
    fn figures(&self, when: &str) -> Vec<Figure> {
        for failure in self.failures.iter().take(5) {
            eprintln!("an ordinary session failed {when}: {failure}");
        }
        let times = |time: fn(&Sent) -> Duration| {
            let mut times: Vec<Duration> = self.sent.iter().map(time).collect();
            times.sort();
            times
        };
        let (sessions, acknowledgements) = (times(|sent| sent.session), times(|sent| sent.acknowledgement));
        let mut figures = vec![Figure::new(format!("ordinary sessions {when}"), self.sent.len() as f64, "")];
        for (what, times) in [("session", &sessions), ("250 after the dot", &acknowledgements)] {
            for (name, part) in [("half", 0.5), ("99 of 100", 0.99), ("999 of 1000", 0.999), ("all", 1.0)] {
                let time = quantile(times, part).as_secs_f64() * 1e3;
                figures.push(Figure::new(format!("{what} {when}: {name} within"), time, "ms"));
            }
        }
        let failed =
            Figure::new(format!("ordinary sessions that failed {when}"), self.failures.len() as f64, "");
        figures.push(failed.below(1.0));
        figures
    }
}

/// Nobody is to use all of a processor for himself: what is measured is the server.
fn rest() {
    for _ in 0..10 {
        pause();
    }
}

/// The states that misdeeds go through.
fn state(scene: &Scene, number: usize) -> State {
    scene.states()[number % scene.states().len()]
}

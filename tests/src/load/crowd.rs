//! Many messages to many domains, of which some are dead and some take few connections at a time: the others are to
//! get their mail as if those were not there.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{Figure, quantile, wait};
use crate::client::Client;
use crate::dns::{Dns, Zone};
use crate::onward::{Origin, Street};
use crate::peer::{BlackHole, Peer, Script};
use postrider_journal::event::{Ending, What};
use postrider_journal::{Query, Reader, Story};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// A crowd of destinations.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Messages, one recipient each, to the domains in turn.
    pub messages: usize,
    /// Domains, each with a host of its own; at most 250.
    pub domains: usize,
    /// So many of them have a host that neither takes nor refuses a connection …
    pub black_holes: usize,
    /// … so many have one on which nobody listens …
    pub refusing: usize,
    /// … and so many have one that says 421 above [`LIMITED_CONNECTIONS`] connections.
    pub limited: usize,
    /// How long each host thinks about a message …
    pub thinks: Duration,
    /// … and a limited one: long enough that its connections do not suffice at once.
    pub limited_thinks: Duration,
}

/// What a limited host takes at a time.
pub const LIMITED_CONNECTIONS: u32 = 5;

/// Sessions that hand in.
const SESSIONS: usize = 20;

/// What came of one kind of destinations.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Messages to them.
    pub sent: usize,
    /// Messages they have, and how long after our 250 each was there; sorted.
    pub times: Vec<Duration>,
    /// From the first 250 of all until the last message was there.
    pub last: Duration,
    /// Attempts that the journal tells of, and how many of them were deferred. Zero where it was not asked.
    pub attempts: usize,
    /// Attempts that ended with a deferral.
    pub deferred: usize,
    /// Connections that were turned away with 421.
    pub refused: u32,
}

impl Group {
    /// The part of attempts that was deferred.
    pub fn deferred_share(&self) -> f64 {
        self.deferred as f64 / (self.attempts as f64).max(1.0)
    }
}

/// What came of a crowd.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Hosts with nothing wrong.
    pub healthy: Group,
    /// Hosts that take few connections.
    pub limited: Group,
    /// Hosts that are not there.
    pub dead: Group,
}

impl Crowd {
    /// The same without the hosts that have something wrong, and without their messages.
    #[must_use]
    pub fn without_trouble(self) -> Self {
        let healthy = self.domains - self.black_holes - self.refusing - self.limited;
        let messages = self.messages / self.domains * healthy;
        Self { messages, domains: healthy, black_holes: 0, refusing: 0, limited: 0, ..self }
    }

    fn kind(&self, domain: usize) -> Kind {
        // Troublemakers first: they are in everybody's way from the start.
        let mut bound = self.black_holes;
        if domain < bound {
            return Kind::BlackHole;
        }
        bound += self.refusing;
        if domain < bound {
            return Kind::Refusing;
        }
        bound += self.limited;
        if domain < bound { Kind::Limited } else { Kind::Healthy }
    }

    /// Sends it all through a Postrider; waits until everything that can arrive has arrived. `None` where there is
    /// no name server.
    ///
    /// # Panics
    /// When something comes twice or not at all, and where `CI=true`, instead of `None`.
    #[track_caller]
    pub fn run(self) -> Option<Outcome> {
        let street = Street::new();
        let dns = Dns::start(&[Zone::Records("crowd.example", &self.records(street))])?;
        let houses = self.open_houses(street);
        let retry = "[retry]\nfirst = \"2s\"\ncap = \"10s\"\n[limits]\nsessions_per_peer = 1000\n";
        let sections = format!("{retry}{}{}", dns.section(), street.route());
        let origin = Origin::patient(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &sections);
        let sent = self.hand_in(origin.server().address());
        let expected = (0..self.messages).filter(|number| self.kind(number % self.domains).answers()).count();
        wait("all that can arrive has arrived", || {
            houses.iter().map(House::accepted).sum::<usize>() >= expected
        });
        let began = sent.iter().copied().min().unwrap();
        let mut outcome =
            Outcome { healthy: Group::default(), limited: Group::default(), dead: Group::default() };
        for (domain, house) in houses.iter().enumerate() {
            let group = match self.kind(domain) {
                Kind::Healthy => &mut outcome.healthy,
                Kind::Limited => &mut outcome.limited,
                Kind::BlackHole | Kind::Refusing => &mut outcome.dead,
            };
            group.sent += (domain..self.messages).step_by(self.domains).count();
            house.count(group, &sent, began);
        }
        let site = origin.stop();
        for number in 0..self.messages {
            let group = match self.kind(number % self.domains) {
                Kind::Limited => &mut outcome.limited,
                Kind::BlackHole | Kind::Refusing => &mut outcome.dead,
                Kind::Healthy => continue,
            };
            let address = self.recipient(number).parse().unwrap();
            let found = Reader::new(&site.data().join("journal")).find(&Query::address(&address)).unwrap();
            for event in found.stories.iter().flat_map(Story::events) {
                if let What::Fate(fate) = &event.what
                    && fate.recipient == address
                {
                    group.attempts += 1;
                    group.deferred += usize::from(fate.ending == Ending::Deferred);
                }
            }
        }
        for group in [&mut outcome.healthy, &mut outcome.limited] {
            group.times.sort();
            assert_eq!(group.times.len(), group.sent, "each once");
        }
        Some(outcome)
    }

    fn recipient(&self, number: usize) -> String {
        format!("m{number}@d{}.crowd.example", number % self.domains)
    }

    fn records(&self, street: Street) -> String {
        let record = |domain| {
            let ip = street.ip(u8::try_from(domain + 1).unwrap());
            format!("d{domain} MX 10 mx{domain}\nmx{domain} A {ip}\n")
        };
        (0..self.domains).map(record).collect()
    }

    fn open_houses(&self, street: Street) -> Vec<House> {
        let open = |domain| {
            let address = street.at(u8::try_from(domain + 1).unwrap());
            let script = Script { keeps: false, thinks: self.thinks, ..Script::default() };
            match self.kind(domain) {
                Kind::BlackHole => House::BlackHole { _hole: BlackHole::at(address) },
                Kind::Refusing => House::Nobody,
                Kind::Limited => {
                    let (connections_max, thinks) = (LIMITED_CONNECTIONS, self.limited_thinks);
                    House::Peer(Peer::at(address, Script { connections_max, thinks, ..script }))
                }
                Kind::Healthy => House::Peer(Peer::at(address, script)),
            }
        };
        (0..self.domains).map(open).collect()
    }

    /// Hands everything in; gives the time of each 250.
    fn hand_in(&self, to: SocketAddr) -> Vec<Instant> {
        let times = Mutex::new(vec![Instant::now(); self.messages]);
        thread::scope(|scope| {
            for first in 0..SESSIONS {
                let times = &times;
                scope.spawn(move || {
                    let mut client = Client::greeted(to);
                    for number in (first..self.messages).step_by(SESSIONS) {
                        let recipient = self.recipient(number);
                        client.sends(
                            &[&recipient],
                            &format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(500)),
                        );
                        times.lock().unwrap()[number] = Instant::now();
                    }
                    client.says("QUIT", "221");
                });
            }
        });
        times.into_inner().unwrap()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    BlackHole,
    Refusing,
    Limited,
    Healthy,
}

impl Kind {
    fn answers(self) -> bool {
        matches!(self, Self::Limited | Self::Healthy)
    }
}

/// What stands at a destination's address.
enum House {
    /// Open while this lives.
    BlackHole {
        _hole: BlackHole,
    },
    Nobody,
    Peer(Peer),
}

impl House {
    fn accepted(&self) -> usize {
        match self {
            Self::Peer(peer) => peer.accepted(),
            Self::BlackHole { .. } | Self::Nobody => 0,
        }
    }

    fn count(&self, group: &mut Group, sent: &[Instant], began: Instant) {
        let Self::Peer(peer) = self else { return };
        group.refused += peer.refused();
        for seen in peer.seen() {
            let number: usize = seen.recipients[0]
                .trim_start_matches("<m")
                .split('@')
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| panic!("{:?}", seen.recipients));
            // It may be there before our own client has read the 250.
            group.times.push(seen.at.saturating_duration_since(sent[number]));
            group.last = group.last.max(seen.at.saturating_duration_since(began));
        }
    }
}

/// The crowd, and the same without its troublemakers, as a table.
#[track_caller]
pub fn compare(crowd: Crowd) -> Vec<Figure> {
    let (Some(alone), Some(all)) = (crowd.without_trouble().run(), crowd.run()) else { return Vec::new() };
    let mut figures = Vec::new();
    let groups = [
        ("healthy, among themselves", &alone.healthy),
        ("healthy, among all", &all.healthy),
        ("limited", &all.limited),
        ("dead", &all.dead),
    ];
    for (name, group) in groups {
        let within = |part| quantile(&group.times, part).as_secs_f64() * 1e3;
        let what = |what: &str| format!("{name}: {what}");
        figures.push(Figure::new(what("sent"), group.sent as f64, "messages"));
        figures.push(Figure::new(what("arrived"), group.times.len() as f64, "messages"));
        if !group.times.is_empty() {
            figures.push(Figure::new(what("half arrived within"), within(0.5), "ms"));
            figures.push(Figure::new(what("99 of 100 within"), within(0.99), "ms"));
            figures.push(Figure::new(what("last arrived after"), group.last.as_secs_f64(), "s"));
        }
        if group.attempts > 0 {
            figures.push(Figure::new(what("attempts"), group.attempts as f64, ""));
            let share = Figure::new(what("attempts deferred"), group.deferred_share() * 100.0, "%");
            // Of what goes to the dead, all is deferred.
            figures.push(if group.times.is_empty() { share } else { share.below(20.0) });
        }
        if group.refused > 0 {
            figures.push(Figure::new(what("connections that heard 421"), f64::from(group.refused), ""));
        }
    }
    figures
}

//! The configuration: a TOML file in, typed values out. No other crate sees the format.
//!
//! A key is honoured or rejected, never ignored. A broken file is reported with everything that is wrong
//! with it: the line, the text, the nearest known key. A useful file has at most five lines:
//!
//! ```toml
//! hostname = "mx.example.org"
//! data = "/var/lib/postrider"
//! listen = ["0.0.0.0:25", "[::]:25"]
//!
//! [domains."example.org"]
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `grammar` | which keys stand where |
//! | `reader` | one table: each key once, unknown ones refused |
//! | `values` | single values |
//! | `addresses` | networks, hosts, patterns of domains |
//! | `units` | durations and sizes |
//! | `listeners`, `domains`, `smtp` | where mail comes in, whose it is, what is asked of clients |
//! | `hop`, `outward` | where mail goes, and how it leaves |
//! | `sense`, `routes` | what values mean to each other |
//! | `warning` | what is allowed and perhaps not meant |
//! | `problem`, `report` | what is wrong, and how it is shown |
//! | `limits` | defaults and bounds |

mod addresses;
mod domains;
mod grammar;
mod hop;
mod limits;
mod listeners;
mod outward;
mod problem;
mod reader;
mod report;
mod routes;
mod sense;
mod smtp;
#[cfg(test)]
mod tests;
pub(crate) mod units;
mod values;
mod warning;

pub(crate) use problem::enumerated;
pub(crate) use report::{Broken, Look};
pub(crate) use routes::Route;

use limits::{FILE_OCTETS_MAX, SUBADDRESS_DEFAULT, USER_OCTETS_MAX};
use postrider_mail::{Domain, Mailbox, Solicitation, Text};
use postrider_mta::listen::Purpose;
use postrider_mta::resolver::Patience;
use postrider_mta::{BareNewlines, LongLines, Notices, Outbound};
use postrider_policy::admit::EarlyTalkers;
use postrider_policy::relay::Relay;
use postrider_policy::trust::Trust;
use postrider_queue::Retry;
use problem::{Problem, quoted};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use toml::de::DeTable;

/// A configuration that makes sense as a whole. Only this module makes one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// Our name in the banner and in Received; ASCII.
    pub(crate) hostname: Domain,
    /// The folder everything is kept under; absolute.
    pub(crate) data: PathBuf,
    /// What listens, in the order of the file: `listen` first. No two collide; none: nothing listens.
    pub(crate) listeners: Vec<Listener>,
    /// Who to become after binding, when started as root.
    pub(crate) user: Option<UserName>,
    /// Who gets postmaster's mail: an address of a local domain.
    pub(crate) postmaster: Option<Mailbox>,
    /// The local domains, by name, each once.
    pub(crate) domains: Vec<LocalDomain>,
    /// Domains that take no mail (RFC 7504), by name, each once; none of them is local.
    pub(crate) no_mail: Vec<Domain>,
    /// Addresses of local domains that are others now.
    pub(crate) moved: Moved,
    /// Whose word about another client is taken; not everyone is a proxy.
    pub(crate) trust: Trust,
    /// How we are to clients.
    pub(crate) smtp: Smtp,
    /// Who may send through this server.
    pub(crate) relay: Relay,
    /// Where mail goes, in order, those that nobody wrote included: the first that matches decides.
    pub(crate) routes: Vec<Route>,
    /// Whom to ask for names.
    pub(crate) dns: Dns,
    /// How mail leaves, whatever its route.
    pub(crate) outbound: Outbound,
    /// What senders are told.
    pub(crate) notices: Notices,
    /// When to try again: `first <= longest <= expiry`, none zero.
    pub(crate) retry: Retry,
    /// How much is taken.
    pub(crate) limits: Limits,
    /// How much is remembered.
    pub(crate) journal: Journal,
}

/// One place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Where.
    pub(crate) place: Place,
    /// What for.
    pub(crate) purpose: Purpose,
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Address and port; port 0 asks the system for a free one. IPv6 is for IPv6 only (`IPV6_V6ONLY`).
    Tcp(SocketAddr),
    /// A socket of this host.
    Unix {
        /// Absolute; short enough to be bound.
        path: PathBuf,
        /// Its permissions, of owner, group and others.
        mode: u32,
    },
}

impl Place {
    /// The address, of a place that other hosts may reach.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => path.display().fmt(f),
        }
    }
}

/// Old addresses, each once, and what they are now.
pub(crate) type Moved = Vec<(Mailbox, Mailbox)>;

/// How we are to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Smtp {
    /// Lines of content over 998 octets.
    pub(crate) long_lines: LongLines,
    /// A CR or LF that stands alone in content.
    pub(crate) bare_newlines: BareNewlines,
    /// How long the greeting waits.
    pub(crate) greet_pause: Duration,
    /// Who talks before the greeting, or out of turn.
    pub(crate) early_talkers: EarlyTalkers,
    /// Which classes of solicitation are refused (RFC 3865).
    pub(crate) no_soliciting: Option<Solicitation>,
    /// How far clients in `relay_from` may put a message off; `None`: not at all.
    pub(crate) future_release_max: Option<Duration>,
    /// The least time for a delivery that a client may insist on; whole seconds count.
    pub(crate) deliver_by_min: Duration,
    /// Domains whose waiting mail a client may start.
    pub(crate) etrn: Vec<Domain>,
}

/// A domain whose mailboxes are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalDomain {
    /// Its name.
    pub(crate) domain: Domain,
    /// What separates a local part from its tag.
    pub(crate) subaddress: Subaddress,
    /// Whether VRFY and EXPN answer for it; if not, they only say 252.
    pub(crate) verify: bool,
}

/// Whom to ask for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dns {
    /// Addresses and ports; none: what the system is set to.
    pub(crate) servers: Vec<SocketAddr>,
    /// How long and how often.
    pub(crate) patience: Patience,
}

/// How much is taken. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Octets of one message.
    pub(crate) message_octets: u64,
    /// Recipients of one transaction.
    pub(crate) recipients: u32,
    /// Sessions at a time, all together; `None`: as many as the limit of open files allows.
    pub(crate) sessions: Option<NonZeroU32>,
    /// Sessions at a time of one peer; no more than all together.
    pub(crate) sessions_per_peer: u32,
    /// Received fields before a message counts as looping.
    pub(crate) hops: u32,
    /// Octets of content in memory, all sessions together.
    pub(crate) content_in_flight_octets: u64,
}

/// How much is remembered. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    /// For how long.
    pub(crate) keep: Duration,
    /// In how many octets of disk.
    pub(crate) octets: u64,
}

/// What separates a local part from its tag: one character of `atext` that is no letter or digit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subaddress(Option<char>);

impl Subaddress {
    /// `user+tag`.
    pub(crate) fn of_default() -> Self {
        Self(Some(SUBADDRESS_DEFAULT))
    }

    /// No subaddresses: every character is part of the name.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// The separator, if there are subaddresses.
    pub(crate) fn separator(self) -> Option<char> {
        self.0
    }
}

impl FromStr for Subaddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (None, _) => Ok(Self::off()),
            (Some(c), None) if "+-=_!#$%&'*/?^`{|}~".contains(c) => Ok(Self(Some(c))),
            _ => Err(()),
        }
    }
}

/// The name of a user of this system: 1 to [`USER_OCTETS_MAX`] of letters, digits, `_`, `-` and `.`, not
/// all digits, no `-` in front. Whether there is such a user is for the system to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserName(Box<str>);

impl UserName {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        let well_formed = (1..=USER_OCTETS_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.bytes().all(|b| b.is_ascii_digit());
        if well_formed { Ok(Self(text.into())) } else { Err(()) }
    }
}

impl Config {
    /// Reads and understands the file.
    ///
    /// # Errors
    /// Everything that is wrong with it, ready to be shown; a file that cannot be read too.
    pub(crate) fn load(path: &Path) -> Result<Self, Broken> {
        let file = Text::clean(&path.to_string_lossy()).to_string();
        let broken = |problem| Broken::new(file.clone(), "", vec![problem]);
        let octets = read(path).map_err(|error| {
            let problem = Problem::nowhere(format!("the configuration cannot be read: {error}"));
            broken(if error.kind() == io::ErrorKind::NotFound {
                problem.help("--config names the file")
            } else {
                problem
            })
        })?;
        if octets.len() as u64 > FILE_OCTETS_MAX {
            let most = units::print_size(FILE_OCTETS_MAX);
            return Err(broken(Problem::nowhere(format!("the configuration is larger than {most}"))));
        }
        match str::from_utf8(&octets) {
            Ok(source) => Self::parse(&file, source),
            Err(error) => {
                let at = error.valid_up_to();
                let problem =
                    Problem::at(at..at, "the configuration must be UTF-8").here("from here on it is not");
                Err(Broken::new(file, &String::from_utf8_lossy(&octets), vec![problem]))
            }
        }
    }

    /// Understands a source; `file` is the name to show.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn parse(file: &str, source: &str) -> Result<Self, Broken> {
        let (table, errors) = DeTable::parse_recoverable(source);
        let mut problems: Vec<Problem> = errors.iter().map(|error| syntax(error, source)).collect();
        if problems.is_empty() {
            let draft = grammar::read(table.get_ref(), &mut problems);
            if let Some(config) = sense::make(draft, source, &mut problems) {
                return Ok(config);
            }
        }
        Err(Broken::new(file.to_owned(), source, problems))
    }
}

/// At most one octet more than a configuration may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

/// An error of TOML itself, in our words where they say more.
fn syntax(error: &toml::de::Error, source: &str) -> Problem {
    let message = error.message();
    let Some(span) = error.span() else {
        return Problem::nowhere(format!("this is not TOML: {message}"));
    };
    match source.get(span.clone()) {
        Some(key) if message == "duplicate key" => {
            let key = quoted(key.trim_matches(['"', '\'']));
            Problem::at(span, format!("{} is given twice", key.replace('"', "`"))).here("again here")
        }
        _ => Problem::at(span, format!("this is not TOML: {message}")),
    }
}

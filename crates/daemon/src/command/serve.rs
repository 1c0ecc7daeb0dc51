//! `postrider serve`: the real server, from a configuration file.

use super::logs::Logs;
use super::{ConfigFile, Failure};
use crate::config::{self, Config, units};
use crate::exit::Exit;
use crate::service::privileges::Account;
use crate::service::sockets::Bound;
use crate::service::{self, Plan, Reload, Storage, privileges, sockets};
use clap::Args;
use postrider_directory::Directory;
use postrider_mta::resolver::DnsResolver;
use postrider_mta::{Settings, Smtp};
use postrider_policy::admit::Rules;
use postrider_policy::local::{DomainRules, Domains, Local};
use std::path::PathBuf;
use std::sync::Arc;

/// Run the server
#[derive(Debug, Args)]
#[command(
    long_about = "Run the server described by a configuration file.\n\nSIGTERM lets open transactions end, then stops. SIGHUP reads the \
                  configuration again without dropping a connection; a broken file leaves the old one in force.",
    after_help = "Examples:\n  postrider serve --config /etc/postrider.toml\n  postrider serve --config /etc/postrider.toml --log json\n\n\
                  `postrider check --config F` says what a configuration means before it runs."
)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    logs: Logs,
}

impl Serve {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        privileges::private_files();
        let sessions_possible = privileges::sessions_possible();
        // Bound while we may, used when we are nobody any more.
        let to_be = privileges::account_to_be(config.user.as_ref().map(config::UserName::as_str))?;
        let sockets = bind(&config, to_be.as_ref())?;
        to_be.as_ref().map_or(Ok(()), privileges::become_account)?;
        // Kept to the end, so that the last lines are written.
        let _log_writer = self.logs.start()?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        let wanted = config.limits.sessions.map_or(sessions_possible, |sessions| sessions.get() as usize);
        if wanted > sessions_possible {
            tracing::warn!(
                wanted,
                possible = sessions_possible,
                "fewer sessions than configured: the limit of open files is too low"
            );
        }
        let listening: Vec<String> = sockets.iter().map(|(socket, _)| socket.to_string()).collect();
        for listener in &config.listeners {
            if !is_open(listener, &sockets) {
                tracing::warn!(listener = %listener.place, "not listened on: the service manager handed over others");
            }
        }
        make_data_folder(&config)?;
        let directory = Directory::open(&config.data)
            .map_err(|error| Failure::unavailable(format!("the directory of users: {error}")))?;
        let resolver = DnsResolver::new(&config.dns.servers, config.dns.patience)
            .map_err(|error| Failure::config(format!("[dns]: {error}")))?;
        if let Some(trouble) = resolver.trouble() {
            tracing::warn!(%trouble, "names cannot be looked up");
        }
        let plan = Plan {
            data: config.data.clone(),
            sockets,
            settings: settings(&config),
            directory: Arc::new(directory),
            resolver: Arc::new(resolver),
            storage: storage(&config),
            sessions_max: wanted.min(sessions_possible),
            observer: None,
            reload: Some(reload(self.config.path(), config)),
        };
        service::run(plan, || tracing::info!(listening = listening.join(" "), "ready"))
    }
}

/// Sockets from the service manager stand for the configured ones; else those are bound here.
fn bind(config: &Config, owner: Option<&Account>) -> Result<Vec<Bound>, Failure> {
    let activated = sockets::activated(&config.listeners)?;
    if !activated.is_empty() {
        return Ok(activated);
    }
    config.listeners.iter().map(|listener| sockets::bind_listener(listener, owner)).collect()
}

/// Whether one of the sockets is that of the listener; the port 0 is any.
fn is_open(listener: &config::Listener, sockets: &[Bound]) -> bool {
    sockets.iter().any(|(socket, _)| match (listener.place.address(), socket.address()) {
        (Some(wanted), Some(open)) => wanted.ip() == open.ip() && [0, open.port()].contains(&wanted.port()),
        (None, None) => listener.place.to_string() == socket.to_string(),
        _ => false,
    })
}

fn make_data_folder(config: &Config) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data).map_err(|error| {
        Failure::os(format!(
            "the data folder {} cannot be made: {error}\n  make it for the user the server runs as: install -d -m 700 -o USER {0}",
            config.data.display()
        ))
    })
}

/// The configuration as the agents know it.
pub(super) fn settings(config: &Config) -> Settings {
    let domains = config.domains.iter().map(|local| {
        let subaddress = local.subaddress.separator();
        (local.domain.clone(), DomainRules { subaddress, verify: local.verify, mail: true })
    });
    let no_mail = DomainRules { subaddress: None, verify: false, mail: false };
    let domains = domains.chain(config.no_mail.iter().map(|domain| (domain.clone(), no_mail.clone())));
    let local = Local {
        hostname: config.hostname.clone(),
        domains: Domains::These(domains.collect()),
        postmaster: config.postmaster.clone(),
    };
    let smtp = &config.smtp;
    Settings {
        hostname: config.hostname.clone(),
        banner: "Postrider".into(),
        content_octets_max: config.limits.message_octets,
        recipients_max: config.limits.recipients,
        rules: Rules {
            sessions_per_peer_max: config.limits.sessions_per_peer,
            hops_max: config.limits.hops,
            relay: config.relay.clone(),
            routes: config.routes.iter().map(|route| route.rule.clone()).collect(),
            trust: config.trust.clone(),
            early_talkers: smtp.early_talkers,
            no_soliciting: smtp.no_soliciting.clone(),
            future_release_max: smtp.future_release_max,
            deliver_by_min: smtp.deliver_by_min,
            etrn: smtp.etrn.iter().cloned().collect(),
            moved: config.moved.iter().cloned().collect(),
            local,
        },
        smtp: Smtp {
            long_lines: smtp.long_lines,
            bare_newlines: smtp.bare_newlines,
            greet_pause: smtp.greet_pause,
        },
        outbound: config.outbound,
        notices: config.notices,
    }
}

fn storage(config: &Config) -> Storage {
    let octets = config.limits.content_in_flight_octets;
    let queue = postrider_queue::Settings {
        in_flight_octets_max: usize::try_from(octets).unwrap_or(usize::MAX),
        retry: config.retry,
        ..postrider_queue::Settings::default()
    };
    let journal =
        postrider_journal::Settings { keep: config.journal.keep, octets_max: config.journal.octets };
    Storage { queue, journal }
}

/// Reads the file again; says which of the changes need a restart.
fn reload(path: PathBuf, mut old: Config) -> Reload {
    Box::new(move || {
        let new = Config::load(&path).map_err(|broken| broken.plain())?;
        let mut restart = Vec::new();
        let mut differs = |what: &str, differs: bool| {
            if differs {
                restart.push(what.to_owned());
            }
        };
        differs("data", new.data != old.data);
        differs("listen", new.listeners != old.listeners);
        differs("user", new.user != old.user);
        differs("[dns]", new.dns != old.dns);
        differs("[retry]", new.retry != old.retry);
        differs("[journal]", new.journal != old.journal);
        differs("[limits] sessions", new.limits.sessions != old.limits.sessions);
        differs(
            &format!(
                "[limits] content_in_flight = {}",
                units::print_size(new.limits.content_in_flight_octets)
            ),
            new.limits.content_in_flight_octets != old.limits.content_in_flight_octets,
        );
        let settings = settings(&new);
        // What needs a restart is said again at the next reload, until it has happened.
        old = Config {
            data: old.data.clone(),
            listeners: old.listeners.clone(),
            user: old.user.clone(),
            dns: old.dns.clone(),
            retry: old.retry,
            journal: old.journal,
            limits: config::Limits {
                sessions: old.limits.sessions,
                content_in_flight_octets: old.limits.content_in_flight_octets,
                ..new.limits
            },
            ..new
        };
        Ok((settings, restart))
    })
}

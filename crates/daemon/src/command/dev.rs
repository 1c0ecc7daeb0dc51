//! `postrider dev`: an SMTP server for a developer's machine. No configuration, no root, no network.

use super::Failure;
use super::logs::Logs;
use crate::exit::Exit;
use crate::log_lines::OUTPUT_END_TIMEOUT;
use crate::screen::{Screen, screen};
use crate::service::{self, Plan, Storage, privileges, sockets};
use crate::thread::Thread;
use clap::Args;
use ipnet::IpNet;
use postrider_mail::dns::Zone;
use postrider_mail::{Domain, Mailbox, Service};
use postrider_mta::listen::Purpose;
use postrider_mta::{Notices, Outbound, Settings, Smtp};
use postrider_policy::admit::Rules;
use postrider_policy::local::{Domains, Local};
use postrider_policy::port::{Directory, Entry, Unavailable};
use postrider_policy::relay::Relay;
use postrider_policy::trust::Trust;
use postrider_smtp::limits::{CONTENT_OCTETS_DEFAULT, RECIPIENTS_DEFAULT};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Start a server for development: keeps every message for anyone, shows the conversation
#[derive(Debug, Args)]
#[command(
    long_about = "Start a server for development.\n\nIt takes every message for anyone, keeps it in a Maildir per address below the data \
                  folder, and shows every conversation as it happens. It needs no configuration and no root, and never opens an \
                  outward connection.",
    after_help = "Examples:\n  postrider dev\n  postrider dev --listen 127.0.0.1:1025 --data ./mail\n  \
                  postrider dev --quiet --log json"
)]
pub(super) struct Dev {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Where everything is kept [default: postrider-dev in the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Allow an address that other machines can reach
    #[arg(long)]
    public: bool,
    /// Do not show the conversations
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    logs: Logs,
}

/// Nobody needs to be looked up: every address is a mailbox.
struct Everyone;

impl Directory for Everyone {
    fn look_up(&self, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        Ok(Some(Entry::Account(address.clone())))
    }
}

impl Dev {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if !self.listen.ip().is_loopback() && !self.public {
            return Err(Failure::usage(format!(
                "{} can be reached by other machines, and this server keeps whatever anyone sends\n  \
                 add --public if that is meant, or listen on 127.0.0.1",
                self.listen
            )));
        }
        privileges::private_files();
        let data = match &self.data {
            Some(data) => data.clone(),
            None => default_data()?,
        };
        let data = std::path::absolute(&data)
            .map_err(|error| Failure::os(format!("the data folder {}: {error}", data.display())))?;
        let sessions_max = privileges::sessions_possible();
        let socket = sockets::bind(self.listen)?;
        let listen = socket.local_addr().unwrap_or(self.listen);
        let log_writer = self.logs.start()?;
        let (observer, printer) = if self.quiet { (None, None) } else { watched() };
        let printing = printer.map(|printer| Thread::start("screen", move || printer.run())).transpose()?;
        let plan = Plan {
            data: data.clone(),
            sockets: vec![(socket.into(), Purpose::Serve(Service::Mta))],
            settings: settings()?,
            directory: Arc::new(Everyone),
            // Nothing leaves, so nobody is looked up.
            resolver: Arc::new(Zone::default()),
            storage: Storage::default(),
            sessions_max,
            observer,
            reload: None,
        };
        let outcome = service::run(plan, || introduce(listen, &data, self.data.is_some()));
        // Every screen is gone with the server: the printer ends with its last line, unless the terminal is
        // not read from. One moment is for both outputs.
        let deadline = Instant::now() + OUTPUT_END_TIMEOUT;
        if let Some(printing) = printing {
            // What it could not show is in the journal.
            let _ = printing.join_by(deadline);
        }
        log_writer.end_by(deadline);
        outcome
    }
}

fn watched() -> (Option<Arc<dyn postrider_mta::Observer>>, Option<crate::screen::Printer>) {
    let (screen, printer): (Screen, _) = screen();
    (Some(Arc::new(screen)), Some(printer))
}

/// Where `dev` keeps things when nothing is said: the XDG data folder, or one below the temporary folder.
pub(super) fn default_data() -> Result<PathBuf, Failure> {
    let folder =
        |name: &str| std::env::var_os(name).filter(|value| Path::new(value).is_absolute()).map(PathBuf::from);
    let data = folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("postrider-dev")).ok_or_else(|| {
        Failure::usage("neither HOME nor XDG_DATA_HOME is set: say where mail is kept with --data DIR")
    })
}

fn settings() -> Result<Settings, Failure> {
    let hostname: Domain = "localhost".parse().map_err(|error| Failure::os(format!("localhost: {error}")))?;
    let local = Local { hostname: hostname.clone(), domains: Domains::Every, postmaster: None };
    // Programs on this machine may try every extension, those too that a real server keeps for whom it knows.
    let this_machine: Vec<IpNet> =
        [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(IpNet::from).to_vec();
    let trust =
        Trust { xclient_from: this_machine.clone(), xforward_from: this_machine.clone(), ..Trust::default() };
    let relay = Relay { from: this_machine, domains: Vec::new() };
    Ok(Settings {
        hostname,
        banner: "Postrider, for development: everything is kept, nothing is sent on".into(),
        content_octets_max: CONTENT_OCTETS_DEFAULT,
        recipients_max: RECIPIENTS_DEFAULT,
        rules: Rules { sessions_per_peer_max: u32::MAX, trust, relay, ..Rules::new(local) },
        smtp: Smtp::default(),
        outbound: Outbound::default(),
        notices: Notices::default(),
    })
}

/// Says what runs, and what to type next.
fn introduce(listen: SocketAddr, data: &Path, data_was_named: bool) {
    let where_ = if data_was_named { format!(" --data {}", data.display()) } else { String::new() };
    let telnet = format!("{} {}", listen.ip(), listen.port());
    let text = format!(
        "Postrider {version}: an SMTP server for development. Nothing is sent on.\n\
         \n\
         \x20 listening  {listen}\n\
         \x20 mail       {mail}/ADDRESS/new\n\
         \n\
         Type in another terminal:\n\
         \x20 postrider send --server {listen} --from me@example.org --to you@example.org --subject Hello --body 'It works.'\n\
         \x20 telnet {telnet}            (or: nc -C {telnet})\n\
         \x20 postrider trace last{where_}\n\
         \x20 postrider queue list{where_}\n\
         \n\
         Ctrl-C stops.\n",
        version = env!("CARGO_PKG_VERSION"),
        mail = data.join("mail").display(),
    );
    let mut out = io::stdout().lock();
    // Nobody has to read it.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

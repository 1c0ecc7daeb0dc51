//! `postrider send`: brings one message to a host, or to the hosts that DNS names, shows the conversation as
//! it happens, and explains a refusal.
//!
//! | module | what is in it |
//! |---|---|
//! | `message`, `compose`, `field`, `attachment` | the message, as a file or made from the command line |
//! | `content` | any message, as it goes on the wire |
//! | `path` | the envelope's addresses |
//! | `peer` | the host that was named, and the connection to it |
//! | `dsn` | what the sender wants to hear of it |
//! | `domains` | the hosts that DNS names, one after the other |
//! | `delivery`, `conversation` | one message over one connection; drives the client engine |
//! | `show` | the conversation on the terminal |
//! | `advice` | what refusals mean |
//! | `report`, `fate`, `problem` | what became of the message, and why it did not |
//! | `limits` | sizes and timeouts |

pub(super) mod advice;
mod attachment;
mod compose;
mod content;
mod conversation;
mod delivery;
mod domains;
mod dsn;
mod fate;
mod field;
pub(super) mod limits;
mod message;
mod path;
pub(super) mod peer;
mod problem;
mod report;
pub(super) mod show;

use super::{Failure, unwritten};
use crate::config::units::parse_duration;
use crate::exit::Exit;
use clap::Args;
use content::Content;
use delivery::Delivery;
use domains::ByDns;
use dsn::Dsn;
use limits::{MESSAGE_LINE_OCTETS_MAX, RECIPIENTS_MAX};
use message::Message;
use peer::Peer;
use postrider_mail::{ForwardPath, Host, ReversePath};
use postrider_smtp::server::Dialect;
use problem::Problem;
use report::{Part, Report};
use show::Show;
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::net::TcpStream;

/// Send one message and watch the conversation
#[derive(Debug, Args)]
#[command(
    long_about = "Send one message and watch the conversation.\n\n\
        Without --server the hosts that DNS names for each recipient's domain (MX) are tried one after the other, \
        as a mail server would, and it is shown which and why. \
        The message is a file, sent as it is but for its line ends, or is made from --subject, --body, --header and \
        --attach: encoded where it is not ASCII, with a Date and a Message-ID. Refusals are explained.",
    after_help = "\
Examples:
  postrider send --server 127.0.0.1:2525 --from me@example.org --to you@example.org --subject Hello --body 'It works.'
  postrider send --from me@example.org --to a@example.net --to b@example.com --file message.eml
  postrider send --from me@example.org --to you@example.net --body - --attach photo.jpg < text
  postrider send --from me@example.org --to you@example.net --subject Hi --body Hi --notify success,failure
  postrider send --server 127.0.0.1:24 --lmtp --from '<>' --to you@example.org --file - < m.eml

Exit codes:
   0  accepted for every recipient
  64  the command line makes no sense
  65  the message cannot be sent: a NUL, a CR that stands alone, nothing at all
  66  a file cannot be read
  68  the server's name is not known, or a recipient's domain does not exist
  69  refused for good (5yz), for at least one recipient; or its domain takes no mail
  75  not now: refused for the moment (4yz), no connection, no answer from DNS, or a connection lost
  76  the server does not speak SMTP
In JSON, a recipient's fate is accepted, deferred (4yz), refused (5yz), unsent or unknown; without --server, \
`domains` lists what DNS said and the hosts that were tried.
Where only some recipients were accepted, the others decide: 69 if any was refused for good, else 68, 76 or \
75. The same again brings a second copy to those that accepted; --json tells which they are."
)]
pub(super) struct Send {
    /// The reverse-path, where notices go; '<>' for none
    #[arg(long, value_name = "ADDRESS", value_parser = path::reverse_path)]
    from: ReversePath,
    /// A recipient; may be given many times
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = path::forward_path)]
    to: Vec<ForwardPath>,
    /// The server to hand the message to; without a port 25, or 24 with --lmtp [default: the hosts that DNS
    /// names for each recipient's domain]
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<Peer>,
    #[command(flatten)]
    by_dns: ByDns,
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    dsn: Dsn,
    /// The name to say in EHLO [default: the address of this end, as in [127.0.0.1]]
    #[arg(long, value_name = "NAME")]
    helo: Option<Host>,
    /// Speak LMTP: an answer for each recipient
    #[arg(long, requires = "server")]
    lmtp: bool,
    /// The longest wait, for each connection and for each answer, as in 30s [default: 15s or 30s, and minutes, as
    /// RFC 5321 has it]
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    timeout: Option<Duration>,
    /// Show nothing unless something was not accepted
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Show no conversation; tell what became of each recipient in JSON
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if self.to.len() > RECIPIENTS_MAX {
            return Err(Failure::usage(format!("a message has at most {RECIPIENTS_MAX} recipients")));
        }
        if self.to.len() > 1 && self.dsn.names_one_recipient() {
            return Err(Failure::usage("--orcpt is for one recipient: give --to once"));
        }
        let content = self.message.content(&self.from, &self.to)?;
        let mut show = Show::new(self.quiet || self.json);
        let delivery = Delivery {
            dialect: self.dialect(),
            reverse_path: &self.from,
            content: &content,
            dsn: &self.dsn,
            helo: self.helo.as_ref(),
            patience: self.timeout,
        };
        let runtime = runtime()?;
        let parts = runtime.block_on(async {
            match &self.server {
                Some(server) => Ok(vec![self.to_server(server, &delivery, &mut show).await]),
                None => self.by_dns.send(&self.to, &delivery, &mut show).await,
            }
        });
        // A look-up that hangs is not waited for.
        runtime.shutdown_background();
        let parts = parts?;
        let mut warnings = warnings(&content, parts.iter().any(|part| part.body_undeclared));
        if self.dsn.asks() && parts.iter().any(|part| part.dsn_unsaid) {
            warnings.push(
                "the host does not offer DSN: what was asked of notices was not passed on, and none may come"
                    .into(),
            );
        }
        Ok(self.end(&content, &Report::new(parts, warnings), &mut show))
    }

    fn dialect(&self) -> Dialect {
        if self.lmtp { Dialect::Lmtp } else { Dialect::Smtp }
    }

    async fn to_server(&self, server: &Peer, delivery: &Delivery<'_>, show: &mut Show) -> Part<'_> {
        let mut part = Part::to_server(&self.to);
        match peer::connect(server, self.dialect(), self.timeout).await {
            Ok(stream) => {
                show.note(&connected(&stream));
                let ended = delivery.converse(stream, self.to.clone(), show).await;
                part.record(&part.open(), ended);
            }
            Err(unreached) => part.problem = Some(Problem::Unreached(unreached)),
        }
        part
    }

    /// Says what became of the message. Its fate decides the exit code, not whether it could be shown.
    fn end(&self, content: &Content, report: &Report<'_>, show: &mut Show) -> Exit {
        let exit = report.exit();
        if self.json {
            let server = self.server.as_ref().map(|server| server.shown(self.dialect()));
            let json = report.json(server.as_deref(), content.octets().len());
            super::answer(&format!("{json:#}\n"), exit);
        } else if report.is_unreached() || (self.quiet && !report.is_good()) {
            // There is nowhere else to say it.
            let _ = io::stderr().lock().write_all(report.plain().as_bytes());
        } else {
            report.show(show);
        }
        if let Some(error) = show.failed() {
            unwritten(error);
        }
        exit
    }
}

/// What may harm the message on its way.
fn warnings(content: &Content, body_undeclared: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if body_undeclared {
        let text =
            "octets beyond ASCII were sent to a host that does not offer 8BITMIME: they may not survive";
        warnings.push(text.to_owned());
    }
    if content.longest_line() > MESSAGE_LINE_OCTETS_MAX {
        warnings.push(format!(
            "a line has {} octets, and RFC 5322 allows {MESSAGE_LINE_OCTETS_MAX}: some hosts refuse or break it",
            content.longest_line()
        ));
    }
    warnings
}

/// The runtime of one conversation.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::os(format!("the runtime cannot be started: {error}")))
}

/// To whom the connection leads.
pub(super) fn connected(stream: &TcpStream) -> String {
    match stream.peer_addr() {
        Ok(address) => format!("connected to {address}"),
        Err(error) => format!("connected, and lost again: {error}"),
    }
}

/// `30s`: how long to wait at most.
pub(super) fn patience(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration has a unit and is not zero, as in 500ms, 30s or 5m".into()),
    }
}

//! `postrider queue …`: what is queued, and what an operator does about it.
//!
//! | module | what is in it |
//! |---|---|
//! | `select` | which messages are meant: ids and filters |
//! | `list` | the table, and JSON lines |
//! | `show`, `attempts` | one message with everything that is known of it, and what was tried for it |
//! | `destinations` | where mail is leaving for, and what keeps it |
//! | `health` | whether all is well, and everything in numbers |
//! | `act` | hold, release, retry, delete |
//! | `words` | durations, sizes and states as people read them |

mod act;
mod attempts;
mod destinations;
mod health;
mod list;
mod select;
mod show;
#[cfg(test)]
mod tests;
mod words;

use super::control::{self, Control, misunderstood};
use super::place::Place;
use super::{Failure, answer};
use crate::exit::Exit;
use act::Act;
use clap::{Args, Subcommand};
use postrider_control::{Answer, Command, Pauses};
use postrider_mail::{Host, QueueId, Text};
use postrider_queue::RouteKey;
use select::Selection;

/// See what is queued, and hold, release, retry or delete it
#[derive(Debug, Args)]
#[command(
    long_about = "See what is queued, and hold, release, retry or delete it.\n\nIf a server runs on the data folder, it carries the \
                  command out; if none runs, the folder is opened for the length of the command.",
    after_help = "\
Examples:
  postrider queue list --data ./mail
  postrider queue show 38g4gvap40001 --config /etc/postrider.toml
  postrider queue pause --why 'moving the mailboxes'

Exit codes: 0 done, 64 the command line makes no sense, 69 the server, the folder or a message that was \
named is not there, 71 the system refused something, 74 the output cannot be written, 78 the configuration is \
broken."
)]
pub(super) struct Queue {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Show(show::Show),
    Destinations(destinations::Show),
    Health(health::Show),
    Hold(Hold),
    Release(Release),
    Retry(Retry),
    Delete(Delete),
    Pause(Pause),
    Resume(Resume),
}

/// Keep messages and do not try them, until released
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider queue hold 38g4gvap40001 --why 'is this spam?'\n  \
                        postrider queue hold --sender @shop.example --why 'too many at once'")]
struct Hold {
    #[command(flatten)]
    selection: Selection,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    why: String,
    #[command(flatten)]
    place: Place,
}

/// Let held messages go on, due now
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider queue release 38g4gvap40001\n  postrider queue release --all")]
struct Release {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    place: Place,
}

/// Try waiting recipients now
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider queue retry 38g4gvap40001\n  \
                        postrider queue retry --key @example.org\n\n\
                        Destinations that rest are tried again at once.")]
struct Retry {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    place: Place,
}

/// Remove messages; nobody is told
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider queue delete 38g4gvap40001\n  \
                        postrider queue delete --sender '<>' --older 1d --yes\n\n\
                        More than one message is deleted only with --yes, or after a question on a terminal.")]
struct Delete {
    #[command(flatten)]
    selection: Selection,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

/// Stop delivering to one destination, or at all; mail is still taken
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider queue pause --why 'moving the mailboxes'\n  \
                        postrider queue pause local\n  \
                        postrider queue pause relay.example.net:587\n\nA pause lasts, also over restarts, until `postrider queue resume`.\n\
                        Mail that waits meanwhile expires as ever: to keep it longer, hold it.")]
struct Pause {
    /// The destination, as `queue destinations` shows it: local, @domain, host:port …; without one, everything
    #[arg(value_parser = route_key)]
    key: Option<RouteKey>,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    why: String,
    #[command(flatten)]
    place: Place,
}

/// End a pause
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider queue resume\n  postrider queue resume local\n\n\
                        Without a destination the pause of everything ends; what was paused by name stays paused.")]
struct Resume {
    /// The destination, as `queue destinations` shows it: local, @domain, host:port …; without one, everything
    #[arg(value_parser = route_key)]
    key: Option<RouteKey>,
    #[command(flatten)]
    place: Place,
}

impl Queue {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.what {
            What::List(list) => list.run(),
            What::Show(show) => show.run(),
            What::Destinations(show) => show.run(),
            What::Health(show) => show.run(),
            What::Hold(hold) => Act::Hold(Text::clean(&hold.why)).run(&hold.selection, &hold.place),
            What::Release(release) => Act::Release.run(&release.selection, &release.place),
            What::Retry(retry) => Act::Retry.run(&retry.selection, &retry.place),
            What::Delete(delete) => Act::Delete { yes: delete.yes }.run(&delete.selection, &delete.place),
            What::Pause(pause) => {
                let why = Text::clean(&pause.why);
                paused(&pause.place, &Command::Pause { key: pause.key.clone(), why })
            }
            What::Resume(resume) => paused(&resume.place, &Command::Resume { key: resume.key.clone() }),
        }
    }
}

/// A destination as `queue destinations` shows it, names in any spelling: `local`, `@domain`, `host:port`,
/// `lmtp:host:port`, `lmtp:/path`, `discard`, `hold`.
fn route_key(text: &str) -> Result<RouteKey, String> {
    let named = |host: &str| host.parse::<Host>().map_err(|error| error.to_string());
    let key = if let Some(host) = text.strip_prefix('@') {
        format!("@{}", named(host)?.key())
    } else if text.starts_with("lmtp:/") {
        text.to_owned()
    } else if let Some((host, port)) = text.rsplit_once(':') {
        let port: u16 = port.parse().map_err(|_| format!("{port} is no port"))?;
        let (lmtp, host) = host.strip_prefix("lmtp:").map_or(("", host), |host| ("lmtp:", host));
        format!("{lmtp}{}:{port}", named(host)?.key())
    } else if text.contains('.') {
        return Err(format!("write @{text} for the domain, {text}:25 for a smart host"));
    } else {
        text.to_owned()
    };
    RouteKey::new(&key).map_err(str::to_owned)
}

/// Pauses or resumes, and says what is paused now.
fn paused(place: &Place, command: &Command) -> Result<Exit, Failure> {
    control::with(&place.folder()?, |control| {
        let Answer::Pauses(Pauses { pauses }) = control.ask(command)? else { return Err(misunderstood()) };
        let mut text = words::pauses(&pauses);
        if pauses.is_empty() {
            text = "Nothing is paused.\n".into();
        }
        if !control.is_running() {
            text.push_str(&without_server(control));
        }
        Ok(answer(&text, Exit::Ok))
    })
}

/// A word for whoever waits for something to happen.
fn without_server(control: &Control) -> String {
    format!("No server runs on {}: mail moves when it is started.\n", control.data().display())
}

fn no_such(id: QueueId) -> String {
    format!("there is no message {id} in the queue; `postrider trace {id}` tells what became of it")
}

//! `postrider queue show`: one message, with everything that is known of it: the queue says where it stands, the
//! journal what was tried.

use super::attempts::Attempts;
use super::{destinations, misunderstood, no_such, words};
use crate::command::control;
use crate::command::place::Place;
use crate::command::{Failure, answer};
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::Args;
use postrider_control::{Answer, Command, DestinationView, Health};
use postrider_mail::{Peer, QueueId, UnixMillis};
use postrider_queue::{PauseView, RecipientView, State, View};
use std::fmt::Write as _;

/// Show one message with all its recipients, and what was tried for them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider queue show 38g4gvap40001
  postrider queue show 38g4gvap40001 --json | jq '.attempts[].hosts[]'

The hosts that were tried are shown with their addresses and answers; `postrider trace ID` shows what was \
said to them.

Exit code 69: there is no such message in the queue (any more).")]
pub(super) struct Show {
    /// The id of the message
    #[arg(value_name = "ID")]
    id: QueueId,
    /// Answer in JSON, for programs; times are milliseconds since 1970
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Show {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        control::with(&self.place.folder()?, |control| {
            let message = match control.ask(&Command::Show { id: self.id })? {
                Answer::Message { message: Some(message) } => message,
                Answer::Message { message: None } => return Err(Failure::unavailable(no_such(self.id))),
                _ => return Err(misunderstood()),
            };
            let attempts = Attempts::of(self.id, control)?;
            if self.json {
                return Ok(answer(&self.json_of(&message, &attempts)?, Exit::Ok));
            }
            let Answer::Health(Health { pauses, .. }) = control.ask(&Command::Health)? else {
                return Err(misunderstood());
            };
            let Answer::Destinations { destinations, .. } = control.ask(&Command::Destinations)? else {
                return Err(misunderstood());
            };
            let around = Around { pauses: &pauses, destinations: &destinations, now: wall_clock()() };
            let mut text = described(&message, &around);
            text.push_str(&attempts.described(self.id, around.now));
            Ok(answer(&text, Exit::Ok))
        })
    }

    /// The message as `queue list --json` has it, and its attempts.
    fn json_of(&self, message: &View, attempts: &Attempts) -> Result<String, Failure> {
        let failed = |error| Failure::os(format!("message {}: {error}", self.id));
        let mut json = serde_json::to_value(message).map_err(failed)?;
        json["attempts"] = attempts.json();
        Ok(format!("{json}\n"))
    }
}

/// What may keep a message beyond its own state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) pauses: &'a [PauseView],
    pub(super) destinations: &'a [DestinationView],
    pub(super) now: UnixMillis,
}

/// The message in blocks.
pub(super) fn described(message: &View, around: &Around<'_>) -> String {
    let now = around.now;
    let mut text = format!("Message {}\n", message.id);
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    line("From", words::path(message.reverse_path.as_str()));
    line("Received", format!("{}, {}", message.received_at, words::ago(message.received_at, now)));
    if let Some(way) = way(message) {
        line("", way);
    }
    if let Some(session) = message.session {
        line("Session", format!("{session} (postrider trace {session})"));
    }
    if let Some(account) = &message.account {
        line("Account", account.to_string());
    }
    if let Some(id) = &message.message_id {
        line("Message-ID", id.to_string());
    }
    line("Size", words::count(message.size, "octet"));
    requests(message, now, &mut line);
    match &message.held {
        Some(held) => {
            line("Held", format!("{}, since {}, {}", held.why, held.since, words::ago(held.since, now)));
            line("", "it is not tried and does not expire until `postrider queue release`".into());
        }
        None => {
            line("Given up", format!("{}, {}", message.expires_at, words::due(message.expires_at, now)));
        }
    }
    let _ = writeln!(text, "\n{}", words::count(message.recipient_count as u64, "recipient"));
    for recipient in &message.recipients {
        about_recipient(message, recipient, around, &mut text);
    }
    text
}

/// What the sender asked for, beside the recipients (RFC 3461, 2852, 4865, 6710, 3865).
fn requests(message: &View, now: UnixMillis, line: &mut impl FnMut(&str, String)) {
    let asked = &message.requests;
    if message.priority != 0 {
        line("Priority", format!("{} (from 9, first, to -9, last; 0 is usual)", message.priority));
    }
    if let Some(release) = words::put_off(message, now) {
        line("Put off", format!("by its sender until {release}, {}", words::due(release, now)));
    }
    if let Some(by) = asked.by {
        let mode = asked.by_mode.as_ref().map_or("", |mode| mode.as_str());
        line("Deliver by", format!("{by}, {}; {}", words::moment(by, now), words::by_mode(mode)));
    }
    if let Some(envid) = &asked.envid {
        line("Envelope id", format!("{envid} (ENVID, for notices)"));
    }
    if let Some(ret) = &asked.ret {
        let what = if ret.as_str() == "FULL" { "the whole message" } else { "the headers" };
        line("Returned", format!("a notice of failure brings back {what} (RET={ret})"));
    }
    if let Some(classes) = &asked.solicit {
        line("Solicits", classes.to_string());
    }
    if asked.smtputf8 {
        line("SMTPUTF8", "only to hosts that take addresses and headers beyond ASCII".into());
    }
}

/// `from client.example at 192.0.2.7:2525, by ESMTP, TLSv1.3 …`.
fn way(message: &View) -> Option<String> {
    let parts = [
        message.helo.as_ref().map(|helo| format!("from {helo}")),
        message.peer.as_ref().map(|peer| {
            let shown = peer.as_str().parse().map_or_else(|_| peer.to_string(), Peer::shown);
            format!("at {shown}")
        }),
        message.protocol.as_ref().map(|protocol| format!("by {protocol}")),
        message.tls.as_ref().map(|tls| format!("under {tls}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Whether ORCPT names another address than those that are shown in any case.
fn says_more(orcpt: &str, recipient: &RecipientView) -> bool {
    let address = orcpt.split_once(';').map_or(orcpt, |(_, address)| address);
    let shown = recipient.given.as_ref().unwrap_or(&recipient.address);
    address != shown.as_str()
}

fn about_recipient(message: &View, recipient: &RecipientView, around: &Around<'_>, text: &mut String) {
    let now = around.now;
    // Writing to a String cannot fail.
    let _ = write!(text, "  {}", words::path(recipient.address.as_str()));
    if let Some(given) = &recipient.given {
        let _ = write!(text, ", given as <{given}>");
    }
    if let Some(via) = &recipient.via {
        let _ = write!(text, ", through the alias <{via}>");
    }
    let _ = write!(text, "\n      {}", words::standing(message, recipient, now));
    if words::waits(message, recipient) {
        let _ = match words::is_paused(recipient, around.pauses) {
            true => write!(text, "; delivery is paused"),
            false => write!(text, "; next try {}", words::due(recipient.next_attempt, now)),
        };
    }
    let tries = match recipient.attempts {
        0 => "not tried yet".into(),
        1 => "tried once".into(),
        tries => format!("tried {tries} times"),
    };
    let is_open = recipient.state.is_none_or(|state| state == State::Waiting);
    let _ = match is_open {
        true => writeln!(text, "; {tries}; queued under {}", recipient.key),
        false => writeln!(text, "; {tries}"),
    };
    if let Some(reply) = &recipient.last_reply {
        let when = recipient.last_time.map(|at| format!(", {}", words::ago(at, now))).unwrap_or_default();
        let who = recipient.last_mta.as_ref().map(|mta| format!(" from {mta}")).unwrap_or_default();
        let _ = writeln!(text, "      last answer{who}{when}: {reply}");
    }
    let resting = around.destinations.iter().find(|one| one.key.as_str() == recipient.key.as_str());
    if let Some(resting) = resting.filter(|one| is_open && one.resting_until.is_some()) {
        let _ = writeln!(text, "      {} {}", recipient.key, destinations::state(resting, now));
    }
    if let Some(orcpt) = recipient.orcpt.as_ref().filter(|orcpt| says_more(orcpt.as_str(), recipient)) {
        let _ = writeln!(text, "      its sender knows it as {orcpt} (ORCPT)");
    }
    if let Some(notify) = &recipient.notify {
        let _ = writeln!(text, "      {}", words::wanted(notify.as_str()));
    }
    if let Some(owed) = recipient.owed {
        let _ = writeln!(text, "      {}", words::notice(owed));
    }
}

//! `postrider queue list`: a table for people, a line of JSON per message for programs.

use super::{misunderstood, select::Wanted, words};
use crate::command::control::{self, Control};
use crate::command::place::Place;
use crate::command::{Failure, answer, unwritten};
use crate::exit::Exit;
use crate::service::wall_clock;
use clap::Args;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use postrider_control::{Answer, Command, Health};
use postrider_mail::{QueueId, UnixMillis};
use postrider_queue::{Filter, Listing, PauseView, RecipientView, State, View};
use std::io::{self, IsTerminal, Write};

/// Messages that a table shows unless it is told otherwise.
const TABLE_MESSAGES: usize = 50;

/// Messages that are asked for at a time.
const PAGE_MESSAGES: usize = 200;

/// Recipients of one message in the table; `queue show` has all.
const TABLE_RECIPIENTS: usize = 5;

/// Columns of a terminal below which there is no room for a table: lines are stacked instead.
const TABLE_COLUMNS_MIN: u16 = 140;

/// Characters of an answer in the table; `queue show` has all of it.
const ANSWER_CHARACTERS: usize = 80;

/// Show what is queued, oldest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postrider queue list
  postrider queue list --recipient @example.org --older 1h
  postrider queue list --held --json | jq -r .id

With --json there is one object per line and message, and no limit unless one is given. Times are \
milliseconds since 1970.")]
pub(super) struct List {
    #[command(flatten)]
    wanted: Wanted,
    /// Show at most so many messages [default: 50 in the table]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Begin behind this message
    #[arg(long, value_name = "ID")]
    after: Option<QueueId>,
    /// Answer in JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl List {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let now = wall_clock()();
        let filter = self.wanted.filter(now);
        let limit = self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        control::with(&self.place.folder()?, |control| {
            let mut pages = Pages { control, filter, after: self.after, left: limit.unwrap_or(usize::MAX) };
            if self.json {
                return pages.print();
            }
            pages.left = limit.unwrap_or(TABLE_MESSAGES);
            let Answer::Health(health) = control.ask(&Command::Health)? else { return Err(misunderstood()) };
            let messages = pages.collect()?;
            let part = Part { of_all: pages.filter == Filter::default(), has_more: pages.after.is_some() };
            let text = report(&messages, part, &health, now, width());
            Ok(answer(&text, Exit::Ok))
        })
    }
}

/// The pages of one listing.
struct Pages<'a> {
    control: &'a Control,
    filter: Filter,
    /// Where the next page begins; `None` behind the last one too.
    after: Option<QueueId>,
    /// Messages still wanted.
    left: usize,
}

impl Pages<'_> {
    /// The next messages; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<View>>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        let limit = self.left.min(PAGE_MESSAGES);
        let page = Command::List { filter: self.filter.clone(), after: self.after, limit };
        let Answer::Listing(Listing { messages, next }) = self.control.ask(&page)? else {
            return Err(misunderstood());
        };
        self.left = if next.is_some() { self.left.saturating_sub(messages.len()) } else { 0 };
        self.after = next;
        Ok(Some(messages))
    }

    fn collect(&mut self) -> Result<Vec<View>, Failure> {
        let mut all = Vec::new();
        while let Some(messages) = self.next()? {
            all.extend(messages);
        }
        Ok(all)
    }

    /// A line per message, page by page: the queue may be larger than memory.
    fn print(&mut self) -> Result<Exit, Failure> {
        let mut out = io::stdout().lock();
        while let Some(messages) = self.next()? {
            let mut text = Vec::new();
            for message in &messages {
                serde_json::to_writer(&mut text, message)
                    .map_err(|error| Failure::os(format!("message {}: {error}", message.id)))?;
                text.push(b'\n');
            }
            if let Err(error) = out.write_all(&text).and_then(|()| out.flush()) {
                return Ok(unwritten(&error));
            }
        }
        Ok(Exit::Ok)
    }
}

/// How wide the terminal is, if there is one.
fn width() -> Option<u16> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(&out).ok().map(|size| size.ws_col).filter(|&columns| columns > 0)
}

/// What part of the queue a table shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// No filter was given.
    pub(super) of_all: bool,
    /// There may be messages behind the last one.
    pub(super) has_more: bool,
}

/// The table, and what is to be said around it.
pub(super) fn report(
    messages: &[View],
    part: Part,
    health: &Health,
    now: UnixMillis,
    width: Option<u16>,
) -> String {
    let mut text = String::new();
    for trouble in &health.troubles {
        text.push_str(&format!("Trouble: {trouble}\n"));
    }
    text.push_str(&words::pauses(&health.pauses));
    if !messages.is_empty() {
        let pauses = &health.pauses;
        text.push_str(&match width {
            Some(columns) if columns < TABLE_COLUMNS_MIN => stacked(messages, pauses, now),
            width => table(messages, pauses, now, width),
        });
    }
    let queued = health.queue.messages;
    let shown = words::count(messages.len() as u64, "message");
    text.push_str(&match messages.last() {
        None if part.of_all && queued == 0 => "The queue is empty.\n".to_owned(),
        None => format!("No message agrees; the queue holds {}.\n", words::count(queued, "message")),
        Some(last) if part.has_more => {
            let of = if part.of_all { format!(" of {queued}") } else { String::new() };
            format!(
                "{shown}{of} shown; there may be more: --limit N shows more, --after {} goes on.\n",
                last.id
            )
        }
        Some(_) => format!("{shown}.\n"),
    });
    text
}

fn table(messages: &[View], pauses: &[PauseView], now: UnixMillis, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ID", "AGE", "SIZE", "FROM", "TO", "KEY", "STATE", "TRIES", "NEXT", "LAST ANSWER"]);
    match width {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for message in messages {
        let mut head = [
            message.id.to_string(),
            words::span(now.since(message.received_at)),
            words::size(message.size),
            plain(message.reverse_path.as_str()),
        ];
        for recipient in message.recipients.iter().take(TABLE_RECIPIENTS) {
            table.add_row(head.iter().cloned().chain(cells(message, recipient, pauses, now)));
            head = Default::default();
        }
        let more = message.recipient_count.saturating_sub(TABLE_RECIPIENTS);
        if more > 0 || message.recipients.is_empty() {
            let more = if more > 0 { format!("… and {more} more") } else { String::new() };
            table.add_row(head.iter().cloned().chain([more]).chain(std::iter::repeat_n(String::new(), 5)));
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        // What is short is never broken; addresses and answers share the rest.
        if !matches!(index, 3..=5 | 9) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if matches!(index, 1 | 2 | 7) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A line per message and below it its recipients, for narrow terminals.
fn stacked(messages: &[View], pauses: &[PauseView], now: UnixMillis) -> String {
    let mut text = String::new();
    for message in messages {
        let (age, size) = (words::span(now.since(message.received_at)), words::size(message.size));
        text.push_str(&format!("{}  {age}  {size}  {}\n", message.id, plain(message.reverse_path.as_str())));
        for recipient in message.recipients.iter().take(TABLE_RECIPIENTS) {
            let [address, key, state, tries, next, last] = cells(message, recipient, pauses, now);
            let next = if next.is_empty() { next } else { format!(", next try {next}") };
            text.push_str(&format!("  {address}  {state} under {key}, tries {tries}{next}\n"));
            if !last.is_empty() {
                text.push_str(&format!("    {last}\n"));
            }
        }
        let more = message.recipient_count.saturating_sub(TABLE_RECIPIENTS);
        if more > 0 {
            text.push_str(&format!("  … and {more} more\n"));
        }
    }
    text
}

/// An address without its brackets, where it is one: a table has little room.
fn plain(address: &str) -> String {
    if address.is_empty() { "<>".into() } else { address.to_owned() }
}

/// The cells of a recipient, behind those of its message.
fn cells(message: &View, recipient: &RecipientView, pauses: &[PauseView], now: UnixMillis) -> [String; 6] {
    let next = match words::waits(message, recipient) {
        true if words::is_paused(recipient, pauses) => "paused".into(),
        true => words::due(recipient.next_attempt, now),
        false => String::new(),
    };
    let mut last = match (&message.held, &recipient.last_reply) {
        // What is final stays so, whatever holds the others.
        (Some(held), _) if recipient.state == Some(State::Waiting) => shortened(held.why.to_string()),
        (_, Some(reply)) => shortened(reply.to_string()),
        (_, None) => String::new(),
    };
    if let Some(owed) = recipient.owed {
        let separator = if last.is_empty() { "" } else { "; " };
        last.push_str(&format!("{separator}{}", words::notice(owed)));
    }
    [
        recipient.address.to_string(),
        recipient.key.to_string(),
        standing(message, recipient, now),
        recipient.attempts.to_string(),
        next,
        last,
    ]
}

/// Where a recipient stands, and what hurries or slows it.
fn standing(message: &View, recipient: &RecipientView, now: UnixMillis) -> String {
    let mut text = words::standing(message, recipient, now).to_owned();
    if recipient.state == Some(State::Waiting) {
        if message.priority != 0 {
            text.push_str(&format!(", priority {}", message.priority));
        }
        if let Some(by) = message.requests.by {
            text.push_str(&format!(", wanted {}", words::moment(by, now)));
        }
    }
    text
}

/// The beginning of a long answer.
fn shortened(mut text: String) -> String {
    if let Some((cut, _)) = text.char_indices().nth(ANSWER_CHARACTERS) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

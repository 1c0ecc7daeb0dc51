//! Hold, release, retry, delete: what changed, and what was not there to change.

use super::select::{Selected, Selection};
use super::{no_such, without_server, words};
use crate::command::control::{self, Control, misunderstood};
use crate::command::place::Place;
use crate::command::{Failure, answer};
use crate::exit::Exit;
use crate::service::wall_clock;
use postrider_control::{Answer, Changed, Command};
use postrider_mail::{QueueId, Text};
use postrider_queue::Filter;
use std::io::{self, BufRead, IsTerminal, Write};

/// Messages counted before the question; beyond it they are "more than" so many.
const COUNTED_MAX: u64 = 10_000;

/// Messages of one page while counting.
const PAGE_MESSAGES: usize = 500;

/// What is done to the selected messages.
pub(super) enum Act {
    Hold(Text),
    Release,
    Retry,
    Delete { yes: bool },
}

impl Act {
    pub(super) fn run(&self, selection: &Selection, place: &Place) -> Result<Exit, Failure> {
        let selected = selection.selected(wall_clock()())?;
        control::with(&place.folder()?, |control| {
            if !self.is_meant(control, &selected)? {
                return Ok(answer("Nothing was deleted.\n", Exit::Ok));
            }
            let (text, missing) = match &selected {
                Selected::Filter(filter) => (self.done(&self.apply(control, filter)?), Vec::new()),
                Selected::Ids(ids) => self.one_by_one(control, ids)?,
            };
            let mut text = text;
            if !control.is_running() && matches!(self, Self::Release | Self::Retry) {
                text.push_str(&without_server(control));
            }
            let exit = answer(&text, Exit::Ok);
            if missing.is_empty() || exit != Exit::Ok {
                return Ok(exit);
            }
            Err(Failure::unavailable(missing.join("\npostrider: ")))
        })
    }

    fn command(&self, filter: Filter) -> Command {
        match self {
            Self::Hold(why) => Command::Hold { filter, why: why.clone() },
            Self::Release => Command::Release { filter },
            Self::Retry => Command::Retry { filter },
            Self::Delete { .. } => Command::Delete { filter },
        }
    }

    fn apply(&self, control: &Control, filter: &Filter) -> Result<Changed, Failure> {
        match control.ask(&self.command(filter.clone()))? {
            Answer::Changed(changed) => Ok(changed),
            _ => Err(misunderstood()),
        }
    }

    /// What was done, and a sentence for each message that is not there.
    fn one_by_one(
        &self,
        control: &Control,
        ids: &[(QueueId, Filter)],
    ) -> Result<(String, Vec<String>), Failure> {
        let (mut all, mut remarks, mut missing) = (Changed::default(), String::new(), Vec::new());
        for (id, filter) in ids {
            let changed = self.apply(control, filter)?;
            all.messages += changed.messages;
            all.ids.extend(changed.ids);
            if changed.messages > 0 {
                continue;
            }
            match control.ask(&Command::Show { id: *id })? {
                Answer::Message { message: None } => missing.push(no_such(*id)),
                Answer::Message { message: Some(view) } => {
                    let why = self.unchanged(view.held.is_some(), *filter != Filter::of(*id));
                    remarks.push_str(&format!("{id} {why}\n"));
                }
                _ => return Err(misunderstood()),
            }
        }
        let done = if all.messages > 0 { self.done(&all) } else { String::new() };
        Ok((done + &remarks, missing))
    }

    /// Why a message that is there did not change.
    fn unchanged(&self, is_held: bool, is_filtered: bool) -> &'static str {
        match self {
            Self::Hold(_) if is_held => "is held already",
            Self::Release if !is_held => "is not held",
            Self::Retry if is_held => "is held: release it first",
            _ if is_filtered => "is not what the filter asks for",
            Self::Retry => "has no recipient that waits",
            _ => "did not change",
        }
    }

    /// `3 messages held: …`
    fn done(&self, changed: &Changed) -> String {
        let (verb, which, after) = match self {
            Self::Hold(_) => ("held", "is not held already", ""),
            Self::Release => ("released", "is held", ""),
            Self::Retry => ("due now", "waits", ""),
            Self::Delete { .. } => ("deleted", "can be deleted", "Nobody was told.\n"),
        };
        if changed.messages == 0 {
            return format!("Nothing was done: no message agrees that {which}.\n");
        }
        let mut ids: Vec<String> = changed.ids.iter().map(ToString::to_string).collect();
        if changed.messages > ids.len() as u64 {
            ids.push("…".into());
        }
        format!("{} {verb}: {}\n{after}", words::count(changed.messages, "message"), ids.join(" "))
    }

    /// Whether it is to be done: the deletion of more than one message is asked about.
    fn is_meant(&self, control: &Control, selected: &Selected) -> Result<bool, Failure> {
        if !matches!(self, Self::Delete { yes: false }) {
            return Ok(true);
        }
        let how_many = match selected {
            Selected::Ids(ids) if ids.len() <= 1 => return Ok(true),
            Selected::Ids(ids) => ids.len().to_string(),
            Selected::Filter(filter) => match counted(control, filter)? {
                0 => return Ok(true),
                count if count >= COUNTED_MAX => format!("more than {COUNTED_MAX}"),
                count => count.to_string(),
            },
        };
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(format!(
                "this would delete {how_many} of the queued messages, and nobody would be told\n  \
                 add --yes if that is meant; `postrider queue list` takes the same filters"
            )));
        }
        confirmed(&how_many).map_err(|error| Failure::os(format!("the question cannot be asked: {error}")))
    }
}

/// How many messages agree, counted up to [`COUNTED_MAX`].
fn counted(control: &Control, filter: &Filter) -> Result<u64, Failure> {
    let (mut count, mut after) = (0, None);
    while count < COUNTED_MAX {
        let page = Command::List { filter: filter.clone(), after, limit: PAGE_MESSAGES };
        let Answer::Listing(listing) = control.ask(&page)? else { return Err(misunderstood()) };
        count += listing.messages.len() as u64;
        after = listing.next;
        if after.is_none() {
            break;
        }
    }
    Ok(count)
}

fn confirmed(how_many: &str) -> io::Result<bool> {
    let mut out = io::stderr().lock();
    write!(out, "Delete {how_many} of the queued messages? Nobody will be told. [y/N] ")?;
    out.flush()?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    Ok(matches!(typed.trim(), "y" | "Y" | "yes"))
}

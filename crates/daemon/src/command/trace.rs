//! `postrider trace`: what happened, as the journal remembers it.
//!
//! A running server is asked, so that what it holds in memory is told too; without one the journal's files
//! are read as they are. Nothing is written.

use super::control::{self, misunderstood};
use super::place::{DataFolder, Place, require};
use super::{Failure, unwritten};
use crate::exit::Exit;
use crate::screen::colour;
use clap::Args;
use postrider_control::{Answer, Command};
use postrider_journal::{Query, Reader, Story, render};
use postrider_mail::Text;
use std::io::{self, Write};
use std::path::PathBuf;

/// Stories shown unless another number is asked for.
const STORIES: u16 = 20;

/// Tell what happened to a message, in a session, or to an address
#[derive(Debug, Args)]
#[command(
    long_about = "Tell what happened to a message, in a session, or to an address.\n\nEvery conversation and every delivery is a story: \
                  who said what, which check decided, which hosts were tried, what became of it and when it is tried again. \
                  Stories are shown oldest first.",
    after_help = "\
Examples:
  postrider trace last
  postrider trace 38g4gvap40001
  postrider trace friend@local.example --limit 5 --data ./mail
  postrider trace mx1.example.org
  postrider trace 'no such user'

With --json there is one object per line and story. Exit code 69: nothing was found, or there is no journal."
)]
pub(super) struct Trace {
    /// `last`, the id of a message, session or attempt, an address, a Message-ID, an IP address, a host or domain
    /// that was sent to, or words
    #[arg(value_name = "WHAT", required = true)]
    what: Vec<String>,
    /// Show at most so many stories, the newest [default: 20]; of `last`, so many sessions [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
    /// Answer in JSON, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Trace {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let folder = self.place.folder()?;
        let what = self.what.join(" ");
        let what = what.trim();
        if what.is_empty() {
            return Err(Failure::usage("trace what? `last`, an id, an address, a Message-ID, or words"));
        }
        let is_last = what.eq_ignore_ascii_case("last");
        let limit = usize::from(self.limit.unwrap_or(if is_last { 1 } else { STORIES }));
        // One more than is shown tells whether there are more.
        let Told { mut stories, remarks } = tell(&folder, what, if is_last { limit } else { limit + 1 })?;
        for remark in &remarks {
            // There is nowhere else to say it.
            let _ = writeln!(io::stderr(), "postrider: {remark}");
        }
        if stories.is_empty() {
            return Err(Failure::unavailable(nothing(&folder, what, is_last)));
        }
        let more = !is_last && stories.len() > limit;
        if more {
            stories.truncate(limit);
        }
        stories.sort_by_key(Story::started_at);
        let written = if self.json { print_json(&stories) } else { print(&stories, more, limit) };
        Ok(written.map_or_else(|error| unwritten(&error), |()| Exit::Ok))
    }
}

/// The stories found, newest first, and what could not be looked at.
struct Told {
    stories: Vec<Story>,
    remarks: Vec<Text>,
}

/// Asks the server, or the journal's files when none answers.
fn tell(folder: &DataFolder, what: &str, limit: usize) -> Result<Told, Failure> {
    if control::running(folder.path())? {
        return control::with(folder, |control| {
            match control.ask(&Command::Trace { what: Text::clean(what), limit })? {
                Answer::Stories { stories, remarks } => Ok(Told { stories, remarks }),
                _ => Err(misunderstood()),
            }
        });
    }
    // SQLite makes files beside the one it reads.
    folder.enter()?;
    let journal = journal(folder);
    require(&journal, "journal")?;
    let Ok(query) = what.parse::<Query>();
    let found = Reader::new(&journal)
        .find(&query.at_most(limit))
        .map_err(|error| Failure::unavailable(error.to_string()))?;
    Ok(Told { stories: found.stories, remarks: found.remarks })
}

fn journal(folder: &DataFolder) -> PathBuf {
    folder.path().join("journal")
}

/// That nothing was found, where it was sought, and how far back that reaches.
fn nothing(folder: &DataFolder, what: &str, is_last: bool) -> String {
    let place = folder.path().display();
    let mut text = if is_last {
        format!("the journal of {place} remembers no session")
    } else {
        format!("nothing in the journal of {place} mentions {}", Text::clean(what))
    };
    // As its owner, like every look into the folder.
    let reach = folder.enter().ok().and_then(|()| Reader::new(&journal(folder)).reaches_back_to());
    if let Some(reach) = reach {
        text.push_str(&format!("\n  it reaches back to {reach}"));
    }
    text
}

fn print(stories: &[Story], more: bool, limit: usize) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if more {
        let newest = if limit == 1 { "story is".into() } else { format!("{limit} stories are") };
        writeln!(out, "Only the newest {newest} shown; --limit N shows more.\n")?;
    }
    for (at, story) in stories.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        for line in render::lines(story) {
            let (on, off) = colour(line.kind);
            writeln!(out, "{on}{line}{off}")?;
        }
    }
    out.flush()
}

fn print_json(stories: &[Story]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for story in stories {
        let mut line = serde_json::to_vec(story)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()
}

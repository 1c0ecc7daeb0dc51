//! What became of every letter: each file of each mailbox and each message of the queue is looked at.
//!
//! The server has run on the folder until nothing was due any more, and is stopped. So an acknowledged letter lies
//! in the mailbox of every recipient, once and whole; or the queue owes its sender a notice, and has it whole.
//! A letter that lies there without having been acknowledged was committed before its 250 left: its client will
//! send it again. These are the duplicates that are counted, at most one for each session. A letter that lies twice
//! in one mailbox is none of them: the name of a delivery is always the same, so that it cannot be repeated.

use super::letter::{address, behind, judge, number_of};
use super::play::Play;
use crate::preload::Found;
use postrider_mail::UnixMillis;
use postrider_queue::{Notice, Settings, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Where a letter was found, by its id.
#[derive(Default)]
struct Places {
    number: usize,
    /// Addresses whose mailboxes have it, or about whom a notice is owed.
    settled: BTreeSet<String>,
}

#[derive(Default)]
struct Search {
    letters: BTreeMap<String, Places>,
    found: Found,
}

/// Looks for everything `acknowledged` below a data folder that no server uses.
///
/// # Errors
/// The folder cannot be read, or the queue not opened.
pub fn verdict(play: &Play, data: &Path, acknowledged: &[String]) -> io::Result<Found> {
    let mut search = Search::default();
    search.mailboxes(play, &data.join("mail"))?;
    search.queue(play, &data.join("queue"))?;
    let Search { letters, mut found } = search;
    for id in acknowledged {
        let Some(places) = letters.get(id) else {
            found.lost.push(format!("{id} is nowhere"));
            continue;
        };
        for local in play.letters[places.number].to.iter().flat_map(behind) {
            if !places.settled.contains(&address(local)) {
                found.lost.push(format!("{id}, letter {}, did not reach {local}", places.number));
            }
        }
    }
    let known: BTreeSet<&String> = acknowledged.iter().collect();
    let unacknowledged = letters.keys().filter(|id| !known.contains(id)).count();
    if unacknowledged > play.sessions.len() {
        let many = format!("{unacknowledged} letters were stored before their 250: more than sessions");
        found.lost.push(many);
    }
    found.duplicates += unacknowledged;
    Ok(found)
}

impl Search {
    fn mailboxes(&mut self, play: &Play, mail: &Path) -> io::Result<()> {
        let Some(mailboxes) = entries(mail)? else { return Ok(()) };
        for mailbox in mailboxes {
            for folder in ["new", "cur"] {
                for name in entries(&mail.join(&mailbox).join(folder))?.unwrap_or_default() {
                    self.file(play, &mailbox, &name, &mail.join(&mailbox).join(folder).join(&name))?;
                }
            }
        }
        Ok(())
    }

    /// One file of a mailbox: `SECONDS.QidRn.HOST`.
    fn file(&mut self, play: &Play, mailbox: &str, name: &str, path: &Path) -> io::Result<()> {
        let id = name.split('.').nth(1).and_then(|middle| middle.strip_prefix('Q')?.split('R').next());
        let Some(id) = id else {
            self.found.lost.push(format!("{mailbox}/{name} is no delivery"));
            return Ok(());
        };
        match judge(&fs::read(path)?, &play.letters) {
            Ok(number) => self.settled(play, id, number, mailbox, false),
            Err(error) => self.found.lost.push(format!("{mailbox}/{name}: {error}")),
        }
        Ok(())
    }

    fn settled(&mut self, play: &Play, id: &str, number: usize, mailbox: &str, owed: bool) {
        let local = mailbox.split('@').next().unwrap_or(mailbox);
        let wanted = play.letters[number].to.iter().flat_map(behind).any(|wanted| *wanted == local);
        if !wanted || play.is_gone(local) != owed {
            self.found.lost.push(format!("{id}, letter {number}, has no business with {mailbox}"));
        }
        let places = self.letters.entry(id.to_owned()).or_default();
        places.number = number;
        if !places.settled.insert(mailbox.to_owned()) {
            self.found.lost.push(format!("{id}, letter {number}, lies twice in {mailbox}"));
        }
    }

    /// What the queue still has: notices owed, and nothing else.
    fn queue(&mut self, play: &Play, folder: &Path) -> io::Result<()> {
        let opened = postrider_queue::open(folder, Settings::default(), 1, UnixMillis::new(0));
        let queue = opened.map_err(io::Error::other)?.queue;
        let owed = queue.owed(None)?;
        let messages = queue.list(&postrider_queue::Filter::default(), None, usize::MAX)?.messages;
        if messages.len() != owed.len() {
            let (all, owing) = (messages.len(), owed.len());
            self.found.lost.push(format!("{all} messages are left in the queue, {owing} of them owing"));
        }
        for owed in owed {
            let id = owed.message.id.to_string();
            let mut content = Vec::new();
            let reader = owed.message.content.read(&owed.message.rendition).map_err(io::Error::other);
            let number = number_of(&owed.message.reverse_path.to_string());
            let number = number.filter(|number| *number < play.letters.len());
            match (reader.and_then(|mut reader| reader.read_to_end(&mut content)), number) {
                (Ok(_), Some(number))
                    if content.ends_with(play.letters[number].content(number).as_bytes()) =>
                {
                    for recipient in &owed.recipients {
                        let address = recipient.target.address.to_string();
                        if (recipient.state, recipient.notice) != (State::Failed, Notice::Failure) {
                            self.found.lost.push(format!("{id} owes an odd notice about {address}"));
                        }
                        self.settled(play, &id, number, &address, true);
                    }
                }
                (read, _) => self.found.lost.push(format!("{id}, in the queue, is damaged: {read:?}")),
            }
        }
        Ok(())
    }
}

/// The names in a folder; none when it is not there.
fn entries(folder: &Path) -> io::Result<Option<Vec<String>>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(entries) => {
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.map(|entry| entry.map(name)).collect::<io::Result<Vec<_>>>().map(Some)
        }
    }
}

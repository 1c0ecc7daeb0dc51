//! What became of every letter: each file of each mailbox and each message of the queue is looked at.
//!
//! The server has run on the folder until nothing was due or owed any more, and is stopped. So an acknowledged
//! letter lies in the mailbox of every recipient, once and whole; and of what its sender is to hear (a mailbox that is
//! gone, a success it asked for), the sender was told, once. The queue is empty.
//! A letter that lies there without having been acknowledged was committed before its 250 left: its client will
//! send it again. These are the duplicates that are counted, at most one for each session. A letter that lies twice
//! in one mailbox is none of them: the name of a delivery is always the same, so that it cannot be repeated.

use super::letter::{address, behind, judge, number_of};
use super::play::Play;
use crate::preload::Found;
use postrider_mail::UnixMillis;
use postrider_queue::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// Where a letter was found, by its id.
#[derive(Default)]
struct Places {
    number: usize,
    /// Addresses whose mailboxes have it.
    lies: BTreeSet<String>,
    /// Addresses of whom its sender was told.
    told: BTreeSet<String>,
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
    search.queue(&data.join("queue"))?;
    let Search { letters, mut found } = search;
    for id in acknowledged {
        let Some(places) = letters.get(id) else {
            found.lost.push(format!("{id} is nowhere"));
            continue;
        };
        let letter = play.letters[places.number];
        for local in letter.to.iter().flat_map(behind).filter(|local| play.has_mailbox(local)) {
            if !places.lies.contains(&address(local)) {
                found.lost.push(format!("{id}, letter {}, did not reach {local}", places.number));
            }
        }
        for local in letter.to.iter().filter(|local| play.is_told(letter, local).is_some()) {
            if !places.told.contains(&address(local)) {
                found.lost.push(format!("{id}, letter {}: nothing was told of {local}", places.number));
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
        let file = fs::read(path)?;
        if let Some(sender) = number_of(mailbox) {
            self.notice(play, sender, &String::from_utf8_lossy(&file));
            return Ok(());
        }
        match judge(&file, &play.letters) {
            Ok(number) => self.lies(play, id, number, mailbox),
            Err(error) => self.found.lost.push(format!("{mailbox}/{name}: {error}")),
        }
        Ok(())
    }

    /// What a sender was told of the letter with its number: of each recipient once, and no more than is to be. A
    /// notice cut short lacks its last line.
    fn notice(&mut self, play: &Play, number: usize, text: &str) {
        let field = |name: &str| text.split_once(name).and_then(|(_, rest)| rest.lines().next());
        let (Some(id), true) = (field("\nX-Postrider-Queue-ID: "), number < play.letters.len()) else {
            self.found.lost.push(format!("sender {number} got what is no notice: {text:?}"));
            return;
        };
        let original = format!("Message-ID: <{number}@client.example>");
        let is_whole = text.starts_with("Return-Path: <>\n") && text.trim_end().ends_with("--");
        if !is_whole || !text.contains(&original) {
            self.found.lost.push(format!("the notice about {id}, letter {number}, is damaged: {text:?}"));
        }
        for told in text.split("\nFinal-Recipient: rfc822; ").skip(1) {
            let mut lines = told.lines();
            let (told, action) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let letter = play.letters[number];
            let meant = letter.to.iter().find(|local| address(local) == told);
            let wanted = meant.and_then(|local| play.is_told(letter, local));
            if wanted.is_none() || wanted != action.strip_prefix("Action: ") {
                self.found.lost.push(format!("an odd notice about {told}: {action}"));
            }
            let places = self.letters.entry(id.to_owned()).or_default();
            places.number = number;
            if !places.told.insert(told.to_owned()) {
                self.found.lost.push(format!("{id}, letter {number}, to {told}: was told of twice"));
            }
        }
    }

    fn lies(&mut self, play: &Play, id: &str, number: usize, mailbox: &str) {
        let mut wanted = play.letters[number].to.iter().flat_map(behind);
        if !wanted.any(|local| address(local) == mailbox && play.has_mailbox(local)) {
            self.found.lost.push(format!("{id}, letter {number}, has no business with {mailbox}"));
        }
        let places = self.letters.entry(id.to_owned()).or_default();
        places.number = number;
        if !places.lies.insert(mailbox.to_owned()) {
            self.found.lost.push(format!("{id}, letter {number}, to {mailbox}: lies twice in its mailbox"));
        }
    }

    /// What the queue still has: nothing.
    fn queue(&mut self, folder: &Path) -> io::Result<()> {
        let opened = postrider_queue::open(folder, Settings::default(), 1, UnixMillis::new(0));
        let queue = opened.map_err(io::Error::other)?.queue;
        let left = queue.list(&postrider_queue::Filter::default(), None, usize::MAX)?.messages;
        if let Some(first) = left.first() {
            self.found.lost.push(format!("{} messages are left in the queue: {first:?}", left.len()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::{Kind, Letter};

    const NOTICE: &str = "Return-Path: <>\n\n--b\nX-Postrider-Queue-ID: 1\n\n\
        Final-Recipient: rfc822; gone@local.example\nAction: failed\n--b\nMessage-ID: <0@client.example>\n--b--\n";

    fn lost(notices: &[&str]) -> Vec<String> {
        let letters = vec![Letter::small(&["gone"])];
        let play = Play { kind: Kind::Leaving, letters, sessions: Vec::new(), at_once: false, earlier: 0 };
        let mut search = Search::default();
        notices.iter().for_each(|notice| search.notice(&play, 0, notice));
        search.found.lost
    }

    #[test]
    fn a_sender_told_twice_is_found_out() {
        assert_eq!(lost(&[NOTICE]), [""; 0]);
        assert!(lost(&[NOTICE, NOTICE])[0].ends_with("was told of twice"));
    }

    #[test]
    fn a_notice_about_somebody_else_or_cut_short_is_found_out() {
        let other = NOTICE.replace("gone@", "anna@");
        let late = NOTICE.replace("failed", "delayed");
        for bad in [&other, &late, &NOTICE[..NOTICE.len() - 3], "Return-Path: <>\n\nhello\n"] {
            assert_eq!(lost(&[bad]).len(), 1, "{bad}");
        }
    }
}

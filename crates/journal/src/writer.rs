//! The one that writes: takes what was told, appends it to the newest segment, starts the next one in
//! time, drops what is too old or too much.
//!
//! Nothing that goes wrong here stops mail. Stories that a full or failing disk does not take are dropped,
//! counted, and the count is written as soon as something can be written again. A damaged segment is set
//! aside, and the journal goes on in the next.

use crate::folder::Folder;
use crate::inbox::{Inbox, Work};
use crate::limits::{SEGMENT_AGE_MAX, SEGMENT_OCTETS_MIN, SEGMENT_SHARE, SEGMENT_STORIES_MAX};
use crate::retention::{Sealed, too_many};
use crate::row::Row;
use crate::segment::{Reading, Writing, is_damage};
use crate::unsaid::Unsaid;
use crate::{Error, Settings};
use postrider_mail::{Text, UnixMillis};
use std::io;
use std::sync::Arc;

/// The journal's writer: a thread body.
pub struct Writer {
    inbox: Arc<Inbox>,
    folder: Folder,
    settings: Settings,
    /// The segment being written, and its number.
    current: Option<(u32, Writing)>,
    /// A segment to go on with, once there is something to write.
    resume: Option<u32>,
    next_number: u32,
    /// Everything else in the folder, oldest first.
    sealed: Vec<Sealed>,
    /// The latest time heard of.
    now: UnixMillis,
    unsaid: Unsaid,
    /// Whether the last write failed: trouble is logged when it begins and when it ends.
    troubled: bool,
    /// The segment that was to go and could not be deleted.
    undeletable: Option<u32>,
}

impl Writer {
    /// Looks through the folder; what is damaged is set aside and told.
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        folder: Folder,
        settings: Settings,
        now: UnixMillis,
    ) -> Result<Self, Error> {
        let mut writer = Self {
            inbox,
            folder,
            settings,
            current: None,
            resume: None,
            next_number: 1,
            sealed: Vec::new(),
            now,
            unsaid: Unsaid::default(),
            troubled: false,
            undeletable: None,
        };
        writer.take_stock().map_err(|error| Error::new(&writer.folder, &error))?;
        writer.drop_what_is_too_much();
        Ok(writer)
    }

    /// What was found damaged at the start, in sentences.
    pub fn remarks(&self) -> &[Text] {
        self.unsaid.remarks()
    }

    /// Writes until the last [`Journal`](crate::Journal) is gone and everything told is written.
    pub fn run(mut self) {
        while let Some(work) = self.inbox.wait() {
            self.turn(work);
        }
    }

    /// Writes what waits now: one transaction. For tests and simulation, in place of [`Self::run`].
    pub fn step(&mut self) {
        let work = self.inbox.take();
        self.turn(work);
    }

    fn turn(&mut self, work: Work) {
        let told = work.stories.len();
        // The latest of this batch alone: a clock that was wrong for a while leaves no trace here.
        let latest = work.stories.iter().map(|row| row.last_at).chain(work.tidy_at).max();
        self.now = latest.unwrap_or(self.now);
        if work.turned_away > 0 {
            self.unsaid.lose(work.turned_away, Text::literal("too many stories waited for the disk"));
        }
        let mut stories = work.stories;
        stories.extend(self.unsaid.story(self.now).and_then(|own| Row::of(&own).ok()));
        let mut lost = 0;
        if !stories.is_empty() {
            // What comes up while it is written is said the next time.
            let mut said = std::mem::take(&mut self.unsaid);
            match self.write(&stories) {
                Ok(()) => self.all_is_well(said.lost()),
                Err(why) => {
                    lost = told;
                    said.absorb(std::mem::take(&mut self.unsaid));
                    self.unsaid = said;
                    self.in_trouble(told as u64, Text::from(why));
                }
            }
        }
        self.rotate(0);
        self.drop_what_is_too_much();
        self.inbox.done(told, lost);
    }

    fn all_is_well(&mut self, lost: u64) {
        if self.troubled {
            tracing::info!(lost, "the journal can be written again");
        }
        self.troubled = false;
    }

    fn in_trouble(&mut self, lost: u64, why: Text) {
        if !self.troubled {
            tracing::warn!(%why, "the journal cannot be written; mail goes on, stories are only counted");
        }
        self.troubled = true;
        if lost > 0 {
            self.unsaid.lose(lost, why);
        }
    }

    fn remark(&mut self, text: String) {
        tracing::warn!("{text}");
        self.unsaid.remark(text.into());
    }

    /// Appends to the current segment; a damaged one is set aside once and the next one tried.
    fn write(&mut self, stories: &[Row]) -> Result<(), String> {
        self.rotate(stories.len());
        let mut set_aside_one = false;
        loop {
            let (number, mut segment) = self.current()?;
            let error = match segment.append(stories) {
                Ok(()) => {
                    self.current = Some((number, segment));
                    return Ok(());
                }
                Err(error) => error,
            };
            if !is_damage(&error) || set_aside_one {
                // Opened anew next time: a connection that failed is not worth keeping.
                self.resume = Some(number);
                return Err(error.to_string());
            }
            drop(segment);
            self.set_aside(number, &error).map_err(|error| error.to_string())?;
            set_aside_one = true;
        }
    }

    /// The segment to write to, opened or created.
    fn current(&mut self) -> Result<(u32, Writing), String> {
        if let Some(current) = self.current.take() {
            return Ok(current);
        }
        // Whoever removed the folder, the journal goes on.
        Folder::create(self.folder.path()).map_err(|error| error.to_string())?;
        if let Some(number) = self.resume {
            match Writing::open(&self.folder.segment(number)) {
                Ok(Some(segment)) => {
                    self.resume = None;
                    return Ok((number, segment));
                }
                Ok(None) => self.seal(number, None),
                Err(error) if is_damage(&error) => {
                    self.set_aside(number, &error).map_err(|error| error.to_string())?;
                }
                Err(error) => return Err(error.to_string()),
            }
            self.resume = None;
        }
        let number = self.next_number;
        let segment = Writing::open(&self.folder.segment(number)).map_err(|error| error.to_string())?;
        // A number is new, so the file was, or it holds our schema.
        let segment =
            segment.ok_or("the folder holds a segment of another version that was not there before")?;
        self.next_number = number.saturating_add(1);
        Ok((number, segment))
    }

    /// Closes the current segment when it is full, old or large, or when `coming` more do not fit.
    fn rotate(&mut self, coming: usize) {
        let Some((number, segment)) = &self.current else { return };
        let coming = u32::try_from(coming).unwrap_or(u32::MAX);
        let octets_max = (self.settings.octets_max / SEGMENT_SHARE).max(SEGMENT_OCTETS_MIN);
        let is_full = segment.stories().saturating_add(coming) > SEGMENT_STORIES_MAX;
        let is_old = segment.first_at().is_some_and(|first| self.now.since(first) >= SEGMENT_AGE_MAX);
        if segment.stories() == 0 || !(is_full || is_old || self.folder.octets(*number) >= octets_max) {
            return;
        }
        if let Some((number, segment)) = self.current.take() {
            let last_at = segment.last_at();
            segment.seal();
            self.seal(number, last_at);
        }
    }

    fn seal(&mut self, number: u32, last_at: Option<UnixMillis>) {
        let last_at = last_at.or_else(|| self.folder.changed_at(number)).unwrap_or(self.now);
        self.sealed.push(Sealed { number, last_at, octets: self.folder.octets(number), damaged: false });
    }

    fn set_aside(&mut self, number: u32, why: &rusqlite::Error) -> io::Result<()> {
        let octets = self.folder.octets(number);
        let aside = self.folder.set_aside(number)?;
        self.next_number = self.next_number.max(number.saturating_add(1));
        self.sealed.push(Sealed { number: aside, last_at: self.now, octets, damaged: true });
        self.remark(format!(
            "segment {number:04} of the journal is damaged ({why}); it was moved to {}",
            self.folder.damaged().segment(aside).display()
        ));
        Ok(())
    }

    fn drop_what_is_too_much(&mut self) {
        let others = self.current.as_ref().map(|(number, _)| *number).or(self.resume);
        let others = others.map_or(0, |number| self.folder.octets(number));
        let Settings { keep, octets_max } = self.settings;
        let go = too_many(&self.sealed, others, keep, octets_max, self.now);
        for _ in 0..go {
            let segment = self.sealed[0];
            let folder = if segment.damaged { self.folder.damaged() } else { self.folder.clone() };
            if let Err(error) = folder.remove(segment.number) {
                // Tried again with every turn, said once.
                if self.undeletable.replace(segment.number) != Some(segment.number) {
                    self.remark(format!(
                        "segment {:04} of the journal cannot be deleted: {error}",
                        segment.number
                    ));
                }
                return;
            }
            tracing::debug!(segment = segment.number, "a segment of the journal was dropped");
            self.sealed.remove(0);
        }
    }

    /// Fills in what lies in the folder at the start. The newest segment will be gone on with.
    fn take_stock(&mut self) -> io::Result<()> {
        self.folder.sweep()?;
        let damaged = self.folder.damaged();
        for number in damaged.numbers()? {
            let last_at = damaged.changed_at(number).unwrap_or(self.now);
            self.sealed.push(Sealed { number, last_at, octets: damaged.octets(number), damaged: true });
            self.next_number = self.next_number.max(number.saturating_add(1));
        }
        let numbers = self.folder.numbers()?;
        for &number in &numbers {
            self.next_number = self.next_number.max(number.saturating_add(1));
            let opened = Reading::open(&self.folder.segment(number));
            match opened.and_then(|segment| segment.map_or(Ok(None), |segment| segment.last_at())) {
                Err(error) if is_damage(&error) => {
                    if let Err(cannot_move) = self.set_aside(number, &error) {
                        self.remark(format!(
                            "segment {number:04} of the journal is damaged ({error}) and cannot be moved: {cannot_move}"
                        ));
                        self.seal(number, None);
                    }
                }
                _ if numbers.last() == Some(&number) => self.resume = Some(number),
                Ok(last_at) => self.seal(number, last_at),
                Err(error) => {
                    self.remark(format!("segment {number:04} of the journal cannot be read now: {error}"));
                    self.seal(number, None);
                }
            }
        }
        self.sealed.sort_by_key(|segment| (segment.last_at, segment.number));
        Ok(())
    }
}

impl Drop for Writer {
    /// Whatever ended the thread, nobody waits for it any more.
    fn drop(&mut self) {
        self.inbox.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;
    use crate::limits::LINES_MAX;
    use crate::story::{Story, Subject};
    use crate::{Journal, Query};
    use postrider_mail::SessionId;

    fn tell(journal: &Journal, n: i64) {
        let now = UnixMillis::new(n);
        let mut story = Story::new(Subject::Session(SessionId::from_row(n).unwrap()), now, None);
        for _ in 0..LINES_MAX {
            story.add(now, What::Note { text: "x".repeat(300).into() });
        }
        journal.tell(story);
    }

    #[test]
    fn a_full_disk_costs_the_stories_it_does_not_take_and_their_number_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let now = UnixMillis::new(0);
        let (journal, mut writer, reader) = crate::open(folder.path(), Settings::default(), now).unwrap();
        tell(&journal, 1);
        writer.step();
        let (_, segment) = writer.current.as_ref().unwrap();
        segment.allow_pages(20).unwrap();
        tell(&journal, 2);
        tell(&journal, 3);
        writer.step();
        assert_eq!(journal.counts().lost, 2);
        // The segment is opened anew, without the limit: the disk has room again.
        tell(&journal, 4);
        writer.step();
        assert_eq!(journal.counts().lost, 2);
        let found = reader.find(&Query::words("full")).unwrap();
        let What::Lost { stories, why } = &found.stories[0].events()[0].what else { panic!("{found:?}") };
        assert_eq!((*stories, found.stories.len()), (2, 1), "{why}");
        for (n, kept) in [(1, 1), (2, 0), (3, 0), (4, 1)] {
            let id = SessionId::from_row(n).unwrap();
            assert_eq!(reader.find(&Query::session(id)).unwrap().stories.len(), kept, "session {n}");
        }
    }
}

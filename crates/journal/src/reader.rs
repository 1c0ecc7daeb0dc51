//! Looking things up, newest first. Works beside a running writer and from another process.
//!
//! Segments are asked one after the other, from the newest; the parts of a story are joined in order. A
//! segment that cannot be read is passed over and named in the answer.

use crate::Error;
use crate::folder::Folder;
use crate::key::Key;
use crate::limits::{
    PARTS_JOINED_MAX, REMARKS_MAX, SEGMENTS_WITHOUT_PART_MAX, TEXT_ROWS_MAX, TEXT_ROWS_STEP,
};
use crate::query::{Query, Sought};
use crate::render::lines;
use crate::segment::{Reading, Stored};
use crate::story::{Story, Subject};
use postrider_mail::{Text, UnixMillis};
use serde::Serialize;
use std::path::Path;

/// Asks the journal in one folder.
#[derive(Clone, Debug)]
pub struct Reader {
    folder: Folder,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The stories, newest first, each with its parts joined.
    pub stories: Vec<Story>,
    /// Whether there are more than were asked for.
    pub more: bool,
    /// What could not be looked at, in sentences.
    pub remarks: Vec<Text>,
}

impl Reader {
    /// A reader of the journal in `folder`, which may be empty or missing.
    pub fn new(folder: &Path) -> Self {
        Self { folder: Folder::at(folder) }
    }

    /// About when the oldest story was told that is still there; `None` when there is none, or when the
    /// oldest segment cannot be read. Blocks on a disk.
    pub fn reaches_back_to(&self) -> Option<UnixMillis> {
        let oldest = self.folder.numbers().ok()?.into_iter().next()?;
        Reading::open(&self.folder.segment(oldest)).ok()??.first_at().ok()?
    }

    /// Answers a question. Blocks on a disk.
    ///
    /// # Errors
    /// The folder cannot be listed. Damage in a single segment is a remark in the answer.
    pub fn find(&self, query: &Query) -> Result<Found, Error> {
        let mut numbers = self.folder.numbers().map_err(|error| Error::new(&self.folder, &error))?;
        numbers.reverse();
        let mut search = Search { folder: &self.folder, numbers, opened: None, remarks: Vec::new() };
        let (mut matches, mut more) = match query.sought() {
            Sought::Keys(keys) => search.by_keys(keys, query.stories_max()),
            Sought::Words(words) => search.by_words(words, query.stories_max()),
            Sought::Last => search.last_sessions(query.stories_max()),
        };
        if matches.is_empty()
            && let Some(words) = query.or_words()
        {
            (matches, more) = search.by_words(words, query.stories_max());
        }
        if *query.sought() == Sought::Last {
            search.follow(&mut matches);
        }
        let stories = search.join(&matches);
        Ok(Found { stories, more, remarks: search.remarks })
    }
}

/// One search through the segments; one of them is open at a time.
struct Search<'a> {
    folder: &'a Folder,
    /// Newest first.
    numbers: Vec<u32>,
    opened: Option<(u32, Option<Reading>)>,
    remarks: Vec<Text>,
}

/// A row that answers the question: the newest one of its story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    subject: Subject,
    place: Place,
}

/// Where a part is stored. Later parts of one story have greater places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: u32,
    row: u32,
}

/// Different stories, newest first, up to a number.
struct Matches {
    found: Vec<Match>,
    max: usize,
    more: bool,
}

impl Matches {
    fn at_most(max: usize) -> Self {
        Self { found: Vec::new(), max, more: false }
    }

    /// Notes a match; stories without an id are one row each.
    fn add(&mut self, subject: Subject, place: Place) {
        let is_known =
            |known: &Match| known.place == place || (known.subject == subject && subject.key().is_some());
        if self.found.iter().any(is_known) {
            return;
        }
        if self.found.len() < self.max {
            self.found.push(Match { subject, place });
        } else {
            self.more = true;
        }
    }
}

impl Search<'_> {
    fn by_keys(&mut self, keys: &[Key], max: usize) -> (Vec<Match>, bool) {
        let mut matches = Matches::at_most(max);
        for segment in self.numbers.clone() {
            let mut rows = Vec::new();
            for &key in keys {
                rows.extend(self.read(segment, |reading| reading.rows_with(key)).unwrap_or_default());
            }
            rows.sort_unstable_by(|a, b| b.cmp(a));
            for row in rows {
                self.note(segment, row, &mut matches);
                if matches.more {
                    return (matches.found, true);
                }
            }
        }
        (matches.found, false)
    }

    fn last_sessions(&mut self, max: usize) -> (Vec<Match>, bool) {
        let mut matches = Matches::at_most(max);
        self.windows(|search, segment, newest, floor| {
            let rows = search.read(segment, |reading| reading.sessions(newest, floor)).unwrap_or_default();
            for row in rows {
                search.note(segment, row, &mut matches);
                if matches.more {
                    return false;
                }
            }
            true
        });
        // That there are older sessions goes without saying.
        (matches.found, false)
    }

    fn by_words(&mut self, words: &Text, max: usize) -> (Vec<Match>, bool) {
        let mut matches = Matches::at_most(max);
        let (pattern, needle) = (like_pattern(words), words.as_str().to_lowercase());
        self.windows(|search, segment, newest, floor| {
            let rows = search.read(segment, |reading| reading.rows_like(&pattern, newest, floor));
            for row in rows.unwrap_or_default() {
                // JSON has words of its own; what counts is what a person would read.
                let Some(part) = search.part(Place { segment, row }) else { continue };
                if lines(&part).any(|line| line.text.to_lowercase().contains(&needle)) {
                    matches.add(part.subject(), Place { segment, row });
                }
                if matches.more {
                    return false;
                }
            }
            true
        });
        (matches.found, matches.more)
    }

    /// Adds the attempts of what the matched sessions brought.
    fn follow(&mut self, matches: &mut Vec<Match>) {
        let ids: Vec<Key> = self
            .join(matches)
            .iter()
            .flat_map(Story::queue_ids)
            .take(PARTS_JOINED_MAX)
            .map(Key::queue)
            .collect();
        if ids.is_empty() {
            return;
        }
        let (found, _) = self.by_keys(&ids, PARTS_JOINED_MAX);
        for found in found {
            if !matches.iter().any(|known| known.subject == found.subject) {
                matches.push(found);
            }
        }
        matches.sort_by_key(|known| std::cmp::Reverse(known.place));
    }

    /// Goes through all rows in windows, newest first, until `look` returns false or the limit is reached.
    fn windows(&mut self, mut look: impl FnMut(&mut Self, u32, u32, u32) -> bool) {
        let mut rows_left = TEXT_ROWS_MAX;
        for segment in self.numbers.clone() {
            let mut newest = self.read(segment, Reading::newest).unwrap_or(0);
            while newest > 0 {
                if rows_left == 0 {
                    self.remark(format!(
                        "the search ended after {TEXT_ROWS_MAX} rows; what is older than segment \
                         {segment:04} was not looked at"
                    ));
                    return;
                }
                let floor = newest.saturating_sub(TEXT_ROWS_STEP.min(rows_left));
                if !look(self, segment, newest, floor) {
                    return;
                }
                rows_left -= newest - floor;
                newest = floor;
            }
        }
    }

    fn note(&mut self, segment: u32, row: u32, matches: &mut Matches) {
        if let Some(Some(subject)) = self.read(segment, |reading| reading.subject(row)) {
            matches.add(subject, Place { segment, row });
        }
    }

    /// The whole story of each match.
    fn join(&mut self, matches: &[Match]) -> Vec<Story> {
        matches.iter().filter_map(|found| self.story(*found)).collect()
    }

    fn story(&mut self, found: Match) -> Option<Story> {
        let Some(key) = found.subject.key() else { return self.part(found.place) };
        let mut places = self.places(key, found);
        places.sort_unstable();
        places.dedup();
        // Of a very long story: its beginning, and what lies around the match.
        let at = places.partition_point(|place| *place < found.place);
        let from = at.saturating_sub(PARTS_JOINED_MAX / 2).min(places.len().saturating_sub(PARTS_JOINED_MAX));
        let to = places.len().min(from + PARTS_JOINED_MAX);
        let beyond = places.len() - to;
        let mut chosen = places[from..to].to_vec();
        if from > 0 {
            chosen[0] = places[0];
        }
        let mut parts: Vec<Story> = chosen.into_iter().filter_map(|place| self.part(place)).collect();
        parts.retain(|part| part.subject() == found.subject);
        parts.sort_by_key(Story::part);
        let mut parts = parts.into_iter();
        let mut story = parts.next()?;
        story.miss_parts(story.part());
        let mut next_part = story.part() + 1;
        for part in parts {
            // A part told twice is kept once.
            if part.part() >= next_part {
                let after = part.part().saturating_add(1);
                story.join(next_part, part);
                next_part = after;
            }
        }
        story.miss_parts(u32::try_from(beyond).unwrap_or(u32::MAX));
        Some(story)
    }

    /// Where the parts of a story lie: around the match, back to its first part.
    fn places(&mut self, key: Key, found: Match) -> Vec<Place> {
        let here = found.place.segment;
        let newer: Vec<u32> = self.numbers.iter().rev().copied().filter(|number| *number > here).collect();
        let older: Vec<u32> = self.numbers.iter().copied().filter(|number| *number <= here).collect();
        let mut places = Vec::new();
        self.walk(key, &older, &mut places);
        self.walk(key, &newer, &mut places);
        places
    }

    /// Collects parts from one segment after the other, until several in a row have none.
    fn walk(&mut self, key: Key, segments: &[u32], places: &mut Vec<Place>) {
        let mut without = 0;
        for &segment in segments {
            let rows = self.read(segment, |reading| reading.rows_with(key)).unwrap_or_default();
            without = if rows.is_empty() { without + 1 } else { 0 };
            places.extend(rows.iter().map(|&row| Place { segment, row }));
            let first = rows.last().and_then(|&row| self.read(segment, |reading| reading.part_number(row)));
            if without > SEGMENTS_WITHOUT_PART_MAX || first == Some(Some(0)) {
                return;
            }
        }
    }

    fn part(&mut self, place: Place) -> Option<Story> {
        match self.read(place.segment, |reading| reading.part(place.row))?? {
            Stored::Part(story) => Some(story),
            Stored::Unreadable(why) => {
                let Place { segment, row } = place;
                self.remark(format!("row {row} of segment {segment:04} cannot be read: {why}"));
                None
            }
        }
    }

    /// Asks one segment. What is wrong with it is remarked, and the segment is not asked again.
    fn read<T>(&mut self, segment: u32, ask: impl FnOnce(&Reading) -> rusqlite::Result<T>) -> Option<T> {
        if !self.numbers.contains(&segment) {
            return None;
        }
        if self.opened.as_ref().is_none_or(|(number, _)| *number != segment) {
            let opened = match Reading::open(&self.folder.segment(segment)) {
                Ok(Some(reading)) => Some(reading),
                Ok(None) => {
                    self.pass_over(segment, "it is being created, or a newer version wrote it");
                    None
                }
                Err(error) => {
                    self.pass_over(segment, &error.to_string());
                    None
                }
            };
            self.opened = Some((segment, opened));
        }
        let (_, reading) = self.opened.as_ref()?;
        match ask(reading.as_ref()?) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.pass_over(segment, &error.to_string());
                None
            }
        }
    }

    fn pass_over(&mut self, segment: u32, why: &str) {
        self.numbers.retain(|number| *number != segment);
        self.opened = None;
        // Dropped for its age while this search was going on: nothing is wrong.
        if self.folder.segment(segment).exists() {
            self.remark(format!("segment {segment:04} of the journal was passed over: {why}"));
        }
    }

    fn remark(&mut self, text: String) {
        let text = Text::from(text);
        if self.remarks.len() < REMARKS_MAX && !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }
}

/// `%words%` as they stand in the stored JSON, with LIKE's own signs escaped.
fn like_pattern(words: &Text) -> String {
    let json = serde_json::Value::from(words.as_str()).to_string();
    let mut pattern = String::with_capacity(json.len() + 8);
    pattern.push('%');
    for c in json[1..json.len() - 1].chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

//! Changes that wait for a sync, and what may become of them. The rules are in the head of [`super::disk`].

use super::disk::Choice;
use super::limits::SECTOR_OCTETS;
use super::random::Random;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

/// The content of a file.
pub(super) type Content = Arc<Vec<u8>>;

/// The names in a folder, and the numbers of what they name.
pub(super) type Names = BTreeMap<OsString, usize>;

/// A change of a file (`B` is its [`Content`]) or a folder (`B` is its [`Names`]).
pub(super) trait Change<B> {
    fn apply(&self, base: &mut B);
}

/// What was synced, and the changes since.
#[derive(Clone, Debug)]
pub(super) struct Log<B, C> {
    base: B,
    waiting: Vec<(Standing, C)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not synced.
    Open,
    /// Synced, but behind something doubtful.
    Settled,
    /// A sync failed over it.
    Doubtful,
}

#[derive(Clone, Debug)]
pub(super) enum FileChange {
    /// Octets at an offset.
    Write(usize, Arc<[u8]>),
    /// A new length.
    Resize(usize),
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Add(OsString, usize),
    Remove(OsString, usize),
    /// From the first name to the second, at once.
    Move(OsString, OsString, usize),
}

impl<B, C: Change<B>> Log<B, C> {
    /// All of it synced.
    pub(super) fn new(base: B) -> Self {
        Self { base, waiting: Vec::new() }
    }

    pub(super) fn push(&mut self, change: C) {
        self.waiting.push((Standing::Open, change));
    }

    /// What is open is settled, and what is settled with nothing doubtful before it joins the base.
    pub(super) fn sync(&mut self) {
        self.stand(Standing::Settled);
        let settled = self.waiting.iter().take_while(|(standing, _)| *standing == Standing::Settled).count();
        for (_, change) in self.waiting.drain(..settled) {
            change.apply(&mut self.base);
        }
    }

    /// What is open will never be settled.
    pub(super) fn spoil(&mut self) {
        self.stand(Standing::Doubtful);
    }

    fn stand(&mut self, outcome: Standing) {
        for (standing, _) in &mut self.waiting {
            if *standing == Standing::Open {
                *standing = outcome;
            }
        }
    }
}

/// How far the unsettled changes of one file or folder got.
#[derive(Clone, Copy)]
enum Fate {
    /// Those before this one happened.
    Until(usize),
    /// Each happened or not; a sector stands still at the first that did not.
    Each(u64),
    /// Each sector, or name, stands still at a moment of its own.
    Apart(u64),
}

impl Fate {
    /// `number` tells files and folders apart, so that each has a fate of its own.
    fn of(choice: Choice, number: usize, changes: usize) -> Self {
        let seed = match choice {
            Choice::Nothing => return Self::Until(0),
            Choice::Everything => return Self::Until(changes),
            Choice::Sample(seed) => seed,
        };
        let mut random = Random::of(seed, number as u64);
        match random.below(5) {
            0 => Self::Until(0),
            1 => Self::Until(changes),
            2 => Self::Until(random.below(changes + 1)),
            3 => Self::Each(random.next()),
            _ => Self::Apart(random.next()),
        }
    }

    /// Whether the change happened, looked at alone.
    fn happened(self, change: usize) -> bool {
        match self {
            Self::Until(moment) => change < moment,
            Self::Each(seed) | Self::Apart(seed) => Random::of(seed, change as u64).coin(),
        }
    }
}

impl Log<Content, FileChange> {
    /// The content in a possible state.
    pub(super) fn content(&self, choice: Choice, number: usize) -> Content {
        if self.waiting.is_empty() {
            return Arc::clone(&self.base);
        }
        let fate = Fate::of(choice, number, self.waiting.len());
        let longest = self.waiting.iter().map(|(_, change)| change.end()).fold(self.base.len(), usize::max);
        let moments = self.moments(fate, longest.div_ceil(SECTOR_OCTETS));
        let length_moment = self.length_moment(fate);
        let mut length = self.base.len();
        let mut content = self.base.to_vec();
        content.resize(longest, 0);
        for (index, (standing, change)) in self.waiting.iter().enumerate() {
            let settled = *standing == Standing::Settled;
            change.apply_where(&mut content, |sector| settled || index < moments[sector]);
            if settled || index < length_moment {
                length = change.length_after(length);
            }
        }
        content.resize(length, 0);
        Arc::new(content)
    }

    /// The change before which each sector stands still.
    fn moments(&self, fate: Fate, sectors: usize) -> Vec<usize> {
        let changes = self.waiting.len();
        match fate {
            Fate::Until(moment) => vec![moment; sectors],
            Fate::Apart(seed) => {
                let mut random = Random::new(seed);
                (0..sectors).map(|_| random.below(changes + 1)).collect()
            }
            Fate::Each(_) => {
                let mut moments = vec![changes; sectors];
                for (index, (_, change)) in self.waiting.iter().enumerate() {
                    if !fate.happened(index) {
                        let touched = moments.iter_mut().take(change.last_sector(sectors));
                        touched.skip(change.first_sector()).for_each(|moment| *moment = index.min(*moment));
                    }
                }
                moments
            }
        }
    }

    /// The change before which the length stands still.
    fn length_moment(&self, fate: Fate) -> usize {
        let changes = self.waiting.len();
        match fate {
            Fate::Until(moment) => moment,
            Fate::Each(seed) | Fate::Apart(seed) => {
                let mut random = Random::of(seed, u64::MAX);
                if random.coin() { changes } else { random.below(changes + 1) }
            }
        }
    }
}

impl Log<Names, NameChange> {
    /// The names in a possible state.
    pub(super) fn names(&self, choice: Choice, number: usize) -> Names {
        let fate = Fate::of(choice, number, self.waiting.len());
        let mut names = self.base.clone();
        for (index, (standing, change)) in self.waiting.iter().enumerate() {
            if *standing == Standing::Settled || fate.happened(index) {
                change.apply(&mut names);
            }
        }
        names
    }
}

impl FileChange {
    /// The length that the file has at least while this happens.
    pub(super) fn end(&self) -> usize {
        match self {
            Self::Write(at, octets) => at.saturating_add(octets.len()),
            Self::Resize(length) => *length,
        }
    }

    fn start(&self) -> usize {
        match self {
            Self::Write(at, _) => *at,
            Self::Resize(length) => *length,
        }
    }

    fn first_sector(&self) -> usize {
        self.start() / SECTOR_OCTETS
    }

    /// One behind the last sector that this touches in a file of so many sectors.
    fn last_sector(&self, sectors: usize) -> usize {
        match self {
            Self::Write(..) => self.end().div_ceil(SECTOR_OCTETS),
            Self::Resize(_) => sectors,
        }
    }

    fn length_after(&self, before: usize) -> usize {
        match self {
            Self::Write(..) => before.max(self.end()),
            Self::Resize(length) => *length,
        }
    }

    /// Applies to the sectors that are `wanted`. `content` is long enough, and keeps its length: behind the end of
    /// a shortened file there are zeros.
    fn apply_where(&self, content: &mut [u8], wanted: impl Fn(usize) -> bool) {
        let start = self.start();
        let end = match self {
            Self::Write(..) => self.end(),
            Self::Resize(_) => content.len(),
        };
        let mut at = start;
        while at < end {
            let sector = at / SECTOR_OCTETS;
            let until = end.min((sector + 1) * SECTOR_OCTETS);
            if wanted(sector) {
                let room = &mut content[at..until];
                match self {
                    Self::Write(_, octets) => room.copy_from_slice(&octets[at - start..until - start]),
                    Self::Resize(_) => room.fill(0),
                }
            }
            at = until;
        }
    }
}

impl Change<Content> for FileChange {
    fn apply(&self, base: &mut Content) {
        let content = Arc::make_mut(base);
        let length = self.length_after(content.len());
        content.resize(content.len().max(self.end()), 0);
        self.apply_where(content, |_| true);
        content.truncate(length);
    }
}

impl Change<Names> for NameChange {
    /// Where an earlier change did not happen, there may be nothing to end.
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(name, number) => _ = names.insert(name.clone(), *number),
            Self::Remove(name, number) => {
                if names.get(name) == Some(number) {
                    names.remove(name);
                }
            }
            Self::Move(from, to, number) => {
                if names.get(from) == Some(number) {
                    names.remove(from);
                }
                names.insert(to.clone(), *number);
            }
        }
    }
}

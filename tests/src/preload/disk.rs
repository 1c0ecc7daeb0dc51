//! The crash model: what a disk may hold after the power went.
//!
//! Changes reach the page cache at once and the disk at any later time, in any order, until a sync. So, since the
//! last sync of a file that succeeded:
//!
//! - **Every sector (512 octets) of the file, and its length, is as it was at some moment since then**, each for
//!   itself. A write may thus be missing, present, torn at sector boundaries, or present without an older one. A sector
//!   inside the length that was never written reads as zeros. No sector is torn, and none holds foreign data.
//! - fsync and fdatasync are the same: both keep data and length.
//!
//! Names live in their folder, not in the file. Since the last sync of a folder:
//!
//! - **Each change to its names (create, mkdir, link, rename, unlink) happened or not**: as journals have it, in order
//!   up to a moment, or, stricter, each for itself. Syncing a file does not keep its name.
//! - A rename inside one folder is atomic. A rename between two is a new name in one and an ended name in the
//!   other, and each folder keeps its half: either may be missing, so both must be synced.
//!
//! A sync that failed keeps nothing. **For a file it spoils later ones too**: what was waiting is clean to the kernel,
//! so a later successful sync writes none of it, and each sector of it stays as it was or not, for good. For a
//! folder a later sync makes it good: names go through a journal, which stops for good or goes on whole.
//!
//! What is synced stays. The program's shared memory (SQLite's `-shm`) does not survive.
//! Not modelled: permissions, times, ownership, symbolic links, sockets, a disk that lies about syncs.

use super::limits::{FOLDER_DEPTH_MAX, TRACE_OCTETS_MAX};
use super::trace::{Event, Inode};
use super::waiting::{Content, FileChange, Log, NameChange, Names};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which of the possible states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing but what was synced.
    Nothing,
    /// Everything: the page cache, as after kill -9.
    Everything,
    /// One of the states between, by seed.
    Sample(u64),
}

/// A folder and all that is known of its past.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Number 0 is the root.
    nodes: Vec<Node>,
    inodes: BTreeMap<Inode, usize>,
}

#[derive(Clone, Debug)]
enum Node {
    File(Log<Content, FileChange>),
    Folder {
        /// The names as the program sees them.
        live: Names,
        log: Log<Names, NameChange>,
    },
}

/// A state of the folder: files with their content, folders without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    entries: BTreeMap<PathBuf, Option<Content>>,
}

impl Disk {
    /// The folder as it is, all of it on disk.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut disk = Self { nodes: Vec::new(), inodes: BTreeMap::new() };
        disk.read_node(folder, FOLDER_DEPTH_MAX)?;
        Ok(disk)
    }

    fn read_node(&mut self, path: &Path, depth: usize) -> io::Result<usize> {
        let facts = std::fs::symlink_metadata(path)?;
        if !facts.is_dir() {
            return Ok(self.add(facts.ino(), new_file(std::fs::read(path)?)));
        }
        if depth == 0 {
            return Err(io::Error::other("the folders are too deep"));
        }
        let number = self.add(facts.ino(), new_folder(Names::new()));
        let mut names = Names::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_file() || kind.is_dir() {
                names.insert(entry.file_name(), self.read_node(&entry.path(), depth - 1)?);
            }
        }
        self.nodes[number] = new_folder(names);
        Ok(number)
    }

    fn add(&mut self, inode: Inode, node: Node) -> usize {
        self.nodes.push(node);
        let number = self.nodes.len() - 1;
        // An inode number may be used again: from now on it means this one.
        self.inodes.insert(inode, number);
        number
    }

    /// Lets an event happen.
    ///
    /// # Errors
    /// The model does not cover it, or the trace has a gap: it speaks of something that does not exist.
    pub fn apply(&mut self, event: &Event) -> io::Result<()> {
        let gap = || io::Error::other(format!("the trace has a gap before: {event}"));
        match event {
            Event::Create(path, inode) => {
                let number = self.add(*inode, new_file(Vec::new()));
                self.name(path, number).ok_or_else(gap)
            }
            Event::Mkdir(path, inode) => {
                let number = self.add(*inode, new_folder(Names::new()));
                self.name(path, number).ok_or_else(gap)
            }
            Event::Link(from, to) => {
                let number = self.find(from).ok_or_else(gap)?;
                self.name(to, number).ok_or_else(gap)
            }
            Event::Rename(from, to) => self.rename(from, to).ok_or_else(gap),
            Event::Unlink(path) | Event::Rmdir(path) => {
                self.end_name(path);
                Ok(())
            }
            Event::Write(inode, at, data) => {
                let at = usize::try_from(*at).map_err(|_| gap())?;
                self.change_file(*inode, FileChange::Write(at, data.as_slice().into())).ok_or_else(gap)
            }
            Event::Resize(inode, octets) => {
                let octets = usize::try_from(*octets).map_err(|_| gap())?;
                self.change_file(*inode, FileChange::Resize(octets)).ok_or_else(gap)
            }
            Event::Sync(inode) => self.sync(*inode).ok_or_else(gap),
            Event::SyncFailed(inode) => self.sync_failed(*inode).ok_or_else(gap),
            Event::Send(..) => Ok(()),
            Event::Unsupported(what) => {
                Err(io::Error::other(format!("the crash model does not cover {what}")))
            }
        }
    }

    /// The number of what has this name now.
    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |number, name| match &self.nodes[number] {
            Node::Folder { live, .. } => live.get(name).copied(),
            Node::File(_) => None,
        })
    }

    /// The folder that holds this name, and the name in it.
    fn holder(&mut self, path: &Path) -> Option<(usize, OsString)> {
        let name = path.file_name()?.to_owned();
        Some((self.find(path.parent()?)?, name))
    }

    fn folder(&mut self, number: usize) -> Option<(&mut Names, &mut Log<Names, NameChange>)> {
        match &mut self.nodes[number] {
            Node::Folder { live, log } => Some((live, log)),
            Node::File(_) => None,
        }
    }

    fn name(&mut self, path: &Path, number: usize) -> Option<()> {
        let (holder, name) = self.holder(path)?;
        let (live, log) = self.folder(holder)?;
        live.insert(name.clone(), number);
        log.push(NameChange::Add(name, number));
        Some(())
    }

    /// A name that is not known belongs to a socket or a symbolic link, which are not modelled.
    fn end_name(&mut self, path: &Path) -> Option<()> {
        let (holder, name) = self.holder(path)?;
        let (live, log) = self.folder(holder)?;
        let number = live.remove(&name)?;
        log.push(NameChange::Remove(name, number));
        Some(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Option<()> {
        let number = self.find(from)?;
        if self.find(to) == Some(number) {
            return Some(()); // Two names of one file: rename(2) does nothing.
        }
        let (from_holder, from_name) = self.holder(from)?;
        let (to_holder, to_name) = self.holder(to)?;
        if from_holder != to_holder {
            self.name(to, number)?;
            return self.end_name(from);
        }
        let (live, log) = self.folder(from_holder)?;
        live.remove(&from_name);
        live.insert(to_name.clone(), number);
        log.push(NameChange::Move(from_name, to_name, number));
        Some(())
    }

    fn change_file(&mut self, inode: Inode, change: FileChange) -> Option<()> {
        if change.end() as u64 > TRACE_OCTETS_MAX {
            return None;
        }
        let number = *self.inodes.get(&inode)?;
        match &mut self.nodes[number] {
            Node::File(log) => log.push(change),
            Node::Folder { .. } => return None,
        }
        Some(())
    }

    fn sync(&mut self, inode: Inode) -> Option<()> {
        let number = *self.inodes.get(&inode)?;
        match &mut self.nodes[number] {
            Node::File(log) => log.sync(),
            Node::Folder { log, .. } => log.sync(),
        }
        Some(())
    }

    fn sync_failed(&mut self, inode: Inode) -> Option<()> {
        let number = *self.inodes.get(&inode)?;
        if let Node::File(log) = &mut self.nodes[number] {
            log.spoil();
        }
        Some(())
    }

    /// What the disk may hold if the power goes now.
    ///
    /// # Errors
    /// The folders are too deep.
    pub fn state(&self, choice: Choice) -> io::Result<State> {
        let mut state = State::default();
        self.collect(0, &mut PathBuf::new(), choice, FOLDER_DEPTH_MAX, &mut state)?;
        Ok(state)
    }

    fn collect(
        &self,
        number: usize,
        path: &mut PathBuf,
        choice: Choice,
        depth: usize,
        state: &mut State,
    ) -> io::Result<()> {
        match &self.nodes[number] {
            Node::File(log) => {
                state.entries.insert(path.clone(), Some(log.content(choice, number)));
            }
            Node::Folder { .. } if depth == 0 => return Err(io::Error::other("the folders are too deep")),
            Node::Folder { log, .. } => {
                state.entries.insert(path.clone(), None);
                for (name, inner) in log.names(choice, number) {
                    if !is_shared_memory(&name) {
                        path.push(name);
                        self.collect(inner, path, choice, depth - 1, state)?;
                        path.pop();
                    }
                }
            }
        }
        Ok(())
    }
}

fn new_file(content: Vec<u8>) -> Node {
    Node::File(Log::new(Arc::new(content)))
}

fn new_folder(names: Names) -> Node {
    Node::Folder { live: names.clone(), log: Log::new(names) }
}

/// SQLite's index of its log is a shared mapping, rebuilt after a crash.
fn is_shared_memory(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b"-shm")
}

impl State {
    /// A number that two equal states share.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// The state but for these paths.
    #[must_use]
    pub fn without(mut self, left_out: impl Fn(&Path) -> bool) -> Self {
        self.entries.retain(|path, _| !left_out(path));
        self
    }

    /// Writes the state into an empty folder.
    ///
    /// # Errors
    /// The real disk is full.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        // A folder sorts before what is in it.
        for (path, content) in &self.entries {
            match content {
                None => std::fs::create_dir_all(folder.join(path))?,
                Some(content) => std::fs::write(folder.join(path), content.as_slice())?,
            }
        }
        Ok(())
    }

    /// The first path at which two states differ.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<&'a Path> {
        let paths = self.entries.keys().chain(other.entries.keys());
        paths.map(PathBuf::as_path).find(|path| self.entries.get(*path) != other.entries.get(*path))
    }

    /// The content of a file.
    pub fn file(&self, path: impl AsRef<Path>) -> Option<&[u8]> {
        self.entries.get(path.as_ref())?.as_ref().map(|content| content.as_slice())
    }
}

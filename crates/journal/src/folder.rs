//! The folder of the journal: `0001.db`, `0002.db`, … and `damaged/` for what could not be read.
//!
//! Numbers only grow. What is damaged is set aside, never deleted by repair; it leaves by age and size
//! like every other segment.

use postrider_mail::UnixMillis;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A folder that exists.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

const DAMAGED: &str = "damaged";

/// What SQLite keeps beside a database file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Folder {
    /// Creates the folder if it is missing, readable by its owner alone.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// A folder that someone else creates.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where the segment of this number lies.
    pub(crate) fn segment(&self, number: u32) -> PathBuf {
        self.0.join(format!("{number:04}.db"))
    }

    /// The numbers of all segments, oldest first; none when the folder does not exist.
    pub(crate) fn numbers(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".db"));
            if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                // `+1.db` or `1.db` is not ours.
                if self.segment(number).file_name() == Some(name.as_os_str()) {
                    numbers.push(number);
                }
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Octets that a segment takes, with what SQLite keeps beside it.
    pub(crate) fn octets(&self, number: u32) -> u64 {
        octets(&self.segment(number))
    }

    /// Deletes a segment.
    pub(crate) fn remove(&self, number: u32) -> io::Result<()> {
        remove(&self.segment(number))
    }

    /// Moves a segment into `damaged/`, and returns its number there.
    pub(crate) fn set_aside(&self, number: u32) -> io::Result<u32> {
        let damaged = Self::create(&self.0.join(DAMAGED))?;
        // A number is used once, but a restored folder may hold it twice.
        let mut free = number;
        while damaged.segment(free).exists() {
            free = free.checked_add(1).ok_or(io::ErrorKind::AlreadyExists)?;
        }
        let (from, to) = (self.segment(number), damaged.segment(free));
        fs::rename(&from, &to)?;
        for companion in COMPANIONS {
            ignore_missing(fs::rename(beside(&from, companion), beside(&to, companion)))?;
        }
        Ok(free)
    }

    /// The folder of what was set aside; it need not exist.
    pub(crate) fn damaged(&self) -> Self {
        Self(self.0.join(DAMAGED))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// When a segment's file was last changed, by the file system.
    pub(crate) fn changed_at(&self, number: u32) -> Option<UnixMillis> {
        let changed = fs::metadata(self.segment(number)).ok()?.modified().ok()?;
        let since_1970 = changed.duration_since(UNIX_EPOCH).ok()?;
        Some(UnixMillis::new(0).plus(since_1970))
    }

    /// Deletes what a crash between two deletions left: companions without their segment.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let Some(name) = path.to_str() else { continue };
            for companion in COMPANIONS {
                if let Some(segment) = name.strip_suffix(companion)
                    && segment.ends_with(".db")
                    && !Path::new(segment).exists()
                {
                    ignore_missing(fs::remove_file(&path))?;
                }
            }
        }
        Ok(())
    }
}

fn octets(segment: &Path) -> u64 {
    let mut octets = fs::metadata(segment).map_or(0, |file| file.len());
    for companion in COMPANIONS {
        octets += fs::metadata(beside(segment, companion)).map_or(0, |file| file.len());
    }
    octets
}

fn remove(segment: &Path) -> io::Result<()> {
    ignore_missing(fs::remove_file(segment))?;
    for companion in COMPANIONS {
        ignore_missing(fs::remove_file(beside(segment, companion)))?;
    }
    Ok(())
}

fn beside(segment: &Path, companion: &str) -> PathBuf {
    let mut name = segment.as_os_str().to_owned();
    name.push(companion);
    PathBuf::from(name)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

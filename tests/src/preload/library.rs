//! The preloaded library, built from `preload/*.c`, and what it can be told, as values.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [(&str, &str); 4] = [
    ("fault.h", include_str!("../../preload/fault.h")),
    ("fault.c", include_str!("../../preload/fault.c")),
    ("data.c", include_str!("../../preload/data.c")),
    ("names.c", include_str!("../../preload/names.c")),
];

/// The library, compiled.
#[derive(Clone, Debug)]
pub struct Library {
    path: PathBuf,
}

impl Library {
    /// Compiles the library with `cc` beside the running test, or takes the one that is there already.
    ///
    /// # Errors
    /// There is no C compiler, or it has a complaint (warnings are errors).
    pub fn build() -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        SOURCES.hash(&mut hasher);
        let test = std::env::current_exe()?;
        let folder = test.parent().ok_or_else(|| io::Error::other("a test binary lies in a folder"))?;
        let path = folder.join(format!("libpostrider-fault-{:016x}.so", hasher.finish()));
        if !path.exists() {
            compile(&path, folder)?;
        }
        Ok(Self { path })
    }
}

/// Compiles in a folder of its own and renames: other tests may do the same at this moment.
fn compile(path: &Path, folder: &Path) -> io::Result<()> {
    let workshop = tempfile::tempdir_in(folder)?;
    for (name, source) in SOURCES {
        std::fs::write(workshop.path().join(name), source)?;
    }
    let output = Command::new("cc")
        .current_dir(workshop.path())
        .args(["-std=gnu11", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", "fault.so"])
        .args(SOURCES.iter().map(|(name, _)| *name).filter(|name| name.ends_with(".c")))
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    std::fs::rename(workshop.path().join("fault.so"), path)
}

/// A kind of call that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// write, pwrite, writev, pwritev, fallocate
    Write,
    /// fsync, fdatasync, sync_file_range, of files and directories
    Sync,
    /// rename, renameat, renameat2
    Rename,
    /// link, linkat
    Link,
    /// unlink, unlinkat, rmdir
    Unlink,
    /// open and openat with O_CREAT or O_TRUNC, creat
    Create,
    /// mkdir, mkdirat
    Mkdir,
    /// ftruncate
    Truncate,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::Create => "create",
            Self::Mkdir => "mkdir",
            Self::Truncate => "truncate",
        }
    }
}

/// What the system answers to a call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// EIO: the disk is defective.
    Io,
    /// ENOSPC: the disk is full.
    NoSpace,
}

/// How calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// With what.
    pub error: ErrorKind,
    /// Only calls of this kind are counted and fail; all when there is none.
    pub kind: Option<Kind>,
    /// Whether it stays so: a dead disk (EIO), or one that stays full (ENOSPC: whatever needs space fails).
    pub sticky: bool,
    /// Whether a write that fails first writes half, and says so.
    pub short: bool,
}

impl Failure {
    /// One call fails, those before and after it do not.
    pub const fn once(error: ErrorKind) -> Self {
        Self { error, kind: None, sticky: false, short: false }
    }

    /// From one call on, the disk stays so.
    pub const fn from_then_on(error: ErrorKind) -> Self {
        Self { error, kind: None, sticky: true, short: false }
    }
}

/// What the library does in one run.
#[derive(Clone, Debug)]
pub struct Faults {
    library: PathBuf,
    root: PathBuf,
    report: PathBuf,
    trace: PathBuf,
    fail: Option<(u32, Failure)>,
    kind: Option<Kind>,
    nosync: bool,
}

impl Faults {
    /// Counts and records what happens below `root`; the papers go to `papers`, which lies elsewhere.
    ///
    /// # Errors
    /// One of the folders does not exist.
    pub fn record(library: &Library, root: &Path, papers: &Path) -> io::Result<Self> {
        let papers = papers.canonicalize()?;
        Ok(Self {
            library: library.path.clone(),
            root: root.canonicalize()?,
            report: papers.join("calls"),
            trace: papers.join("trace"),
            fail: None,
            kind: None,
            nosync: false,
        })
    }

    /// Counts only calls of this kind.
    #[must_use]
    pub fn only(mut self, kind: Option<Kind>) -> Self {
        self.kind = kind;
        self
    }

    /// The n-th counted call fails, n from 1.
    #[must_use]
    pub fn fail(mut self, nth: u32, failure: Failure) -> Self {
        self.fail = Some((nth, failure));
        self.kind = failure.kind;
        self
    }

    /// Syncs say yes, do nothing and are not recorded.
    #[must_use]
    pub fn nosync(mut self) -> Self {
        self.nosync = true;
        self
    }

    /// Whether a call shall fail.
    pub fn fails(&self) -> bool {
        self.fail.is_some()
    }

    /// The folder that is watched, in the form in which the program must be given it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A command that will run under the library.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", &self.library)
            .env("POSTRIDER_FAULT_ROOT", &self.root)
            .env("POSTRIDER_FAULT_REPORT", &self.report)
            .env("POSTRIDER_FAULT_TRACE", &self.trace);
        if let Some(kind) = self.kind {
            command.env("POSTRIDER_FAULT_KIND", kind.name());
        }
        if self.nosync {
            command.env("POSTRIDER_FAULT_NOSYNC", "1");
        }
        if let Some((nth, failure)) = self.fail {
            let error = match failure.error {
                ErrorKind::Io => "EIO",
                ErrorKind::NoSpace => "ENOSPC",
            };
            command
                .env("POSTRIDER_FAULT_FAIL", nth.to_string())
                .env("POSTRIDER_FAULT_ERROR", error)
                .env("POSTRIDER_FAULT_STICKY", u8::from(failure.sticky).to_string())
                .env("POSTRIDER_FAULT_SHORT", u8::from(failure.short).to_string());
        }
        command
    }

    /// The counted calls so far, a line each: `NUMBER KIND RESULT PATH [PATH]`.
    ///
    /// # Errors
    /// The report cannot be read. That it does not exist only means that nothing was called.
    pub fn calls(&self) -> io::Result<Vec<String>> {
        match std::fs::read_to_string(&self.report) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Where the trace is written.
    pub fn trace(&self) -> &Path {
        &self.trace
    }
}

//! What a test says about the program it proves.

use super::library::Faults;
use std::io;
use std::path::Path;

/// What was found on a folder after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was acknowledged and is gone, or is there but damaged; one line each.
    pub lost: Vec<String>,
    /// How many are there more than once (delivered and still queued, delivered twice).
    pub duplicates: usize,
}

/// A program, what is done with it, and how to see what became of it. Used by several threads at once, with a
/// folder of its own each time.
pub trait Scenario: Sync {
    /// Fills the folder before the program starts. This is on disk safely, and is not recorded.
    ///
    /// # Errors
    /// The test cannot go on.
    fn prepare(&self, folder: &Path) -> io::Result<()> {
        let _ = folder;
        Ok(())
    }

    /// Runs the program through [`Faults::command`], on the folder [`Faults::root`]; talks to it; stops it, and
    /// returns when it has ended. Without failing calls it is stopped gently, so that the trace is whole.
    ///
    /// # Errors
    /// The program hangs or dies where it should not. A program that refuses, or ends with an error, because
    /// its disk failed does what it should: that is `Ok`.
    fn run(&self, faults: &Faults) -> io::Result<()>;

    /// Whether the proof leaves this path out: what the program does not rely on after a crash, and changes by calls that
    /// the library does not see. `path` is relative to the folder.
    fn leaves_out(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// What these octets, sent by the program, acknowledge: an id for each `250` that hands over responsibility.
    fn acknowledged(&self, sent: &[u8]) -> Vec<String>;

    /// Looks for everything `acknowledged` on a folder as a crash left it. The folder may be changed.
    ///
    /// # Errors
    /// The folder does not open; counts as a loss.
    fn verify(&self, folder: &Path, acknowledged: &[String]) -> io::Result<Found>;
}

//! How long the lines of content are (RFC 5321 §4.5.3.1.6), measured as it passes. What ends a line is not known
//! here.

/// How long lines are, without their line ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineLengths {
    /// Octets so far of the line that has not ended.
    open: u64,
    longest: u64,
}

impl LineLengths {
    /// To measure the next input: it goes on where the last one stopped.
    pub(crate) fn ruler(self) -> Ruler {
        Ruler { line: 0_u64.wrapping_sub(self.open), longest: self.longest }
    }

    /// The line has ended, and nothing of it came since it was measured.
    pub(crate) fn end(&mut self) {
        self.open = 0;
    }

    /// Octets of the longest line so far.
    pub(crate) fn longest(&self) -> u64 {
        self.longest
    }
}

/// Measures the lines of one input by positions in it, so that a line costs a subtraction and a comparison.
#[derive(Clone, Copy)]
pub(crate) struct Ruler {
    /// Where the line begins: as far before the input, modulo 2^64, as octets of it came before.
    line: u64,
    longest: u64,
}

impl Ruler {
    /// The line ends at `end`, and the next begins at `next`.
    pub(crate) fn line(&mut self, end: usize, next: usize) {
        self.longest = self.longest.max((end as u64).wrapping_sub(self.line));
        self.line = next as u64;
    }

    /// A line begins at `at`.
    pub(crate) fn begin(&mut self, at: usize) {
        self.line = at as u64;
    }

    /// Nothing behind `end` is looked at now.
    pub(crate) fn stop(self, end: usize) -> LineLengths {
        let open = (end as u64).wrapping_sub(self.line);
        LineLengths { open, longest: self.longest.max(open) }
    }
}

//! How much memory a server takes while somebody misbehaves.

use crate::process::Server;

/// A server's memory since some moment.
pub struct Memory<'s> {
    server: &'s Server,
    before_kib: u64,
}

impl<'s> Memory<'s> {
    /// From now on.
    pub fn watch(server: &'s Server) -> Self {
        server.forget_peak();
        Self { server, before_kib: server.resident_kib() }
    }

    /// What it used at first, in KiB.
    pub fn before_kib(&self) -> u64 {
        self.before_kib
    }

    /// What it uses now beyond what it used at first, in KiB.
    pub fn grown_kib(&self) -> u64 {
        self.server.resident_kib().saturating_sub(self.before_kib)
    }

    /// Prints how much more it ever used.
    ///
    /// # Panics
    /// When that is more than `kib_max`.
    #[track_caller]
    pub fn stays_below(&self, what: &str, kib_max: u64) {
        let peak = self.server.resident_peak_kib();
        let grown = peak.saturating_sub(self.before_kib);
        println!("{what}: {} KiB before, {peak} KiB at most, {grown} KiB more", self.before_kib);
        assert!(grown < kib_max, "{what}: {grown} KiB more, {kib_max} are allowed");
    }
}

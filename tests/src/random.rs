//! Randomness from a seed that is printed, so that a run can be repeated as far as a race can be.

/// A small generator (xorshift64*): for choosing moments, not for secrets.
pub struct Random(u64);

impl Random {
    /// From `POSTRIDER_SEED`, or from the system. Prints the seed.
    pub fn announced() -> Self {
        let named = std::env::var("POSTRIDER_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = named.unwrap_or_else(of_system);
        println!("POSTRIDER_SEED={seed}");
        Self(seed | 1)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}

/// The standard library seeds its hash maps from the system.
fn of_system() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

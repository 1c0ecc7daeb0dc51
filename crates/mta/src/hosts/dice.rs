//! Order by lot, from a seed: hosts of equal preference share the load (RFC 5321 §5.1).

/// A row of numbers that depends on nothing but its seed (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any order, each as likely as the others (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            // A remainder is below `end + 1`; the lists are short, so its bias is nothing.
            let other = usize::try_from(self.roll() % (end as u64 + 1)).unwrap_or(end);
            items.swap(end, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_order_is_about_as_likely_and_a_seed_repeats_its_own() {
        let order = |seed| {
            let mut items = [1, 2, 3, 4];
            Dice::new(seed).shuffle(&mut items);
            items
        };
        let mut seen: BTreeMap<[i32; 4], u32> = BTreeMap::new();
        for seed in 0..2400 {
            *seen.entry(order(seed)).or_default() += 1;
            assert_eq!(order(seed), order(seed));
        }
        assert_eq!(seen.len(), 24);
        assert!(seen.values().all(|times| (50..200).contains(times)), "{seen:?}");
    }
}

//! Choices that follow from an input: where it is split, what is answered.

use crate::limits::{OCTET_BY_OCTET_MAX, PIECES_MAX};

/// A sequence of numbers that its seed decides (the generator is splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for an input: any change to it changes them all.
    pub fn of(input: &[u8]) -> Self {
        // FNV-1a
        let start = 0xcbf2_9ce4_8422_2325;
        Self(
            input.iter().fold(start, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0).checked_rem(end).unwrap_or(0)
    }

    /// Yes once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// The octets in pieces: cut at a few places, of which every other stands where a line or a dot does.
    pub fn cut<'i>(&mut self, octets: &'i [u8]) -> Vec<&'i [u8]> {
        let edges: Vec<usize> = (0..octets.len()).filter(|at| b"\r\n.\0".contains(&octets[*at])).collect();
        let mut cuts: Vec<usize> = (0..self.below(PIECES_MAX))
            .map(|number| match edges.get(self.below(edges.len())) {
                Some(edge) if number % 2 == 0 => (edge + self.below(2)).min(octets.len()),
                _ => self.below(octets.len() + 1),
            })
            .collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect()
    }

    /// Every way in which a check splits its input, the whole first.
    pub fn splits<'i>(&mut self, octets: &'i [u8]) -> Vec<Vec<&'i [u8]>> {
        let mut splits = vec![vec![octets], self.cut(octets), self.cut(octets)];
        if (1..=OCTET_BY_OCTET_MAX).contains(&octets.len()) {
            splits.push(octets.chunks(1).collect());
        }
        splits
    }
}

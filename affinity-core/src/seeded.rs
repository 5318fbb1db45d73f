//! Reproducible randomness: a stream of numbers that its seed and its name decide, the same on every machine.
//!
//! Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (`SplitMix64`);
//! Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019 (the multiply-shift).

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Seeded {
    state: u64,
}

impl Seeded {
    /// The stream called `parts` of this seed; streams of other names are independent of it.
    pub(crate) fn stream(seed: u64, parts: &[u64]) -> Self {
        let mut stream = Self { state: seed };
        for part in parts {
            stream.state = stream.next() ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93);
        }
        stream
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In (0, 1], a multiple of 2^-53.
    #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / 9_007_199_254_740_992.0
    }

    /// Below `bound`, which is above 0; uneven by at most `bound` in 2^64.
    #[expect(clippy::cast_possible_truncation, reason = "a product's upper half is below its factor")]
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Seeded;

    #[test]
    fn the_stream_is_the_published_one() {
        // The first outputs of SplitMix64 for seed 1234567, as in the reference implementation of Vigna.
        let mut stream = Seeded::stream(1_234_567, &[]);
        assert_eq!((stream.next(), stream.next()), (6_457_827_717_110_365_317, 3_203_168_211_198_807_973));
    }

    #[test]
    fn names_make_streams_of_their_own_and_numbers_stay_in_range() {
        let first = |parts: &[u64]| Seeded::stream(1, parts).next();
        assert_eq!(first(&[2, 3]), first(&[2, 3]));
        assert_ne!(first(&[2, 3]), first(&[3, 2]));
        let mut stream = Seeded::stream(1, &[7]);
        let mut seen = [0; 3];
        for _ in 0..3_000 {
            seen[stream.below(3)] += 1;
            let unit = stream.unit();
            assert!(unit > 0.0 && unit <= 1.0);
        }
        assert!(seen.iter().all(|count| (900..1_100).contains(count)), "{seen:?}");
    }
}

//! The only source of randomness: a counter-based stream, so that any cell can be made without its neighbors.

/// A stream of pseudo-random numbers, the same on every machine.
///
/// Source: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014; constants of
/// Vigna's public-domain `splitmix64.c`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SplitMix64 {
    state: u64,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// `word` with every input bit spread over all output bits (the finalizer of `SplitMix64`).
pub(super) fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The key of a child of `parent`: two children, or the same child of two parents, get unrelated keys.
pub(super) fn derive(parent: u64, child: u64) -> u64 {
    mix(parent.wrapping_add(GOLDEN_GAMMA) ^ mix(child.wrapping_add(GOLDEN_GAMMA).wrapping_mul(3)))
}

/// A number for a name that depends on nothing else, so that adding a table or column changes no other.
///
/// Source: the 64-bit FNV-1a hash of Fowler, Noll & Vo.
pub(super) fn name_key(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl SplitMix64 {
    pub(super) fn new(key: u64) -> Self {
        Self { state: key }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// Uniform in [0, 1), in steps of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Uniform in `0..bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is uniform to within bound / 2^64, far below anything visible here.
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// Standard normal.
    ///
    /// Source: Box & Muller, "A Note on the Generation of Random Normal Deviates", 1958; `libm`, not the
    /// platform's functions, so that the bytes do not depend on the machine.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// Bell-shaped with mean 0 and variance 1, within ±3.5, at a tenth of the cost of [`Self::normal`]: the sum
    /// of four uniform numbers (Irwin–Hall).
    pub(super) fn bell(&mut self) -> f64 {
        let word = self.next();
        let sum: u64 = [0, 16, 32, 48].map(|shift| (word >> shift) & 0xffff).iter().sum();
        (sum as f64 / 65_536.0 - 2.0 + 4.0 / 131_072.0) * 3.0_f64.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn stream_matches_the_published_reference_values() {
        let mut stream = SplitMix64::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| stream.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn normal_and_bell_have_mean_zero_and_variance_one() {
        check_standard(SplitMix64::normal);
        check_standard(SplitMix64::bell);
    }

    #[track_caller]
    fn check_standard(draw: fn(&mut SplitMix64) -> f64) {
        let mut stream = SplitMix64::new(5);
        let draws: Vec<f64> = (0..20_000).map(|_| draw(&mut stream)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean} variance {variance}");
    }
}

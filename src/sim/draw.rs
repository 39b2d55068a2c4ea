//! The one source of chance. A generator with published, stable output, so that a seed means the same stream tomorrow.

use rand::{RngCore, SeedableRng};
use rand_distr::{Distribution, StandardNormal, Zipf};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Scrambles two numbers into one: facts that hold for a person or device for ever are hashed, not stored.
pub(crate) fn hash(a: u64, b: u64) -> u64 {
    // The finaliser of SplitMix64 (Steele, Lea, Flood 2014) over both words.
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash as a fraction, 0 to 1.
pub(crate) fn fraction(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

pub(crate) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        fraction(self.word())
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// 0 to below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.word()) * n as u128) >> 64) as usize
    }

    /// `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).max(0) as usize + 1) as i64
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Waiting time of a process without memory.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Skewed as incomes and purchases are: half lies below the median, few far above.
    pub fn skewed(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// A rank, 0 to below the distribution's size, low ranks most often.
    pub fn rank(&mut self, zipf: &Zipf<f64>) -> usize {
        zipf.sample(&mut self.0) as usize - 1
    }

    pub fn seconds(&mut self, low: f64, high: f64) -> i64 {
        ((low + (high - low) * self.unit()) * 1000.0) as i64
    }

    pub fn minutes(&mut self, low: f64, high: f64) -> i64 {
        self.seconds(low * 60.0, high * 60.0)
    }
}

/// Ranks 0 to below `n` with the given exponent; `n` is at least 1.
pub(crate) fn zipf(n: usize, exponent: f64) -> Zipf<f64> {
    // Both arguments are in the range the library asks for, so that the fallback is never taken.
    Zipf::new(n.max(1) as f64, exponent.clamp(0.0, 4.0))
        .unwrap_or_else(|_| unreachable!("n ≥ 1, exponent ≥ 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        // xoshiro256++ seeded by SplitMix64: a change here changes every published report.
        let mut draw = Draw::new(1);
        assert_eq!([draw.word(), draw.word()], [14971601782005023387, 13781649495232077965]);
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut draw = Draw::new(2);
        let ranks = zipf(10, 0.99);
        let mut first = 0;
        for _ in 0..10_000 {
            assert!(draw.below(3) < 3);
            assert!((5..=7).contains(&draw.between(5, 7)));
            let rank = draw.rank(&ranks);
            assert!(rank < 10);
            first += usize::from(rank == 0);
        }
        assert!((3000..4000).contains(&first), "rank 0 of ten has about 34 %: {first}");
    }
}

//! Amounts of one class in one word: how many, their mean, and their spread.
//!
//! Eight bits count, 32 hold the mean as a float, 24 the variance as a float without its last eight bits. Up to 255 amounts
//! all weigh the same; from then on each new one weighs a 255th, so that the profile follows a change of habit. Mean and spread are
//! statistics that rules compare with multiples: sums that must not lose a unit stand in velocity.

use crate::table::{Ordering, Word};

/// Amounts are compared with the account's own only after so many.
const COUNT_MIN: u64 = 3;
const COUNT_MAX: u64 = 255;

/// Count, mean and variance, the last two in minor units and their square.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Amounts {
    count: u64,
    mean: f64,
    variance: f64,
}

impl Amounts {
    /// The amounts in a word; 0 holds none.
    pub fn of(word: u64) -> Amounts {
        Amounts {
            count: word & 0xff,
            mean: f64::from(f32::from_bits((word >> 32) as u32)),
            variance: f64::from(f32::from_bits(word as u32 & !0xff)),
        }
    }

    fn word(self) -> u64 {
        // Rounded to what is kept: cut off, it would only ever shrink.
        let variance = (self.variance as f32).to_bits().saturating_add(0x80) & !0xff;
        u64::from((self.mean as f32).to_bits()) << 32 | u64::from(variance) | self.count
    }

    /// These and one more.
    fn with(self, amount: i64) -> Amounts {
        let (count, amount) = ((self.count + 1).min(COUNT_MAX), amount as f64);
        let (before, share) = (amount - self.mean, 1.0 / count as f64);
        let mean = self.mean + before * share;
        let variance = self.variance + (before * (amount - mean) - self.variance) * share;
        Amounts { count, mean, variance }
    }

    /// What a word holds once it has taken an amount in.
    pub fn added(held: u64, amount: i64) -> u64 {
        Amounts::of(held).with(amount).word()
    }

    /// Takes an amount into a word.
    pub fn add(word: &Word, amount: i64) {
        let next = |held| Some(Amounts::added(held, amount));
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Both together.
    pub fn and(self, other: Amounts) -> Amounts {
        let count = self.count + other.count;
        if count == 0 {
            return self;
        }
        let share = other.count as f64 / count as f64;
        let apart = other.mean - self.mean;
        Amounts {
            count,
            mean: self.mean + apart * share,
            variance: self.variance
                + (other.variance - self.variance) * share
                + apart * apart * share * (1.0 - share),
        }
    }

    /// Whether there are enough to compare with.
    pub fn tell(self) -> bool {
        self.count >= COUNT_MIN
    }

    /// Mean, in whole minor units.
    pub fn mean_minor(self) -> i64 {
        self.mean.round() as i64
    }

    /// An amount over the mean.
    pub fn ratio(self, amount: i64) -> f64 {
        amount as f64 / self.mean.max(1.0)
    }

    /// How many deviations an amount lies above the mean.
    pub fn zscore(self, amount: i64) -> f64 {
        // A floor of a tenth of the mean: somebody who always pays the same is not alarmed by a cent.
        (amount as f64 - self.mean) / self.variance.max(0.0).sqrt().max(self.mean / 10.0).max(1.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(amounts: &[i64]) -> Amounts {
        let word = Word::new(0);
        amounts.iter().for_each(|&amount| Amounts::add(&word, amount));
        Amounts::of(word.load(Ordering::Relaxed))
    }

    /// Mean and deviation, added up.
    fn twin(amounts: &[i64]) -> (f64, f64) {
        let count = amounts.len() as f64;
        let mean = amounts.iter().map(|&amount| amount as f64).sum::<f64>() / count;
        let squares: f64 = amounts.iter().map(|&amount| (amount as f64 - mean).powi(2)).sum();
        (mean, (squares / count).sqrt())
    }

    /// Within a thousandth, and a hundred thousandth of the mean.
    fn close(found: Amounts, (mean, deviation): (f64, f64)) -> bool {
        (found.mean - mean).abs() <= mean * 1e-5 + 0.01
            && (found.variance.sqrt() - deviation).abs() <= deviation * 2e-3 + mean * 1e-5 + 0.01
    }

    fn some(most: usize) -> impl Strategy<Value = Vec<i64>> {
        let amount = prop_oneof![0..1_000_i64, 0..1_000_000_i64, 0..=wire::limits::AMOUNT_MINOR_MAX];
        prop::collection::vec(amount, 1..most)
    }

    proptest! {
        #[test]
        fn mean_and_spread_are_those_of_the_amounts(amounts in some(256)) {
            let found = after(&amounts);
            prop_assert_eq!(found.count, amounts.len() as u64);
            prop_assert!(close(found, twin(&amounts)), "{:?} {:?}", found, twin(&amounts));
        }

        #[test]
        fn two_classes_together_are_one_of_both(a in some(120), b in some(120)) {
            let (all, both) = ([a.clone(), b.clone()].concat(), after(&a).and(after(&b)));
            prop_assert!(close(both, twin(&all)), "{:?} {:?}", both, twin(&all));
        }
    }

    proptest! {
        /// What `percentile_of_own` of rule files promises of an amount, whatever the account's amounts look like.
        #[test]
        fn so_many_deviations_above_the_mean_so_large_a_share_is_no_larger(
            amounts in some(255),
            times in 1.0..20.0_f64,
        ) {
            let found = after(&amounts);
            let amount = (found.mean * times) as i64;
            let z = found.zscore(amount).max(0.0);
            let no_larger = amounts.iter().filter(|&&own| own <= amount).count() as f64 / amounts.len() as f64;
            prop_assert!(z * z / (1.0 + z * z) <= no_larger + 2e-3, "{} {} {:?}", z, no_larger, found);
        }
    }

    #[test]
    fn a_change_of_habit_is_followed() {
        let word = Word::new(0);
        (0..5_000).for_each(|_| Amounts::add(&word, 1_000));
        (0..1_500).for_each(|_| Amounts::add(&word, 9_000));
        let amounts = Amounts::of(word.load(Ordering::Relaxed));
        assert_eq!(amounts.count, COUNT_MAX);
        assert!((8_900.0..9_000.5).contains(&amounts.mean), "{amounts:?}");
    }

    #[test]
    fn none_and_few_amounts_tell_nothing() {
        assert!(!Amounts::of(0).tell() && !after(&[5, 5]).tell() && after(&[5, 5, 5]).tell());
        assert_eq!(Amounts::of(0).and(Amounts::of(0)), Amounts::default());
        assert_eq!(after(&[7, 7, 7]).and(Amounts::of(0)).mean_minor(), 7);
        assert_eq!(after(&[i64::MAX; 3]).ratio(i64::MAX).round(), 1.0);
    }
}

//! What a payment app does by itself so that its customer keeps within the law: it asks for one more factor before a day's
//! payments pass what fewer of them allow, and shows a code of the customer's own once the day's sum at printed ones is spent.

use std::collections::{HashMap, VecDeque};

use wire::Kind;

use crate::clock;
use crate::label::Label;
use crate::people::PersonId;
use crate::step::{Party, Step};

/// A day, and some room: whoever keeps the limits may count in coarser steps.
const REMEMBERED_MS: i64 = 26 * clock::HOUR_MS;
/// A day's payments with fewer than two factors, and with two: People's Bank of China, barcode payment rules of 2017.
const FACTORS_MINOR: [i64; 2] = [100_000, 500_000];
/// A day's payments at printed codes, by the same rules.
const PRINTED_MINOR: i64 = 50_000;

struct Payment {
    at_ms: i64,
    minor: i64,
    printed: bool,
}

/// The payments of the day, by customer.
#[derive(Default)]
pub(crate) struct Spending {
    latest: HashMap<PersonId, VecDeque<Payment>>,
}

impl Spending {
    /// Makes the step as the app would. Thieves' tools do not ask: what is done on a device of theirs stays as it is, and counts.
    pub fn keep_within(&mut self, at_ms: i64, step: &mut Step) {
        let (Party::Person(who), Some(minor)) = (step.who, step.amount_minor) else { return };
        if !matches!(step.kind, Kind::Mint | Kind::Pay | Kind::Transfer) {
            return;
        }
        let latest = self.latest.entry(who).or_default();
        while latest.front().is_some_and(|payment| payment.at_ms <= at_ms - REMEMBERED_MS) {
            latest.pop_front();
        }
        let sum = |printed: bool| -> i64 {
            latest.iter().filter(|it| it.printed || !printed).map(|it| it.minor).sum::<i64>() + minor
        };
        let own = step.rig.is_none();
        let needed = 1 + FACTORS_MINOR.iter().filter(|&&most| sum(false) > most).count() as u8;
        if own {
            step.factors = step.factors.max(needed);
        }
        let printed = step.kind == Kind::Pay && step.channel == "print";
        // Who pays at a pasted-over code was told to scan it.
        let own_code = own && printed && sum(true) > PRINTED_MINOR && step.label == Label::Honest;
        if own_code {
            (step.channel, step.code) = ("", None);
        }
        latest.push_back(Payment { at_ms, minor, printed: printed && !own_code });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay(minor: i64) -> Step {
        Step::person(Kind::Pay, 7).amount(minor).code(3).channel("print")
    }

    #[test]
    fn a_day_at_printed_codes_ends_at_five_hundred_yuan_and_goes_on_with_a_code_shown() {
        let mut spending = Spending::default();
        let mut done = |at_ms, minor| {
            let mut step = pay(minor);
            spending.keep_within(at_ms, &mut step);
            (step.channel, step.code)
        };
        assert_eq!(done(0, 40_000), ("print", Some(3)));
        assert_eq!(done(1, 10_001), ("", None));
        assert_eq!(done(2, 10_000), ("print", Some(3)));
        assert_eq!(done(REMEMBERED_MS, 40_001), ("", None));
        assert_eq!(done(REMEMBERED_MS + 3, 40_000), ("print", Some(3)));
    }

    #[test]
    fn factors_follow_the_sum_of_the_day_and_thieves_do_not() {
        let mut spending = Spending::default();
        let mut factors = |mut step: Step| {
            spending.keep_within(0, &mut step);
            step.factors
        };
        assert_eq!([factors(pay(100_000)), factors(pay(1)), factors(pay(400_000))], [1, 2, 3]);
        let mut thief = pay(100);
        let handset = crate::handset::Handset::phone(1);
        thief.rig = Some(crate::step::Rig { handset, ip: [127, 0, 0, 1].into(), geo: None });
        assert_eq!(factors(thief), 1);
    }
}

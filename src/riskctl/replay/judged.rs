//! What the report is made of: each event's answer beside its truth, small because there are millions.

use std::collections::HashMap;

use wire::Verdict;

/// One answered event with its truth.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Event time, Unix milliseconds.
    pub time_ms: i64,
    /// The account, by its place in the names.
    pub account: u32,
    /// Kind of fraud, by its place in the names.
    pub scenario: u32,
    /// Whether it was fraud.
    pub fraud: bool,
    /// What was answered.
    pub verdict: Verdict,
    /// The answer's score.
    pub score: f64,
    /// Amount in minor units; 0 where there is none.
    pub amount_minor: i64,
}

/// Texts by number: an account is named once, not once an event.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    /// The number of that text.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    /// The text of that number.
    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }
}

/// Accounts already known to be defrauded, which a fair measure leaves out: their fraud was seen long enough ago for its
/// label to have arrived.
#[derive(Debug)]
pub struct Known {
    since_ms: i64,
    after_ms: i64,
    first_ms: HashMap<u32, i64>,
}

impl Known {
    /// Frauds from `since_ms` on count, and are known `after_ms` later.
    pub fn new(since_ms: i64, after_ms: i64) -> Known {
        Known { since_ms, after_ms, first_ms: HashMap::new() }
    }

    /// Takes note of a fraud; the earliest counts, in whatever order they are reported.
    pub fn fraud(&mut self, account: u32, time_ms: i64) {
        if time_ms >= self.since_ms {
            let first_ms = self.first_ms.entry(account).or_insert(time_ms);
            *first_ms = time_ms.min(*first_ms);
        }
    }

    /// Whether a fraud of the account was known when the day began.
    pub fn has(&self, account: u32, day_start_ms: i64) -> bool {
        self.first_ms.get(&account).is_some_and(|first_ms| *first_ms < day_start_ms - self.after_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraud_is_known_from_the_first_day_that_begins_after_its_delay() {
        const DAY: i64 = 86_400_000;
        let mut known = Known::new(10 * DAY, 7 * DAY);
        known.fraud(1, 9 * DAY);
        known.fraud(2, 10 * DAY + 5);
        known.fraud(2, 11 * DAY);
        assert!(!known.has(1, 100 * DAY), "before the start");
        assert!(!known.has(2, 17 * DAY));
        assert!(known.has(2, 18 * DAY));
    }

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        assert_eq!((names.number("a"), names.number("b"), names.number("a")), (0, 1, 0));
        assert_eq!((names.name(1), names.len()), ("b", 2));
    }
}

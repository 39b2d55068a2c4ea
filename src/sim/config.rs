//! What to simulate. Every key has a default that stands for one medium-sized city's wallet.

use crate::people::CIRCLE;

/// Monday 2 March 2026, 10:00 in China: the default start, inside ordinary business hours.
pub const START_MS: i64 = 1_772_416_800_000;

/// Events a customer makes on an ordinary day, on average: what [`Config::of_size`] scales by.
const EVENTS_PER_ACCOUNT_AND_DAY: f64 = 13.0;
const DAY_S: f64 = 86_400.0;

/// Fewest customers that still form circles of friends.
pub(crate) const ACCOUNTS_MIN: u32 = 96;
/// Most customers: indices and names stay within nine digits together with the attackers' accounts.
pub(crate) const ACCOUNTS_MAX: u32 = 100_000_000;
/// Most steps waiting for their time, per customer; further follow-ups are dropped, so that memory is bounded.
pub(crate) const PENDING_PER_ACCOUNT: usize = 4;

/// What to simulate. Values outside their range are taken at the bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Chooses everything: the same seed gives the same bytes.
    pub seed: u64,
    /// Honest customers, 96 to 100 million, taken up to whole circles of 48 friends; attackers own about a tenth as many accounts besides.
    pub accounts: u32,
    /// Time of the first event, in Unix milliseconds.
    pub start_ms: i64,
    /// Mean events a second over an ordinary day, in simulated time. Above some ten events a customer and hour,
    /// customers no longer behave like people.
    pub events_per_second: f64,
    /// Share of events that belong to an attack, 0 to 0.5.
    pub fraud_share: f64,
    /// Days until the stream ends.
    pub days: u32,
    /// Day, counted from 0, with a festival evening: three times the traffic, most of it red packets.
    pub festival_day: Option<u32>,
}

impl Config {
    /// A population of that size, at the pace of ordinary people.
    pub fn of_size(accounts: u32) -> Config {
        Config {
            accounts,
            events_per_second: f64::from(accounts) * EVENTS_PER_ACCOUNT_AND_DAY / DAY_S,
            ..Config::default()
        }
    }

    pub(crate) fn clamped(mut self) -> Config {
        self.accounts = self.accounts.clamp(ACCOUNTS_MIN, ACCOUNTS_MAX).next_multiple_of(CIRCLE);
        self.events_per_second =
            if self.events_per_second.is_finite() { self.events_per_second.clamp(0.001, 1e7) } else { 1.0 };
        self.fraud_share = if self.fraud_share.is_finite() { self.fraud_share.clamp(0.0, 0.5) } else { 0.0 };
        self.days = self.days.clamp(1, 3650);
        self.start_ms = self.start_ms.clamp(0, i64::from(u32::MAX) * 1000);
        self
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            seed: 1,
            accounts: 20_000,
            start_ms: START_MS,
            events_per_second: 3.0,
            fraud_share: 0.02,
            days: 7,
            festival_day: Some(4),
        }
    }
}

//! The windows as one would write them for a map: what is known of one key, changed by whoever holds its entry alone.
//!
//! Counts come in two forms. [`Times`] keeps the latest 64 times, so it is exact up to there and then says 64; [`Cellwise`] keeps
//! sixteen sub-windows and the one that is leaving, so it is never low and at most one sub-window high. Sums and maxima are
//! cells in both; a set keeps values and when each was last seen. Nothing here is given back, evicted, or safe without a lock.

use std::collections::VecDeque;

use wire::Kind;

use super::event::{Event, Values};

const CELLS: usize = 17;
/// Most times that a count keeps.
pub const TIMES_MAX: usize = 64;
/// Most values that a set tells apart, as the reference policy has it.
pub const SET_MAX: usize = 16;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A count of events within a window.
pub trait Count: Default + Send {
    /// Takes an event in, if it is one of the window's, and gives the count.
    fn take(&mut self, takes: bool, time_ms: i64, window_ms: i64) -> i64;
}

/// The latest times.
#[derive(Default)]
pub struct Times(VecDeque<i64>);

impl Count for Times {
    fn take(&mut self, takes: bool, time_ms: i64, window_ms: i64) -> i64 {
        while self.0.front().is_some_and(|&first| first <= time_ms - window_ms) {
            self.0.pop_front();
        }
        if takes {
            if self.0.len() == TIMES_MAX {
                self.0.pop_front();
            }
            self.0.push_back(time_ms);
        }
        self.0.len() as i64
    }
}

/// Numbers by sub-window.
#[derive(Default)]
pub struct Cells<N> {
    latest: i64,
    cells: [N; CELLS],
}

/// A count by sub-window.
pub type Cellwise = Cells<u32>;
/// Money by sub-window.
type Amounts = Cells<i64>;

impl<N: Copy + Default + Into<i64>> Cells<N> {
    /// Empties what has left the window, and gives the cell of that time.
    fn turn_to(&mut self, time_ms: i64, window_ms: i64) -> &mut N {
        let epoch = time_ms / (window_ms / 16);
        let passed = (epoch - self.latest).clamp(0, CELLS as i64);
        for step in 0..passed {
            self.cells[(epoch - step) as usize % CELLS] = N::default();
        }
        self.latest = self.latest.max(epoch);
        &mut self.cells[epoch as usize % CELLS]
    }

    fn total(&self) -> i64 {
        self.cells.iter().map(|&cell| cell.into()).sum()
    }
}

impl Amounts {
    fn sum(&mut self, takes: bool, amount: i64, time_ms: i64, window_ms: i64) -> i64 {
        *self.turn_to(time_ms, window_ms) += if takes { amount } else { 0 };
        self.total()
    }

    fn max(&mut self, takes: bool, amount: i64, time_ms: i64, window_ms: i64) -> i64 {
        let cell = self.turn_to(time_ms, window_ms);
        *cell = (*cell).max(if takes { amount } else { 0 });
        self.cells.iter().copied().max().unwrap_or(0)
    }
}

impl Count for Cellwise {
    fn take(&mut self, takes: bool, time_ms: i64, window_ms: i64) -> i64 {
        *self.turn_to(time_ms, window_ms) += u32::from(takes);
        self.total()
    }
}

/// Values, each with when it was last seen.
#[derive(Default)]
pub struct Set(Vec<(u64, i64)>);

impl Set {
    fn take(&mut self, takes: bool, value: u64, time_ms: i64, window_ms: i64) -> i64 {
        self.0.retain(|&(_, seen_ms)| seen_ms > time_ms - window_ms);
        if takes && value != 0 {
            if let Some(known) = self.0.iter_mut().find(|known| known.0 == value) {
                known.1 = time_ms;
            } else {
                if self.0.len() == SET_MAX
                    && let Some(oldest) = (0..SET_MAX).min_by_key(|&at| self.0[at].1)
                {
                    self.0.swap_remove(oldest);
                }
                self.0.push((value, time_ms));
            }
        }
        self.0.len() as i64
    }
}

/// What is known of one key.
pub trait Entry: Default + Send {
    /// Takes an event in and writes the values of its windows.
    fn take(&mut self, event: &Event, values: &mut Values);
}

/// Windows over an account.
#[derive(Default)]
pub struct Account<C> {
    claims: C,
    transfers: C,
    paid: Amounts,
    payees: Set,
}

/// Windows over a device.
#[derive(Default)]
pub struct Device<C> {
    claims: C,
    accounts: Set,
    logins: C,
}

/// Windows over a network address.
#[derive(Default)]
pub struct Address<C> {
    events: C,
    claims: C,
    withdrawn: Amounts,
}

/// Windows over an account and a counterparty.
#[derive(Default)]
pub struct Pair<C> {
    transfers: C,
    largest: Amounts,
}

/// The window over a packet.
#[derive(Default)]
pub struct Packet<C> {
    claims: C,
}

fn pays(kind: Kind) -> bool {
    matches!(kind, Kind::Pay | Kind::Transfer)
}

impl<C: Count> Entry for Account<C> {
    fn take(&mut self, event: &Event, values: &mut Values) {
        let Event { time_ms, kind, amount, counterparty, .. } = *event;
        values[0] = self.claims.take(kind == Kind::Claim, time_ms, 10 * MINUTE_MS);
        values[1] = self.transfers.take(kind == Kind::Transfer, time_ms, HOUR_MS);
        values[2] = self.paid.sum(pays(kind), amount, time_ms, DAY_MS);
        values[3] = self.payees.take(pays(kind), counterparty, time_ms, DAY_MS);
    }
}

impl<C: Count> Entry for Device<C> {
    fn take(&mut self, event: &Event, values: &mut Values) {
        let Event { time_ms, kind, keys, .. } = *event;
        values[4] = self.claims.take(kind == Kind::Claim, time_ms, 10 * MINUTE_MS);
        values[5] = self.accounts.take(true, keys[0], time_ms, DAY_MS);
        values[6] = self.logins.take(matches!(kind, Kind::Login | Kind::Bind), time_ms, HOUR_MS);
    }
}

impl<C: Count> Entry for Address<C> {
    fn take(&mut self, event: &Event, values: &mut Values) {
        let Event { time_ms, kind, amount, .. } = *event;
        values[7] = self.events.take(true, time_ms, MINUTE_MS);
        values[8] = self.claims.take(kind == Kind::Claim, time_ms, 10 * MINUTE_MS);
        values[9] = self.withdrawn.sum(kind == Kind::Withdraw, amount, time_ms, DAY_MS);
    }
}

impl<C: Count> Entry for Pair<C> {
    fn take(&mut self, event: &Event, values: &mut Values) {
        let Event { time_ms, kind, amount, .. } = *event;
        values[10] = self.transfers.take(kind == Kind::Transfer, time_ms, 7 * DAY_MS);
        values[11] = self.largest.max(pays(kind), amount, time_ms, 7 * DAY_MS);
    }
}

impl<C: Count> Entry for Packet<C> {
    fn take(&mut self, event: &Event, values: &mut Values) {
        values[12] = self.claims.take(event.kind == Kind::Claim, event.time_ms, 10 * MINUTE_MS);
    }
}

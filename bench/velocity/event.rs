//! The traffic of the velocity cases: what a check says, hashed and keyed already, as the stage finds it.

use engine::key::{Seed, fold, short};
use engine::limits::LANES;
use sim::{Mix, MixConfig, START_MS};
use wire::{Check, Kind};

/// Keys that windows are kept by: account, device, address, the pair of account and counterparty, and the packet, which has a
/// window only where a hot one is measured.
pub const KEYS: usize = 5;
/// Values of an event: one a window, in the order of [`crate::velocity::WINDOWS`].
pub const VALUES: usize = 13;
/// What the windows say of one event.
pub type Values = [i64; VALUES];

/// An event as windows see it.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When it happens, which is when it arrives.
    pub time_ms: i64,
    /// What happens.
    pub kind: Kind,
    /// In minor units.
    pub amount: i64,
    /// Keyed hashes; 0 where the event has no such key.
    pub keys: [u64; KEYS],
    /// Keyed hash of the counterparty; 0 without one.
    pub counterparty: u64,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// Every account alike.
    Uniform,
    /// Zipf with exponent 0.99.
    Zipf,
    /// Claims alone, each of one of 65,536 packets.
    Claims,
    /// Claims alone, half of them of one and the same packet.
    HotPacket,
}

impl Skew {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Skew::Uniform => "uniform",
            Skew::Zipf => "zipf 0.99",
            Skew::Claims => "claims, spread",
            Skew::HotPacket => "claims, half on one packet",
        }
    }
}

/// An endless stream of events.
pub struct Stream {
    mix: Mix,
    seed: Seed,
    check: Check<'static>,
    made: u64,
    time_ms: i64,
    /// Time that passes from one group of 64 to the next, taken in turn.
    steps_ms: &'static [i64],
    packets: bool,
}

/// Two thousand checks a second.
const PACE_MS: &[i64] = &[32];

impl Stream {
    /// Events of so many accounts, from that time on. Streams of different seeds draw differently, of the same accounts.
    pub fn new(accounts: u64, skew: Skew, seed: u64, start_ms: i64) -> Stream {
        let claims = matches!(skew, Skew::Claims | Skew::HotPacket);
        let config = MixConfig {
            seed,
            accounts,
            zipf: (skew == Skew::Zipf).then_some(0.99),
            hot_packet_share: if skew == Skew::HotPacket { 0.5 } else { 0.0 },
            kinds: if claims { vec![(Kind::Claim, 1.0)] } else { Vec::new() },
            ..MixConfig::default()
        };
        Stream {
            mix: Mix::new(config),
            seed: Seed::new([9; 16]),
            check: Mix::blank(),
            made: 0,
            time_ms: start_ms.max(START_MS),
            steps_ms: PACE_MS,
            packets: claims,
        }
    }

    /// The same with other steps of time.
    pub fn with_steps(self, steps_ms: &'static [i64]) -> Stream {
        Stream { steps_ms, ..self }
    }

    /// The next events and the checks they were made of.
    pub fn fill(&mut self, events: &mut Vec<Event>, count: usize) {
        events.clear();
        events.extend((0..count).map(|_| self.next_event()));
    }

    /// When the next event happens.
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    fn next_event(&mut self) -> Event {
        self.mix.next_into(&mut self.check);
        let check = &self.check;
        // A group of 64 arrives at once, so that it can be decided at one time without a check of it being late.
        self.made += 1;
        let time_ms = self.time_ms;
        if self.made.is_multiple_of(LANES as u64) {
            let turn = (self.made / LANES as u64) as usize % self.steps_ms.len();
            self.time_ms += self.steps_ms[turn];
        }
        let account = self.seed.text(&check.account);
        let counterparty = self.seed.text(&check.counterparty);
        let pair = if counterparty == 0 { 0 } else { short(fold(account, counterparty)) };
        let ip = check.ip.map_or(0, |ip| short(self.seed.text(&ip.to_string())));
        let packet = match check.packet.filter(|_| self.packets) {
            Some(packet) => short(self.seed.bytes(packet.as_bytes())),
            None => 0,
        };
        Event {
            time_ms,
            kind: check.kind,
            amount: check.amount_minor.unwrap_or(0),
            keys: [short(account), short(self.seed.text(&check.device.id)), ip, pair, packet],
            counterparty: short(counterparty),
        }
    }
}

//! Plain valid checks at the lowest cost, for benches and load: uniform or skewed keys, no story behind them.

use rand_distr::Zipf;
use uuid::Uuid;
use wire::{Check, Geo, Kind, Text};

use crate::config::START_MS;
use crate::draw::{Draw, hash, zipf};
use crate::handset::HEX;
use crate::network;

/// What to mix.
#[derive(Clone, Debug, PartialEq)]
pub struct MixConfig {
    /// Chooses everything, ids included: two runs against one daemon need two seeds, or they repeat their ids.
    pub seed: u64,
    /// Accounts to choose from; at least 1.
    pub accounts: u64,
    /// Exponent of the choice of accounts; absent means all alike.
    pub zipf: Option<f64>,
    /// Share of checks that are claims of one and the same packet, 0 to 1.
    pub hot_packet_share: f64,
    /// Kinds and their weights; empty means [`MixConfig::KINDS`].
    pub kinds: Vec<(Kind, f64)>,
    /// Event time of the first check, in Unix milliseconds; absent leaves the time to the receiver.
    pub start_ms: Option<i64>,
    /// Checks a second of event time.
    pub checks_per_second: f64,
}

impl MixConfig {
    /// The mix of a wallet on an ordinary day.
    pub const KINDS: [(Kind, f64); 8] = [
        (Kind::Mint, 5.0),
        (Kind::Scan, 28.0),
        (Kind::Claim, 22.0),
        (Kind::Pay, 25.0),
        (Kind::Transfer, 9.0),
        (Kind::Withdraw, 3.0),
        (Kind::Login, 7.0),
        (Kind::Bind, 1.0),
    ];
}

impl Default for MixConfig {
    fn default() -> MixConfig {
        MixConfig {
            seed: 1,
            accounts: 1_000_000,
            zipf: Some(0.99),
            hot_packet_share: 0.0,
            kinds: Vec::new(),
            start_ms: Some(START_MS),
            checks_per_second: 1_000_000.0,
        }
    }
}

/// Entries of the table that turns a random byte into a kind.
const KIND_SLOTS: usize = 256;

/// An endless stream of plain checks.
pub struct Mix {
    config: MixConfig,
    draw: Draw,
    ranks: Option<Zipf<f64>>,
    kinds: [Kind; KIND_SLOTS],
    made: u64,
}

impl Mix {
    /// A mix of that configuration; values out of range are taken at their bound.
    pub fn new(mut config: MixConfig) -> Mix {
        config.accounts = config.accounts.clamp(1, 1 << 40);
        config.hot_packet_share = config.hot_packet_share.clamp(0.0, 1.0);
        config.checks_per_second = config.checks_per_second.max(1.0);
        let kinds = slots(if config.kinds.is_empty() { &MixConfig::KINDS } else { &config.kinds });
        Mix {
            draw: Draw::new(config.seed),
            ranks: config.zipf.map(|exponent| zipf(config.accounts as usize, exponent)),
            kinds,
            made: 0,
            config,
        }
    }

    /// A check to be passed to [`Mix::next_into`].
    pub fn blank() -> Check<'static> {
        Check::new("", Kind::Login, "")
    }

    /// Overwrites a check made by [`Mix::blank`] with the next one, reusing its memory.
    pub fn next_into(&mut self, check: &mut Check<'static>) {
        let account = match &self.ranks {
            Some(zipf) => self.draw.rank(zipf) as u64,
            None => self.draw.below(self.config.accounts as usize) as u64,
        };
        let word = self.draw.word();
        let hot = self.config.hot_packet_share > 0.0 && self.draw.chance(self.config.hot_packet_share);
        let kind = if hot { Kind::Claim } else { self.kinds[word as usize % KIND_SLOTS] };
        let facts = hash(self.config.seed, account);

        check.kind = kind;
        check.time_ms = self
            .config
            .start_ms
            .map(|start_ms| start_ms + (self.made as f64 / self.config.checks_per_second * 1000.0) as i64);
        write(&mut check.id, "b", hash(self.config.seed, 0x1d), 8);
        append(&mut check.id, self.made, 14);
        self.made += 1;
        write(&mut check.account, "u", account, 10);
        write(&mut check.device.id, "d", facts, 16);
        check.device.os = Text::Borrowed("android 15");
        check.device.app = Text::Borrowed("8.0.64");
        check.ip = Some(network::home(self.config.seed, (account / 4) as u32, account as u32));
        check.geo = Some(Geo {
            lat: 22.0 + (facts & 0xfff) as f64 * 0.004,
            lon: 100.0 + (facts >> 12 & 0xfff) as f64 * 0.005,
        });
        check.kyc = Some((facts >> 24) as u8 & 3);
        check.factors = Some(1);
        self.money(check, kind, word, hot);
    }

    fn money(&mut self, check: &mut Check<'static>, kind: Kind, word: u64, hot: bool) {
        let other = (word >> 20) % self.config.accounts;
        let minor = 100 + (word >> 44) as i64 % 20_000;
        let packet_word = if hot { 0 } else { 1 + ((word >> 8) & 0xffff) };
        check.packet = matches!(kind, Kind::Mint | Kind::Scan | Kind::Claim)
            .then(|| packet(self.config.seed, packet_word));
        check.channel = Text::Borrowed(if check.packet.is_some() { "chat" } else { "" });
        check.amount_minor = (!matches!(kind, Kind::Scan | Kind::Login | Kind::Bind)).then_some(minor);
        match kind {
            Kind::Pay => write(&mut check.counterparty, "m", other % 100_000, 8),
            Kind::Transfer => write(&mut check.counterparty, "u", other, 10),
            Kind::Claim => write(&mut check.counterparty, "u", packet_word % self.config.accounts, 10),
            _ => clear(&mut check.counterparty),
        }
    }
}

impl Iterator for Mix {
    type Item = Check<'static>;

    fn next(&mut self) -> Option<Check<'static>> {
        let mut check = Mix::blank();
        self.next_into(&mut check);
        Some(check)
    }
}

fn packet(seed: u64, number: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&hash(seed ^ 0x9ac, number).to_be_bytes());
    bytes[8..].copy_from_slice(&hash(seed ^ 0x9ad, number).to_be_bytes());
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn slots(kinds: &[(Kind, f64)]) -> [Kind; KIND_SLOTS] {
    let weight = |(_, weight): &(Kind, f64)| if weight.is_finite() { weight.max(0.0) } else { 0.0 };
    let total: f64 = kinds.iter().map(weight).sum();
    let mut slots = [kinds.first().map_or(Kind::Login, |(kind, _)| *kind); KIND_SLOTS];
    let mut filled = 0.0;
    for entry in kinds {
        let from = filled;
        filled += weight(entry) / total.max(f64::MIN_POSITIVE) * KIND_SLOTS as f64;
        for slot in slots.iter_mut().take(filled.round() as usize).skip(from.round() as usize) {
            *slot = entry.0;
        }
    }
    slots
}

fn clear(text: &mut Text<'static>) {
    if let Text::Owned(text) = text {
        text.clear();
    } else {
        *text = Text::Borrowed("");
    }
}

/// A prefix and that many hexadecimal digits, in the memory that is there.
fn write(text: &mut Text<'static>, prefix: &str, word: u64, digits: u32) {
    clear(text);
    let text = text.to_mut();
    text.reserve(40);
    text.push_str(prefix);
    push_hex(text, word, digits);
}

fn append(text: &mut Text<'static>, word: u64, digits: u32) {
    push_hex(text.to_mut(), word, digits);
}

fn push_hex(text: &mut String, word: u64, digits: u32) {
    let mut buffer = [0; 16];
    let digits = digits.min(16) as usize;
    for (place, byte) in buffer[..digits].iter_mut().enumerate() {
        *byte = HEX[(word >> (4 * (digits - 1 - place))) as usize & 15];
    }
    // Hexadecimal digits are ASCII: never the empty fallback.
    text.push_str(std::str::from_utf8(&buffer[..digits]).unwrap_or_default());
}

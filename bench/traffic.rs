//! The checks: a plain mix over Zipf accounts, with a sealed token on every scan and claim.

use engine::token::{Body, TokenKey, seal};
use sim::{Mix, MixConfig, START_MS};
use wire::{Check, Kind, Text};

/// Checks made ahead of a measurement: at about a kilobyte each they stay in the second-level cache, as checks a server
/// has just decoded do.
pub const BLOCK: usize = 512;
/// Pace of event time: windows slide during a run, and tables fill as in an hour of a large site.
const CHECKS_PER_SECOND: f64 = 2_000.0;
const SEED: u64 = 7;

/// A stream of checks in blocks.
pub struct Stream {
    mix: Mix,
    /// First letter of the ids: streams of one site must not repeat each other's.
    letter: &'static str,
    tokens: bool,
    key: TokenKey,
    nonces: u64,
    checks: Vec<Check<'static>>,
}

/// The key that tokens are sealed with.
pub fn token_key() -> TokenKey {
    TokenKey::new(1, [42; 32])
}

impl Stream {
    /// Every account about alike, `checks` of them: fills the tables.
    pub fn filling(accounts: u64) -> Stream {
        Stream::new("f", accounts, None, START_MS, false)
    }

    /// Zipf accounts, beginning where a filling of that many checks ended.
    pub fn measured(letter: &'static str, accounts: u64, filled: u64) -> Stream {
        let start_ms = START_MS + (filled as f64 / CHECKS_PER_SECOND * 1000.0) as i64;
        Stream::new(letter, accounts, Some(0.99), start_ms, true)
    }

    fn new(letter: &'static str, accounts: u64, zipf: Option<f64>, start_ms: i64, tokens: bool) -> Stream {
        let config = MixConfig {
            seed: SEED,
            accounts,
            zipf,
            start_ms: Some(start_ms),
            checks_per_second: CHECKS_PER_SECOND,
            ..MixConfig::default()
        };
        let checks = (0..BLOCK).map(|_| Mix::blank()).collect();
        Stream { mix: Mix::new(config), letter, tokens, key: token_key(), nonces: 0, checks }
    }

    /// The next block, and the time it arrives.
    pub fn block(&mut self) -> (&[Check<'static>], i64) {
        for check in &mut self.checks {
            self.mix.next_into(check);
            check.id.to_mut().replace_range(..1, self.letter);
            let sealed = self.tokens && matches!(check.kind, Kind::Scan | Kind::Claim);
            check.token = match check.packet.filter(|_| sealed) {
                None => Text::Borrowed(""),
                Some(packet) => {
                    self.nonces += 1;
                    let mut nonce = [0; 12];
                    nonce[..8].copy_from_slice(&self.nonces.to_le_bytes());
                    let minted_ms = check.time_ms.unwrap_or(START_MS) - 30_000;
                    let expires_ms = minted_ms + 86_400_000;
                    let body = Body { packet: packet.as_u128(), minted_ms, expires_ms, amount_minor: 0 };
                    Text::Owned(seal(&self.key, nonce, &body))
                }
            };
        }
        let now_ms = self.checks.last().and_then(|check| check.time_ms).unwrap_or(START_MS);
        (&self.checks, now_ms)
    }

    /// The latest block with its tokens taken off.
    pub fn without_tokens(&mut self) -> &[Check<'static>] {
        for check in &mut self.checks {
            check.token = Text::Borrowed("");
        }
        &self.checks
    }
}

//! What is wrong with a configuration, all of it at once.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::{Address, Config, UnixPath};

/// Why a configuration is not taken.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// The file is not TOML, or a key of it is unknown or of the wrong type; the text shows line and column.
    File(PathBuf, String),
    /// An environment variable names no key or holds a value of the wrong type.
    Variable(String, String),
    /// Values that are out of range, a sentence each.
    Faults(Vec<String>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            ConfigError::File(path, error) => write!(f, "{}:\n{error}", path.display()),
            ConfigError::Variable(name, error) => write!(f, "environment variable {name}: {error}"),
            ConfigError::Faults(faults) => f.write_str(&faults.join("\n")),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Most workers: the engine has room for so many callers at once.
pub(super) const WORKERS_MAX: usize = engine::limits::WORKERS_MAX;
/// Most challengers: the engine has room for so many.
const CHALLENGERS_MAX: usize = engine::limits::CHALLENGERS_MAX;
/// Most entries of a table; beyond it a size is a slip of the finger.
const ENTRIES_MAX: usize = 1 << 30;
/// An hour: no time-out is meant to be longer.
const TIMEOUT_MS_MAX: u64 = 3_600_000;

pub(super) fn faults(config: &Config) -> Vec<String> {
    let mut list = Faults(Vec::new());
    list.range("workers.count", config.workers.count as u64, 0..=WORKERS_MAX as u64);
    let tables = &config.tables;
    for (key, entries) in [
        ("tables.accounts", tables.accounts),
        ("tables.devices", tables.devices),
        ("tables.velocity_keys", tables.velocity_keys),
        ("tables.busy_keys", tables.busy_keys),
        ("tables.list_entries", tables.list_entries),
        ("tables.decisions", tables.decisions),
    ] {
        list.range(key, entries as u64, 1024..=ENTRIES_MAX as u64);
    }
    list.range("guard.checks_min", config.guard.checks_min, 1..=1_000_000_000);
    let share = config.guard.learned_share_min_percent;
    if !(0.0..=100.0).contains(&share) {
        list.0.push(format!("guard.learned_share_min_percent is {share}, expected 0 to 100"));
    }
    let journal = &config.journal;
    list.range(
        "journal.commit_interval_ms",
        journal.commit_interval_ms,
        1..=journal::limits::COMMIT_INTERVAL_MS_MAX,
    );
    list.range("journal.segment_bytes_max", journal.segment_bytes_max, 1 << 20..=64 << 30);
    list.range("journal.retain_bytes_max", journal.retain_bytes_max, journal.segment_bytes_max..=u64::MAX);
    list.range("journal.ring_bytes", journal.ring_bytes as u64, 256 << 10..=4 << 30);
    list.range("journal.recent_bytes", journal.recent_bytes as u64, 256 << 10..=64 << 30);
    let limits = &config.limits;
    list.range("limits.connections_max", limits.connections_max as u64, 1..=1 << 20);
    list.range("limits.streams_max", u64::from(limits.streams_max), 1..=4096);
    list.range("limits.quic_mtu_bytes", u64::from(limits.quic_mtu_bytes), 1200..=6500);
    list.range("limits.admin_body_bytes_max", limits.admin_body_bytes_max as u64, 1 << 20..=4 << 30);
    for (key, timeout_ms) in [
        ("limits.header_timeout_ms", limits.header_timeout_ms),
        ("limits.body_timeout_ms", limits.body_timeout_ms),
        ("limits.idle_timeout_ms", limits.idle_timeout_ms),
        ("limits.write_timeout_ms", limits.write_timeout_ms),
        ("limits.backlog_ms_max", limits.backlog_ms_max),
        ("drain.timeout_ms", config.drain.timeout_ms),
    ] {
        list.range(key, timeout_ms, 1..=TIMEOUT_MS_MAX);
    }
    let challengers = &config.models.challengers;
    list.range("the number of models.challengers", challengers.len() as u64, 0..=CHALLENGERS_MAX as u64);
    for (at, challenger) in challengers.iter().enumerate() {
        list.range("models.challengers.share", u64::from(challenger.share), 1..=100);
        if challengers[..at].iter().any(|other| other.name == challenger.name) {
            list.0.push(format!("models.challengers names {} twice", challenger.name));
        }
    }
    list.range("drift.horizon_s", config.drift.horizon_s, 60..=7 * 86_400);
    list.range("drift.checks_per_second_max", config.drift.checks_per_second_max as u64, 0..=100_000);
    list.range("drift.checks_min", config.drift.checks_min, 1..=1 << 32);
    list.range("drain.announce_ms", config.drain.announce_ms, 0..=TIMEOUT_MS_MAX);
    list.range("tokens.valid_seconds", u64::from(config.tokens.valid_seconds), 1..=366 * 86_400);
    if config.tls.cert.as_os_str().is_empty() != config.tls.key.as_os_str().is_empty() {
        list.0.push("tls.cert and tls.key: one is set and the other is not".to_owned());
    }
    if config.listen.http == Address::Off
        && config.listen.quic == Address::Off
        && config.listen.unix == UnixPath::Off
    {
        list.0.push("listen: http, quic and unix are all off, so nothing could ask".to_owned());
    }
    list.0
}

struct Faults(Vec<String>);

impl Faults {
    fn range(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) {
        if !range.contains(&value) {
            self.0.push(format!("{key} is {value}, expected {} to {}", range.start(), range.end()));
        }
    }
}

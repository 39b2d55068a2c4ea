//! What can be set, with its default and its reason. `ops/riskd.toml` shows the same keys to people, and a test holds
//! the two together. Unknown keys are errors: a misspelt limit must not leave the default in force unnoticed.

mod address;
mod duration;
mod fault;
mod load;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wire::{Kind, Verdict};

pub use address::{Address, UnixPath};
pub use fault::ConfigError;

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the daemon answers.
    pub listen: Listen,
    /// Certificates of the QUIC address.
    pub tls: Tls,
    /// Threads that score.
    pub workers: Workers,
    /// Sizes of the engine's tables: all memory is taken at start.
    pub tables: Tables,
    /// The rule files.
    pub policy: Policy,
    /// The model files.
    pub models: Models,
    /// How traffic is held against what the model was trained on.
    pub drift: Drift,
    /// What becomes of rules that refuse too much.
    pub guard: Guard,
    /// What the daemon writes.
    pub data: Data,
    /// The log of decisions.
    pub journal: Journal,
    /// The admin address.
    pub admin: Admin,
    /// Keys of sealed QR tokens.
    pub tokens: Tokens,
    /// Answers where the engine does not decide.
    pub fallback: Fallback,
    /// Bounds on what callers may hold.
    pub limits: Limits,
    /// How the daemon stops.
    pub drain: Drain,
}

/// Where the daemon answers. `"off"` closes a door; port 0 takes any free one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Checks and outcomes as JSON over HTTP/1.1. Plain text: put it on loopback or behind a proxy.
    pub http: Address,
    /// Checks and outcomes as frames over QUIC.
    pub quic: Address,
    /// The same frames over a Unix socket, guarded by the permissions of its file. Empty is `riskd.sock` in the data folder.
    pub unix: UnixPath,
    /// Lists, reload, explain, metrics.
    pub admin: Address,
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            http: Address::local(8080),
            quic: Address::local(9443),
            unix: UnixPath::InData,
            admin: Address::local(8081),
        }
    }
}

/// Certificates of the QUIC address, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain; empty makes a development certificate in the data folder.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// Authorities of client certificates; with it, callers without a certificate are refused.
    pub client_ca: PathBuf,
}

/// Threads that score.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// How many; 0 is one for each core.
    pub count: usize,
    /// Whether each stays on its own core.
    pub pin: bool,
}

impl Default for Workers {
    fn default() -> Workers {
        Workers { count: 0, pin: true }
    }
}

/// Sizes of the engine's tables, in entries.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tables {
    /// Account profiles.
    pub accounts: usize,
    /// Device profiles.
    pub devices: usize,
    /// Keys of each velocity table.
    pub velocity_keys: usize,
    /// Keys of each velocity table that may be busy at a time.
    pub busy_keys: usize,
    /// Entries of all lists together.
    pub list_entries: usize,
    /// Remembered answers: at R checks a second, a repeated id is recognised for this number over R seconds.
    pub decisions: usize,
}

impl Tables {
    /// As the engine takes them.
    pub(crate) fn sizes(&self, seed: [u8; 16]) -> engine::Sizes {
        let &Tables { accounts, devices, velocity_keys, busy_keys, list_entries, decisions } = self;
        engine::Sizes { accounts, devices, velocity_keys, busy_keys, list_entries, decisions, seed }
    }
}

impl Default for Tables {
    /// The engine's own: a small site on a small machine.
    fn default() -> Tables {
        let engine::Sizes { accounts, devices, velocity_keys, busy_keys, list_entries, decisions, .. } =
            engine::Sizes::default();
        Tables { accounts, devices, velocity_keys, busy_keys, list_entries, decisions }
    }
}

/// The rule files.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Their directory: one directory is one policy.
    pub dir: PathBuf,
    /// Whether files without a key, and a policy that decides nothing, are put in force: most are files cut off by accident.
    pub allow_empty: bool,
    /// Whether changes of the rules or models are put in force by themselves.
    pub watch: bool,
    /// How long the folders have to be left alone before that.
    #[serde(deserialize_with = "duration::ms")]
    pub watch_quiet_ms: u64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { dir: PathBuf::from("rules"), allow_empty: false, watch: false, watch_quiet_ms: 500 }
    }
}

/// The model files.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// Their directory: a folder for each model.
    pub dir: PathBuf,
    /// Name of the champion, the model whose score decides; empty for none.
    pub active: String,
    /// Name of the model for what is odd, whose score rules may read; empty for none.
    pub anomaly: String,
    /// Models whose scores are recorded and never act.
    pub challengers: Vec<Challenger>,
}

/// A model whose scores are recorded and never act.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Challenger {
    /// Its name.
    pub name: String,
    /// Share of accounts whose checks it scores, in percent.
    pub share: u8,
}

impl Default for Models {
    fn default() -> Models {
        Models {
            dir: PathBuf::from("models"),
            active: "redpacket".to_owned(),
            anomaly: "redpacket-anomaly".to_owned(),
            challengers: Vec::new(),
        }
    }
}

/// How traffic is held against what the model was trained on, where its manifest says what that looked like.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// How far back traffic counts.
    #[serde(deserialize_with = "duration::s")]
    pub horizon_s: u64,
    /// Checks that are looked at, each second; a fair sample of what there is more. 0 for none at all.
    pub checks_per_second_max: usize,
    /// Fewest checks within the horizon before anything is told: of fewer, the index is mostly chance.
    pub checks_min: u64,
}

impl Default for Drift {
    /// With the usual 11 bins, a thousand checks of unchanged traffic have an index of 0.01 in the mean.
    fn default() -> Drift {
        Drift { horizon_s: 3600, checks_per_second_max: 200, checks_min: 1000 }
    }
}

/// When something that refuses is demoted to shadow.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Checks of its kinds within a minute without which nothing is demoted: a share of few says little.
    pub checks_min: u64,
    /// Whether rules without a `share_max` are bound by what was usual of them.
    pub learn: bool,
    /// A learned bound is never below this, in percent.
    pub learned_share_min_percent: f64,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { checks_min: 1_000, learn: false, learned_share_min_percent: 5.0 }
    }
}

/// What the daemon writes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder of the journal, the lists, the outcomes, the development certificate and the admin token.
    pub dir: PathBuf,
}

impl Default for Data {
    fn default() -> Data {
        Data { dir: PathBuf::from("data") }
    }
}

/// What happens to checks that cannot be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalMode {
    /// They are answered, flagged `journal`, and counted as lost.
    Availability,
    /// They are refused with the fallback verdict.
    Durability,
}

/// The log of decisions.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// What happens when the disk is full or slow.
    pub mode: JournalMode,
    /// Milliseconds between syncs: what a power cut may cost.
    #[serde(deserialize_with = "duration::ms")]
    pub commit_interval_ms: u64,
    /// Size at which a segment is closed and the next begun.
    pub segment_bytes_max: u64,
    /// Bytes of segments kept; the oldest go first.
    pub retain_bytes_max: u64,
    /// Size of each worker's ring between scoring and the disk.
    pub ring_bytes: usize,
    /// Memory for the latest decisions, which `/v1/explain` shows.
    pub recent_bytes: usize,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            mode: JournalMode::Availability,
            commit_interval_ms: journal::limits::COMMIT_INTERVAL_MS_DEFAULT,
            segment_bytes_max: journal::limits::SEGMENT_BYTES_DEFAULT,
            retain_bytes_max: journal::limits::RETAIN_BYTES_DEFAULT,
            ring_bytes: journal::limits::RING_BYTES_DEFAULT,
            recent_bytes: journal::limits::RECENT_BYTES_DEFAULT,
        }
    }
}

/// The admin address.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// File with the bearer token; empty is `admin.token` in the data folder, made at first start.
    pub token_file: PathBuf,
}

/// Keys of sealed QR tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// File with the keys, newest first; empty is `token.keys` in the data folder, made at first start.
    pub keys_file: PathBuf,
    /// How long a new token is good for when its request does not say.
    #[serde(deserialize_with = "duration::s")]
    pub valid_seconds: u32,
}

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens { keys_file: PathBuf::new(), valid_seconds: 86_400 }
    }
}

/// The verdict of each kind of event where the engine does not decide: overload, or a log that must not lose anything and is full.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "a field for each kind, named as it is")]
pub struct Fallback {
    pub mint: FallbackVerdict,
    pub scan: FallbackVerdict,
    pub claim: FallbackVerdict,
    pub pay: FallbackVerdict,
    pub transfer: FallbackVerdict,
    pub withdraw: FallbackVerdict,
    pub login: FallbackVerdict,
    pub bind: FallbackVerdict,
}

/// A verdict that needs no reason of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the verdicts of the wire, named as they are")]
pub enum FallbackVerdict {
    Allow,
    Review,
    Deny,
}

impl From<FallbackVerdict> for Verdict {
    fn from(verdict: FallbackVerdict) -> Verdict {
        match verdict {
            FallbackVerdict::Allow => Verdict::Allow,
            FallbackVerdict::Review => Verdict::Review,
            FallbackVerdict::Deny => Verdict::Deny,
        }
    }
}

impl Default for Fallback {
    /// What moves no money goes on; what moves money out waits for a person.
    fn default() -> Fallback {
        use FallbackVerdict::{Allow, Review};
        Fallback {
            mint: Review,
            scan: Allow,
            claim: Review,
            pay: Review,
            transfer: Review,
            withdraw: Review,
            login: Allow,
            bind: Review,
        }
    }
}

impl Fallback {
    /// The verdict for that kind.
    pub fn verdict(&self, kind: Kind) -> Verdict {
        let verdict = match kind {
            Kind::Mint => self.mint,
            Kind::Scan => self.scan,
            Kind::Claim => self.claim,
            Kind::Pay => self.pay,
            Kind::Transfer => self.transfer,
            Kind::Withdraw => self.withdraw,
            Kind::Login => self.login,
            Kind::Bind => self.bind,
        };
        verdict.into()
    }
}

/// Bounds on what callers may hold.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of each worker, over all its doors; further ones are closed at once.
    pub connections_max: usize,
    /// Streams of one QUIC connection. A few long-lived ones carry more than many short ones.
    pub streams_max: u32,
    /// Time for the head of a request to arrive, and for a kept connection to ask again.
    #[serde(deserialize_with = "duration::ms")]
    pub header_timeout_ms: u64,
    /// Time for the body of a request, or the rest of a frame once begun, to arrive.
    #[serde(deserialize_with = "duration::ms")]
    pub body_timeout_ms: u64,
    /// Time without a frame after which a QUIC connection is closed.
    #[serde(deserialize_with = "duration::ms")]
    pub idle_timeout_ms: u64,
    /// Time a caller may take to read its answers before it is cut off.
    #[serde(deserialize_with = "duration::ms")]
    pub write_timeout_ms: u64,
    /// Age of a worker's backlog from which checks are refused with the fallback verdict.
    #[serde(deserialize_with = "duration::ms")]
    pub backlog_ms_max: u64,
    /// QUIC datagram size, in bytes. Above 6,500 kernels silently drop what is sent in one call with others.
    pub quic_mtu_bytes: u16,
    /// Largest body of one admin request, in bytes: bulk list files.
    pub admin_body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4_096,
            streams_max: 16,
            header_timeout_ms: 10_000,
            body_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 10_000,
            backlog_ms_max: 200,
            quic_mtu_bytes: 1_452,
            admin_body_bytes_max: 256 << 20,
        }
    }
}

/// How the daemon stops.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// Time between `/readyz` turning false and the doors closing, for load balancers to notice.
    #[serde(deserialize_with = "duration::ms")]
    pub announce_ms: u64,
    /// Time for work in hand to finish.
    #[serde(deserialize_with = "duration::ms")]
    pub timeout_ms: u64,
}

impl Default for Drain {
    fn default() -> Drain {
        Drain { announce_ms: 0, timeout_ms: 10_000 }
    }
}

impl Config {
    /// A path, or its place in the data folder where it is empty.
    pub(crate) fn in_data(&self, path: &Path, default: &str) -> PathBuf {
        if path.as_os_str().is_empty() { self.data.dir.join(default) } else { path.to_owned() }
    }

    /// Where the Unix socket is, unless it is off.
    pub(crate) fn unix_path(&self) -> Option<PathBuf> {
        match &self.listen.unix {
            UnixPath::Off => None,
            UnixPath::InData => Some(self.data.dir.join("riskd.sock")),
            UnixPath::At(path) => Some(path.clone()),
        }
    }

    /// How many workers there will be.
    pub(crate) fn worker_count(&self) -> usize {
        match self.workers.count {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(fault::WORKERS_MAX),
            count => count,
        }
    }

    /// Everything that is out of range, each as one sentence that names the key.
    pub fn faults(&self) -> Vec<String> {
        fault::faults(self)
    }
}

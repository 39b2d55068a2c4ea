//! The daemon of a demo: in this process, on free ports of loopback, on the simulation's clock, in a folder that goes with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use client::Trust;
use engine::token::TokenKey;
use server::config::{Address, UnixPath};
use server::{Clock, Config, Running, Server, Shutdown};
use tempfile::TempDir;

use super::DemoError;

/// Room for the demo's customers, attackers and their devices several times over, in less than a gigabyte.
const PROFILES: usize = 1 << 16;
/// Answers remembered: outcomes name their events within minutes, and an hour is some ten thousand events.
const DECISIONS: usize = 1 << 17;
/// The demo uses no bulk lists.
const LIST_ENTRIES: usize = 1 << 14;
const RECENT_BYTES: usize = 1 << 20;
/// A laptop that stalls for a second must not turn verdicts into fallbacks: the report is about rules.
const BACKLOG_MS_MAX: u64 = 60_000;
/// Seals the tokens and seeds the tables of a daemon that nobody else reaches: the same for every run, so that runs repeat.
const TOKEN_KEY: [u8; 32] = [0x5a; 32];
const HASH_SEED: [u8; 16] = [0xa5; 16];
const TOKEN_KEY_ID: u8 = 1;

/// A running daemon and its folder.
pub struct Daemon {
    running: Running,
    config: Config,
    clock_ms: Arc<AtomicI64>,
    // Last: the folder is removed after the daemon has let go of it.
    folder: TempDir,
}

impl Daemon {
    /// Starts it with those rules, and with the model if there is one.
    pub fn start(rules: &Path, models: &Path) -> Result<Daemon, DemoError> {
        if !rules.is_dir() {
            return Err(DemoError::NoRules(rules.to_owned()));
        }
        let folder = tempfile::Builder::new().prefix("riskd-demo-").tempdir().map_err(DemoError::Folder)?;
        let config = config(rules, models, folder.path().join("data"));
        prepare(&config.data.dir).map_err(DemoError::Folder)?;
        let clock_ms = Arc::new(AtomicI64::new(sim::START_MS));
        let clock = Clock::manual(clock_ms.clone());
        let running = Server::start_with(config.clone(), clock).map_err(DemoError::Start)?;
        Ok(Daemon { running, config, clock_ms, folder })
    }

    /// What it runs with, in a line.
    pub fn describe(&self) -> String {
        let config = &self.config;
        let model = match config.models.active.as_str() {
            "" => format!("no model in {}: rules alone decide", config.models.dir.display()),
            active => format!("model {}", config.models.dir.join(active).display()),
        };
        let anomaly = match config.models.anomaly.as_str() {
            "" => String::new(),
            anomaly => format!(" and {anomaly} for what is odd"),
        };
        format!("rules {}/, {model}{anomaly}", config.policy.dir.display())
    }

    /// How many threads score.
    pub fn workers(&self) -> usize {
        self.config.workers.count
    }

    /// The key that opens as genuine what is sealed with it.
    pub fn token_key(&self) -> TokenKey {
        TokenKey::new(TOKEN_KEY_ID, TOKEN_KEY)
    }

    /// Where it answers frames, and the certificate it shows.
    pub fn quic(&self) -> Result<(SocketAddr, Trust), DemoError> {
        let connect = |error: &dyn std::fmt::Display| DemoError::Connect(error.to_string());
        let address =
            self.running.addresses().quic.ok_or_else(|| connect(&"it does not answer over QUIC"))?;
        let certificate = std::fs::read(self.config.data.dir.join("tls/dev-cert.pem"));
        let certificate = certificate.map_err(|error| connect(&error))?;
        Ok((address, Trust::pem(&certificate).map_err(|error| connect(&error))?))
    }

    /// Moves its time forward.
    pub fn advance(&self, to_ms: i64) {
        self.clock_ms.fetch_max(to_ms, Ordering::Release);
    }

    /// Ends it and removes its folder.
    pub fn stop(self) -> Shutdown {
        let end = self.running.shutdown();
        // What cannot be removed lies where the system clears up by itself.
        let _ = self.folder.close();
        end
    }
}

fn config(rules: &Path, models: &Path, data: PathBuf) -> Config {
    let mut config = Config::default();
    config.listen.quic = Address::local(0);
    (config.listen.http, config.listen.admin) = (Address::Off, Address::Off);
    config.listen.unix = UnixPath::Off;
    config.policy.dir = rules.to_owned();
    config.models.dir = models.to_owned();
    // A folder with something in it is meant to be a model: if it is not whole, the daemon says so.
    for name in [&mut config.models.active, &mut config.models.anomaly] {
        let model = std::fs::read_dir(models.join(&*name));
        if !model.is_ok_and(|mut files| files.next().is_some()) {
            name.clear();
        }
    }
    config.data.dir = data;
    // One connection lives on one worker, and the order of a single stream is what makes a run repeat.
    (config.workers.count, config.workers.pin) = (1, false);
    let tables = &mut config.tables;
    (tables.accounts, tables.devices) = (PROFILES, PROFILES);
    (tables.velocity_keys, tables.busy_keys) = (PROFILES, PROFILES);
    (tables.decisions, tables.list_entries) = (DECISIONS, LIST_ENTRIES);
    // Without an admin address nobody asks for the latest decisions.
    config.journal.recent_bytes = RECENT_BYTES;
    config.limits.backlog_ms_max = BACKLOG_MS_MAX;
    config
}

/// Puts the secrets of the demo into the folder where a daemon would otherwise make random ones.
fn prepare(data: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(data)?;
    std::fs::write(data.join("hash.seed"), HASH_SEED)?;
    std::fs::write(data.join("token.keys"), format!("{TOKEN_KEY_ID} {}\n", hex::encode(TOKEN_KEY)))
}

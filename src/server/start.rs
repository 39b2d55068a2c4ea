//! Starting: everything that can be refused is, before a single door opens; then workers, then readiness.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use engine::Tables;
use journal::{Folder, Log, OnFailure, Recent, SeedError, SegmentConfig, Writer, WriterConfig};
use tokio::sync::watch;

use crate::activation::{self, Refusal};
use crate::admin::{self, AdminToken};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, JournalMode};
use crate::decider::Decider;
use crate::demotions::Demotions;
use crate::drift::Drift;
use crate::explainers::Explainers;
use crate::files;
use crate::listen::{self, Addresses, ListenError};
use crate::lists::ListStore;
use crate::memory;
use crate::metrics::Metrics;
use crate::numbers;
use crate::reload::Reloader;
use crate::running::Running;
use crate::state::{Phase, Shared};
use crate::tls::{self, Identity, TlsError};
use crate::tokens;
use crate::watch::Changes;
use crate::worker::{self, Doors};

/// Why the daemon did not start. Nothing was served.
#[derive(Debug)]
pub enum StartError {
    /// Values of the configuration.
    Config(ConfigError),
    /// An address.
    Listen(ListenError),
    /// The certificate.
    Tls(TlsError),
    /// Rules, model or keys.
    Activation(Refusal),
    /// The data folder or a file in it.
    Data(String),
    /// Memory for the tables.
    Tables(String),
    /// A thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => write!(f, "configuration: {error}"),
            StartError::Listen(error) => error.fmt(f),
            StartError::Tls(error) => error.fmt(f),
            StartError::Activation(error) => error.fmt(f),
            StartError::Data(error) => error.fmt(f),
            StartError::Tables(error) => write!(f, "tables: {error}"),
            StartError::Thread(error) => write!(f, "no thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A daemon.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a daemon in this process. It runs on threads of its own until it is shut down.
    ///
    /// # Errors
    /// Whatever keeps it from starting, named so that it can be mended.
    pub fn start(config: Config) -> Result<Running, StartError> {
        Server::start_with(config, Clock::default())
    }

    /// Starts a daemon that lives by that clock.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn start_with(config: Config, clock: Clock) -> Result<Running, StartError> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(StartError::Config(ConfigError::Faults(faults)));
        }
        start(config, clock)
    }
}

fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    let dir = config.data.dir.clone();
    files::make_folder(&dir).map_err(|error| StartError::Data(format!("{}: {error}", dir.display())))?;
    let identity = Identity::find_or_make(&config).map_err(StartError::Tls)?;
    let quic = tls::quic_config(&config, &identity).map_err(StartError::Tls)?;
    let token = AdminToken::load_or_make(&config.in_data(&config.admin.token_file, "admin.token"))
        .map_err(StartError::Data)?;
    let token_file = token.path.clone();

    let metrics = Arc::new(Metrics::new());
    let count = config.worker_count();
    let tables = Arc::new(tables(&config)?);
    let lists = ListStore::open(&dir).map_err(|error| StartError::Data(error.to_string()))?;
    let explainers = Explainers::default();
    let demotions = Demotions::open(&dir.join("demotions"))
        .map_err(|error| StartError::Data(format!("{}: {error}", dir.join("demotions").display())))?;
    let kept = activation::Kept { lists: &lists, explainers: &explainers };
    let changes = Changes::watch(&config);
    let allow_empty = config.policy.allow_empty;
    let prepare =
        || activation::prepare(&config, &tables, &metrics, &kept, None, allow_empty, clock.now_ms());
    let active = activation::guarded(prepare).map_err(StartError::Activation)?.with(&demotions);

    let recent =
        Arc::new(Recent::new(config.journal.recent_bytes).with_sample(config.drift.checks_per_second_max));
    let (producers, consumers) =
        (0..count).map(|_| journal::ring(config.journal.ring_bytes)).unzip::<_, _, Vec<_>, Vec<_>>();
    let writer = Writer::start(
        folder(&dir.join("journal"))?,
        &writer_config(&config),
        consumers,
        Some(recent.clone()),
    )
    .map_err(|error| StartError::Data(error.to_string()))?;
    let next_number =
        numbers::next(&dir.join("journal")).map_err(|error| StartError::Data(format!("journal: {error}")))?;
    tables.continue_numbers(next_number);
    let outcomes = log(&dir, "outcomes")?;
    let activations = log(&dir, "activations")?;

    // From here on the daemon is seen from outside.
    let (mut doors, addresses, admin_listener) = open_doors(&config, count, &quic)?;
    let shared = Arc::new(Shared {
        config,
        clock,
        tables,
        active: Arc::new(ArcSwap::from_pointee(active)),
        explainers,
        lists,
        demotions,
        outcomes,
        recent,
        drift: Drift::default(),
        journal: writer.stats().clone(),
        metrics,
        phase: watch::Sender::new(Phase::Serving),
    });
    let reloader = Arc::new(Reloader::new(shared.clone(), activations).map_err(StartError::Activation)?);
    let mut running = Running::new(shared.clone(), reloader.clone(), writer, addresses, token_file);
    let stop = running.stop_admin();
    running.admin = Some(
        admin::start(admin_listener, shared.clone(), reloader, token, changes, stop)
            .map_err(StartError::Thread)?,
    );
    for (number, (producer, doors)) in producers.into_iter().zip(doors.drain(..)).enumerate() {
        let decider = {
            let shared = shared.clone();
            move || Decider::new(shared, number, producer)
        };
        // Dropping `running` on an error stops those that were started.
        let thread = worker::start(number, shared.clone(), decider, doors).map_err(StartError::Thread)?;
        running.workers.push(thread);
    }
    Ok(running)
}

/// The engine's tables, keyed with a seed that stays the same for as long as the data folder does: hashes in the journal
/// are compared over restarts.
fn tables(config: &Config) -> Result<Tables, StartError> {
    let path = journal::seed_path(&config.data.dir);
    let data = |error: &dyn fmt::Display| StartError::Data(format!("{}: {error}", path.display()));
    if !path.exists() {
        let seed = tokens::random::<16>().map_err(|error| data(&error))?;
        files::write_secret(&path, &journal::seed_file(&seed)).map_err(|error| data(&error))?;
    }
    let seed = journal::read_seed(&config.data.dir).map_err(|error| {
        let advice = match error {
            SeedError::Damaged(_) => "; restore it, or take it away and begin without the old records",
            SeedError::File(..) => "",
        };
        StartError::Data(format!("{error}{advice}"))
    })?;
    Tables::within(&config.tables.sizes(seed), memory::free_bytes())
        .map_err(|error| StartError::Tables(error.to_string()))
}

fn writer_config(config: &Config) -> WriterConfig {
    let journal = &config.journal;
    WriterConfig {
        segments: SegmentConfig {
            segment_bytes_max: journal.segment_bytes_max,
            retain_bytes_max: Some(journal.retain_bytes_max),
        },
        commit_interval_ms: journal.commit_interval_ms,
        on_failure: match journal.mode {
            JournalMode::Availability => OnFailure::Availability,
            JournalMode::Durability => OnFailure::Durability,
        },
        ..WriterConfig::default()
    }
}

fn folder(path: &Path) -> Result<Arc<Folder>, StartError> {
    let opened =
        Folder::writable(path).map_err(|error| StartError::Data(format!("{}: {error}", path.display())))?;
    Ok(Arc::new(opened))
}

/// A log that keeps everything.
fn log(dir: &Path, name: &str) -> Result<Log, StartError> {
    let config = SegmentConfig { retain_bytes_max: None, ..SegmentConfig::default() };
    let (log, recovery) = Log::open(folder(&dir.join(name))?, config, name)
        .map_err(|error| StartError::Data(format!("{name}: {error}")))?;
    tracing::debug!(name, ?recovery, "log opened");
    Ok(log)
}

type Opened = (Vec<Doors>, Addresses, Option<std::net::TcpListener>);

fn open_doors(config: &Config, count: usize, quic: &quinn::ServerConfig) -> Result<Opened, StartError> {
    let mut doors: Vec<Doors> = (0..count).map(|_| Doors::default()).collect();
    let mut addresses = Addresses::default();
    if let Some(address) = config.listen.http.at() {
        let listeners = listen::tcp("http", address, count).map_err(StartError::Listen)?;
        addresses.http = listeners[0].local_addr().ok();
        doors.iter_mut().zip(listeners).for_each(|(door, listener)| door.http = Some(listener));
    }
    if let Some(address) = config.listen.quic.at() {
        let sockets = listen::udp("quic", address, count).map_err(StartError::Listen)?;
        addresses.quic = sockets[0].local_addr().ok();
        doors.iter_mut().zip(sockets).for_each(|(door, socket)| door.quic = Some((socket, quic.clone())));
    }
    let mut admin = None;
    if let Some(address) = config.listen.admin.at() {
        admin = listen::tcp("admin", address, 1).map_err(StartError::Listen)?.pop();
        addresses.admin = admin.as_ref().and_then(|listener| listener.local_addr().ok());
    }
    if let Some(path) = config.unix_path() {
        let listeners = listen::unix(&path, count).map_err(StartError::Listen)?;
        addresses.unix = Some(path);
        doors.iter_mut().zip(listeners).for_each(|(door, listener)| door.unix = Some(listener));
    }
    Ok((doors, addresses, admin))
}

//! A running daemon, and its end: announce, close the doors, finish what is in hand, sync, stop.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use journal::Writer;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::listen::Addresses;
use crate::notify::notify;
use crate::reload::Reloader;
use crate::signals::Signals;
use crate::state::{Phase, Shared};

type Thread = JoinHandle<io::Result<()>>;

/// A running daemon. Dropping it stops it without waiting for anything to be announced.
pub struct Running {
    pub(crate) shared: Arc<Shared>,
    reloader: Arc<Reloader>,
    addresses: Addresses,
    token_file: PathBuf,
    pub(crate) workers: Vec<Thread>,
    pub(crate) admin: Option<Thread>,
    /// When the admin thread is told to stop: until when it may finish what it has in hand.
    stop_admin: watch::Sender<Option<Instant>>,
    writer: Option<Writer>,
}

/// What a daemon left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Decisions written to the journal since the start.
    pub decisions_written: u64,
    /// Decisions that could not be logged.
    pub decisions_lost: u64,
    /// Whether every thread ended as it should.
    pub clean: bool,
}

impl Running {
    pub(crate) fn new(
        shared: Arc<Shared>,
        reloader: Arc<Reloader>,
        writer: Writer,
        addresses: Addresses,
        token_file: PathBuf,
    ) -> Running {
        let stop_admin = watch::Sender::new(None);
        let (workers, admin, writer) = (Vec::new(), None, Some(writer));
        Running { shared, reloader, addresses, token_file, workers, admin, stop_admin, writer }
    }

    pub(crate) fn stop_admin(&self) -> watch::Receiver<Option<Instant>> {
        self.stop_admin.subscribe()
    }

    /// Where it answers.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The file with the admin token.
    pub fn admin_token_file(&self) -> &PathBuf {
        &self.token_file
    }

    /// Puts rules, model and keys as they are on disk now in force; the refusal as text if they are not fit.
    ///
    /// # Errors
    /// Why not; what was in force stays.
    pub fn reload(&self, cause: &'static str) -> Result<(), String> {
        self.reloader.reload(cause).map(|_| ()).map_err(|refusal| refusal.to_string())
    }

    /// Answers until SIGTERM or SIGINT, reloads at SIGHUP, then shuts down.
    ///
    /// # Errors
    /// The system takes no signal handlers.
    pub fn run_until_signalled(self, signals: Signals) -> io::Result<Shutdown> {
        let reloader = self.reloader.clone();
        // The refusal is logged and told on the admin address; whoever sent the signal hears nothing.
        let reload = move || drop(reloader.reload("SIGHUP"));
        signals.wait(|| notify("READY=1"), reload)?;
        notify("STOPPING=1");
        tracing::info!("draining");
        Ok(self.shutdown())
    }

    /// Announces the end, finishes what is in hand, syncs the journal and stops every thread.
    pub fn shutdown(mut self) -> Shutdown {
        self.shared.phase.send_replace(Phase::Leaving);
        std::thread::sleep(Duration::from_millis(self.shared.config.drain.announce_ms));
        self.stop()
    }

    fn stop(&mut self) -> Shutdown {
        let ends = Instant::now() + Duration::from_millis(self.shared.config.drain.timeout_ms);
        self.shared.phase.send_replace(Phase::Draining);
        let mut clean = self.workers.drain(..).all(ended);
        let counts = self.writer.take().map(Writer::close).unwrap_or_default();
        self.stop_admin.send_replace(Some(ends));
        clean &= self.admin.take().is_none_or(ended);
        if let Some(path) = self.addresses.unix.take() {
            // A file that is gone already is as good.
            let _ = std::fs::remove_file(path);
        }
        Shutdown {
            decisions_written: counts.written,
            decisions_lost: counts.lost(),
            clean: clean && !counts.failed,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.stop();
        }
    }
}

fn ended(thread: Thread) -> bool {
    match thread.join() {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "a thread ended with an error");
            false
        }
        Err(_) => {
            tracing::error!("a thread panicked");
            false
        }
    }
}

impl fmt::Display for Running {
    /// What a person at a terminal wants to know of a daemon that has just started.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.shared.active.load();
        let config = &self.shared.config;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, what: &dyn fmt::Display| {
            writeln!(f, "  {name:<9} {what}")
        };
        writeln!(f, "riskd {} is serving", env!("CARGO_PKG_VERSION"))?;
        let addresses = &self.addresses;
        if let Some(address) = addresses.http {
            line(f, "http", &format_args!("http://{address}/v1/check"))?;
        }
        if let Some(address) = addresses.quic {
            line(f, "quic", &format_args!("{address}  (ALPN riskd/1)"))?;
        }
        if let Some(path) = &addresses.unix {
            line(f, "unix", &path.display())?;
        }
        if let Some(address) = addresses.admin {
            let token = self.token_file.display();
            line(f, "admin", &format_args!("http://{address}/  (Authorization: Bearer, token in {token})"))?;
        }
        let facts = &active.facts;
        let policy = &facts.policy;
        let (rules, limits, breakers) = (policy.rules.len(), policy.limits.len(), policy.breakers.len());
        let (version, tests) = (active.snapshot.policy_version(), facts.tests);
        line(
            f,
            "policy",
            &format_args!(
                "{version}: {rules} rules, {limits} limits, {breakers} breakers, {} lists from {}; {tests} tests passed",
                active.lists.len(),
                config.policy.dir.display()
            ),
        )?;
        let model = active.snapshot.model_version();
        line(f, "model", if model.is_empty() { &"none" } else { &model })?;
        let interval_ms = config.journal.commit_interval_ms;
        let journal = config.data.dir.join("journal");
        line(
            f,
            "journal",
            &format_args!("{}; a crash may lose the last {interval_ms} ms", journal.display()),
        )?;
        line(f, "workers", &self.workers.len())
    }
}

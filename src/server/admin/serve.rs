//! The admin thread: its own runtime and its own listener, with the same time-outs against half-open callers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::ServiceExt;

use super::{Admin, AdminToken, router};
use crate::reload::Reloader;
use crate::state::Shared;
use crate::watch::Changes;

/// Open admin connections; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// Time between sweeps of list entries that have ended.
const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);
/// Time between attempts to write list changes again, after one could not be written.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Starts the thread. It ends when `stop` says so, after the workers have, so that metrics and probes answer until then.
pub fn start(
    listener: Option<TcpListener>,
    shared: Arc<Shared>,
    reloader: Arc<Reloader>,
    token: AdminToken,
    changes: Option<Changes>,
    mut stop: watch::Receiver<Option<Instant>>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    thread::Builder::new().name("admin".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            // These end with the runtime.
            tokio::spawn(sweep(shared.clone()));
            tokio::spawn(probe(shared.clone()));
            tokio::spawn({
                let shared = shared.clone();
                async move { crate::drift::watch(&shared).await }
            });
            tokio::spawn(crate::guard::run(shared.clone(), reloader.clone()));
            if let Some(changes) = changes {
                tokio::spawn(changes.reload(reloader.clone()));
            }
            let admin = Admin { shared, reloader, token: Arc::new(token) };
            let served = async {
                match listener {
                    Some(listener) => serve(tokio::net::TcpListener::from_std(listener)?, admin).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender is dropped only with the daemon itself.
                _ = stop.wait_for(Option::is_some) => Ok(()),
                ended = served => ended,
            }
        });
        // A list change in hand gets to the disk. A reload may take longer than that: nobody would be served by it.
        let ends = stop.borrow().unwrap_or_else(Instant::now);
        runtime.shutdown_timeout(ends.saturating_duration_since(Instant::now()));
        ended
    })
}

async fn serve(listener: tokio::net::TcpListener, admin: Admin) -> io::Result<()> {
    let header_timeout = Duration::from_millis(admin.shared.config.limits.header_timeout_ms);
    let router = router(admin);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await;
        let (stream, origin): (_, SocketAddr) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service =
            router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(origin));
                request.map(axum::body::Body::new)
            });
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(header_timeout);
            let connection =
                builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            if let Err(error) = connection.await {
                tracing::debug!(%error, "admin connection ended");
            }
            drop(place);
        });
    }
}

/// Sees whether list changes can be written again, after one could not be.
async fn probe(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(PROBE_INTERVAL).await;
        if !shared.lists.is_writable() {
            let shared = shared.clone();
            // A probe that failed is tried again in a second.
            let _ = tokio::task::spawn_blocking(move || shared.lists.probe()).await;
        }
    }
}

/// Verifies the lists' files of entries, of which a start may have read the images alone, and takes entries that have ended out
/// of memory and off the disk.
async fn sweep(shared: Arc<Shared>) {
    loop {
        let swept = tokio::task::spawn_blocking({
            let shared = shared.clone();
            move || {
                let (active, now_ms) = (shared.active.load_full(), shared.clock.now_ms());
                for list in &active.lists {
                    if let Err(error) = shared.lists.verify(&list.name) {
                        tracing::error!(list = list.name, %error, "a list is damaged on disk; what is in force is whole");
                        continue;
                    }
                    match shared.lists.sweep(&shared.tables.lists, list, now_ms) {
                        Ok(0) => {}
                        Ok(count) => tracing::info!(list = list.name, count, "list entries ended"),
                        Err(error) => {
                            tracing::warn!(list = list.name, %error, "list entries that ended could not be removed");
                        }
                    }
                }
            }
        });
        // A sweep that failed is tried again in an hour.
        let _ = swept.await;
        tokio::time::sleep(SWEEP_INTERVAL).await;
    }
}

//! A worker: one thread on one core, with its own sockets, scratch memory and journal ring. A batch is decided where it
//! was read; nothing on the way from bytes to bytes is handed to another thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;

use crate::decider::Decider;
use crate::metrics::{Door, OpenConnection};
use crate::state::{Phase, Shared};
use crate::{http, quic, unix};

/// Time between looks at how late the worker is.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
/// Looks after which the worker's counts are told: ten times a second.
const PROBES_PER_REPORT: u32 = 10;
/// Pause after an accept that failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A worker's own sockets.
#[derive(Debug, Default)]
pub struct Doors {
    /// Checks as JSON.
    pub http: Option<TcpListener>,
    /// Checks as frames, with the settings of the endpoint.
    pub quic: Option<(UdpSocket, quinn::ServerConfig)>,
    /// Checks as frames.
    pub unix: Option<UnixListener>,
}

/// What the tasks of a worker share. They run on one thread, so nothing here is locked.
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The way into the engine. Borrowed for one batch at a time, never across an await.
    pub decider: RefCell<Decider>,
    draining: watch::Sender<bool>,
    connections: Cell<usize>,
    all_closed: Notify,
}

/// A connection's place among those a worker may have. Free again when dropped.
pub struct Place {
    worker: Rc<Worker>,
    _open: OpenConnection,
}

/// Starts the thread of a worker.
pub fn start(
    number: usize,
    shared: Arc<Shared>,
    decider: impl FnOnce() -> Decider + Send + 'static,
    doors: Doors,
) -> io::Result<JoinHandle<io::Result<()>>> {
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        if shared.config.workers.pin {
            pin_to_core(number);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, run(shared, decider(), doors))
    })
}

/// Keeps the thread on one core. Where the system does not let us, it runs anywhere.
fn pin_to_core(number: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(&core) = cores.get(number % cores.len().max(1)) {
        core_affinity::set_for_current(core);
    }
}

async fn run(shared: Arc<Shared>, decider: Decider, doors: Doors) -> io::Result<()> {
    let timeout = Duration::from_millis(shared.config.drain.timeout_ms);
    let mut phase = shared.phase.subscribe();
    let worker = Rc::new(Worker {
        shared,
        decider: RefCell::new(decider),
        draining: watch::Sender::new(false),
        connections: Cell::new(0),
        all_closed: Notify::new(),
    });
    let mut accepting = Vec::new();
    if let Some(listener) = doors.http {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.push(tokio::task::spawn_local(http::accept(worker.clone(), listener)));
    }
    if let Some(listener) = doors.unix {
        let listener = tokio::net::UnixListener::from_std(listener)?;
        accepting.push(tokio::task::spawn_local(unix::accept(worker.clone(), listener)));
    }
    if let Some((socket, config)) = doors.quic {
        let endpoint = quic::endpoint(socket, config)?;
        accepting.push(tokio::task::spawn_local(quic::accept(worker.clone(), endpoint)));
    }
    let probe = tokio::task::spawn_local(probe(worker.clone()));
    // The sender lives as long as the shared state.
    let _ = phase.wait_for(|&phase| phase == Phase::Draining).await;
    worker.draining.send_replace(true);
    let finished = async {
        for task in accepting {
            // An accept loop ends by itself once draining; one that panicked has nothing left to finish.
            let _ = task.await;
        }
        worker.all_closed().await;
    };
    if tokio::time::timeout(timeout, finished).await.is_err() {
        tracing::warn!(open = worker.connections.get(), "connections cut at the end of the drain time-out");
    }
    probe.abort();
    worker.decider.borrow_mut().report();
    Ok(())
}

/// Finds out how late the worker is: what a task that wants to run every ten milliseconds waits beyond them is the age of
/// the work queued before it.
async fn probe(worker: Rc<Worker>) {
    let mut reports_in = PROBES_PER_REPORT;
    loop {
        let due = Instant::now() + PROBE_INTERVAL;
        tokio::time::sleep_until(due.into()).await;
        let mut decider = worker.decider.borrow_mut();
        decider.set_backlog(due.elapsed());
        reports_in -= 1;
        if reports_in == 0 {
            reports_in = PROBES_PER_REPORT;
            decider.report();
        }
    }
}

impl Worker {
    /// Waits until the daemon takes no new work. Told worker by worker, so that connections that come and go share
    /// nothing with other cores.
    pub async fn draining(&self) {
        // The sender is the worker's own.
        let _ = self.draining.subscribe().wait_for(|&draining| draining).await;
    }

    /// A place for one more connection, unless the worker has as many as it may.
    pub fn place(self: &Rc<Worker>, door: Door) -> Option<Place> {
        let open = self.connections.get();
        if open >= self.shared.config.limits.connections_max {
            return None;
        }
        self.connections.set(open + 1);
        Some(Place { worker: self.clone(), _open: self.shared.metrics.connection(door) })
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    async fn all_closed(&self) {
        while self.connections.get() > 0 {
            self.all_closed.notified().await;
        }
    }

    /// Runs an accept loop: `serve` for each connection that has a place, until the daemon drains.
    pub async fn accept_all<C, F: Future<Output = ()> + 'static>(
        self: Rc<Worker>,
        door: Door,
        accept: impl AsyncFn() -> io::Result<C>,
        serve: impl Fn(Rc<Worker>, C) -> F,
    ) {
        let mut draining = pin!(self.draining());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut draining => return,
                accepted = accept() => accepted,
            };
            match accepted {
                Ok(connection) => {
                    // Without a place the connection is closed by dropping it.
                    if let Some(place) = self.place(door) {
                        let served = serve(self.clone(), connection);
                        tokio::task::spawn_local(async move {
                            served.await;
                            drop(place);
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, ?door, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = self.worker.connections.get() - 1;
        self.worker.connections.set(open);
        if open == 0 {
            self.worker.all_closed.notify_one();
        }
    }
}

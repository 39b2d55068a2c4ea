//! A run from start to end: encode, look for stalls, connect everything, go, drain, add up.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::connect::{self, Connection};
use crate::echo::Echo;
use crate::plan::Plan;
use crate::probe::{self, Stalls};
use crate::report::Report;
use crate::stock::Stock;
use crate::tally::Tally;
use crate::target::Target;
use crate::{frames, http, limits};

/// How long after the end a batch that was due before it may still be sent.
pub(crate) const GRACE: Duration = Duration::from_millis(50);
/// From the last connection to the first check: every thread is ready by then.
const HEAD_START: Duration = Duration::from_millis(20);
/// Runs longer than this show how far they are.
const PROGRESS_FROM: Duration = Duration::from_secs(2);

/// Why a run could not be made.
#[derive(Debug)]
pub enum RunError {
    /// The target does not answer.
    Connect(String, String),
    /// No certificate to trust.
    Trust(String),
    /// The operating system refused a thread, a socket or a runtime.
    System(io::Error),
    /// A thread of the generator failed.
    Thread,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Connect(target, error) => write!(f, "cannot connect to {target}: {error}"),
            RunError::Trust(error) => f.write_str(error),
            RunError::System(error) => error.fmt(f),
            RunError::Thread => f.write_str("a sending thread failed"),
        }
    }
}

impl std::error::Error for RunError {}

/// One connection's part in a run.
pub(crate) struct Job {
    pub plan: Arc<Plan>,
    pub stock: Arc<Stock>,
    pub connection: usize,
    pub start: Instant,
    pub end: Instant,
    pub tally: Rc<RefCell<Tally>>,
    pub answered: Arc<AtomicU64>,
}

impl Job {
    pub fn progress(&self, count: u32) {
        self.answered.fetch_add(u64::from(count), Ordering::Relaxed);
    }
}

/// Does what the plan says and reports.
///
/// # Errors
/// No connection to the target, or no means to make one. What goes wrong later stands in the report.
pub fn measure(plan: &Plan) -> Result<Report, RunError> {
    let mut plan = plan.clone();
    let target = plan.target.clone();
    let echo = if target == Target::Echo { Some(Echo::start().map_err(RunError::System)?) } else { None };
    if let Some(echo) = &echo {
        plan.target = Target::Unix(echo.path().to_owned());
    }
    let stock = Arc::new(Stock::new(&plan));
    let plan = Arc::new(plan);
    let before = probe::largest_gap(limits::PROBE);
    let answered = Arc::new(AtomicU64::new(0));

    let (ready_tell, ready) = mpsc::channel();
    let mut threads = Vec::new();
    let mut starts = Vec::new();
    for thread in 0..plan.threads {
        let (start_tell, start) = mpsc::channel();
        starts.push(start_tell);
        let worker = Worker {
            thread,
            plan: Arc::clone(&plan),
            stock: Arc::clone(&stock),
            answered: Arc::clone(&answered),
            ready: ready_tell.clone(),
            start,
        };
        threads.push(std::thread::spawn(move || worker.run()));
    }
    drop(ready_tell);
    for _ in 0..plan.threads {
        // An error drops all starts, which ends the other threads.
        ready.recv().map_err(|_| RunError::Thread)??;
    }
    let watch = probe::Watch::start(plan.threads);
    let start = Instant::now() + HEAD_START;
    for tell in starts {
        let _ = tell.send(start);
    }
    show_progress(&plan, start, &answered, &threads);
    let mut tally = Tally::new(plan.scenario.phase.len());
    for thread in threads {
        tally.add(&thread.join().map_err(|_| RunError::Thread)?);
    }
    let stalls =
        Stalls { before, during: watch.map(probe::Watch::stop), after: probe::largest_gap(limits::PROBE) };
    Ok(Report::new(&plan, &target, &tally, start, stalls))
}

fn show_progress(plan: &Plan, start: Instant, answered: &AtomicU64, threads: &[JoinHandle<Tally>]) {
    let duration = plan.scenario.duration;
    let bar = if duration > PROGRESS_FROM {
        ProgressBar::new(duration.as_millis() as u64)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {msg}") {
        bar.set_style(style);
    }
    let mut before = (start, 0);
    while threads.iter().any(|thread| !thread.is_finished()) {
        std::thread::sleep(Duration::from_millis(50));
        let now = Instant::now();
        if now.saturating_duration_since(before.0) > Duration::from_millis(500) {
            let count = answered.load(Ordering::Relaxed);
            let rate = (count - before.1) as f64 / (now - before.0).as_secs_f64();
            bar.set_position(((now - start).as_millis() as u64).min(duration.as_millis() as u64));
            bar.set_message(format!("{rate:.0} answers a second"));
            before = (now, count);
        }
    }
    bar.finish_and_clear();
}

/// A thread of the generator with its runtime.
struct Worker {
    thread: usize,
    plan: Arc<Plan>,
    stock: Arc<Stock>,
    answered: Arc<AtomicU64>,
    ready: mpsc::Sender<Result<(), RunError>>,
    start: mpsc::Receiver<Instant>,
}

impl Worker {
    fn run(self) -> Tally {
        let nothing = Tally::new(self.plan.scenario.phase.len());
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, self.drive(nothing)),
            Err(error) => {
                let _ = self.ready.send(Err(RunError::System(error)));
                nothing
            }
        }
    }

    async fn drive(self, nothing: Tally) -> Tally {
        let numbers = (self.thread..self.plan.scenario.connections).step_by(self.plan.threads);
        let mut connections = Vec::new();
        for number in numbers {
            match connect::open(&self.plan).await {
                Ok(connection) => connections.push((number, connection)),
                Err(error) => {
                    let _ = self.ready.send(Err(error));
                    return nothing;
                }
            }
        }
        let _ = self.ready.send(Ok(()));
        let Ok(start) = self.start.recv() else { return nothing };
        let tally = Rc::new(RefCell::new(nothing));
        let mut tasks = Vec::new();
        for (connection, opened) in connections {
            let job = Rc::new(Job {
                plan: Arc::clone(&self.plan),
                stock: Arc::clone(&self.stock),
                connection,
                start,
                end: start + self.plan.scenario.duration,
                tally: Rc::clone(&tally),
                answered: Arc::clone(&self.answered),
            });
            tasks.push(tokio::task::spawn_local(async move {
                match opened {
                    Connection::Frames(duplex) => frames::drive(job, duplex).await,
                    Connection::Http(sender) => http::drive(job, sender).await,
                }
            }));
        }
        for task in tasks {
            if task.await.is_err() {
                tally.borrow_mut().broken.push("a task of the generator failed".to_owned());
            }
        }
        tally.take()
    }
}

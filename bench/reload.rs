//! Stage `reload`: what a reload costs the checks that are decided meanwhile.
//!
//! One thread decides batches of 64 at full rate and times each; another compiles rule files, runs the shipped pack's tests,
//! builds snapshots and swaps them, without a pause. Beside the longest batch stands the largest gap that a thread saw which only
//! looks at the clock, under the same reloads. On a busy machine both are other processes' turns; what a reload itself costs shows in
//! the batches that are the first to see a new snapshot, since it would cost each of them, and in the deciding thread's page faults.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use core_affinity::CoreId;
use engine::limits::LANES;
use engine::{Now, Scratch, Snapshot, decide};
use serde::Serialize;

use crate::machine::{Machine, processor_ns, stall_us_max};
use crate::run::Plan;
use crate::site::Site;

/// Name of the stage.
pub const STAGE: &str = "reload";

/// What goes on beside the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// The files are as they were.
    Same,
    /// One window has another definition each time: a table is made and an old one goes.
    Window,
    /// The same, and old snapshots are left to whoever lets go of them last: mostly the thread that decides.
    Left,
}

impl Beside {
    const ALL: [Beside; 4] = [Beside::Nothing, Beside::Same, Beside::Window, Beside::Left];

    fn name(self) -> &'static str {
        match self {
            Beside::Nothing => "nothing",
            Beside::Same => "reloads of the same files",
            Beside::Window => "reloads with a new window",
            Beside::Left => "… dropped by whoever is last",
        }
    }
}

/// What was measured beside one of them.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    beside: &'static str,
    reloads: u64,
    /// Mean time of one, in milliseconds.
    reload_ms: f64,
    /// Largest gap of a thread that only looks at the clock.
    stall_us_max: f64,
    batches: usize,
    median_us: f64,
    p9999_us: f64,
    longest_us: f64,
    /// Median, by processor time, of the batches that were the first to see another snapshot; 0 without any.
    first_us: f64,
    /// Page faults of the deciding thread.
    faults: u64,
}

/// The stage's report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    accounts: u64,
    rows: Vec<Row>,
}

impl Report {
    /// As a table.
    pub fn text(&self, machine: &Machine) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header([
            "beside",
            "reloads",
            "ms each",
            "stall µs",
            "batches",
            "median µs",
            "99.99 % µs",
            "longest µs",
            "first µs",
            "faults",
        ]);
        for row in &self.rows {
            let us = |us: f64| format!("{us:.0}");
            table.add_row([
                row.beside.to_owned(),
                row.reloads.to_string(),
                us(row.reload_ms),
                us(row.stall_us_max),
                row.batches.to_string(),
                format!("{:.1}", row.median_us),
                us(row.p9999_us),
                us(row.longest_us),
                format!("{:.1}", row.first_us),
                row.faults.to_string(),
            ]);
        }
        format!("{}\n{} accounts, batches of {LANES}\n\n{table}", machine.text(), self.accounts)
    }

    /// As JSON.
    pub fn json(&self, machine: &Machine) -> String {
        serde_json::json!({ "machine": machine, "report": self }).to_string()
    }
}

/// Runs the stage: each row for so long, half of it for the thread that only looks at the clock.
///
/// # Errors
/// What could not be made, in words.
pub fn run(plan: &Plan, each: Duration, cores: &[CoreId]) -> Result<Report, String> {
    let site = Site::fill(plan.accounts)?;
    let mut stream = site.stream("r");
    let mut scratch = Scratch::new(0);
    let mut rows = Vec::new();
    for beside in Beside::ALL {
        let active = Arc::new(ArcSwap::from_pointee(site.reloaded(0, &site.whole)?));
        let reloads = Reloads::default();
        let row = std::thread::scope(|scope| {
            let handle = (beside != Beside::Nothing).then(|| {
                let (site, active, reloads) = (&site, &active, &reloads);
                // The measuring thread has the last core.
                let core = cores.iter().rev().nth(1).copied();
                scope.spawn(move || {
                    core.map(core_affinity::set_for_current);
                    reloads.run(site, active, beside)
                })
            });
            let stall_us_max = stall_us_max(each / 2);
            let mut times = Vec::new();
            let (mut first_ns, mut seen) = (Vec::new(), Arc::as_ptr(&active.load()));
            let before = faults();
            let mut latest = Cache::new(active.clone());
            let (mut decisions, began) = (Vec::with_capacity(LANES), Instant::now());
            while began.elapsed() < each / 2 {
                let (checks, ms) = stream.block();
                for batch in checks.chunks(LANES) {
                    let (start, start_ns) = (Instant::now(), processor_ns());
                    let now = Now { ms, waited_us: 0 };
                    let snapshot = latest.load();
                    decide(snapshot, &site.tables, now, batch, &mut decisions, &mut scratch);
                    let is_first = std::mem::replace(&mut seen, Arc::as_ptr(snapshot)) != seen;
                    times.push(start.elapsed().as_nanos() as u64);
                    if is_first {
                        first_ns.push(processor_ns() - start_ns);
                    }
                }
            }
            reloads.stop.store(true, Ordering::Relaxed);
            handle.map_or(Ok(()), |handle| {
                handle.join().unwrap_or_else(|_| Err("the reloads failed".to_owned()))
            })?;
            let faults = faults() - before;
            times.sort_unstable();
            first_ns.sort_unstable();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1e3;
            let count = reloads.count.load(Ordering::Relaxed);
            Ok::<Row, String>(Row {
                beside: beside.name(),
                reloads: count,
                reload_ms: reloads.us.load(Ordering::Relaxed) as f64 / 1e3 / count.max(1) as f64,
                stall_us_max,
                batches: times.len(),
                median_us: at(0.5),
                p9999_us: at(0.9999),
                longest_us: at(1.0),
                first_us: first_ns.get(first_ns.len() / 2).map_or(0.0, |&ns| ns as f64 / 1e3),
                faults,
            })
        })?;
        rows.push(row);
    }
    Ok(Report { accounts: plan.accounts, rows })
}

/// The other thread.
#[derive(Default)]
struct Reloads {
    stop: AtomicBool,
    count: AtomicU64,
    us: AtomicU64,
    /// Snapshots that the measuring thread may still hold, as the daemon keeps them.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl Reloads {
    fn run(&self, site: &Site, active: &ArcSwap<Snapshot>, beside: Beside) -> Result<(), String> {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        for turn in 1.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let began = Instant::now();
            let compiled = policy::compile_dir(&pack);
            let bundle = compiled.bundle.ok_or("the shipped pack does not compile")?;
            if !policy::testing::run(&bundle).is_empty() {
                return Err("a test of the shipped pack fails".to_owned());
            }
            let window = if beside == Beside::Same { 0 } else { turn };
            let next = site.reloaded(window, &active.load())?;
            let previous = active.swap(Arc::new(next));
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            if beside != Beside::Left {
                retired.push(previous);
                retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
            }
            self.us.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Page faults of the calling thread so far that took no disk; 0 where the system does not say.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // The name stands in brackets and may hold anything.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().nth(7).and_then(|count| count.parse().ok()).unwrap_or(0)
}

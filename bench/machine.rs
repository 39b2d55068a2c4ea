//! What a figure was measured on, and how much the machine stalls by itself.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Facts printed with every run.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model name of the processor; empty where the system does not say.
    pub cpu: String,
    /// Processors the process may use.
    pub cores: usize,
    /// Which ones: once the bench is pinned it cannot find the others by asking.
    #[serde(skip)]
    pub core_ids: Vec<core_affinity::CoreId>,
    /// Whether the bench could pin itself to one of them.
    pub pinned: bool,
    /// Mean number of runnable processes over the last minute: above 1 others wear on the caches.
    pub load: String,
    /// Whether the build is optimised.
    pub optimised: bool,
    /// Largest gap a spinning thread saw, in microseconds.
    pub stall_us_max: f64,
}

impl Machine {
    /// Pins the calling thread to one core and looks around.
    pub fn look(probe: Duration) -> Machine {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let pinned = cores.last().is_some_and(|core| core_affinity::set_for_current(*core));
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| {
                line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
            })
            .unwrap_or_default();
        Machine {
            cpu,
            cores: cores.len(),
            core_ids: cores,
            pinned,
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            optimised: !cfg!(debug_assertions),
            stall_us_max: stall_us_max(probe),
        }
    }

    /// The first line of a report.
    pub fn text(&self) -> String {
        let Machine { cpu, cores, pinned, load, optimised, stall_us_max, .. } = self;
        format!(
            "{cpu}, {cores} cores, one used ({}), load {load}, {}; largest stall {stall_us_max:.0} us",
            if *pinned { "pinned" } else { "not pinned" },
            if *optimised { "release" } else { "NOT OPTIMISED" },
        )
    }
}

/// Nanoseconds the calling thread has spent on its processor. What is measured never waits, so on a quiet machine this is
/// the time on the wall; on a busy one the turns of other processes are not counted, only their wear on the caches.
pub fn processor_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Spins for that long and gives the largest gap between two looks at the clock.
pub fn stall_us_max(probe: Duration) -> f64 {
    let start = Instant::now();
    let (mut last, mut gap) = (start, Duration::ZERO);
    while last - start < probe {
        let now = Instant::now();
        gap = gap.max(now - last);
        last = now;
    }
    gap.as_secs_f64() * 1e6
}

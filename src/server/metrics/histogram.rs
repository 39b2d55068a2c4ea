//! A histogram of durations in fixed buckets. The exporter's own keeps every sample until it is asked, which at a million
//! checks a second is memory and time on the scoring path; this one is a row of counters.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in nanoseconds: 5 µs to 1 s, in steps that keep a percentile within a factor of two.
const BOUNDS_NS: [u64; 17] = [
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
];
const BUCKETS: usize = BOUNDS_NS.len() + 1;

/// Counted by one thread and added to a [`Histogram`] now and then.
#[derive(Clone, Debug, Default)]
pub struct LocalHistogram {
    buckets: [u64; BUCKETS],
    sum_ns: u64,
}

impl LocalHistogram {
    /// Counts that many events of that duration.
    pub fn record(&mut self, duration: Duration, count: u64) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.iter().position(|&bound| ns <= bound).unwrap_or(BUCKETS - 1);
        self.buckets[bucket] += count;
        self.sum_ns = self.sum_ns.saturating_add(ns.saturating_mul(count));
    }
}

/// What all threads have counted.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Histogram {
    /// Adds what a thread has counted and empties it.
    pub fn take(&self, local: &mut LocalHistogram) {
        for (bucket, count) in self.buckets.iter().zip(local.buckets) {
            if count > 0 {
                bucket.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.sum_ns.fetch_add(local.sum_ns, Ordering::Relaxed);
        *local = LocalHistogram::default();
    }

    /// Appends the Prometheus text of it.
    pub fn render(&self, name: &str, help: &str, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        let mut count = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let _ = match BOUNDS_NS.get(at) {
                Some(&bound) => writeln!(out, "{name}_bucket{{le=\"{}\"}} {count}", bound as f64 / 1e9),
                None => writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}"),
            };
        }
        let sum = self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {count}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_end_with_everything() {
        let (mut local, histogram) = (LocalHistogram::default(), Histogram::default());
        local.record(Duration::from_micros(5), 2);
        local.record(Duration::from_micros(6), 1);
        local.record(Duration::from_secs(9), 1);
        histogram.take(&mut local);
        histogram.take(&mut local);
        let mut out = String::new();
        histogram.render("x_seconds", "Test.", &mut out);
        for line in [
            "x_seconds_bucket{le=\"0.000005\"} 2",
            "x_seconds_bucket{le=\"0.00001\"} 3",
            "x_seconds_bucket{le=\"1\"} 3",
            "x_seconds_bucket{le=\"+Inf\"} 4",
            "x_seconds_count 4",
        ] {
            assert!(out.lines().any(|l| l == line), "{line} is not in\n{out}");
        }
    }
}

//! One thread and two on tables that they share: over spread keys, and with a packet that half of all claims are of.
//!
//! Measured by the clock on the wall, since waiting for each other is what is looked for. Other processes' turns would count
//! as waiting too, so the work is cut into slices of about a millisecond and a slice counts only if all threads were at it
//! together and had their processors throughout.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::event::{Event, Skew, Stream, VALUES};
use super::report::Scaling;
use super::system::System;
use super::{Case, Plan};
use crate::machine::processor_ns;
use crate::run::{BATCHES, median};

/// Traffic measured; the last beside the one before it is the hot key beside spread ones.
const SKEWS: [Skew; 3] = [Skew::Zipf, Skew::Claims, Skew::HotPacket];
const THREADS_MAX: usize = 2;
/// Events a thread takes in a slice.
const SLICE: usize = 2_048;
/// Slices a round.
const SLICES: usize = 24;
/// Share of a slice's time that its threads must have had their processors.
const UNDISTURBED: f64 = 0.95;
/// Share of a slice's time that all of its threads must have been at it together.
const TOGETHER: f64 = 0.9;

/// Rates of the slices that count, by number of threads.
type Rates = [Vec<f64>; THREADS_MAX];

/// Measures each case with each traffic on one thread and on two, in turn.
pub fn run(plan: &Plan, cases: &[Case], start_ms: i64) -> Vec<Scaling> {
    let slice = SLICE.min(plan.checks as usize);
    let stream = |skew| [3, 4].map(|seed| Stream::new(plan.accounts, skew, seed, start_ms));
    let mut streams = SKEWS.map(stream);
    let mut rates: Vec<[Rates; SKEWS.len()]> = cases.iter().map(|_| Default::default()).collect();
    for at in 0..=plan.rounds * SLICES {
        for (skew, streams) in streams.iter_mut().enumerate() {
            for (case, rates) in cases.iter().zip(&mut rates) {
                for threads in 1..=THREADS_MAX {
                    let rate = together(&*case.keeper, &mut streams[..threads], slice);
                    // The first slice only warms up.
                    rates[skew][threads - 1].extend(rate.filter(|_| at > 0));
                }
            }
        }
    }
    let mut found = Vec::new();
    for (case, rates) in cases.iter().zip(rates) {
        for (skew, rates) in SKEWS.iter().zip(rates) {
            let slices = [rates[0].len(), rates[1].len()];
            let [one, two] = rates.map(median);
            found.push(Scaling {
                keeper: case.name.clone(),
                traffic: skew.name().to_owned(),
                one,
                two,
                slices,
                of: plan.rounds * SLICES,
            });
        }
    }
    found
}

/// Millions of checks a second of all threads together, from one start to the last one's end; none if they were disturbed.
fn together(keeper: &dyn System, streams: &mut [Stream], slice: usize) -> Option<f64> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let threads = streams.len();
    let ready = AtomicUsize::new(0);
    let work = |worker: usize, events: &[Event]| {
        if let Some(core) = cores.iter().rev().nth(worker) {
            core_affinity::set_for_current(*core);
        }
        let mut values = [[0; VALUES]; BATCHES[1]];
        // Spinning, so that all of them are on a processor when they start.
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < threads {
            std::hint::spin_loop();
        }
        let (begun, begun_ns) = (Instant::now(), processor_ns());
        for events in events.chunks(BATCHES[1]) {
            keeper.take(worker, events, &mut values[..events.len()]);
            std::hint::black_box(&values);
        }
        (begun, Instant::now(), processor_ns() - begun_ns)
    };
    let drawn: Vec<Vec<Event>> = streams
        .iter_mut()
        .map(|stream| {
            let mut events = Vec::new();
            stream.fill(&mut events, slice);
            events
        })
        .collect();
    let done: Vec<(Instant, Instant, i64)> = std::thread::scope(|scope| {
        let work = &work;
        let start = |(worker, events)| scope.spawn(move || work(worker, events));
        let running: Vec<_> = drawn.iter().map(Vec::as_slice).enumerate().map(start).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let begun = done.iter().map(|done| done.0).min()?;
    let ended = done.iter().map(|done| done.1).max()?;
    let undisturbed =
        done.iter().all(|(begun, ended, ns)| *ns as f64 >= UNDISTURBED * (*ended - *begun).as_nanos() as f64);
    // One that was off its processor when the others started starts late.
    let last_begun = done.iter().map(|done| done.0).max()?;
    let first_ended = done.iter().map(|done| done.1).min()?;
    let common_ns = first_ended.saturating_duration_since(last_begun).as_nanos() as f64;
    let together = common_ns >= TOGETHER * (ended - begun).as_nanos() as f64;
    (undisturbed && together).then(|| (threads * slice) as f64 / (ended - begun).as_nanos() as f64 * 1e3)
}

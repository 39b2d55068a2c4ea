//! One thread and two on tables that they share: over spread keys, and with a packet that half of all claims are of.
//!
//! Measured by the clock on the wall, since waiting for each other is what is looked for. Other processes' turns would count
//! as waiting too, so a thread takes the time of every thousand events, and such a slice counts only if the thread had its
//! processor throughout, and so had every other thread at the same time.

use std::time::Instant;

use core_affinity::CoreId;

use super::event::{Event, Skew, Stream, VALUES};
use super::report::Scaling;
use super::system::System;
use super::{Case, Plan};
use crate::machine::processor_ns;
use crate::run::{BATCHES, median};

/// Traffic measured; the last beside the one before it is the hot key beside spread ones.
const SKEWS: [Skew; 3] = [Skew::Zipf, Skew::Claims, Skew::HotPacket];
const THREADS_MAX: usize = 2;
/// Events of a slice: about a millisecond.
const SLICE: usize = 1_024;
/// Rounds for each that is asked for: they are short, and ratios want many.
const ROUNDS: usize = 6;
/// Slices a thread takes in a row, unless fewer checks are asked for.
const SLICES: usize = 32;
/// Share of a slice's time that its thread must have had its processor, and the others theirs.
const UNDISTURBED: f64 = 0.95;

/// A slice of a thread's work.
struct Slice {
    begun: Instant,
    ended: Instant,
    events: usize,
    /// Whether the thread had its processor throughout.
    undisturbed: bool,
}

/// Rates of the slices that count, by number of threads, then by round. What is compared was measured in one round, within a
/// tenth of a second: on a shared machine a processor's speed changes by the minute.
type Rates = [Vec<Vec<f64>>; THREADS_MAX];

/// Measures each case with each traffic on one thread and on two, in turn.
pub fn run(plan: &Plan, cases: &[Case], cores: &[CoreId], start_ms: i64) -> Vec<Scaling> {
    let count = (SLICE * SLICES).min(plan.checks as usize);
    let slices_of_round = count.div_ceil(SLICE);
    let stream = |skew| [3, 4].map(|seed| Stream::new(plan.accounts, skew, seed, start_ms));
    let mut streams = SKEWS.map(stream);
    let mut rates: Vec<[Rates; SKEWS.len()]> = cases.iter().map(|_| Default::default()).collect();
    let rounds = ROUNDS * plan.rounds;
    for round in 0..=rounds {
        for (skew, streams) in streams.iter_mut().enumerate() {
            for (case, rates) in cases.iter().zip(&mut rates) {
                for threads in 1..=THREADS_MAX {
                    let found = together(&*case.keeper, cores, threads, streams, count);
                    // The first round only warms up.
                    if round > 0 {
                        rates[skew][threads - 1].push(found);
                    }
                }
            }
        }
    }
    let mut found = Vec::new();
    for (case, rates) in cases.iter().zip(rates) {
        for (at, (skew, [one, two])) in SKEWS.iter().zip(&rates).enumerate() {
            let spread = at.checked_sub(1).filter(|_| *skew == Skew::HotPacket).map(|at| &rates[at]);
            let to_spread =
                |threads: usize| spread.map(|spread| ratio(&rates[at][threads], &spread[threads]));
            found.push(Scaling {
                keeper: case.name.clone(),
                traffic: skew.name().to_owned(),
                one: median(one.concat()),
                two: median(two.concat()),
                two_to_one: ratio(two, one),
                to_spread: [0, 1].map(to_spread),
                slices: [one, two].map(|rounds| rounds.iter().map(Vec::len).sum()),
                of: [1, THREADS_MAX].map(|threads| threads * rounds * slices_of_round),
            });
        }
    }
    found
}

/// The median over rounds of one rate beside another of the same round.
fn ratio(rates: &[Vec<f64>], beside: &[Vec<f64>]) -> f64 {
    let of_round = |(rates, beside): (&Vec<f64>, &Vec<f64>)| median(rates.clone()) / median(beside.clone());
    median(rates.iter().zip(beside).map(of_round).filter(|ratio| ratio.is_finite()).collect())
}

/// Millions of checks a second of all threads together, by the slices that count: each thread is taken to be as fast as the
/// one that was timed.
fn together(
    keeper: &dyn System,
    cores: &[CoreId],
    threads: usize,
    streams: &mut [Stream],
    count: usize,
) -> Vec<f64> {
    let work = |worker: usize, events: &[Event]| -> Vec<Slice> {
        if let Some(core) = cores.iter().rev().nth(worker) {
            core_affinity::set_for_current(*core);
        }
        let mut values = [[0; VALUES]; BATCHES[1]];
        let mut slices = Vec::with_capacity(SLICES);
        for slice in events.chunks(SLICE) {
            let (begun, begun_ns) = (Instant::now(), processor_ns());
            for events in slice.chunks(BATCHES[1]) {
                keeper.take(worker, events, &mut values[..events.len()]);
                std::hint::black_box(&values);
            }
            let (spent_ns, ended) = ((processor_ns() - begun_ns) as f64, Instant::now());
            let undisturbed = spent_ns >= UNDISTURBED * (ended - begun).as_nanos() as f64;
            slices.push(Slice { begun, ended, events: slice.len(), undisturbed });
        }
        slices
    };
    // All are drawn from, however many are used: two threads must not be minutes apart, or the events of one are late ones.
    let drawn: Vec<Vec<Event>> = streams
        .iter_mut()
        .map(|stream| {
            let mut events = Vec::new();
            stream.fill(&mut events, count);
            events
        })
        .collect();
    let done: Vec<Vec<Slice>> = std::thread::scope(|scope| {
        let work = &work;
        let start = |(worker, events)| scope.spawn(move || work(worker, events));
        let running: Vec<_> = drawn[..threads].iter().map(Vec::as_slice).enumerate().map(start).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut rates = Vec::new();
    for (at, own) in done.iter().enumerate() {
        let others = || done.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, slices)| slices);
        let counts = |slice: &&Slice| slice.undisturbed && others().all(|other| slice.is_covered_by(other));
        rates.extend(own.iter().filter(counts).map(|slice| slice.rate() * done.len() as f64));
    }
    rates
}

impl Slice {
    fn ns(&self) -> f64 {
        (self.ended - self.begun).as_nanos() as f64
    }

    /// Millions of checks a second.
    fn rate(&self) -> f64 {
        self.events as f64 / self.ns() * 1e3
    }

    /// Whether another thread was at work, undisturbed, all the while.
    fn is_covered_by(&self, other: &[Slice]) -> bool {
        let common = |slice: &Slice| {
            slice.ended.min(self.ended).saturating_duration_since(slice.begun.max(self.begun)).as_nanos()
                as f64
        };
        let covered: f64 = other.iter().filter(|slice| slice.undisturbed).map(common).sum();
        covered >= UNDISTURBED * self.ns()
    }
}

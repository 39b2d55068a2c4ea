//! One thread and two on tables that they share: over spread keys, and with a packet that half of all claims are of.

use std::sync::Barrier;
use std::time::Instant;

use super::event::{Event, Skew, Stream, VALUES};
use super::report::Scaling;
use super::system::System;
use super::{Case, Plan};
use crate::machine::processor_ns;
use crate::run::{BATCHES, median};

const SKEWS: [Skew; 3] = [Skew::Zipf, Skew::Claims, Skew::HotPacket];
const THREADS_MAX: usize = 2;

/// Millions of checks a second, of all threads together.
#[derive(Clone, Copy)]
struct Rate {
    /// By the processor time of each thread.
    processor: f64,
    /// By the clock on the wall, from the common start to the last one's end.
    wall: f64,
}

/// Measures each case with each traffic on one thread and on two, in turn.
pub fn run(plan: &Plan, cases: &[Case], count: usize, start_ms: i64) -> Vec<Scaling> {
    let mut streams = SKEWS.map(|skew| [3, 4].map(|seed| Stream::new(plan.accounts, skew, seed, start_ms)));
    let mut rates: Vec<[[Vec<Rate>; THREADS_MAX]; SKEWS.len()]> =
        cases.iter().map(|_| Default::default()).collect();
    for round in 0..=plan.rounds {
        for (skew, streams) in streams.iter_mut().enumerate() {
            for (case, rates) in cases.iter().zip(&mut rates) {
                for threads in 1..=THREADS_MAX {
                    let rate = together(&*case.keeper, &mut streams[..threads], count);
                    if round > 0 {
                        rates[skew][threads - 1].push(rate);
                    }
                }
            }
        }
    }
    let middle = |rates: &[Rate], of: fn(&Rate) -> f64| median(rates.iter().map(of).collect());
    let mut found = Vec::new();
    for (case, rates) in cases.iter().zip(&rates) {
        for (skew, rates) in SKEWS.iter().zip(rates) {
            found.push(Scaling {
                keeper: case.name.clone(),
                traffic: skew.name().to_owned(),
                one: middle(&rates[0], |rate| rate.processor),
                two: middle(&rates[1], |rate| rate.processor),
                one_wall: middle(&rates[0], |rate| rate.wall),
                two_wall: middle(&rates[1], |rate| rate.wall),
            });
        }
    }
    found
}

/// Takes so many events a thread, in batches of 64, all threads from one start.
fn together(keeper: &dyn System, streams: &mut [Stream], count: usize) -> Rate {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let start = Barrier::new(streams.len());
    let work = |worker: usize, events: &[Event]| {
        if let Some(core) = cores.iter().rev().nth(worker) {
            core_affinity::set_for_current(*core);
        }
        let mut values = [[0; VALUES]; BATCHES[1]];
        start.wait();
        let (begun, begun_ns) = (Instant::now(), processor_ns());
        for events in events.chunks(BATCHES[1]) {
            keeper.take(worker, events, &mut values[..events.len()]);
            std::hint::black_box(&values);
        }
        ((processor_ns() - begun_ns) as f64, begun, Instant::now())
    };
    let drawn: Vec<Vec<Event>> = streams
        .iter_mut()
        .map(|stream| {
            let mut events = Vec::new();
            stream.fill(&mut events, count);
            events
        })
        .collect();
    let done: Vec<_> = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = drawn
            .iter()
            .enumerate()
            .map(|(worker, events)| scope.spawn(move || work(worker, events)))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let begun = done.iter().map(|(_, begun, _)| *begun).min();
    let ended = done.iter().map(|(.., ended)| *ended).max();
    let wall_ns = begun.zip(ended).map_or(f64::NAN, |(begun, ended)| (ended - begun).as_nanos() as f64);
    Rate {
        processor: done.iter().map(|(ns, ..)| count as f64 / ns * 1e3).sum(),
        wall: (count * done.len()) as f64 / wall_ns * 1e3,
    }
}

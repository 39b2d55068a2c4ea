//! Tables alone: the four keys of a check, each with one number that is raised and read.

use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use engine::limits::LANES;
use engine::table::{Pins, Shape, Slots};
use papaya::HashMap;

use super::event::{Event, Values};
use super::maps::Hashed;
use super::report::Line;
use super::system::System;
use super::{Case, Plan, beside_each_other, case, fill};

const KEYS: usize = 4;
/// Nothing expires while it is measured.
const EXPIRY_MS: i64 = 30 * 86_400_000;

struct Own {
    tables: Vec<Slots>,
    pins: Pins,
}

impl System for Own {
    fn take(&self, worker: usize, events: &[Event], values: &mut [Values]) {
        for (events, values) in events.chunks(LANES).zip(values.chunks_mut(LANES)) {
            let now_ms = events[0].time_ms;
            let _pin = self.pins.enter(worker, now_ms);
            let mut slots = [[u32::MAX; LANES]; KEYS];
            for (at, table) in self.tables.iter().enumerate() {
                events
                    .iter()
                    .filter(|event| event.keys[at] != 0)
                    .for_each(|e| table.prefetch_heads(e.keys[at]));
            }
            for (at, table) in self.tables.iter().enumerate() {
                for (slot, event) in slots[at].iter_mut().zip(events).filter(|(_, event)| event.keys[at] != 0)
                {
                    *slot = table.likely(event.keys[at], now_ms);
                    table.prefetch_near(*slot);
                }
            }
            for (lane, (event, values)) in events.iter().zip(values).enumerate() {
                for (at, table) in self.tables.iter().enumerate().filter(|(at, _)| event.keys[*at] != 0) {
                    if let Some(found) = table.claim(slots[at][lane], event.keys[at], now_ms, &self.pins) {
                        let word = &table.payload(found.slot).near()[0];
                        values[at] = word.fetch_add(1, Ordering::AcqRel) as i64 + 1;
                    }
                }
            }
        }
    }
}

struct Dash(Vec<DashMap<u64, u64, Hashed>>);

impl System for Dash {
    fn take(&self, _: usize, events: &[Event], values: &mut [Values]) {
        for (event, values) in events.iter().zip(values) {
            for ((map, &key), value) in
                self.0.iter().zip(&event.keys).zip(values).filter(|((_, k), _)| **k != 0)
            {
                let mut number = map.entry(key).or_default();
                *number += 1;
                *value = *number as i64;
            }
        }
    }
}

struct Papaya(Vec<HashMap<u64, AtomicU64, Hashed>>);

impl System for Papaya {
    fn take(&self, _: usize, events: &[Event], values: &mut [Values]) {
        for (event, values) in events.iter().zip(values) {
            for ((map, &key), value) in
                self.0.iter().zip(&event.keys).zip(values).filter(|((_, k), _)| **k != 0)
            {
                let map = map.pin();
                let number = map.get_or_insert_with(key, AtomicU64::default);
                *value = number.fetch_add(1, Ordering::AcqRel) as i64 + 1;
            }
        }
    }
}

/// Fills the tables and measures them in turn.
///
/// # Errors
/// There is no memory for them.
pub fn run(plan: &Plan) -> Result<Vec<Line>, String> {
    let keys = plan.accounts as usize;
    let shape = Shape { near: 1, zeroed: 1, far: 0, renewed: false };
    let tables = (0..KEYS).map(|_| Slots::new(keys, shape, EXPIRY_MS)).collect::<Option<_>>();
    let own = Own { tables: tables.ok_or("no memory for the tables")?, pins: Pins::default() };
    let dash = || DashMap::with_capacity_and_hasher(keys, Hashed::default());
    let papaya = || HashMap::with_capacity_and_hasher(keys, Hashed::default());
    let mut cases: Vec<Case> = vec![
        case("riskd's tables", own),
        case("dashmap", Dash((0..KEYS).map(|_| dash()).collect())),
        case("papaya", Papaya((0..KEYS).map(|_| papaya()).collect())),
    ];
    let start_ms = fill(plan, &cases);
    Ok(beside_each_other(plan, &mut cases, start_ms))
}

//! Tables alone: the four keys of a check, each with one number that is raised and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use engine::limits::LANES;
use engine::table::{Pins, Shape, Slots};
use papaya::HashMap;

use super::event::{Event, Values};
use super::maps::Hashed;
use super::report::Line;
use super::system::System;
use super::tables::with_sought;
use super::{Keepers, OWN, Plan, beside_each_other, fill};

const KEYS: usize = 4;
/// Nothing expires while it is measured.
const EXPIRY_MS: i64 = 30 * 86_400_000;

struct Own {
    tables: Vec<Slots>,
    pins: Arc<Pins>,
}

impl System for Own {
    fn take(&self, worker: usize, events: &[Event], values: &mut [Values]) {
        with_sought(|all| {
            for (events, values) in events.chunks(LANES).zip(values.chunks_mut(LANES)) {
                let (now_ms, lanes) = (events[0].time_ms, events.len());
                let _pin = self.pins.enter(worker, now_ms);
                for (at, (table, sought)) in self.tables.iter().zip(&mut *all).enumerate() {
                    sought.keys.iter_mut().zip(events).for_each(|(key, event)| *key = event.keys[at]);
                    sought.prefetch_heads(table, lanes);
                }
                for (table, sought) in self.tables.iter().zip(&mut *all) {
                    sought.prefetch_near(table, now_ms, lanes);
                }
                for (at, (table, sought)) in self.tables.iter().zip(&mut *all).enumerate() {
                    for (lane, values) in values.iter_mut().enumerate() {
                        if let Some(found) = sought.claim(table, lane, now_ms) {
                            let word = &table.payload(found.slot).near()[0];
                            values[at] = word.fetch_add(1, Ordering::AcqRel) as i64 + 1;
                        }
                    }
                }
            }
        });
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
pub fn run(plan: &Plan, keepers: Keepers<'_>) -> Result<Vec<Line>, String> {
    let (keys, mut cases) = (plan.accounts as usize, Vec::new());
    keepers.add(&mut cases, OWN, || {
        let (pins, shape) = (Arc::default(), Shape { near: 1, zeroed: 1, ..Shape::default() });
        let tables = (0..KEYS).map(|_| Slots::new(keys, shape, EXPIRY_MS, &pins)).collect::<Option<_>>();
        Ok(Own { tables: tables.ok_or("no memory for the tables")?, pins })
    })?;
    keepers.add(&mut cases, "dashmap", || {
        let map = || DashMap::with_capacity_and_hasher(keys, Hashed::default());
        Ok(Dash((0..KEYS).map(|_| map()).collect()))
    })?;
    keepers.add(&mut cases, "papaya", || {
        let map = || HashMap::with_capacity_and_hasher(keys, Hashed::default());
        Ok(Papaya((0..KEYS).map(|_| map()).collect()))
    })?;
    let start_ms = fill(plan, &cases);
    Ok(beside_each_other(plan, &mut cases, start_ms))
}

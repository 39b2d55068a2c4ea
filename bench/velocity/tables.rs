//! riskd's windows: the engine's own tables, laid out and walked as its velocity stage does, apart from the rest of a decision.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use engine::limits::LANES;
use engine::policy::{Aggregate, Policy, Status};
use engine::program::Kinds;
use engine::table::{
    Distinct, Max, Payload, Pins, Recent, Room, Shape, Slots, Sought, Span, Sum, Work, vectorised,
};

use super::event::{Event, KEYS, Values};
use super::system::System;

/// One of the policy's windows and its place in the slot of its key.
struct Laid {
    /// Place of its value.
    at: usize,
    measure: Measure,
    kinds: Kinds,
    near: Range<usize>,
    far: Range<usize>,
    soon: Range<usize>,
    /// Behind the far words of all windows.
    rare: Range<usize>,
    part: usize,
    span: Span,
}

enum Measure {
    Count,
    Paid,
    Largest,
    Accounts,
    Counterparties,
}

struct Group {
    table: Slots,
    windows: Vec<Laid>,
}

thread_local! {
    /// A worker's own memory, as the stage's.
    static SOUGHT: RefCell<[Sought; KEYS]> = RefCell::default();
}

/// Hands the memory to whoever works on this thread.
pub(super) fn with_sought(work: impl FnOnce(&mut [Sought; KEYS])) {
    SOUGHT.with_borrow_mut(work);
}

/// One in so many keys may be busy at a time, as a site would have it; the rest keep to their near words.
const BUSY: usize = 4;

/// A table a key, each with its windows.
pub struct Tables {
    groups: Vec<Group>,
    pins: Arc<Pins>,
}

/// The fields of each key, in the order of [`Event::keys`].
const FIELDS: [&[&str]; KEYS] =
    [&["account"], &["device.id"], &["ip"], &["account", "counterparty"], &["packet"]];

impl Tables {
    /// Tables for so many keys each.
    ///
    /// # Errors
    /// The policy has a window that the bench does not know, or there is no memory.
    pub fn new(policy: &Policy, keys: usize) -> Result<Tables, String> {
        let name = |feature: &engine::feature::FeatureId| policy.features.row(*feature).name.as_str();
        let (mut groups, pins) = (Vec::new(), Arc::default());
        for fields in FIELDS {
            let mut shape = Shape { renewed: true, ..Shape::default() };
            let (mut windows, mut longest_ms) = (Vec::new(), 0);
            for (at, window) in policy.windows.iter().enumerate() {
                if !window.key.iter().map(name).eq(fields.iter().copied()) {
                    continue;
                }
                let exact = usize::from(window.exact);
                let approved = window.status == Status::Approved;
                let (measure, room): (Measure, Room) = match window.aggregate {
                    Aggregate::Count if !approved => (Measure::Count, Recent::room(exact)),
                    Aggregate::Sum(_) => (Measure::Paid, Sum::ROOM),
                    Aggregate::Max(_) => (Measure::Largest, Max::ROOM),
                    Aggregate::Distinct(of) if name(&of) == "account" => {
                        (Measure::Accounts, Distinct::room(exact))
                    }
                    Aggregate::Distinct(_) => (Measure::Counterparties, Distinct::room(exact)),
                    other => return Err(format!("{}: no {other:?} here", name(&window.feature))),
                };
                windows.push(Laid {
                    at,
                    measure,
                    kinds: window.kinds,
                    near: shape.near..shape.near + room.near,
                    far: shape.far..shape.far + room.far,
                    soon: shape.far..shape.far + room.soon,
                    rare: shape.rare..shape.rare + room.rare,
                    part: windows.len(),
                    span: Span::new(window.window_ms),
                });
                shape.near += room.near;
                shape.far += room.far;
                shape.rare += room.rare;
                longest_ms = longest_ms.max(window.window_ms);
            }
            if windows.is_empty() {
                return Err(format!("no window by {}", fields.join(" and ")));
            }
            for Laid { rare, .. } in &mut windows {
                *rare = rare.start + shape.far..rare.end + shape.far;
            }
            shape.zeroed = shape.near;
            // There are fewer packets than people.
            let keys = if fields == ["packet"] { keys.min(1 << 17) } else { keys };
            let table = Slots::new(keys, Shape { busy: Some(keys / BUSY), ..shape }, longest_ms, &pins)
                .ok_or_else(|| format!("no memory for {keys} keys of {}", fields.join(" and ")))?;
            let soon: Vec<_> = windows.iter().map(|window| window.soon.clone()).collect();
            groups.push(Group { table: table.with_soon(&soon), windows });
        }
        Ok(Tables { groups, pins })
    }

    /// Keys held, and keys evicted while their windows were not over.
    pub fn fill(&self) -> (u64, u64) {
        let sum = |count: fn(&Slots) -> u64| self.groups.iter().map(|group| count(&group.table)).sum();
        (sum(Slots::claimed), sum(Slots::live_evictions))
    }

    fn take_lanes(&self, events: &[Event], values: &mut [Values], sought: &mut [Sought; KEYS]) {
        let (now_ms, lanes) = (events.last().map_or(0, |event| event.time_ms), events.len());
        for (at, (group, sought)) in self.groups.iter().zip(&mut *sought).enumerate() {
            sought.keys.iter_mut().zip(events).for_each(|(key, event)| *key = event.keys[at]);
            sought.prefetch_heads(&group.table, lanes);
        }
        for (group, sought) in self.groups.iter().zip(&mut *sought) {
            sought.prefetch_near(&group.table, now_ms, lanes);
        }
        for (group, sought) in self.groups.iter().zip(&*sought) {
            sought.prefetch_far(&group.table, lanes);
        }
        vectorised(Visit { groups: &self.groups, now_ms, events, values, sought });
    }
}

/// Events taken into the windows of their keys.
struct Visit<'a> {
    groups: &'a [Group],
    now_ms: i64,
    events: &'a [Event],
    values: &'a mut [Values],
    sought: &'a mut [Sought; KEYS],
}

impl Work for Visit<'_> {
    #[inline(always)]
    fn run(self) {
        for (group, sought) in self.groups.iter().zip(self.sought) {
            for (lane, (event, values)) in self.events.iter().zip(&mut *self.values).enumerate() {
                let Some(found) = sought.claim(&group.table, lane, self.now_ms) else { continue };
                let payload = group.table.payload(found.slot);
                for window in &group.windows {
                    values[window.at] = window.take(&payload, event);
                }
            }
        }
    }
}

impl Laid {
    #[inline(always)]
    fn take(&self, payload: &Payload<'_>, event: &Event) -> i64 {
        let (near, far) = (&payload.near()[self.near.clone()], payload.part(self.part, self.far.clone()));
        let (takes, time_ms) = (self.kinds.has(event.kind), event.time_ms);
        let distinct = |hash: u64| {
            let rare = payload.part(self.part, self.rare.clone());
            let set = Distinct::new(near, far, rare, &self.span);
            (if takes && hash != 0 { set.add(time_ms, hash) } else { set.count(time_ms) }).value
        };
        match self.measure {
            Measure::Count => {
                let count = Recent::new(near, far, &self.span);
                (if takes { count.add(time_ms) } else { count.value(time_ms) }).value
            }
            Measure::Paid => {
                let sum = Sum::new(near, far, &self.span);
                let reserved = |sum: Sum<'_>| sum.reserve(time_ms, event.amount, i64::MAX);
                if takes { reserved(sum).map_or(0, |reserved| reserved.value) } else { sum.value(time_ms) }
            }
            Measure::Largest => {
                let max = Max::new(near, far, &self.span);
                if takes { max.add(time_ms, event.amount) } else { max.value(time_ms) }
            }
            Measure::Accounts => distinct(event.keys[0]),
            Measure::Counterparties => distinct(event.counterparty),
        }
    }
}

impl System for Tables {
    fn take(&self, worker: usize, events: &[Event], values: &mut [Values]) {
        with_sought(|sought| {
            for (events, values) in events.chunks(LANES).zip(values.chunks_mut(LANES)) {
                let _pin = self.pins.enter(worker, events[0].time_ms);
                self.take_lanes(events, values, sought);
            }
        });
    }
}

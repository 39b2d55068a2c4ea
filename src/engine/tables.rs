//! Everything that checks change: tables of fixed size, shared by all workers, changed by atomics only.
#![expect(clippy::disallowed_types, reason = "locks of reloads, metrics and outcomes; no check takes one")]

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::key::{self, Seed};
use crate::limits::RETENTION_MS;
use crate::lists::{self, Lists};
use crate::profile;
use crate::replay;
use crate::snapshot::Snapshot;
use crate::table::{Ordering, Part, Pins, Shape, Slots, Striped, Word};

/// Bits of a window's tag, which says which window it is over reloads.
pub(crate) const TAG_BITS: u32 = 20;
/// All of them.
pub(crate) const TAG: u32 = (1 << TAG_BITS) - 1;

/// Sizes of the tables, in entries. All memory is taken and touched when the tables are made.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Accounts with a profile.
    pub accounts: usize,
    /// Devices with a profile.
    pub devices: usize,
    /// Keys of each velocity table: one table per key that windows are kept by.
    pub velocity_keys: usize,
    /// Of these, keys that may be busy at a time: a key with more than a few events in a window takes a block of memory in
    /// addition. As many as `velocity_keys` for policies with long windows.
    pub busy_keys: usize,
    /// Entries of all lists together.
    pub list_entries: usize,
    /// Decisions remembered for repeated ids and for outcomes.
    pub decisions: usize,
    /// Secret that identifiers are hashed with.
    pub seed: [u8; 16],
}

impl Default for Sizes {
    /// Room for a small site, about half a gigabyte; a fixed seed, which a daemon replaces by a secret one.
    fn default() -> Self {
        Sizes {
            accounts: 1 << 17,
            devices: 1 << 17,
            velocity_keys: 1 << 16,
            busy_keys: 1 << 16,
            list_entries: 1 << 20,
            decisions: 1 << 17,
            seed: [0; 16],
        }
    }
}

/// Tables that were not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeError {
    /// The system has no memory for so many entries, or they are more than can be counted.
    NoMemory {
        /// Which table.
        table: &'static str,
        /// How many entries were asked for.
        entries: usize,
    },
    /// There is less memory than the tables would take. None of them was touched.
    TooLarge {
        /// The table that takes most.
        table: &'static str,
        /// How many entries were asked for.
        entries: usize,
        /// What it alone takes.
        table_bytes: u64,
        /// What all that were asked for take.
        bytes: u64,
        /// What there is.
        free_bytes: u64,
    },
}

impl std::fmt::Display for SizeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            SizeError::NoMemory { table, entries } => {
                write!(f, "no memory for {entries} entries of {table}: lower tables.{table}")
            }
            SizeError::TooLarge { table, entries, table_bytes, bytes, free_bytes } => {
                let mb = |bytes: u64| bytes.div_ceil(1_000_000);
                write!(
                    f,
                    "the tables take {} MB, {} of them for {entries} entries of {table}, and {} MB are free: lower tables.{table}",
                    mb(bytes),
                    mb(table_bytes),
                    free_bytes / 1_000_000
                )
            }
        }
    }
}

impl std::error::Error for SizeError {}

/// How full a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill<'a> {
    /// Which table.
    pub name: &'a str,
    /// Keys of which something is known that has not expired; of a large table reckoned from a part of it.
    pub entries: u64,
    /// Keys that it is made for. It is built larger than that, so that it holds them wherever their hashes put them.
    pub capacity: u64,
    /// Keys evicted before what was known of them had expired, over all reloads.
    pub evictions: u64,
}

/// The tables.
pub struct Tables {
    /// Lists, changed by whoever makes them durable.
    pub lists: Lists,
    pub(crate) accounts: Slots,
    pub(crate) devices: Slots,
    pub(crate) decisions: Slots,
    pub(crate) pins: Arc<Pins>,
    pub(crate) seed: Seed,
    pub(crate) velocity_keys: usize,
    busy_keys: usize,
    velocity: Mutex<Vec<Weak<Slots>>>,
    /// Of all velocity tables, those that are gone included.
    velocity_evictions: Arc<Striped>,
    /// Keys that accounts, devices and decisions are made for.
    capacity: [usize; 3],
    number: Word,
    tag: Word,
    /// Bytes that velocity tables may take from here on.
    free_bytes: Word,
    /// Outcomes are applied one at a time, apart from the path of checks.
    pub(crate) outcomes: Mutex<()>,
}

/// Bytes that tables take, each by its name and its entries.
pub(crate) struct Bytes(Vec<(&'static str, usize, u64)>);

impl Bytes {
    /// Of the tables that every policy needs.
    pub fn of(sizes: &Sizes) -> Result<Bytes, SizeError> {
        let mut all = Bytes(Vec::new());
        all.add("accounts", sizes.accounts, &profile(profile::ACCOUNT_WORDS))?;
        all.add("devices", sizes.devices, &profile(profile::DEVICE_WORDS))?;
        all.add("decisions", sizes.decisions, &replay::SHAPE)?;
        all.add_lists(sizes.list_entries as u64);
        Ok(all)
    }

    /// Of the velocity tables of these shapes.
    pub fn add_velocity<'s>(
        &mut self,
        (entries, busy_keys): (usize, usize),
        shapes: impl Iterator<Item = &'s Shape>,
    ) -> Result<(), SizeError> {
        let first = self.0.len();
        shapes.into_iter().try_for_each(|shape| {
            let busy = Some(busy_keys).filter(|&busy| busy < entries);
            self.add("velocity_keys", entries, &Shape { busy, ..*shape })
        })?;
        // They have one size in common, and count as one.
        let of_all = self.0.drain(first..).fold(0_u64, |sum, (.., bytes)| sum.saturating_add(bytes));
        self.0.push(("velocity_keys", entries, of_all));
        Ok(())
    }

    fn add_lists(&mut self, entries: u64) {
        self.0.push(("list_entries", entries as usize, entries.saturating_mul(lists::ENTRY_BYTES_MAX)));
    }

    fn add(&mut self, table: &'static str, entries: usize, shape: &Shape) -> Result<(), SizeError> {
        let bytes = Slots::bytes(entries, shape).ok_or(SizeError::NoMemory { table, entries })?;
        self.0.push((table, entries, bytes));
        Ok(())
    }

    /// Whether there is memory for all of them.
    pub fn fit(&self, free_bytes: u64) -> Result<u64, SizeError> {
        let bytes = self.0.iter().fold(0_u64, |sum, (.., bytes)| sum.saturating_add(*bytes));
        match self.0.iter().max_by_key(|(.., bytes)| bytes) {
            Some(&(table, entries, table_bytes)) if bytes > free_bytes => {
                Err(SizeError::TooLarge { table, entries, table_bytes, bytes, free_bytes })
            }
            _ => Ok(bytes),
        }
    }
}

fn profile(near: usize) -> Shape {
    Shape { near, zeroed: near, ..Shape::default() }
}

impl Tables {
    /// Makes the tables and touches their memory, however much that is.
    ///
    /// # Errors
    /// [`SizeError::NoMemory`] naming the table that there is no memory for.
    pub fn new(sizes: &Sizes) -> Result<Tables, SizeError> {
        Tables::within(sizes, u64::MAX)
    }

    /// Makes the tables if they, and the lists when they are full, fit into `free_bytes`; else touches none.
    ///
    /// # Errors
    /// [`SizeError`] naming the table that is to be smaller.
    pub fn within(sizes: &Sizes, free_bytes: u64) -> Result<Tables, SizeError> {
        let taken = Bytes::of(sizes)?.fit(free_bytes)?;
        let seed = Seed::new(sizes.seed);
        let pins = Arc::default();
        let slots = |table, entries, shape, expiry_ms| {
            Slots::new(entries, shape, expiry_ms, &pins).ok_or(SizeError::NoMemory { table, entries })
        };
        Ok(Tables {
            accounts: slots("accounts", sizes.accounts, profile(profile::ACCOUNT_WORDS), profile::EXPIRY_MS)?,
            devices: slots("devices", sizes.devices, profile(profile::DEVICE_WORDS), profile::EXPIRY_MS)?,
            decisions: slots("decisions", sizes.decisions, replay::SHAPE, RETENTION_MS)?,
            lists: Lists::new(sizes.list_entries, seed.clone()),
            pins,
            velocity: Mutex::new(Vec::new()),
            velocity_evictions: Arc::default(),
            capacity: [sizes.accounts, sizes.devices, sizes.decisions],
            velocity_keys: sizes.velocity_keys,
            busy_keys: sizes.busy_keys,
            number: Word::new(1),
            tag: Word::new(0),
            free_bytes: Word::new(free_bytes.saturating_sub(if free_bytes == u64::MAX { 0 } else { taken })),
            outcomes: Mutex::new(()),
            seed,
        })
    }

    /// Tells how much memory there is before a snapshot is built: one whose new velocity tables do not fit, beside lists that
    /// fill up, is refused before any is touched.
    pub fn allow(&self, free_bytes: u64) {
        let lists = self.lists.capacity().saturating_sub(self.lists.len());
        let lists = lists.saturating_mul(lists::ENTRY_BYTES_MAX);
        self.free_bytes.store(free_bytes.saturating_sub(lists), Ordering::Relaxed);
    }

    /// Whether there is memory for velocity tables of these shapes.
    pub(crate) fn fit<'s>(&self, shapes: impl Iterator<Item = &'s Shape>) -> Result<(), SizeError> {
        let mut bytes = Bytes(Vec::new());
        bytes.add_velocity((self.velocity_keys, self.busy_keys), shapes)?;
        bytes.fit(self.free_bytes.load(Ordering::Relaxed)).map(|_| ())
    }

    /// The key that the log knows a check id by.
    pub fn id_key(&self, id: &str) -> u64 {
        key::short(self.seed.text(id))
    }

    /// Numbers decisions from here on; for continuing a log.
    pub fn continue_numbers(&self, next: u64) {
        self.number.fetch_max(next, Ordering::Relaxed);
    }

    /// The first of `count` fresh decision numbers.
    pub(crate) fn take_numbers(&self, count: usize) -> u64 {
        self.number.fetch_add(count as u64, Ordering::Relaxed)
    }

    /// An identity for a new window, in twenty bits: it comes again after a million windows, when nobody remembers the first.
    pub(crate) fn take_tag(&self) -> u32 {
        self.tag.fetch_add(1, Ordering::Relaxed) as u32 & TAG
    }

    /// The tag that the next window gets.
    pub(crate) fn next_tag(&self) -> u32 {
        self.tag.load(Ordering::Relaxed) as u32 & TAG
    }

    /// A new velocity table, listed for [`Tables::fill`] as long as a snapshot holds it.
    pub(crate) fn velocity_table(
        &self,
        shape: Shape,
        soon: &[Range<usize>],
        parts: Vec<Part>,
        expiry_ms: i64,
    ) -> Result<Arc<Slots>, SizeError> {
        let entries = self.velocity_keys;
        let busy = Some(self.busy_keys).filter(|&busy| busy < entries);
        let slots = Slots::new(entries, Shape { busy, ..shape }, expiry_ms, &self.pins)
            .ok_or(SizeError::NoMemory { table: "velocity_keys", entries })?;
        let slots =
            Arc::new(slots.with_soon(soon).with_parts(parts).with_evictions(&self.velocity_evictions));
        let mut velocity = self.velocity.lock().unwrap_or_else(PoisonError::into_inner);
        velocity.retain(|table| table.strong_count() > 0);
        velocity.push(Arc::downgrade(&slots));
        Ok(slots)
    }

    /// Forgets all that was decided with this snapshot, lists apart. For whoever runs one test after another: nobody may be
    /// deciding meanwhile.
    pub fn forget(&self, snapshot: &Snapshot) {
        let windows = snapshot.plan.groups.iter().map(|group| &*group.table);
        [&self.accounts, &self.devices, &self.decisions].into_iter().chain(windows).for_each(Slots::forget);
    }

    /// How full every table is.
    pub fn fill(&self, now_ms: i64) -> Vec<Fill<'static>> {
        let [accounts, devices, decisions] = self.capacity;
        let row = |name: &'static str, slots: &Slots, capacity: usize| Fill {
            name,
            entries: slots.live(now_ms),
            capacity: capacity as u64,
            evictions: slots.live_evictions(),
        };
        let mut rows = vec![
            row("accounts", &self.accounts, accounts),
            row("devices", &self.devices, devices),
            row("decisions", &self.decisions, decisions),
            Fill { name: "lists", entries: self.lists.len(), capacity: self.lists.capacity(), evictions: 0 },
        ];
        let velocity = self.velocity.lock().unwrap_or_else(PoisonError::into_inner);
        let standing: Vec<Arc<Slots>> = velocity.iter().filter_map(Weak::upgrade).collect();
        drop(velocity);
        rows.push(Fill {
            name: "velocity",
            entries: standing.iter().map(|table| table.live(now_ms)).sum(),
            capacity: (standing.len() * self.velocity_keys) as u64,
            evictions: self.velocity_evictions.count(),
        });
        let busy = standing.iter().filter_map(|table| table.live_blocks(now_ms));
        let (entries, capacity) = busy.fold((0, 0), |sum, (taken, count)| (sum.0 + taken, sum.1 + count));
        if capacity > 0 {
            rows.push(Fill { name: "busy", entries, capacity, evictions: 0 });
        }
        rows
    }
}

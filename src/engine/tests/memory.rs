//! An hour of traffic through tables far smaller than the keys that come: nothing is allocated, and the process does not grow.
//!
//! Alone in its process, so that resident memory is the engine's and this file's.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the site has more than this test needs")]
mod site;

use std::fmt::Write as _;

use engine::feature::Builtin;
use engine::policy::{Aggregate, Status};
use engine::program::Kinds;
use engine::{Now, Scratch, Sizes, Snapshot, Tables, decide, outcome};
use site::{Draft, START_MS, snapshot};
use wire::{Check, Kind, OutcomeKind};

const BATCH: usize = 64;
/// Batches before memory is looked at, and after.
const WARM_UP: usize = 2_000;
const MEASURED: usize = 16_000;
/// An hour in all.
const STEP_MS: i64 = 3_600_000 / (WARM_UP + MEASURED) as i64;
/// Accounts that come; the tables hold a tenth.
const ACCOUNTS: u64 = 60_000;

fn policy() -> Draft {
    let mut draft = Draft::new("hour");
    let (attempt, approved) = (Status::Attempt, Status::Approved);
    let amount = Builtin::Amount.id();
    for (name, aggregate, key, status, exact, window_ms) in [
        ("count", Aggregate::Count, Builtin::Account, attempt, 11, 60_000),
        ("long", Aggregate::Count, Builtin::Account, attempt, 65, 3_600_000),
        ("summed", Aggregate::Sum(amount), Builtin::Account, approved, 0, 86_400_000),
        ("claims", Aggregate::Count, Builtin::Packet, approved, 11, 10_000),
        ("devices", Aggregate::Distinct(Builtin::DeviceId.id()), Builtin::Account, attempt, 16, 600_000),
        ("largest", Aggregate::Max(amount), Builtin::DeviceId, attempt, 0, 600_000),
        ("last", Aggregate::Last, Builtin::DeviceId, attempt, 0, 600_000),
        ("first", Aggregate::First, Builtin::DeviceId, attempt, 0, 600_000),
    ] {
        draft.window(name, aggregate, Kind::Claim, key, status, exact);
        let window = draft.policy.windows.last_mut().expect("just added");
        (window.kinds, window.window_ms) = (Kinds::ALL, window_ms);
        if status == approved {
            draft.limit(if name == "summed" { 100_000 } else { 10 });
        }
    }
    draft
}

/// Resident pages of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the system tells");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    // Whatever a page is: only the ratio of two readings matters.
    pages.expect("the second number")
}

struct Hour {
    tables: Tables,
    snapshot: Snapshot,
    scratch: Scratch,
    texts: Vec<[String; 3]>,
    random: u64,
    batches: usize,
    allocations: u64,
}

impl Hour {
    fn next(&mut self) -> u64 {
        // Marsaglia's xorshift (2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// One batch, half of it of a few busy accounts, and outcomes of some of it; counts what the engine allocates.
    fn batch(&mut self) {
        let now_ms = START_MS + self.batches as i64 * STEP_MS;
        let mut texts = std::mem::take(&mut self.texts);
        let mut bits = [0; BATCH];
        for (at, [id, account, device]) in texts.iter_mut().enumerate() {
            bits[at] = self.next();
            let who = if bits[at] & 1 == 0 { bits[at] >> 8 & 0xf } else { (bits[at] >> 8) % ACCOUNTS };
            [&mut *id, &mut *account, &mut *device].into_iter().for_each(String::clear);
            // A hundredth repeats an id.
            let number =
                if bits[at] % 100 == 0 { self.batches * BATCH / 2 } else { self.batches * BATCH + at };
            let written = write!(id, "{number}").and(write!(account, "u{who}"));
            written.and(write!(device, "d{}", who / 2 + bits[at] % 3)).expect("memory for a text");
        }
        let checks = texts.iter().zip(bits).map(|([id, account, device], bits)| {
            let kind = Kind::ALL[(bits >> 3 & 7) as usize];
            let mut check = Check::new(id.as_str(), kind, account.as_str());
            check.device.id = device.as_str().into();
            check.packet = Some(uuid::Uuid::from_u128(1 + u128::from(bits >> 32 & 0xffff)));
            check.amount_minor = Some((bits >> 20 & 0xfff) as i64);
            check.time_ms = Some(now_ms - (bits >> 50 & 0xfff) as i64);
            check
        });
        let checks: Vec<Check<'_>> = checks.collect();
        let mut decisions = Vec::with_capacity(BATCH);
        let Hour { tables, snapshot, scratch, .. } = self;
        let counted = allocation_counter::measure(|| {
            decide(snapshot, tables, Now { ms: now_ms, waited_us: 0 }, &checks, &mut decisions, scratch);
            for check in checks.iter().step_by(9) {
                outcome(snapshot, tables, now_ms, &check.id, OutcomeKind::Failed);
            }
        });
        self.allocations += counted.count_total;
        drop(checks);
        self.texts = texts;
        self.batches += 1;
    }
}

#[test]
fn an_hour_of_traffic_takes_no_memory_beyond_the_tables() {
    let sizes = Sizes {
        accounts: 6_000,
        devices: 6_000,
        velocity_keys: 6_000,
        busy_keys: 1_000,
        list_entries: 1_000,
        decisions: 30_000,
        seed: [7; 16],
    };
    let tables = Tables::new(&sizes).expect("some megabytes");
    let snapshot = snapshot(policy(), &tables, None);
    let texts = (0..BATCH).map(|_| [(); 3].map(|()| String::with_capacity(32))).collect();
    let scratch = Scratch::new(0);
    let mut hour = Hour { tables, snapshot, scratch, texts, random: 1, batches: 0, allocations: 0 };
    (0..WARM_UP).for_each(|_| hour.batch());
    let (before, warm_up) = (resident(), std::mem::take(&mut hour.allocations));
    (0..MEASURED).for_each(|_| hour.batch());
    let after = resident();
    let evictions = |name: &str| {
        hour.tables.fill(START_MS).iter().find(|row| row.name == name).map_or(0, |row| row.evictions)
    };
    assert!(evictions("velocity") > 10_000 && evictions("accounts") > 10_000, "tables were never full");
    assert_eq!(hour.allocations, 0, "allocated by the engine, and {warm_up} in the warm-up");
    assert!(after <= before + before / 50, "{before} pages before, {after} after");
}

//! What the tables take of the system's memory, beside what was said before they were made: at start, with lists filled, and
//! after a reload that changed a window.
//!
//! Alone in its process, so that resident memory is the engine's.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the site has more than this test needs")]
mod site;

use engine::feature::Builtin;
use engine::lists::NEVER_MS;
use engine::policy::{Aggregate, Matching, Policy, Status};
use engine::{Parts, Sizes, Snapshot, Tables};
use site::{Draft, START_MS};
use wire::Kind;

const SIZES: Sizes = Sizes {
    accounts: 100_000,
    devices: 100_000,
    velocity_keys: 60_000,
    busy_keys: 20_000,
    list_entries: 500_000,
    decisions: 100_000,
    seed: [7; 16],
};

/// Windows of every sort over two keys; one of them of that length.
fn policy(window_ms: i64) -> Policy {
    let mut draft = Draft::new(&window_ms.to_string());
    let (attempt, approved) = (Status::Attempt, Status::Approved);
    let (amount, account) = (Builtin::Amount.id(), Builtin::Account);
    let (devices, packet) = (Aggregate::Distinct(Builtin::DeviceId.id()), Builtin::Packet);
    draft.window("count", Aggregate::Count, Kind::Claim, account, attempt, 65);
    draft.window("summed", Aggregate::Sum(amount), Kind::Claim, account, approved, 0);
    draft.window("devices", devices, Kind::Claim, account, attempt, 16);
    draft.window("largest", Aggregate::Max(amount), Kind::Claim, packet, attempt, 0);
    draft.window("claims", Aggregate::Count, Kind::Claim, packet, approved, 11);
    draft.policy.windows.last_mut().expect("just added").window_ms = window_ms;
    draft.policy
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it names them");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

/// Fails unless what is resident beyond `before` is what was said, to two percent.
fn hold(what: &str, before: u64, said: u64) {
    let taken = resident() - before;
    assert!(taken.abs_diff(said) <= said / 50, "{what}: {taken} bytes taken, {said} said");
}

#[test]
fn tables_take_what_was_said_with_full_lists_and_after_a_reload() {
    let build = |policy: Policy, tables: &Tables, standing: Option<&Snapshot>| {
        Snapshot::build(Parts { policy, ..Parts::default() }, tables, standing).expect("within what was said")
    };
    let said = |policy: &Policy, sizes: &Sizes| Snapshot::fits(policy, sizes, u64::MAX).expect("no bound");
    let without_lists = said(&policy(60_000), &Sizes { list_entries: 0, ..SIZES });
    let all = said(&policy(60_000), &SIZES);
    assert!(without_lists > 100_000_000 && all > without_lists, "two percent of it are more than noise");

    let before = resident();
    let tables = Tables::within(&SIZES, all).expect("room");
    let standing = build(policy(60_000), &tables, None);
    hold("at start", before, without_lists);

    let list = tables.lists.handle("bad", Matching::Exact, wire::Form::Identifier).expect("room");
    for n in 0..SIZES.list_entries {
        let key = tables.lists.key(&list, &format!("k{n}")).expect("a key");
        tables.lists.put(&list, key, NEVER_MS, START_MS).expect("as many as there is room for");
    }
    while !tables.lists.free_retired() {}
    let filled = resident() - before;
    assert!(filled <= all + all / 50, "{filled} bytes taken, {all} said with full lists");

    // The window that changed lies in a table of its own, beside all that stands.
    let mut own = policy(61_000);
    own.windows.retain(|window| window.window_ms == 61_000);
    let table = said(&own, &SIZES) - said(&Policy::default(), &SIZES);
    tables.allow(table);
    let before = resident();
    let next = build(policy(61_000), &tables, Some(&standing));
    drop(standing);
    hold("by a reload", before, table);
    let (before, first) = (resident(), said(&policy(60_000), &SIZES) - said(&Policy::default(), &SIZES));
    drop(next);
    assert!(before - resident() >= first, "what nobody holds is given back");
}

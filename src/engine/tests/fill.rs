//! What operators are told of the tables: how much of them is in use, and what was forgotten before its time.

mod site;

use engine::feature::Builtin;
use engine::policy::{Aggregate, Status, Tier};
use engine::{Fill, Scratch, Sizes, Snapshot, Tables};
use site::{Draft, START_MS, ask, claim, small, snapshot};
use wire::{Kind, Verdict};

fn row(tables: &Tables, name: &str, after_ms: i64) -> Fill<'static> {
    tables.fill(START_MS + after_ms).into_iter().find(|row| row.name == name).expect("a row")
}

/// A minute's claims of each account, and those that were allowed.
fn draft(feature: &str) -> Draft {
    let mut draft = Draft::new(feature);
    let claims = draft.window(feature, Aggregate::Count, Kind::Claim, Builtin::Account, Status::Attempt, 5);
    draft.rule("many", Tier::Deny, Verdict::Deny, claims, 1_000);
    let taken = format!("{feature}_taken");
    draft.window(&taken, Aggregate::Count, Kind::Claim, Builtin::Account, Status::Approved, 5);
    draft.limit(1_000);
    draft
}

/// So many accounts, each with one claim, twenty milliseconds apart.
fn claims(snapshot: &Snapshot, tables: &Tables, accounts: i64, after_ms: i64) {
    let mut scratch = Scratch::new(0);
    for n in 0..accounts {
        let id = format!("{after_ms}-{n}");
        ask(snapshot, tables, after_ms + 20 * n, &[claim(&id, &id, 1)], &mut scratch);
    }
}

#[test]
fn what_has_expired_fills_no_table() {
    let tables = site::tables();
    let snapshot = snapshot(draft("claims"), &tables, None);
    claims(&snapshot, &tables, 500, 0);
    for (name, capacity) in [("velocity", 2_000), ("decisions", 4_000), ("accounts", 2_000)] {
        let row = row(&tables, name, 10_000);
        assert_eq!((row.entries, row.capacity), (500, capacity), "{name}");
    }
    claims(&snapshot, &tables, 20, 600_000);
    assert_eq!(row(&tables, "decisions", 600_000).entries, 20, "a minute's");
    assert_eq!(
        row(&tables, "velocity", 600_000).entries,
        20,
        "those of the window and of what may come late"
    );
    assert_eq!(row(&tables, "accounts", 600_000).entries, 520, "profiles last");
}

#[test]
fn keys_that_are_no_longer_busy_fill_no_blocks() {
    let tables = Tables::new(&Sizes { busy_keys: 100, ..small() }).expect("a few megabytes");
    let snapshot = snapshot(draft("claims"), &tables, None);
    for round in 0..20 {
        for n in 0..30 {
            let (id, account) = (format!("{round}-{n}"), format!("u{n}"));
            ask(&snapshot, &tables, 100 * round, &[claim(&id, &account, 1)], &mut Scratch::new(0));
        }
    }
    let busy = row(&tables, "busy", 2_000);
    assert_eq!((busy.entries, busy.capacity), (30, 100));
    assert_eq!(row(&tables, "busy", 600_000).entries, 0);
}

#[test]
fn evictions_go_on_being_counted_when_a_reload_drops_the_tables_that_they_were_of() {
    let tables = Tables::new(&Sizes { velocity_keys: 16, busy_keys: 16, ..small() }).expect("small");
    let evictions = || row(&tables, "velocity", 0).evictions;
    let first = snapshot(draft("first"), &tables, None);
    claims(&first, &tables, 600, 0);
    let before = evictions();
    assert!(before > 500, "{before}");
    let second = snapshot(draft("second"), &tables, Some(&first));
    drop(first);
    assert_eq!(evictions(), before, "nothing is un-forgotten");
    claims(&second, &tables, 100, 20_000);
    assert!(evictions() > before + 50, "{} after {before}", evictions());
}

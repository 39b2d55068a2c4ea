//! The engine as a library, without a server: `cargo run -p engine --example embedded`.
#![expect(clippy::disallowed_macros, reason = "an embedder may print; the engine does not")]

use engine::feature::{Builtin, Feature, Scalar, Type};
use engine::policy::{Absent, Aggregate, Limit, Mode, Policy, ReasonText, Status, Window};
use engine::program::Kinds;
use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use wire::{Check, Kind, Verdict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A policy is plain data; the `policy` crate makes it from rule files, this one is made by hand: three claims a minute.
    let mut policy = Policy { version: "by-hand".to_owned(), ..Policy::default() };
    let name = "claims_by_account_1m".to_owned();
    let row = Feature {
        name,
        ty: Type::Int,
        missing: Scalar::Int(0),
        doc: "approved claims in a minute".to_owned(),
    };
    let feature = policy.features.push(row).ok_or("the feature table is full")?;
    policy.windows.push(Window {
        currency: None,
        feature,
        aggregate: Aggregate::Count,
        kinds: Kinds::of(&[Kind::Claim]),
        key: vec![Builtin::Account.id()],
        window_ms: 60_000,
        status: Status::Approved,
        exact: 4,
        release_after_ms: None,
    });
    let text = |text: &str| text.to_owned();
    let reason = ReasonText {
        code: text("L1"),
        rule: text("three-a-minute"),
        text: text("too many claims"),
        ..ReasonText::default()
    };
    policy.limits.push(Limit {
        window: 0,
        max: 3,
        when: None,
        on_error: Default::default(),
        verdict: Verdict::Deny,
        challenge: None,
        mode: Mode::Live,
        absent: Absent::Deny,
        reason,
    });

    let small = 1_000;
    let sizes = Sizes {
        accounts: small,
        devices: small,
        velocity_keys: small,
        busy_keys: small,
        list_entries: small,
        decisions: small,
        seed: [1; 16],
    };
    let tables = Tables::new(&sizes)?;
    let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, &tables, None)?;
    let (mut scratch, mut decisions) = (Scratch::new(0), Vec::new());
    for n in 0..5 {
        let id = format!("claim-{n}");
        let now = Now { ms: 1_767_607_200_000 + n, waited_us: 0 };
        decide(
            &snapshot,
            &tables,
            now,
            &[Check::new(id.as_str(), Kind::Claim, "u1")],
            &mut decisions,
            &mut scratch,
        );
        let reasons: Vec<&str> = snapshot.reasons(&decisions[0]).map(|reason| reason.text).collect();
        println!("{id}: {} {reasons:?}", decisions[0].verdict);
    }
    Ok(())
}

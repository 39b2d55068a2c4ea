//! The engine's lanes against the scalar machine, over random conditions and batches of random events.

mod expressions;

use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use expressions::{Given, NOW_MS, config, given, stated, truth};
use policy::eval::{Value, evaluate};
use proptest::prelude::*;
use wire::{Check, ExtValue, Kind, Verdict};

/// Events of three kinds in turn; the rule looks at the first two.
fn kind(at: usize) -> Kind {
    [Kind::Pay, Kind::Claim, Kind::Login][at % 3]
}

/// The event that carries those values.
fn check(at: usize, given: &Given) -> Check<'static> {
    // The engine knows no event without an account: an empty one stands for itself here and is only ever a text.
    let mut check = Check::new(format!("id-{at}"), kind(at), given.account.clone());
    check.kyc = Some(given.kyc as u8);
    check.amount_minor = Some(given.amount_minor);
    check.time_ms = Some(given.time_ms);
    check.device.rooted = given.rooted;
    check.ext = vec![
        ("wide".into(), ExtValue::Int(given.wide)),
        ("ratio".into(), ExtValue::Double(given.ratio)),
        ("gold".into(), ExtValue::Bool(given.gold)),
    ];
    check
}

/// The same condition over the fields of an event.
fn over_fields(expression: &str) -> String {
    let names =
        [("wide", "ext.wide"), ("ratio", "ext.ratio"), ("gold", "ext.gold"), ("rooted", "device.rooted")];
    names.iter().fold(expression.to_owned(), |text, (name, field)| text.replace(name, field))
}

fn decided(expression: &str, events: &[Given]) -> Option<Vec<Verdict>> {
    let file = format!(
        "schema: {{ wide: {{ type: int }}, ratio: {{ type: double }}, gold: {{ type: bool }} }}\n\
         rules:\n- id: r\n  tier: deny\n  on: [pay, claim]\n  reason: {{ code: R1, text: t }}\n  when: >-\n    {}\n",
        over_fields(expression)
    );
    let policy = policy::compile_sources(&[("r.yaml", &file)]).bundle?.policy;
    let sizes = Sizes {
        accounts: 64,
        devices: 64,
        velocity_keys: 64,
        busy_keys: 64,
        list_entries: 64,
        decisions: 64,
        seed: [1; 16],
    };
    let tables = Tables::new(&sizes).unwrap();
    let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, &tables, None).unwrap();
    let checks: Vec<Check<'_>> = events.iter().enumerate().map(|(at, given)| check(at, given)).collect();
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    decide(&snapshot, &tables, Now { ms: NOW_MS, waited_us: 0 }, &checks, &mut decisions, &mut scratch);
    Some(decisions.iter().map(|decision| decision.verdict).collect())
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_batch_decides_as_the_scalar_machine_does_event_by_event(
        expression in truth(),
        events in prop::collection::vec(given(), 1..9),
    ) {
        // None where the compiler refuses the condition; the other differential test says when it may.
        if let Some(verdicts) = decided(&expression, &events) {
            for (at, (verdict, given)) in verdicts.iter().zip(&events).enumerate() {
                let holds = evaluate(&expression, &stated(given), None).ok() == Some(Value::Bool(true));
                let expected = if holds && kind(at) != Kind::Login { Verdict::Deny } else { Verdict::Allow };
                prop_assert_eq!(*verdict, expected, "{} for {:?}", expression, given);
            }
        }
    }
}

//! Tenants: what one of them has otherwise changes its own answers, exactly as a policy written for it alone would.

use engine::{Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use wire::{Check, ExtValue, Kind, Value, Verdict};

const SHARED: &str = "
schema: { brand: { type: text } }
settings: { tenant: ext.brand }
lists: { bad: { on: account, action: deny } }
features: { pays: { count: pay, by: account, window: 1h } }
values: { cap: 200.00, many: 3, word: \"cash\", strict: false }
tenants:
  corporate: { values: { cap: 2000, many: 40, word: \"loan\", strict: true } }
  trial: { rules: { over-cap: shadow, often: off, spare: live, \"list:bad\": off } }
rules:
  - { id: over-cap, tier: deny, when: amount > cap, reason: { code: R1, text: t } }
  - { id: often, tier: review, when: pays >= many, reason: { code: R2, text: t } }
  - { id: words, tier: review, when: 'text.contains(word) || strict && device.rooted', reason: { code: R3, text: t } }
  - { id: spare, tier: deny, mode: off, when: kyc == 3, reason: { code: R4, text: t } }
";

fn snapshot(tables: &Tables) -> Snapshot {
    let compiled = policy::compile_sources(&[("t.yaml", SHARED)]);
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.render(false));
    let policy = compiled.bundle.unwrap().policy;
    Snapshot::build(Parts { policy, ..Parts::default() }, tables, None).unwrap()
}

fn tables() -> Tables {
    let sizes = Sizes {
        accounts: 256,
        devices: 256,
        velocity_keys: 256,
        busy_keys: 256,
        list_entries: 64,
        decisions: 256,
        seed: [1; 16],
    };
    Tables::new(&sizes).unwrap()
}

/// One check of each tenant in one batch: corporate, trial, one that nobody speaks of, none.
fn decided(change: impl Fn(&mut Check<'static>)) -> (Snapshot, Vec<Decision>) {
    let tables = tables();
    let snapshot = snapshot(&tables);
    let check = |(at, brand): (usize, &&'static str)| {
        let mut check = Check::new(format!("id-{at}"), Kind::Pay, format!("account-{at}"));
        if !brand.is_empty() {
            check.ext.push(("brand".into(), ExtValue::Text((*brand).into())));
        }
        change(&mut check);
        check
    };
    let checks: Vec<_> = ["corporate", "trial", "another", ""].iter().enumerate().map(check).collect();
    let mut decisions = Vec::new();
    let now = Now { ms: 1_767_607_200_000, waited_us: 0 };
    decide(&snapshot, &tables, now, &checks, &mut decisions, &mut Scratch::new(0));
    (snapshot, decisions)
}

fn verdicts(change: impl Fn(&mut Check<'static>)) -> Vec<Verdict> {
    decided(change).1.iter().map(|decision| decision.verdict).collect()
}

#[test]
fn a_tenants_value_stands_in_its_conditions_to_the_cent_and_in_its_reasons() {
    use Verdict::{Allow, Deny};
    assert_eq!(verdicts(|check| check.amount_minor = Some(20_000)), [Allow; 4]);
    assert_eq!(verdicts(|check| check.amount_minor = Some(20_001)), [Allow, Allow, Deny, Deny]);
    let (snapshot, decisions) = decided(|check| check.amount_minor = Some(200_001));
    let thresholds: Vec<_> = decisions
        .iter()
        .map(|decision| snapshot.reasons(decision).next().map(|reason| reason.threshold))
        .collect();
    let own = Some(Value::Money(200_000));
    let shared = Some(Value::Money(20_000));
    assert_eq!(thresholds, [own, None, shared, shared]);
    let exact: Vec<u16> = snapshot.policy().windows.iter().map(|window| window.exact).collect();
    assert_eq!(exact, [41], "the window is exact for the tenant that asks most");
}

#[test]
fn texts_and_truths_are_values_too() {
    use Verdict::{Allow, Review};
    assert_eq!(verdicts(|check| check.text = "cash".into()), [Allow, Review, Review, Review]);
    assert_eq!(verdicts(|check| check.text = "loan".into()), [Review, Allow, Allow, Allow]);
    assert_eq!(verdicts(|check| check.device.rooted = true), [Review, Allow, Allow, Allow]);
}

#[test]
fn a_tenant_switches_rules_on_and_off_for_itself() {
    use Verdict::{Allow, Deny};
    assert_eq!(verdicts(|check| check.kyc = Some(3)), [Allow, Deny, Allow, Allow]);
    let rules: Vec<_> = {
        let tables = tables();
        let snapshot = snapshot(&tables);
        let modes =
            |rule: &engine::policy::Rule| rule.variants.iter().map(|v| (v.tenant.clone(), v.mode)).collect();
        snapshot.policy().rules.iter().map(modes).collect::<Vec<Vec<_>>>()
    };
    use engine::policy::Mode::{Live, Off, Shadow};
    let of = |tenant: &str, mode| (tenant.to_owned(), mode);
    assert_eq!(rules[0], [of("trial", Off)]);
    assert_eq!(rules[1], [of("corporate", Live), of("trial", Shadow)]);
    assert_eq!(rules[4], [of("trial", Live)]);
}

#[test]
fn a_shadow_match_quotes_the_value_of_the_checks_own_tenant() {
    let text = "
settings: { tenant: channel }
values: { cap: 200.00 }
tenants: { trial: { values: { cap: 50 }, rules: { over-cap: shadow } } }
rules: [{ id: over-cap, tier: deny, when: amount > cap, reason: { code: R1, text: t } }]
";
    let tables = tables();
    let policy = policy::compile_sources(&[("t.yaml", text)]).bundle.unwrap().policy;
    let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, &tables, None).unwrap();
    let mut check = Check::new("a", Kind::Pay, "u");
    (check.channel, check.amount_minor) = ("trial".into(), Some(30_000));
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    let now = Now { ms: 1_767_607_200_000, waited_us: 0 };
    decide(&snapshot, &tables, now, &[check], &mut decisions, &mut scratch);
    assert_eq!(decisions[0].verdict, Verdict::Allow);
    let (_, _, record) = scratch.records().next().unwrap();
    let hit = engine::record::Record::decode(record).unwrap().hits[0];
    assert_eq!((hit.shadow, hit.value, hit.threshold), (true, Value::Money(30_000), Value::Money(5_000)));
}

//! Amounts of several currencies: never added together, each in its own decimals, and none of a currency that nobody named.

use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use policy::testing;
use proptest::prelude::*;
use wire::{Check, Kind, Verdict, currency};

/// Limits of a hundred of each, once by a feature for each and once by a key that the currency is part of.
const POLICY: &str = "
settings: { currencies: [CNY, USD, JPY, KWD] }
features:
  paid_cny_1d: { sum: amount, on: pay, by: account, window: 1d, currency: CNY }
  paid_1d: { sum: amount, on: pay, by: [account, currency], window: 1d }
  largest_1d: { max: amount, on: pay, by: [account, currency], window: 1d, for: model }
limits:
  - { id: cny, feature: paid_cny_1d, max: 100.00, reason: { code: L1, text: t } }
  - { id: usd, feature: paid_1d, currency: USD, max: 100.00, reason: { code: L2, text: t } }
  - { id: jpy, feature: paid_1d, currency: JPY, max: 100, reason: { code: L3, text: t } }
  - { id: kwd, feature: paid_1d, currency: KWD, max: 99.995, reason: { code: L4, text: t } }
rules:
  - { id: large-jpy, tier: review, on: transfer, when: 'currency == \"JPY\" && amount > 5000', reason: { code: R1, text: t } }
  - { id: large-kwd, tier: review, on: transfer, when: 'currency == \"KWD\" && amount > 5.001', reason: { code: R2, text: t } }
  - { id: large-cny, tier: review, on: transfer, when: 'currency == \"CNY\" && amount + 0.29 > 5.29', reason: { code: R3, text: t } }
tests:
  - name: yen and dollars do not meet
    events:
      - { at: 0s, kind: pay, account: a, amount: 99, currency: JPY, expect: allow }
      - { at: 1s, kind: pay, account: a, amount: 1.50, currency: USD, expect: allow }
      - { at: 2s, kind: pay, account: a, amount: 98.50, currency: USD, expect: allow }
      - { at: 3s, kind: pay, account: a, amount: 2, currency: JPY, expect: { verdict: deny, rules: [jpy], not: [usd, cny, kwd] } }
      - { at: 4s, kind: pay, account: a, amount: 0.01, currency: USD, expect: { verdict: deny, rules: [usd], not: [jpy] } }
      - { at: 5s, kind: pay, account: a, amount: 100.00, expect: allow }
      - { at: 6s, kind: pay, account: a, amount: 0.01, expect: { verdict: deny, rules: [cny] } }
      - { at: 7s, kind: pay, account: a, amount: 1, currency: JPY, expect: allow }
      - { at: 8s, kind: pay, account: a, amount: 99.995, currency: KWD, expect: allow }
      - { at: 9s, kind: pay, account: a, amount: 0.001, currency: KWD, expect: { verdict: deny, rules: [kwd] } }
  - { name: at five thousand yen, given: { kind: transfer, amount: 5000, currency: JPY }, expect: { verdict: allow, not: [large-jpy] } }
  - { name: beyond it, given: { kind: transfer, amount: 5001, currency: JPY }, expect: { verdict: review, rules: [large-jpy] } }
  - { name: at five dinars, given: { kind: transfer, amount: 5.001, currency: KWD }, expect: { verdict: allow, not: [large-kwd] } }
  - { name: a fils beyond, given: { kind: transfer, amount: 5.002, currency: KWD }, expect: { verdict: review, rules: [large-kwd] } }
  - { name: at five yuan, given: { kind: transfer, amount: 5.00 }, expect: { verdict: allow, not: [large-cny] } }
  - { name: a fen beyond, given: { kind: transfer, amount: 5.01 }, expect: { verdict: review, rules: [large-cny] } }
";

fn snapshot(text: &str) -> (Snapshot, Tables) {
    let compiled = policy::compile_sources(&[("c.yaml", text)]);
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.render(false));
    let bundle = compiled.bundle.unwrap();
    assert_eq!(testing::failures(&bundle), []);
    let (keys, entries) = (4_096, 64);
    let sizes = Sizes {
        accounts: keys,
        devices: keys,
        velocity_keys: keys,
        busy_keys: keys,
        list_entries: entries,
        decisions: keys,
        seed: [1; 16],
    };
    let tables = Tables::new(&sizes).unwrap();
    (Snapshot::build(Parts { policy: bundle.policy, ..Parts::default() }, &tables, None).unwrap(), tables)
}

fn pay(id: String, account: &str, code: [u8; 3], minor: i64) -> Check<'static> {
    let mut check = Check::new(id, Kind::Pay, account.to_owned());
    (check.amount_minor, check.currency) = (Some(minor), code);
    check
}

#[test]
fn the_tests_of_the_file_hold() {
    snapshot(POLICY);
}

/// Currencies of the policy, their limits in their own minor units.
const LIMITS: [([u8; 3], i64); 4] = [(*b"CNY", 10_000), (*b"USD", 10_000), (*b"JPY", 100), (*b"KWD", 99_995)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each limit is that of a ledger which knows one currency only, whatever is paid in the others and however it is batched.
    #[test]
    fn each_currency_has_its_limit_to_itself(
        payments in prop::collection::vec((0..4_usize, 1..40_i64, 0..3_usize), 1..120),
        batch in 1..9_usize,
    ) {
        let (snapshot, tables) = snapshot(POLICY);
        let (mut scratch, mut decisions) = (Scratch::new(0), Vec::new());
        let mut ledger = std::collections::HashMap::new();
        let payments: Vec<_> = payments.into_iter().map(|(of, share, account)| {
            let (code, max) = LIMITS[of];
            (code, max, (max * share / 100).max(1), ["a", "b", "c"][account])
        }).collect();
        for (at, chunk) in payments.chunks(batch).enumerate() {
            // Of one account and currency one payment a batch: within a batch others are in flight.
            let mut seen = std::collections::HashSet::new();
            let chunk: Vec<_> = chunk.iter().filter(|(code, .., account)| seen.insert((*code, *account))).collect();
            let checks: Vec<_> = chunk.iter().enumerate()
                .map(|(place, (code, _, minor, account))| pay(format!("{at}-{place}"), account, *code, *minor))
                .collect();
            let now = Now { ms: 1_767_607_200_000 + at as i64 * 1_000, waited_us: 0 };
            decide(&snapshot, &tables, now, &checks, &mut decisions, &mut scratch);
            for ((code, max, minor, account), decision) in chunk.into_iter().zip(&decisions) {
                let paid: &mut i64 = ledger.entry((*code, *account)).or_default();
                let fits = *paid + minor <= *max;
                *paid += if fits { *minor } else { 0 };
                let expected = if fits { Verdict::Allow } else { Verdict::Deny };
                prop_assert_eq!(decision.verdict, expected, "{} {}", currency::text(code), minor);
            }
        }
    }
}

#[test]
fn an_amount_of_a_currency_that_nobody_named_is_refused_and_never_added() {
    for (settings, known) in [
        ("", &["CNY"][..]),
        ("settings: { currencies: USD }\n", &["USD"]),
        ("settings: { currencies: [JPY, CNY] }\n", &["JPY", "CNY"]),
    ] {
        let code = known[0];
        let text = format!(
            "{settings}features: {{ paid: {{ sum: amount, on: pay, by: account, window: 1d, currency: {code} }} }}\nlimits: [{{ id: l, feature: paid, max: 5, reason: {{ code: L1, text: t }} }}]\n"
        );
        let (snapshot, tables) = snapshot(&text);
        let (mut scratch, mut decisions) = (Scratch::new(0), Vec::new());
        for other in ["CNY", "USD", "JPY", "KWD", "EUR"] {
            let of: [u8; 3] = other.as_bytes().try_into().unwrap();
            let check = pay(format!("{code}-{other}"), "u", of, 1);
            let admitted = snapshot.admit(&check);
            assert_eq!(admitted.is_ok(), known.contains(&other), "{other} where {known:?} are known");
            if let Err(fault) = admitted {
                assert_eq!(fault.field, "currency");
                assert!(fault.message.contains(other) && fault.message.contains(code), "{}", fault.message);
                // An embedder who asks nobody gets it as an event without an amount.
                decide(
                    &snapshot,
                    &tables,
                    Now { ms: 1_767_607_200_000, waited_us: 0 },
                    &[check],
                    &mut decisions,
                    &mut scratch,
                );
                assert!(!scratch.is_present(engine::feature::Builtin::Amount.id(), 0));
            }
            let mut bare = Check::new("bare", Kind::Login, "u");
            bare.currency = of;
            assert!(snapshot.admit(&bare).is_ok(), "there is nothing to add");
        }
    }
}

#[test]
fn profiles_are_of_the_first_currency() {
    let (snapshot, tables) = snapshot("settings: { currencies: [CNY, JPY] }\n");
    let (mut scratch, mut decisions) = (Scratch::new(0), Vec::new());
    let mut mean = |n: i64, code: [u8; 3], minor: i64| {
        let now = Now { ms: 1_767_607_200_000 + n * 1_000, waited_us: 0 };
        let check = pay(format!("{n}"), "u", code, minor);
        decide(&snapshot, &tables, now, &[check], &mut decisions, &mut scratch);
        let value = |of: engine::feature::Builtin| scratch.value(of.id(), 0);
        (value(engine::feature::Builtin::AmountMean), value(engine::feature::Builtin::AmountRatio))
    };
    for n in 0..4 {
        mean(2 * n, *b"CNY", 500);
        mean(2 * n + 1, *b"JPY", 1_000_000);
    }
    use engine::feature::Scalar;
    assert_eq!(mean(20, *b"CNY", 1_000), (Scalar::Money(500), Scalar::Double(2.0)));
    assert_eq!(mean(21, *b"JPY", 1_000), (Scalar::Money(0), Scalar::Double(1.0)), "of yen nothing is known");
}

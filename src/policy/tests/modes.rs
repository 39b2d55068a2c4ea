//! What a file's own tests see of rules that do not act.

#[test]
fn a_rule_has_the_same_tests_in_shadow_off_and_live_and_the_tests_of_others_do_not_see_it() {
    let text = "
features:
  claims: { count: claim, by: account, window: 10m }
rules:
  - { id: many, tier: deny, on: claim, when: claims >= 2, MODE, reason: { code: R1, text: t } }
  - { id: large, tier: review, on: claim, when: amount > 5.00, reason: { code: R2, text: t } }
tests:
  - name: of the rule itself
    given: { kind: claim, amount: 9.00, claims: 2 }
    expect: { verdict: deny, rules: [many, large] }
  - name: of the rule itself, in a row
    events:
      - { at: 0s, kind: claim, account: a, amount: 1.00, expect: { verdict: allow, not: [many] } }
      - { at: 1s, kind: claim, account: a, amount: 1.00, expect: deny }
  - name: of another
    given: { kind: claim, amount: 9.00, claims: 2 }
    expect: { verdict: VERDICT, rules: [large] }
";
    for (mode, verdict) in
        [("mode: live", "deny"), ("mode: shadow", "review"), ("mode: off", "review"), ("sample: 1", "review")]
    {
        let text = text.replace("MODE", mode).replace("VERDICT", verdict);
        let compiled = policy::compile_sources(&[("t.yaml", &text)]);
        let failures = policy::testing::failures(compiled.bundle.as_ref().unwrap());
        assert!(failures.is_empty(), "{mode}: {failures:?}");
    }
}

/// The failures of a file whose limit and breaker have that mode.
fn failures(text: &str) -> Vec<policy::testing::Failure> {
    let compiled = policy::compile_sources(&[("t.yaml", text)]);
    policy::testing::failures(
        compiled.bundle.as_ref().unwrap_or_else(|| panic!("{}", compiled.render(false))),
    )
}

#[test]
fn a_limit_and_a_breaker_have_the_same_tests_in_shadow_off_and_live() {
    let text = "
features:
  paid: { sum: amount, on: pay, by: account, window: 1d, status: approved }
  shares: { count: claim, by: packet, window: 1h, status: approved }
limits:
  - { id: daily, feature: paid, max: 10.00, when: kyc < 3, MODE, reason: { code: L1, text: t } }
  - { id: two, feature: shares, max: 2, MODE, reason: { code: L2, text: t } }
breakers:
  - { id: surge, by: account, on: withdraw, when: amount > 5.00, open: 1m, half_open: 1m, trials: 1, MODE, reason: { code: L3, text: t } }
tests:
  - name: of the limit
    events:
      - { at: 0s, kind: pay, account: a, amount: 10.00, expect: { verdict: allow, not: [daily] } }
      - { at: 1s, kind: pay, account: a, amount: 0.01, expect: { verdict: deny, rules: [daily] } }
  - name: of the limit whose count is exact
    events:
      - { at: 0s, kind: claim, packet: p, account: a }
      - { at: 1m, kind: claim, packet: p, account: b }
      - { at: 60m, kind: claim, packet: p, account: c, expect: { verdict: allow, not: [two] } }
      - { at: 60m, kind: claim, packet: p, account: d, expect: { rules: [two] } }
  - name: of the breaker
    events:
      - { at: 0s, kind: withdraw, account: a, amount: 5.01, expect: { verdict: deny, rules: [surge] } }
      - { at: 1s, kind: withdraw, account: a, amount: 0.01, expect: { rules: [surge] } }
      - { at: 61s, kind: withdraw, account: a, amount: 0.01, expect: { verdict: allow, not: [surge] } }
  - name: of none of them
    events:
      - { at: 0s, kind: withdraw, account: a, amount: 5.01, expect: VERDICT }
";
    for (mode, verdict) in [("mode: live", "deny"), ("mode: shadow", "allow"), ("mode: off", "allow")] {
        let failures = failures(&text.replace("MODE", mode).replace("VERDICT", verdict));
        assert!(failures.is_empty(), "{mode}: {failures:?}");
    }
}

#[test]
fn a_test_sees_the_rule_that_it_names_act_for_tenants_too_and_not_for_one_that_is_spared() {
    let text = "
schema: { brand: { type: text } }
settings: { tenant: ext.brand }
tenants:
  trial: { rules: { large: shadow } }
  spared: { rules: { large: off } }
rules:
  - { id: large, tier: deny, when: amount > 5.00, MODE, reason: { code: R1, text: t } }
tests:
  - { name: for all, given: { kind: pay, amount: 9.00 }, expect: { rules: [large] } }
  - { name: on trial, given: { kind: pay, amount: 9.00, ext.brand: trial }, expect: { rules: [large] } }
  - { name: spared, given: { kind: pay, amount: 9.00, ext.brand: spared }, expect: { not: [large] } }
  - { name: unnamed, given: { kind: pay, amount: 9.00, ext.brand: trial }, expect: allow }
";
    for mode in ["mode: live", "mode: shadow", "sample: 1"] {
        let failures = failures(&text.replace("MODE", mode));
        assert!(failures.is_empty(), "{mode}: {failures:?}");
    }
}

#[test]
fn a_test_sees_every_match_however_many_there_are() {
    let rule = |n: usize| {
        format!(
            "  - {{ id: r{n}, tier: review, when: amount > {n}.00, reason: {{ code: R{n}, text: t }} }}\n"
        )
    };
    let rules: String = (0..40).map(rule).collect();
    let given = "given: { kind: pay, amount: 30.00 }";
    let text = format!(
        "rules:\n{rules}tests:\n  - {{ name: a, {given}, expect: {{ rules: [r8, r16, r29], not: [r30, r39] }} }}\n  \
         - {{ name: b, {given}, expect: {{ not: [r29] }} }}\n"
    );
    let failures = failures(&text);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0].matched.len(), 30, "all are told: {failures:?}");
    assert_eq!(failures[0].matched[..2], ["r0", "r1"]);
}

#[test]
fn no_test_sees_what_an_earlier_one_did() {
    let text = "
features: { pays: { count: pay, by: account, window: 30d } }
lists: { bad: { on: account, action: deny } }
rules:
  - { id: second, tier: review, when: pays >= 2, reason: { code: R1, text: t } }
  - { id: waits, tier: deny, mode: off, when: pays >= 2, reason: { code: R2, text: t } }
tests:
  - { name: a, given: { kind: pay, account: u, lists: [bad] }, expect: deny }
  - { name: b, given: { kind: pay, account: u }, expect: { verdict: allow, not: [second] } }
  - { name: c, start: 2000-01-01T00:00:00Z, events: [{ at: 0s, kind: pay, account: u, expect: allow }] }
  - { name: d, events: [{ at: 0s, kind: pay, account: u, expect: { verdict: allow, not: [second, waits] } }] }
  - { name: e, events: [{ at: 0s, kind: pay, account: u, expect: allow }, { at: 0s, kind: pay, account: u, expect: review }] }
  - { name: f, start: 2000-01-01T00:00:00Z, events: [{ at: 0s, kind: pay, account: u, expect: allow }] }
";
    assert_eq!(failures(text), []);
}

#[test]
fn a_stated_feature_that_only_a_limit_would_read_is_told() {
    let text = "
features: { paid: { sum: amount, on: pay, by: account, window: 1d, status: approved } }
limits: [{ id: daily, feature: paid, max: 10.00, reason: { code: L1, text: t } }]
rules: [{ id: near, tier: review, when: paid > 9.00, reason: { code: R1, text: t } }]
tests:
  - { name: of the limit, given: { kind: pay, amount: 1.00, paid: 10.00 }, expect: { EXPECT } }
";
    for (expect, warned) in
        [("rules: [daily]", true), ("not: [daily]", true), ("rules: [near]", false), ("verdict: deny", false)]
    {
        let compiled = policy::compile_sources(&[("t.yaml", &text.replace("EXPECT", expect))]);
        let told = compiled.render(false);
        assert_eq!(told.contains("the limit `daily` does not see a stated `paid`"), warned, "{told}");
        assert!(compiled.bundle.is_some(), "it may be stated for rules: {told}");
    }
}

#[test]
fn tests_may_be_of_any_time_that_there_is_and_of_none_beyond() {
    let text = "
features:
  pays:   { count: pay, by: account, window: 30d }
  firm:   { count: pay, by: account, window: 30d, status: approved }
  kinds:  { distinct: device, on: pay, by: account, window: 30d }
  most:   { max: amount, on: pay, by: account, window: 30d }
  paid:   { sum: amount, on: pay, by: account, window: 30d }
  before: { last: pay, by: account, window: 30d }
  since:  { first: pay, by: account, window: 30d }
limits: [{ id: three, feature: firm, max: 3, reason: { code: L1, text: t } }]
breakers:
  - { id: b, by: account, on: pay, when: pays > 2, open: 1s, half_open: 30d, trials: 1, reason: { code: B1, text: t } }
rules:
  - { id: r, tier: score, score: 0.1, when: pays > 9 || kinds > 9 || most > 9.00 || paid > 9.00 || before > 9 || since > 9, reason: { code: R1, text: t } }
  - { id: late, tier: review, when: time.getFullYear() > 2000, reason: { code: R2, text: t } }
tests:
  - name: t
    start: START
    events:
      - { at: 0s, kind: pay, account: a, device: d, amount: 1.00, expect: VERDICT }
      - { at: AT, kind: pay, account: a, device: d, amount: 1.00, expect: VERDICT }
      - { at: AT, kind: pay, account: a, device: d, amount: 1.00, expect: deny }
";
    let with = |start: &str, at: &str, verdict: &str| {
        text.replace("START", start).replace("AT", at).replace("VERDICT", verdict)
    };
    for (start, verdict) in [
        ("1970-01-01T00:00:00Z", "allow"),
        ("9999-12-30T22:00:00Z", "review"),
        ("9999-01-01T00:00:00Z", "review"),
    ] {
        assert_eq!(failures(&with(start, "0s", verdict)), [], "{start}");
    }
    for (start, at, why) in [
        ("1969-12-31T23:59:59Z", "0s", "is not a time"),
        ("-009999-01-01T00:00:00Z", "0s", "is not a time"),
        ("9999-12-30T22:00:00Z", "27h", "after the year 9999"),
        ("2026-01-01T00:00:00Z", "9223372036854775807ms", "after the year 9999"),
    ] {
        let told = policy::compile_sources(&[("t.yaml", &with(start, at, "allow"))]).render(false);
        assert!(told.contains(why), "{start} and {at}: {told}");
    }
}

#[test]
fn a_failing_test_says_what_the_rules_that_it_names_found() {
    let text = "
schema: { tier: { type: int } }
lists: { vip: { on: account } }
features:
  claims: { count: claim, by: account, window: 10m }
  paid: { sum: amount, on: pay, by: account, window: 1d, status: approved }
limits: [{ id: daily, feature: paid, max: 10.00, when: kyc < 3, reason: { code: L1, text: t } }]
rules:
  - id: many
    tier: deny
    on: claim
    when: claims >= 3 && amount < 5.00 && !(\"vip\" in lists) && ext.tier * 2 == 4 && device.os != \"ios\" && has(device.id)
    reason: { code: R1, text: t }
  - { id: old, tier: deny, when: true, expires: 2020-01-01, reason: { code: R2, text: t } }
tests:
  - { name: a, given: { kind: claim, claims: 2, amount: 4.99, ext.tier: 1, device: { id: d, os: ios } }, expect: { verdict: deny, rules: [many] } }
  - { name: b, given: { kind: pay, amount: 1.00 }, expect: { rules: [many, old, daily] } }
  - { name: c, events: [{ at: 0s, kind: pay, account: u, amount: 10.01, kyc: 1, expect: { not: [daily] } }] }
";
    let traces: Vec<_> = failures(text).into_iter().map(|failure| (failure.test, failure.traces)).collect();
    let of = |id: &str, trace: &str| (id.to_owned(), trace.to_owned());
    let many = "claims (2) >= 3 is false; amount (4.99) < 5.00 is true; \"vip\" in lists is false; \
                a result (2) == 4 is false; device.os (\"ios\") != \"ios\" is false; has(device.id) is true";
    assert_eq!(traces[0], ("a".to_owned(), vec![of("many", many)]));
    let paid = "paid (1.00), this event included, of at most 10.00; kyc (0) < 3 is true";
    let elsewhere = "it looks at claim, and this is pay";
    let told = vec![of("many", elsewhere), of("old", "it has expired by then"), of("daily", paid)];
    assert_eq!(traces[1], ("b".to_owned(), told));
    let over = "paid (10.01), this event included, of at most 10.00; kyc (1) < 3 is true";
    assert_eq!(traces[2], ("c".to_owned(), vec![of("daily", over)]));
}

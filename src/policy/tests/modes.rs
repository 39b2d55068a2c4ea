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

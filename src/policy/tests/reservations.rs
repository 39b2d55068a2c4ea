//! What limits say of their reservations: events without an amount, and the time-out of those without an outcome.

const RULES: &str = "
features:
  paid: { sum: amount, on: [pay, login, scan], by: account, window: 1d, status: approved }
  sent: { sum: amount, on: [pay, login], by: account, window: 1h, status: approved }
  shares: { count: claim, by: packet, window: 1h, status: approved }
limits:
  - { id: warned, feature: paid, max: 5.00, reason: { code: L1, text: t } }
  - { id: said, feature: sent, max: 5.00, absent: deny, release_after: 1h, reason: { code: L2, text: t } }
  - { id: counted, feature: shares, max: 5, release_after: 10m, reason: { code: L3, text: t } }
  - { id: otherwise, feature: shares, max: 9, reason: { code: L4, text: t } }
";

#[test]
fn what_cannot_be_kept_is_refused_and_where_amounts_are_seldom_is_said() {
    let compiled = policy::compile_sources(&[("a.yaml", RULES)]);
    let said: Vec<String> = compiled.diagnostics.iter().map(|fault| fault.message.clone()).collect();
    for wanted in [
        "`paid` takes in login, scan",
        "`release_after` is no shorter than the window of `sent`",
        "another limit on `shares` has another `release_after`",
    ] {
        assert_eq!(said.iter().filter(|message| message.contains(wanted)).count(), 1, "{wanted}: {said:?}");
    }
    assert!(!said.iter().any(|message| message.contains("`sent` takes in")), "it says `absent`: {said:?}");
}

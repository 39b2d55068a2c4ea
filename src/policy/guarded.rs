//! What refuses, and the share of checks that it may refuse: what a guard over the blast radius of a policy needs to know.
//!
//! Each declaration carries what its text hashes to, so that what was found out about one text is not held against another.

use engine::policy::{Origin, Policy, Tier};
use engine::program::Kinds;

use crate::document::Document;

/// A rule, limit or breaker that refuses.
#[derive(Clone, Debug, PartialEq)]
pub struct Guarded {
    /// Its id.
    pub id: String,
    /// Where it stands in the policy; of a breaker the state means nothing.
    pub origin: Origin,
    /// Kinds of event that it looks at: its share is one of their checks.
    pub kinds: Kinds,
    /// Whether it stands in tier guard, as limits and breakers do: such a one is bound by what it declares alone.
    pub is_guard: bool,
    /// Largest share in percent, if one is declared.
    pub share_max: Option<f64>,
    /// What its declaration hashes to: its keys and values, whatever comments and spaces stand between them.
    pub text: String,
}

/// Everything of a policy that refuses.
pub(crate) fn all(document: &Document, policy: &Policy) -> Vec<Guarded> {
    use engine::policy::BreakerState::Opened;
    let lists =
        document.lists.iter().map(|list| (format!("list:{}", list.name.text), list.share_max, &list.text));
    let rules = document.rules.iter().filter_map(|rule| {
        let id = rule.id.as_ref()?.text.clone();
        Some((id, rule.share_max, &rule.text))
    });
    let refusals = (document.limits.iter().map(|limit| (&limit.id, &limit.refusal)))
        .chain(document.breakers.iter().map(|breaker| (&breaker.id, &breaker.refusal)))
        .filter_map(|(id, refusal)| Some((id.as_ref()?.text.clone(), refusal.share_max, &refusal.text)));
    let declared: std::collections::HashMap<String, (Option<f64>, &String)> =
        lists.chain(rules).chain(refusals).map(|(id, share_max, text)| (id, (share_max, text))).collect();

    let rules =
        policy.rules.iter().enumerate().filter(|(_, rule)| !matches!(rule.tier, Tier::Allow | Tier::Score));
    let rules =
        rules.map(|(at, rule)| (&rule.reason.rule, Origin::Rule(at), rule.kinds, rule.tier == Tier::Guard));
    let limits =
        policy.limits.iter().enumerate().map(|(at, limit)| {
            (&limit.reason.rule, Origin::Limit(at), policy.windows[limit.window].kinds, true)
        });
    let breakers = policy
        .breakers
        .iter()
        .enumerate()
        .map(|(at, breaker)| (&breaker.reason.rule, Origin::Breaker(at, Opened), breaker.kinds, true));
    let guarded = |(id, origin, kinds, is_guard): (&String, Origin, Kinds, bool)| {
        let (share_max, text) = *declared.get(id)?;
        Some(Guarded { id: id.clone(), origin, kinds, is_guard, share_max, text: text.clone() })
    };
    rules.chain(limits).chain(breakers).filter_map(guarded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(text: &str) -> Vec<Guarded> {
        let compiled = crate::compile_sources(&[("a.yaml", text)]);
        compiled.bundle.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)).guarded
    }

    const ALL: &str = "
lists:
  bad: { on: account, action: deny, share_max: 5% }
  seen: { on: account, action: watch }
features:
  paid: { sum: amount, on: [pay, claim], by: account, window: 1d, status: approved }
limits:
  - { id: daily, feature: paid, max: 10.00, share_max: 1.5%, reason: { code: L1, text: t } }
breakers:
  - { id: surge, by: account, on: pay, when: paid > 5.00, open: 1m, half_open: 1m, trials: 1, reason: { code: L2, text: t } }
rules:
  - { id: trust, tier: allow, when: kyc == 3, reason: { code: R1, text: t } }
  - { id: large, tier: deny, on: pay, when: amount > 9.00, share_max: 2%, reason: { code: R1, text: t } }
  - { id: barred, tier: guard, when: amount > 99.00, reason: { code: R1, text: t } }
";

    #[test]
    fn everything_that_refuses_is_there_with_its_kinds_and_its_bound() {
        let found = guarded(ALL);
        let facts: Vec<_> =
            found.iter().map(|one| (one.id.as_str(), one.kinds, one.is_guard, one.share_max)).collect();
        let (pay, both) = (Kinds::of(&[wire::Kind::Pay]), Kinds::of(&[wire::Kind::Pay, wire::Kind::Claim]));
        assert_eq!(
            facts,
            [
                ("list:bad", Kinds::ALL, false, Some(5.0)),
                ("large", pay, false, Some(2.0)),
                ("barred", Kinds::ALL, true, None),
                ("daily", both, true, Some(1.5)),
                ("surge", pay, true, None),
            ]
        );
    }

    #[test]
    fn a_text_is_told_by_what_it_says_and_not_by_how_it_is_written() {
        let of = |text: &str, id: &str| guarded(text).into_iter().find(|one| one.id == id).unwrap().text;
        let before = of(ALL, "large");
        let large = "  - { id: large, tier: deny, on: pay, when: amount > 9.00, share_max: 2%, reason: { code: R1, text: t } }";
        assert!(ALL.contains(large));
        let spread = "  - id: large   # as before\n    tier: deny\n    on: pay\n    when: amount > 9.00\n    share_max: 2%\n    reason: { code: R1, text: t }";
        assert_eq!(of(&ALL.replace(large, spread), "large"), before);
        assert_eq!(of(&ALL.replace("amount > 99.00", "amount > 98.00"), "large"), before, "another rule");
        for other in
            [large.replace("9.00", "8.00"), large.replace("2%", "3%"), large.replace("on: pay", "on: claim")]
        {
            assert_ne!(of(&ALL.replace(large, &other), "large"), before, "{other}");
        }
    }
}

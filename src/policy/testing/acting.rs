//! What a test names acts in it: so the same test holds before a rule, limit or breaker is turned on, while it is, and after it was
//! turned off.

use engine::limits::EXACT_COUNT_MAX;
use engine::policy::{Aggregate, Mode, Policy, Rule};

use super::expect::Named;
use super::{Body, Expect, Test};

/// What a test names and does not act for every account, by number, in order.
pub(super) fn waiting(policy: &Policy, test: &Test) -> Vec<usize> {
    let expectations: Vec<&Expect> = match &test.body {
        Body::Given(_, expect) => vec![expect],
        Body::Events(events) => events.iter().filter_map(|event| event.expect.as_ref()).collect(),
    };
    let named = expectations.iter().flat_map(|expect| expect.rules.iter().chain(&expect.not)).copied();
    let waits = |number: &usize| match Named::of(policy, *number) {
        Named::Rule(at) => {
            let rule = &policy.rules[at];
            let waits = |mode: Mode| mode != acted(rule, mode);
            let of_tenants = rule.variants.iter().any(|variant| waits(variant.mode));
            waits(rule.mode) || of_tenants || rule.sample_percent < 100
        }
        Named::Limit(at) => policy.limits[at].mode != Mode::Live,
        Named::Breaker(at) => policy.breakers[at].mode != Mode::Live,
    };
    let mut waiting: Vec<usize> = named.filter(waits).collect();
    waiting.sort_unstable();
    waiting.dedup();
    waiting
}

/// The policy in which those act as well, for every account.
pub(super) fn acting(policy: &Policy, numbers: &[usize]) -> Policy {
    let mut policy = policy.clone();
    for &number in numbers {
        match Named::of(&policy, number) {
            Named::Rule(at) => {
                let rule = &mut policy.rules[at];
                let modes: Vec<Mode> = rule.variants.iter().map(|one| acted(rule, one.mode)).collect();
                rule.variants.iter_mut().zip(modes).for_each(|(variant, mode)| variant.mode = mode);
                (rule.mode, rule.sample_percent) = (Mode::Live, 100);
            }
            Named::Limit(at) => {
                let limit = &mut policy.limits[at];
                limit.mode = Mode::Live;
                // As exact as it would be if it acted.
                let window = &mut policy.windows[limit.window];
                if window.aggregate == Aggregate::Count && (0..=EXACT_COUNT_MAX as i64).contains(&limit.max) {
                    window.exact = window.exact.max(limit.max as u16 + 1);
                }
            }
            Named::Breaker(at) => policy.breakers[at].mode = Mode::Live,
        }
    }
    // For every kind of event: else what only a rule that is off reads would be computed for none.
    policy.program.kinds.clear();
    policy
}

/// The mode of a rule, or of a tenant's, in a test that names it. Of a rule that is not off as a whole a tenant may have been
/// spared for good.
fn acted(rule: &Rule, mode: Mode) -> Mode {
    if mode == Mode::Off && rule.mode != Mode::Off { Mode::Off } else { Mode::Live }
}

//! What rules are to each other: conditions that can never hold or always do, rules that say the same, and rules that another
//! always decides before.

mod facts;
mod unread;

use std::collections::HashMap;

use engine::policy::{Mode, Rule, Tier};
use engine::program::Program;

pub(crate) use unread::unread;

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use facts::{Facts, Key, Reader};

/// Most pairs of rules that are held against each other.
const PAIRS_MAX: usize = 2_000_000;

/// What is known of a rule beside what the engine runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Written {
    /// Its condition stands there.
    At(Place),
    /// It is that of a list's action.
    ByList,
    /// It has a fault, so that what it says of other rules means nothing.
    Wrong,
}

/// Warns of what the rules are to each other, each with how it is written.
pub(crate) fn review(program: &Program, rules: &[Rule], written: &[Written], sink: &mut Sink) {
    let reader = Reader::new(program);
    let known: Vec<Option<Facts>> =
        rules.iter().zip(written).map(|(rule, written)| alone(&reader, rule, *written, sink)).collect();
    let mut by_first: HashMap<Option<Key>, Vec<usize>> = HashMap::new();
    for (at, facts) in known.iter().enumerate() {
        if let Some(facts) = facts {
            by_first.entry(facts.first()).or_default().push(at);
        }
    }
    let mut pairs = 0;
    for (at, facts) in known.iter().enumerate() {
        let (Some(facts), Written::At(place)) = (facts, written[at]) else { continue };
        let keys = [None].into_iter().chain(facts.keys().map(Some));
        let candidates = keys.filter_map(|key| by_first.get(&key)).flatten();
        for &other in candidates.filter(|&&other| other != at) {
            pairs += 1;
            if pairs > PAIRS_MAX {
                let message = "too many rules are about one thing to hold each against each other";
                let fault = Diagnostic::warning(Code::Bound, place, message);
                sink.push(fault.label("this rule and those behind it are not compared with the others"));
                return;
            }
            let Some(wider) = known[other].as_ref().filter(|wider| facts.implies(wider)) else { continue };
            let same = wider.implies(facts);
            if let Some(fault) = relation(&rules[at], &rules[other], same && other > at, same, place) {
                sink.push(fault);
                break;
            }
        }
    }
}

/// What a rule says of itself, and its facts if they may be held against those of others.
fn alone(reader: &Reader<'_>, rule: &Rule, written: Written, sink: &mut Sink) -> Option<Facts> {
    let facts = reader.facts(rule.when, rule.kinds);
    if let (Written::At(place), None) = (written, reader.known(rule.when)) {
        // What is known as it stands was told where it was compiled.
        if facts.is_none() {
            let message = format!("`{}` can never match", rule.reason.rule);
            let fault = Diagnostic::warning(Code::Unreachable, place, message);
            sink.push(fault.label("parts of this contradict each other, or the kinds of `on`"));
        } else if reader.always(rule.when, rule.kinds) {
            let message = format!("`{}` matches every event of its kinds", rule.reason.rule);
            let fault = Diagnostic::warning(Code::Expression, place, message);
            sink.push(fault.label("whatever the event, one part of this or another holds"));
        }
    }
    // What a tenant has otherwise may be the very difference between two rules.
    let is_alike = rule.variants.is_empty() && rule.mode != Mode::Off;
    facts.filter(|_| is_alike && !matches!(written, Written::Wrong))
}

/// What a rule is to one that matches wherever it does.
fn relation(rule: &Rule, wider: &Rule, first: bool, same: bool, place: Place) -> Option<Diagnostic> {
    let (id, other) = (&rule.reason.rule, &wider.reason.rule);
    let always =
        |rule: &Rule| rule.mode == Mode::Live && rule.expires_ms == i64::MAX && rule.sample_percent == 100;
    // Scores add up, whatever else matches.
    if rule.tier == Tier::Score || wider.tier == Tier::Score {
        return None;
    }
    let asks = |rule: &Rule| {
        (rule.tier, rule.verdict, rule.challenge, rule.mode, rule.sample_percent, rule.expires_ms)
    };
    if same && asks(rule) == asks(wider) && rule.score == 0.0 && wider.score == 0.0 {
        let message = format!("`{id}` matches exactly where `{other}` does, and asks for the same");
        return (!first)
            .then(|| Diagnostic::warning(Code::Overlap, place, message).label("one of them is enough"));
    }
    if !always(wider) || rule.mode != Mode::Live {
        return None;
    }
    let before = wider.tier < rule.tier || (wider.tier == rule.tier && wider.verdict > rule.verdict);
    if !before {
        return None;
    }
    let message = if same {
        format!("`{id}` and `{other}` have one condition and different verdicts")
    } else {
        format!("`{id}` never decides: wherever it matches, `{other}` does too and comes first")
    };
    let code = if same { Code::Overlap } else { Code::Unreachable };
    let label = format!("`{other}` stands in an earlier tier or asks for more");
    Some(Diagnostic::warning(code, place, message).label(label))
}

#[cfg(test)]
mod tests {
    /// Messages of warnings for rules of `(id, tier, on, when)`.
    fn warnings(rules: &[(&str, &str, &str, &str)]) -> Vec<String> {
        let rule = |(id, tier, on, when): &(&str, &str, &str, &str)| {
            let challenge = if *tier == "challenge" { ", challenge: sms" } else { "" };
            let score = if *tier == "score" { ", score: 0.1" } else { "" };
            format!(
                "- {{id: {id}, tier: {tier}, on: {on}, when: '{when}', reason: {{code: R, text: t}}{challenge}{score}}}\n"
            )
        };
        let text: String = rules.iter().map(rule).collect();
        let compiled = crate::compile_sources(&[("r.yaml", &format!("rules:\n{text}"))]);
        assert!(compiled.bundle.is_some(), "{}", compiled.render(false));
        compiled.diagnostics.into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn a_condition_that_contradicts_itself_never_matches() {
        let never = |on: &str, when: &str| warnings(&[("r", "deny", on, when)]) == ["`r` can never match"];
        assert!(never("any", "account_events > 3 && account_events < 4"));
        assert!(never("any", "amount > 5.00 && !(amount > 4.00)"));
        assert!(never("any", "account == \"a\" && account == \"b\""));
        assert!(never("any", "device_new && !device_new"));
        assert!(never("[pay]", "kind == \"claim\" && kyc == 1"));
        assert!(!never("any", "account_events > 3 && account_events < 5"));
        assert!(!never("any", "geo.lat > 3.0 && geo.lat < 2.0 || device_new"));
        assert!(never("any", "speed_kmh > 900.0 && speed_kmh < 100.0"));
        assert!(never("any", "speed_kmh > 900.0 && speed_kmh <= 900.0"));
        assert!(never("any", "geo.lat >= -3.5 && geo.lat < -3.5"));
        assert!(!never("any", "geo.lat >= -3.5 && geo.lat < -3.4"));
        assert!(!never("any", "geo.lat >= 0.0 && geo.lat <= 0.0"));
        assert!(!never("any", "!(geo.lat > 3.0) && !(geo.lat <= 3.0)"), "so it is without a place");
        assert!(never("any", "kyc == 1 && kyc != 1"));
        assert!(!never("any", "kyc == 1 && kyc != 2"));
        assert!(never("any", "account == \"a\" && account != \"a\""));
        assert!(!never("any", "account == \"a\" && account != \"b\""));
        assert!(never("any", "amount_ratio == 2.5 && amount_ratio != 2.5"));
    }

    #[test]
    fn a_condition_that_holds_whatever_the_event_is_told() {
        let always = |on: &str, when: &str| {
            warnings(&[("r", "deny", on, when)]) == ["`r` matches every event of its kinds"]
        };
        assert!(always("any", "kyc < 2 || kyc >= 2"));
        assert!(always("any", "device_new || !device_new || 1 / kyc > 0"));
        assert!(always("[pay]", "kind != \"claim\" || kyc == 1"));
        assert!(always("any", "kyc != 1 || kyc != 2"));
        assert!(!always("any", "1 / kyc > 0 || !(1 / kyc > 0)"), "an error is neither");
        assert!(!always("any", "geo.lat > 3.0 || geo.lat <= 3.0"), "no place is neither");
        assert!(!always("any", "kyc < 2 || kyc >= 3"));
    }

    #[test]
    fn rules_that_ask_for_different_things_are_both_of_use() {
        let two = |one: &str, other: &str| {
            let rule = |id: &str, keys: &str| {
                format!("- {{id: {id}, when: device_new, reason: {{code: R, text: t}}, {keys}}}\n")
            };
            let text = format!("rules:\n{}{}", rule("a", one), rule("b", other));
            let compiled = crate::compile_sources(&[("r.yaml", &text)]);
            assert!(compiled.bundle.is_some(), "{}", compiled.render(false));
            compiled.diagnostics.len()
        };
        assert_eq!(two("tier: challenge, challenge: sms", "tier: challenge, challenge: sms"), 1);
        assert_eq!(two("tier: challenge, challenge: face", "tier: challenge, challenge: voice"), 0);
        assert_eq!(two("tier: score, score: 0.2", "tier: score, score: 0.2"), 0);
        assert_eq!(two("tier: deny, score: 0.2", "tier: deny, score: 0.2"), 0);
        assert_eq!(two("tier: deny, sample: 10", "tier: deny, sample: 10"), 1);
        assert_eq!(two("tier: deny, sample: 10", "tier: deny"), 0);
        assert_eq!(two("tier: deny, expires: 2999-01-01", "tier: deny"), 0);
    }

    #[test]
    fn a_rule_behind_one_of_its_kinds_alone_or_a_list_is_unreachable() {
        let behind = |wide: &str, on: &str| {
            warnings(&[("wide", "guard", on, wide), ("tight", "deny", "[pay]", "kyc == 1")]).contains(
                &"`tight` never decides: wherever it matches, `wide` does too and comes first".to_owned(),
            )
        };
        assert!(behind("true", "any"));
        assert!(behind("kind in [\"pay\", \"claim\"]", "any"));
        assert!(behind("kind == \"pay\"", "[pay, claim]"));
        assert!(!behind("true", "[claim]"));
        let text = "lists: {bad: {on: account, action: deny}}\nrules:\n- {id: r, tier: review, when: '\"bad\" in lists && kyc == 1', reason: {code: R, text: t}}\n";
        let told = crate::compile_sources(&[("r.yaml", text)]).diagnostics;
        assert_eq!(
            told[0].message,
            "`r` never decides: wherever it matches, `list:bad` does too and comes first"
        );
    }

    #[test]
    fn thousands_of_rules_about_one_field_are_all_held_against_each_other() {
        let rules = |count: usize, when: &dyn Fn(usize) -> String| {
            let rule = |at: usize| {
                format!("- {{id: r{at}, tier: deny, when: '{}', reason: {{code: R, text: t}}}}\n", when(at))
            };
            let text = format!("rules:\n{}", (0..count).map(rule).collect::<String>());
            crate::compile_sources(&[("r.yaml", &text)]).diagnostics
        };
        // The last two say the same.
        let told = rules(4_000, &|at| format!("account == \"a{}\"", at.min(3_998)));
        assert_eq!(told[0].message, "`r3999` matches exactly where `r3998` does, and asks for the same");
        let told = rules(4_000, &|at| format!("account_events == {}", at.min(3_998)));
        assert_eq!(told[0].message, "`r3999` matches exactly where `r3998` does, and asks for the same");
        let told = rules(2_000, &|at| format!("account_events > {at} && account_events < {}", at + 3));
        assert!(told.iter().any(|fault| fault.message.starts_with("too many rules are about one thing")));
    }

    #[test]
    fn two_rules_of_one_condition_are_told_apart() {
        let same = "amount > 5.00 && device_new";
        let turned = "device_new && amount > 5.00";
        assert_eq!(
            warnings(&[("a", "deny", "any", same), ("b", "deny", "any", turned)]),
            ["`b` matches exactly where `a` does, and asks for the same"]
        );
        assert_eq!(
            warnings(&[("a", "review", "any", same), ("b", "deny", "any", turned)]),
            ["`a` and `b` have one condition and different verdicts"]
        );
        assert!(warnings(&[("a", "review", "[pay]", same), ("b", "deny", "[claim]", turned)]).is_empty());
        assert!(warnings(&[("a", "score", "any", same), ("b", "deny", "any", turned)]).is_empty());
    }

    #[test]
    fn a_rule_that_another_always_decides_before_is_unreachable() {
        let early = "account_events >= 4";
        assert_eq!(
            warnings(&[
                ("wide", "deny", "any", early),
                ("tight", "review", "[pay]", "account_events >= 6 && kyc == 1")
            ]),
            ["`tight` never decides: wherever it matches, `wide` does too and comes first"]
        );
        // The wider one comes later, which is how steps of one measure are written.
        assert!(
            warnings(&[("wide", "challenge", "any", early), ("tight", "deny", "any", "account_events >= 6")])
                .is_empty()
        );
        assert!(
            warnings(&[("wide", "deny", "[pay]", early), ("tight", "review", "any", "account_events >= 6")])
                .is_empty()
        );
    }
}

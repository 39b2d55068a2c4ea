//! What rules are to each other: conditions that can never hold, rules that say the same, and rules that another always
//! decides before; and features that nobody reads.
//!
//! A condition is read as facts that must all hold: ranges of features, texts that are fixed, registers that are true or
//! false. What it says beyond that – alternatives, arithmetic – stands as a register of its own, so that a claim made here
//! is always true, and some that could be made are not.

use std::collections::{HashMap, HashSet};

use engine::feature::FeatureId;
use engine::policy::{Mode, Rule, Tier};
use engine::program::{
    Comparison, Kinds, NumberType, Op, Output, Program, Source, TextId, TextSource, TextTest, Truth,
};

use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::Document;
use crate::symbols::Symbols;

/// Most pairs of rules that are held against each other; a policy of thousands of rules on one feature stops here.
const PAIRS_MAX: usize = 2_000_000;

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum About {
    /// A whole-number or money feature.
    Range(FeatureId),
    /// A text feature.
    Text(FeatureId),
    /// A register.
    Truth(u16),
}

/// What holds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Within(i64, i64),
    Is(TextId),
    Truth(bool),
}

impl Holds {
    /// Both together; none if they contradict each other.
    fn and(self, other: Holds) -> Option<Holds> {
        match (self, other) {
            (Holds::Within(a, b), Holds::Within(c, d)) => {
                let (low, high) = (a.max(c), b.min(d));
                (low <= high).then_some(Holds::Within(low, high))
            }
            (a, b) => (a == b).then_some(a),
        }
    }

    /// Whether this one is enough for the other.
    fn implies(self, other: Holds) -> bool {
        match (self, other) {
            (Holds::Within(a, b), Holds::Within(c, d)) => c <= a && b <= d,
            (a, b) => a == b,
        }
    }
}

/// Facts that a condition is, all together.
#[derive(Clone, Debug, PartialEq)]
struct Facts {
    kinds: Kinds,
    facts: Vec<(About, Holds)>,
}

impl Facts {
    fn add(&mut self, about: About, holds: Holds) -> Option<()> {
        match self.facts.iter_mut().find(|(known, _)| *known == about) {
            Some((_, known)) => *known = known.and(holds)?,
            None => self.facts.push((about, holds)),
        }
        Some(())
    }

    fn implies(&self, other: &Facts) -> bool {
        let holds =
            |about: About| self.facts.iter().find(|(known, _)| *known == about).map(|(_, holds)| *holds);
        self.kinds.0 & !other.kinds.0 == 0
            && other
                .facts
                .iter()
                .all(|&(about, needed)| holds(about).is_some_and(|held| held.implies(needed)))
    }
}

/// Reads conditions of one program.
struct Reader<'p> {
    writers: HashMap<Output, &'p Op>,
}

impl Reader<'_> {
    /// The facts of a condition; none if they contradict each other.
    fn facts(&self, rule: &Rule) -> Option<Facts> {
        let mut facts = Facts { kinds: rule.kinds, facts: Vec::new() };
        let mut open = vec![(rule.when, true)];
        while let Some((truth, wanted)) = open.pop() {
            self.read(truth, wanted, &mut facts, &mut open)?;
        }
        facts.facts.sort_unstable_by_key(|(about, _)| *about);
        (facts.kinds != Kinds(0)).then_some(facts)
    }

    fn read(
        &self,
        truth: Truth,
        wanted: bool,
        facts: &mut Facts,
        open: &mut Vec<(Truth, bool)>,
    ) -> Option<()> {
        match (self.writers.get(&Output::Truth(truth)), wanted) {
            (Some(Op::Always { truth, .. }), _) => return (*truth == wanted).then_some(()),
            (Some(Op::And { a, b, .. }), true) | (Some(Op::Or { a, b, .. }), false) => {
                open.extend([(*a, wanted), (*b, wanted)]);
            }
            (Some(Op::Not { a, .. }), _) => open.push((*a, !wanted)),
            (Some(Op::KindIn { kinds, .. }), _) => {
                facts.kinds.0 &= if wanted { kinds.0 } else { !kinds.0 };
            }
            (
                Some(Op::Compare {
                    ty: NumberType::Int,
                    comparison,
                    a: Source::Feature(feature),
                    b: Source::Constant(bits),
                    ..
                }),
                _,
            ) => match range(*comparison, *bits as i64, wanted) {
                Some((low, high)) if low > high => return None,
                Some((low, high)) => facts.add(About::Range(*feature), Holds::Within(low, high))?,
                None => facts.add(About::Truth(truth.0), Holds::Truth(wanted))?,
            },
            (
                Some(Op::Text {
                    test: TextTest::Compare(Comparison::Equal),
                    a: TextSource::Feature(feature),
                    b: TextSource::Constant(text),
                    ..
                }),
                true,
            ) => facts.add(About::Text(*feature), Holds::Is(*text))?,
            _ => facts.add(About::Truth(truth.0), Holds::Truth(wanted))?,
        }
        Some(())
    }
}

/// The values for which a comparison comes out as wanted; none where they are no range.
fn range(comparison: Comparison, n: i64, wanted: bool) -> Option<(i64, i64)> {
    const NOTHING: (i64, i64) = (1, 0);
    let below = n.checked_sub(1).map_or(NOTHING, |high| (i64::MIN, high));
    let above = n.checked_add(1).map_or(NOTHING, |low| (low, i64::MAX));
    Some(match (comparison, wanted) {
        (Comparison::Equal, true) | (Comparison::NotEqual, false) => (n, n),
        (Comparison::Equal, false) | (Comparison::NotEqual, true) => return None,
        (Comparison::Less, true) | (Comparison::GreaterOrEqual, false) => below,
        (Comparison::LessOrEqual, true) | (Comparison::Greater, false) => (i64::MIN, n),
        (Comparison::Greater, true) | (Comparison::LessOrEqual, false) => above,
        (Comparison::GreaterOrEqual, true) | (Comparison::Less, false) => (n, i64::MAX),
    })
}

/// Warns of what the rules are to each other. `places` are those of their conditions; lists' rules have none.
pub(crate) fn review(program: &Program, rules: &[Rule], places: &[Option<Place>], sink: &mut Sink) {
    let reader = Reader { writers: program.ops.iter().map(|op| (op.output(), op)).collect() };
    let mut known: Vec<Option<Facts>> = Vec::with_capacity(rules.len());
    for (rule, place) in rules.iter().zip(places) {
        let facts = reader.facts(rule);
        let folded = matches!(reader.writers.get(&Output::Truth(rule.when)), Some(Op::Always { .. }));
        if let (None, Some(place), false) = (&facts, place, folded) {
            let message = format!("`{}` can never match", rule.reason.rule);
            let fault = Diagnostic::warning(Code::Unreachable, *place, message);
            sink.push(fault.label("parts of this contradict each other, or the kinds of `on`"));
        }
        // What a tenant has otherwise may be the very difference between two rules.
        let alike = rule.variants.is_empty();
        known.push(facts.filter(|_| rule.mode != Mode::Off && alike && place.is_some() && !folded));
    }
    // A rule is found by the first thing it is about: whatever implies it is about that as well.
    let mut by_first: HashMap<About, Vec<usize>> = HashMap::new();
    for (at, facts) in known.iter().enumerate() {
        if let Some((about, _)) = facts.as_ref().and_then(|facts| facts.facts.first()) {
            by_first.entry(*about).or_default().push(at);
        }
    }
    let mut pairs = 0;
    for (at, facts) in known.iter().enumerate() {
        let (Some(facts), Some(place)) = (facts, places[at]) else { continue };
        let candidates = facts.facts.iter().filter_map(|(about, _)| by_first.get(about)).flatten();
        for &other in candidates.filter(|&&other| other != at) {
            pairs += 1;
            if pairs > PAIRS_MAX {
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

/// What a rule is to one that matches wherever it does.
fn relation(rule: &Rule, wider: &Rule, first: bool, same: bool, place: Place) -> Option<Diagnostic> {
    let (id, other) = (&rule.reason.rule, &wider.reason.rule);
    let always =
        |rule: &Rule| rule.mode == Mode::Live && rule.expires_ms == i64::MAX && rule.sample_percent == 100;
    let scores = rule.tier == Tier::Score || wider.tier == Tier::Score;
    if same && rule.tier == wider.tier && rule.verdict == wider.verdict && rule.mode == wider.mode {
        let message = format!("`{id}` matches exactly where `{other}` does, and asks for the same");
        return (!first)
            .then(|| Diagnostic::warning(Code::Overlap, place, message).label("one of them is enough"));
    }
    if scores || !always(wider) || rule.mode != Mode::Live {
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

/// Velocity features that no rule, limit or breaker reads.
pub(crate) fn unread(
    document: &Document,
    symbols: &Symbols,
    read: [&HashSet<FeatureId>; 3],
    sink: &mut Sink,
) {
    for declared in document.features.iter().filter(|feature| !feature.for_model) {
        let name = &declared.name;
        let limited = document.limits.iter().filter_map(|limit| limit.feature.as_ref());
        let Some(id) = symbols.features.find(&name.text) else { continue };
        if read.iter().any(|read| read.contains(&id))
            || limited.into_iter().any(|word| word.text == name.text)
            // Whoever misspelt it reads it.
            || sink.advised(&name.text)
        {
            continue;
        }
        let fault = Diagnostic::warning(Code::Unused, name.place, format!("nobody reads `{}`", name.text));
        sink.push(
            fault
                .label("no rule, limit or breaker does")
                .help("a feature that a model reads says `for: model`"),
        );
    }
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

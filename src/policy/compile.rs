//! The stages in order: sources → trees → declarations → names → checked expressions → programs → policy.
//!
//! A stage takes what the one before could save, so that one run shows every fault of a directory.

use std::collections::{HashMap, HashSet};

use engine::feature::{FeatureId, Type};
use engine::limits::{BREAKERS_MAX, EXACT_COUNT_MAX, KEYS_MAX, LIMITS_MAX, OPS_MAX, RULES_MAX};
use engine::policy::{self, Aggregate, Mode, Policy, ReasonText, Rule, Status, Window, Witness};
use engine::program::{Kinds, Truth, Zone};
use engine::table::Terms;
use wire::{Challenge, Verdict};

use crate::cel;
use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::breaker::Breaker as DeclaredBreaker;
use crate::document::limit::Limit as DeclaredLimit;
use crate::document::list::List as DeclaredList;
use crate::document::reason::Reason;
use crate::document::rule::Rule as DeclaredRule;
use crate::document::{Document, settings};
use crate::limits::NODES_MAX;
use crate::lower::{self, Lowering, Moment};
use crate::source::Sources;
use crate::symbols::{Names, Symbols};
use crate::yaml::load::load;
use crate::yaml::{Node, Word, values};
use crate::{Bundle, Compiled, RuleInfo, exact, review, testing};

/// Compiles sources that were read already.
pub(crate) fn compile(sources: Sources, mut sink: Sink) -> Compiled {
    let document = read(&sources, &mut sink);
    let symbols = Symbols::build(&document, &sources, &mut sink);
    let bundle = assemble(&document, symbols, &sources, &mut sink);
    let bundle = bundle.filter(|_| sink.errors() == 0);
    Compiled { bundle, diagnostics: sink.finish(), sources }
}

/// Every file's declarations.
fn read(sources: &Sources, sink: &mut Sink) -> Document {
    let mut document = Document::default();
    let mut budget = NODES_MAX;
    for (file, source) in sources.files().iter().enumerate() {
        if let Some(root) = load(file as u16, &source.text, &mut budget, sink)
            && !root.is_null()
        {
            document.read(&root, sink);
        }
    }
    document
}

fn assemble(document: &Document, symbols: Symbols, sources: &Sources, sink: &mut Sink) -> Option<Bundle> {
    let (bands, band_challenge, zone) = settings(document, sources, sink);
    let lowering = |moment| Lowering::new(&symbols, moment);
    let mut stage = Stage {
        sources,
        symbols: &symbols,
        gate: lowering(Moment::Gate),
        program: lowering(Moment::Rules),
        sink,
    };
    let (mut limits, exact_limits) = stage.limits(document);
    let mut breakers = stage.breakers(document);
    let (mut rules, info) = stage.rules(document, &zone);
    let gate = stage.gate.finish(limits.iter().filter_map(|limit| limit.when));
    let of_breakers = breakers.iter().map(|breaker| breaker.when);
    let lowered = stage.program.finish(rules.iter().map(|rule| rule.when).chain(of_breakers));
    let mut room = OPS_MAX;
    for program in [&gate.program, &lowered.program] {
        let too_many = match program {
            Err(what) => Some(*what),
            Ok((program, _)) => {
                let left = room.checked_sub(program.ops.len());
                room = left.unwrap_or(0);
                left.is_none().then_some("instructions")
            }
        };
        if let Some(what) = too_many {
            let place = document.rules.last().map_or_else(Place::default, DeclaredRule::place);
            sink.error(Code::Bound, place, format!("the rules together take too many {what}"));
        }
    }
    unread(document, &symbols, [&gate.read, &lowered.read], sink);
    let tests = testing::compile(&document.tests, &symbols, &ids(document, &rules), sink);
    let windows = exact::windows(document, &symbols, &lowered.thresholds, &exact_limits, sink);
    let lists = symbols.all_lists();
    let ((gate, in_gate), (mut program, in_program)) = (gate.program.ok()?, lowered.program.ok()?);
    for limit in &mut limits {
        limit.when = limit.when.map(|when| in_gate.truth(when));
    }
    for rule in &mut rules {
        rule.when = in_program.truth(rule.when);
    }
    for breaker in &mut breakers {
        breaker.when = in_program.truth(breaker.when);
    }
    let live = rules.iter().filter(|rule| rule.mode != Mode::Off).map(|rule| (rule.when, rule.kinds));
    let of_breakers = breakers.iter().map(|breaker| (breaker.when, breaker.kinds));
    program.kinds = lower::kinds(&program, live.chain(of_breakers));
    if sink.errors() == 0 {
        review::review(&program, &rules, &conditions(document, &rules), sink);
    }
    let policy = Policy {
        version: sources.version(),
        windows,
        lists,
        features: symbols.features,
        ext: symbols.ext,
        gate,
        limits,
        breakers,
        program,
        rules,
        bands,
        band_challenge,
        zone,
    };
    Some(Bundle { policy, rules: info, tests })
}

/// Every id that tests may speak of: of rules, limits, breakers. Those with a fault stand among them, so that no test is told
/// that it names nothing.
fn ids<'d>(document: &'d Document, rules: &'d [Rule]) -> Vec<&'d str> {
    let limits = document.limits.iter().map(|limit| &limit.id);
    let breakers = document.breakers.iter().map(|breaker| &breaker.id);
    let declared = limits.chain(breakers).map(|id| id.as_ref().map_or("", |id| id.text.as_str()));
    rules.iter().map(|rule| rule.reason.rule.as_str()).chain(declared).collect()
}

/// Where the condition of each rule stands; lists' rules, which come first, have none of their own.
fn conditions(document: &Document, rules: &[Rule]) -> Vec<Option<Place>> {
    let own = document.rules.iter().map(|rule| rule.when.as_ref().map(|when| when.place));
    let of_lists = rules.len().saturating_sub(document.rules.len());
    std::iter::repeat_n(None, of_lists).chain(own).collect()
}

/// Velocity features that no rule, limit or breaker reads.
fn unread(document: &Document, symbols: &Symbols, read: [&HashSet<FeatureId>; 2], sink: &mut Sink) {
    for declared in document.features.iter().filter(|feature| !feature.for_model) {
        let name = &declared.name;
        let limited = document.limits.iter().filter_map(|limit| limit.feature.as_ref());
        let Some(id) = symbols.features.find(&name.text) else { continue };
        if read.iter().any(|read| read.contains(&id))
            || limited.into_iter().any(|word| word.text == name.text)
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

/// What stands once in a policy.
fn settings(
    document: &Document,
    sources: &Sources,
    sink: &mut Sink,
) -> (policy::Bands, Option<Challenge>, Zone) {
    let mut once = |places: Vec<Place>, what: &str| {
        if let [first, second, ..] = places[..] {
            let fault = Diagnostic::error(Code::Duplicate, second, format!("{what} stand once in a policy"));
            sink.push(fault.label(format!("the first stand at {}", sources.location(first))));
        }
    };
    once(document.bands.iter().map(|bands| bands.place).collect(), "`bands`");
    once(document.settings.iter().map(|settings| settings.place).collect(), "`settings`");
    let bands = document.bands.first().map_or_else(policy::Bands::default, |declared| declared.bands);
    let none = settings::Settings { place: Place::default(), zone: None, band_challenge: None };
    let settings = document.settings.first().unwrap_or(&none);
    (bands, settings.band_challenge.or(Some(Challenge::Sms)), settings.zone.clone().unwrap_or_default())
}

/// What expressions are compiled with.
struct Stage<'s, 'k> {
    sources: &'s Sources,
    symbols: &'s Symbols,
    gate: Lowering<'s>,
    program: Lowering<'s>,
    sink: &'k mut Sink,
}

impl Stage<'_, '_> {
    fn condition(&mut self, node: &Node, moment: Moment) -> Option<(Truth, Option<Witness>)> {
        let source = self.sources.files().get(usize::from(node.place.file)).map_or("", |file| &file.text);
        let Some(text) = Text::of(node, source) else {
            let message = format!("an expression is a single value, and this is {}", node.shape());
            self.sink.error(Code::WrongType, node.place, message);
            return None;
        };
        let tree = cel::parse(&text, self.sink)?;
        let lowering = match moment {
            Moment::Gate => &mut self.gate,
            Moment::Rules | Moment::Alone => &mut self.program,
        };
        let (truth, witness) = lowering.condition(&tree, &text, self.sink)?;
        if let Some(known) = lowering.builder().known(truth)
            && !matches!(text.value.trim(), "true" | "false")
        {
            let message = format!("this is always {known}, whatever the event");
            self.sink.push(Diagnostic::warning(Code::Expression, node.place, message));
        }
        Some((truth, witness))
    }

    /// Rules in order: those of lists' actions first, then the files' own.
    fn rules(&mut self, document: &Document, zone: &Zone) -> (Vec<Rule>, Vec<RuleInfo>) {
        let (mut rules, mut info) = (Vec::new(), Vec::new());
        for list in &document.lists {
            if let Some(rule) = self.list_rule(list) {
                rules.push(rule);
                info.push(RuleInfo { owner: list.owner.clone(), place: list.name.place });
            }
        }
        let mut ids = Names::new("rule, limit or breaker", self.sources);
        let limits = document.limits.iter().filter_map(|limit| limit.id.as_ref());
        limits.chain(document.breakers.iter().filter_map(|breaker| breaker.id.as_ref())).for_each(|id| {
            ids.declare(id, self.sink);
        });
        for declared in &document.rules {
            let is_new = declared.id.as_ref().is_some_and(|id| ids.declare(id, self.sink));
            let rule = self.rule(declared, zone);
            if is_new {
                rules.push(rule);
                info.push(RuleInfo { owner: declared.owner.clone(), place: declared.place() });
            }
        }
        if rules.len() > RULES_MAX {
            let place = info.last().map_or_else(Place::default, |info| info.place);
            self.sink.error(
                Code::Bound,
                place,
                format!("a policy has at most {RULES_MAX} rules, lists' included"),
            );
        }
        (rules, info)
    }

    /// A rule; one with a fault stands in for itself, so that the tests that name it are read as well.
    fn rule(&mut self, declared: &DeclaredRule, zone: &Zone) -> Rule {
        let condition = declared.when.as_ref().and_then(|when| self.condition(when, Moment::Rules));
        let expires_ms = match &declared.expires {
            Some(word) => {
                let ends_ms = expires_ms(word, zone, self.sink);
                if ends_ms.is_some_and(|ends_ms| ends_ms <= jiff::Timestamp::now().as_millisecond()) {
                    let message = "this rule has expired and no longer acts";
                    let fault = Diagnostic::warning(Code::Expired, word.place, message);
                    self.sink.push(fault.label("take the rule out, or give it more time"));
                }
                ends_ms
            }
            None => Some(i64::MAX),
        };
        let (when, witness) = condition.unwrap_or((Truth(0), None));
        let id = declared.id.as_ref().map(|id| id.text.clone()).unwrap_or_default();
        Rule {
            tier: declared.tier,
            kinds: declared.kinds,
            when,
            verdict: declared.verdict,
            challenge: declared.challenge,
            score: declared.score,
            reason: reason(&declared.reason, id),
            witness,
            mode: declared.mode,
            sample_percent: declared.sample_percent,
            expires_ms: expires_ms.unwrap_or(i64::MAX),
        }
    }

    /// The rule that a list's action stands for.
    fn list_rule(&mut self, list: &DeclaredList) -> Option<Rule> {
        let tier = list.action?;
        let number = *self.symbols.list_numbers.get(&list.name.text)?;
        let id = format!("list:{}", list.name.text);
        let reason = match &list.reason {
            Some(declared) => reason(declared, id),
            None => {
                let text = format!("on the list {}", list.name.text);
                ReasonText { code: "LIST".to_owned(), rule: id, text, customer: String::new() }
            }
        };
        Some(Rule {
            tier,
            kinds: Kinds::ALL,
            when: self.program.on_list(number),
            verdict: match tier {
                policy::Tier::Guard | policy::Tier::Deny => Verdict::Deny,
                policy::Tier::Review => Verdict::Review,
                _ => Verdict::Allow,
            },
            challenge: None,
            score: 0.0,
            reason,
            witness: None,
            mode: Mode::Live,
            sample_percent: 100,
            expires_ms: i64::MAX,
        })
    }

    /// Limits, and the largest count that each limited feature must hold exactly.
    fn limits(&mut self, document: &Document) -> (Vec<policy::Limit>, HashMap<FeatureId, i64>) {
        let mut exact = HashMap::new();
        let mut limits = Vec::new();
        for declared in &document.limits {
            let when = declared.when.as_ref().map(|node| self.condition(node, Moment::Gate));
            let Some((window, max)) = self.limited(declared) else { continue };
            if limits.len() >= LIMITS_MAX {
                let message = format!("a policy has at most {LIMITS_MAX} limits");
                self.sink.error(Code::Bound, declared.place, message);
                break;
            }
            let when = match when {
                None => None,
                Some(Some((truth, _))) => Some(truth),
                Some(None) => continue,
            };
            let feature = self.symbols.windows[window].feature;
            if max <= EXACT_COUNT_MAX as i64 {
                let held = exact.entry(feature).or_insert(max);
                *held = max.max(*held);
            }
            let Some(id) = &declared.id else { continue };
            let reason = reason(&declared.reason, id.text.clone());
            let (verdict, challenge) = (declared.verdict, declared.challenge);
            limits.push(policy::Limit { window, max, when, verdict, challenge, reason });
        }
        (limits, exact)
    }

    fn breakers(&mut self, document: &Document) -> Vec<policy::Breaker> {
        let mut keys: HashSet<Vec<FeatureId>> =
            self.symbols.windows.iter().map(|window| window.key.clone()).collect();
        let mut breakers = Vec::new();
        for declared in &document.breakers {
            if breakers.len() >= BREAKERS_MAX {
                let message = format!("a policy has at most {BREAKERS_MAX} breakers");
                self.sink.error(Code::Bound, declared.place, message);
                break;
            }
            let known = keys.len();
            breakers.extend(self.breaker(declared));
            keys.extend(breakers.last().map(|breaker| breaker.key.clone()));
            if keys.len() > known && keys.len() > KEYS_MAX {
                let message =
                    format!("a policy keeps windows and breakers by at most {KEYS_MAX} different keys");
                self.sink.error(Code::Bound, declared.place, message);
            }
        }
        breakers
    }

    fn breaker(&mut self, declared: &DeclaredBreaker) -> Option<policy::Breaker> {
        let condition = declared.when.as_ref().and_then(|when| self.condition(when, Moment::Rules));
        let key: Vec<FeatureId> =
            declared.key.iter().filter_map(|word| self.symbols.text_field(word, self.sink)).collect();
        let (when, witness) = condition?;
        Some(policy::Breaker {
            key,
            kinds: declared.kinds,
            when,
            terms: Terms {
                open_ms: declared.open_ms,
                half_open_ms: declared.half_open_ms,
                trials: declared.trials,
            },
            verdict: declared.verdict,
            challenge: declared.challenge,
            reason: reason(&declared.reason, declared.id.as_ref()?.text.clone()),
            witness,
        })
    }

    /// The window that a limit bounds, and its maximum.
    fn limited(&mut self, declared: &DeclaredLimit) -> Option<(usize, i64)> {
        let name = declared.feature.as_ref()?;
        let row = |window: &Window| self.symbols.features.row(window.feature);
        let names = || self.symbols.windows.iter().map(|window| row(window).name.as_str());
        let Some(at) = names().position(|known| known == name.text) else {
            // Of what type the maximum is cannot be said; as money it would at least be a number.
            declared.max.as_ref().and_then(|max| values::money(max, self.sink));
            if self.symbols.faulty.contains(&name.text) {
                return None;
            }
            let message = format!("no velocity feature is named `{}`", values::shortened(&name.text));
            let fault = Diagnostic::error(Code::UnknownName, name.place, message)
                .label("expected a name from `features:`")
                .nearest(&name.text, names());
            self.sink.push(fault);
            return None;
        };
        let window = &self.symbols.windows[at];
        if !matches!(window.aggregate, Aggregate::Count | Aggregate::Sum(_)) {
            let message = format!("`{}` cannot be limited: only a count or a sum can be reserved", name.text);
            self.sink.error(Code::WrongType, name.place, message);
        } else if window.status == Status::Attempt {
            let message =
                format!("`{}` counts attempts, and a refused attempt cannot be given back", name.text);
            let fault = Diagnostic::error(Code::WrongType, name.place, message)
                .label("expected a feature with `status: approved`")
                .help("to refuse on attempts, write a rule in tier guard or deny");
            self.sink.push(fault);
        }
        let max = declared.max.as_ref()?;
        let max = match row(window).ty {
            Type::Money => values::money(max, self.sink)?,
            _ => values::integer(max, 0..=i64::MAX, self.sink)?,
        };
        Some((at, max))
    }
}

fn reason(declared: &Reason, rule: String) -> ReasonText {
    ReasonText {
        code: declared.code.clone(),
        rule,
        text: declared.text.clone(),
        customer: declared.customer.clone(),
    }
}

/// When a day begins in a zone.
fn midnight(date: jiff::civil::Date, zone: &Zone) -> Option<jiff::Timestamp> {
    let utc = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    let before = |ms: i64| utc.as_millisecond() - zone.offset_ms(ms);
    // The offset at midnight is nearly always that of the same hour in UTC; where it is not, once more settles it.
    jiff::Timestamp::from_millisecond(before(before(utc.as_millisecond()))).ok()
}

/// The moment from which a rule no longer acts: a date begins at midnight of the policy's local time.
fn expires_ms(word: &Word, zone: &Zone, sink: &mut Sink) -> Option<i64> {
    let date = word.text.parse::<jiff::civil::Date>().ok();
    // A date alone is no moment; a text with a time must say its offset.
    let moment = match date.filter(|_| word.text.len() == "2027-03-01".len()) {
        Some(date) => midnight(date, zone),
        None => word.text.parse::<jiff::Timestamp>().ok(),
    };
    if moment.is_none() {
        let message = format!("`{}` is not a date", values::shortened(&word.text));
        let label = "expected a date such as 2027-03-01, or a time such as 2027-03-01T08:00:00Z";
        sink.push(Diagnostic::error(Code::OutOfRange, word.place, message).label(label));
    }
    moment.map(jiff::Timestamp::as_millisecond)
}

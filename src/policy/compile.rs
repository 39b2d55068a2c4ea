//! The stages in order: sources → trees → declarations → names → checked expressions → programs → policy.
//!
//! A stage takes what the one before could save, so that one run shows every fault of a directory.

mod limits;

use std::collections::HashSet;

use engine::feature::FeatureId;
use engine::limits::{KEYS_MAX, OPS_MAX, RULES_MAX};
use engine::policy::{self, Mode, OnError, Policy, ReasonText, Rule, Variant, Witness};
use engine::program::{Kinds, Truth, Zone};
use engine::table::Terms;
use wire::{Challenge, Verdict};

use crate::budget::Budget;
use crate::cel;
use crate::cel::text::Text;
use crate::diagnostic::{Code, Diagnostic, Place, Sink};
use crate::document::Document;
use crate::document::breaker::Breaker as DeclaredBreaker;
use crate::document::list::List as DeclaredList;
use crate::document::reason::Reason;
use crate::document::rule::Rule as DeclaredRule;
use crate::expires::expires_ms;
use crate::lower::{self, Lowering, Moment};
use crate::review::{self, Written};
use crate::source::Sources;
use crate::symbols::{Names, Symbols};
use crate::tenants::Tenants;
use crate::yaml::Node;
use crate::{Bundle, Compiled, Options, RuleInfo, empty, exact, guarded, testing};

/// Compiles sources that were read already. Without `options` nobody asks whether they declare anything.
pub(crate) fn compile(sources: Sources, options: Option<Options>, mut sink: Sink) -> Compiled {
    let document = Document::of(&sources, options, &mut sink);
    let symbols = Symbols::build(&document, &sources, &mut sink);
    let bundle = assemble(&document, symbols, &sources, &mut sink);
    // What is at fault may be what would have decided.
    if let (Some(bundle), Some(options), 0) = (&bundle, options, sink.errors()) {
        empty::policy(&bundle.policy, options, &mut sink);
    }
    let bundle = bundle.filter(|_| sink.errors() == 0);
    Compiled { bundle, diagnostics: sink.finish(), sources }
}

fn assemble(document: &Document, symbols: Symbols, sources: &Sources, sink: &mut Sink) -> Option<Bundle> {
    let (bands, band_challenge, zone) = settings(document, sources, sink);
    let budget = Budget::default();
    let tenants = Tenants::build(document, &symbols, &budget, sources, sink);
    let lowering = |moment| Lowering::new(&symbols, &budget, moment);
    let mut stage = Stage {
        sources,
        symbols: &symbols,
        tenants: &tenants,
        budget: &budget,
        gate: lowering(Moment::Gate),
        program: lowering(Moment::Rules),
        sink,
    };
    let (mut limits, exact_limits, timeouts) = stage.limits(document);
    let mut breakers = stage.breakers(document);
    let Rules { mut rules, info, written } = stage.rules(document, &zone);
    let gate = stage.gate.finish(limits.iter().filter_map(|limit| limit.when));
    tenants.review(&rules.iter().map(|rule| rule.reason.rule.as_str()), stage.sink);
    let of_tenants = |rule: &Rule| rule.variants.iter().map(|variant| variant.of).collect::<Vec<_>>();
    let of_rules = rules.iter().flat_map(|rule| [rule.when].into_iter().chain(of_tenants(rule)));
    let lowered = stage.program.finish(of_rules.chain(breakers.iter().map(|breaker| breaker.when)));
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
    let asked = [&gate.acting, &gate.watching, &lowered.acting, &lowered.watching];
    // Of conditions that were not looked at nobody knows what they read.
    if !budget.is_spent() && !sink.is_enough() {
        review::unread(document, &symbols, asked, sink);
    }
    let tests = testing::compile(document, &symbols, &ids(document, &rules), sink);
    let mut windows =
        exact::windows(document, &symbols, [&lowered.acting, &lowered.watching], &exact_limits, sink);
    for (window, after_ms) in timeouts {
        windows[window].release_after_ms = after_ms;
    }
    let lists = symbols.all_lists();
    let ((gate, in_gate), (mut program, in_program)) = (gate.program.ok()?, lowered.program.ok()?);
    for limit in &mut limits {
        limit.when = limit.when.map(|when| in_gate.truth(when));
    }
    for rule in &mut rules {
        rule.when = in_program.truth(rule.when);
        for variant in &mut rule.variants {
            variant.of = in_program.truth(variant.of);
        }
    }
    for breaker in &mut breakers {
        breaker.when = in_program.truth(breaker.when);
    }
    let evaluated = rules.iter().filter(|rule| rule.is_evaluated());
    let of_rules = evaluated
        .flat_map(|rule| [rule.when].into_iter().chain(of_tenants(rule)).map(|root| (root, rule.kinds)));
    let of_breakers = breakers.iter().map(|breaker| (breaker.when, breaker.kinds));
    program.kinds = lower::kinds(&program, of_rules.chain(of_breakers));
    review::review(&program, &rules, &written, sink);
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
        currencies: symbols.currencies,
    };
    let guarded = guarded::all(document, &policy);
    Some(Bundle { policy, rules: info, guarded, tests, constants: tenants.constants() })
}

/// Every id that tests may speak of: of rules, limits, breakers. Those with a fault stand among them, so that no test is told
/// that it names nothing.
fn ids<'d>(document: &'d Document, rules: &'d [Rule]) -> Vec<&'d str> {
    let limits = document.limits.iter().map(|limit| &limit.id);
    let breakers = document.breakers.iter().map(|breaker| &breaker.id);
    let declared = limits.chain(breakers).map(|id| id.as_ref().map_or("", |id| id.text.as_str()));
    rules.iter().map(|rule| rule.reason.rule.as_str()).chain(declared).collect()
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
    let settings = document.settings.first();
    let band_challenge = settings.and_then(|settings| settings.band_challenge);
    let zone = settings.and_then(|settings| settings.zone.clone()).unwrap_or_default();
    (bands, band_challenge.or(Some(Challenge::Sms)), zone)
}

/// The rules of a policy, with what stands beside each of them.
#[derive(Default)]
struct Rules {
    rules: Vec<Rule>,
    info: Vec<RuleInfo>,
    written: Vec<Written>,
}

/// A condition, compiled.
struct Condition {
    when: Truth,
    witness: Option<Witness>,
    /// Tenants for whom it says something else, by number, and what a reason quotes then.
    tenants: Vec<(usize, Option<Witness>)>,
}

impl Default for Condition {
    fn default() -> Condition {
        Condition { when: Truth(0), witness: None, tenants: Vec::new() }
    }
}

/// What expressions are compiled with.
struct Stage<'s, 'k> {
    sources: &'s Sources,
    symbols: &'s Symbols,
    tenants: &'s Tenants,
    budget: &'s Budget,
    gate: Lowering<'s>,
    program: Lowering<'s>,
    sink: &'k mut Sink,
}

impl Stage<'_, '_> {
    fn condition(&mut self, node: &Node, moment: Moment) -> Option<Condition> {
        if self.sink.is_enough() || self.budget.is_spent() {
            return None;
        }
        let source = self.sources.files().get(usize::from(node.place.file)).map_or("", |file| &file.text);
        let Some(text) = Text::of(node, source) else {
            let message = format!("an expression is a single value, and this is {}", node.shape());
            self.sink.error(Code::WrongType, node.place, message);
            return None;
        };
        let tenants = self.tenants.named_in(text.value);
        let tree = cel::parse(&text, self.sink)?;
        let lowering = match moment {
            Moment::Gate => &mut self.gate,
            Moment::Rules | Moment::Alone => &mut self.program,
        };
        // What there is no room for is said once, when all is done.
        if lowering.is_full() {
            return None;
        }
        lowering.bind(&self.tenants.values);
        let (truth, witness) = lowering.condition(&tree, &text, self.sink)?;
        let mut condition = Condition { when: truth, witness, tenants: Vec::new() };
        for at in tenants {
            let Some(field) = self.tenants.field else { break };
            let tenant = &self.tenants.all[at];
            lowering.bind(&tenant.values);
            let (own, witness) = lowering.condition(&tree, &text, self.sink)?;
            let of = lowering.is_text(field, &tenant.name);
            condition.when = lowering.builder().choose(of, own, condition.when);
            condition.tenants.push((at, witness));
        }
        if let Some(known) = lowering.builder().known(truth)
            && !matches!(text.value.trim(), "true" | "false")
        {
            let message = format!("this is always {known}, whatever the event");
            self.sink.push(Diagnostic::warning(Code::Expression, node.place, message));
        }
        Some(condition)
    }

    /// A rule as tenants have it who switch it, or whose values its condition names.
    fn variants(&mut self, rule: &Rule, own: &[(usize, Option<Witness>)]) -> Vec<Variant> {
        let mut variants = Vec::new();
        for (at, tenant) in self.tenants.all.iter().enumerate() {
            let mode = tenant.modes.get(&rule.reason.rule).map(|(mode, _)| *mode);
            let witness = own.iter().find(|(of, _)| *of == at).map(|(_, witness)| *witness);
            let (Some(field), true) = (self.tenants.field, mode.is_some() || witness.is_some()) else {
                continue;
            };
            variants.push(Variant {
                tenant: tenant.name.clone(),
                of: self.program.is_text(field, &tenant.name),
                mode: mode.unwrap_or(rule.mode),
                witness: witness.unwrap_or(rule.witness),
            });
        }
        variants
    }

    /// Rules in order: those of lists' actions first, then the files' own.
    fn rules(&mut self, document: &Document, zone: &Zone) -> Rules {
        let Rules { mut rules, mut info, mut written } = Rules::default();
        for list in &document.lists {
            if let Some(rule) = self.list_rule(list) {
                rules.push(rule);
                info.push(RuleInfo { owner: list.owner.clone(), place: list.name.place });
                written.push(Written::ByList);
            }
        }
        let mut ids = Names::new("rule, limit or breaker", self.sources);
        let limits = document.limits.iter().filter_map(|limit| limit.id.as_ref());
        limits.chain(document.breakers.iter().filter_map(|breaker| breaker.id.as_ref())).for_each(|id| {
            ids.declare(id, self.sink);
        });
        for declared in &document.rules {
            let is_new = declared.id.as_ref().is_some_and(|id| ids.declare(id, self.sink));
            let (rule, sound) = self.rule(declared, zone);
            if is_new {
                rules.push(rule);
                info.push(RuleInfo { owner: declared.owner.clone(), place: declared.place() });
                let condition = declared.when.as_ref().filter(|_| sound);
                written.push(condition.map_or(Written::Wrong, |when| Written::At(when.place)));
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
        Rules { rules, info, written }
    }

    /// A rule, and whether it is without a fault; one with a fault stands in for itself, so that the tests that name it are
    /// read as well.
    fn rule(&mut self, declared: &DeclaredRule, zone: &Zone) -> (Rule, bool) {
        let id = declared.id.as_ref().map(|id| id.text.clone()).unwrap_or_default();
        self.program.watch(self.tenants.modes_of(&id).chain([declared.mode]).all(|mode| mode != Mode::Live));
        let condition = declared.when.as_ref().and_then(|when| self.condition(when, Moment::Rules));
        self.program.watch(false);
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
        let sound = condition.is_some() && expires_ms.is_some() && !declared.faulty;
        let Condition { when, witness, tenants } = condition.unwrap_or_default();
        let mut rule = Rule {
            tier: declared.tier,
            kinds: declared.kinds,
            when,
            on_error: declared.on_error,
            verdict: declared.verdict,
            challenge: declared.challenge,
            score: declared.score,
            reason: reason(&declared.reason, id),
            witness,
            mode: declared.mode,
            sample_percent: declared.sample_percent,
            expires_ms: expires_ms.unwrap_or(i64::MAX),
            variants: Vec::new(),
        };
        rule.variants = self.variants(&rule, &tenants);
        (rule, sound)
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
        let mut rule = Rule {
            tier,
            kinds: Kinds::ALL,
            when: self.program.on_list(number),
            on_error: OnError::Skip,
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
            variants: Vec::new(),
        };
        rule.variants = self.variants(&rule, &[]);
        Some(rule)
    }

    fn breakers(&mut self, document: &Document) -> Vec<policy::Breaker> {
        let mut keys: HashSet<Vec<FeatureId>> =
            self.symbols.windows.iter().map(|window| window.key.clone()).collect();
        let mut breakers = Vec::new();
        for declared in &document.breakers {
            let known = keys.len();
            breakers.extend(self.breaker(declared));
            keys.extend(breakers.last().map(|breaker| breaker.key.clone()));
            if keys.len() > known && keys.len() > KEYS_MAX {
                let message =
                    format!("a policy keeps windows and breakers by at most {KEYS_MAX} different keys");
                self.sink.error(Code::Bound, declared.refusal.place, message);
            }
        }
        breakers
    }

    fn breaker(&mut self, declared: &DeclaredBreaker) -> Option<policy::Breaker> {
        self.program.watch(declared.refusal.mode != Mode::Live);
        let condition = declared.when.as_ref().and_then(|when| self.condition(when, Moment::Rules));
        self.program.watch(false);
        let key: Vec<FeatureId> =
            declared.key.iter().filter_map(|word| self.symbols.text_field(word, self.sink)).collect();
        let Condition { when, witness, .. } = condition?;
        Some(policy::Breaker {
            key,
            kinds: declared.kinds,
            when,
            on_error: declared.refusal.on_error,
            terms: Terms {
                open_ms: declared.open_ms,
                half_open_ms: declared.half_open_ms,
                trials: declared.trials,
            },
            verdict: declared.refusal.verdict,
            challenge: declared.refusal.challenge,
            mode: declared.refusal.mode,
            reason: reason(&declared.refusal.reason, declared.id.as_ref()?.text.clone()),
            witness,
        })
    }
}

/// The words of a rule, limit or breaker.
fn reason(declared: &Reason, rule: String) -> ReasonText {
    ReasonText {
        code: declared.code.clone(),
        rule,
        text: declared.text.clone(),
        customer: declared.customer.clone(),
    }
}

//! A snapshot: rules, model, windows and keys that decide together, checked once and never changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::{AnswerHead, Check, DecodeError, ErrorCode, ExtValue, Form, Reason, Verdict};

use crate::currency::Currencies;
use crate::decision::{Decision, Hit};
use crate::feature::{BUILTINS, Builtin, FeatureId, FeatureTable, Type};
use crate::forest::{ForestError, ForestSpec};
use crate::key;
use crate::known::{self, Known};
use crate::limits::{BREAKERS_MAX, LIMITS_MAX, LISTS_MAX, OPS_MAX, RULES_MAX, WINDOWS_MAX};
use crate::lists::ListHandle;
use crate::models::{Challenger, Loaded, Models};
use crate::plan::{Laid, Plan};
use crate::policy::{Aggregate, BreakerState, List, Matching, Origin, Policy, ReasonText, Window};
use crate::program::{Op, TextSource};
use crate::reasons::BUILTIN_REASONS;
use crate::rules::Schedules;
use crate::tables::{SizeError, Sizes, Tables};
use crate::token::TokenKey;
use crate::verdict::{self, Candidate};

/// What a snapshot is made of.
#[derive(Debug, Default)]
pub struct Parts {
    /// The compiled policy.
    pub policy: Policy,
    /// The champion, whose score is the verdict's; without one `model_score` is 0.
    pub forest: Option<ForestSpec>,
    /// The model for what is odd, whose score rules may read; without one `anomaly_score` is 0.
    pub anomaly: Option<ForestSpec>,
    /// Models that are recorded and never act.
    pub challengers: Vec<Challenger>,
    /// Keys that tokens open with; the first seals new ones.
    pub token_keys: Vec<TokenKey>,
}

/// Why parts do not make a snapshot. What was in force stays in force.
#[derive(Clone, Debug, PartialEq)]
pub enum BuildError {
    /// More of something than there is room for.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many at most.
        max: usize,
    },
    /// A velocity feature that cannot be computed.
    Window {
        /// Its name.
        feature: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A breaker that cannot be kept.
    Breaker {
        /// Its id.
        id: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The model reads a feature that the policy does not have, or that is text.
    UnknownInput(String),
    /// The trees are no forest.
    Forest(ForestError),
    /// There is no memory for the windows.
    Size(SizeError),
}

impl BuildError {
    pub(crate) fn of(features: &FeatureTable, window: &Window, why: &'static str) -> BuildError {
        BuildError::Window { feature: features.row(window.feature).name.clone(), why }
    }
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::TooMany { what, count, max } => write!(f, "{count} {what}, where {max} have room"),
            BuildError::Window { feature, why } => write!(f, "feature {feature} {why}"),
            BuildError::Breaker { id, why } => write!(f, "breaker {id} {why}"),
            BuildError::UnknownInput(name) => {
                write!(f, "the model reads {name}, which is no number of this policy")
            }
            BuildError::Forest(error) => write!(f, "the model: {error}"),
            BuildError::Size(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

/// Words and versions by number. A book only grows from snapshot to snapshot, so an old decision finds its words.
#[derive(Clone, Default)]
struct Book {
    reasons: Vec<Arc<ReasonText>>,
    versions: Vec<Arc<(String, String)>>,
}

impl Book {
    fn version(&mut self, policy: &str, model: &str) -> u32 {
        let found = self.versions.iter().position(|known| known.0 == policy && known.1 == model);
        found.unwrap_or_else(|| {
            self.versions.push(Arc::new((policy.to_owned(), model.to_owned())));
            self.versions.len() - 1
        }) as u32
    }
}

/// An immutable set of everything that decides.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) policy: Policy,
    pub(crate) plan: Plan,
    /// How the policy's programs are run.
    pub(crate) schedules: Arc<Schedules>,
    pub(crate) models: Arc<Models>,
    pub(crate) token_keys: Arc<[TokenKey]>,
    pub(crate) lists: Vec<Arc<ListHandle>>,
    /// Bits of every feature's missing value, by number.
    pub(crate) missing: Vec<u64>,
    /// Text features whose hash some stage needs.
    pub(crate) hashed: Vec<FeatureId>,
    /// Live and shadow rules in the order of their tiers: those of each kind, and at the end of all kinds.
    pub(crate) order: Vec<Vec<Candidate>>,
    /// Rules that settle something before anything is reserved.
    pub(crate) known: Known,
    /// By the policy's rules, what their ids do to the sample of accounts.
    pub(crate) salts: Arc<[u64]>,
    pub(crate) currencies: Currencies,
    /// Tells this snapshot from every other of the process.
    pub(crate) serial: u64,
    book: Book,
    /// Places in the book, by [`Policy::index_of`].
    words: Vec<u32>,
    version: u32,
    ext: HashMap<String, FeatureId>,
    /// Text features that some rule asks `has()` of.
    pub(crate) asked: Vec<FeatureId>,
    /// Text features that some rule reads as text.
    read: Vec<FeatureId>,
}

impl Snapshot {
    /// Whether tables of these sizes, with those that the policy needs and with full lists, fit into so much memory, and how
    /// much they take. Makes none.
    ///
    /// # Errors
    /// [`BuildError::Size`] naming the table that is to be smaller; or what else is wrong with the policy.
    pub fn fits(policy: &Policy, sizes: &Sizes, free_bytes: u64) -> Result<u64, BuildError> {
        check_sizes(policy)?;
        Plan::bytes(policy, sizes)?.fit(free_bytes).map_err(BuildError::Size)
    }

    /// Checks the parts and lays them out. Windows that `previous` has as well keep their counts.
    ///
    /// # Errors
    /// [`BuildError`]; nothing has changed then.
    pub fn build(parts: Parts, tables: &Tables, previous: Option<&Snapshot>) -> Result<Snapshot, BuildError> {
        let Parts { policy, forest, anomaly, challengers, token_keys } = parts;
        check_sizes(&policy)?;
        let plan = Plan::lay(&policy, tables, previous.map(|previous| &previous.plan))?;
        let model_version = forest.as_ref().map_or_else(String::new, |spec| spec.version.clone());
        let models = Models::build(&policy.features, forest, anomaly, challengers)?;
        let handle = |list: &List| tables.lists.handle(&list.name, list.matching, list.on.form());
        let no_memory = SizeError::NoMemory { table: "list_entries", entries: 0 };
        let lists =
            policy.lists.iter().map(handle).collect::<Option<_>>().ok_or(BuildError::Size(no_memory))?;
        let mut book = previous.map(|previous| previous.book.clone()).unwrap_or_default();
        let words = words(&policy, &mut book);
        let version = book.version(&policy.version, &model_version);
        let (asked, read) = texts(&policy);
        let ext = policy
            .ext
            .iter()
            .map(|&id| (policy.features.row(id).name.trim_start_matches("ext.").to_owned(), id));
        let late = known::late(&policy);
        let (schedules, known) = (Schedules::of(&policy, &late), Known::of(&policy, &late));
        Ok(Snapshot {
            ext: ext.collect(),
            missing: policy.features.iter().map(|(_, row)| row.missing.bits()).collect(),
            hashed: hashed(&policy),
            serial: serial(),
            plan,
            schedules: Arc::new(schedules),
            models: Arc::new(models),
            token_keys: token_keys.into(),
            lists,
            order: verdict::order(&policy),
            known,
            currencies: Currencies::of(&policy),
            salts: policy.rules.iter().map(|rule| key::salt(&rule.reason.rule)).collect(),
            book,
            words,
            version,
            asked,
            read,
            policy,
        })
    }

    /// The same snapshot in which those matches only watch. `policy` is what it was built from, where nothing was demoted.
    pub fn demoted(&self, policy: &Policy, origins: impl IntoIterator<Item = Origin>) -> Snapshot {
        let mut next = Snapshot { serial: serial(), policy: policy.clone(), ..self.clone() };
        origins.into_iter().for_each(|origin| next.policy.demote(origin));
        next.order = verdict::order(&next.policy);
        next.known = Known::of(&next.policy, &known::late(&next.policy));
        next
    }

    /// The compiled policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Velocity features that kept their counts over a reload and are exact to fewer events than rules and limits now ask
    /// for: beyond that they are never too low, and at most one sub-window too high. The next start makes room.
    pub fn narrowed(&self) -> impl Iterator<Item = &str> {
        self.plan.narrowed.iter().map(|&feature| self.policy.features.row(feature).name.as_str())
    }

    /// Velocity features and breakers that did not change and forgot what they held all the same: after reloads that changed
    /// windows of so many keys that there was no table left, some of one key were laid together.
    pub fn begun_anew(&self) -> impl Iterator<Item = &str> {
        self.plan.begun_anew.iter().map(String::as_str)
    }

    /// Bytes that a velocity feature takes of each key, and beside them of a busy one, which sees more than a few events in a
    /// window; none for what is no velocity feature. A key's slot is made of whole lines of 64 bytes over all features of the key.
    pub fn bytes_of(&self, feature: FeatureId) -> Option<[usize; 2]> {
        let mut windows = self.plan.groups.iter().flat_map(|group| &group.windows);
        windows.find(|window| window.feature == feature).map(Laid::bytes)
    }

    /// By the policy's windows, below what a value is certain: [`Window::certain_below`].
    pub fn certain_below(&self) -> Vec<i64> {
        let laid = |window: &Window| {
            let groups = self.plan.groups.iter();
            let exact = groups.filter(|group| group.table.has_blocks_for_all()).find_map(|group| {
                group.windows.iter().find(|laid| laid.feature == window.feature).map(|laid| laid.exact)
            });
            window.certain_below(exact)
        };
        self.policy.windows.iter().map(laid).collect()
    }

    /// Content hash of the policy.
    pub fn policy_version(&self) -> &str {
        &self.policy.version
    }

    /// Every model: champion, anomaly and challengers, in this order.
    pub fn models(&self) -> impl Iterator<Item = Loaded<'_>> {
        self.models.loaded()
    }

    /// Version of the champion; empty without one.
    pub fn model_version(&self) -> &str {
        &self.book.versions[self.version as usize].1
    }

    /// Keys that tokens open with; the first seals new ones.
    pub fn token_keys(&self) -> &[TokenKey] {
        &self.token_keys
    }

    /// Whether the check's ext fields are declared and of their types, and its amount of a currency of the policy. To be asked
    /// before a check is decided.
    ///
    /// # Errors
    /// The field at fault; nothing was counted.
    pub fn admit(&self, check: &Check<'_>) -> Result<(), DecodeError> {
        self.currencies.admit(check)?;
        for (name, value) in &check.ext {
            let path = || format!("ext.{name}");
            let Some((_, ty)) = self.ext_feature(name) else {
                return Err(DecodeError::new(
                    ErrorCode::Unknown,
                    path(),
                    "the policy's schema declares no such field",
                ));
            };
            let (found, fits) = match value {
                ExtValue::Bool(_) => ("a truth value", ty == Type::Bool),
                ExtValue::Int(_) => ("a whole number", matches!(ty, Type::Int | Type::Double)),
                ExtValue::Double(_) => ("a decimal number", ty == Type::Double),
                ExtValue::Text(_) => ("text", ty == Type::Text),
            };
            if !fits {
                let expected = match ty {
                    Type::Bool => "a truth value",
                    Type::Int | Type::Money => "a whole number",
                    Type::Double => "a number",
                    Type::Text => "text",
                };
                let message = format!("found {found}, the policy's schema declares {expected}");
                return Err(DecodeError::new(ErrorCode::WrongType, path(), message));
            }
        }
        Ok(())
    }

    /// The parts of an answer other than its reasons.
    pub fn head<'a>(&'a self, id: &'a str, decision: &Decision) -> AnswerHead<'a> {
        // A worker that still holds an older snapshot may repeat an answer of a newer one: it tells its own version then.
        let place = (decision.version as usize).min(self.book.versions.len() - 1);
        let (policy, model) = &*self.book.versions[place];
        AnswerHead {
            id,
            verdict: decision.verdict,
            challenge: decision.challenge.filter(|_| decision.verdict == Verdict::Challenge),
            score: decision.score,
            degraded: decision.degraded,
            replayed: decision.replayed,
            policy,
            model,
            decision: decision.number,
        }
    }

    /// The reasons of a decision, in words.
    pub fn reasons<'a>(&'a self, decision: &'a Decision) -> impl ExactSizeIterator<Item = Reason<'a>> {
        decision.hits().iter().map(|hit| {
            let words = self.book.reasons.get(hit.reason as usize);
            let text = |part: fn(&ReasonText) -> &String| words.map_or("", |words| part(words).as_str());
            Reason {
                code: text(|words| &words.code),
                rule: text(|words| &words.rule),
                text: text(|words| &words.text),
                customer: text(|words| &words.customer),
                value: hit.value,
                threshold: hit.threshold,
            }
        })
    }

    /// Index of a match, as [`Policy::origin_of`] reads it.
    pub fn hit_index(&self, hit: &Hit) -> usize {
        hit.index as usize
    }

    /// Words of a match by its index, as a record holds it.
    pub fn words_of(&self, index: u32) -> Option<&ReasonText> {
        self.words
            .get(index as usize)
            .and_then(|&place| self.book.reasons.get(place as usize))
            .map(|words| &**words)
    }

    pub(crate) fn hit(&self, origin: Origin, value: wire::Value, threshold: wire::Value) -> Hit {
        let index = self.policy.index_of(origin);
        Hit { reason: self.words[index], index: index as u32, value, threshold }
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn ext_feature(&self, name: &str) -> Option<(FeatureId, Type)> {
        self.ext.get(name).map(|&id| (id, self.policy.features.row(id).ty))
    }

    /// Name of an ext field, without its prefix.
    pub(crate) fn ext_name(&self, feature: FeatureId) -> &str {
        self.policy.features.row(feature).name.trim_start_matches("ext.")
    }

    /// Whether some rule or list reads that feature as text.
    pub(crate) fn reads(&self, feature: Builtin) -> bool {
        self.read.contains(&feature.id())
    }
}

fn serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

fn check_sizes(policy: &Policy) -> Result<(), BuildError> {
    let sizes = [
        ("rules", policy.rules.len(), RULES_MAX),
        ("limits", policy.limits.len(), LIMITS_MAX),
        ("breakers", policy.breakers.len(), BREAKERS_MAX),
        ("lists", policy.lists.len(), LISTS_MAX),
        ("velocity features", policy.windows.len(), WINDOWS_MAX),
        ("instructions", policy.program.ops.len() + policy.gate.ops.len(), OPS_MAX),
    ];
    match sizes.into_iter().find(|(_, count, max)| count > max) {
        Some((what, count, max)) => Err(BuildError::TooMany { what, count, max }),
        None => Ok(()),
    }
}

/// Enters the words of every match into the book, in the order of [`Policy::index_of`]; gives their places.
fn words(policy: &Policy, book: &mut Book) -> Vec<u32> {
    let mut known: HashMap<Arc<ReasonText>, u32> =
        book.reasons.iter().enumerate().map(|(place, words)| (words.clone(), place as u32)).collect();
    let own = BUILTIN_REASONS.iter().map(|&(code, rule, text)| ReasonText {
        code: code.to_owned(),
        rule: rule.to_owned(),
        text: text.to_owned(),
        customer: String::new(),
    });
    let rules = policy.rules.iter().map(|rule| rule.reason.clone());
    let limits = policy.limits.iter().map(|limit| limit.reason.clone());
    let breakers = policy.breakers.iter().flat_map(|breaker| {
        let words = |state: BreakerState| ReasonText {
            text: format!("{}{}", state.prefix(), breaker.reason.text),
            ..breaker.reason.clone()
        };
        BreakerState::ALL.map(words)
    });
    let enter = |words: ReasonText| {
        let words = Arc::new(words);
        *known.entry(words.clone()).or_insert_with(|| {
            book.reasons.push(words);
            book.reasons.len() as u32 - 1
        })
    };
    rules.chain(limits).chain(breakers).chain(own).map(enter).collect()
}

/// Features held by a name that the programs ask `has()` of, and text features that they read.
fn texts(policy: &Policy) -> (Vec<FeatureId>, Vec<FeatureId>) {
    let (mut asked, mut read) = (Vec::new(), Vec::new());
    for (program, op) in
        [&policy.program, &policy.gate].into_iter().flat_map(|p| p.ops.iter().map(move |op| (p, op)))
    {
        match *op {
            Op::Present { feature, .. } if policy.features.row(feature).ty == Type::Text => {
                asked.push(feature);
            }
            _ => read.extend(op.reads(program).texts.into_iter().flatten()),
        }
    }
    let mut read: Vec<FeatureId> = read
        .into_iter()
        .filter_map(|source| match source {
            TextSource::Feature(feature) => Some(feature),
            TextSource::Constant(_) | TextSource::Register(_) => None,
        })
        .chain(asked.iter().copied())
        // Prefixes are looked up by the text itself.
        .chain(policy.lists.iter().filter(|list| list.matching == Matching::Prefix).map(|list| list.on))
        .collect();
    // Whether an event has any other is noted as its fields are read.
    let named = |form| matches!(form, Form::Kind | Form::Class | Form::Currency);
    asked.retain(|feature: &FeatureId| feature.field().is_some_and(|field| named(field.form())));
    for features in [&mut asked, &mut read] {
        features.sort_unstable();
        features.dedup();
    }
    (asked, read)
}

/// Text features that keys, lists, sets and the record are made of.
fn hashed(policy: &Policy) -> Vec<FeatureId> {
    let always = [Builtin::Account, Builtin::DeviceId, Builtin::Counterparty, Builtin::Packet, Builtin::Ip];
    let keys = policy.windows.iter().flat_map(|window| window.key.iter().copied());
    let sets = policy.windows.iter().filter_map(|window| match window.aggregate {
        Aggregate::Distinct(field) => Some(field),
        _ => None,
    });
    let lists = policy.lists.iter().map(|list| list.on);
    let breakers = policy.breakers.iter().flat_map(|breaker| breaker.key.iter().copied());
    let mut hashed: Vec<FeatureId> =
        always.iter().map(|b| b.id()).chain(keys).chain(sets).chain(lists).chain(breakers).collect();
    hashed.sort_unstable();
    hashed.dedup();
    debug_assert!(hashed.iter().all(|id| id.index() < BUILTINS.len() || policy.ext.contains(id)));
    hashed
}

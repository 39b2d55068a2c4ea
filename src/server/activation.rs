//! From files to a snapshot in force: rules compiled and their own tests run, the model loaded and checked, keys read,
//! all of it or nothing. Never on a worker's thread.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::feature::FeatureTable;
use engine::policy::{Policy, ReasonText};
use engine::{Challenger, Parts, Snapshot, Tables};
use model::{Artefact, Explainer};
use policy::{Compiled, Guarded, Severity};

use crate::config::Config;
use crate::demotions::{Demotion, Demotions};
use crate::explainers::Explainers;
use crate::lists::{KnownList, ListStore};
use crate::memory;
use crate::metrics::{MatchCounters, Metrics, ScoreHistogram};
use crate::taken_away::TakenAway;
use crate::tokens;

/// A snapshot in force, and what is told about it.
pub struct Activation {
    /// Tells it from every other of the process; from 1 on.
    pub number: u64,
    /// What decides.
    pub snapshot: Snapshot,
    /// What it was built from.
    pub facts: Arc<Facts>,
    /// What the activation before it had and it has not.
    pub taken_away: Arc<TakenAway>,
    /// The lists it declares.
    pub lists: Vec<KnownList>,
    /// Counters of its matches.
    pub hits: MatchCounters,
    /// Where the scores of its models are counted, in the order of [`Snapshot::models`].
    pub scores: Vec<Arc<ScoreHistogram>>,
    /// What of it only watches because it refused too much.
    pub demoted: Vec<Demotion>,
    /// Its models, for explaining.
    pub explainers: Vec<Arc<Explainer>>,
    /// When its files took over, in Unix milliseconds.
    pub activated_ms: i64,
}

/// What a snapshot was built from.
pub struct Facts {
    /// The compiled policy as its files have it: what is demoted acts here.
    pub policy: Policy,
    /// What of it refuses, and how much it may.
    pub guarded: Vec<Guarded>,
    /// Words of every match, by [`Policy::index_of`].
    pub words: Vec<ReasonText>,
    /// By the policy's windows, below what a recorded value is certain.
    pub certain_below: Vec<i64>,
    /// Who answers for each rule, in the policy's order; may be empty.
    pub owners: Vec<String>,
    /// The files' own tests that passed.
    pub tests: usize,
    /// Diagnostics that did not refuse it, as text.
    pub warnings: String,
    /// The champion, if there is one.
    pub model: Option<model::Manifest>,
    /// The models beside it, in the order of [`Snapshot::models`].
    pub beside: Vec<model::Manifest>,
}

/// Why files did not become a snapshot. What was in force stays.
#[derive(Debug)]
pub enum Refusal {
    /// The rule files are wrong or a test of theirs failed.
    Policy(Box<Faulty>),
    /// A model is.
    Model(String),
    /// The token keys are.
    Keys(String),
    /// Rules and model are right by themselves and do not fit the engine or each other.
    Snapshot(String),
    /// The lists' entries cannot be read, or the activation cannot be recorded.
    Disk(String),
    /// The daemon itself is at fault: a panic on the way, with its message.
    Internal(String),
}

/// Rule files with everything that is wrong with them.
#[derive(Debug)]
pub struct Faulty {
    /// The directory.
    pub dir: PathBuf,
    /// For people: each with file, line, column and caret.
    pub text: String,
    /// For tools.
    pub diagnostics: serde_json::Value,
    /// How many are errors.
    pub errors: usize,
}

impl Refusal {
    /// What may be at fault, as metrics and the admin address name it.
    pub const REASONS: [&'static str; 6] = ["policy", "model", "keys", "snapshot", "data", "internal"];

    /// What is at fault, of [`Refusal::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::Policy(_) => "policy",
            Refusal::Model(_) => "model",
            Refusal::Keys(_) => "keys",
            Refusal::Snapshot(_) => "snapshot",
            Refusal::Disk(_) => "data",
            Refusal::Internal(_) => "internal",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Policy(faulty) => {
                write!(
                    f,
                    "the rules in {} have {} errors\n{}",
                    faulty.dir.display(),
                    faulty.errors,
                    faulty.text
                )
            }
            Refusal::Model(why) => write!(f, "the model: {why}"),
            Refusal::Keys(why) => write!(f, "the token keys: {why}"),
            Refusal::Snapshot(why) => write!(f, "the snapshot: {why}"),
            Refusal::Disk(why) => f.write_str(why),
            Refusal::Internal(why) => {
                write!(
                    f,
                    "internal error: {why}. This is a defect of riskd and not of the files: please report it with them"
                )
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Does work on files of a user. A panic becomes a refusal: what was in force stays, and a reload that nobody waits for is
/// told of like any other.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    // Nothing that the work shares is left half changed: locks are taken over from a thread that panicked.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Refusal::Internal(words.unwrap_or_else(|| "a panic without words".to_owned())))
    })
}

/// Compiles a directory of rules and runs their tests. Files and policies that declare nothing are refused, or warned of if
/// they are `allow_empty`.
pub fn compile(dir: &Path, allow_empty: bool) -> Result<(policy::Bundle, String), Refusal> {
    let mut compiled = policy::compile_dir_with(dir, policy::Options { allow_empty });
    if let Some(bundle) = &compiled.bundle {
        compiled.diagnostics.extend(policy::testing::run(bundle));
    }
    let warnings = compiled.render(false);
    match compiled.bundle.take() {
        Some(bundle) if errors(&compiled) == 0 => Ok((bundle, warnings)),
        _ => Err(Refusal::Policy(Box::new(faulty(dir, &compiled)))),
    }
}

fn errors(compiled: &Compiled) -> usize {
    compiled.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

fn faulty(dir: &Path, compiled: &Compiled) -> Faulty {
    let located: Vec<_> =
        compiled.diagnostics.iter().map(|one| policy::render::locate(&compiled.sources, one)).collect();
    Faulty {
        dir: dir.to_owned(),
        text: compiled.render(false),
        // Texts and numbers alone: this cannot fail.
        diagnostics: serde_json::to_value(located).unwrap_or_default(),
        errors: errors(compiled),
    }
}

/// The models that a snapshot is built with.
pub struct Models {
    /// The champion.
    pub champion: Option<Artefact>,
    /// The model for what is odd.
    pub anomaly: Option<Artefact>,
    /// Those that only watch, each with its share of accounts in percent.
    pub challengers: Vec<(Artefact, u8)>,
}

impl Models {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Artefact> {
        let challengers = self.challengers.iter().map(|(artefact, _)| artefact);
        self.champion.iter().chain(&self.anomaly).chain(challengers)
    }

    /// Checks that they read what a policy has.
    pub fn check(&self, features: &FeatureTable) -> Result<(), Refusal> {
        for Artefact { manifest, forest, .. } in self.all() {
            model::check_inputs(manifest, features)
                .map_err(|error| Refusal::Model(format!("{}: {error}", forest.version)))?;
        }
        Ok(())
    }
}

/// Loads the models that are to score.
pub fn load_models(config: &Config) -> Result<Models, Refusal> {
    let models = &config.models;
    let read = |name: &str| {
        let folder = models.dir.join(name);
        model::read(&folder).map_err(|error| Refusal::Model(format!("{}: {error}", folder.display())))
    };
    let named = |name: &str| if name.is_empty() { Ok(None) } else { read(name).map(Some) };
    let challengers = models.challengers.iter().map(|one| Ok((read(&one.name)?, one.share)));
    Ok(Models {
        champion: named(&models.active)?,
        anomaly: named(&models.anomaly)?,
        challengers: challengers.collect::<Result<_, _>>()?,
    })
}

/// What lasts over activations, beside the tables.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// The lists' entries.
    pub lists: &'a ListStore,
    /// Models for explaining.
    pub explainers: &'a Explainers,
}

/// Builds what is to be in force from the files of the configuration. Lists that it declares are loaded before it is given.
/// Nothing of it is demoted: see [`Activation::with`].
pub fn prepare(
    config: &Config,
    tables: &Tables,
    metrics: &Metrics,
    kept: &Kept<'_>,
    previous: Option<&Activation>,
    allow_empty: bool,
    now_ms: i64,
) -> Result<Activation, Refusal> {
    let (bundle, warnings) = compile(&config.policy.dir, allow_empty)?;
    let models = load_models(config)?;
    models.check(&bundle.policy.features)?;
    let forest = |artefact: &Artefact| artefact.forest.clone();
    let of = |(artefact, share_percent): &(Artefact, u8)| Challenger {
        forest: artefact.forest.clone(),
        share_percent: *share_percent,
    };
    let (anomaly, challengers) =
        (models.anomaly.as_ref().map(forest), models.challengers.iter().map(of).collect());
    let forest = models.champion.as_ref().map(forest);
    let keys = tokens::load_or_make(&config.in_data(&config.tokens.keys_file, "token.keys"))
        .map_err(|error| Refusal::Keys(error.to_string()))?;
    let parts = Parts { policy: bundle.policy.clone(), forest, anomaly, challengers, token_keys: keys };
    tables.allow(memory::free_bytes());
    let snapshot = Snapshot::build(parts, tables, previous.map(|active| &active.snapshot))
        .map_err(|error| Refusal::Snapshot(error.to_string()))?;
    for feature in snapshot.narrowed() {
        tracing::warn!(
            feature,
            "kept its counts; until the next start it is exact to fewer events than the rules ask"
        );
    }
    for name in snapshot.begun_anew() {
        tracing::warn!(name, "begins anew: reloads since the start have changed windows of too many keys");
    }
    // A list that rules look other fields up in stands there again for each of them, under one name.
    let mut names = HashSet::new();
    let declared: Vec<KnownList> = bundle
        .policy
        .lists
        .iter()
        .filter(|list| names.insert(list.name.as_str()))
        // The snapshot has made it already.
        .filter_map(|list| KnownList::new(&tables.lists, &list.name, list.matching, list.on.form()))
        .collect();
    let mut unfit = BTreeMap::new();
    for list in &declared {
        let load = kept
            .lists
            .load(&tables.lists, list, now_ms)
            .map_err(|error| Refusal::Disk(format!("list {}: {error}", list.name)))?;
        if load.unfit > 0 {
            tracing::warn!(list = list.name, entries = load.unfit, "list entries do not fit their list");
            unfit.insert(list.name.clone(), load.unfit as u64);
        }
    }
    let words: Vec<ReasonText> = (0..).map_while(|place| snapshot.words_of(place).cloned()).collect();
    let origins = (0..words.len()).map(|index| bundle.policy.origin_of(index));
    let hits = metrics.matches(words.iter().map(|words| words.rule.as_str()).zip(origins));
    let explainers = kept.explainers.of(models.all());
    let challengers = models.challengers.into_iter().map(|(artefact, _)| artefact);
    let beside = models.anomaly.into_iter().chain(challengers);
    let facts = Facts {
        words,
        certain_below: snapshot.certain_below(),
        owners: bundle.rules.iter().map(|rule| rule.owner.clone()).collect(),
        tests: bundle.tests.len(),
        guarded: bundle.guarded,
        policy: bundle.policy,
        warnings,
        model: models.champion.map(|artefact| artefact.manifest),
        beside: beside.map(|artefact| artefact.manifest).collect(),
    };
    let scores = metrics.scores(snapshot.models());
    let taken_away = previous.map_or_else(TakenAway::default, |previous| {
        TakenAway::between(previous, &snapshot, &facts.policy, &declared, unfit, tables)
    });
    Ok(Activation {
        number: number(),
        snapshot,
        taken_away: Arc::new(taken_away),
        facts: Arc::new(facts),
        lists: declared,
        hits,
        scores,
        demoted: Vec::new(),
        explainers,
        activated_ms: now_ms,
    })
}

impl Activation {
    /// The same files, where what is demoted only watches.
    pub fn with(&self, demotions: &Demotions) -> Activation {
        let in_force = demotions.in_force(&self.facts.guarded);
        let (origins, demoted): (Vec<_>, _) =
            in_force.into_iter().map(|(one, demotion)| (one.origin, demotion)).unzip();
        Activation {
            number: number(),
            taken_away: self.taken_away.clone(),
            snapshot: self.snapshot.demoted(&self.facts.policy, origins),
            facts: self.facts.clone(),
            lists: self.lists.clone(),
            hits: self.hits.clone(),
            scores: self.scores.clone(),
            demoted,
            explainers: self.explainers.clone(),
            activated_ms: self.activated_ms,
        }
    }

    /// Ids of what is demoted.
    pub fn demoted_ids(&self) -> BTreeSet<String> {
        self.demoted.iter().map(|demotion| demotion.id.clone()).collect()
    }
}

fn number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

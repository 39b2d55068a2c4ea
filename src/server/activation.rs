//! From files to a snapshot in force: rules compiled and their own tests run, the model loaded and checked, keys read,
//! all of it or nothing. Never on a worker's thread.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::policy::{Policy, ReasonText};
use engine::{Parts, Snapshot, Tables};
use metrics::Counter;
use policy::{Compiled, Severity};

use crate::config::Config;
use crate::lists::{KnownList, ListStore};
use crate::memory;
use crate::metrics::Metrics;
use crate::tokens;

/// A snapshot in force, and what is told about it.
pub struct Activation {
    /// What decides.
    pub snapshot: Snapshot,
    /// What it was built from.
    pub facts: Arc<Facts>,
    /// The lists it declares.
    pub lists: Vec<KnownList>,
    /// Counters of its matches, by [`Policy::index_of`].
    pub hits: Vec<Counter>,
    /// When it took over, in Unix milliseconds.
    pub activated_ms: i64,
}

/// What a snapshot was built from.
pub struct Facts {
    /// The compiled policy, as far as people ask about it.
    pub policy: Policy,
    /// Words of every match, by [`Policy::index_of`].
    pub words: Vec<ReasonText>,
    /// Who answers for each rule, in the policy's order; may be empty.
    pub owners: Vec<String>,
    /// The files' own tests that passed.
    pub tests: usize,
    /// Diagnostics that did not refuse it, as text.
    pub warnings: String,
    /// The model, if one scores.
    pub model: Option<model::Manifest>,
}

/// Why files did not become a snapshot. What was in force stays.
#[derive(Debug)]
pub enum Refusal {
    /// The rule files are wrong or a test of theirs failed.
    Policy(Box<Faulty>),
    /// The model is.
    Model(String),
    /// The token keys are.
    Keys(String),
    /// Rules and model are right by themselves and do not fit the engine or each other.
    Snapshot(String),
    /// The lists' entries cannot be read, or the activation cannot be recorded.
    Disk(String),
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
        }
    }
}

impl std::error::Error for Refusal {}

/// Compiles a directory of rules and runs their tests.
pub fn compile(dir: &Path) -> Result<(policy::Bundle, String), Refusal> {
    let mut compiled = policy::compile_dir(dir);
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

/// Loads the model that is to score, if one is.
pub fn load_model(config: &Config) -> Result<Option<model::Artefact>, Refusal> {
    if config.models.active.is_empty() {
        return Ok(None);
    }
    let folder = config.models.dir.join(&config.models.active);
    model::read(&folder).map(Some).map_err(|error| Refusal::Model(format!("{}: {error}", folder.display())))
}

/// Builds what is to be in force from the files of the configuration. Lists that it declares are loaded before it is given.
pub fn prepare(
    config: &Config,
    tables: &Tables,
    lists: &ListStore,
    metrics: &Metrics,
    previous: Option<&Activation>,
    now_ms: i64,
) -> Result<Activation, Refusal> {
    let (bundle, warnings) = compile(&config.policy.dir)?;
    let (manifest, forest) = load_model(config)?.map(|artefact| (artefact.manifest, artefact.forest)).unzip();
    let keys = tokens::load_or_make(&config.in_data(&config.tokens.keys_file, "token.keys"))
        .map_err(|error| Refusal::Keys(error.to_string()))?;
    let parts = Parts { policy: bundle.policy.clone(), forest, token_keys: keys };
    tables.allow(memory::free_bytes());
    let snapshot = Snapshot::build(parts, tables, previous.map(|active| &active.snapshot))
        .map_err(|error| Refusal::Snapshot(error.to_string()))?;
    for feature in snapshot.narrowed() {
        tracing::warn!(
            feature,
            "kept its counts; until the next start it is exact to fewer events than the rules ask"
        );
    }
    // A list that rules look other fields up in stands there again for each of them, under one name.
    let mut names = HashSet::new();
    let declared: Vec<KnownList> = bundle
        .policy
        .lists
        .iter()
        .filter(|list| names.insert(list.name.as_str()))
        .filter_map(|list| {
            // The snapshot has made it already.
            let handle = tables.lists.handle(&list.name, list.matching)?;
            Some(KnownList { name: list.name.clone(), matching: list.matching, handle })
        })
        .collect();
    for list in &declared {
        let load = lists
            .load(&tables.lists, list, now_ms)
            .map_err(|error| Refusal::Disk(format!("list {}: {error}", list.name)))?;
        if load.unfit > 0 {
            tracing::warn!(list = list.name, entries = load.unfit, "list entries do not fit their list");
        }
    }
    let words: Vec<ReasonText> = (0..).map_while(|place| snapshot.words_of(place).cloned()).collect();
    let origins = (0..words.len()).map(|index| bundle.policy.origin_of(index));
    let hits = metrics.matches(words.iter().map(|words| words.rule.as_str()).zip(origins));
    let facts = Facts {
        words,
        owners: bundle.rules.iter().map(|rule| rule.owner.clone()).collect(),
        tests: bundle.tests.len(),
        policy: bundle.policy,
        warnings,
        model: manifest,
    };
    Ok(Activation { snapshot, facts: Arc::new(facts), lists: declared, hits, activated_ms: now_ms })
}

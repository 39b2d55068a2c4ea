//! `riskctl journal export`: decisions as NDJSON, for any other tool.
//!
//! A record names features and rules by number. Built-in features have the same number everywhere; velocity features and
//! rules need the rule files of the very version that decided, and stay numbers where those are not at hand.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use engine::feature::{BUILTINS, Builtin, FeatureId, FeatureTable, Scalar};
use engine::policy::{Origin, Policy, Tier};
use engine::record::{INPUTS, Record};
use journal::{Entry, Reader};
use model::Explainer;
use model::explain::reason_code;
use serde_json::{Map, Value, json};
use wire::money::Major;
use wire::{Challenge, Degraded, Verdict};

use crate::beside;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, thousands};
use events::show_instant;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  riskctl journal export data/journal --rules rules --out decisions.ndjson\n  \
     riskctl journal export data/journal --rules rules --model models/redpacket --out decisions.ndjson";

/// What to export.
#[derive(Args, Debug)]
pub struct Options {
    /// Folder of segments
    journal: PathBuf,
    /// Rule files that decided: they name velocity features and rules
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Model that decided: its decisions are explained, each input's contribution by name; needs --rules
    #[arg(long, value_name = "DIR", requires = "rules")]
    model: Option<PathBuf>,
    /// NDJSON file; standard output by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the decisions; exit code 1 when something in the journal could not be read.
pub fn run(options: &Options) -> Outcome {
    if let Some(out) = &options.out {
        let inputs = [Some(&options.journal), options.rules.as_ref(), options.model.as_ref()];
        beside::keep(out, inputs.into_iter().flatten().map(PathBuf::as_path))?;
    }
    let policy = options.rules.as_deref().map(crate::rules::compile).transpose()?;
    let mut reader =
        Reader::open(&options.journal).map_err(|error| Failure::of(options.journal.display(), error))?;
    let mut out: Box<dyn Write> = match &options.out {
        Some(path) => {
            Box::new(BufWriter::new(File::create(path).map_err(|error| Failure::of(path.display(), error))?))
        }
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let artefact = options
        .model
        .as_deref()
        .map(|folder| model::read(folder).map_err(|error| Failure::of(folder.display(), error)));
    let explainer = artefact.transpose()?.map(|artefact| Explainer::new(artefact.forest, &artefact.covers));
    let names = Names { builtin: FeatureTable::default(), policy: policy.as_ref(), explainer };
    let bar = print::progress(None, "exporting");
    let (mut written, mut faults) = (0_u64, 0_u64);
    while let Some(entry) = reader.next_entry() {
        let fault = match entry {
            Entry::Record(record) => match Record::decode(record.bytes) {
                Ok(decision) => match writeln!(out, "{}", names.line(record.key, &decision)) {
                    Ok(()) => {
                        written += 1;
                        bar.inc(1);
                        continue;
                    }
                    // A reader that has had enough (`| head`) is no error.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Ended::Clean),
                    Err(error) => return Err(Failure::of("writing", error)),
                },
                Err(error) => format!("record {}: {error}", record.number),
            },
            Entry::Fault(fault) => fault.to_string(),
        };
        faults += 1;
        print::tell(&fault);
    }
    bar.finish_and_clear();
    match out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Failure::of("writing", error)),
        _ => {}
    }
    print::tell(&format!("{} decisions, {} faults", thousands(written), thousands(faults)));
    Ok(if faults == 0 { Ended::Clean } else { Ended::Found })
}

/// What numbers in a record are called.
struct Names<'a> {
    builtin: FeatureTable,
    policy: Option<&'a Policy>,
    explainer: Option<Explainer>,
}

impl Names<'_> {
    fn line(&self, key: u64, record: &Record) -> Value {
        let policy = self.policy.filter(|policy| policy.version == record.policy);
        let inputs = INPUTS.iter().zip(&record.inputs).filter(|(_, hash)| **hash != 0);
        let inputs = inputs
            .map(|(input, hash)| (BUILTINS[input.id().index()].1.to_owned(), json!(format!("{hash:016x}"))));
        let features = record.features.iter().map(|&(id, bits)| self.feature(policy, id, bits));
        let matches = record.hits.iter().map(|hit| {
            let effect = policy.and_then(|policy| policy.effect(policy.origin_of(hit.index as usize)));
            json!({
                "rule": policy.and_then(|policy| rule(policy, hit.index)),
                "index": hit.index,
                "shadow": hit.shadow,
                "value": scalar(hit.value),
                "threshold": scalar(hit.threshold),
                "tier": effect.map(|effect| effect.tier.map_or("bands", Tier::name)),
                "would": effect.and_then(|effect| effect.verdict).map(Verdict::name),
                "challenge": effect.and_then(|effect| effect.challenge).map(Challenge::name),
                "adds": effect.map(|effect| effect.score),
            })
        });
        let mut line = json!({
            "decision": record.number,
            "key": format!("{key:016x}"),
            "kind": record.kind.name(),
            "time": show_instant(record.time_ms),
            "decided": show_instant(record.decided_ms),
            "verdict": record.verdict.name(),
            "challenge": record.challenge.map(Challenge::name),
            "score": record.score,
            "degraded": Degraded::in_set(record.degraded).map(Degraded::name).collect::<Vec<_>>(),
            "amount": record.amount_minor.map(|units| scalar(policy.map_or(&self.builtin, |policy| &policy.features).money_value(units))),
            "policy": record.policy,
            "model": record.model,
            "anomaly_model": record.anomaly,
            "challengers": record.challengers.iter().map(|one| {
                json!({ "model": one.model, "score": one.score })
            }).collect::<Vec<_>>(),
            "inputs": inputs.collect::<Map<_, _>>(),
            "features": features.collect::<Map<_, _>>(),
            "matches": matches.collect::<Vec<_>>(),
            "matches_not_kept": record.unkept,
            "errors": record.errors.iter().map(|&index| {
                json!({ "rule": policy.and_then(|policy| rule(policy, index)), "index": index })
            }).collect::<Vec<_>>(),
        });
        if let Some(policy) = policy {
            line["exact"] = exact(policy, record);
        }
        if let Some(explainer) = &self.explainer {
            line["explanation"] = explanation(explainer, policy, record);
        }
        line
    }

    /// Name and value; a feature that no table at hand has is named by its number, with its bits as a whole number.
    fn feature(&self, policy: Option<&Policy>, id: u16, bits: u64) -> (String, Value) {
        let table = policy.map_or(&self.builtin, |policy| &policy.features);
        if usize::from(id) >= table.len() {
            return (id.to_string(), json!(bits as i64));
        }
        let row = table.row(FeatureId(id));
        let value = match Scalar::from_bits(row.ty, bits) {
            Scalar::Bool(truth) => json!(truth),
            other => scalar(table.value(other)),
        };
        (row.name.clone(), value)
    }
}

/// Of every velocity feature whether its value is certainly the true one, however little memory the daemon had for busy keys.
fn exact(policy: &Policy, record: &Record) -> Value {
    let exact = policy.windows.iter().map(|window| {
        let row = policy.features.row(window.feature);
        (row.name.clone(), json!(record.window_value(window, row.missing, window.certain_below(None)).1))
    });
    Value::Object(exact.collect())
}

/// What each input did to the score, by the model that made it; null where the one at hand, or the rules, are others.
fn explanation(explainer: &Explainer, policy: Option<&Policy>, record: &Record) -> Value {
    let (Some(policy), true) = (policy, explainer.forest().version == record.model) else {
        return Value::Null;
    };
    let score = Builtin::ModelScore.id();
    let Ok(recorded) = explainer.explain_record(record, &policy.features, score) else { return Value::Null };
    let explanation = &recorded.explanation;
    let name = |place: usize| explainer.forest().inputs[place].as_str();
    let parts = explanation.largest_first().into_iter();
    let parts = parts.map(|place| (name(place).to_owned(), json!(explanation.contributions[place])));
    let reasons = match record.verdict {
        Verdict::Allow => Vec::new(),
        _ => explainer.reasons(explanation),
    };
    json!({
        "base": explanation.base,
        "raw": explanation.raw,
        "contributions": parts.collect::<Map<_, _>>(),
        "reasons": reasons.into_iter().map(|place| reason_code(name(place))).collect::<Vec<_>>(),
    })
}

/// Id of the rule, limit or breaker behind a record's match; none for the engine's own.
fn rule(policy: &Policy, index: u32) -> Option<&str> {
    let reason = match policy.origin_of(index as usize) {
        Origin::Rule(at) => policy.rules.get(at).map(|rule| &rule.reason),
        Origin::Limit(at) => policy.limits.get(at).map(|limit| &limit.reason),
        Origin::Breaker(at, _) => policy.breakers.get(at).map(|breaker| &breaker.reason),
        Origin::Own(_) => None,
    };
    reason.map(|reason| reason.rule.as_str())
}

fn scalar(value: wire::Value) -> Value {
    match value {
        wire::Value::Absent => Value::Null,
        wire::Value::Int(number) => json!(number),
        wire::Value::Money(minor) => json!(Major(minor).to_string()),
        wire::Value::Double(number) => json!(number),
    }
}

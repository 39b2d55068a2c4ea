//! How far recent traffic is from what the model was trained on: bins of a sample of the records, counted on the admin thread.
//! Scoring threads know nothing of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::feature::{Builtin, FeatureTable, Type};
use engine::record::Record;
use metrics::Label;
use model::drift::{self, Bins};
use wire::Degraded;

use crate::activation::{Activation, Facts};
use crate::config;
use crate::metrics::Metrics;
use crate::state::Shared;

/// Parts that the horizon slides by.
const SLICES: i64 = 12;
/// Time between looks at the sample of the latest records.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is counted of the model in force, if its manifest says what training looked like.
#[derive(Default)]
pub struct Drift(Mutex<State>);

#[derive(Default)]
struct State {
    /// What the snapshot was built from that is followed.
    facts: Option<Arc<Facts>>,
    watched: Option<Watched>,
    /// Features that were told of once, so that those of a model no longer in force can be taken back.
    told: BTreeSet<String>,
}

/// The model that is watched.
struct Watched {
    policy: String,
    model: String,
    score: Bins,
    inputs: Vec<Input>,
    /// The latest slices of the horizon, oldest first, each with its number.
    slices: VecDeque<(i64, Slice)>,
}

struct Input {
    name: String,
    feature: u16,
    ty: Type,
    missing: u64,
    bins: Bins,
}

/// Counts of the bins: the score's first, then each input's.
#[derive(Clone, Default)]
struct Slice {
    checks: u64,
    counts: Vec<Vec<u64>>,
}

/// Looks at the sample now and then, for as long as it is polled.
pub async fn watch(shared: &Shared) {
    if shared.config.drift.checks_per_second_max == 0 {
        return;
    }
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        shared.drift.look(
            &shared.active.load(),
            &shared.config.drift,
            shared.clock.now_ms(),
            &shared.recent.take_sample(),
        );
    }
}

impl Drift {
    /// Counts records, as many as are of the policy and the model in force.
    fn look(&self, active: &Activation, config: &config::Drift, now_ms: i64, records: &[Vec<u8>]) {
        let mut state = self.lock();
        state.follow(active);
        if let Some(watched) = &mut state.watched {
            watched.slide(now_ms / slice_ms(config));
            let ours = |record: &Record| record.policy == watched.policy && record.model == watched.model;
            // A record of another version of the daemon is none of ours either.
            let records: Vec<Record> =
                records.iter().filter_map(|bytes| Record::decode(bytes).ok()).filter(ours).collect();
            records.iter().for_each(|record| watched.count(record));
        }
    }

    /// Tells how far the last horizon's traffic is from training; nothing, as NaN, while too few checks were seen.
    pub fn tell(&self, active: &Activation, config: &config::Drift, now_ms: i64, metrics: &Metrics) {
        let mut state = self.lock();
        state.follow(active);
        let feature = |name: &str| vec![Label::new("feature", name.to_owned())];
        let mut gone = std::mem::take(&mut state.told);
        let Some(watched) = &mut state.watched else {
            gone.iter().for_each(|name| metrics.gauge("riskd_model_feature_psi", feature(name), f64::NAN));
            if !gone.is_empty() {
                metrics.gauge("riskd_model_score_psi", Vec::new(), f64::NAN);
                metrics.gauge("riskd_model_drift_checks", Vec::new(), 0.0);
            }
            return;
        };
        watched.slide(now_ms / slice_ms(config));
        let seen = watched.seen();
        let psi = |bins: &Bins, now: &[u64]| {
            // The deadline may leave the model out: then there are fewer scores than checks.
            let few = now.iter().sum::<u64>() < config.checks_min;
            if few { f64::NAN } else { drift::psi(&bins.counts, now) }
        };
        metrics.gauge("riskd_model_drift_checks", Vec::new(), seen.checks as f64);
        metrics.gauge("riskd_model_score_psi", Vec::new(), psi(&watched.score, &seen.counts[0]));
        let mut told = BTreeSet::new();
        for (input, now) in watched.inputs.iter().zip(&seen.counts[1..]) {
            metrics.gauge("riskd_model_feature_psi", feature(&input.name), psi(&input.bins, now));
            gone.remove(&input.name);
            told.insert(input.name.clone());
        }
        gone.iter().for_each(|name| metrics.gauge("riskd_model_feature_psi", feature(name), f64::NAN));
        state.told = told;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Counts are whole after each step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Watches the model in force. Another policy alone keeps the counts: the bins are the model's.
    fn follow(&mut self, active: &Activation) {
        if self.facts.as_ref().is_some_and(|facts| Arc::ptr_eq(facts, &active.facts)) {
            return;
        }
        self.facts = Some(active.facts.clone());
        let before = self.watched.take();
        let drift = active.facts.model.as_ref().and_then(|manifest| manifest.drift.as_ref());
        self.watched = drift.map(|drift| {
            let mut next = Watched {
                policy: active.snapshot.policy_version().to_owned(),
                model: active.snapshot.model_version().to_owned(),
                score: drift.score.clone(),
                inputs: inputs(drift, &active.snapshot.policy().features),
                slices: VecDeque::new(),
            };
            if let Some(before) = before.filter(|before| before.is_cut_as(&next)) {
                next.slices = before.slices;
            }
            next
        });
    }
}

/// The inputs as records hold them.
fn inputs(drift: &model::Drift, features: &FeatureTable) -> Vec<Input> {
    let input = |(name, bins): (&String, &Bins)| {
        // A snapshot has every input of its model.
        let feature = features.find(name)?;
        let row = features.row(feature);
        let missing = row.missing.bits();
        Some(Input { name: name.clone(), feature: feature.0, ty: row.ty, missing, bins: bins.clone() })
    };
    drift.input.iter().filter_map(input).collect()
}

impl Watched {
    /// Whether counts of the one are counts of the other.
    fn is_cut_as(&self, other: &Watched) -> bool {
        let inputs = |one: &Input, other: &Input| one.name == other.name && one.bins == other.bins;
        let pairs = self.inputs.iter().zip(&other.inputs);
        self.model == other.model
            && self.score == other.score
            && self.inputs.len() == other.inputs.len()
            && pairs.into_iter().all(|(one, other)| inputs(one, other))
    }

    /// Begins the slice of that number, unless it has begun, and drops those that are past the horizon.
    fn slide(&mut self, number: i64) {
        while self.slices.front().is_some_and(|&(oldest, _)| oldest + SLICES <= number) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|&(latest, _)| latest < number) {
            let bins = std::iter::once(&self.score).chain(self.inputs.iter().map(|input| &input.bins));
            let counts = bins.map(|bins| vec![0; bins.counts.len()]).collect();
            self.slices.push_back((number, Slice { checks: 0, counts }));
        }
    }

    fn count(&mut self, record: &Record) {
        let Some((_, slice)) = self.slices.back_mut() else { return };
        slice.checks += 1;
        let bits = |feature: u16| {
            let place = record.features.binary_search_by_key(&feature, |&(id, _)| id);
            place.ok().map(|place| record.features[place].1)
        };
        let (score, inputs) = slice.counts.split_at_mut(1);
        if record.degraded & Degraded::Model.bit() == 0 {
            let given = bits(Builtin::ModelScore.id().0).map_or(0.0, f64::from_bits);
            score[0][self.score.place(given)] += 1;
        }
        for (input, counts) in self.inputs.iter().zip(inputs) {
            let bits = bits(input.feature).unwrap_or(input.missing);
            // As the engine hands it to the forest.
            let value = if input.ty == Type::Double { f64::from_bits(bits) } else { bits as i64 as f64 };
            counts[input.bins.place(value)] += 1;
        }
    }

    /// All slices together.
    fn seen(&self) -> Slice {
        let mut seen = self.slices.back().map(|(_, slice)| slice.clone()).unwrap_or_default();
        for (_, slice) in self.slices.iter().rev().skip(1) {
            seen.checks += slice.checks;
            for (all, counts) in seen.counts.iter_mut().zip(&slice.counts) {
                all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
            }
        }
        seen
    }
}

/// Length of a slice.
fn slice_ms(config: &config::Drift) -> i64 {
    (config.horizon_s as i64 * 1000 / SLICES).max(1)
}

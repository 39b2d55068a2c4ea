//! Metrics by Prometheus names with units. A recorder of the daemon's own, not the process's: two daemons in one process
//! (tests, the demo) count apart. Workers count locally and add now and then, see [`Tally`].

mod histogram;
mod matches;
mod scores;
mod tally;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::Loaded;
use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use wire::{Degraded, ErrorCode, Kind, Verdict};

use crate::activation::Refusal;

pub use histogram::Histogram;
pub use matches::MatchCounters;
pub use scores::ScoreHistogram;
pub use tally::Tally;

use scores::Scores;

const METADATA: Metadata<'static> = Metadata::new("riskd", Level::INFO, None);

/// A door of the daemon, as label `door` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Http,
    Quic,
    Unix,
}

impl Door {
    const ALL: [Door; 3] = [Door::Http, Door::Quic, Door::Unix];

    const fn name(self) -> &'static str {
        match self {
            Door::Http => "http",
            Door::Quic => "quic",
            Door::Unix => "unix",
        }
    }
}

/// Every metric of a daemon.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    checks: Vec<Vec<Counter>>,
    replayed: Vec<Counter>,
    degraded: Vec<Counter>,
    shed: Vec<Counter>,
    refused: Vec<Counter>,
    duration: Histogram,
    scores: Scores,
    connections: [Gauge; 3],
    outcomes: Counter,
    demotions: Counter,
    /// Checks of each kind that were decided, repetitions aside, for whoever reads counts within the process: the exporter's
    /// counters are written only.
    answered: [AtomicU64; Kind::ALL.len()],
    /// Live matches by id, of a breaker in all its states, likewise.
    totals: Mutex<HashMap<String, Arc<AtomicU64>>>,
    /// What was last told to be demoted.
    demoted: Mutex<BTreeSet<String>>,
    /// Versions last told, and their gauge.
    snapshot: Mutex<Option<((String, String), Gauge)>>,
}

impl Metrics {
    /// Makes them, all at zero.
    pub fn new() -> Metrics {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let counter = |name: &'static str, labels: Vec<Label>| {
            recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
        };
        let label = |key: &'static str, value: &'static str| vec![Label::from_static_parts(key, value)];
        let checks = |kind: &Kind| {
            let labels = |verdict: &Verdict| {
                vec![
                    Label::from_static_parts("kind", kind.name()),
                    Label::from_static_parts("verdict", verdict.name()),
                ]
            };
            Verdict::ALL.iter().map(|verdict| counter("riskd_checks_total", labels(verdict))).collect()
        };
        let connections = Door::ALL.map(|door| {
            let key = Key::from_parts("riskd_connections", label("door", door.name()));
            recorder.register_gauge(&key, &METADATA)
        });
        let metrics = Metrics {
            handle,
            checks: Kind::ALL.iter().map(checks).collect(),
            replayed: Kind::ALL
                .iter()
                .map(|kind| counter("riskd_replayed_total", label("kind", kind.name())))
                .collect(),
            degraded: Degraded::ALL
                .iter()
                .map(|flag| counter("riskd_degraded_total", label("cause", flag.name())))
                .collect(),
            shed: Kind::ALL
                .iter()
                .map(|kind| counter("riskd_shed_total", label("kind", kind.name())))
                .collect(),
            refused: ErrorCode::ALL
                .iter()
                .map(|code| counter("riskd_refused_total", label("code", code.name())))
                .collect(),
            duration: Histogram::default(),
            scores: Scores::default(),
            connections,
            outcomes: counter("riskd_outcomes_total", Vec::new()),
            demotions: counter("riskd_demotions_total", Vec::new()),
            answered: Default::default(),
            totals: Mutex::default(),
            demoted: Mutex::default(),
            snapshot: Mutex::default(),
            recorder,
        };
        metrics.describe();
        for refused in std::iter::once(None).chain(Refusal::REASONS.map(Some)) {
            metrics.reloads(refused).increment(0);
        }
        metrics.gauge(
            "riskd_build_info",
            vec![Label::from_static_parts("version", env!("CARGO_PKG_VERSION"))],
            1.0,
        );
        metrics
    }

    fn describe(&self) {
        let counters = [
            ("riskd_checks_total", "Checks answered by the engine, by kind and verdict."),
            ("riskd_replayed_total", "Answers to an id that was answered before, by kind."),
            ("riskd_degraded_total", "Answers by what was skipped, bent or failed on the way."),
            (
                "riskd_shed_total",
                "Checks answered with the fallback verdict because the engine did not decide.",
            ),
            (
                "riskd_refused_total",
                "Requests and items refused, by error code; nothing of them was counted elsewhere.",
            ),
            (
                "riskd_reloads_total",
                "Reloads of policy and model, by result; of those refused, by what was at fault.",
            ),
            ("riskd_demotions_total", "Times that something refused more than it may and was demoted."),
            ("riskd_outcomes_total", "Outcomes on disk and in force."),
            ("riskd_rule_hits_total", "Matches of rules and limits that act, by id."),
            (
                "riskd_rule_shadow_hits_total",
                "Matches of rules, limits and breakers that only watch, by id: what they would have refused or added to.",
            ),
            (
                "riskd_rule_errors_total",
                "Checks of which a rule's, limit's or breaker's condition ended in an error, by id.",
            ),
            (
                "riskd_breaker_refusals_total",
                "Checks that a breaker refused, by the state that it was in; those in state opened opened it.",
            ),
            ("riskd_breaker_trials_total", "Checks that half-open breakers let through on trial."),
            (
                "riskd_breaker_closings_total",
                "Keys whose breaker was found closed again, counted at the first check after.",
            ),
            ("riskd_journal_written_total", "Decisions written to the journal."),
            ("riskd_journal_lost_total", "Decisions that could not be logged, by cause."),
            ("riskd_journal_failures_total", "Writes and syncs of the journal that failed."),
            ("riskd_list_change_failures_total", "Changes of list entries that could not be written."),
            (
                "riskd_clock_steps_total",
                "Steps of the system's clock by more than a second, by direction; the daemon's time does not follow one back.",
            ),
            ("riskd_table_evictions_total", "Live entries pushed out of a full table, over all reloads."),
        ];
        let gauges = [
            ("riskd_connections", "Open connections by door."),
            ("riskd_journal_lag_seconds", "Age of the oldest decision that is not on disk yet."),
            ("riskd_journal_bytes", "Bytes of all segments kept."),
            ("riskd_lists_writable", "Whether the latest change of list entries could be written."),
            ("riskd_lists_damaged", "Lists whose entries on disk are damaged; what is in force is whole."),
            (
                "riskd_clock_distance_seconds",
                "How far the daemon's time is ahead of the system's clock; negative behind it.",
            ),
            (
                "riskd_table_entries",
                "Entries in each table of which something is known that has not expired; of a large one to half a percent.",
            ),
            ("riskd_table_capacity", "Entries that each table has room for."),
            (
                "riskd_snapshot_info",
                "Versions of the policy and the model: 1 for those that decide, 0 for those before.",
            ),
            (
                "riskd_rule_demoted",
                "Rules, limits and breakers that only watch since they refused too much: 1.",
            ),
            ("riskd_snapshot_activated_seconds", "Unix time at which the active snapshot took over."),
            (
                "riskd_model_feature_psi",
                "Population stability index of a model's input, the last horizon against training; NaN while it saw too few checks.",
            ),
            ("riskd_model_score_psi", "The same of the model's score."),
            ("riskd_model_drift_checks", "Checks that both indices are made from."),
            ("riskd_build_info", "Version of the daemon; always 1."),
        ];
        for (name, help) in counters {
            self.recorder.describe_counter(KeyName::from(name), Some(Unit::Count), SharedString::from(help));
        }
        for (name, help) in gauges {
            self.recorder.describe_gauge(KeyName::from(name), None, SharedString::from(help));
        }
    }

    /// The histograms of those models' scores; a model that comes back goes on with what it had.
    pub fn scores<'a>(&self, models: impl Iterator<Item = Loaded<'a>>) -> Vec<Arc<ScoreHistogram>> {
        models.map(|model| self.scores.of(model.role, model.version)).collect()
    }

    /// The count of live matches of an id, over all activations.
    pub fn total(&self, id: &str) -> Arc<AtomicU64> {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.entry(id.to_owned()).or_default().clone()
    }

    /// Checks of each kind that were decided, repetitions aside.
    pub fn answered(&self) -> [u64; Kind::ALL.len()] {
        std::array::from_fn(|kind| self.answered[kind].load(Ordering::Relaxed))
    }

    /// Counts demotions.
    pub fn demotions(&self, count: usize) {
        self.demotions.increment(count as u64);
    }

    /// Sets what is demoted.
    pub fn demoted(&self, ids: BTreeSet<String>) {
        let mut told = self.demoted.lock().unwrap_or_else(PoisonError::into_inner);
        for id in told.union(&ids) {
            let labels = vec![Label::new("rule", id.clone())];
            self.gauge("riskd_rule_demoted", labels, f64::from(u8::from(ids.contains(id))));
        }
        *told = ids;
    }

    /// Adds what a worker has counted and empties it.
    pub fn take(&self, tally: &mut Tally) {
        let add = |counter: &Counter, count: &mut u64| {
            if *count > 0 {
                counter.increment(std::mem::take(count));
            }
        };
        for (counters, counts) in self.checks.iter().zip(&mut tally.checks) {
            counters.iter().zip(counts).for_each(|(counter, count)| add(counter, count));
        }
        self.replayed.iter().zip(&mut tally.replayed).for_each(|(counter, count)| add(counter, count));
        self.degraded.iter().zip(&mut tally.degraded).for_each(|(counter, count)| add(counter, count));
        self.shed.iter().zip(&mut tally.shed).for_each(|(counter, count)| add(counter, count));
        self.refused.iter().zip(&mut tally.refused).for_each(|(counter, count)| add(counter, count));
        self.duration.take(&mut tally.duration);
    }

    /// Counts a connection for as long as the guard lives.
    pub fn connection(&self, door: Door) -> OpenConnection {
        let gauge = &self.connections[door as usize];
        gauge.increment(1.0);
        OpenConnection(gauge.clone())
    }

    /// Counts a reload; if it was refused, with what was at fault.
    pub fn reloaded(&self, refused: Option<&'static str>) {
        self.reloads(refused).increment(1);
    }

    fn reloads(&self, refused: Option<&'static str>) -> Counter {
        let result = if refused.is_some() { "refused" } else { "activated" };
        let reason = refused.map(|reason| Label::from_static_parts("reason", reason));
        let labels: Vec<Label> =
            std::iter::once(Label::from_static_parts("result", result)).chain(reason).collect();
        self.recorder.register_counter(&Key::from_parts("riskd_reloads_total", labels), &METADATA)
    }

    /// Counts an outcome that is on disk and in force.
    pub fn outcome(&self) {
        self.outcomes.increment(1);
    }

    /// Sets a gauge that is read off elsewhere when somebody asks.
    pub fn gauge(&self, name: &'static str, labels: Vec<Label>, value: f64) {
        self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(value);
    }

    /// Sets a counter that is kept elsewhere when somebody asks.
    pub fn counter(&self, name: &'static str, labels: Vec<Label>, value: u64) {
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA).absolute(value);
    }

    /// Sets the versions in force.
    pub fn snapshot(&self, policy: &str, model: &str, activated_ms: i64) {
        let labels = vec![Label::new("policy", policy.to_owned()), Label::new("model", model.to_owned())];
        let info = self.recorder.register_gauge(&Key::from_parts("riskd_snapshot_info", labels), &METADATA);
        info.set(1.0);
        let mut latest = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = (policy.to_owned(), model.to_owned());
        match &mut *latest {
            Some((known, _)) if *known == versions => {}
            Some((known, gauge)) => {
                gauge.set(0.0);
                (*known, *gauge) = (versions, info);
            }
            None => *latest = Some((versions, info)),
        }
        drop(latest);
        self.gauge("riskd_snapshot_activated_seconds", Vec::new(), activated_ms as f64 / 1000.0);
    }

    /// All of it as Prometheus text.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        self.duration.render(
            "riskd_check_duration_seconds",
            "From the arrival of a batch to the end of its answer, for each check of it.",
            &mut text,
        );
        self.scores.render(
            "riskd_model_score",
            "Scores of each model, before rules add to them, by what they are for.",
            &mut text,
        );
        text
    }
}

/// An open connection, counted until it is dropped.
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

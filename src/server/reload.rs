//! Reloading policy, model and keys: built apart, recorded on disk, swapped whole, or refused with the old one in force.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use engine::Role;
use journal::Log;
use serde_json::json;

use crate::activation::{self, Activation, Facts, Refusal};
use crate::demotions::{Demotion, TurnOnError};
use crate::state::Shared;

/// Reloads, one at a time.
pub struct Reloader {
    shared: Arc<Shared>,
    /// What was activated when: must survive, so that any decision can be traced to its rules.
    log: Log,
    turn: Mutex<()>,
    /// What the latest snapshots were built from, newest first, for decisions that older ones made.
    latest: Mutex<VecDeque<Arc<Facts>>>,
    /// Activations that are no longer in force and that workers may still hold. Kept, so that it is never a worker that
    /// gives the memory of one back: that of a dropped window alone is milliseconds.
    retired: Mutex<Vec<Arc<Activation>>>,
}

/// Snapshots whose decisions can be explained after others have taken over.
const LATEST_MAX: usize = 16;

impl Reloader {
    /// A reloader that records the activation that is in force already.
    pub fn new(shared: Arc<Shared>, log: Log) -> Result<Reloader, Refusal> {
        record(&log, &shared.active.load(), "start")?;
        let latest = Mutex::new(VecDeque::from([shared.active.load().facts.clone()]));
        shared.metrics.demoted(shared.active.load().demoted_ids());
        Ok(Reloader { shared, log, turn: Mutex::new(()), latest, retired: Mutex::default() })
    }

    /// What the policy of that version was, if it is or lately was in force.
    pub fn facts_of(&self, policy: &str) -> Option<Arc<Facts>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().find(|facts| facts.policy.version == policy).cloned()
    }

    /// Builds a snapshot from the files as they are now and puts it in force. Blocks for as long as compiling takes.
    ///
    /// # Errors
    /// Why not; what was in force stays.
    pub fn reload(&self, cause: &str) -> Result<Arc<Activation>, Refusal> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.try_reload(cause);
        self.shared.metrics.reloaded(result.is_ok());
        match &result {
            Ok(active) => tracing::info!(cause, policy = active.snapshot.policy_version(), "reloaded"),
            Err(refusal) => tracing::error!(cause, "reload refused, the old snapshot stays: {refusal}"),
        }
        result
    }

    fn try_reload(&self, cause: &str) -> Result<Arc<Activation>, Refusal> {
        let shared = &*self.shared;
        let previous = shared.active.load_full();
        let now_ms = shared.clock.now_ms();
        let next = activation::prepare(
            &shared.config,
            &shared.tables,
            &shared.metrics,
            &shared.kept(),
            Some(&previous),
            now_ms,
        )?;
        record(&self.log, &next, cause)?;
        let next = Arc::new(next);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.push_front(next.facts.clone());
        latest.truncate(LATEST_MAX);
        drop(latest);
        self.put_in_force(next.clone());
        Ok(next)
    }

    /// Has those only watch from now on. What is in force is what decides, whatever its files have become since.
    pub fn demote(&self, demotions: Vec<Demotion>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &*self.shared;
        if !demotions.is_empty() {
            for Demotion { id, cause, .. } in &demotions {
                tracing::error!(
                    rule = id,
                    refused = cause.refused,
                    checks = cause.checks,
                    share_max_percent = cause.share_max_percent,
                    learned = cause.learned,
                    "demoted to shadow: it refused too large a share of a minute's checks; a person turns it on again"
                );
            }
            shared.metrics.demotions(demotions.len());
            shared.demotions.add(demotions);
            self.put_in_force(Arc::new(shared.active.load().with(&shared.demotions)));
        }
        if let Err(error) = shared.demotions.record() {
            tracing::error!(%error, "a demotion is not on disk yet and would be lost by a restart");
        }
    }

    /// Has one act again that was demoted, in the name of whoever says so. On disk when it returns.
    ///
    /// # Errors
    /// [`TurnOnError`]; nothing has changed then.
    pub fn turn_on(&self, id: &str, by: &str) -> Result<Demotion, TurnOnError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &*self.shared;
        let active = shared.active.load_full();
        let demotion = shared.demotions.turn_on(&active.facts.guarded, id, by, shared.clock.now_ms())?;
        self.put_in_force(Arc::new(active.with(&shared.demotions)));
        tracing::info!(rule = id, by, "turned on again");
        Ok(demotion)
    }

    fn put_in_force(&self, next: Arc<Activation>) {
        self.shared.metrics.demoted(next.demoted_ids());
        let previous = self.shared.active.swap(next);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(previous);
    }

    /// Lets go of activations that nobody holds any more.
    pub fn let_go(&self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can take up one again that is held only here.
        retired.retain(|activation| Arc::strong_count(activation) > 1);
    }
}

fn record(log: &Log, active: &Activation, cause: &str) -> Result<(), Refusal> {
    let beside = active.snapshot.models().filter(|model| model.role != Role::Champion);
    let beside = beside.map(|model| {
        json!({ "role": model.role.name(), "model": model.version, "share_percent": model.share_percent })
    });
    let record = json!({
        "time": active.activated_ms,
        "policy": active.snapshot.policy_version(),
        "model": active.snapshot.model_version(),
        "beside": beside.collect::<Vec<_>>(),
        "cause": cause,
    });
    log.append(0, record.to_string().as_bytes())
        .map(|_| ())
        .map_err(|error| Refusal::Disk(format!("the activation is not recorded: {error}")))
}

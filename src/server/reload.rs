//! Reloading policy, model and keys: built apart, recorded on disk, swapped whole, or refused with the old one in force.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use engine::Role;
use journal::Log;
use serde_json::json;

use crate::activation::{self, Activation, Facts, Refusal};
use crate::state::Shared;

/// Reloads, one at a time.
pub struct Reloader {
    shared: Arc<Shared>,
    /// What was activated when: must survive, so that any decision can be traced to its rules.
    log: Log,
    turn: Mutex<()>,
    /// What the latest snapshots were built from, newest first, for decisions that older ones made.
    latest: Mutex<VecDeque<Arc<Facts>>>,
}

/// Snapshots whose decisions can be explained after others have taken over.
const LATEST_MAX: usize = 16;

impl Reloader {
    /// A reloader that records the activation that is in force already.
    pub fn new(shared: Arc<Shared>, log: Log) -> Result<Reloader, Refusal> {
        record(&log, &shared.active.load(), "start")?;
        let latest = Mutex::new(VecDeque::from([shared.active.load().facts.clone()]));
        Ok(Reloader { shared, log, turn: Mutex::new(()), latest })
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
            &shared.lists,
            &shared.metrics,
            &shared.explainers,
            Some(&previous),
            now_ms,
        )?;
        record(&self.log, &next, cause)?;
        let next = Arc::new(next);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.push_front(next.facts.clone());
        latest.truncate(LATEST_MAX);
        drop(latest);
        shared.active.store(next.clone());
        Ok(next)
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

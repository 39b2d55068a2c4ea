//! Reloading policy, model and keys: built apart, recorded on disk, swapped whole, or refused with the old one in force.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::Role;
use journal::Log;
use serde_json::json;

use crate::activation::{self, Activation, Facts, Refusal};
use crate::demotions::{Demotion, TurnOnError};
use crate::state::Shared;
use crate::taken_away::TakenAway;

/// Reloads, one at a time.
pub struct Reloader {
    shared: Arc<Shared>,
    /// What was activated when: must survive, so that any decision can be traced to its rules.
    log: Log,
    /// Held while files become a snapshot, which may take long.
    reloading: Mutex<()>,
    /// Held while another takes over. Apart from reloads, so that a demotion never waits for files.
    taking_over: Mutex<()>,
    /// How the latest one went.
    last: Mutex<Option<LastReload>>,
    /// What the latest snapshots were built from, newest first, for decisions that older ones made.
    latest: Mutex<VecDeque<Arc<Facts>>>,
    /// Activations that are no longer in force and that workers may still hold. Kept, so that it is never a worker that
    /// gives the memory of one back: that of a dropped window alone is milliseconds.
    retired: Mutex<Vec<Arc<Activation>>>,
}

/// How a reload went, for whoever did not hear it: signals and the watch have no caller.
#[derive(Clone)]
pub struct LastReload {
    /// When it ended, in Unix milliseconds.
    pub time_ms: i64,
    /// What brought it about.
    pub cause: &'static str,
    /// Why nothing came into force, if nothing did.
    pub refusal: Option<Arc<Refusal>>,
    /// What was taken away by it, if it came into force.
    pub taken_away: Arc<TakenAway>,
}

/// What a reload is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What brought it about.
    pub cause: &'static str,
    /// Whether files and policies that declare nothing are put in force, though the configuration does not say so.
    pub allow_empty: bool,
}

impl From<&'static str> for Request {
    fn from(cause: &'static str) -> Request {
        Request { cause, allow_empty: false }
    }
}

/// Snapshots whose decisions can be explained after others have taken over.
const LATEST_MAX: usize = 16;

impl Reloader {
    /// A reloader that records the activation that is in force already.
    pub fn new(shared: Arc<Shared>, log: Log) -> Result<Reloader, Refusal> {
        let active = shared.active.load_full();
        record(&log, &active, "start")?;
        shared.explainers.keep(&active.explainers);
        shared.metrics.demoted(active.demoted_ids());
        let latest = Mutex::new(VecDeque::from([active.facts.clone()]));
        let (reloading, taking_over, last, retired) = Default::default();
        Ok(Reloader { shared, log, reloading, taking_over, last, latest, retired })
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
    pub fn reload(&self, request: impl Into<Request>) -> Result<Arc<Activation>, Arc<Refusal>> {
        let request = request.into();
        self.told(request.cause, || self.try_reload(request))
    }

    /// Does it, one at a time, and tells how it went wherever that is told.
    fn told(
        &self,
        cause: &'static str,
        work: impl FnOnce() -> Result<Arc<Activation>, Refusal>,
    ) -> Result<Arc<Activation>, Arc<Refusal>> {
        let _turn = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let result = activation::guarded(work).map_err(Arc::new);
        let refusal = result.as_ref().err().cloned();
        let reason = refusal.as_ref().map(|refusal| refusal.reason());
        let taken_away = result.as_ref().map(|active| active.taken_away.clone()).unwrap_or_default();
        let last = LastReload { time_ms: self.shared.clock.now_ms(), cause, refusal, taken_away };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        // Whoever sees it counted finds it told.
        self.shared.metrics.reloaded(reason);
        match &result {
            Ok(active) => {
                let policy = active.snapshot.policy_version();
                if active.taken_away.is_nothing() {
                    tracing::info!(cause, policy, "reloaded");
                } else {
                    tracing::warn!(cause, policy, taken_away = %active.taken_away, "reloaded, and something is gone");
                }
            }
            Err(refusal) => tracing::error!(cause, "reload refused, the old snapshot stays: {refusal}"),
        }
        result
    }

    /// How the latest reload since the start went.
    pub fn last(&self) -> Option<LastReload> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn try_reload(&self, request: Request) -> Result<Arc<Activation>, Refusal> {
        let shared = &*self.shared;
        let previous = shared.active.load_full();
        let now_ms = shared.clock.now_ms();
        let next = activation::prepare(
            &shared.config,
            &shared.tables,
            &shared.metrics,
            &shared.kept(),
            Some(&previous),
            request.allow_empty || shared.config.policy.allow_empty,
            now_ms,
        )?;
        let _turn = self.turn();
        record(&self.log, &next, request.cause)?;
        shared.explainers.keep(&next.explainers);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.push_front(next.facts.clone());
        latest.truncate(LATEST_MAX);
        drop(latest);
        Ok(self.put_in_force(&next))
    }

    /// Has those only watch from now on. What is in force is what decides, whatever its files have become since.
    pub fn demote(&self, demotions: Vec<Demotion>) {
        let _turn = self.turn();
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
            self.put_in_force(&shared.active.load());
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
        let _turn = self.turn();
        let shared = &*self.shared;
        let active = shared.active.load_full();
        let demotion = shared.demotions.turn_on(&active.facts.guarded, id, by, shared.clock.now_ms())?;
        self.put_in_force(&active);
        tracing::info!(rule = id, by, "turned on again");
        Ok(demotion)
    }

    /// Puts it in force with what is demoted by now.
    fn put_in_force(&self, next: &Activation) -> Arc<Activation> {
        let next = Arc::new(next.with(&self.shared.demotions));
        self.shared.metrics.demoted(next.demoted_ids());
        let previous = self.shared.active.swap(next.clone());
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(previous);
        next
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.taking_over.lock().unwrap_or_else(PoisonError::into_inner)
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
        "taken_away": &*active.taken_away,
    });
    log.append(0, record.to_string().as_bytes())
        .map(|_| ())
        .map_err(|error| Refusal::Disk(format!("the activation is not recorded: {error}")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use journal::{Folder, SegmentConfig};
    use ring::digest::{SHA256, digest};

    use super::*;
    use crate::{Config, Server};

    fn write_model(folder: &Path, score: f64) {
        let forest = format!("riskd-forest 1\ninputs 1\ntree\n= {score:?}\n");
        let sha256 = hex::encode(digest(&SHA256, forest.as_bytes()));
        let manifest = format!(
            "format = 'riskd-forest-1'\nname = 'm'\nfile = 'forest.txt'\nsha256 = '{sha256}'\nobjective = 'test'\n\
             transform = 'identity'\ncalibration = 'none'\n[[input]]\nname = 'amount'\nunit = 'minor units'\n\
             [[vector]]\ninputs = [1.0]\nscore = {score:?}\n"
        );
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("forest.txt"), forest).unwrap();
        std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
    }

    #[test]
    fn a_reload_that_is_not_on_disk_changes_nothing_and_pushes_out_no_model_that_explains() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("rules")).unwrap();
        std::fs::write(at("rules/x.yaml"), "bands: { deny: 0.9 }\n").unwrap();
        write_model(&at("models/m"), 0.5);
        let mut config = Config::default();
        let any = "127.0.0.1:0".parse().unwrap();
        (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
        (config.policy.dir, config.models.dir, config.data.dir) = (at("rules"), at("models"), at("data"));
        (config.models.active, config.models.anomaly) = ("m".to_owned(), String::new());
        config.workers.count = 1;
        let tables = &mut config.tables;
        (tables.accounts, tables.devices, tables.velocity_keys) = (1024, 1024, 1024);
        (tables.list_entries, tables.decisions) = (1024, 1024);
        let running = Server::start(config).unwrap();
        let shared = running.shared.clone();
        let before = shared.active.load_full();

        let storage = Folder::writable(&at("gone")).unwrap();
        let segments = SegmentConfig { retain_bytes_max: None, ..SegmentConfig::default() };
        let (log, _) = Log::open(Arc::new(storage), segments, "gone").unwrap();
        std::fs::remove_dir_all(at("gone")).unwrap();
        let (reloading, taking_over, last, latest, retired) = Default::default();
        let reloader =
            Reloader { shared: shared.clone(), log, reloading, taking_over, last, latest, retired };
        for turn in 1..20 {
            write_model(&at("models/m"), f64::from(turn) / 64.0);
            let refusal = reloader.reload("test").err().unwrap();
            assert!(matches!(*refusal, Refusal::Disk(_)), "{refusal}");
        }
        assert!(Arc::ptr_eq(&before, &shared.active.load()));
        assert!(shared.explainers.find(before.snapshot.model_version()).is_some());
        assert!(reloader.last().is_some_and(|last| last.refusal.is_some()));

        // What panics on the way is refused like anything else, and the next one takes its turn.
        for _ in 0..2 {
            let refusal = reloader.told("SIGHUP", || panic!("a {} renderer", "broken")).err().unwrap();
            assert_eq!(refusal.reason(), "internal");
            assert!(refusal.to_string().contains("a broken renderer"), "{refusal}");
            let last = reloader.last().unwrap();
            assert_eq!((last.cause, last.refusal.unwrap().reason()), ("SIGHUP", "internal"));
        }
        assert!(
            shared.metrics.render().contains("riskd_reloads_total{result=\"refused\",reason=\"internal\"} 2")
        );
        assert!(Arc::ptr_eq(&before, &shared.active.load()));
        assert!(running.shutdown().clean);
    }
}

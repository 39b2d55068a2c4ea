//! What all threads of a daemon share, and the phases it goes through.

use std::sync::Arc;

use arc_swap::ArcSwap;
use engine::Tables;
use journal::{Log, Recent, Stats};
use tokio::sync::watch;

use crate::activation::{Activation, Kept};
use crate::clock::Clock;
use crate::config::{Config, JournalMode};
use crate::demotions::Demotions;
use crate::drift::Drift;
use crate::explainers::Explainers;
use crate::lists::ListStore;
use crate::metrics::Metrics;

/// Where a daemon is in its life. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It answers.
    Serving,
    /// It answers still, and says on `/readyz` that it soon will not.
    Leaving,
    /// It takes no new work and finishes what is in hand.
    Draining,
}

/// What all threads share.
pub struct Shared {
    /// The configuration it was started with.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// The engine's tables.
    pub tables: Arc<Tables>,
    /// The snapshot in force. Workers load it once a batch.
    pub active: Arc<ArcSwap<Activation>>,
    /// The models in force and some that were, for explaining.
    pub explainers: Explainers,
    /// Keeps the lists' entries.
    pub lists: ListStore,
    /// Keeps what was demoted.
    pub demotions: Demotions,
    /// Keeps the outcomes.
    pub outcomes: Log,
    /// The latest decisions.
    pub recent: Arc<Recent>,
    /// How far traffic is from what the model was trained on.
    pub drift: Drift,
    /// How the journal fares.
    pub journal: Arc<Stats>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Where it is in its life.
    pub phase: watch::Sender<Phase>,
}

impl Shared {
    /// What lasts over activations.
    pub fn kept(&self) -> Kept<'_> {
        Kept { lists: &self.lists, explainers: &self.explainers }
    }

    /// Whether checks should be sent here: a snapshot is in force (always, once started), the log takes decisions or may
    /// lose them, and the daemon is not on its way out. Otherwise the reason.
    pub fn ready(&self) -> Result<Ready, &'static str> {
        if *self.phase.borrow() != Phase::Serving {
            return Err("draining");
        }
        if self.journal.refuse() {
            return Err("the journal cannot be written");
        }
        if !self.lists.is_writable() {
            if self.config.journal.mode == JournalMode::Durability {
                return Err(LISTS_FAIL);
            }
            return Ok(Ready::Degraded(LISTS_FAIL));
        }
        Ok(Ready::Whole)
    }
}

const LISTS_FAIL: &str = "list changes cannot be written";

/// How far a daemon that takes checks is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// All of it works.
    Whole,
    /// Something does not that checks can do without.
    Degraded(&'static str),
}

impl std::fmt::Display for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ready::Whole => f.write_str("ready"),
            Ready::Degraded(why) => write!(f, "degraded: {why}"),
        }
    }
}

//! Models kept for explaining: those in force, and a few that were, so that a decision is explained by the model that made it
//! or not at all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::limits::NODES_MAX;
use model::{Artefact, Explainer};

/// Most models kept.
const KEPT_MAX: usize = 8;
/// Most nodes of all that are kept beyond the latest, some fifty bytes each: of the largest models only the one in force stays.
const KEPT_NODES_MAX: usize = NODES_MAX / 4;

/// The latest models, newest first.
#[derive(Default)]
pub struct Explainers {
    latest: Mutex<VecDeque<Arc<Explainer>>>,
}

impl Explainers {
    /// Models for explaining, as they are kept or made now. They are kept only from [`Explainers::keep`] on.
    pub fn of<'a>(&self, artefacts: impl Iterator<Item = &'a Artefact>) -> Vec<Arc<Explainer>> {
        let of = |artefact: &'a Artefact| {
            // The version is the hash of the trees: under the same one the manifest may have changed.
            let known = self.find(&artefact.forest.version).filter(|kept| *kept.forest() == artefact.forest);
            known.unwrap_or_else(|| Arc::new(Explainer::new(artefact.forest.clone(), &artefact.covers)))
        };
        artefacts.map(of).collect()
    }

    /// Takes over models that are in force. Each takes the place of what had its version.
    pub fn keep(&self, in_force: &[Arc<Explainer>]) {
        let mut latest = self.latest();
        let same = |one: &Explainer, other: &Explainer| one.forest().version == other.forest().version;
        latest.retain(|kept| !in_force.iter().any(|one| same(one, kept)));
        in_force.iter().rev().for_each(|explainer| latest.push_front(explainer.clone()));
        let mut nodes = 0;
        let kept = latest.iter().enumerate().take_while(|(place, explainer)| {
            nodes += explainer.forest().trees.iter().map(|tree| tree.nodes.len()).sum::<usize>();
            *place < in_force.len() || (*place < KEPT_MAX && nodes <= KEPT_NODES_MAX)
        });
        let kept = kept.count();
        latest.truncate(kept);
    }

    /// The model of that version, if it is kept.
    pub fn find(&self, version: &str) -> Option<Arc<Explainer>> {
        self.latest().iter().find(|explainer| explainer.forest().version == version).cloned()
    }

    fn latest(&self) -> MutexGuard<'_, VecDeque<Arc<Explainer>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

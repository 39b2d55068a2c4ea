//! Models kept for explaining: those in force, and a few that were, so that a decision is explained by the model that made it
//! or not at all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Takes over models that come into force.
    pub fn keep<'a>(&self, artefacts: impl Iterator<Item = &'a Artefact>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut in_force = Vec::new();
        for artefact in artefacts {
            let same = |kept: &Arc<Explainer>| *kept.forest() == artefact.forest;
            let version = |kept: &Arc<Explainer>| kept.forest().version == artefact.forest.version;
            // The version is the hash of the trees: one whose manifest was changed takes the place of what it was.
            let known = latest.iter().position(version).and_then(|place| latest.remove(place)).filter(same);
            in_force.push(
                known.unwrap_or_else(|| Arc::new(Explainer::new(artefact.forest.clone(), &artefact.covers))),
            );
        }
        let fixed = in_force.len();
        in_force.into_iter().rev().for_each(|explainer| latest.push_front(explainer));
        let mut nodes = 0;
        let kept = latest.iter().enumerate().take_while(|(place, explainer)| {
            nodes += explainer.forest().trees.iter().map(|tree| tree.nodes.len()).sum::<usize>();
            *place < fixed || (*place < KEPT_MAX && nodes <= KEPT_NODES_MAX)
        });
        let kept = kept.count();
        latest.truncate(kept);
    }

    /// The model of that version, if it is kept.
    pub fn find(&self, version: &str) -> Option<Arc<Explainer>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.iter().find(|explainer| explainer.forest().version == version).cloned()
    }
}

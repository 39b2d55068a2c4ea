//! What a reload takes away: declarations that are gone, and counts that are lost. A file that was cut off, or a window that
//! was changed in passing, is otherwise noticed when a limit has let through what it should have refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use engine::Snapshot;
use engine::Tables;
use engine::policy::{Mode, Policy};
use serde::Serialize;

use crate::activation::Activation;
use crate::lists::KnownList;

/// What an activation has no more of the one before it. Names are in order.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct TakenAway {
    /// Rules that are not declared any more, those of lists' actions included.
    pub rules: BTreeSet<String>,
    /// Limits that are not declared any more.
    pub limits: BTreeSet<String>,
    /// Breakers that are not declared any more.
    pub breakers: BTreeSet<String>,
    /// Rules, limits and breakers that were live and are in shadow or off by what their files say.
    pub not_live: BTreeSet<String>,
    /// Velocity features that are not declared any more.
    pub features: BTreeSet<String>,
    /// Lists that are not declared any more, each with its entries. They are kept, and there again when the list is.
    pub lists: BTreeMap<String, u64>,
    /// Lists whose entries do not fit the way their keys are matched now, with how many.
    pub entries_unfit: BTreeMap<String, u64>,
    /// Velocity features and breakers that are declared still and start anew: their counts and states are gone.
    pub start_anew: BTreeSet<String>,
}

impl TakenAway {
    /// What is in `previous` and not in what is about to take over.
    pub fn between(
        previous: &Activation,
        next: &Snapshot,
        policy: &Policy,
        lists: &[KnownList],
        entries_unfit: BTreeMap<String, u64>,
        tables: &Tables,
    ) -> TakenAway {
        // As its files have it: what the guard demoted is told of by the guard.
        let (before, after) = (&previous.facts.policy, policy);
        let gone = |all: fn(&Policy) -> BTreeMap<String, bool>| -> BTreeSet<String> {
            let after = all(after);
            all(before).into_keys().filter(|id| !after.contains_key(id)).collect()
        };
        let all = |policy: &Policy| -> BTreeMap<String, bool> {
            [rules(policy), limits(policy), breakers(policy)].into_iter().flatten().collect()
        };
        let now = all(after);
        let not_live = all(before).into_iter().filter(|(id, live)| *live && now.get(id) == Some(&false));
        let declared = |name: &str| lists.iter().any(|list| list.name == name);
        let names = |policy: &Policy| -> BTreeSet<String> {
            policy.windows.iter().map(|window| policy.features.row(window.feature).name.clone()).collect()
        };
        TakenAway {
            rules: gone(rules),
            limits: gone(limits),
            breakers: gone(breakers),
            not_live: not_live.map(|(id, _)| id).collect(),
            features: names(before).difference(&names(after)).cloned().collect(),
            lists: (previous.lists.iter().filter(|list| !declared(&list.name)))
                .map(|list| (list.name.clone(), tables.lists.len_of(&list.handle)))
                .collect(),
            entries_unfit,
            start_anew: next.starts_anew(&previous.snapshot).into_iter().collect(),
        }
    }

    /// Whether nothing is gone.
    pub fn is_nothing(&self) -> bool {
        *self == TakenAway::default()
    }
}

impl fmt::Display for TakenAway {
    /// In one line, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
        let counted = |entries: &BTreeMap<String, u64>| {
            entries.iter().map(|(name, count)| format!("{name} ({count} entries)")).collect::<Vec<_>>()
        };
        let parts = [
            ("rules", names(&self.rules)),
            ("limits", names(&self.limits)),
            ("breakers", names(&self.breakers)),
            ("not live any more", names(&self.not_live)),
            ("features", names(&self.features)),
            ("lists", counted(&self.lists)),
            ("entries that do not fit", counted(&self.entries_unfit)),
            ("starting anew", names(&self.start_anew)),
        ];
        let mut first = true;
        for (what, names) in parts.into_iter().filter(|(_, names)| !names.is_empty()) {
            let separator = if first { "" } else { "; " };
            write!(f, "{separator}{what}: {}", names.join(", "))?;
            first = false;
        }
        Ok(())
    }
}

fn rules(policy: &Policy) -> BTreeMap<String, bool> {
    policy.rules.iter().map(|rule| (rule.reason.rule.clone(), rule.mode == Mode::Live)).collect()
}

fn limits(policy: &Policy) -> BTreeMap<String, bool> {
    policy.limits.iter().map(|limit| (limit.reason.rule.clone(), limit.mode == Mode::Live)).collect()
}

fn breakers(policy: &Policy) -> BTreeMap<String, bool> {
    policy.breakers.iter().map(|breaker| (breaker.reason.rule.clone(), breaker.mode == Mode::Live)).collect()
}

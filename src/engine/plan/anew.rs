//! What a reload loses of counts and states, though the names are declared still.

use std::sync::Arc;

use super::{Group, Plan, Wired};
use crate::snapshot::Snapshot;

impl Snapshot {
    /// Names of velocity features and ids of breakers that both have and whose counts and states of `previous` are not those of
    /// this one: their definition changed, or their table had to go.
    pub fn starts_anew(&self, previous: &Snapshot) -> Vec<String> {
        let windows = previous.plan.groups.iter().flat_map(|group| &group.windows);
        let lost = windows.filter(|window| self.plan.window(window.tag).is_none());
        let names = lost.map(|window| &previous.policy.features.row(window.feature).name);
        let declared = |name: &&String| {
            self.policy.windows.iter().any(|window| self.policy.features.row(window.feature).name == **name)
        };
        names.filter(declared).cloned().chain(self.breakers_anew(previous)).collect()
    }

    fn breakers_anew(&self, previous: &Snapshot) -> Vec<String> {
        let mut anew = Vec::new();
        for (group, wired) in previous.plan.wired() {
            let id = &previous.policy.breakers[wired.breaker].reason.rule;
            let goes_on = |(next, same): (&Group, &Wired)| {
                Arc::ptr_eq(&next.table, &group.table)
                    && same.near == wired.near
                    && same.signature == wired.signature
            };
            let is_declared = self.policy.breakers.iter().any(|breaker| breaker.reason.rule == *id);
            if is_declared && !self.plan.wired().any(goes_on) {
                anew.push(id.clone());
            }
        }
        anew
    }
}

impl Plan {
    fn wired(&self) -> impl Iterator<Item = (&Group, &Wired)> {
        self.groups.iter().flat_map(|group| group.breakers.iter().map(move |wired| (group, wired)))
    }
}

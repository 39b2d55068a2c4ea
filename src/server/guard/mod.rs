//! The guard over the blast radius: what refuses a larger share of checks than it may is demoted to shadow.
//!
//! It looks once a second, on the admin thread, at counters that are kept for metrics anyway; scoring threads know nothing
//! of it. A share is the live matches of a rule, limit or breaker, whichever of deny, review and challenge it asks for, among
//! the checks of its kinds that were answered for the first time, over the latest sixty seconds.

mod minute;
mod usual;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::policy::{Mode, Origin};
use engine::program::Kinds;
use policy::Guarded;
use tokio::time::MissedTickBehavior;
use wire::Kind;

use crate::activation::Activation;
use crate::config;
use crate::demotions::{Cause, Demotion};
use crate::metrics::Metrics;
use crate::reload::Reloader;
use crate::state::Shared;

use minute::Minute;
use usual::Usual;

/// Time between looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks once a second, for ever, and has what goes too far demoted.
pub async fn run(shared: Arc<Shared>, reloader: Arc<Reloader>) {
    let mut guard = Guard::new(shared.config.guard.clone());
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let (active, now_ms) = (shared.active.load_full(), shared.clock.now_ms());
        let found = guard.look(&active, &shared.metrics, now_ms);
        drop(active);
        let reloader = reloader.clone();
        // Records wait for the disk, and letting go of a snapshot for the system.
        let done = tokio::task::spawn_blocking(move || {
            reloader.demote(found);
            reloader.let_go();
        });
        // What failed is tried again at the next look.
        let _ = done.await;
    }
}

/// What is watched, and how much of it there was.
struct Guard {
    terms: config::Guard,
    /// The activation that `watched` belongs to.
    activation: u64,
    watched: Vec<Watched>,
    /// Checks of each kind at the last look.
    seen: [u64; Kind::ALL.len()],
}

/// One that refuses.
struct Watched {
    what: Guarded,
    total: Arc<AtomicU64>,
    /// What `total` was at the last look.
    seen: u64,
    refused: Minute,
    checks: Minute,
    usual: Usual,
}

impl Guard {
    fn new(terms: config::Guard) -> Guard {
        Guard { terms, activation: 0, watched: Vec::new(), seen: [0; Kind::ALL.len()] }
    }

    /// What went beyond its bound.
    fn look(&mut self, active: &Activation, metrics: &Metrics, now_ms: i64) -> Vec<Demotion> {
        let second = now_ms.div_euclid(1_000);
        if self.activation != active.number {
            self.watch(active, metrics, second);
        }
        let answered = metrics.answered();
        let fresh: [u64; Kind::ALL.len()] = std::array::from_fn(|kind| answered[kind] - self.seen[kind]);
        self.seen = answered;
        let terms = &self.terms;
        self.watched.iter_mut().filter_map(|watched| watched.look(terms, &fresh, second, now_ms)).collect()
    }

    /// Takes up what acts in an activation; what acted before with the same text goes on.
    fn watch(&mut self, active: &Activation, metrics: &Metrics, second: i64) {
        self.activation = active.number;
        let mut known: HashMap<(String, String), Watched> = (self.watched.drain(..))
            .map(|watched| ((watched.what.id.clone(), watched.what.text.clone()), watched))
            .collect();
        let guarded = active.facts.guarded.iter();
        let bound = guarded.filter(|one| one.share_max.is_some() || (self.terms.learn && !one.is_guard));
        self.watched = bound
            .filter(|one| acts(active, one.origin))
            .map(|one| match known.remove(&(one.id.clone(), one.text.clone())) {
                Some(watched) => Watched { what: one.clone(), ..watched },
                None => Watched::new(one.clone(), metrics.total(&one.id), second),
            })
            .collect();
    }
}

/// Whether it refuses, of any tenant.
fn acts(active: &Activation, origin: Origin) -> bool {
    let policy = active.snapshot.policy();
    match origin {
        Origin::Rule(at) => {
            let rule = &policy.rules[at];
            rule.mode == Mode::Live || rule.variants.iter().any(|variant| variant.mode == Mode::Live)
        }
        Origin::Limit(at) => policy.limits[at].mode == Mode::Live,
        Origin::Breaker(at, _) => policy.breakers[at].mode == Mode::Live,
        Origin::Own(_) => false,
    }
}

impl Watched {
    fn new(what: Guarded, total: Arc<AtomicU64>, second: i64) -> Watched {
        let seen = total.load(Ordering::Relaxed);
        let (refused, checks) = (Minute::new(second), Minute::new(second));
        Watched { what, total, seen, refused, checks, usual: Usual::default() }
    }

    fn look(
        &mut self,
        terms: &config::Guard,
        fresh: &[u64; Kind::ALL.len()],
        second: i64,
        now_ms: i64,
    ) -> Option<Demotion> {
        let total = self.total.load(Ordering::Relaxed);
        let refused = total - std::mem::replace(&mut self.seen, total);
        let checks = of_kinds(self.what.kinds, fresh);
        self.refused.add(second, refused);
        self.checks.add(second, checks);
        if self.what.share_max.is_none() {
            self.usual.add(second, refused, checks, terms.checks_min);
        }
        let learned = || self.usual.bound().map(|bound| bound.max(terms.learned_share_min_percent));
        let share_max_percent = self.what.share_max.or_else(learned)?;
        let (refused, checks) = (self.refused.sum(), self.checks.sum());
        let beyond = 100.0 * refused as f64 > share_max_percent * checks as f64;
        (checks >= terms.checks_min && beyond).then(|| Demotion {
            id: self.what.id.clone(),
            text: self.what.text.clone(),
            time_ms: now_ms,
            cause: Cause { refused, checks, share_max_percent, learned: self.what.share_max.is_none() },
        })
    }
}

fn of_kinds(kinds: Kinds, counts: &[u64; Kind::ALL.len()]) -> u64 {
    let of = Kind::ALL.iter().filter(|kind| kinds.has(**kind));
    of.map(|kind| counts[usize::from(kind.code())]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> config::Guard {
        config::Guard { checks_min: 100, ..config::Guard::default() }
    }

    fn watched(share_max: Option<f64>) -> Watched {
        let what = Guarded {
            id: "r".to_owned(),
            origin: Origin::Rule(0),
            kinds: Kinds::of(&[Kind::Pay, Kind::Claim]),
            is_guard: false,
            share_max,
            text: "t".to_owned(),
        };
        Watched::new(what, Arc::default(), 0)
    }

    /// A second with so many refused among so many pays; logins come along and count nowhere.
    fn second(watched: &mut Watched, at: i64, refused: u64, pays: u64) -> Option<Cause> {
        watched.total.fetch_add(refused, Ordering::Relaxed);
        let mut fresh = [0; Kind::ALL.len()];
        fresh[usize::from(Kind::Pay.code())] = pays;
        fresh[usize::from(Kind::Login.code())] = 1_000_000;
        watched.look(&terms(), &fresh, at, at * 1_000).map(|demotion| demotion.cause)
    }

    #[test]
    fn a_share_beyond_the_declared_one_is_found_and_one_at_it_is_not() {
        let mut one = watched(Some(2.0));
        assert_eq!(second(&mut one, 1, 2, 100), None, "two of a hundred are two percent");
        let cause = Cause { refused: 3, checks: 101, share_max_percent: 2.0, learned: false };
        assert_eq!(second(&mut one, 2, 1, 1), Some(cause));
    }

    #[test]
    fn few_checks_demote_nothing_however_many_of_them_are_refused() {
        let mut one = watched(Some(2.0));
        assert_eq!(second(&mut one, 1, 99, 99), None);
        assert_eq!(second(&mut one, 62, 99, 99), None, "the first ninety-nine are a minute old");
        assert!(second(&mut one, 63, 0, 1).is_some());
    }

    #[test]
    fn without_a_declared_bound_what_was_usual_bounds_and_never_below_the_least() {
        let mut one = watched(None);
        for at in 0..40 * 60 {
            assert_eq!(second(&mut one, at, 1, 10), None, "ten percent every minute");
        }
        let mut last = None;
        for at in 40 * 60..41 * 60 {
            last = last.or(second(&mut one, at, 3, 10));
        }
        let cause = last.expect("thirty percent is far from usual");
        assert!(cause.learned && (cause.share_max_percent - 10.0).abs() < 1.0, "{cause:?}");

        let mut calm = watched(None);
        for at in 0..40 * 60 {
            second(&mut calm, at, 0, 10);
        }
        // Nothing was ever refused: as far as usual goes, one refusal would be too many.
        for at in 40 * 60..60 * 60 {
            assert_eq!(second(&mut calm, at, u64::from(at % 4 == 0), 10), None, "below five percent");
        }
    }
}

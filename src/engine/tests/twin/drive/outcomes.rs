//! What outcomes move: given back once, taken once, and in the windows that are in force by then.

use engine::feature::FeatureId;
use engine::{OutcomeEffect, outcome};
use wire::{OutcomeKind, Verdict};

use super::{Asked, Known, Reserved, Twin};

impl Twin<'_> {
    pub(super) fn outcome(&mut self, id: usize, kind: OutcomeKind) -> Result<(), String> {
        let Some(snapshot) = self.snapshot.take() else { return Ok(()) };
        let effect = outcome(&snapshot, self.tables, self.now_ms, &format!("id{id}"), kind);
        self.snapshot = Some(snapshot);
        // A reservation may be what the last block was wanted for.
        self.see_evictions();
        self.turn += 1;
        let key = vec![id];
        let Some(mut known) = self.ids.remove(&id) else {
            return match effect {
                OutcomeEffect::Unknown => Ok(()),
                other => Err(format!("outcome of an id that never was: {other:?}")),
            };
        };
        if effect == OutcomeEffect::Unknown {
            let certain = !self.forgetting || self.id_table.stands_now(&key, self.now_ms);
            self.note("outcomes too late");
            return if certain { Err(format!("outcome of id {id}: unknown")) } else { Ok(()) };
        }
        self.id_table.touch(&key, self.now_ms, None, self.turn, false);
        let passes = kind == OutcomeKind::ChallengePassed;
        let ends = matches!(kind, OutcomeKind::Settled | OutcomeKind::Failed | OutcomeKind::Cancelled);
        let expected = match effect {
            // Which state it is said to be in is another test's.
            OutcomeEffect::NoChallenge(_) if passes && !known.asked => effect,
            OutcomeEffect::Full { .. } if passes && known.asked => effect,
            _ if passes && known.asked && self.lapses(&known) => OutcomeEffect::Lapsed,
            _ if passes && known.asked => OutcomeEffect::Taken,
            _ if matches!(kind, OutcomeKind::Fraud | OutcomeKind::Legit) => OutcomeEffect::Noted,
            _ if known.ended => OutcomeEffect::Settled,
            _ if known.holds && ends && kind != OutcomeKind::Settled => OutcomeEffect::GivenBack,
            _ => OutcomeEffect::Noted,
        };
        if effect != expected {
            return Err(format!("outcome {kind:?} of id {id}: {effect:?}, expected {expected:?}"));
        }
        match effect {
            OutcomeEffect::GivenBack => {
                self.note("given back");
                self.touch_reserved(&known.reserved);
                self.give_back(&mut known.reserved);
            }
            OutcomeEffect::Taken => {
                self.note("taken after a challenge");
                self.take_again(&mut known.reserved, None)?;
                (known.holds, known.asked) = (true, false);
            }
            OutcomeEffect::Full { feature, max } => {
                self.note("full after a challenge");
                self.take_again(&mut known.reserved, Some((feature, max)))?;
            }
            OutcomeEffect::NoChallenge(_) => self.note("no challenge is open"),
            OutcomeEffect::Lapsed => self.note("challenges that lapsed"),
            _ => {}
        }
        let is_open = known.holds || known.asked;
        if ends && is_open {
            (known.holds, known.asked, known.ended) = (false, false, true);
        }
        self.ids.insert(id, known);
        Ok(())
    }

    /// Whether a reload has taken a window with a limit away, or brought one that the check might have been refused by.
    fn lapses(&self, known: &Known) -> bool {
        let is_gone =
            |reserved: &Reserved| reserved.max != i64::MAX && !self.active.contains(&reserved.window);
        let Some(built) = &self.built else { return false };
        let is_new = |(place, at): (usize, &usize)| {
            let spec = &self.case.windows[self.windows[*at].spec];
            let mut limits = built.limits.iter().map(|&limit| &self.case.limits[limit]);
            *at >= known.windows
                && spec.kinds.has(known.check.kind)
                && limits.any(|limit| {
                    limit.window == built.windows[place].0
                        && limit.kyc.is_none()
                        && limit.verdict != Verdict::Challenge
                })
        };
        known.reserved.iter().any(is_gone) || self.active.iter().enumerate().any(is_new)
    }

    /// The engine looks every reserved key up again, where its window is in force.
    fn touch_reserved(&mut self, reserved: &[Reserved]) {
        for reserved in reserved.iter().filter(|reserved| self.active.contains(&reserved.window)) {
            let window = &self.windows[reserved.window];
            let (key, _) = window.event(reserved.place);
            self.kept_in[window.table].touch(&key, self.now_ms, None, self.turn, self.evicting);
        }
    }

    /// Takes what was reserved again, all of it within its maxima, or none if `full` says which was reached.
    fn take_again(
        &mut self,
        reserved: &mut [Reserved],
        full: Option<(FeatureId, i64)>,
    ) -> Result<(), String> {
        let mut refused = full.is_none();
        let mut taken: Vec<Reserved> = Vec::new();
        for reserved in reserved.iter() {
            // One that was dropped and added again is another window: it knows of nothing that was asked before.
            let Some(place) = self.active.iter().position(|&at| at == reserved.window) else {
                taken.push(*reserved);
                continue;
            };
            let (at, (key, number)) = (reserved.window, self.windows[reserved.window].event(reserved.place));
            let (spec, table) = (&self.case.windows[self.windows[at].spec], self.windows[at].table);
            self.kept_in[table].touch(&key, self.now_ms, None, self.turn, self.evicting);
            let own = self.windows[at].take(spec, &key, self.now_ms, (number, 0), self.turn);
            taken.push(Reserved { place: own, stands: true, ..*reserved });
            let Some(built) = &self.built else { continue };
            let limits = built.limits.iter().map(|&limit| &self.case.limits[limit]);
            let of_all = limits.filter(|limit| {
                limit.window == built.windows[place].0
                    && limit.kyc.is_none()
                    && limit.verdict != Verdict::Challenge
            });
            let max = of_all.map(|limit| limit.max).chain([reserved.max]).min().unwrap_or(i64::MAX);
            let crowded = self.kept_in[table].is_crowded(&key, self.now_ms);
            if crowded {
                self.kept_in[table].doubt(&key, self.turn);
            }
            let exact = if max > i64::from(spec.exact) { 0 } else { spec.exact };
            let asked = Asked { key: &key, time_ms: self.now_ms, own: Some(own), exact };
            let (low, high) = self.windows[at].promise(spec, &self.kept_in[table], &asked).ends();
            match full {
                Some(full) if full == (built.windows[place].1, max) => {
                    refused = true;
                    if high <= max && !crowded && !self.blind {
                        return Err(format!("a passed challenge is refused by {max}, where {high} is most"));
                    }
                }
                None if low > max && !self.blind => {
                    return Err(format!("a passed challenge passes {max} with {low}"));
                }
                _ => {}
            }
        }
        if !refused {
            return Err(format!("a passed challenge is refused by {full:?}, which is no limit of its"));
        }
        match full {
            Some(_) => self.give_back(&mut taken),
            None => reserved.copy_from_slice(&taken),
        }
        Ok(())
    }
}

//! What outcomes move: given back once, taken once, and in the windows that are in force by then.

use engine::{OutcomeEffect, outcome};
use wire::{OutcomeKind, Verdict};

use super::{Reserved, Twin};

impl Twin<'_> {
    pub(super) fn outcome(&mut self, id: usize, kind: OutcomeKind) -> Result<(), String> {
        let Some(snapshot) = self.snapshot.take() else { return Ok(()) };
        let effect = outcome(&snapshot, self.tables, self.now_ms, &format!("id{id}"), kind);
        self.snapshot = Some(snapshot);
        self.turn += 1;
        let key = vec![id];
        let Some(mut known) = self.ids.remove(&id) else {
            return match effect {
                OutcomeEffect::Unknown => Ok(()),
                other => Err(format!("outcome of an id that never was: {other:?}")),
            };
        };
        if effect == OutcomeEffect::Unknown {
            let certain = !self.forgetting || self.id_table.stands_now(&key);
            self.note("outcomes too late");
            return if certain { Err(format!("outcome of id {id}: unknown")) } else { Ok(()) };
        }
        self.id_table.touch(&key, self.now_ms, None, self.turn, false);
        let stands = match known.decision.verdict {
            Verdict::Allow => known.outcome.is_none(),
            Verdict::Challenge => known.outcome == Some(OutcomeKind::ChallengePassed),
            _ => false,
        };
        let first = known.outcome.is_none();
        let expected = match kind {
            OutcomeKind::Fraud | OutcomeKind::Legit => OutcomeEffect::Noted,
            OutcomeKind::Failed | OutcomeKind::Cancelled if stands => OutcomeEffect::GivenBack,
            OutcomeKind::ChallengePassed if first && known.decision.verdict == Verdict::Challenge => {
                OutcomeEffect::Taken
            }
            _ if first || stands => OutcomeEffect::Noted,
            _ => OutcomeEffect::Settled,
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
                self.touch_reserved(&known.reserved);
                self.take_again(&mut known.reserved);
            }
            _ => {}
        }
        if effect != OutcomeEffect::Settled && !matches!(kind, OutcomeKind::Fraud | OutcomeKind::Legit) {
            known.outcome = Some(kind);
        }
        self.ids.insert(id, known);
        Ok(())
    }

    /// The engine looks every reserved key up again, where its window is in force.
    fn touch_reserved(&mut self, reserved: &[Reserved]) {
        for reserved in reserved.iter().filter(|reserved| self.active.contains(&reserved.window)) {
            let window = &self.windows[reserved.window];
            let (turn, key) = window.event(reserved.place);
            let table = &mut self.kept_in[window.table];
            table.touch(&key, self.now_ms, None, self.turn, self.evicting);
            if !table.is_sure(&key, turn) {
                // What was reserved may have been forgotten with its key, and the key be another's by now.
                table.doubt(&key, self.turn);
            }
        }
    }

    fn take_again(&mut self, reserved: &mut [Reserved]) {
        for reserved in reserved {
            let number = self.windows[reserved.window].spec;
            let spec = &self.case.windows[number];
            // One that was dropped and added again is another window: it knows of nothing that was asked before.
            let at = reserved.window;
            if !self.active.contains(&at) {
                continue;
            }
            let (key, number) = self.windows[reserved.window].again(reserved.place);
            let table = &mut self.kept_in[self.windows[at].table];
            if !table.knows(&key) {
                continue;
            }
            let place = self.windows[at].take(spec, &key, self.now_ms, (number, 0), self.turn);
            *reserved = Reserved { window: at, place, stands: true };
        }
    }
}

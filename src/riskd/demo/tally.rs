//! Every answer held against the truth, in counts that do not grow with the traffic but for the names of accounts.

use std::collections::HashMap;

use sim::{Attack, Craft, Event, Label};
use wire::{Answer, Degraded, OutcomeKind, Verdict};

use super::follow_up::goes_on;

/// What became of the events of one kind of attack and one craft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Refused.
    pub denied: u64,
    /// Held for a person.
    pub reviewed: u64,
    /// Challenged, and the attacker failed the challenge.
    pub challenged: u64,
    /// Allowed, or challenged and the attacker passed.
    pub missed: u64,
}

impl Fate {
    /// All that did not go on.
    pub fn caught(&self) -> u64 {
        self.denied + self.reviewed + self.challenged
    }

    /// All.
    pub fn events(&self) -> u64 {
        self.caught() + self.missed
    }

    /// This and another together.
    pub fn plus(self, other: Fate) -> Fate {
        Fate {
            denied: self.denied + other.denied,
            reviewed: self.reviewed + other.reviewed,
            challenged: self.challenged + other.challenged,
            missed: self.missed + other.missed,
        }
    }
}

/// Sums in minor units, of events that would have moved money.
#[derive(Clone, Copy, Debug, Default)]
pub struct Money {
    /// Attacks that were stopped.
    pub attacks_stopped: i64,
    /// Attacks that went through.
    pub attacks_lost: i64,
    /// Honest events that went through.
    pub honest_moved: i64,
    /// Honest events that were denied.
    pub honest_denied: i64,
    /// Honest events held for a person.
    pub honest_held: i64,
    /// Honest events given up at a challenge.
    pub honest_abandoned: i64,
}

/// How often a rule matched, and how often rightly.
#[derive(Clone, Debug, Default)]
pub struct RuleHits {
    /// Its id.
    pub rule: String,
    /// Events it matched.
    pub hits: u64,
    /// Those of them that were attacks.
    pub attacks: u64,
}

/// Everything counted.
#[derive(Default)]
pub struct Tally {
    /// Honest events by verdict.
    pub honest: [u64; Verdict::ALL.len()],
    /// Attack events by kind and craft.
    pub attacks: [[Fate; Craft::ALL.len()]; Attack::ALL.len()],
    /// Attack events by verdict.
    pub attack_verdicts: [u64; Verdict::ALL.len()],
    /// Sums.
    pub money: Money,
    /// Hits by the code of the reason.
    pub rules: HashMap<String, RuleHits>,
    /// Answers by flag.
    pub degraded: [u64; Degraded::ALL.len()],
    /// Checks that were refused instead of answered.
    pub refused: u64,
    /// Accounts of honest events, and the severest verdict each met.
    accounts: HashMap<String, Verdict>,
}

impl Tally {
    /// Counts an answer.
    pub fn answer(&mut self, event: &Event, answer: &Answer<'_>) {
        let verdict = answer.verdict;
        let went_on = goes_on(event, verdict);
        let attack = match event.label {
            Label::Honest => {
                self.honest[verdict as usize] += 1;
                self.account(&event.check.account, verdict);
                false
            }
            Label::Attack(attack) => {
                self.attack_verdicts[verdict as usize] += 1;
                let craft = event.craft.unwrap_or(Craft::Crude);
                let fate = &mut self.attacks[attack as usize][craft as usize];
                match verdict {
                    _ if went_on => fate.missed += 1,
                    Verdict::Deny => fate.denied += 1,
                    Verdict::Review => fate.reviewed += 1,
                    Verdict::Challenge | Verdict::Allow => fate.challenged += 1,
                }
                true
            }
        };
        self.money(event, verdict, went_on, attack);
        for reason in &answer.reasons {
            if !self.rules.contains_key(reason.code) {
                let hits = RuleHits { rule: reason.rule.to_owned(), ..RuleHits::default() };
                self.rules.insert(reason.code.to_owned(), hits);
            }
            if let Some(hits) = self.rules.get_mut(reason.code) {
                hits.hits += 1;
                hits.attacks += u64::from(attack);
            }
        }
        for flag in Degraded::in_set(answer.degraded) {
            self.degraded[usize::from(flag.code())] += 1;
        }
    }

    fn account(&mut self, account: &str, verdict: Verdict) {
        match self.accounts.get_mut(account) {
            Some(severest) => *severest = verdict.max(*severest),
            None => {
                self.accounts.insert(account.to_owned(), verdict);
            }
        }
    }

    fn money(&mut self, event: &Event, verdict: Verdict, went_on: bool, attack: bool) {
        // What would have failed or been called off anyway is nobody's loss.
        let settles = event.outcome.is_some_and(|outcome| outcome.kind == OutcomeKind::Settled);
        let (true, Some(minor)) = (settles, event.check.amount_minor) else { return };
        let money = &mut self.money;
        let sum = match (attack, verdict) {
            (true, _) if went_on => &mut money.attacks_lost,
            (true, _) => &mut money.attacks_stopped,
            (false, _) if went_on => &mut money.honest_moved,
            (false, Verdict::Deny) => &mut money.honest_denied,
            (false, Verdict::Review) => &mut money.honest_held,
            (false, Verdict::Challenge | Verdict::Allow) => &mut money.honest_abandoned,
        };
        *sum += minor;
    }

    /// Events with a verdict or a refusal.
    pub fn answered(&self) -> u64 {
        self.honest_events() + self.attack_verdicts.iter().sum::<u64>() + self.refused
    }

    /// Honest events with a verdict.
    pub fn honest_events(&self) -> u64 {
        self.honest.iter().sum()
    }

    /// Attack events caught and missed.
    pub fn attack_events(&self) -> (u64, u64) {
        let all = self.all_attacks();
        (all.caught(), all.missed)
    }

    /// All kinds and crafts of attack together.
    pub fn all_attacks(&self) -> Fate {
        self.attacks.iter().flatten().fold(Fate::default(), |sum, fate| sum.plus(*fate))
    }

    /// Accounts of honest events, and how many of them met that verdict as the severest.
    pub fn accounts(&self, verdict: Verdict) -> (u64, u64) {
        let met = self.accounts.values().filter(|severest| **severest == verdict).count();
        (self.accounts.len() as u64, met as u64)
    }

    /// Rules by hits, the most frequent first.
    pub fn rules(&self) -> Vec<(&str, &RuleHits)> {
        let mut rules: Vec<_> = self.rules.iter().map(|(code, hits)| (code.as_str(), hits)).collect();
        rules.sort_by_key(|(code, hits)| (std::cmp::Reverse(hits.hits), *code));
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::FollowUp;
    use wire::{Check, Kind};

    fn event(label: Label, passes_challenge: bool) -> Event {
        let mut check = Check::new("e", Kind::Pay, "u");
        check.amount_minor = Some(100);
        let craft = matches!(label, Label::Attack(_)).then_some(Craft::Careful);
        let outcome = Some(FollowUp { kind: OutcomeKind::Settled, delay_ms: 5 });
        Event { check, label, craft, passes_challenge, outcome, report: None }
    }

    fn answer(verdict: Verdict) -> Answer<'static> {
        Answer {
            id: "e",
            verdict,
            challenge: None,
            score: 0.5,
            reasons: Vec::new(),
            degraded: 0,
            replayed: false,
            policy: "p",
            model: "",
            decision: 1,
        }
    }

    #[test]
    fn a_challenge_catches_only_attackers_who_do_not_pass_it() {
        let mut tally = Tally::default();
        let attack = Label::Attack(Attack::QrSwap);
        tally.answer(&event(attack, true), &answer(Verdict::Challenge));
        tally.answer(&event(attack, false), &answer(Verdict::Challenge));
        tally.answer(&event(attack, true), &answer(Verdict::Deny));
        tally.answer(&event(attack, true), &answer(Verdict::Allow));
        let fate = tally.attacks[Attack::QrSwap as usize][Craft::Careful as usize];
        assert_eq!(fate, Fate { denied: 1, reviewed: 0, challenged: 1, missed: 2 });
        assert_eq!((tally.money.attacks_stopped, tally.money.attacks_lost), (200, 200));
    }

    #[test]
    fn an_account_counts_once_by_the_severest_verdict_it_met() {
        let mut tally = Tally::default();
        for verdict in [Verdict::Review, Verdict::Challenge, Verdict::Allow] {
            tally.answer(&event(Label::Honest, true), &answer(verdict));
        }
        assert_eq!(tally.accounts(Verdict::Review), (1, 1));
        assert_eq!(tally.accounts(Verdict::Challenge), (1, 0));
        assert_eq!((tally.money.honest_held, tally.money.honest_moved), (100, 200));
        assert_eq!(tally.answered(), 3);
    }
}

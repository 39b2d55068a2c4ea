//! The quality report of a replay: ranking, verdicts and money, overall and by kind of fraud.

use events::show_instant;
use model::quality::{CardEvent, Curve, Scored, card_precision};
use serde_json::{Value, json};
use wire::Verdict;
use wire::money::Major;

use super::findings::Findings;
use super::judged::{Judged, Names};
use crate::print::{self, Table};

const DAY_MS: i64 = 86_400_000;

/// What was measured, and on what.
pub struct Report<'a> {
    /// Answered events with their truth, in the order of their coming.
    pub judged: &'a [Judged],
    /// Names of accounts.
    pub accounts: &'a Names,
    /// Names of kinds of fraud.
    pub scenarios: &'a Names,
    /// Start of the days that card precision counts in.
    pub days_from_ms: i64,
    /// Cards looked at each day, for card precision.
    pub cards_a_day: usize,
    /// Version of the policy.
    pub policy: &'a str,
    /// Version of the model; empty without one.
    pub model: &'a str,
    /// Version of the model for what is odd; empty without one.
    pub anomaly: &'a str,
    /// Events sent through the engine, those outside the report too.
    pub events: u64,
    /// Seconds in all.
    pub seconds: f64,
    /// Seconds within the engine.
    pub engine_seconds: f64,
    /// What was amiss, and allowed.
    pub findings: &'a Findings,
}

impl Report<'_> {
    /// The ranking, a line for all frauds and one for each kind, each against all honest events.
    fn ranking(&self) -> Table {
        let mut table =
            Table::new(&["fraud", "events", "AUC", "average precision", "recall at 1 %", "recall at 0.1 %"]);
        let mut line = |name: &str, of: &dyn Fn(&Judged) -> bool| {
            let rows = self.judged.iter().filter(|event| !event.fraud || of(event));
            let curve = Curve::new(&rows.map(scored).collect::<Vec<_>>());
            if curve.frauds() > 0 {
                table.row([
                    Value::from(name),
                    Value::from(curve.frauds()),
                    print::decimals(curve.roc_auc(), 4),
                    print::decimals(curve.average_precision(), 4),
                    print::decimals(curve.recall_at_false_positives(0.01), 4),
                    print::decimals(curve.recall_at_false_positives(0.001), 4),
                ]);
            }
        };
        line("all", &|_| true);
        let mut kinds: Vec<u32> = (0..self.scenarios.len() as u32).collect();
        kinds.sort_by_key(|kind| self.scenarios.name(*kind));
        for kind in kinds.into_iter().filter(|kind| !self.scenarios.name(*kind).is_empty()) {
            line(self.scenarios.name(kind), &|event| event.scenario == kind);
        }
        table
    }

    /// Events and money by verdict and truth.
    fn verdicts(&self) -> Table {
        let mut table = Table::new(&["verdict", "fraud", "honest", "money of frauds", "money of honest"]);
        for verdict in Verdict::ALL {
            let (fraud, honest) = (self.sum(*verdict, true), self.sum(*verdict, false));
            table.row([
                Value::from(verdict.name()),
                Value::from(fraud.0),
                Value::from(honest.0),
                Value::from(Major(fraud.1).to_string()),
                Value::from(Major(honest.1).to_string()),
            ]);
        }
        table
    }

    /// Number and money of the events with that verdict and truth.
    fn sum(&self, verdict: Verdict, fraud: bool) -> (u64, i64) {
        let these = self.judged.iter().filter(|event| event.verdict == verdict && event.fraud == fraud);
        these.fold((0, 0), |(count, minor), event| (count + 1, minor + event.amount_minor))
    }

    /// Money of frauds stopped, money of frauds let through, money of honest events refused outright.
    fn money(&self) -> [(&'static str, i64); 3] {
        let missed = self.sum(Verdict::Allow, true).1;
        let all: i64 = self.judged.iter().filter(|event| event.fraud).map(|event| event.amount_minor).sum();
        let refused = self.sum(Verdict::Deny, false).1;
        [("caught", all - missed), ("missed", missed), ("wrongly_refused", refused)]
    }

    fn card_precision(&self) -> Option<f64> {
        let events: Vec<CardEvent<'_>> = self
            .judged
            .iter()
            .map(|event| CardEvent {
                day: (event.time_ms - self.days_from_ms).div_euclid(DAY_MS),
                card: self.accounts.name(event.account),
                scored: scored(event),
            })
            .collect();
        card_precision(&events, self.cards_a_day)
    }

    /// Prints it, as JSON if asked for.
    pub fn print(&self, json: bool) {
        let frauds = self.judged.iter().filter(|event| event.fraud).count();
        // The order is not that of time where events came late.
        let times = || self.judged.iter().map(|event| event.time_ms);
        let (first, last) = (times().min(), times().max());
        let [first, last] = [first, last].map(|ms| ms.map(show_instant).unwrap_or_default());
        let money = self.money();
        let rate = |seconds: f64| (self.events as f64 / seconds.max(1e-9)) as u64;
        if json {
            let money = money.map(|(name, minor)| (name.to_owned(), Value::from(Major(minor).to_string())));
            print::raw(&print::pretty(&json!({
                "policy": self.policy,
                "model": self.model,
                "anomaly_model": self.anomaly,
                "events": self.judged.len(),
                "frauds": frauds,
                "from": first,
                "to": last,
                "ranking": self.ranking().to_json(),
                "cards_a_day": self.cards_a_day,
                "card_precision": self.card_precision(),
                "verdicts": self.verdicts().to_json(),
                "money": Value::Object(money.into_iter().collect()),
                "replayed_events": self.events,
                "events_per_second": rate(self.seconds),
                "engine_events_per_second": rate(self.engine_seconds),
                "clock_skewed": self.findings.clock_skewed(),
                "findings": self.findings.json(),
            })));
            return;
        }
        let count = |number: usize| print::thousands(number as u64);
        let mut model = if self.model.is_empty() { "none".to_owned() } else { self.model.to_owned() };
        if !self.anomaly.is_empty() {
            model += &format!("\nanomaly  {}", self.anomaly);
        }
        let mut text = format!(
            "events   {}, {} of them fraud, {first} to {last}\npolicy   {}\nmodel    {model}\n\n{}\n",
            count(self.judged.len()),
            count(frauds),
            self.policy,
            self.ranking().to_text(),
        );
        if let Some(precision) = self.card_precision() {
            text += &format!("card precision at {} a day   {precision:.4}\n\n", self.cards_a_day);
        }
        text += &self.verdicts().to_text();
        let [caught, missed, refused] = money.map(|(_, minor)| Major(minor));
        text += &format!("\nmoney    caught {caught}, missed {missed}, wrongly refused {refused}\n");
        text += &format!(
            "rate     {} events a second over {} events, {} within the engine\n",
            print::thousands(rate(self.seconds)),
            print::thousands(self.events),
            print::thousands(rate(self.engine_seconds)),
        );
        text += &self.findings.text();
        print::out(&text);
    }
}

fn scored(event: &Judged) -> Scored {
    Scored { score: event.score, fraud: event.fraud }
}

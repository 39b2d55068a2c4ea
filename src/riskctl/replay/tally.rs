//! What is kept of a replay's answers: figures for the report, and rows of the out file.

use engine::feature::{Builtin, FeatureId, Type};
use events::{Event, Truth};
use wire::Check;

use super::driver::{Answered, Driver};
use super::findings::Findings;
use super::judged::{Judged, Known, Names};
use super::out::{Column, OutFile};
use super::{DAY_MS, Options};
use crate::outcome::Failure;

/// Events between two looks at how full the tables are.
const FILL_EVENTS: u64 = 1 << 16;

/// What is kept of the answers.
pub struct Tally {
    /// Start of the days that the report counts in: `--from`, or the first event. Nothing is left out by it.
    pub days_from_ms: i64,
    /// Answered events with their truth.
    pub judged: Vec<Judged>,
    /// Names of accounts.
    pub accounts: Names,
    /// Names of kinds of fraud.
    pub scenarios: Names,
    /// The out file, if there is to be one.
    pub out: Option<OutFile>,
    /// Events decided.
    pub events: u64,
    /// Of those, events in the span that is reported.
    pub reported: u64,
    /// What is amiss.
    pub findings: Findings,
    from_ms: Option<i64>,
    known: Option<Known>,
    features: Vec<FeatureId>,
    now_ms: i64,
    next_fill: u64,
}

/// Columns of the out file that are no features.
const META: [&str; 9] =
    ["_id", "_time_ms", "_account", "_kind", "_verdict", "_score", "_anomaly_score", "_label", "_scenario"];

impl Tally {
    /// Nothing yet; the out file is begun.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn new(options: &Options, columns: Vec<(FeatureId, String, Type)>) -> Result<Tally, Failure> {
        let out = match &options.out {
            Some(path) => Some(OutFile::create(path, out_columns(&columns))?),
            None => None,
        };
        let after_ms = (options.known_after_days * DAY_MS as f64) as i64;
        Ok(Tally {
            days_from_ms: options.from.unwrap_or(i64::MIN),
            from_ms: options.from,
            judged: Vec::new(),
            accounts: Names::default(),
            scenarios: Names::default(),
            known: options.known_since.map(|since_ms| Known::new(since_ms, after_ms)),
            out,
            features: columns.into_iter().map(|(id, ..)| id).collect(),
            events: 0,
            reported: 0,
            findings: Findings::new(&options.allow, options.entries),
            now_ms: i64::MIN,
            next_fill: FILL_EVENTS,
        })
    }

    /// Decides a batch and takes note of the answers.
    ///
    /// # Errors
    /// What is amiss and not allowed; or the out file.
    pub fn take(&mut self, driver: &mut Driver, batch: &[Event]) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut checks: Vec<Check<'_>> = Vec::with_capacity(batch.len());
        for event in batch {
            let check = wire::json::decode_check(&event.body);
            checks.push(check.map_err(|error| Failure(format!("{}: {error}", event.place)))?);
        }
        // Time stands still for an event that came late.
        let latest_ms = batch.iter().map(|event| event.time_ms).max();
        self.now_ms = self.now_ms.max(latest_ms.unwrap_or(i64::MIN));
        driver.decide(self.now_ms, &checks);
        for (lane, (event, check)) in batch.iter().zip(&checks).enumerate() {
            let answer = driver.answer(lane);
            self.events += 1;
            if answer.replayed {
                self.findings.repeat(event, &check.id)?;
                continue;
            }
            self.findings.degraded(event, answer.degraded)?;
            if let Some(truth) = &event.truth {
                self.note(driver, lane, event, truth, check, &answer)?;
            }
        }
        if self.events >= self.next_fill {
            self.next_fill = self.events + FILL_EVENTS;
            self.fill(driver)?;
        }
        Ok(())
    }

    /// Looks at how full the tables are.
    ///
    /// # Errors
    /// If they have forgotten something, and that is not allowed.
    pub fn fill(&mut self, driver: &Driver) -> Result<(), Failure> {
        if self.events == 0 { Ok(()) } else { self.findings.fill(&driver.fill(self.now_ms)) }
    }

    fn note(
        &mut self,
        driver: &Driver,
        lane: usize,
        event: &Event,
        truth: &Truth,
        check: &Check<'_>,
        answer: &Answered,
    ) -> Result<(), Failure> {
        let account = self.accounts.number(&check.account);
        if self.days_from_ms == i64::MIN {
            self.days_from_ms = event.time_ms;
        }
        // Without --from an event that comes late is reported, however old it is.
        if self.from_ms.is_none_or(|from_ms| event.time_ms >= from_ms) {
            self.reported += 1;
            let day_start_ms = event.time_ms - (event.time_ms - self.days_from_ms).rem_euclid(DAY_MS);
            if !self.known.as_ref().is_some_and(|known| known.has(account, day_start_ms)) {
                self.judged.push(Judged {
                    time_ms: event.time_ms,
                    account,
                    scenario: self.scenarios.number(&truth.scenario),
                    fraud: truth.fraud,
                    verdict: answer.verdict,
                    score: answer.score,
                    amount_minor: check.amount_minor.unwrap_or(0),
                });
            }
            self.write(driver, lane, event, truth, check, answer)?;
        }
        if truth.fraud
            && let Some(known) = &mut self.known
        {
            known.fraud(account, event.time_ms);
        }
        Ok(())
    }

    /// A row of the out file, if there is to be one.
    fn write(
        &mut self,
        driver: &Driver,
        lane: usize,
        event: &Event,
        truth: &Truth,
        check: &Check<'_>,
        answer: &Answered,
    ) -> Result<(), Failure> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let texts = [
            &*check.id,
            "",
            &*check.account,
            check.kind.name(),
            answer.verdict.name(),
            "",
            "",
            "",
            &*truth.scenario,
        ];
        let odd = driver.value(Builtin::AnomalyScore.id(), lane);
        for ((column, text), name) in out.columns.iter_mut().zip(texts).zip(META) {
            match column {
                Column::Text(values) => values.push(text.to_owned()),
                Column::Int(values) => values.push(event.time_ms),
                Column::Double(_) if name == "_anomaly_score" => column.push(odd),
                Column::Double(values) => values.push(answer.score),
                Column::Bool(values) => values.push(truth.fraud),
            }
        }
        for (column, feature) in out.columns[META.len()..].iter_mut().zip(&self.features) {
            column.push(driver.value(*feature, lane));
        }
        out.end_row()
    }
}

fn out_columns(features: &[(FeatureId, String, Type)]) -> Vec<(String, Column)> {
    let meta = META.map(|name| {
        let column = match name {
            "_time_ms" => Column::Int(Vec::new()),
            "_score" | "_anomaly_score" => Column::Double(Vec::new()),
            "_label" => Column::Bool(Vec::new()),
            _ => Column::Text(Vec::new()),
        };
        (name.to_owned(), column)
    });
    let features = features.iter().map(|(_, name, ty)| {
        let column = match ty {
            Type::Bool => Column::Bool(Vec::new()),
            Type::Double => Column::Double(Vec::new()),
            Type::Int | Type::Money | Type::Text => Column::Int(Vec::new()),
        };
        (name.clone(), column)
    });
    meta.into_iter().chain(features).collect()
}

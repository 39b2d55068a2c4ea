//! `riskctl replay`: an event stream from a file through the engine, in event time, and how good the answers were.

mod driver;
mod judged;
mod out;
mod report;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use engine::Parts;
use engine::feature::{Builtin, FeatureId, Type};
use engine::forest::ForestSpec;
use engine::policy::Policy;
use wire::Check;

pub use driver::{Answered, Driver};
use judged::{Judged, Known, Names};
pub use out::{Column, OutFile};
use report::Report;

use crate::events::{Event, Mapping, Rows, Stream, parse_instant};
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl replay stream.parquet --map models/maps/card_stream.toml --rules models/card_stream/rules\n  \
    riskctl replay stream.parquet --map models/maps/card_stream.toml --rules models/card_stream/rules --model model \\\n    \
    --from 2018-08-08 --to 2018-08-15 --known-since 2018-07-25\n  \
    riskctl replay stream.csv --map map.toml --rules rules --out features.parquet";

const DAY_MS: i64 = 86_400_000;

/// What to replay, and what to report.
#[derive(Args, Debug)]
pub struct Options {
    /// CSV or Parquet file of events
    file: PathBuf,
    /// Mapping file: which column is which field of a check
    #[arg(long, value_name = "MAP")]
    map: PathBuf,
    /// Directory of rule files; no rules by default
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Folder of a model; none by default
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Folder of a model for what is odd, whose score the rules read; none by default
    #[arg(long, value_name = "DIR")]
    anomaly: Option<PathBuf>,
    /// Write every answer with its features: CSV or Parquet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Events decided together, 1 to 64; a batch ends early where its events lie too far apart in time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    batch: u8,
    /// Report and write only events from this day or time on; earlier ones still fill the windows
    #[arg(long, value_parser = parse_instant)]
    from: Option<i64>,
    /// Stop before this day or time
    #[arg(long, value_parser = parse_instant)]
    to: Option<i64>,
    /// Leave accounts out of the report once a fraud of theirs is known, counting frauds from this day or time on
    #[arg(long, value_parser = parse_instant)]
    known_since: Option<i64>,
    /// Days until a fraud is known
    #[arg(long, default_value_t = 7.0)]
    known_after_days: f64,
    /// Cards looked at each day, for card precision
    #[arg(long, default_value_t = 100)]
    cards_a_day: usize,
    /// Table entries of the engine for accounts, devices and velocity keys
    #[arg(long, default_value_t = 1 << 17)]
    entries: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Replays and reports.
pub fn run(options: &Options) -> Outcome {
    let mapping = Mapping::read(&options.map)?;
    let rows = Rows::open(&options.file)?;
    let bar = print::progress(rows.length(), "replaying");
    let stream = Stream::new(&mapping, rows)
        .map_err(|Failure(message)| Failure::of(options.file.display(), message))?;
    let policy = match &options.rules {
        Some(rules) => crate::rules::compile(rules)?,
        None => Policy::default(),
    };
    let load = |folder: &PathBuf| crate::models::load(folder, &policy.features);
    let forest = options.model.as_ref().map(load).transpose()?;
    let anomaly = options.anomaly.as_ref().map(load).transpose()?;
    let version =
        |forest: &Option<ForestSpec>| forest.as_ref().map_or_else(String::new, |f| f.version.clone());
    let (model_version, anomaly_version) = (version(&forest), version(&anomaly));
    let policy_version = policy.version.clone();
    let mut driver = Driver::new(Parts { policy, forest, anomaly, ..Parts::default() }, options.entries)?;
    let mut tally = Tally::new(options, driver.columns())?;
    let mut batch: Vec<Event> = Vec::with_capacity(usize::from(options.batch));
    let to_ms = options.to.unwrap_or(i64::MAX);
    // Taking the tables' memory is no part of the rate.
    let started = Instant::now();
    for event in stream {
        let event = event?;
        if event.time_ms >= to_ms {
            break;
        }
        let far = |first: &Event| event.time_ms - first.time_ms > wire::limits::CLOCK_BEHIND_MS_MAX;
        if batch.len() == usize::from(options.batch) || batch.first().is_some_and(far) {
            tally.take(&mut driver, &batch)?;
            batch.clear();
        }
        if event.truth.is_some() {
            bar.inc(1);
        }
        batch.push(event);
    }
    tally.take(&mut driver, &batch)?;
    bar.finish_and_clear();
    if let Some(out) = tally.out.take() {
        out.finish()?;
    }
    let report = Report {
        judged: &tally.judged,
        accounts: &tally.accounts,
        scenarios: &tally.scenarios,
        from_ms: tally.from_ms,
        cards_a_day: options.cards_a_day,
        policy: &policy_version,
        model: &model_version,
        anomaly: &anomaly_version,
        events: tally.events,
        seconds: started.elapsed().as_secs_f64(),
        engine_seconds: driver.seconds(),
        skewed: tally.skewed,
    };
    report.print(options.json);
    Ok(Ended::Clean)
}

/// What is kept of the answers.
struct Tally {
    from_ms: i64,
    judged: Vec<Judged>,
    accounts: Names,
    scenarios: Names,
    known: Option<Known>,
    out: Option<OutFile>,
    features: Vec<FeatureId>,
    events: u64,
    skewed: u64,
}

/// Columns of the out file that are no features.
const META: [&str; 9] =
    ["_id", "_time_ms", "_account", "_kind", "_verdict", "_score", "_anomaly_score", "_label", "_scenario"];

impl Tally {
    fn new(options: &Options, columns: Vec<(FeatureId, String, Type)>) -> Result<Tally, Failure> {
        let out = match &options.out {
            Some(path) => Some(OutFile::create(path, out_columns(&columns))?),
            None => None,
        };
        let after_ms = (options.known_after_days * DAY_MS as f64) as i64;
        Ok(Tally {
            // Without a start the days of the report begin with its first event.
            from_ms: options.from.unwrap_or(i64::MIN),
            judged: Vec::new(),
            accounts: Names::default(),
            scenarios: Names::default(),
            known: options.known_since.map(|since_ms| Known::new(since_ms, after_ms)),
            out,
            features: columns.into_iter().map(|(id, ..)| id).collect(),
            events: 0,
            skewed: 0,
        })
    }

    /// Decides a batch and takes note of the answers.
    fn take(&mut self, driver: &mut Driver, batch: &[Event]) -> Result<(), Failure> {
        let Some(last) = batch.last() else { return Ok(()) };
        let mut checks: Vec<Check<'_>> = Vec::with_capacity(batch.len());
        for event in batch {
            let check = wire::json::decode_check(&event.body);
            checks.push(check.map_err(|error| Failure(format!("a row makes no check: {error}")))?);
        }
        driver.decide(last.time_ms, &checks);
        for (lane, (event, check)) in batch.iter().zip(&checks).enumerate() {
            let answer = driver.answer(lane);
            self.events += 1;
            self.skewed += u64::from(answer.skewed);
            self.note(driver, lane, event, check, &answer)?;
        }
        Ok(())
    }

    fn note(
        &mut self,
        driver: &Driver,
        lane: usize,
        event: &Event,
        check: &Check<'_>,
        answer: &Answered,
    ) -> Result<(), Failure> {
        let Some(truth) = &event.truth else { return Ok(()) };
        let account = self.accounts.number(&check.account);
        if self.from_ms == i64::MIN {
            self.from_ms = event.time_ms;
        }
        if event.time_ms >= self.from_ms {
            let day_start_ms = event.time_ms - (event.time_ms - self.from_ms).rem_euclid(DAY_MS);
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
            if let Some(out) = &mut self.out {
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
                out.end_row()?;
            }
        }
        if truth.fraud
            && let Some(known) = &mut self.known
        {
            known.fraud(account, event.time_ms);
        }
        Ok(())
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

//! `riskctl replay`: an event stream from a file through the engine, in event time, and how good the answers were.

mod driver;
mod findings;
mod judged;
mod out;
mod report;
mod tally;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use engine::Parts;
use engine::feature::{FeatureTable, Type};
use engine::forest::ForestSpec;
use engine::policy::Policy;
use events::{Event, JsonType, Mapping, ReadError, Stream, Table, parse_instant};

pub use driver::Driver;
use findings::Fault;
pub use out::{Column, OutFile};
use report::Report;
use tally::Tally;

use crate::beside;
use crate::outcome::{Ended, Failure, Outcome};
use crate::print;
use crate::span::{self, span};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl replay stream.parquet --map models/maps/card_stream.toml --rules models/card_stream/rules \\\n    \
    --entries 262144\n  \
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
    /// Go on where a replay would end, and count in the report what it ends for
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULT,…")]
    allow: Vec<Fault>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Replays and reports.
pub fn run(options: &Options) -> Outcome {
    let to_ms = span(options.from, options.to)?.end;
    keep_inputs(options)?;
    let mapping = Mapping::read(&options.map)?;
    let table = Table::open(&options.file)?;
    let bar = print::progress(table.length(), "replaying");
    let policy = match &options.rules {
        Some(rules) => crate::rules::compile(rules)?,
        None => Policy::default(),
    };
    let mut stream = Stream::new(&mapping, table, &ext_types(&policy.features))
        .map_err(|error| Failure::of(options.file.display(), error))?;
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
    // Taking the tables' memory is no part of the rate.
    let started = Instant::now();
    let mut latest_ms = i64::MIN;
    while let Some(event) = stream.next_event(&|body| driver.admit(body)) {
        let event = match event {
            Ok(event) => event,
            Err(ReadError::Row(place, why)) => {
                tally.findings.refuse(place, &why)?;
                continue;
            }
            Err(error) => return Err(Failure::of(options.file.display(), error)),
        };
        if event.time_ms >= to_ms {
            if mapping.sort {
                break;
            }
            // Unless the rows are in order it may still be followed by what comes before the end, and is then late.
            latest_ms = latest_ms.max(event.time_ms);
            continue;
        }
        if event.late {
            tally.findings.late(&event, latest_ms)?;
        }
        latest_ms = latest_ms.max(event.time_ms);
        let far = |first: &Event| event.time_ms - first.time_ms > wire::limits::CLOCK_BEHIND_MS_MAX;
        if batch.len() == usize::from(options.batch) || batch.first().is_some_and(far) {
            tally.take(&mut driver, &batch)?;
            batch.clear();
        }
        if event.truth.is_some() {
            tally.findings.row();
            bar.inc(1);
        }
        batch.push(event);
    }
    tally.take(&mut driver, &batch)?;
    tally.fill(&driver)?;
    tally.findings.end(stream.labels())?;
    if tally.reported == 0 {
        return Err(Failure::of(options.file.display(), span::nothing(options.from, options.to)));
    }
    bar.finish_and_clear();
    if let Some(out) = tally.out.take() {
        out.finish()?;
    }
    let report = Report {
        judged: &tally.judged,
        accounts: &tally.accounts,
        scenarios: &tally.scenarios,
        days_from_ms: tally.days_from_ms,
        cards_a_day: options.cards_a_day,
        policy: &policy_version,
        model: &model_version,
        anomaly: &anomaly_version,
        events: tally.events,
        seconds: started.elapsed().as_secs_f64(),
        engine_seconds: driver.seconds(),
        findings: &tally.findings,
    };
    report.print(options.json);
    Ok(Ended::Clean)
}

/// Refuses an output file that is also an input.
fn keep_inputs(options: &Options) -> Result<(), Failure> {
    let Some(out) = &options.out else { return Ok(()) };
    let folders = [&options.rules, &options.model, &options.anomaly].into_iter().flatten();
    let inputs = [&options.file, &options.map].into_iter().chain(folders);
    beside::keep(out, inputs.map(PathBuf::as_path))
}

/// Of what type in JSON a policy declares its own fields.
fn ext_types(features: &FeatureTable) -> BTreeMap<String, JsonType> {
    let of = |ty: Type| match ty {
        Type::Bool => JsonType::Bool,
        Type::Text => JsonType::Text,
        Type::Int | Type::Money | Type::Double => JsonType::Number,
    };
    let own = features.iter().filter_map(|(_, row)| Some((row.name.strip_prefix("ext.")?, of(row.ty))));
    own.map(|(name, json)| (name.to_owned(), json)).collect()
}

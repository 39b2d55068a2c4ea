//! `riskctl model compare`: the champion beside each challenger, from the log of decisions and what became of them.

mod labels;
mod log;
mod measure;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use wire::money::Major;

use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, Table, decimals, thousands};
use crate::span::span;
use events::parse_instant;

use labels::Labels;
use log::{Log, Pair};
use measure::{Comparison, Figures, measure};

/// Shown after the help.
pub const EXAMPLES: &str = "Examples:\n  \
    riskctl model compare data --rules rules\n  \
    riskctl model compare data --rules rules --legit-after 30 --from 2026-03-01 --json\n  \
    riskctl model compare data --labels chargebacks.csv";

/// What to compare, and by which labels.
#[derive(Args, Debug)]
pub struct Options {
    /// The daemon's data folder: decisions in its journal, labels among its outcomes
    data: PathBuf,
    /// Rule files that decided: with them, what each model would have changed in verdicts and money
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// CSV or Parquet with a column `label` (fraud or legit, 1 or 0) and one of `id`, `key` or `decision`; goes before the
    /// outcomes
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Take checks without a label for honest that are so many days older than the latest one
    #[arg(long, value_name = "DAYS")]
    legit_after: Option<f64>,
    /// Only checks from this day or time on
    #[arg(long, value_parser = parse_instant)]
    from: Option<i64>,
    /// Only checks before this day or time
    #[arg(long, value_parser = parse_instant)]
    to: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the figures; exit code 1 when something in the log could not be read.
pub fn run(options: &Options) -> Outcome {
    if options.legit_after.is_some_and(|days| !(0.0..1e5).contains(&days)) {
        return Err("--legit-after: expected a number of days".into());
    }
    let policy = options.rules.as_deref().map(crate::rules::compile).transpose()?;
    let mut labels = Labels::read(&options.data, options.labels.as_deref())?;
    let span = span(options.from, options.to)?;
    let mut log = Log::read(&options.data, policy.as_ref(), &mut labels, span)?;
    if let Some(days) = options.legit_after {
        log.take_for_honest(days);
    }
    if log.pairs.is_empty() {
        return Err("no challenger scored in these decisions".into());
    }
    if let Some(file) = &options.labels {
        match labels.unmet() {
            (all, unmet) if all == unmet => {
                let why = "no label matches a decision of the log: is it the file of another site or time?";
                return Err(Failure::of(file.display(), why));
            }
            (_, 0) => {}
            (all, unmet) => print::note(&format!(
                "{} of {} match no decision of the log",
                thousands(unmet as u64),
                print::counted(all, "label")
            )),
        }
    }
    let compared: Vec<(&Pair, Comparison)> = log.pairs.iter().map(|pair| (pair, measure(pair))).collect();
    if options.json {
        let pairs = compared.iter().map(|(pair, comparison)| pair_json(pair, comparison));
        print::raw(&print::pretty(&json!({
            "decisions": log.decisions,
            "without_model": log.without_model,
            "pairs": pairs.collect::<Vec<_>>(),
        })));
    } else {
        let texts = compared.iter().map(|(pair, comparison)| pair_text(pair, comparison, policy.is_some()));
        print::out(&texts.collect::<Vec<_>>().join("\n"));
    }
    Ok(if log.faults == 0 { Ended::Clean } else { Ended::Found })
}

const SIDES: [&str; 2] = ["champion", "challenger"];

fn pair_text(pair: &Pair, compared: &Comparison, with_rules: bool) -> String {
    let mut table = Table::new(&[
        "role",
        "model",
        "AUC",
        "average precision",
        "recall at 0.1 %",
        "at 1 %",
        "caught",
        "missed",
        "wrongly refused",
    ]);
    for (role, (version, side)) in
        SIDES.iter().zip([&pair.champion, &pair.challenger].iter().zip(&compared.sides))
    {
        let money = |minor: i64| match compared.judged_labelled {
            0 => Value::Null,
            _ => Value::from(Major(minor).to_string()),
        };
        table.row([
            Value::from(*role),
            Value::from(if version.is_empty() { "none" } else { version.as_str() }),
            decimals(side.auc, 4),
            decimals(side.average_precision, 4),
            decimals(side.recall_at_0_1_percent, 4),
            decimals(side.recall_at_1_percent, 4),
            money(side.caught_minor),
            money(side.missed_minor),
            money(side.wrongly_refused_minor),
        ]);
    }
    let count = |number: usize| thousands(number as u64);
    let share = |part: usize| {
        let percent = 100.0 * part as f64 / compared.judged.max(1) as f64;
        format!("{percent:.3} %")
    };
    let alike = |correlation: Option<f64>| {
        correlation.map_or_else(|| "-".to_owned(), |correlation| format!("{correlation:.4}"))
    };
    let mut text = format!(
        "{} checks, {} of them labelled, {} fraud\n{}scores   correlation {}, of ranks {}\n",
        count(compared.checks),
        count(compared.labelled),
        count(compared.frauds),
        table.to_text(),
        alike(compared.correlation),
        alike(compared.rank_correlation),
    );
    if with_rules {
        text += &format!(
            "bands    {} of {} checks that these rules decided would change ({}), {} their verdict ({})\n",
            count(compared.bands_changed),
            count(compared.judged),
            share(compared.bands_changed),
            count(compared.verdicts_changed),
            share(compared.verdicts_changed),
        );
    }
    text
}

fn pair_json(pair: &Pair, compared: &Comparison) -> Value {
    let money = |minor: i64| Value::from(Major(minor).to_string());
    let side = |version: &str, figures: &Figures| {
        json!({
            "model": version,
            "auc": figures.auc,
            "average_precision": figures.average_precision,
            "recall_at_0_1_percent": figures.recall_at_0_1_percent,
            "recall_at_1_percent": figures.recall_at_1_percent,
            "caught": money(figures.caught_minor),
            "missed": money(figures.missed_minor),
            "wrongly_refused": money(figures.wrongly_refused_minor),
        })
    };
    let [champion, challenger] = &compared.sides;
    json!({
        "checks": compared.checks,
        "labelled": compared.labelled,
        "frauds": compared.frauds,
        "champion": side(&pair.champion, champion),
        "challenger": side(&pair.challenger, challenger),
        "correlation": compared.correlation,
        "rank_correlation": compared.rank_correlation,
        "judged": compared.judged,
        "judged_labelled": compared.judged_labelled,
        "bands_changed": compared.bands_changed,
        "verdicts_changed": compared.verdicts_changed,
    })
}

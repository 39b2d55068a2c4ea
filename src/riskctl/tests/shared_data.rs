//! Replays of the shared data sets. They stand beside the project and not in it (`../shared/data`, or wherever
//! `RISKD_SHARED_DATA` says), so that a test whose file is missing counts as ignored, never as passed: the built-in
//! harness cannot say that, hence this one.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn data() -> PathBuf {
    std::env::var_os("RISKD_SHARED_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from)
}

/// The JSON report of a replay of that file with those maps and rules.
fn replay(file: &str, map: &str, arguments: &[&str]) -> Result<Value, Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_riskctl"))
        .current_dir(root())
        .arg("replay")
        .arg(data().join(file))
        .args([
            "--map",
            &format!("models/maps/{map}.toml"),
            "--rules",
            &format!("models/{map}/rules"),
            "--json",
        ])
        .args(arguments)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn expect(what: &str, holds: bool, report: &Value) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what} does not hold in {report:#}").into()) }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Three days: the rule for amounts over 220 finds its scenario whole, and time never skews.
fn card_stream() -> Result<(), Failed> {
    let report = replay("card_stream.parquet", "card_stream", &["--to", "2018-04-04"])?;
    expect("events of three days", report["events"].as_u64().is_some_and(|n| n > 25_000), &report)?;
    expect("no skew", report["clock_skewed"] == 0, &report)?;
    let kinds = report["ranking"].as_array().cloned().unwrap_or_default();
    let over_220 = kinds.iter().find(|kind| kind["fraud"] == "1 amount over 220");
    expect(
        "scenario 1 is one rule",
        over_220.is_some_and(|kind| number(&kind["recall at 0.1 %"]) == 1.0),
        &report,
    )
}

fn cloudwalk() -> Result<(), Failed> {
    let report = replay("cloudwalk_chargebacks.csv", "cloudwalk", &[])?;
    expect("all rows", report["events"] == 3_199 && report["frauds"] == 391, &report)?;
    expect("no skew", report["clock_skewed"] == 0, &report)?;
    expect("better than chance by far", number(&report["ranking"][0]["AUC"]) > 0.7, &report)
}

/// What a training on one of the small faulty inputs says.
fn train(file: &str, more: &[&str]) -> Result<(Value, String), Failed> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(env!("CARGO_BIN_EXE_riskctl"))
        .current_dir(root())
        .args(["model", "train", "--json", "--label", "is_fraud", "--trees", "2", "--out"])
        .arg(folder.path().join("mine"))
        .arg("--data")
        .arg(data().join("faults").join(file))
        .args(more)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{file}: {told}").into());
    }
    Ok((serde_json::from_slice(&output.stdout)?, told))
}

fn faulty_inputs() -> Result<(), Failed> {
    let (timed, _) =
        train("time-microseconds.parquet", &["--time", "at", "--held-out", "2d", "--gap-days", "1"])?;
    let year = |key: &str| timed["training"][key].as_str().is_some_and(|at| at.starts_with("202"));
    expect("times are of our years", year("from") && year("to"), &timed)?;
    for (file, more) in [
        ("decimal-unused.parquet", &["--features", "amount,hour"][..]),
        ("decimal-unused.parquet", &[]),
        ("gzip.parquet", &[]),
        ("text-column.csv", &["--exclude", "merchant"]),
        ("label-True-False.csv", &[]),
    ] {
        train(file, more)?;
    }
    let (indexed, told) = train("index-column.csv", &[])?;
    expect("the index is told", told.contains("is the index of a table"), &Value::from(told))?;
    let importances = indexed["held_out"]["importances"].as_array().cloned().unwrap_or_default();
    expect("the index is no input", importances.iter().all(|input| input["input"] != ""), &indexed)
}

fn main() {
    let arguments = Arguments::from_args();
    let trial = |file: &str, name: &str, run: fn() -> Result<(), Failed>| {
        let missing = !data().join(file).is_file();
        if missing {
            eprintln!("{name}: ignored, {file} is not in {}", data().display());
        }
        Trial::test(name, run).with_ignored_flag(missing)
    };
    let trials = vec![
        trial("card_stream.parquet", "the_card_stream_replays_in_event_time", card_stream),
        trial("faults/README.md", "the_small_faulty_inputs_are_read", faulty_inputs),
        trial("cloudwalk_chargebacks.csv", "the_chargebacks_replay_in_event_time", cloudwalk),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

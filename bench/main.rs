//! `bench`: prints what the whole check costs on this machine, and where the time goes.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use bench::machine::Machine;
use bench::run::{Plan, is_of, run, stages};
use bench::{reload, velocity};
use clap::Parser;

/// Measures the whole check by stage, on one core, in batches of 1 and 64.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Accounts that the tables are filled with
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// Checks a case is measured over in each round
    #[arg(long, default_value_t = 262_144)]
    checks: u64,
    /// Only this case, or those whose names begin with these words; may be given again. `reload`, and `tables`,
    /// `velocity` and `scaling`, which stand beside peers, run only when they are asked for, apart from the rest
    #[arg(long = "stage", value_name = "NAME", value_parser = stage)]
    stages: Vec<String>,
    /// Of `tables`, `velocity` and `scaling` only those whose names begin with this, such as `riskd` or `redis`; may be given
    /// again
    #[arg(long = "keeper", value_name = "NAME")]
    keepers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Small: ten thousand accounts, one round
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let plan = if flags.quick {
        Plan {
            accounts: flags.accounts.min(10_000),
            checks: flags.checks.min(4_096),
            rounds: 1,
            stages: flags.stages,
        }
    } else {
        Plan { accounts: flags.accounts.max(1), checks: flags.checks, rounds: 7, stages: flags.stages }
    };
    let machine = Machine::look(Duration::from_millis(if flags.quick { 20 } else { 500 }));
    let shown = |text: String, json: String| if flags.json { json } else { text };
    let printed = if plan.stages.iter().any(|stage| stage == reload::STAGE) {
        let each = Duration::from_millis(if flags.quick { 200 } else { 20_000 });
        reload::run(&plan, each, &machine.core_ids)
            .map(|report| shown(report.text(&machine), report.json(&machine)))
    } else if plan.stages.iter().any(|stage| velocity::STAGES.contains(&stage.as_str())) {
        velocity::run(&plan, &flags.keepers, &machine.core_ids)
            .map(|report| shown(report.text(&machine), report.json(&machine)))
    } else {
        run(&plan).map(|report| shown(report.text(&machine), report.json(&machine)))
    };
    match printed {
        Ok(text) => println!("{text}"),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn stage(name: &str) -> Result<String, String> {
    let mut names = stages();
    names.extend(velocity::STAGES.map(str::to_owned));
    names.push(reload::STAGE.to_owned());
    if names.iter().any(|known| is_of(known, name)) {
        return Ok(name.to_owned());
    }
    Err(format!("the stages are {}", names.join(", ")))
}

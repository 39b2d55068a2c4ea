//! `loadtest`: asks a daemon on this machine, at a steady pace, and says how long it took.

use std::process::ExitCode;

use clap::Parser;
use loadtest::{Args, Plan};

fn main() -> ExitCode {
    let args = Args::parse();
    let plan = match Plan::of(&args) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("loadtest: {error}");
            return ExitCode::from(2);
        }
    };
    match loadtest::measure(&plan) {
        Ok(report) => {
            if let Some(path) = &args.hgrm
                && let Err(error) = std::fs::write(path, loadtest::hgrm(&report.latency))
            {
                eprintln!("loadtest: {}: {error}", path.display());
                return ExitCode::from(2);
            }
            if args.json {
                println!("{:#}", report.to_json());
            } else {
                print!("{report}");
            }
            if report.clean() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

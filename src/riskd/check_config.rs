//! `riskd check-config`: says whether the daemon would start, and everything that keeps it from it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use server::Config;

/// Check a configuration file and the rules, model and certificates it names, without starting anything.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  riskd check-config ops/riskd.toml")]
pub struct Arguments {
    /// Configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> ExitCode {
    let config = match Config::load(Some(&arguments.file)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match server::check(&config) {
        Ok(found) => {
            print!("{found}");
            println!("{} is good", arguments.file.display());
            ExitCode::SUCCESS
        }
        Err(faults) => {
            eprintln!("{faults}");
            ExitCode::FAILURE
        }
    }
}

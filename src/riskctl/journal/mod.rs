//! `riskctl journal`: whether a journal is as it was written, and what it holds.

mod export;
mod verify;

use clap::Subcommand;

use crate::outcome::Outcome;

/// Commands over journals.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read every segment and report whatever is not as it was written
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Options),
    /// Write every decision as a line of JSON
    #[command(after_help = export::EXAMPLES)]
    Export(export::Options),
}

/// Runs one of them.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Verify(options) => verify::run(options),
        Command::Export(options) => export::run(options),
    }
}

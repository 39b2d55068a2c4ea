//! `riskctl rules`: check, test, price and try rule files, their schema, and what a daemon demoted of them.

mod check;
mod cost;
mod demoted;
mod eval;
mod measure;
mod test;

use std::io::{self, IsTerminal};
use std::path::Path;

use clap::Subcommand;
use engine::policy::Policy;
use policy::{Bundle, Code, Sources};

use crate::outcome::{Ended, Failure, Outcome};
use crate::print;

/// Commands over rule files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every fault of a directory of rule files, each with file, line, column and caret
    #[command(after_help = check::EXAMPLES)]
    Check(check::Options),
    /// Run the files' own tests through the engine
    #[command(after_help = test::EXAMPLES)]
    Test(test::Options),
    /// Show what each rule, limit, breaker and feature costs on this machine, and how many checks reach it
    #[command(after_help = cost::EXAMPLES)]
    Cost(cost::Options),
    /// Show the value of one expression for stated features
    #[command(after_help = eval::EXAMPLES)]
    Eval(eval::Options),
    /// Show what a running daemon has in shadow because it refused too much
    #[command(after_help = demoted::SHOW_EXAMPLES)]
    Demoted(demoted::Show),
    /// Have a rule, limit or breaker act again that a running daemon demoted
    #[command(after_help = demoted::TURN_ON_EXAMPLES)]
    TurnOn(demoted::TurnOn),
    /// Print the JSON Schema of rule files, for editors
    #[command(after_help = "Example:\n  riskctl rules schema > rules/schema.json")]
    Schema,
}

/// Runs one of them.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Check(options) => check::run(options),
        Command::Test(options) => test::run(options),
        Command::Cost(options) => cost::run(options),
        Command::Eval(options) => eval::run(options),
        Command::Demoted(options) => demoted::show(options),
        Command::TurnOn(options) => demoted::turn_on(options),
        Command::Schema => {
            print::raw(policy::FILE_SCHEMA);
            Ok(Ended::Clean)
        }
    }
}

/// The policy of a directory, for commands that only use it.
///
/// # Errors
/// All of its diagnostics, if there is an error among them.
pub fn compile(folder: &Path) -> Result<Policy, Failure> {
    bundle(folder).map(|(bundle, _)| bundle.policy)
}

/// The bundle of a directory, with the texts that its places point into. Files that declare nothing are warned of and not
/// refused: whoever replays or prices rules decides nothing by them.
///
/// # Errors
/// As [`compile`].
pub fn bundle(folder: &Path) -> Result<(Bundle, Sources), Failure> {
    let mut compiled = policy::compile_dir_with(folder, policy::Options { allow_empty: true });
    let ok = compiled.bundle.take();
    if ok.is_some() {
        compiled.diagnostics.retain(|fault| fault.code == Code::Empty);
    }
    print::diagnostics(&compiled.render(io::stderr().is_terminal()));
    let bundle = ok.ok_or_else(|| Failure(format!("{} does not compile", folder.display())))?;
    Ok((bundle, compiled.sources))
}

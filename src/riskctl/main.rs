//! riskctl: the analyst's and operator's tool. Every command has `--help` with an example.
#![forbid(unsafe_code)]

mod beside;
mod http;
mod journal;
mod lengths;
mod list;
mod models;
mod outcome;
mod print;
mod replay;
mod rules;
mod span;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

#[derive(Debug, Parser)]
#[command(
    name = "riskctl",
    version,
    about = "The analyst's and operator's tool of riskd",
    after_help = "Exit codes: 0 all is well, 1 it found something, 2 it could not be done.",
    max_term_width = 110,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Feed an event stream from a file through the engine in event time, and report quality
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Options),
    /// Rule files: check, test, cost, eval
    #[command(subcommand)]
    Rules(rules::Command),
    /// Models: train, import, eval, compare, inspect, predict
    #[command(subcommand)]
    Model(models::Command),
    /// Lists of a running daemon: add, remove, import, show
    #[command(subcommand)]
    List(list::Command),
    /// Sealed QR tokens: mint, verify, render
    #[command(subcommand)]
    Token(token::Command),
    /// The journal of decisions: verify, export
    #[command(subcommand)]
    Journal(journal::Command),
    /// Completions for a shell
    #[command(after_help = "Example:\n  riskctl completions bash > /etc/bash_completion.d/riskctl")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

fn main() -> ExitCode {
    events::quiet_damage();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return outcome::usage(&said),
    };
    outcome::exit_code(match &arguments.command {
        Command::Replay(options) => replay::run(options),
        Command::Rules(command) => rules::run(command),
        Command::Model(command) => models::run(command),
        Command::List(command) => list::run(command),
        Command::Token(command) => token::run(command),
        Command::Journal(command) => journal::run(command),
        Command::Completions { shell } => {
            // The library takes a writer that fails for impossible.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "riskctl", &mut script);
            print::raw(&String::from_utf8_lossy(&script));
            Ok(outcome::Ended::Clean)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command, however deep, with the words that lead to it.
    fn leaves(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let path = format!("{path} {}", command.get_name());
        if !command.has_subcommands() {
            return vec![(path, command.clone())];
        }
        command.get_subcommands().flat_map(|inner| leaves(inner, &path)).collect()
    }

    #[test]
    fn every_command_shows_an_example() {
        let root = Arguments::command();
        root.clone().debug_assert();
        for (path, command) in leaves(&root, "") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{path} has no example");
            assert!(command.get_about().is_some(), "{path} does not say what it does");
        }
    }
}

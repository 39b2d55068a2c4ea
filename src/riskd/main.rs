//! The daemon. A command a file.
#![forbid(unsafe_code)]

mod check_config;
mod demo;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Decides whether events of a payment flow are allowed, challenged, reviewed or denied, in less than a millisecond.
#[derive(Debug, Parser)]
#[command(name = "riskd", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Arguments>),
    Demo(demo::Arguments),
    CheckConfig(check_config::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::CheckConfig(arguments) => check_config::run(&arguments),
    }
}

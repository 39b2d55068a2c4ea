//! `riskd serve`: the daemon until a signal ends it.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use server::config::{Address, UnixPath};
use server::{Config, Server, Signals};
use tracing_subscriber::EnvFilter;

/// Serve checks until SIGTERM or Ctrl-C. SIGHUP reloads rules, model and keys.
///
/// Without a configuration it uses rules/ and models/ of the current directory and writes to data/.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  riskd serve --config ops/riskd.toml --http 0.0.0.0:8080")]
pub struct Arguments {
    /// Configuration file; every key and its default stand in ops/riskd.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address for checks as JSON, or off
    #[arg(long, value_name = "ADDR")]
    http: Option<Address>,
    /// Address for lists, reload, explain and metrics, or off
    #[arg(long, value_name = "ADDR")]
    admin: Option<Address>,
    /// Address for checks as frames over QUIC, or off
    #[arg(long, value_name = "ADDR")]
    quic: Option<Address>,
    /// Path of the Unix socket for checks as frames, or off [default: riskd.sock in the data folder]
    #[arg(long, value_name = "PATH")]
    unix: Option<UnixPath>,
    /// Directory of the rule files
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Directory of the models
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Folder for everything the daemon writes
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What to log: a level (error, warn, info, debug, trace) or filters such as info,quinn=debug
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// How to log
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// A line a person reads.
    Text,
    /// A JSON object a line.
    Json,
}

/// Runs the command.
pub fn run(arguments: Arguments) -> ExitCode {
    if let Err(error) = start_log(&arguments) {
        eprintln!("riskd: --log: {error}");
        return ExitCode::from(2);
    }
    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("riskd: {error}");
            return ExitCode::FAILURE;
        }
    };
    let config = match Config::load(arguments.config.as_deref()) {
        Ok(config) => with_flags(config, arguments),
        Err(error) => {
            eprintln!("riskd: {error}");
            return ExitCode::from(2);
        }
    };
    let running = match Server::start(config) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("riskd: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{running}");
    match running.run_until_signalled(signals) {
        Ok(end) => {
            println!(
                "riskd has stopped: {} decisions written, {} lost",
                end.decisions_written, end.decisions_lost
            );
            if end.clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("riskd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn with_flags(mut config: Config, arguments: Arguments) -> Config {
    let listen = &mut config.listen;
    listen.http = arguments.http.unwrap_or(listen.http);
    listen.admin = arguments.admin.unwrap_or(listen.admin);
    listen.quic = arguments.quic.unwrap_or(listen.quic);
    if let Some(unix) = arguments.unix {
        listen.unix = unix;
    }
    if let Some(dir) = arguments.rules {
        config.policy.dir = dir;
    }
    if let Some(dir) = arguments.models {
        config.models.dir = dir;
    }
    if let Some(dir) = arguments.data {
        config.data.dir = dir;
    }
    config
}

fn start_log(arguments: &Arguments) -> Result<(), String> {
    let filter = EnvFilter::try_new(&arguments.log).map_err(|error| error.to_string())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

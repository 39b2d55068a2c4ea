//! `riskd demo`: a daemon in this process, simulated customers and attackers who know nothing of it, and a report that holds
//! what it answered against the truth. The first thing a newcomer runs: no configuration, nothing left behind.

mod daemon;
mod drive;
mod follow_up;
mod machine;
mod progress;
mod report;
mod table;
mod tally;
mod traffic;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use daemon::Daemon;
use progress::Progress;
use report::Report;

/// Run simulated customers and attackers against a daemon in this process, and report what it caught.
///
/// Needs no configuration and leaves nothing behind. Ctrl-C ends the traffic early and reports what was answered so far.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  riskd demo --events 50000 --seed 7")]
pub struct Arguments {
    /// Events to simulate
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events: u64,
    /// Chooses customers, attackers and all they do
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Directory of the rule files
    #[arg(long, value_name = "DIR", default_value = "rules")]
    rules: PathBuf,
    /// Directory of the models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Why there is no report.
#[derive(Debug)]
enum DemoError {
    /// The rules are not where they were looked for.
    NoRules(PathBuf),
    /// The folder the daemon writes to.
    Folder(io::Error),
    /// The daemon did not start.
    Start(server::StartError),
    /// The daemon cannot be reached.
    Connect(String),
    /// The daemon was lost on the way, or said what it must not.
    Lost(String),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DemoError::NoRules(dir) => write!(
                f,
                "there is no directory {} with rules: run the demo in a checkout of riskd, or name one with --rules",
                dir.display()
            ),
            DemoError::Folder(error) => write!(f, "temporary folder: {error}"),
            DemoError::Start(error) => error.fmt(f),
            DemoError::Connect(error) => write!(f, "cannot reach the daemon: {error}"),
            DemoError::Lost(error) => write!(f, "the daemon was lost: {error}"),
        }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> ExitCode {
    let progress = Progress::new(arguments.events);
    match demo(arguments, &progress) {
        Ok(report) => {
            progress.finish();
            print(&if arguments.json { report.to_json() } else { report.to_text() });
            ExitCode::SUCCESS
        }
        Err(error) => {
            progress.finish();
            eprintln!("riskd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(arguments: &Arguments, progress: &Progress) -> Result<Report, DemoError> {
    progress.say("starting a daemon in this process, on loopback, with empty tables");
    let daemon = Daemon::start(&arguments.rules, &arguments.models)?;
    progress.say(&daemon.describe());
    let traffic = traffic::frames(arguments.seed, arguments.events, daemon.token_key());
    let drove = drive::run(&daemon, traffic, progress)?;
    let workers = daemon.workers();
    let end = daemon.stop();
    Ok(Report {
        events: arguments.events,
        seed: arguments.seed,
        rules: arguments.rules.clone(),
        models: arguments.models.clone(),
        workers,
        drove,
        end,
    })
}

/// Writes to standard output. A reader that has had enough (`| head`) is no error.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("riskd: standard output: {error}");
    }
}

//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Load generator for a daemon on this machine.
///
/// Open loop unless told otherwise: latency counts from the moment a check was meant to be sent.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
      loadtest --target unix:///run/riskd/riskd.sock --rate 200000 --duration 30s --batch 64\n  \
      loadtest --target quic://127.0.0.1:9443 --scenario loadtest/scenarios/spike.toml --hgrm spike.hgrm\n  \
      loadtest --target http://127.0.0.1:8080 --closed --window 1 --connections 32 --batch 1 --duration 10s\n  \
      loadtest --target echo --rate 200000    the same load against a constant answer: the floor of this machine\n\n\
      Exit code: 0 all answered without error, 1 errors or a sender that fell behind, 2 the run could not be made."
)]
pub struct Args {
    /// quic://ADDR:PORT, unix:///PATH, http://ADDR:PORT, or echo; loopback addresses only
    #[arg(long)]
    pub target: String,
    /// Checks a second over all connections; scales the scenario's phases [default: the scenario's, else 10000]
    #[arg(long)]
    pub rate: Option<f64>,
    /// Length of the run, such as 500ms, 30s, 1m30s; stretches the scenario's phases [default: the scenario's, else 10s]
    #[arg(long, value_parser = wire::duration::parse)]
    pub duration: Option<Duration>,
    /// Stop after this many checks, even if time is left
    #[arg(long)]
    pub requests: Option<u64>,
    /// Checks in a frame or body [default: the scenario's, else 64; for HTTP 1]
    #[arg(long)]
    pub batch: Option<usize>,
    /// Connections, each with its share of the rate [default: the scenario's, else 4]
    #[arg(long)]
    pub connections: Option<usize>,
    /// Threads that send and receive; one is enough for a million checks a second in batches
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Closed loop: ask again as soon as answered, for peak rates; latencies then flatter
    #[arg(long)]
    pub closed: bool,
    /// Batches under way on each connection in closed loop (over HTTP always 1)
    #[arg(long, default_value_t = 8)]
    pub window: usize,
    /// Phases and traffic from a TOML file
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Accounts to choose from, overriding the scenario
    #[arg(long)]
    pub accounts: Option<u64>,
    /// Seed of the traffic, overriding the scenario; ids are fresh in every run
    #[arg(long)]
    pub seed: Option<u64>,
    /// Certificate that QUIC trusts, PEM [default: data/tls/dev-cert.pem if it is there]
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Write the latency distribution in the format of HdrHistogram's plotter, in milliseconds
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_run_may_be_as_long_as_any_length_of_time_says() {
        let length = |text: &str| {
            Args::try_parse_from(["loadtest", "--target", "echo", "--duration", text])
                .map(|args| args.duration.unwrap())
        };
        assert_eq!(length("1h30m").unwrap(), Duration::from_secs(5_400));
        assert!(length("5min").unwrap_err().to_string().contains("a minute is written 1m"));
    }
}

//! Scenario files: what is asked, and how the pace changes. Paces are factors and lengths are shares, so that one file
//! serves a laptop and a server: `--rate` and `--duration` scale it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use wire::Kind;

use crate::limits;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Checks a second at factor 1.
    pub rate: f64,
    /// Length of the run.
    #[serde(deserialize_with = "length")]
    pub duration: Duration,
    /// Checks in a frame or body; absent means 64 in frames and 1 over HTTP.
    pub batch: Option<usize>,
    /// Connections.
    pub connections: usize,
    /// What is asked.
    pub traffic: Traffic,
    /// Phases in order; none means one steady phase.
    pub phase: Vec<Phase>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Plain checks or simulated people.
    pub source: Source,
    /// Seed of the choice.
    pub seed: u64,
    /// Accounts to choose from.
    pub accounts: u64,
    /// Exponent of the choice of accounts; 0 means all alike. Mix only.
    pub zipf: f64,
    /// Share of checks that claim one and the same packet. Mix only.
    pub hot_packet_share: f64,
    /// Weights by kind; none means a wallet's ordinary day. Mix only.
    pub kinds: BTreeMap<String, f64>,
    /// Share of attacks. People only.
    pub fraud_share: f64,
}

/// Where checks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `sim::Mix`: plain valid checks.
    Mix,
    /// `sim::Traffic`: customers and attackers, pressed into real time; for load, not for detection figures.
    People,
}

/// A stretch of the run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Name in the report.
    pub name: String,
    /// Multiple of the rate at its start.
    pub factor: f64,
    /// Multiple of the rate at its end; absent means as at its start.
    #[serde(default)]
    pub ramp_to: Option<f64>,
    /// Relative length.
    #[serde(default = "one")]
    pub share: f64,
}

fn one() -> f64 {
    1.0
}

fn length<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    wire::duration::parse(&text).map_err(serde::de::Error::custom)
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            rate: 10_000.0,
            duration: Duration::from_secs(10),
            batch: None,
            connections: 4,
            traffic: Traffic::default(),
            phase: Vec::new(),
        }
    }
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            source: Source::Mix,
            seed: 1,
            accounts: 1_000_000,
            zipf: 0.99,
            hot_packet_share: 0.0,
            kinds: BTreeMap::new(),
            fraud_share: 0.02,
        }
    }
}

/// Why a scenario is not taken.
#[derive(Debug)]
pub enum ScenarioError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// Not TOML, an unknown key, or a value of the wrong type; the text shows line and column.
    File(String),
    /// Values out of range, a sentence each.
    Faults(Vec<String>),
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScenarioError::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            ScenarioError::File(error) => f.write_str(error),
            ScenarioError::Faults(faults) => f.write_str(&faults.join("\n")),
        }
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// Whatever is wrong with it, all faults of range at once.
    pub fn read(path: &Path) -> Result<Scenario, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Unreadable(path.to_owned(), error))?;
        Scenario::parse(&text)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Scenario::read`].
    pub fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        let scenario: Scenario =
            toml::from_str(text).map_err(|error| ScenarioError::File(error.to_string()))?;
        let faults = scenario.faults();
        if faults.is_empty() { Ok(scenario) } else { Err(ScenarioError::Faults(faults)) }
    }

    /// Everything that is out of its range.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut hold = |holds: bool, fault: &dyn Fn() -> String| {
            if !holds {
                faults.push(fault());
            }
        };
        let traffic = &self.traffic;
        hold(limits::RATE.contains(&self.rate), &|| {
            format!("rate {}: expected 0.1 to 100 million", self.rate)
        });
        hold(!self.duration.is_zero() && self.duration <= limits::DURATION_MAX, &|| {
            format!("duration {:?}: expected more than nothing and at most a day", self.duration)
        });
        hold(self.batch.is_none_or(|batch| limits::BATCH.contains(&batch)), &|| {
            format!("batch: expected 1 to {}", limits::BATCH.end())
        });
        hold(limits::CONNECTIONS.contains(&self.connections), &|| {
            format!("connections {}: expected 1 to {}", self.connections, limits::CONNECTIONS.end())
        });
        hold(limits::ACCOUNTS.contains(&traffic.accounts), &|| {
            format!("traffic.accounts {}: expected 1 to {}", traffic.accounts, limits::ACCOUNTS.end())
        });
        hold((0.0..=3.0).contains(&traffic.zipf), &|| {
            format!("traffic.zipf {}: expected 0 to 3", traffic.zipf)
        });
        hold((0.0..=1.0).contains(&traffic.hot_packet_share), &|| {
            format!("traffic.hot_packet_share {}: expected 0 to 1", traffic.hot_packet_share)
        });
        hold((0.0..=0.5).contains(&traffic.fraud_share), &|| {
            format!("traffic.fraud_share {}: expected 0 to 0.5", traffic.fraud_share)
        });
        for (kind, weight) in &traffic.kinds {
            hold(Kind::from_name(kind).is_some(), &|| {
                let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                format!("traffic.kinds.{kind}: no kind of check; expected one of {}", known.join(", "))
            });
            hold(weight.is_finite() && *weight >= 0.0, &|| {
                format!("traffic.kinds.{kind}: a weight is not negative")
            });
        }
        hold(self.phase.len() <= limits::PHASES_MAX, &|| format!("at most {} phases", limits::PHASES_MAX));
        for phase in &self.phase {
            let factors = [phase.factor, phase.ramp_to.unwrap_or(phase.factor)];
            hold(factors.iter().all(|factor| (0.001..=1000.0).contains(factor)), &|| {
                format!("phase `{}`: factors are 0.001 to 1000", phase.name)
            });
            hold(phase.share > 0.0 && phase.share <= 1e6, &|| {
                format!("phase `{}`: a share is more than 0", phase.name)
            });
        }
        faults
    }
}

//! The plan of a run: command line, scenario and defaults brought together and held against the bounds.

use std::fmt;
use std::path::PathBuf;

use crate::args::Args;
use crate::limits;
use crate::scenario::{Phase, Scenario, ScenarioError};
use crate::target::{Target, TargetError};

/// Where the daemon puts the certificate it makes at first start.
const DEVELOPMENT_CERTIFICATE: &str = "data/tls/dev-cert.pem";

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub target: Target,
    /// What and how fast; `batch` is always set and there is at least one phase.
    pub scenario: Scenario,
    /// Most checks to send.
    pub requests: Option<u64>,
    /// Threads.
    pub threads: usize,
    /// Batches under way in closed loop; absent in open loop.
    pub window: Option<usize>,
    /// Certificates QUIC trusts.
    pub trust: Option<PathBuf>,
    /// Distinguishes the ids of this run from those of any other.
    pub run: u32,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The target.
    Target(TargetError),
    /// The scenario.
    Scenario(ScenarioError),
    /// Another value out of range.
    Range(String),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Target(error) => error.fmt(f),
            PlanError::Scenario(error) => error.fmt(f),
            PlanError::Range(fault) => f.write_str(fault),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// The plan of a command line.
    ///
    /// # Errors
    /// A target that is not this machine, a scenario that cannot be used, a value out of range.
    pub fn of(args: &Args) -> Result<Plan, PlanError> {
        let target = Target::parse(&args.target).map_err(PlanError::Target)?;
        let scenario = match &args.scenario {
            Some(path) => Scenario::read(path).map_err(PlanError::Scenario)?,
            None => Scenario::default(),
        };
        let mut plan = Plan::new(target, scenario)?;
        let scenario = &mut plan.scenario;
        scenario.rate = args.rate.unwrap_or(scenario.rate);
        scenario.duration = args.duration.unwrap_or(scenario.duration);
        scenario.batch = args.batch.or(scenario.batch);
        scenario.connections = args.connections.unwrap_or(scenario.connections);
        scenario.traffic.accounts = args.accounts.unwrap_or(scenario.traffic.accounts);
        scenario.traffic.seed = args.seed.unwrap_or(scenario.traffic.seed);
        let faults = scenario.faults();
        if !faults.is_empty() {
            return Err(PlanError::Scenario(ScenarioError::Faults(faults)));
        }
        if !limits::THREADS.contains(&args.threads) {
            return Err(PlanError::Range(format!("threads: expected 1 to {}", limits::THREADS.end())));
        }
        if !limits::WINDOW.contains(&args.window) {
            return Err(PlanError::Range(format!("window: expected 1 to {}", limits::WINDOW.end())));
        }
        // A thread without a connection would have nothing to do.
        plan.threads = args.threads.min(plan.scenario.connections);
        plan.window = args.closed.then_some(args.window);
        plan.requests = args.requests;
        plan.trust = args.trust.clone().or_else(|| {
            let development = PathBuf::from(DEVELOPMENT_CERTIFICATE);
            development.exists().then_some(development)
        });
        Ok(plan)
    }

    /// An open-loop plan of one thread.
    ///
    /// # Errors
    /// Values of the scenario out of range.
    pub fn new(target: Target, mut scenario: Scenario) -> Result<Plan, PlanError> {
        let faults = scenario.faults();
        if !faults.is_empty() {
            return Err(PlanError::Scenario(ScenarioError::Faults(faults)));
        }
        scenario.batch.get_or_insert(if matches!(target, Target::Http(_)) { 1 } else { 64 });
        if scenario.phase.is_empty() {
            scenario.phase.push(Phase { name: "steady".to_owned(), factor: 1.0, ramp_to: None, share: 1.0 });
        }
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Plan {
            target,
            scenario,
            requests: None,
            threads: 1,
            window: None,
            trust: None,
            run: (since_1970.as_millis() as u32).wrapping_mul(0x9e37_79b1) ^ std::process::id(),
        })
    }

    /// Checks that will be sent at most.
    pub(crate) fn checks(&self) -> u64 {
        let due = self.mean_rate() * self.scenario.duration.as_secs_f64();
        let most = if self.window.is_some() { u64::MAX } else { due as u64 };
        most.min(self.requests.unwrap_or(u64::MAX))
    }

    /// Checks a second over the whole run.
    pub(crate) fn mean_rate(&self) -> f64 {
        let phases = &self.scenario.phase;
        let shares: f64 = phases.iter().map(|phase| phase.share).sum();
        let factors = phases
            .iter()
            .map(|phase| (phase.factor + phase.ramp_to.unwrap_or(phase.factor)) / 2.0 * phase.share);
        self.scenario.rate * factors.sum::<f64>() / shares
    }

    /// Checks in a batch.
    pub(crate) fn batch(&self) -> usize {
        self.scenario.batch.unwrap_or(1)
    }
}

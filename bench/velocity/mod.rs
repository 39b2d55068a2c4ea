//! The velocity stage's work alone, beside what else could do it: twelve windows over four keys in riskd's tables, in dashmap,
//! papaya, governor and Redis, over the same events in the same run; the tables under it with one number a key; and all of it on
//! two cores, and with one packet that is hot.

mod entry;
mod event;
mod limiters;
mod lookups;
mod maps;
mod parallel;
mod redis;
mod report;
mod system;
mod tables;
mod twin;

use std::sync::Arc;
use std::time::Instant;

use core_affinity::CoreId;
use engine::policy::Policy;

use self::entry::{Cellwise, Times};
use self::event::{Event, Skew, Stream, VALUES, Values};
use self::limiters::Limiters;
use self::maps::{Dash, Papaya};
use self::redis::Redis;
use self::system::System;
use self::tables::Tables;
use self::twin::Counts;
use crate::run::{BATCHES, Plan};
use crate::site;

pub use self::report::{Line, Report, Scaling};

/// Stages of this part, which run only when they are asked for: they want memory for several keepers at once.
pub const STAGES: [&str; 3] = ["tables", "velocity", "scaling"];

/// The windows in the order of their values, and the place of their key among an event's. The last one is added to the
/// reference policy, for the hot packet.
const WINDOWS: [(&str, usize); VALUES] = [
    ("claims_by_account_10m", 0),
    ("transfers_by_account_1h", 0),
    ("paid_by_account_1d", 0),
    ("payees_by_account_1d", 0),
    ("claims_by_device_10m", 1),
    ("accounts_by_device_1d", 1),
    ("logins_by_device_1h", 1),
    ("events_by_ip_1m", 2),
    ("claims_by_ip_10m", 2),
    ("withdrawn_by_ip_1d", 2),
    ("pair_transfers_7d", 3),
    ("pair_largest_7d", 3),
    ("claims_by_packet_10m", 4),
];

const PACKETS: &str = "
features:
  claims_by_packet_10m: { count: claim, by: packet, window: 10m }
rules:
  - id: crowded-packet
    tier: review
    when: claims_by_packet_10m >= 20
    reason: { code: R999, text: many claims of one packet }
";

/// Events of a round at most: made ahead, and read once from end to end.
const EVENTS_MAX: u64 = 1 << 16;

fn key_of(window: usize) -> usize {
    WINDOWS[window].1
}

fn policy() -> Result<Policy, String> {
    let policy = site::policy_with(("windows_of_packets.yaml", PACKETS))?;
    let name = |window: &engine::policy::Window| policy.features.row(window.feature).name.as_str();
    let names: Vec<&str> = policy.windows.iter().map(name).collect();
    if names == WINDOWS.map(|(name, _)| name) {
        Ok(policy)
    } else {
        Err(format!(
            "the reference policy has other windows than the bench's peers keep: {}",
            names.join(", ")
        ))
    }
}

/// A keeper in the run.
struct Case {
    name: String,
    keeper: Box<dyn System>,
    /// Nanoseconds a check by traffic, batch and round.
    ns: [[Vec<f64>; 2]; 2],
    /// Allocations a check, by traffic and batch, over all rounds after the first.
    allocated: [[u64; 2]; 2],
}

/// The name of our own tables.
const OWN: &str = "riskd's tables";

/// Traffic that all keepers take.
const SKEWS: [Skew; 2] = [Skew::Uniform, Skew::Zipf];

/// Runs the stages that are wanted, with the keepers whose names begin with one of `keepers`, or with all if there are none. Two
/// threads run on the last two of `cores`.
///
/// # Errors
/// What could not be made, or who did other work than the rest, in words.
pub fn run(plan: &Plan, keepers: &[String], cores: &[CoreId]) -> Result<Report, String> {
    let keepers = Keepers(keepers);
    let wanted = |stage: &str| plan.stages.iter().any(|wanted| wanted == stage);
    let mut report = Report { accounts: plan.accounts, ..Report::default() };
    if wanted("tables") {
        report.tables = lookups::run(plan, keepers)?;
    }
    if wanted("velocity") {
        velocity(plan, keepers, &mut report)?;
    }
    if wanted("scaling") {
        let (keys, mut cases) = (plan.accounts as usize, Vec::new());
        keepers.add(&mut cases, OWN, || Tables::new(&policy()?, keys))?;
        keepers.add(&mut cases, "dashmap, times", || Ok(Dash::<Times>::with_room(keys)))?;
        let start_ms = fill(plan, &cases);
        report.scaling = parallel::run(plan, &cases, cores, start_ms);
    }
    Ok(report)
}

fn velocity(plan: &Plan, keepers: Keepers<'_>, report: &mut Report) -> Result<(), String> {
    let policy = policy()?;
    report.compared = agree(&policy)?;
    let started = Instant::now();
    let keys = plan.accounts as usize;
    let (mut cases, mut own) = (Vec::new(), None);
    keepers.add(&mut cases, OWN, || {
        let tables = Arc::new(Tables::new(&policy, keys)?);
        own = Some(tables.clone());
        Ok(tables)
    })?;
    keepers.add(&mut cases, "dashmap, times", || Ok(Dash::<Times>::with_room(keys)))?;
    keepers.add(&mut cases, "dashmap, cells", || Ok(Dash::<Cellwise>::with_room(keys)))?;
    keepers.add(&mut cases, "papaya, times", || Ok(Papaya::<Times>::with_room(keys)))?;
    keepers.add(&mut cases, "governor", || Ok(Limiters::default()))?;
    "not asked for".clone_into(&mut report.redis);
    let started_redis = keepers.add(&mut cases, "redis", || {
        let redis = Redis::start()?;
        report.redis = redis.version().to_owned();
        Ok(redis)
    });
    if let Err(error) = started_redis {
        report.redis = format!("NOT RUN ({error})");
    }
    let start_ms = fill(plan, &cases);
    report.fill_s = started.elapsed().as_secs_f64();
    report.lines = beside_each_other(plan, &mut cases, start_ms);
    (report.held, report.evicted) = own.map_or((0, 0), |tables| tables.fill());
    Ok(())
}

/// Two checks an account on average, to every keeper; gives the time at which they end.
fn fill(plan: &Plan, cases: &[Case]) -> i64 {
    let mut filling = Stream::new(plan.accounts, Skew::Uniform, 7, 0);
    let (mut events, mut values) = (Vec::new(), vec![[0; VALUES]; BATCHES[1]]);
    let mut left = 2 * plan.accounts;
    while left > 0 {
        filling.fill(&mut events, EVENTS_MAX.min(left) as usize);
        left -= events.len() as u64;
        for case in cases {
            for events in events.chunks(BATCHES[1]) {
                case.keeper.take(0, events, &mut values[..events.len()]);
            }
        }
    }
    filling.time_ms()
}

/// Measures the cases in turn over the same events, so that a slow minute of the machine falls on all of them alike.
fn beside_each_other(plan: &Plan, cases: &mut [Case], start_ms: i64) -> Vec<Line> {
    let count = plan.checks.clamp(128, EVENTS_MAX) as usize;
    let (mut events, mut values) = (Vec::new(), vec![[0; VALUES]; BATCHES[1]]);
    let mut streams = SKEWS.map(|skew| Stream::new(plan.accounts, skew, 8, start_ms));
    for round in 0..=plan.rounds {
        for (skew, stream) in streams.iter_mut().enumerate() {
            stream.fill(&mut events, count);
            for case in &mut *cases {
                // The first half alone, the second in batches: nobody finds in the cache what he has just been asked.
                for (at, half) in events.chunks(count.div_ceil(2)).enumerate() {
                    let (ns, allocated) = measure(&*case.keeper, half, BATCHES[at], &mut values);
                    // The first round only warms up.
                    if round > 0 {
                        case.ns[skew][at].push(ns);
                        case.allocated[skew][at] += allocated;
                    }
                }
            }
        }
    }
    let measured = (plan.rounds * count / 2) as f64;
    let of_skew =
        |skew: usize| cases.iter().map(move |case| Line::new(case, skew, SKEWS[skew].name(), measured));
    (0..SKEWS.len()).flat_map(of_skew).collect()
}

/// Names of who shall be measured.
#[derive(Clone, Copy)]
struct Keepers<'a>(&'a [String]);

impl Keepers<'_> {
    /// Makes a case of that name if it is wanted.
    fn add<S: System + 'static>(
        self,
        cases: &mut Vec<Case>,
        name: &str,
        keeper: impl FnOnce() -> Result<S, String>,
    ) -> Result<(), String> {
        if self.0.is_empty() || self.0.iter().any(|wanted| name.starts_with(wanted)) {
            cases.push(case(name, keeper()?));
        }
        Ok(())
    }
}

fn case(name: &str, keeper: impl System + 'static) -> Case {
    Case {
        name: name.to_owned(),
        keeper: Box::new(keeper),
        ns: Default::default(),
        allocated: Default::default(),
    }
}

/// Nanoseconds a check, and allocations.
fn measure(keeper: &dyn System, events: &[Event], batch: usize, values: &mut [Values]) -> (f64, u64) {
    let mut spent_ns = 0;
    let allocated = allocation_counter::measure(|| {
        let start_ns = keeper.processor_ns();
        for events in events.chunks(batch) {
            keeper.take(0, events, &mut values[..events.len()]);
            std::hint::black_box(&values);
        }
        spent_ns = keeper.processor_ns() - start_ns;
    });
    (spent_ns as f64 / events.len() as f64, allocated.count_total)
}

/// Holds every keeper against the twin; governor tells no values to hold.
fn agree(policy: &Policy) -> Result<u64, String> {
    const KEYS_HELD: usize = 1 << 15;
    let tables = Tables::new(policy, KEYS_HELD)?;
    let (times, cells) = (Dash::<Times>::with_room(0), Dash::<Cellwise>::with_room(0));
    let papaya = Papaya::<Times>::with_room(0);
    let redis = Redis::start();
    let mut keepers: Vec<(&str, Counts, &dyn System)> = vec![
        ("riskd", Counts::AsPromised, &tables),
        ("dashmap", Counts::Times, &times),
        ("dashmap", Counts::Cells, &cells),
        ("papaya", Counts::Times, &papaya),
    ];
    if let Ok(redis) = &redis {
        keepers.push(("redis", Counts::Times, redis));
    }
    twin::agreement(policy, &keepers)
}

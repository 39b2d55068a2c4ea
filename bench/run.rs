//! Rounds of measurements: every case once a round, so that a slow minute of the machine falls on all of them alike.

use std::time::Instant;

use engine::{Decision, Now, Scratch, Snapshot, decide};
use wire::Verdict;

use crate::machine::processor_ns;
use crate::report::{Report, Row};
use crate::site::{Part, Site};
use crate::traffic::{BLOCK, Stream};
use crate::{codec, explain, forests, lists, rules};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Accounts the tables are filled with.
    pub accounts: u64,
    /// Checks a case is measured over in every round.
    pub checks: u64,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// Cases to run, by name; empty means all.
    pub stages: Vec<String>,
}

/// Batches measured: a check alone, and as many as the engine decides side by side.
pub const BATCHES: [usize; 2] = [1, engine::limits::LANES];

/// Names of all cases, in the order of the report.
pub fn stages() -> Vec<String> {
    let lacking = Part::ALL.iter().map(|part| format!("without {}", part.name()));
    let whole = std::iter::once("whole".to_owned()).chain(lacking);
    whole
        .chain(["windows alone".to_owned(), "without all".to_owned()])
        .chain(codec::STAGES.iter().map(|&name| name.to_owned()))
        .chain(forests::stages())
        .chain(explain::stages())
        .chain(rules::stages())
        .chain(lists::STAGES.map(str::to_owned))
        .collect()
}

/// Whether a case is the one of that name, or one of those whose names begin with those words.
pub fn is_of(name: &str, stage: &str) -> bool {
    name.strip_prefix(stage).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// A policy, or what is left of it, and its stream.
struct Case {
    name: String,
    /// `None` is the whole.
    snapshot: Option<Snapshot>,
    tokens: bool,
    /// Nanoseconds a check by round, for each of [`BATCHES`].
    ns: [Vec<f64>; 2],
}

/// Runs the plan.
///
/// # Errors
/// What could not be made, in words.
pub fn run(plan: &Plan) -> Result<Report, String> {
    let started = Instant::now();
    let site = Site::fill(plan.accounts)?;
    let fill_s = started.elapsed().as_secs_f64();
    let wanted = |name: &str| plan.stages.is_empty() || plan.stages.iter().any(|stage| is_of(name, stage));
    let mut cases = cases(&site, wanted)?;
    let mut stream = site.stream("m");
    let mut scratch = Scratch::new(0);
    let mut tally = Tally::default();
    for round in 0..=plan.rounds {
        for case in &mut cases {
            for (at, batch) in BATCHES.into_iter().enumerate() {
                let snapshot = case.snapshot.as_ref().unwrap_or(&site.whole);
                let counted = (case.snapshot.is_none() && case.tokens).then_some(&mut tally);
                let ns = measure(
                    &site,
                    snapshot,
                    case.tokens,
                    plan.checks,
                    batch,
                    &mut stream,
                    &mut scratch,
                    counted,
                );
                // The first round only warms up.
                if round > 0 {
                    case.ns[at].push(ns);
                } else {
                    tally = Tally::default();
                }
            }
        }
    }
    let mut rows: Vec<Row> = cases.into_iter().map(|case| Row::new(case.name, case.ns)).collect();
    rows.extend(codec::run(&site, plan, wanted)?);
    rows.extend(forests::run(plan, wanted)?);
    rows.extend(explain::run(plan, wanted));
    rows.extend(rules::run(plan, wanted)?);
    let (lists, loading) = lists::run(plan, wanted)?;
    rows.extend(lists);
    Ok(Report {
        fill_s,
        fills: fills(&site, stream.block().1),
        allocations: tally.allocations,
        verdicts: tally.shares(),
        rows,
        loading,
    })
}

fn cases(site: &Site, wanted: impl Fn(&str) -> bool) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let mut add = |name: String, lacking: &[Part]| {
        if wanted(&name) {
            // Tokens are a part of the traffic, so without them alone the policy is the whole one.
            let same = lacking.iter().all(|&part| part == Part::Tokens);
            let snapshot = if same { None } else { Some(site.without(lacking)?) };
            let tokens = !lacking.contains(&Part::Tokens);
            cases.push(Case { name, snapshot, tokens, ns: [Vec::new(), Vec::new()] });
        }
        Ok::<(), String>(())
    };
    add("whole".to_owned(), &[])?;
    for part in Part::ALL {
        add(format!("without {}", part.name()), &[part])?;
    }
    let others: Vec<Part> = Part::ALL.into_iter().filter(|&part| part != Part::Windows).collect();
    add("windows alone".to_owned(), &others)?;
    add("without all".to_owned(), &Part::ALL)?;
    Ok(cases)
}

/// Nanoseconds a check; making the checks is outside the time.
#[expect(clippy::too_many_arguments, reason = "one measurement's whole context, passed by reference")]
fn measure(
    site: &Site,
    snapshot: &Snapshot,
    tokens: bool,
    checks: u64,
    batch: usize,
    stream: &mut Stream,
    scratch: &mut Scratch,
    mut tally: Option<&mut Tally>,
) -> f64 {
    let mut decisions = Vec::with_capacity(BLOCK);
    let (mut spent_ns, mut done) = (0, 0);
    while done < checks {
        let (block, ms) = stream.block();
        let block = if tokens { block } else { stream.without_tokens() };
        let now = Now { ms, waited_us: 0 };
        let allocated = allocation_counter::measure(|| {
            let start_ns = processor_ns();
            for group in block.chunks(batch) {
                decide(snapshot, &site.tables, now, group, &mut decisions, scratch);
            }
            spent_ns += processor_ns() - start_ns;
        });
        done += BLOCK as u64;
        if let Some(tally) = &mut tally {
            tally.allocations += allocated.count_total;
            tally.add(&decisions);
        }
    }
    spent_ns as f64 / done as f64
}

/// What the whole check answered, and what it took from the allocator after its first round.
#[derive(Default)]
struct Tally {
    allocations: u64,
    verdicts: [u64; Verdict::ALL.len()],
}

impl Tally {
    fn add(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            self.verdicts[usize::from(decision.verdict.code())] += 1;
        }
    }

    fn shares(&self) -> Vec<(String, f64)> {
        let total = self.verdicts.iter().sum::<u64>().max(1) as f64;
        let share = |verdict: &Verdict| self.verdicts[usize::from(verdict.code())] as f64 / total;
        Verdict::ALL.iter().map(|verdict| (verdict.name().to_owned(), share(verdict))).collect()
    }
}

fn fills(site: &Site, now_ms: i64) -> Vec<(String, u64, u64)> {
    site.tables.fill(now_ms).iter().map(|fill| (fill.name.to_owned(), fill.entries, fill.capacity)).collect()
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

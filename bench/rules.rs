//! The rules stage alone: 50, 500 and 5,000 rules with equality tests, and with the feature `peers` the same rules in other
//! engines, whose hits must be the same rule by rule.

use std::hint::black_box;

use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide, run_rules};
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use wire::{Check, ExtValue, Kind};

use crate::machine::processor_ns;
#[cfg(feature = "peers")]
use crate::peers;
use crate::report::Row;
use crate::run::{BATCHES, Plan};

/// How many rules there are in each case.
const COUNTS: [usize; 3] = [50, 500, 5_000];
/// How often a batch is looked at again within one measurement: a look at the processor's clock takes as long as a few rules.
const LOOPS: u32 = 16;

/// Names of the cases, in the order of the report.
pub fn stages() -> Vec<String> {
    let own = COUNTS.map(|count| format!("rules {count}"));
    #[cfg(feature = "peers")]
    let own = own.into_iter().flat_map(|own| {
        let peers: Vec<String> = peers::NAMES.iter().map(|peer| format!("{own} {peer}")).collect();
        std::iter::once(own).chain(peers)
    });
    own.into_iter().collect()
}

/// One condition: an equality test, a threshold, and often a third thing.
pub(crate) struct Rule {
    pub kinds: Vec<Kind>,
    pub field: &'static str,
    /// A text, or a number of the int field.
    pub value: String,
    /// Amounts from this one on, in hundredths, or below it.
    pub amount_minor: i64,
    pub from: bool,
    pub kyc: Option<u8>,
}

const FIELDS: [&str; 5] = ["campaign", "counterparty", "channel", "utm", "store"];

/// As many rules; values come from a pool that grows with them, so that a check matches a few whatever their number.
fn rules(count: usize, draw: &mut Xoshiro256PlusPlus) -> Vec<Rule> {
    let pool = pool(count);
    let mut rule = |_| {
        let first = draw.random_range(0..Kind::ALL.len());
        let second = draw.random_range(0..Kind::ALL.len());
        let kinds =
            if first == second { vec![Kind::ALL[first]] } else { vec![Kind::ALL[first], Kind::ALL[second]] };
        let field = FIELDS[draw.random_range(0..FIELDS.len())];
        Rule {
            kinds,
            field,
            value: value(field, draw.random_range(0..pool)),
            amount_minor: 100 * draw.random_range(1..400),
            from: draw.random_bool(0.7),
            kyc: draw.random_bool(0.5).then(|| draw.random_range(0..4)),
        }
    };
    (0..count).map(&mut rule).collect()
}

fn pool(count: usize) -> usize {
    (count / 5).max(8)
}

fn value(field: &str, n: usize) -> String {
    if field == "store" { n.to_string() } else { format!("{}-{n}", &field[..2]) }
}

impl Rule {
    fn of_riskd(&self, at: usize) -> String {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let equal = match self.field {
            "store" => format!("ext.store == {}", self.value),
            field => format!("{field} == \"{}\"", self.value),
        };
        let sign = if self.from { ">=" } else { "<" };
        let kyc = self.kyc.map_or(String::new(), |kyc| format!(" && kyc == {kyc}"));
        format!(
            "- {{ id: r{at}, tier: score, score: 0.01, on: [{}], when: '{equal} && amount {sign} {}.00{kyc}', reason: {{ code: R{at}, text: t }} }}\n",
            kinds.join(", "),
            self.amount_minor / 100,
        )
    }
}

/// Events whose values come from the same pool.
fn checks(count: usize, of: usize, draw: &mut Xoshiro256PlusPlus) -> Vec<Check<'static>> {
    let pool = pool(count);
    let mut check = |at| {
        let kind = Kind::ALL[draw.random_range(0..Kind::ALL.len())];
        let mut check = Check::new(format!("rules-{count}-{at}"), kind, format!("account-{}", at % 997));
        let mut text = |field| value(field, draw.random_range(0..pool)).into();
        check.campaign = text("campaign");
        check.counterparty = text("counterparty");
        check.channel = text("channel");
        check.utm = text("utm");
        check.ext = vec![("store".into(), ExtValue::Int(draw.random_range(0..pool as i64)))];
        check.amount_minor = Some(draw.random_range(0..50_000));
        check.kyc = Some(draw.random_range(0..4));
        check
    };
    (0..of).map(&mut check).collect()
}

/// Runs the cases that are wanted.
///
/// # Errors
/// What could not be made, or where an engine found other hits, in words.
pub fn run(plan: &Plan, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for count in COUNTS {
        let name = format!("rules {count}");
        let of_peers: Vec<String> =
            stages().into_iter().filter(|stage| stage.starts_with(&format!("{name} "))).collect();
        if !wanted(&name) && !of_peers.iter().any(|stage| wanted(stage)) {
            continue;
        }
        let mut draw = Xoshiro256PlusPlus::seed_from_u64(count as u64);
        let rules = rules(count, &mut draw);
        let checks = checks(count, (plan.checks as usize).clamp(64, 4_096), &mut draw);
        let (row, hits) = own(&name, &rules, &checks, plan)?;
        if hits.iter().all(Vec::is_empty) {
            return Err(format!("{name}: no rule matched any check"));
        }
        rows.extend(wanted(&name).then_some(row));
        #[cfg(feature = "peers")]
        rows.extend(peers::run(&name, &rules, &checks, &hits, plan, &wanted)?);
    }
    Ok(rows)
}

/// The engine's own figures, and which rules each check matched.
fn own(
    name: &str,
    rules: &[Rule],
    checks: &[Check<'_>],
    plan: &Plan,
) -> Result<(Row, Vec<Vec<usize>>), String> {
    let text: String = rules.iter().enumerate().map(|(at, rule)| rule.of_riskd(at)).collect();
    let file = format!("schema: {{ store: {{ type: int }} }}\nrules:\n{text}");
    let compiled = policy::compile_sources(&[("rules.yaml", &file)]);
    let policy = compiled.bundle.as_ref().ok_or_else(|| compiled.render(false))?.policy.clone();
    let sizes = Sizes {
        accounts: 4_096,
        devices: 64,
        velocity_keys: 64,
        busy_keys: 64,
        list_entries: 64,
        decisions: 1 << 16,
        seed: [9; 16],
    };
    let tables = Tables::new(&sizes).map_err(|error| error.to_string())?;
    let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, &tables, None);
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    let now = Now { ms: 1_767_607_200_000, waited_us: 0 };
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    let mut found = BATCHES.map(|batch| {
        let mut hits = Vec::new();
        for group in checks.chunks(batch) {
            // Whoever was seen before has its fields filled in and nothing else, which is all that these rules read.
            decide(&snapshot, &tables, now, group, &mut decisions, &mut scratch);
            run_rules(&snapshot, now, group, &mut scratch);
            for lane in 0..group.len() {
                let mut matched: Vec<usize> = scratch.matched(lane).collect();
                matched.sort_unstable();
                hits.push(matched);
            }
        }
        hits
    });
    if found[0] != found[1] {
        return Err(format!("{name}: a batch matched other rules than its checks did alone"));
    }
    let mut ns = [Vec::new(), Vec::new()];
    for round in 0..=plan.rounds {
        for (ns, batch) in ns.iter_mut().zip(BATCHES) {
            let mut spent_ns = 0;
            for group in checks.chunks(batch) {
                decide(&snapshot, &tables, now, group, &mut decisions, &mut scratch);
                let start_ns = processor_ns();
                for _ in 0..LOOPS {
                    black_box(run_rules(&snapshot, now, black_box(group), &mut scratch));
                }
                spent_ns += processor_ns() - start_ns;
            }
            // The first round only warms up.
            if round > 0 {
                ns.push(spent_ns as f64 / f64::from(LOOPS) / checks.len() as f64);
            }
        }
    }
    Ok((Row::new(name.to_owned(), ns), std::mem::take(&mut found[0])))
}

//! `riskctl rules cost`: what each rule, limit, breaker and feature takes on this machine, in time and memory, and how many checks reach it.
//!
//! A program is straight-line code in which equal predicates are computed once, so that what a rule would take alone is more
//! than what it adds: `own` are the instructions that no other rule reads.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use engine::program::{Output, Program, Truth};
use serde_json::{Value, json};

use super::measure::{self, Costs, FeatureCost, RefusalCost};
use crate::outcome::{Ended, Outcome};
use crate::print::{self, Table, decimals, thousands};

/// Shown after the help.
pub const EXAMPLES: &str = "Example:\n  riskctl rules cost rules --events 20000";

/// What to price.
#[derive(Args, Debug)]
pub struct Options {
    /// Directory of rule files
    rules: PathBuf,
    /// Simulated events to measure over
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    events: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints rules, limits and breakers, and features, the dearest first.
pub fn run(options: &Options) -> Outcome {
    let policy = super::compile(&options.rules)?;
    let costs = measure::measure(&policy, options.events as usize)?;
    let rules = rules(&policy, &costs);
    let refusals = refusals(&policy, &costs);
    let features = features(&policy, &costs);
    let (ops, gate) = (policy.program.ops.len(), policy.gate.ops.len());
    let (in_batch, single) = costs.all_ns;
    if options.json {
        print::raw(&print::pretty(&json!({
            "version": policy.version,
            "events": options.events,
            "instructions": ops,
            "gate_instructions": gate,
            "rules_ns_batch": in_batch,
            "rules_ns_single": single,
            "rules": rules.to_json(),
            "refusals": refusals.to_json(),
            "features": features.to_json(),
        })));
        return Ok(Ended::Clean);
    }
    print::out(&format!(
        "{}\n{}{}\n{} rules in {} instructions: {in_batch:.0} ns a check in batches of 64, {single:.0} ns alone; limits in {} before them\n",
        rules.to_text(),
        if policy.limits.is_empty() && policy.breakers.is_empty() {
            String::new()
        } else {
            format!("{}\n", refusals.to_text())
        },
        features.to_text(),
        thousands(policy.rules.len() as u64),
        thousands(ops as u64),
        thousands(gate as u64),
    ));
    Ok(Ended::Clean)
}

fn rules(policy: &engine::policy::Policy, costs: &Costs) -> Table {
    let graph = Graph::new(&policy.program);
    let needed: Vec<Vec<usize>> =
        policy.rules.iter().map(|rule| graph.needed(measure::truths(rule))).collect();
    let mut users = vec![0_usize; policy.program.ops.len()];
    needed.iter().flatten().for_each(|&op| users[op] += 1);
    let mut order: Vec<usize> = (0..policy.rules.len()).collect();
    order.sort_by(|&a, &b| costs.rules[b].ns.total_cmp(&costs.rules[a].ns).then(a.cmp(&b)));
    let mut table = Table::new(&[
        "rule",
        "tier",
        "tenants",
        "ns",
        "bytes",
        "instructions",
        "own",
        "reached_percent",
        "matched_percent",
    ]);
    for at in order {
        let (rule, cost) = (&policy.rules[at], &costs.rules[at]);
        table.row([
            Value::from(rule.reason.rule.as_str()),
            Value::from(rule.tier.name()),
            Value::from(rule.variants.len()),
            decimals(Some(cost.ns), 2),
            Value::from(cost.bytes),
            Value::from(needed[at].len()),
            Value::from(needed[at].iter().filter(|&&op| users[op] == 1).count()),
            decimals(Some(cost.reached * 100.0), 1),
            decimals(Some(cost.matched * 100.0), 2),
        ]);
    }
    table
}

/// Limits and breakers, the dearest first.
fn refusals(policy: &engine::policy::Policy, costs: &Costs) -> Table {
    let limits = policy.limits.iter().map(|limit| (&limit.reason.rule, "limit")).zip(&costs.limits);
    let breakers = policy.breakers.iter().map(|one| (&one.reason.rule, "breaker")).zip(&costs.breakers);
    let mut rows: Vec<_> = limits.chain(breakers).collect();
    let ns = |cost: &RefusalCost| cost.when_ns + cost.kept_ns;
    rows.sort_by(|(_, a), (_, b)| ns(b).total_cmp(&ns(a)));
    let columns = ["id", "what", "when_ns", "kept_ns", "bytes", "reached_percent", "refused_percent"];
    let mut table = Table::new(&columns);
    for ((id, what), cost) in rows {
        table.row([
            Value::from(id.as_str()),
            Value::from(what),
            decimals(Some(cost.when_ns), 2),
            decimals(Some(cost.kept_ns), 1),
            Value::from(cost.bytes),
            decimals(Some(cost.reached * 100.0), 1),
            decimals(Some(cost.refused * 100.0), 2),
        ]);
    }
    table
}

fn features(policy: &engine::policy::Policy, costs: &Costs) -> Table {
    let mut order: Vec<usize> = (0..policy.windows.len()).collect();
    order.sort_by_key(|&at| (Reverse((costs.features[at].ns * 10.0) as i64), at));
    let mut table = Table::new(&["feature", "ns", "key_bytes", "busy_bytes", "taken_in_percent", "what"]);
    for at in order {
        let row = policy.features.row(policy.windows[at].feature);
        let FeatureCost { ns, bytes: [key_bytes, busy_bytes], taken_in } = costs.features[at];
        table.row([
            Value::from(row.name.as_str()),
            decimals(Some(ns), 1),
            Value::from(key_bytes),
            Value::from(busy_bytes),
            decimals(Some(taken_in * 100.0), 1),
            Value::from(row.doc.as_str()),
        ]);
    }
    table
}

/// Which instruction writes which register.
struct Graph<'a> {
    program: &'a Program,
    writers: HashMap<Output, usize>,
}

impl<'a> Graph<'a> {
    fn new(program: &'a Program) -> Graph<'a> {
        let writers = program.ops.iter().enumerate().map(|(at, op)| (op.output(), at)).collect();
        Graph { program, writers }
    }

    /// The instructions that registers depend on, in order.
    fn needed(&self, truths: impl Iterator<Item = Truth>) -> Vec<usize> {
        let mut reached = vec![false; self.program.ops.len()];
        let written = |truth| self.writers.get(&Output::Truth(truth)).copied();
        let mut open: Vec<usize> = truths.filter_map(written).collect();
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut reached[at], true) {
                let reads = self.program.ops[at].reads(self.program);
                open.extend(reads.registers().filter_map(|read| self.writers.get(&read)));
            }
        }
        (0..reached.len()).filter(|at| reached[*at]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_that_two_rules_read_is_shared() {
        let text = "rules:\n\
            - { id: a, tier: score, score: 0.1, when: 'amount > 1.00 && kyc == 1', reason: { code: A, text: a } }\n\
            - { id: b, tier: score, score: 0.1, when: 'amount > 1.00', reason: { code: B, text: b } }\n";
        let compiled = policy::compile_sources(&[("two.yaml", text)]);
        let policy = compiled.bundle.expect("the rules compile").policy;
        let graph = Graph::new(&policy.program);
        let needed = |at: usize| graph.needed(measure::truths(&policy.rules[at]));
        let (a, b) = (needed(0), needed(1));
        assert!(a.len() > b.len());
        assert!(b.iter().any(|op| a.contains(op)), "{:?}", policy.program.ops);
    }
}

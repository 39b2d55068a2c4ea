//! `riskctl rules cost`: how many instructions each rule takes, and how many of them it shares with others.
//!
//! A program is straight-line code in which equal predicates are computed once, so that the cost of a rule is what would
//! be saved without it (own) beside what it reads in common with others (shared).

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use engine::program::{Output, Program, Truth};
use serde_json::{Value, json};

use crate::outcome::{Ended, Outcome};
use crate::print::{self, Table, thousands};

/// Shown after the help.
pub const EXAMPLES: &str = "Example:\n  riskctl rules cost rules";

/// What to price.
#[derive(Args, Debug)]
pub struct Options {
    /// Directory of rule files
    rules: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the rules, the dearest first.
pub fn run(options: &Options) -> Outcome {
    let policy = super::compile(&options.rules)?;
    let graph = Graph::new(&policy.program);
    let needed: Vec<Vec<usize>> = policy.rules.iter().map(|rule| graph.needed(rule.when)).collect();
    let mut users = vec![0_usize; policy.program.ops.len()];
    for op in needed.iter().flatten() {
        users[*op] += 1;
    }
    let mut rules: Vec<(usize, usize, usize)> = needed
        .iter()
        .enumerate()
        .map(|(rule, ops)| (rule, ops.iter().filter(|op| users[**op] == 1).count(), ops.len()))
        .collect();
    rules.sort_by_key(|(rule, own, all)| (std::cmp::Reverse((*own, *all)), *rule));
    let mut table = Table::new(&["rule", "tier", "instructions", "own", "shared"]);
    for (rule, own, all) in rules {
        let of = &policy.rules[rule];
        table.row([
            Value::from(of.reason.rule.as_str()),
            Value::from(format!("{:?}", of.tier).to_lowercase()),
            Value::from(all),
            Value::from(own),
            Value::from(all - own),
        ]);
    }
    let (ops, gate) = (policy.program.ops.len(), policy.gate.ops.len());
    if options.json {
        let rules = table.to_json();
        print::out(&print::pretty(&json!({
            "version": policy.version,
            "instructions": ops,
            "gate_instructions": gate,
            "velocity_features": policy.windows.len(),
            "rules": rules,
        })));
        return Ok(Ended::Clean);
    }
    print::out(&format!(
        "{}\n{} rules in {} instructions, limits in {} before them; {} velocity features\n",
        table.to_text(),
        thousands(policy.rules.len() as u64),
        thousands(ops as u64),
        thousands(gate as u64),
        policy.windows.len(),
    ));
    Ok(Ended::Clean)
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

    /// The instructions that a register depends on, in order.
    fn needed(&self, truth: Truth) -> Vec<usize> {
        let mut reached = vec![false; self.program.ops.len()];
        let mut open: Vec<usize> = self.writers.get(&Output::Truth(truth)).copied().into_iter().collect();
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
        let (a, b) = (graph.needed(policy.rules[0].when), graph.needed(policy.rules[1].when));
        assert!(a.len() > b.len());
        assert!(b.iter().any(|op| a.contains(op)), "{:?}", policy.program.ops);
    }
}

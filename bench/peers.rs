//! The rules of the stage `rules` in other engines: cel and zen-expression, the evaluator within zen-engine without the graph
//! around it, rule after rule, and regorus as one module. Each has them compiled beforehand and gets an event in its own values;
//! making those is outside the time. Whoever finds other hits than the engine ends the run.

use std::hint::black_box;

use serde_json::{Value as Json, json};
use wire::{Check, ExtValue};

use crate::machine::processor_ns;
use crate::report::Row;
use crate::rules::Rule;
use crate::run::Plan;

/// Names of the peers.
pub const NAMES: [&str; 3] = ["cel", "zen-expression", "regorus"];

/// What a peer is measured over at most, in rules times events: they take microseconds a rule.
const WORK_MAX: usize = 200_000;

/// Runs those peers that are wanted.
///
/// # Errors
/// What one could not take, or found otherwise, in words.
pub fn run(
    name: &str,
    rules: &[Rule],
    checks: &[Check<'_>],
    hits: &[Vec<usize>],
    plan: &Plan,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Row>, String> {
    let events: Vec<Json> = checks.iter().take((WORK_MAX / rules.len()).max(16)).map(event).collect();
    let mut rows = Vec::new();
    for peer in NAMES {
        let stage = format!("{name} {peer}");
        if !wanted(&stage) {
            continue;
        }
        let rounds = plan.rounds.min(3);
        let ns = match peer {
            "cel" => cel(rules, &events, hits, rounds),
            "zen-expression" => zen(rules, &events, hits, rounds),
            _ => rego(rules, &events, hits, rounds),
        };
        let ns = ns.map_err(|error| format!("{stage}: {error}"))?;
        // They know no batches: alone and in 64 are the same.
        rows.push(Row::new(stage, [ns.clone(), ns]));
    }
    Ok(rows)
}

fn event(check: &Check<'_>) -> Json {
    let store = check.ext.iter().find_map(|(_, value)| match value {
        ExtValue::Int(n) => Some(*n),
        _ => None,
    });
    json!({
        "kind": check.kind.name(), "campaign": &*check.campaign, "counterparty": &*check.counterparty,
        "channel": &*check.channel, "utm": &*check.utm, "store": store, "amount": check.amount_minor, "kyc": check.kyc,
    })
}

impl Rule {
    /// The whole condition, with `and` and the event's fields as that language writes them.
    fn condition(&self, and: &str, field: impl Fn(&str) -> String) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| format!("\"{}\"", kind.name())).collect();
        let value = if self.field == "store" { self.value.clone() } else { format!("\"{}\"", self.value) };
        let mut parts = vec![
            format!("{} in [{}]", field("kind"), kinds.join(", ")),
            format!("{} == {value}", field(self.field)),
            format!("{} {} {}", field("amount"), if self.from { ">=" } else { "<" }, self.amount_minor),
        ];
        parts.extend(self.kyc.map(|kyc| format!("{} == {kyc}", field("kyc"))));
        parts.join(and)
    }
}

/// Nanoseconds an event by round, of whatever gives the hits of the event at a place.
fn measured(
    events: usize,
    hits: &[Vec<usize>],
    rounds: usize,
    mut matched: impl FnMut(usize) -> Result<Vec<usize>, String>,
) -> Result<Vec<f64>, String> {
    let mut ns = Vec::new();
    for round in 0..=rounds {
        let start_ns = processor_ns();
        for at in 0..events {
            let found = black_box(matched(at)?);
            if round == 0 && found != hits[at] {
                return Err(format!("event {at} matches {found:?}, and {:?} in the engine", hits[at]));
            }
        }
        if round > 0 {
            ns.push((processor_ns() - start_ns) as f64 / events as f64);
        }
    }
    Ok(ns)
}

fn cel(rules: &[Rule], events: &[Json], hits: &[Vec<usize>], rounds: usize) -> Result<Vec<f64>, String> {
    let compile = |rule: &Rule| cel::Program::compile(&rule.condition(" && ", str::to_owned));
    let programs: Vec<_> = rules.iter().map(compile).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let context = |event: &Json| {
        let mut context = cel::Context::default();
        for (name, value) in event.as_object().into_iter().flatten() {
            match value.as_i64() {
                Some(number) => context.add_variable_from_value(name.clone(), number),
                None => context.add_variable_from_value(name.clone(), value.as_str().unwrap_or_default()),
            }
        }
        context
    };
    let contexts: Vec<_> = events.iter().map(context).collect();
    measured(events.len(), hits, rounds, |at| {
        let mut matched = Vec::new();
        for (rule, program) in programs.iter().enumerate() {
            match program.execute(&contexts[at]) {
                Ok(cel::Value::Bool(true)) => matched.push(rule),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(matched)
    })
}

fn zen(rules: &[Rule], events: &[Json], hits: &[Vec<usize>], rounds: usize) -> Result<Vec<f64>, String> {
    let compile = |rule: &Rule| zen_expression::compile_expression(&rule.condition(" and ", str::to_owned));
    let programs: Vec<_> =
        rules.iter().map(compile).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let events: Vec<zen_expression::Variable> = events.iter().map(|event| event.clone().into()).collect();
    let mut machine = zen_expression::vm::VM::new();
    measured(events.len(), hits, rounds, |at| {
        let mut matched = Vec::new();
        for (rule, program) in programs.iter().enumerate() {
            let found = program.evaluate_with(events[at].clone(), &mut machine);
            if found.map_err(|error| error.to_string())?.as_bool() == Some(true) {
                matched.push(rule);
            }
        }
        Ok(matched)
    })
}

fn rego(rules: &[Rule], events: &[Json], hits: &[Vec<usize>], rounds: usize) -> Result<Vec<f64>, String> {
    let mut module = "package rules\nimport rego.v1\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        module += &format!(
            "hits contains {at} if {{ {} }}\n",
            rule.condition("; ", |name| format!("input.{name}"))
        );
    }
    let mut engine = regorus::Engine::new();
    engine.clear_policy_length_config();
    engine.add_policy("rules.rego".to_owned(), module).map_err(|error| error.to_string())?;
    let compiled =
        engine.compile_with_entrypoint(&"data.rules.hits".into()).map_err(|error| error.to_string())?;
    let values = |event: &Json| regorus::Value::from_json_str(&event.to_string());
    let events: Vec<_> =
        events.iter().map(values).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    measured(events.len(), hits, rounds, |at| {
        let found = compiled.eval_with_input(events[at].clone()).map_err(|error| error.to_string())?;
        let mut matched: Vec<usize> = found
            .as_set()
            .map_err(|error| error.to_string())?
            .iter()
            .filter_map(|number| number.as_u64().ok())
            .map(|number| number as usize)
            .collect();
        matched.sort_unstable();
        Ok(matched)
    })
}

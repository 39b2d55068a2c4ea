//! Expressions mean what they mean in CEL, however they are run: the scalar machine, the engine with one check at a time and
//! with a batch, and two library interpreters give one answer over random well-typed expressions, errors and absent fields
//! included. `PROPTEST_CASES` says how many.

mod events;
mod expressions;

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;

use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use events::{Given, check, given, stated};
use expressions::{NOW_MS, config, over_fields, truth};
use policy::eval::{Value, evaluate};
use policy::{Bundle, Code, Severity};
use proptest::prelude::*;
use wire::{Check, Kind, Verdict};

const SCHEMA: &str = "schema: { wide: { type: int }, ratio: { type: double }, gold: { type: bool } }\n";

static FIELDS: LazyLock<Bundle> = LazyLock::new(|| compiled(SCHEMA).expect("the schema compiles"));

/// The bundle of that file; `None` where it is refused, which may only be because some part fails for every event.
fn compiled(file: &str) -> Option<Bundle> {
    let compiled = policy::compile_sources(&[("r.yaml", file)]);
    let errors = compiled.diagnostics.iter().filter(|fault| fault.severity == Severity::Error);
    for fault in errors {
        assert_eq!(fault.code, Code::OutOfRange, "{}", compiled.render(false));
    }
    compiled.bundle
}

mod core {
    //! cel-core's own evaluator, whose parser the compiler uses.
    use cel_core::{CelType, Env, MapActivation, Timestamp, Value};

    use super::Given;

    /// What it says; `None` for an error of evaluation.
    pub fn says(expression: &str, given: &Given) -> Option<bool> {
        let env = Env::with_standard_library()
            .with_variable("kyc", CelType::Int)
            .with_variable("wide", CelType::Int)
            .with_variable("ratio", CelType::Double)
            .with_variable("amount", CelType::Double)
            .with_variable("rooted", CelType::Bool)
            .with_variable("gold", CelType::Bool)
            .with_variable("account", CelType::String)
            .with_variable("ext", CelType::Dyn)
            .with_variable("time", CelType::Timestamp);
        // Unchecked: its checker takes the type of some nested lists for another.
        let ast = env.parse_only(expression).unwrap();
        let mut activation = MapActivation::new();
        activation.insert("kyc", given.kyc);
        activation.insert("wide", given.wide);
        activation.insert("ratio", given.ratio);
        activation.insert("amount", given.amount_minor as f64 / 100.0);
        activation.insert("rooted", given.rooted);
        activation.insert("gold", given.gold);
        activation.insert("account", given.account.as_str());
        let ext: [(&str, Value); 3] =
            [("wide", given.wide.into()), ("ratio", given.ratio.into()), ("gold", given.gold.into())];
        let carried = ext.into_iter().zip(given.carried).filter(|(_, carried)| *carried);
        activation.insert("ext", Value::map(carried.map(|(entry, _)| entry)));
        let (seconds, ms) = (given.time_ms.div_euclid(1_000), given.time_ms.rem_euclid(1_000));
        activation.insert("time", Value::Timestamp(Timestamp::new(seconds, ms as i32 * 1_000_000)));
        match env.program(&ast).unwrap().eval(&activation) {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }
}

mod interpreter {
    //! The interpreter of the `cel` crate, which shares no code with the compiler.
    use std::collections::HashMap;

    use cel::{Context, Program, Value};

    use super::Given;
    use super::expressions::MILLISECONDS_OF_SPAN;

    /// What it says; `None` for an error of evaluation.
    ///
    /// Two faults of version 0.15 are set right, and nothing else is left out. It gives all milliseconds of a duration, where
    /// CEL's conformance test `duration_converters/get_milliseconds` has those of its last second. And it reads hours and
    /// days of a moment at the offset that the moment was written with, where CEL has UTC unless a zone is named.
    pub fn says(expression: &str, given: &Given) -> Option<bool> {
        let expression = expression.replace(MILLISECONDS_OF_SPAN, "getMilliseconds() % 1000");
        let expression = expression.replace("2026-07-01T00:00:00+08:00", "2026-06-30T16:00:00Z");
        let program = Program::compile(&expression).unwrap();
        let mut context = Context::default();
        context.add_variable_from_value("kyc", given.kyc);
        context.add_variable_from_value("wide", given.wide);
        context.add_variable_from_value("ratio", given.ratio);
        context.add_variable_from_value("amount", given.amount_minor as f64 / 100.0);
        context.add_variable_from_value("rooted", given.rooted);
        context.add_variable_from_value("gold", given.gold);
        context.add_variable_from_value("account", given.account.as_str());
        let ext: [(&str, Value); 3] =
            [("wide", given.wide.into()), ("ratio", given.ratio.into()), ("gold", given.gold.into())];
        let carried = ext.into_iter().zip(given.carried).filter(|(_, carried)| *carried);
        context.add_variable_from_value("ext", carried.map(|(entry, _)| entry).collect::<HashMap<_, _>>());
        let time = jiff::Timestamp::from_millisecond(given.time_ms).unwrap();
        let time = Program::compile(&format!("timestamp(\"{time}\")")).unwrap().execute(&context).unwrap();
        context.add_variable_from_value("time", time);
        match program.execute(&context) {
            Ok(Value::Bool(truth)) => Some(truth),
            _ => None,
        }
    }
}

/// Events of three kinds in turn; the rule looks at the first two.
fn kind(at: usize) -> Kind {
    [Kind::Pay, Kind::Claim, Kind::Login][at % 3]
}

/// What the engine says of each event, one at a time and in one batch; `None` where the compiler refuses the condition.
fn decided(expression: &str, events: &[Given]) -> Option<[Vec<Verdict>; 2]> {
    thread_local! {
        static TABLES: Tables = Tables::new(&Sizes {
            accounts: 4_096,
            devices: 4_096,
            velocity_keys: 4_096,
            busy_keys: 4_096,
            list_entries: 64,
            decisions: 4_096,
            seed: [1; 16],
        })
        .unwrap();
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new(0));
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    let Bundle { policy, .. } = compiled(&format!(
        "{SCHEMA}rules:\n- id: r\n  tier: deny\n  on: [pay, claim]\n  reason: {{ code: R1, text: t }}\n  when: >-\n    {expression}\n"
    ))?;
    let checks = || -> Vec<Check<'_>> {
        let id = || format!("id-{}", NEXT.with(|next| next.replace(next.get() + 1)));
        events.iter().enumerate().map(|(at, given)| check(id(), kind(at), given)).collect()
    };
    let (alone, together) = (checks(), checks());
    TABLES.with(|tables| {
        let snapshot = Snapshot::build(Parts { policy, ..Parts::default() }, tables, None).unwrap();
        let verdicts = |checks: &[Check<'_>]| {
            let mut decisions = Vec::new();
            let now = Now { ms: NOW_MS, waited_us: 0 };
            SCRATCH.with_borrow_mut(|scratch| {
                decide(&snapshot, tables, now, checks, &mut decisions, scratch);
            });
            decisions.iter().map(|decision| decision.verdict).collect::<Vec<_>>()
        };
        Some([
            alone.iter().flat_map(|check| verdicts(std::slice::from_ref(check))).collect(),
            verdicts(&together),
        ])
    })
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn an_expression_means_one_thing_to_every_reader(
        expression in truth(),
        events in prop::collection::vec(given(), 1..9),
    ) {
        let over_fields = over_fields(&expression);
        let verdicts = decided(&over_fields, &events);
        for (at, given) in events.iter().enumerate() {
            let ours = match evaluate(&over_fields, &stated(given), Some(&FIELDS)) {
                Ok(Value::Bool(truth)) => Some(truth),
                Ok(Value::Fault) => None,
                Ok(other) => return Err(TestCaseError::fail(format!("{expression} is {other}"))),
                Err(faults) => {
                    return Err(TestCaseError::fail(format!("{expression}: {}", faults.diagnostics[0].message)));
                }
            };
            prop_assert_eq!(core::says(&expression, given), ours, "cel-core: {} for {:?}", expression, given);
            prop_assert_eq!(interpreter::says(&expression, given), ours, "cel: {} for {:?}", expression, given);
            let denied = ours == Some(true) && kind(at) != Kind::Login;
            let expected = if denied { Verdict::Deny } else { Verdict::Allow };
            for verdicts in verdicts.iter().flatten() {
                prop_assert_eq!(verdicts[at], expected, "the engine: {} for {:?}", expression, given);
            }
        }
    }
}

//! Expressions mean what they mean in CEL: lowered programs against cel-core's own evaluator, over random expressions.

mod expressions;

use cel_core::{CelType, Env, MapActivation, Value as Cel};
use expressions::{Given, given, stated, truth};
use policy::eval::{Value, evaluate};
use proptest::prelude::*;

/// What cel-core says; `None` for an error of evaluation.
fn cel(expression: &str, given: &Given) -> Option<bool> {
    let env = Env::with_standard_library()
        .with_variable("kyc", CelType::Int)
        .with_variable("wide", CelType::Int)
        .with_variable("ratio", CelType::Double)
        .with_variable("amount", CelType::Double)
        .with_variable("rooted", CelType::Bool)
        .with_variable("gold", CelType::Bool)
        .with_variable("account", CelType::String);
    let ast = env.compile(expression).unwrap();
    let mut activation = MapActivation::new();
    activation.insert("kyc", given.kyc);
    activation.insert("wide", given.wide);
    activation.insert("ratio", given.ratio);
    activation.insert("amount", given.amount_minor as f64 / 100.0);
    activation.insert("rooted", given.rooted);
    activation.insert("gold", given.gold);
    activation.insert("account", given.account.as_str());
    match env.program(&ast).unwrap().eval(&activation) {
        Cel::Bool(truth) => Some(truth),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lowered_expressions_mean_what_they_mean_in_cel(expression in truth(), given in given()) {
        let expected = cel(&expression, &given);
        match evaluate(&expression, &stated(&given), None) {
            Ok(Value::Bool(truth)) => prop_assert_eq!(Some(truth), expected, "{}", expression),
            Ok(Value::Fault) => prop_assert_eq!(None, expected, "{}", expression),
            Ok(other) => prop_assert!(false, "{expression} is {other}"),
            // A part that fails for every event is refused, even where CEL would never come to it.
            Err(faults) => {
                let message = &faults.diagnostics[0].message;
                prop_assert!(message.starts_with("this always fails"), "{expression}: {message}");
            }
        }
    }
}

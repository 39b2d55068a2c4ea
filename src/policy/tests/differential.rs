//! Expressions mean what they mean in CEL: lowered programs against cel-core's own evaluator, over random expressions.

mod expressions;

use cel_core::{CelType, Env, MapActivation, Timestamp, Value as Cel};
use expressions::{Given, config, given, stated, truth};
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
        .with_variable("account", CelType::String)
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
    let (seconds, ms) = (given.time_ms.div_euclid(1_000), given.time_ms.rem_euclid(1_000));
    activation.insert("time", Cel::Timestamp(Timestamp::new(seconds, ms as i32 * 1_000_000)));
    match env.program(&ast).unwrap().eval(&activation) {
        Cel::Bool(truth) => Some(truth),
        _ => None,
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn lowered_expressions_mean_what_they_mean_in_cel(expression in truth(), given in given()) {
        let expected = cel(&expression, &given);
        match evaluate(&expression, &stated(&given), None) {
            Ok(Value::Bool(truth)) => prop_assert_eq!(Some(truth), expected, "{}", expression),
            Ok(Value::Fault) => prop_assert_eq!(None, expected, "{}", expression),
            Ok(other) => prop_assert!(false, "{expression} is {other}"),
            Err(faults) => prop_assert!(false, "{expression}: {}", faults.diagnostics[0].message),
        }
    }
}

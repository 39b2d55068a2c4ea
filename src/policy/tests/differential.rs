//! Expressions mean what they mean in CEL: lowered programs against cel-core's own evaluator, over random expressions.

use cel_core::{CelType, Env, MapActivation, Value as Cel};
use policy::eval::{Value, evaluate};
use proptest::prelude::*;
use serde_json::json;

/// Values of the variables that expressions may name.
#[derive(Clone, Debug)]
struct Given {
    kyc: i64,
    wide: i64,
    ratio: f64,
    rooted: bool,
    gold: bool,
    account: String,
    amount_minor: i64,
}

fn given() -> impl Strategy<Value = Given> {
    let wide = prop_oneof![any::<i64>(), -3..3_i64, Just(i64::MAX), Just(i64::MIN)];
    let ratio = prop_oneof![-3.0..3.0_f64, Just(0.0), Just(-1e19)];
    (0..4_i64, wide, ratio, any::<bool>(), any::<bool>(), "[ab名]{0,3}", 0..1_000_i64).prop_map(
        |(kyc, wide, ratio, rooted, gold, account, amount_minor)| Given {
            kyc,
            wide,
            ratio,
            rooted,
            gold,
            account,
            amount_minor,
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just("account".to_owned()), "[ab名]{0,2}".prop_map(|text| format!("{text:?}"))]
}

fn decimal() -> impl Strategy<Value = String> {
    (0..10_u32, 0..100_u32).prop_map(|(whole, cents)| format!("{whole}.{cents:02}"))
}

fn comparison() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="])
}

fn int() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("kyc".to_owned()),
        Just("wide".to_owned()),
        (0..5_i64).prop_map(|n| n.to_string()),
        text().prop_map(|text| format!("size({text})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            Just("int(ratio)".to_owned()),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(gold ? {a} : {b})")),
        ]
    })
    .boxed()
}

/// Never NaN: cel-core's evaluator fails on its comparisons, where the language says that they are false.
fn double() -> BoxedStrategy<String> {
    let leaf = prop_oneof![Just("ratio".to_owned()), decimal(), int().prop_map(|n| format!("double({n})"))];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(gold ? {a} : {b})")),
        ]
    })
    .boxed()
}

fn truth() -> BoxedStrategy<String> {
    let test = prop::sample::select(vec!["startsWith", "endsWith", "contains"]);
    let leaf = prop_oneof![
        Just("rooted".to_owned()),
        Just("gold".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        (int(), comparison(), int()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (double(), comparison(), double()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (comparison(), decimal()).prop_map(|(op, b)| format!("(amount {op} {b})")),
        (decimal(), comparison()).prop_map(|(a, op)| format!("({a} {op} amount)")),
        (text(), comparison(), text()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (text(), test, text()).prop_map(|(a, test, b)| format!("{a}.{test}({b})")),
        (int(), int(), int()).prop_map(|(a, b, c)| format!("({a} in [{b}, {c}])")),
        (text(), text(), text()).prop_map(|(a, b, c)| format!("({a} in [{b}, {c}])")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} == {b})")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    })
    .boxed()
}

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
        let stated = json!({
            "kyc": given.kyc, "wide": given.wide, "ratio": given.ratio, "rooted": given.rooted, "gold": given.gold,
            "account": given.account, "amount": format!("{}.{:02}", given.amount_minor / 100, given.amount_minor % 100),
        });
        let expected = cel(&expression, &given);
        match evaluate(&expression, stated.as_object().unwrap(), None) {
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

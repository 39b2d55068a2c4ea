//! Random well-typed expressions, and random values for the variables they name.

use proptest::prelude::*;

/// Values of the variables that expressions may name.
#[derive(Clone, Debug)]
pub struct Given {
    pub kyc: i64,
    pub wide: i64,
    pub ratio: f64,
    pub rooted: bool,
    pub gold: bool,
    pub account: String,
    pub amount_minor: i64,
}

/// Any values, the largest and smallest whole numbers among them.
pub fn given() -> impl Strategy<Value = Given> {
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

/// Any condition over the variables.
pub fn truth() -> BoxedStrategy<String> {
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

/// The values as `rules eval` takes them.
pub fn stated(given: &Given) -> serde_json::Map<String, serde_json::Value> {
    let amount = format!("{}.{:02}", given.amount_minor / 100, given.amount_minor % 100);
    let values = serde_json::json!({
        "kyc": given.kyc, "wide": given.wide, "ratio": given.ratio, "rooted": given.rooted, "gold": given.gold,
        "account": given.account, "amount": amount,
    });
    values.as_object().cloned().unwrap_or_default()
}

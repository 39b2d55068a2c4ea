//! Random well-typed expressions.
//!
//! Left out are NaN (see [`double`]), whole numbers beside doubles that are not small, where cel-core rounds first, doubles
//! written as texts, and `field == null`, which here asks whether the event carried the field.

use proptest::prelude::*;

/// `getMilliseconds` of a duration, told from that of a moment by its blank.
pub const MILLISECONDS_OF_SPAN: &str = "getMilliseconds( )";

/// The time that events arrive at: a Monday, 10:00 UTC.
pub const NOW_MS: i64 = 1_767_607_200_000;

/// That many expressions, or as many as `PROPTEST_CASES` says.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

fn one_of(all: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(all)
}

fn comparison() -> impl Strategy<Value = &'static str> {
    one_of(&["==", "!=", "<", "<=", ">", ">="])
}

fn word() -> impl Strategy<Value = String> {
    "[ab名]{0,2}".prop_map(|text| format!("{text:?}"))
}

fn text() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => Just("account".to_owned()),
        2 => word(),
        1 => Just("string(kyc)".to_owned()),
        1 => Just("string(wide)".to_owned()),
        1 => Just("string(gold)".to_owned()),
        1 => Just("string(bytes(account))".to_owned()),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(gold ? {a} : {b})")),
            (inner.clone(), inner, small()).prop_map(|(a, b, i)| format!("[{a}, {b}][{i}]")),
        ]
    })
    .boxed()
}

fn bytes() -> impl Strategy<Value = String> {
    let leaf = one_of(&["b\"\"", "b\"a\"", "b\"名\"", "b\"\\xff\\x00\""]);
    (leaf.clone(), leaf, text()).prop_map(|(a, b, c)| format!("({a} + {b} + bytes({c}))"))
}

/// A place in a short list or just behind it; never before it, where cel-core counts from the end and the language fails.
fn small() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("kyc".to_owned()), 4 => (0..2_i64).prop_map(|n| n.to_string()), 1 => (2..4_i64).prop_map(|n| n.to_string())]
}

fn decimal() -> impl Strategy<Value = String> {
    (0..10_u32, 0..100_u32).prop_map(|(whole, cents)| format!("{whole}.{cents:02}"))
}

/// A list of whole numbers of which each event has its own items.
fn ints(int: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let list = (int.clone(), int.clone(), int.clone()).prop_map(|(a, b, c)| format!("[{a}, {b}, {c}]"));
    list.prop_recursive(2, 6, 2, move |inner| {
        let int = int.clone();
        prop_oneof![
            (inner.clone(), comparison(), int.clone())
                .prop_map(|(list, op, a)| format!("{list}.filter(x, x {op} {a})")),
            (inner.clone(), int.clone()).prop_map(|(list, a)| format!("{list}.map(x, x - {a})")),
            (inner.clone(), comparison(), int)
                .prop_map(|(list, op, a)| format!("{list}.map(x, x {op} {a}, x * 2)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(rooted ? {a} : {b})")),
        ]
    })
    .boxed()
}

fn plain_int() -> BoxedStrategy<String> {
    prop_oneof![Just("kyc".to_owned()), Just("wide".to_owned()), (0..5_i64).prop_map(|n| n.to_string())]
        .boxed()
}

fn int() -> BoxedStrategy<String> {
    let zone = one_of(&["", "\"Asia/Shanghai\"", "\"America/New_York\"", "\"-03:30\"", "\"UTC\""]);
    let part = one_of(&[
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    ]);
    let of_span = one_of(&["getHours()", "getMinutes()", "getSeconds()", MILLISECONDS_OF_SPAN]);
    let leaf = prop_oneof![
        6 => plain_int(),
        1 => text().prop_map(|text| format!("size({text})")),
        1 => text().prop_map(|text| format!("size(bytes({text}))")),
        1 => bytes().prop_map(|bytes| format!("size({bytes})")),
        1 => (moment(), part, zone).prop_map(|(moment, part, zone)| format!("{moment}.{part}({zone})")),
        1 => (span(), of_span).prop_map(|(span, part)| format!("({span}.{part})")),
        1 => ints(plain_int()).prop_map(|list| format!("size({list})")),
        1 => (ints(plain_int()), small()).prop_map(|(list, i)| format!("{list}[{i}]")),
        1 => (plain_int(), plain_int(), word()).prop_map(|(a, b, key)| format!("{{\"a\": {a}, \"b\": {b}}}[{key}]")),
        1 => Just("int(account)".to_owned()),
        1 => Just("size(ext)".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), one_of(&["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            Just("int(ratio)".to_owned()),
            uint().prop_map(|a| format!("int({a})")),
            moment().prop_map(|a| format!("int({a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(gold ? {a} : {b})")),
        ]
    })
    .boxed()
}

fn uint() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        (0..5_u64).prop_map(|n| format!("{n}u")),
        Just("18446744073709551615u".to_owned()),
        Just("uint(kyc)".to_owned()),
        Just("uint(wide)".to_owned()),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), one_of(&["+", "-", "*", "/", "%"]), inner)
            .prop_map(|(a, op, b)| format!("({a} {op} {b})"))
    })
    .boxed()
}

/// Never NaN: cel-core's evaluator fails on its comparisons, where the language says that they are false.
fn double() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("ratio".to_owned()),
        decimal(),
        int().prop_map(|n| format!("double({n})")),
        uint().prop_map(|n| format!("double({n})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), one_of(&["+", "-", "*"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), divisor()).prop_map(|(a, b)| format!("({a} / {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(gold ? {a} : {b})")),
        ]
    })
    .boxed()
}

/// Never zero, by which zero is no number; and large enough for what is divided to stay far from infinite.
fn divisor() -> impl Strategy<Value = String> {
    (1..10_u32, 0..100_u32).prop_map(|(whole, cents)| format!("{whole}.{cents:02}"))
}

/// Whole seconds: sums of fractions that cel-core makes are not equal to what they are.
fn span() -> BoxedStrategy<String> {
    let written = one_of(&["90s", "1h30m", "-2s", "1s", "0s", "87600h"]);
    let leaf = written.prop_map(|text| format!("duration({text:?})"));
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), one_of(&["+", "-"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(gold ? {a} : {b})")),
            Just("(time - timestamp(\"2026-01-05T09:57:30.25Z\"))".to_owned()),
        ]
    })
    .boxed()
}

fn moment() -> BoxedStrategy<String> {
    let written = one_of(&[
        "2026-01-05T10:00:00Z",
        "2024-02-29T23:30:00.25Z",
        "1969-12-31T23:59:59Z",
        "2026-07-01T00:00:00+08:00",
        "0001-01-01T00:00:00Z",
    ]);
    let leaf = prop_oneof![
        2 => Just("time".to_owned()),
        1 => written.prop_map(|text| format!("timestamp({text:?})")),
        1 => Just("timestamp(kyc)".to_owned()),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), one_of(&["+", "-"]), span()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(rooted ? {a} : {b})")),
        ]
    })
    .boxed()
}

/// Any condition over the variables.
pub fn truth() -> BoxedStrategy<String> {
    let test = one_of(&["startsWith", "endsWith", "contains"]);
    let pattern = one_of(&["^a+$", "名", "[0-9]{2}", "(?i)A|B$", "", "^-?[1-5]", "^(ab|ba)*$"]);
    let quantified = one_of(&["exists", "all", "exists_one"]);
    let over_text = one_of(&["x.startsWith(\"a\")", "x == account", "size(x) > 1", "x.matches(\"名\")"]);
    let leaf = prop_oneof![
        Just("rooted".to_owned()),
        Just("gold".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        (int(), comparison(), int()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (uint(), comparison(), uint()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (double(), comparison(), double()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        // Small ones: cel-core rounds a whole number to a double first, where the language compares exactly.
        (small(), comparison(), double()).prop_map(|(a, op, b)| format!("(dyn({a}) {op} dyn({b}))")),
        (uint(), comparison(), int()).prop_map(|(a, op, b)| format!("(dyn({a}) {op} dyn({b}))")),
        (double(), comparison(), small()).prop_map(|(a, op, b)| format!("(dyn({a}) {op} dyn(uint({b})))")),
        (comparison(), decimal()).prop_map(|(op, b)| format!("(amount {op} {b})")),
        (decimal(), comparison()).prop_map(|(a, op)| format!("({a} {op} amount)")),
        (text(), comparison(), text()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (text(), comparison(), text()).prop_map(|(a, op, b)| format!("(bytes({a}) {op} bytes({b}))")),
        (span(), comparison(), span()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (moment(), comparison(), moment()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (text(), test, text()).prop_map(|(a, test, b)| format!("{a}.{test}({b})")),
        (text(), pattern.clone()).prop_map(|(a, pattern)| format!("{a}.matches({pattern:?})")),
        (text(), pattern).prop_map(|(a, pattern)| format!("matches({a}, {pattern:?})")),
        (text(), comparison(), bytes()).prop_map(|(a, op, b)| format!("(bytes({a}) {op} {b})")),
        (int(), ints(int())).prop_map(|(a, list)| format!("({a} in {list})")),
        (text(), text(), text()).prop_map(|(a, b, c)| format!("({a} in [{b}, {c}])")),
        (text(), int()).prop_map(|(a, b)| format!("({a} in {{\"a\": {b}, \"\": 1}})")),
        (ints(plain_int()), quantified.clone(), comparison(), int())
            .prop_map(|(list, q, op, a)| format!("{list}.{q}(x, x {op} {a})")),
        (text(), text(), quantified, over_text).prop_map(|(a, b, q, c)| format!("[{a}, {b}].{q}(x, {c})")),
        (int(), int(), int()).prop_map(|(a, b, c)| format!("([{a}, {b}] == [{c}, {b}])")),
        Just("bool(account)".to_owned()),
        one_of(&["wide", "ratio", "gold"]).prop_map(|name| format!("has(ext.{name})")),
        one_of(&["wide", "ratio", "gold", "other"]).prop_map(|name| format!("(\"{name}\" in ext)")),
        (one_of(&["exists", "all"]), text()).prop_map(|(q, a)| format!("ext.{q}(k, k > {a})")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), comparison(), inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    })
    .boxed()
}

/// The same expression over the fields of an event.
pub fn over_fields(expression: &str) -> String {
    let fields =
        [("wide", "ext.wide"), ("ratio", "ext.ratio"), ("gold", "ext.gold"), ("rooted", "device.rooted")];
    let replaced = |text: String, (name, field): (&str, &str)| {
        let mut parts = text.split(name).peekable();
        let mut whole = String::new();
        while let Some(part) = parts.next() {
            whole += part;
            // In quotes, behind a dot and within a longer word it is no variable.
            let itself = whole.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '"'));
            whole += if parts.peek().is_none() {
                ""
            } else if itself {
                name
            } else {
                field
            };
        }
        whole
    };
    fields.into_iter().fold(expression.to_owned(), replaced)
}

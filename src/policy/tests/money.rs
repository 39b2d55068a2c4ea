//! Sums, products and comparisons of money and decimals are what they are on paper: held against whole numbers of millionths.

use policy::eval::{Value, evaluate};
use proptest::prelude::*;

/// Millionths of a major unit.
const UNIT: i128 = 1_000_000;

/// An expression, and its value for an amount in hundredths; none where it fails.
#[derive(Clone, Debug)]
enum Tree {
    Amount,
    Decimal(i64),
    Whole(i64),
    Named,
    Binary(&'static str, Box<Tree>, Box<Tree>),
    Call(&'static str, Vec<Tree>),
}

/// What the policy below calls 0.29.
const FEE: i64 = 29;
const VALUES: &str = "
values: { fee: 0.29 }
rules: [{ id: r, tier: deny, when: amount > fee, reason: { code: R1, text: t } }]
";

impl Tree {
    fn written(&self) -> String {
        match self {
            Tree::Amount => "amount".to_owned(),
            Tree::Decimal(cents) => format!("{}.{:02}", cents / 100, cents % 100),
            Tree::Whole(n) => n.to_string(),
            Tree::Named => "fee".to_owned(),
            Tree::Binary(op, a, b) => format!("({} {op} {})", a.written(), b.written()),
            Tree::Call(name, args) => {
                let args: Vec<String> = args.iter().map(Tree::written).collect();
                format!("{name}({})", args.join(", "))
            }
        }
    }

    fn value(&self, amount: i64) -> Option<i128> {
        let cents = |cents: i64| Some(i128::from(cents) * UNIT / 100);
        match self {
            Tree::Amount => cents(amount),
            Tree::Decimal(n) => cents(*n),
            Tree::Whole(n) => Some(i128::from(*n) * UNIT),
            Tree::Named => cents(FEE),
            Tree::Binary(op, a, b) => {
                let (a, b) = (a.value(amount)?, b.value(amount)?);
                match *op {
                    "+" => Some(a + b),
                    "-" => Some(a - b),
                    "%" => a.checked_rem(b),
                    _ => Some(a * b / UNIT),
                }
            }
            Tree::Call(name, args) => {
                let mut args = args.iter().map(|arg| arg.value(amount));
                let first = args.next()??;
                args.try_fold(first, |held, next| {
                    Some(if *name == "min" { held.min(next?) } else { held.max(next?) })
                })
                .map(|value| if *name == "abs" { value.abs() } else { value })
            }
        }
    }
}

fn binary(op: &'static str, a: Tree, b: Tree) -> Tree {
    Tree::Binary(op, Box::new(a), Box::new(b))
}

/// A decimal of at most two places: a literal, a named value, or their sums and differences.
fn decimal() -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![4 => (0..2_000_i64).prop_map(Tree::Decimal), 1 => Just(Tree::Named)];
    leaf.prop_recursive(2, 4, 2, |inner| {
        (inner.clone(), prop::sample::select(&["+", "-"][..]), inner).prop_map(|(a, op, b)| binary(op, a, b))
    })
    .boxed()
}

fn money() -> BoxedStrategy<Tree> {
    let leaf = Just(Tree::Amount);
    leaf.prop_recursive(3, 8, 2, |inner| {
        let sign = prop::sample::select(&["+", "-"][..]);
        let name = prop::sample::select(&["min", "max"][..]);
        prop_oneof![
            (inner.clone(), sign.clone(), decimal()).prop_map(|(a, op, b)| binary(op, a, b)),
            (decimal(), sign.clone(), inner.clone()).prop_map(|(a, op, b)| binary(op, a, b)),
            (inner.clone(), sign, inner.clone()).prop_map(|(a, op, b)| binary(op, a, b)),
            (inner.clone(), 0..4_i64).prop_map(|(a, n)| binary("*", a, Tree::Whole(n))),
            (inner.clone(), (1..40_i64).prop_map(|n| Tree::Decimal(n * 5)))
                .prop_map(|(a, by)| binary("%", a, by)),
            (name, inner.clone(), decimal()).prop_map(|(name, a, b)| Tree::Call(name, vec![b, a])),
            inner.prop_map(|a| Tree::Call("abs", vec![a])),
        ]
    })
    .boxed()
}

/// Half of them close to what they are compared with, and at it.
fn compared() -> impl Strategy<Value = (Tree, &'static str, i64, i64)> {
    let op = prop::sample::select(&["==", "!=", "<", "<=", ">", ">="][..]);
    let near = prop_oneof![Just(0_i64), -1..=1_i64, -100_000..100_000_i64];
    (money(), op, 0..1_000_000_i64, near)
}

fn says(expression: &str, amount: i64) -> Value {
    let bundle = policy::compile_sources(&[("v.yaml", VALUES)]).bundle;
    let given = serde_json::json!({ "amount": format!("{}.{:02}", amount / 100, amount % 100) });
    evaluate(expression, given.as_object().unwrap(), bundle.as_ref())
        .unwrap_or_else(|faults| panic!("{expression}: {}", faults.render(false)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_and_decimals_are_added_and_compared_as_on_paper((tree, op, amount, near) in compared()) {
        let value = tree.value(amount).unwrap();
        // Of at most two decimals: whatever was multiplied was so by whole numbers.
        let threshold = (value / (UNIT / 100)) as i64 + near;
        let literal = format!("{}{}.{:02}", if threshold < 0 { "-" } else { "" }, threshold.abs() / 100, threshold.abs() % 100);
        let expression = format!("{} {op} {literal}", tree.written());
        let order = value.cmp(&(i128::from(threshold) * UNIT / 100));
        let expected = match op {
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_ge(),
        };
        prop_assert_eq!(says(&expression, amount), Value::Bool(expected), "{} of {}", expression, amount);
    }

    #[test]
    fn products_and_quotients_of_decimals_meet_what_they_are_equal_to(
        amount in 0..100_000_000_i64,
        by in 1..10_000_i64,
    ) {
        let decimal = |units: i128, places: usize| {
            let power = 10_i128.pow(places as u32);
            format!("{}.{:0places$}", units / power, units % power)
        };
        let factor = decimal(by.into(), 2);
        let product = decimal(i128::from(amount) * i128::from(by), 4);
        for expression in [
            format!("amount * {factor} >= {product}"),
            format!("amount * {factor} <= {product}"),
            format!("{factor} * amount == {product}"),
            format!("amount * {factor} * 0.5 == {product} * 0.5"),
            format!("amount * {by} / {by} == amount"),
            "amount + 0.01 > amount && amount - 0.01 < amount".to_string(),
        ] {
            prop_assert_eq!(says(&expression, amount), Value::Bool(true), "{} of {}", expression, amount);
        }
    }
}

#[test]
fn what_people_write_of_money_is_exact() {
    for (expression, amount) in [
        ("amount + 0.29 >= 170.99", 17_070),
        ("amount == 4.35 * 3.0", 1_305),
        ("amount == 0.1 + 0.2", 30),
        ("amount - fee == 0.01", 30),
        ("amount / 3 >= 0.1", 30),
        ("amount % 100 == 0", 500_000),
        ("amount % 100 != 0", 500_001),
        ("abs(amount - 5.00) <= 0.01", 499),
        ("min(amount, 5.00, 4.00) == 4", 600),
        ("max(amount, 5.00) == amount", 600),
        ("amount * 0.07 == 0.63", 900),
        ("1.10 * amount == 1.21", 110),
        ("amount / 4 == 0.0825", 33),
    ] {
        assert_eq!(says(expression, amount), Value::Bool(true), "{expression}");
    }
}

//! The examples of `docs/rules.md` are together one policy without a fault, and its expressions are what it says they are.

const PAGE: &str = include_str!("../../../docs/rules.md");

#[test]
fn the_examples_of_the_page_compile_as_one_policy() {
    let blocks = PAGE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let files: Vec<(String, &str)> =
        blocks.enumerate().map(|(i, text)| (format!("{i}.yaml"), text)).collect();
    assert!(files.len() >= 7);
    let texts: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let compiled = policy::compile_sources(&texts);
    // Examples declare more than they read.
    let sound = compiled.diagnostics.iter().all(|fault| fault.code == policy::Code::Unused);
    assert!(sound, "{}", compiled.render(false));
    let failures = policy::testing::failures(compiled.bundle.as_ref().unwrap());
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn a_share_of_own_amounts_over_nine_tenths_is_three_deviations() {
    let over = |share: &str, deviations: f64| {
        let given = serde_json::json!({ "amount": "1.00", "amount_zscore": deviations });
        let expression = format!("percentile_of_own(amount) > {share}");
        policy::eval::evaluate(&expression, given.as_object().unwrap(), None).unwrap()
            == policy::eval::Value::Bool(true)
    };
    for (share, deviations) in [("0.9", 3.0), ("0.8", 2.0), ("0.5", 1.0)] {
        assert!(!over(share, deviations - 0.01) && over(share, deviations + 0.01), "{share}");
    }
}

#[test]
fn every_expression_of_the_page_is_true() {
    let blocks = PAGE.split("```cel\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() >= 10);
    for line in lines {
        let value = policy::eval::evaluate(line, &serde_json::Map::new(), None);
        let value = value.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        assert_eq!(value, policy::eval::Value::Bool(true), "{line}");
    }
}

#[test]
fn the_page_tells_of_every_field_and_profile_feature_what_the_table_does() {
    use engine::feature::{BUILTINS, Scalar, Type};
    for &(_, name, ty, missing, doc) in BUILTINS.iter().filter(|row| !row.0.id().is_score()) {
        let missing = match missing {
            Scalar::Bool(truth) => truth.to_string(),
            Scalar::Int(number) => number.to_string(),
            Scalar::Money(minor) => format!("{}.{:02}", minor / 100, minor % 100),
            Scalar::Double(number) => format!("{number:?}"),
            Scalar::NoText => "\"\"".to_owned(),
        };
        let ty = match ty {
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Money => "money",
            Type::Double => "double",
            Type::Text => "text",
        };
        let row = format!("| `{name}` | {ty} | {doc} | {missing} |");
        assert!(PAGE.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn the_page_names_every_kind_and_every_class_of_device() {
    let row = |name: &str| PAGE.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap();
    for kind in wire::Kind::ALL {
        assert!(row("kind").contains(kind.name()) && PAGE.contains(&format!("`{kind}`")), "{kind}");
    }
    for class in wire::DeviceClass::ALL {
        assert!(row("device.class").contains(class.name()), "{class}");
    }
}

#[test]
fn the_bounds_on_the_page_are_the_bounds() {
    use policy::limits::{
        EXPRESSION_BYTES_MAX, EXPRESSION_MARKS_MAX, FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX,
    };
    assert_eq!((FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX), (1 << 20, 256, 16 << 20));
    assert_eq!((policy::limits::PATTERN_BYTES_MAX, engine::limits::JOINED_BYTES_MAX), (1 << 20, 1_024));
    use policy::limits::{
        CONSTANT_BYTES_MAX, COPIED_BYTES_MAX, ITEMS_MAX, NODES_MAX, PATTERNS_BYTES_MAX, POLICY_STEPS_MAX,
        STEPS_MAX,
    };
    assert_eq!(
        (STEPS_MAX, POLICY_STEPS_MAX, ITEMS_MAX, CONSTANT_BYTES_MAX),
        (20_000, 2_000_000, 2_048, 8 << 10)
    );
    assert_eq!((PATTERNS_BYTES_MAX, COPIED_BYTES_MAX, NODES_MAX), (16 << 20, 16 << 20, 1_048_576));
    assert_eq!((EXPRESSION_BYTES_MAX, EXPRESSION_MARKS_MAX), (8 << 10, 1_024));
    assert_eq!(
        (engine::limits::RULES_MAX, engine::limits::WINDOWS_MAX, engine::limits::KEYS_MAX),
        (10_000, 256, 16)
    );
    assert_eq!((engine::limits::GROUPS_MAX, wire::limits::AMOUNT_MINOR_MAX), (32, 1_000_000_000_000));
    assert_eq!((policy::limits::TENANTS_MAX, policy::limits::VALUES_MAX), (64, 256));
    assert_eq!((engine::limits::LISTS_MAX, engine::limits::LIMITS_MAX), (64, 64));
    assert_eq!((engine::limits::BREAKERS_MAX, engine::limits::BREAKER_TRIALS_MAX), (64, 1_000));
}

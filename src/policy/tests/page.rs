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
fn the_page_tells_of_every_profile_feature_what_the_table_does() {
    use engine::feature::{BUILTINS, Builtin, Scalar, Type};
    let from = Builtin::AccountAge.id().index();
    for &(builtin, name, ty, missing, doc) in BUILTINS[from..].iter().filter(|row| !row.0.id().is_score()) {
        let missing = match missing {
            Scalar::Bool(truth) => truth.to_string(),
            Scalar::Int(number) => number.to_string(),
            Scalar::Money(minor) => format!("{}.{:02}", minor / 100, minor % 100),
            Scalar::Double(number) => format!("{number:?}"),
            Scalar::NoText => panic!("{builtin:?} is a text"),
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
fn the_bounds_on_the_page_are_the_bounds() {
    use policy::limits::{
        EXPRESSION_BYTES_MAX, EXPRESSION_MARKS_MAX, FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX,
    };
    assert_eq!((FILE_BYTES_MAX, FILES_MAX, TOTAL_BYTES_MAX), (1 << 20, 256, 16 << 20));
    assert_eq!((policy::limits::PATTERN_BYTES_MAX, engine::limits::JOINED_BYTES_MAX), (1 << 20, 1_024));
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

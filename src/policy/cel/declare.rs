//! What expressions may say: the feature table as variables, and money as a type of its own.
//!
//! Money is declared apart from int and double so that `amount < 5.00` can be compared in minor units, and so that a
//! nonsense such as `amount + account` is a type error in the analyst's own words.

use cel_core::{CelType, Env, FunctionDecl, OverloadDecl};
use engine::feature::{FeatureTable, Type};

/// Words that cannot name a feature or list: CEL's own, its types, its functions and ours.
const RESERVED: [&str; 47] = [
    "as",
    "biometric",
    "bool",
    "break",
    "bytes",
    "const",
    "contains",
    "continue",
    "device",
    "double",
    "duration",
    "dyn",
    "else",
    "endsWith",
    "ext",
    "false",
    "for",
    "function",
    "geo",
    "has",
    "if",
    "import",
    "in",
    "int",
    "let",
    "list",
    "lists",
    "loop",
    "map",
    "matches",
    "namespace",
    "null",
    "null_type",
    "package",
    "qr",
    "return",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "token",
    "true",
    "type",
    "uint",
    "var",
    "void",
    "while",
];

/// Whether expressions already mean something by this word.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// The type of a feature in expressions.
fn cel_type(ty: Type) -> CelType {
    match ty {
        Type::Bool => CelType::Bool,
        Type::Int => CelType::Int,
        Type::Money => money(),
        Type::Double => CelType::Double,
        Type::Text => CelType::String,
    }
}

fn money() -> CelType {
    CelType::abstract_type("money", &[])
}

/// The environment that expressions are checked in.
pub(crate) fn environment(features: &FeatureTable) -> Env {
    let mut env = Env::with_standard_library();
    for (_, feature) in features.iter() {
        env.add_variable(feature.name.as_str(), cel_type(feature.ty));
    }
    env.add_variable("lists", CelType::list(CelType::String));
    env.add_function(FunctionDecl::new("has").with_overload(OverloadDecl::function(
        "has_field",
        vec![CelType::Dyn],
        CelType::Bool,
    )));
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        env.add_function(comparison(name));
    }
    for (name, pairs) in arithmetic() {
        let mut function = FunctionDecl::new(name);
        for (i, (a, b, result)) in pairs.into_iter().enumerate() {
            function =
                function.with_overload(OverloadDecl::function(format!("money{name}{i}"), vec![a, b], result));
        }
        env.add_function(function);
    }
    for (name, result) in [("-_", money()), ("int", CelType::Int), ("double", CelType::Double)] {
        let overload = OverloadDecl::function(format!("money_{name}"), vec![money()], result);
        env.add_function(FunctionDecl::new(name).with_overload(overload));
    }
    env
}

/// Every pair of two different number types can be ordered; CEL's own library has the pairs of one type.
fn comparison(name: &str) -> FunctionDecl {
    let types = [CelType::Int, CelType::Double, money()];
    let mut function = FunctionDecl::new(name);
    for a in &types {
        for b in &types {
            if a != b || *a == money() {
                let id = format!("{name}_{}_{}", a.display_name(), b.display_name());
                function = function.with_overload(OverloadDecl::function(
                    id,
                    vec![a.clone(), b.clone()],
                    CelType::Bool,
                ));
            }
        }
    }
    function
}

/// Types of the two sides and of the result.
type Signature = (CelType, CelType, CelType);

/// Sums of money and whole multiples stay money; everything else is a double in major units.
fn arithmetic() -> Vec<(&'static str, Vec<Signature>)> {
    use CelType::{Double, Int};
    let mixed = |to_int: CelType| {
        vec![
            (money(), Int, to_int.clone()),
            (Int, money(), to_int),
            (money(), Double, Double),
            (Double, money(), Double),
        ]
    };
    let with = |first: Signature, mut rest: Vec<_>| {
        rest.push(first);
        rest
    };
    vec![
        ("_+_", with((money(), money(), money()), mixed(Double))),
        ("_-_", with((money(), money(), money()), mixed(Double))),
        ("_*_", with((money(), money(), Double), mixed(money()))),
        ("_/_", with((money(), money(), Double), mixed(Double))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("in") && is_reserved("while") && is_reserved("as"));
    }

    #[test]
    fn every_feature_is_a_variable() {
        let features = FeatureTable::default();
        let env = environment(&features);
        for (_, feature) in features.iter() {
            assert!(env.variables().contains_key(&feature.name), "{}", feature.name);
        }
    }
}

//! What a model reads, held against what a policy's features are: name, type, unit, and the value where an event has none.
//!
//! A model that was trained on yuan scores fen without a murmur, and one that learnt −1 for "never" takes a 0 for "just
//! now". So the manifest says what training saw, by the same words that are found here for the table that shall serve.

use std::fmt;

use engine::feature::{Feature, FeatureTable, Type};

use crate::manifest::{Input, Manifest};

/// Unit of an input that no feature table told of: the model was made without the policy. It is not compared.
pub const UNKNOWN: &str = "unknown";

/// Unit of an input that holds categories: the codes that training used.
pub const CATEGORY: &str = "category code";

/// Why a policy cannot use a model.
#[derive(Clone, Debug, PartialEq)]
pub enum InputError {
    /// An input that no feature has.
    Unknown {
        /// The name.
        name: String,
        /// The nearest name that there is.
        nearest: String,
    },
    /// An input that is text: trees compare numbers.
    Text(String),
    /// An input in another unit than the feature.
    Unit {
        /// The name.
        name: String,
        /// The model's.
        trained: String,
        /// The feature's.
        feature: &'static str,
    },
    /// An input that has another value than the feature where an event has none.
    Missing {
        /// The name.
        name: String,
        /// The model's.
        trained: f64,
        /// The feature's.
        feature: f64,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::Unknown { name, nearest } => {
                write!(f, "no feature is named `{name}`; the nearest is `{nearest}`")
            }
            InputError::Text(name) => write!(f, "feature `{name}` is text, and trees compare numbers"),
            InputError::Unit { name, trained, feature } => {
                write!(
                    f,
                    "input `{name}` was trained on in the unit `{trained}`, the feature's is `{feature}`"
                )
            }
            InputError::Missing { name, trained, feature } => write!(
                f,
                "input `{name}` was {trained} in training where an event has none, the feature is {feature} there"
            ),
        }
    }
}

impl std::error::Error for InputError {}

/// An input of that name as a manifest shall have it: unit and missing value as far as the table knows the feature.
pub fn of(name: &str, features: &FeatureTable) -> Input {
    let feature = features.find(name).map(|id| features.row(id));
    Input {
        name: name.to_owned(),
        unit: feature.map_or(UNKNOWN, |feature| unit(feature, features)).to_owned(),
        missing: feature.map(|feature| feature.missing.to_number()),
        splits: 0.0,
        gain: None,
    }
}

/// The unit of a feature's values as models read them, by its type or the end of its name.
pub fn unit(feature: &Feature, features: &FeatureTable) -> &'static str {
    match feature.ty {
        Type::Bool => "0 or 1",
        // Those of two decimals are what nearly every currency has.
        Type::Money => match features.money_places() {
            2 => "minor units",
            3 => "thousandths",
            _ => "ten thousandths",
        },
        _ if feature.name.ends_with("_s") => "seconds",
        _ if feature.name.ends_with("_km") => "kilometres",
        _ if feature.name.ends_with("_kmh") => "kilometres an hour",
        _ => "number",
    }
}

/// Checks that every input is a feature of that table, a number, and in unit and missing value what the model was trained on,
/// as far as the manifest says.
///
/// # Errors
/// [`InputError`], for the first one.
pub fn check_inputs(manifest: &Manifest, features: &FeatureTable) -> Result<(), InputError> {
    manifest.inputs.iter().try_for_each(|input| check(input, features))
}

fn check(input: &Input, features: &FeatureTable) -> Result<(), InputError> {
    let name = || input.name.clone();
    let Some(id) = features.find(&input.name) else {
        let nearest = features.iter().min_by_key(|(_, row)| edits(&input.name, &row.name));
        let nearest = nearest.map(|(_, row)| row.name.clone()).unwrap_or_default();
        return Err(InputError::Unknown { name: name(), nearest });
    };
    let feature = features.row(id);
    if feature.ty == Type::Text {
        return Err(InputError::Text(name()));
    }
    // Codes are plain numbers to the engine.
    let fits = match input.unit.as_str() {
        UNKNOWN => true,
        CATEGORY => matches!(unit(feature, features), "number" | "0 or 1"),
        trained => trained == unit(feature, features),
    };
    if !fits {
        return Err(InputError::Unit {
            name: name(),
            trained: input.unit.clone(),
            feature: unit(feature, features),
        });
    }
    let served = feature.missing.to_number();
    match input.missing {
        Some(trained) if trained != served && !(trained.is_nan() && served.is_nan()) => {
            Err(InputError::Missing { name: name(), trained, feature: served })
        }
        _ => Ok(()),
    }
}

/// Levenshtein distance in bytes: how many edits turn one name into the other.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use engine::feature::Scalar;

    use super::*;

    /// The built-in features, and those of a policy: how often, how much, and a tier that is -1 where it is not told.
    fn table() -> FeatureTable {
        let mut table = FeatureTable::default();
        for (name, ty, missing) in [
            ("pays_1h", Type::Int, Scalar::Int(0)),
            ("paid_1h", Type::Money, Scalar::Money(0)),
            ("ext.tier", Type::Int, Scalar::Int(-1)),
        ] {
            let (name, doc) = (name.to_owned(), String::new());
            table.push(Feature { name, ty, missing, doc }).expect("a free name");
        }
        table
    }

    fn told(name: &str, unit: &str, missing: Option<f64>) -> Input {
        Input { unit: unit.to_owned(), missing, ..of(name, &table()) }
    }

    #[test]
    fn what_was_made_with_the_table_fits_it() {
        for (_, row) in table().iter().filter(|(_, row)| row.ty != Type::Text) {
            assert_eq!(check(&of(&row.name, &table()), &table()), Ok(()), "{}", row.name);
        }
        let amount = of("amount", &table());
        assert_eq!((amount.unit.as_str(), amount.missing), ("minor units", Some(0.0)));
        assert!(of("geo.lat", &table()).missing.unwrap().is_nan());
    }

    #[test]
    fn an_unknown_feature_is_refused_with_the_nearest_name() {
        let error = check(&of("account_agee_s", &table()), &table()).unwrap_err();
        assert_eq!(error.to_string(), "no feature is named `account_agee_s`; the nearest is `account_age_s`");
        assert_eq!(check(&of("channel", &table()), &table()), Err(InputError::Text("channel".to_owned())));
    }

    #[test]
    fn another_unit_or_missing_value_is_refused_with_both() {
        let refused = |input: &Input| check(input, &table()).unwrap_err().to_string();
        assert_eq!(
            refused(&told("pays_1h", "minor units", Some(0.0))),
            "input `pays_1h` was trained on in the unit `minor units`, the feature's is `number`"
        );
        assert_eq!(
            refused(&told("ext.tier", "number", Some(0.0))),
            "input `ext.tier` was 0 in training where an event has none, the feature is -1 there"
        );
        assert!(refused(&told("geo.lat", "number", Some(0.0))).contains("the feature is NaN there"));
        assert!(refused(&told("amount", CATEGORY, None)).contains("`category code`"));
    }

    #[test]
    fn what_the_manifest_does_not_say_is_not_compared() {
        for input in [
            told("paid_1h", UNKNOWN, None),
            told("ext.tier", "number", None),
            told("ext.tier", CATEGORY, Some(-1.0)),
        ] {
            assert_eq!(check(&input, &table()), Ok(()), "{input:?}");
        }
        let elsewhere = of("paid_1h", &FeatureTable::default());
        assert_eq!((elsewhere.unit.as_str(), elsewhere.missing), (UNKNOWN, None));
    }
}

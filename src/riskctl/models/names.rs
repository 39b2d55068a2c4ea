//! What the inputs of an imported model are called here: the file's own names, or those of `--features`.

use crate::outcome::Failure;

/// What libraries call a column that nobody has named, before its number.
const PLACEHOLDERS: [&str; 6] = ["", "column", "f", "feature", "input", "x"];

/// The inputs by riskd's names: given in the order of training, or as pairs THEIRS=OURS.
///
/// # Errors
/// If a name is none, or those given do not fit the file's.
pub fn of(theirs: &[String], given: &[String]) -> Result<Vec<String>, Failure> {
    let pairs: Vec<(&str, &str)> = given.iter().filter_map(|name| name.split_once('=')).collect();
    let names = given.iter().flat_map(|name| name.split('='));
    if let Some(name) = names.into_iter().find(|name| name.is_empty() || name.trim() != *name) {
        return Err(Failure(format!("--features: {name:?} is no name: it is empty or has spaces around it")));
    }
    if !pairs.is_empty() && pairs.len() < given.len() {
        return Err("--features takes names in order, or pairs THEIRS=OURS, not both".into());
    }
    for (at, (name, _)) in pairs.iter().enumerate() {
        if !theirs.iter().any(|known| known == name) {
            return Err(Failure(format!("the model has no input `{name}`; it has {}", theirs.join(", "))));
        }
        if pairs[..at].iter().any(|(other, _)| other == name) {
            return Err(Failure(format!("--features: `{name}` of the model is given two names")));
        }
    }
    if pairs.is_empty() && !given.is_empty() {
        in_order(theirs, given)?;
        return Ok(given.to_vec());
    }
    let ours = |name: &String| {
        let pair = pairs.iter().find(|(theirs, _)| theirs == name);
        pair.map_or(name.as_str(), |(_, ours)| ours).to_owned()
    };
    Ok(theirs.iter().map(ours).collect())
}

/// Whether names in order may stand for the file's. Other than a placeholder, a name of the file says what the input is, and a
/// list that says something else may be in another order.
fn in_order(theirs: &[String], given: &[String]) -> Result<(), Failure> {
    if given.len() != theirs.len() {
        let (names, inputs) = (given.len(), theirs.len());
        return Err(Failure(format!("--features has {names} names, the model {inputs} inputs")));
    }
    let both = || theirs.iter().zip(given).enumerate();
    let differs =
        |(place, (their, our)): &(usize, (&String, &String))| their != our && !is_placeholder(their, *place);
    let Some((place, (their, our))) = both().find(differs) else { return Ok(()) };
    let file = theirs.join(",");
    let (mut sorted, mut sorted_given) = (theirs.to_vec(), given.to_vec());
    sorted.sort();
    sorted_given.sort();
    if sorted == sorted_given {
        return Err(Failure(format!(
            "--features names the inputs in another order than the file, whose order is {file}: leave the option out"
        )));
    }
    Err(Failure(format!(
        "--features says `{our}` where the file says `{their}`, input {} of {file}: if that is its name here, give pairs, \
         --features {their}={our},…",
        place + 1
    )))
}

/// Whether a name says no more than the place of its column, counted from 0.
fn is_placeholder(name: &str, place: usize) -> bool {
    let lower = name.to_ascii_lowercase();
    let word = lower.strip_suffix(&place.to_string()).map(|word| word.trim_end_matches('_'));
    word.is_some_and(|word| PLACEHOLDERS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_a_number_with_a_word_that_says_nothing() {
        for (name, place) in [("Column_0", 0), ("f12", 12), ("3", 3), ("feature_1", 1), ("x_2", 2)] {
            assert!(is_placeholder(name, place), "{name}");
        }
        // The number of another column says that the order is another.
        for (name, place) in [("Column_1", 0), ("f12", 2), ("pays_1", 1), ("amount", 0), ("", 0), ("V1", 1)] {
            assert!(!is_placeholder(name, place), "{name}");
        }
    }
}

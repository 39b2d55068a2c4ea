//! Lengths of time on the command line: a number in the unit that the option is named after, or a text with
//! units such as `1h30m` or `1w`.

pub use events::days;
use model::split::Part;

/// Whole seconds, at least one.
pub fn seconds(text: &str) -> Result<u32, String> {
    let too_long = || format!("`{text}` is too long");
    let seconds = if is_number(text) {
        text.parse().map_err(|_| format!("`{text}` is not a whole number of seconds"))?
    } else {
        match wire::duration::parse_ms(text).map_err(|error| error.to_string())? {
            ms if ms % 1_000 == 0 => u32::try_from(ms / 1_000).map_err(|_| too_long())?,
            _ => return Err(format!("`{text}` is not a whole number of seconds")),
        }
    };
    if seconds == 0 { Err("expected at least 1s".to_owned()) } else { Ok(seconds) }
}

/// How much of the rows a later part takes: a share such as `0.2`, or the rows of the last `7d`.
pub fn part(text: &str) -> Result<Part, String> {
    let part = if is_number(text) {
        text.parse().ok().filter(|share| (0.0..1.0).contains(share)).map(Part::Share)
    } else {
        Some(Part::Days(days(text).map_err(|error| {
            format!("`{text}` is neither a share such as 0.2 nor a length of time such as 7d: {error}")
        })?))
    };
    part.ok_or_else(|| format!("`{text}` is neither a share such as 0.2 nor a length of time such as 7d"))
}

/// Whether it is written as a number without a unit.
fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_numbers_of_their_unit_or_have_units() {
        assert_eq!((seconds("90"), seconds("1h30m"), seconds("1w")), (Ok(90), Ok(5_400), Ok(604_800)));
        assert_eq!((days("7"), days("1.5"), days("1w"), days("12h")), (Ok(7.0), Ok(1.5), Ok(7.0), Ok(0.5)));
        assert_eq!(
            (part("0.25"), part("7d"), part("1w12h")),
            (Ok(Part::Share(0.25)), Ok(Part::Days(7.0)), Ok(Part::Days(7.5)),)
        );
        for bad in ["", "0", "0s", "1.5", "-1", "1.5s", "9999w", "1mo", "1 h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        for bad in ["", "-1", "NaN", "inf", "1e9", "1mo", "7 d"] {
            assert!(days(bad).is_err(), "{bad}");
        }
        for bad in ["1", "1.0", "-0.1", "NaN", "d", "-1d", "7days", "1e9d", "20%"] {
            assert!(part(bad).is_err(), "{bad}");
        }
    }
}

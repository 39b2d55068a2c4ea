//! Days on the command line and in mapping files: a number, which may have a fraction, or a text with units such as `1w` or `12h`.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

const DAY_MS: f64 = 86_400_000.0;
/// More days than any history has.
const DAYS_MAX: f64 = 1e5;

/// Days of a text.
///
/// # Errors
/// What is wrong with it.
pub fn days(text: &str) -> Result<f64, String> {
    let days = match text.parse::<f64>() {
        Ok(days) => days,
        Err(_) => wire::duration::parse_ms(text).map_err(|error| error.to_string())? as f64 / DAY_MS,
    };
    if (0.0..DAYS_MAX).contains(&days) { Ok(days) } else { Err("expected a number of days".to_owned()) }
}

/// Days of a mapping file.
pub(crate) fn of_file<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of days, or a text with units such as \"1w\"")]
    enum Length {
        Days(f64),
        Text(String),
    }
    match Length::deserialize(from)? {
        Length::Days(days) => Ok(days),
        Length::Text(text) => days(&text).map_err(D::Error::custom),
    }
}

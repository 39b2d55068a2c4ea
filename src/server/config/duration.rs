//! Keys that hold a length of time: a whole number in the unit that the key is named after, or a text with units such as `1h30m`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Milliseconds.
pub fn ms<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(Length { unit_ms: 1, unit: "milliseconds" })
}

/// Seconds, of whichever width the key has.
pub fn s<'de, D: Deserializer<'de>, T: TryFrom<u64>>(from: D) -> Result<T, D::Error> {
    let seconds = from.deserialize_any(Length { unit_ms: 1_000, unit: "seconds" })?;
    T::try_from(seconds).map_err(|_| D::Error::custom(format_args!("{seconds} seconds is too long")))
}

struct Length {
    unit_ms: u64,
    unit: &'static str,
}

impl Visitor<'_> for Length {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "whole {}, or a text with units such as \"1h30m\"", self.unit)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        let ms = wire::duration::parse_ms(text)
            .map_err(|error| E::custom(format_args!("`{text}` is not a length of time: {error}")))?;
        // A length is never below zero.
        let ms = ms.unsigned_abs();
        if ms % self.unit_ms != 0 {
            return Err(E::custom(format_args!("`{text}` is finer than whole {}", self.unit)));
        }
        Ok(ms / self.unit_ms)
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    /// Every key that holds a length of time, with its value under a common unit of a millisecond.
    const KEYS: [(&str, fn(&Config) -> u64); 11] = [
        ("policy.watch_quiet_ms", |c| c.policy.watch_quiet_ms),
        ("drift.horizon_s", |c| c.drift.horizon_s * 1_000),
        ("journal.commit_interval_ms", |c| c.journal.commit_interval_ms),
        ("tokens.valid_seconds", |c| u64::from(c.tokens.valid_seconds) * 1_000),
        ("limits.header_timeout_ms", |c| c.limits.header_timeout_ms),
        ("limits.body_timeout_ms", |c| c.limits.body_timeout_ms),
        ("limits.idle_timeout_ms", |c| c.limits.idle_timeout_ms),
        ("limits.write_timeout_ms", |c| c.limits.write_timeout_ms),
        ("limits.backlog_ms_max", |c| c.limits.backlog_ms_max),
        ("drain.announce_ms", |c| c.drain.announce_ms),
        ("drain.timeout_ms", |c| c.drain.timeout_ms),
    ];

    #[test]
    fn every_length_of_time_takes_units_in_the_file_and_in_the_environment() {
        let shipped: toml::Table = toml::Table::try_from(Config::default()).unwrap();
        let is_length = |key: &String| {
            key.ends_with("_ms") || key.ends_with("_s") || key.contains("_ms_") || key.ends_with("_seconds")
        };
        let named = shipped.iter().flat_map(|(section, keys)| {
            keys.as_table()
                .unwrap()
                .keys()
                .filter(|key| is_length(key))
                .map(move |key| format!("{section}.{key}"))
        });
        let mut named: Vec<String> = named.collect();
        let mut tested: Vec<String> = KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
        named.sort();
        tested.sort();
        assert_eq!(named, tested);
        for (key, ms) in KEYS {
            let (section, name) = key.split_once('.').unwrap();
            let file = |value: &str| Config::from_toml(&format!("[{section}]\n{name} = {value}\n"));
            let variable = format!("RISKD__{}__{}", section.to_uppercase(), name.to_uppercase());
            let environment = |value: &str| {
                Config::default()
                    .override_with([(variable.clone(), value.to_owned())])
                    .map_err(|error| error.to_string())
            };
            for (text, expected) in [("1h30m", 5_400_000), ("1w", 604_800_000), ("2s", 2_000)] {
                assert_eq!(ms(&file(&format!("\"{text}\"")).unwrap()), expected, "{key}");
                assert_eq!(ms(&environment(text).unwrap()), expected, "{key}");
            }
            for (text, words) in
                [("5 min", "not a length of time"), ("1mo", "no fixed length"), ("-1s", "below zero")]
            {
                for error in [file(&format!("\"{text}\"")).unwrap_err(), environment(text).unwrap_err()] {
                    assert!(error.contains(words), "{key}: {error}");
                }
            }
            assert!(file("-1").is_err() && file("1.5").is_err() && environment("true").is_err(), "{key}");
            assert!(file("\"0.5ms\"").unwrap_err().contains("finer"), "{key}");
        }
    }
}

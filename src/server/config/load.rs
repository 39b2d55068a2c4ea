//! From defaults, a file and the environment to one configuration: what comes later wins.

use std::path::Path;

use serde::de::IntoDeserializer;

use super::{Config, ConfigError};

/// Variables of that prefix override a key: `RISKD__LISTEN__HTTP=0.0.0.0:8080`.
const PREFIX: &str = "RISKD__";

impl Config {
    /// Reads a file (or none: the defaults) and the environment.
    ///
    /// # Errors
    /// What is wrong, with the place or the key.
    pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let config = match file {
            None => Config::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
                Config::from_toml(&text).map_err(|error| ConfigError::File(path.to_owned(), error))?
            }
        };
        config.override_with(variables)
    }

    /// Reads the text of a file; keys that it does not name keep their defaults.
    ///
    /// # Errors
    /// The first fault, with its line, column and a caret.
    pub fn from_toml(text: &str) -> Result<Config, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The configuration with the keys that these environment variables name set.
    ///
    /// # Errors
    /// The first variable of our prefix that names no key or does not fit it.
    pub fn override_with(
        self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut ours: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        let mut config = self;
        for (name, value) in ours {
            config = config.set(&name, &value).map_err(|error| ConfigError::Variable(name, error))?;
        }
        Ok(config)
    }

    fn set(&self, name: &str, value: &str) -> Result<Config, String> {
        let mut table = toml::Table::try_from(self).map_err(|error| error.to_string())?;
        let path = name[PREFIX.len()..].to_lowercase();
        let slot = path
            .split_once("__")
            .and_then(|(section, key)| table.get_mut(section)?.as_table_mut()?.get_mut(key))
            .ok_or_else(|| format!("there is no key `{}`", path.replace("__", ".")))?;
        // A key that holds text takes the value as it is; any other reads it as TOML.
        *slot = if slot.is_str() {
            toml::Value::String(value.to_owned())
        } else {
            value.parse().unwrap_or_else(|_| toml::Value::String(value.to_owned()))
        };
        serde_path_to_error::deserialize(table.into_deserializer()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Address;

    fn with(name: &str, value: &str) -> Result<Config, String> {
        let variables = [(name.to_owned(), value.to_owned()), ("PATH".to_owned(), "/bin".to_owned())];
        Config::default().override_with(variables).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_overrides_any_key() {
        assert_eq!(with("RISKD__LISTEN__HTTP", "0.0.0.0:80").unwrap().listen.http.to_string(), "0.0.0.0:80");
        assert_eq!(with("RISKD__LISTEN__QUIC", "off").unwrap().listen.quic, Address::Off);
        assert_eq!(with("RISKD__WORKERS__COUNT", "3").unwrap().workers.count, 3);
        assert!(!with("RISKD__WORKERS__PIN", "false").unwrap().workers.pin);
        assert_eq!(with("RISKD__MODELS__ACTIVE", "7").unwrap().models.active, "7");
    }

    #[test]
    fn a_variable_that_fits_no_key_is_refused_by_its_name() {
        for (name, value, expected) in [
            ("RISKD__LISTEN__HTPP", "127.0.0.1:1", "listen.htpp"),
            ("RISKD__LISTEN", "x", "no key"),
            ("RISKD__WORKERS__COUNT", "many", "workers.count"),
            ("RISKD__WORKERS__COUNT", "-1", "workers.count"),
            ("RISKD__LISTEN__HTTP", "here", "listen.http"),
            ("RISKD__JOURNAL__MODE", "fast", "journal.mode"),
        ] {
            let error = with(name, value).unwrap_err();
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_in_a_file_is_shown_with_its_line() {
        let error = Config::from_toml("[workers]\ncuont = 2\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("cuont") && error.contains("count"), "{error}");
    }

    #[test]
    fn the_shipped_file_holds_every_key_with_its_default() {
        let text = include_str!("../../../ops/riskd.toml");
        assert_eq!(Config::from_toml(text).unwrap(), Config::default());
        let keys = |table: &toml::Table| -> Vec<String> {
            let inner = |(section, value): (&String, &toml::Value)| {
                let keys = value.as_table().map(|t| t.keys().cloned().collect()).unwrap_or_default();
                Vec::into_iter(keys).map(move |key: String| format!("{section}.{key}")).collect::<Vec<_>>()
            };
            table.iter().flat_map(|(s, v)| inner((s, v))).collect()
        };
        let shipped: toml::Table = text.parse().unwrap();
        assert_eq!(keys(&shipped), keys(&toml::Table::try_from(Config::default()).unwrap()));
    }

    #[test]
    fn all_values_out_of_range_are_named_at_once() {
        let mut config = Config::default();
        config.limits.quic_mtu_bytes = 9000;
        config.journal.commit_interval_ms = 0;
        config.tls.cert = "cert.pem".into();
        let faults = config.faults().join("\n");
        for key in ["limits.quic_mtu_bytes", "journal.commit_interval_ms", "tls.key"] {
            assert!(faults.contains(key), "{faults}");
        }
        assert_eq!(Config::default().faults(), Vec::<String>::new());
    }

    #[test]
    fn challengers_have_a_name_and_a_share_of_their_own() {
        let text =
            "[models]\nchallengers = [{ name = 'next', share = 10 }, { name = 'other', share = 100 }]\n";
        let config = Config::from_toml(text).unwrap();
        let named = |config: &Config| {
            let named = config.models.challengers.iter().map(|one| (one.name.clone(), one.share));
            named.collect::<Vec<_>>()
        };
        assert_eq!(named(&config), [("next".to_owned(), 10), ("other".to_owned(), 100)]);
        assert_eq!(config.faults(), Vec::<String>::new());
        let set = with("RISKD__MODELS__CHALLENGERS", "[{ name = 'next', share = 5 }]").unwrap();
        assert_eq!(named(&set), [("next".to_owned(), 5)]);
        for (challengers, fault) in [
            ("[{ name = 'a', share = 0 }]", "models.challengers.share is 0"),
            ("[{ name = 'a', share = 101 }]", "models.challengers.share is 101"),
            ("[{ name = 'a', share = 1 }, { name = 'a', share = 2 }]", "names a twice"),
        ] {
            let faults = with("RISKD__MODELS__CHALLENGERS", challengers).unwrap().faults().join("\n");
            assert!(faults.contains(fault), "{faults}");
        }
        for challengers in
            ["[{ name = 'a' }]", "[{ name = 'a', share = 1, weight = 2 }]", "[{ name = 'a', share = 300 }]"]
        {
            assert!(with("RISKD__MODELS__CHALLENGERS", challengers).is_err(), "{challengers}");
        }
    }

    #[test]
    fn tables_of_no_entries_or_of_more_than_any_memory_are_named() {
        let keys = ["accounts", "devices", "velocity_keys", "busy_keys", "list_entries", "decisions"];
        for entries in ["0", "1023", "1073741825", "9223372036854775807"] {
            let mut config = Config::default();
            for key in keys {
                let name = format!("RISKD__TABLES__{}", key.to_uppercase());
                config = config.override_with([(name, entries.to_owned())]).unwrap();
            }
            let faults = config.faults();
            assert_eq!(faults.len(), keys.len(), "{faults:?}");
            for (fault, key) in faults.iter().zip(keys) {
                assert!(fault.contains(&format!("tables.{key}")) && fault.contains("1024"), "{fault}");
            }
        }
        assert!(with("RISKD__TABLES__ACCOUNTS", "-1").unwrap_err().contains("tables.accounts"));
    }
}

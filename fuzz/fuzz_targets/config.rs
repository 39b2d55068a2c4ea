//! The configuration file: any text is a configuration, whose values are then held against their ranges, or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(config) = server::Config::from_toml(text) {
        let _ = config.faults();
    }
});

//! The file of token keys: any text is keys or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = server::readers::token_keys(text);
});

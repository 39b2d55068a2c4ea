//! Sealed tokens: no text opens that none of the keys has sealed.
#![no_main]

use engine::token::{self, TokenKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let keys = [TokenKey::new(1, [7; 32]), TokenKey::new(2, [9; 32])];
    assert!(token::open(&keys, text).is_err(), "sealed by nobody, yet it opens");
});

//! Models in LightGBM's text.
#![no_main]

#[path = "../import.rs"]
mod import;

use libfuzzer_sys::fuzz_target;
use model::import::Format;

fuzz_target!(|data: &[u8]| import::holds(Format::LightGbm, data));

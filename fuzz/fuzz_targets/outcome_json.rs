//! JSON of outcomes: what is taken must be written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(outcome) = wire::json::decode_outcome(body) {
        let mut written = Vec::new();
        wire::json::write_outcome(&outcome, &mut written);
        assert_eq!(wire::json::decode_outcome(&written).as_ref(), Ok(&outcome));
    }
});

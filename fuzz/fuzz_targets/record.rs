//! Records of the log: any bytes are a record or refused, whatever length they claim.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = engine::record::Record::decode(bytes);
});

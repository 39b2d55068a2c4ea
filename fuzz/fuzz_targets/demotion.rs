//! Records of what was demoted and turned on again: any bytes are one or a fault.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = server::readers::demotion(bytes);
});

//! Files of list entries, CSV and NDJSON: any bytes are entries or faults.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = server::readers::list_file(body);
});

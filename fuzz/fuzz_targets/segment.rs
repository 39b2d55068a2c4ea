//! Any bytes as a segment file: bounded memory, a report, no panic; what is served has passed its checksums.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let report = journal::verify_bytes(bytes);
    assert!(report.bytes == bytes.len() as u64);
    assert!(report.records <= report.bytes);
});

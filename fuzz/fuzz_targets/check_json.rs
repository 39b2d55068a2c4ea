//! JSON of checks, alone and in batches: what is taken must be written and read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = wire::json::decode_checks(body);
    if let Ok(check) = wire::json::decode_check(body) {
        let mut written = Vec::new();
        wire::json::write_check(&check, &mut written);
        assert_eq!(wire::json::decode_check(&written).as_ref(), Ok(&check));

        written.clear();
        wire::frame::encode_checks(1, [&check], &mut written).expect("what JSON takes fits a frame");
        let frame = wire::frame::split(&written).expect("readable").expect("whole");
        let mut checks = wire::frame::decode_checks(&frame.header, frame.body).expect("lengths add up");
        assert_eq!(checks.next(), Some(Ok(check)));
    }
});

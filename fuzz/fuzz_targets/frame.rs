//! Frames of every kind, read to the last item: no bytes panic, and what is taken is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{self, FrameKind};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(frame)) = frame::split(bytes) else { return };
    let (header, body) = (&frame.header, frame.body);
    match header.kind {
        FrameKind::Checks => {
            for check in frame::decode_checks(header, body).into_iter().flatten().flatten() {
                let mut written = Vec::new();
                frame::encode_checks(header.tag, [&check], &mut written)
                    .expect("what was read can be written");
                let again = frame::split(&written).expect("readable").expect("whole");
                let mut checks = frame::decode_checks(&again.header, again.body).expect("lengths add up");
                assert_eq!(checks.next(), Some(Ok(check)));
            }
        }
        FrameKind::Answers => drop(frame::decode_answers(header, body).map(Iterator::count)),
        FrameKind::Outcomes => drop(frame::decode_outcomes(header, body).map(Iterator::count)),
        FrameKind::Results => drop(frame::decode_results(header, body).map(Iterator::count)),
        FrameKind::Error => drop(frame::decode_error(header, body)),
        FrameKind::Ping | FrameKind::Pong => {}
    }
});

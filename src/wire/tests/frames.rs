//! What frames are refused, how much is lost with each, and that full ones fit.

use std::mem::size_of;

use wire::frame::{self, AnswersWriter, ChecksWriter, FrameKind, HEADER_BYTES, Header};
use wire::limits::{BATCH_CHECKS_MAX, FRAME_BYTES_MAX, IDENTIFIER_BYTES_MAX, REASONS_MAX, TEXT_BYTES_MAX};
use wire::{AnswerHead, Check, DecodeError, ErrorCode, ExtValue, Kind, Reason, Value, Verdict};

/// Bytes of an item as they stand in `docs/wire.md`, and how they are refused.
fn refused(item: &[u8]) -> (ErrorCode, String) {
    let mut body = (item.len() as u32).to_le_bytes().to_vec();
    body.extend_from_slice(item);
    let header = Header { body_bytes: body.len() as u32, kind: FrameKind::Checks, count: 1, tag: 0 };
    let mut checks = frame::decode_checks(&header, &body).expect("lengths add up");
    let error = checks.next().unwrap().expect_err("refused");
    assert!(checks.next().is_none());
    (error.code, error.field)
}

/// An item: the present bits, kind `pay`, then these bytes.
fn item(present: u32, rest: &[&[u8]]) -> Vec<u8> {
    [&present.to_le_bytes()[..], &[Kind::Pay.code()], &rest.concat()].concat()
}

const TEXTS: &[u8] = b"\x02\x00\x02\x00a1u1";

#[test]
fn every_bad_item_is_refused_by_code_and_field() {
    use ErrorCode::{Malformed, Missing, OutOfRange, TooLong, Unknown};
    let number = |value: f64| value.to_le_bytes();
    let cases: &[(ErrorCode, &str, Vec<u8>)] = &[
        (Malformed, "", vec![]),
        (Malformed, "", vec![0, 0, 0]),
        (Malformed, "kind", vec![0; 4]),
        (Malformed, "id", item(0, &[])),
        (Malformed, "account", item(0, &[b"\x02\x00"])),
        (Malformed, "text", item(0, &[b"\x02\x00\x02\x00a1u"])),
        (Malformed, "", item(0, &[TEXTS, b"!"])),
        (Unknown, "", item(1 << 31, &[TEXTS])),
        (Unknown, "", item(1 << 30, &[TEXTS])),
        (OutOfRange, "kind", [&[0, 0, 0, 0, 8], TEXTS].concat()),
        (Missing, "id", item(0, &[b"\x00\x00\x02\x00u1"])),
        (Missing, "account", item(0, &[b"\x02\x00\x00\x00a1"])),
        (TooLong, "id", item(0, &[b"\x41\x00\x02\x00", &[b'a'; 65], b"u1"])),
        // As long as sixteen bits can say.
        (TooLong, "id", item(0, &[b"\xff\xff\x02\x00", &[b'a'; 65_535], b"u1"])),
        (TooLong, "account", item(0, &[b"\x02\x00\xff\xff", b"a1", &[b'u'; 65_535]])),
        (Malformed, "id", item(0, &[b"\x02\x00\x02\x00\xff\xfeu1"])),
        (Malformed, "account", item(0, &[b"\x02\x00\x02\x00a1\xc3u"])),
        // A character of two bytes, cut between two texts.
        (Malformed, "id", item(0, &[b"\x02\x00\x02\x00a\xc3\xa91"])),
        (OutOfRange, "time", item(1, &[&(-1_i64).to_le_bytes(), TEXTS])),
        (OutOfRange, "amount", item(2, &[&(-1_i64).to_le_bytes(), TEXTS])),
        (OutOfRange, "amount", item(2, &[&i64::MAX.to_le_bytes(), TEXTS])),
        (OutOfRange, "currency", item(4, &[b"cny", TEXTS])),
        (Malformed, "ip", item(8 | 16, &[&[1; 20], TEXTS])),
        (OutOfRange, "geo.lat", item(32, &[&number(f64::NAN), &number(0.0), TEXTS])),
        (OutOfRange, "geo.lon", item(32, &[&number(0.0), &number(180.5), TEXTS])),
        (OutOfRange, "biometric.face", item(128, &[&number(1.5), TEXTS])),
        (OutOfRange, "biometric.voice", item(256, &[&number(f64::INFINITY), TEXTS])),
        (OutOfRange, "kyc", item(1 << 10, &[&[4], TEXTS])),
        (OutOfRange, "factors", item(1 << 11, &[&[255], TEXTS])),
        (OutOfRange, "device.class", item(1 << 12, &[&[5], TEXTS])),
        (Malformed, "ext", item(1 << 15, &[TEXTS])),
        (TooLong, "ext", item(1 << 15, &[TEXTS, &[33], &many_flags(33)])),
        (Malformed, "ext", item(1 << 15, &[TEXTS, b"\x02\x00\x01\x00a\x01\x01\x00a"])),
        (OutOfRange, "ext.a", item(1 << 15, &[TEXTS, b"\x01\x09\x01\x00a"])),
        (OutOfRange, "ext.a", item(1 << 15, &[TEXTS, b"\x01\x03\x01\x00a", &number(f64::NAN)])),
    ];
    for (code, field, item) in cases {
        assert_eq!(refused(item), (*code, (*field).to_owned()), "{item:02x?}");
    }
}

fn many_flags(count: u8) -> Vec<u8> {
    (0..count).flat_map(|n| [0, 1, 0, b'0' + n]).collect()
}

#[test]
fn a_bad_header_is_refused_before_its_body_is_awaited() {
    let header = |edit: fn(&mut [u8; HEADER_BYTES])| {
        let mut bytes = Header { body_bytes: 100, kind: FrameKind::Checks, count: 1, tag: 9 }.to_bytes();
        edit(&mut bytes);
        frame::split(&bytes).map(|frame| frame.is_some()).map_err(|error| error.code)
    };
    assert_eq!(header(|_| ()), Ok(false), "the body is still on its way");
    assert_eq!(header(|bytes| bytes[4] = 2), Err(ErrorCode::BadVersion));
    assert_eq!(header(|bytes| bytes[5] = 7), Err(ErrorCode::BadFrame));
    assert_eq!(header(|bytes| bytes[3] = 0x7f), Err(ErrorCode::BadFrame), "a body of 2 GB");
    assert_eq!(header(|bytes| bytes[7] = 0xff), Err(ErrorCode::BadFrame), "65,281 checks");
    assert_eq!(
        header(|bytes| bytes[5] = FrameKind::Ping.code()),
        Err(ErrorCode::BadFrame),
        "a ping of 100 bytes"
    );
    assert!(frame::split(b"GET / HTTP/1.1\r\n").is_err(), "another protocol");
}

#[test]
fn lengths_that_do_not_add_up_lose_the_frame() {
    let lost = |count: u16, body: &[u8]| {
        let header = Header { body_bytes: body.len() as u32, kind: FrameKind::Checks, count, tag: 0 };
        frame::decode_checks(&header, body).map(Iterator::count).map_err(|error| error.code)
    };
    assert_eq!(lost(0, b""), Ok(0));
    assert_eq!(lost(1, b"\x00\x00\x00\x00"), Ok(1), "an empty item is that item's fault");
    for (count, body) in [
        (1, &b""[..]),
        (1, b"\x00\x00\x00"),
        (1, b"\x01\x00\x00\x00"),
        (1, b"\xff\xff\xff\xff"),
        (2, b"\x00\x00\x00\x00"),
        (1, b"\x00\x00\x00\x00\x00"),
        (0, b"\x00"),
    ] {
        assert_eq!(lost(count, body), Err(ErrorCode::BadFrame), "{count} {body:02x?}");
    }
    let header = Header { body_bytes: 0, kind: FrameKind::Answers, count: 0, tag: 0 };
    assert_eq!(
        frame::decode_checks(&header, b"").unwrap_err().code,
        ErrorCode::BadFrame,
        "another kind of frame"
    );
}

#[test]
fn what_does_not_fit_leaves_the_frame_whole() {
    let long = "x".repeat(IDENTIFIER_BYTES_MAX + 1);
    let mut out = Vec::new();
    let mut writer = ChecksWriter::new(1, &mut out);
    writer.push(&Check::new("a1", Kind::Pay, "u1")).unwrap();
    let refused = writer.push(&Check::new("a2", Kind::Pay, long.as_str())).unwrap_err();
    assert_eq!((refused.code, refused.field.as_str()), (ErrorCode::TooLong, "account"));
    let mut fat = Check::new("a3", Kind::Pay, "u1");
    fat.ext =
        (0..32).map(|n| (n.to_string().into(), ExtValue::Text("t".repeat(TEXT_BYTES_MAX).into()))).collect();
    let refused = loop {
        if let Err(error) = writer.push(&fat) {
            break error;
        }
    };
    assert_eq!(refused.code, ErrorCode::TooLong);
    let count = writer.count();
    let frame = frame::split(&out).unwrap().expect("whole");
    assert_eq!(frame.bytes, out.len());
    assert!(frame.body.len() <= FRAME_BYTES_MAX);
    let checks = frame::decode_checks(&frame.header, frame.body).unwrap();
    assert_eq!(checks.filter(Result::is_ok).count(), count);

    let mut out = Vec::new();
    let mut writer = ChecksWriter::new(1, &mut out);
    let check = Check::new("a1", Kind::Pay, "u1");
    for _ in 0..BATCH_CHECKS_MAX {
        writer.push(&check).unwrap();
    }
    assert_eq!(writer.push(&check).unwrap_err().code, ErrorCode::TooLong);
}

#[test]
fn the_fullest_answers_to_the_fullest_frame_fit() {
    let text = "报".repeat(1000);
    let reason = Reason {
        code: &text,
        rule: &text,
        text: &text,
        customer: &text,
        value: Value::Money(i64::MAX),
        threshold: Value::Double(1.0),
    };
    let head = AnswerHead {
        id: &text,
        verdict: Verdict::Deny,
        challenge: None,
        score: f64::NAN,
        degraded: u16::MAX,
        replayed: true,
        policy: &text,
        model: &text,
        decision: u64::MAX,
    };
    let mut out = Vec::new();
    let mut writer = AnswersWriter::new(1, "p", "m", &mut out);
    for _ in 0..BATCH_CHECKS_MAX {
        writer.push(&head, std::iter::repeat_n(reason, REASONS_MAX + 1)).unwrap();
    }
    let frame = frame::split(&out).unwrap().unwrap();
    for answer in frame::decode_answers(&frame.header, frame.body).unwrap() {
        let answer = answer.unwrap();
        assert_eq!((answer.reasons.len(), answer.score), (REASONS_MAX, 0.0));
        assert_eq!(
            answer.reasons[0].text.len(),
            TEXT_BYTES_MAX - TEXT_BYTES_MAX % 3,
            "cut between characters"
        );
    }
}

#[test]
fn writers_need_no_memory_once_they_have_it() {
    let check = Check::new("a1", Kind::Pay, "u1");
    let mut out = Vec::new();
    frame::encode_checks(1, [&check; 64], &mut out).unwrap();
    let (capacity, start) = (out.capacity(), out.as_ptr());
    out.clear();
    frame::encode_checks(2, [&check; 64], &mut out).unwrap();
    assert_eq!((out.capacity(), out.as_ptr()), (capacity, start));
}

#[test]
fn errors_stay_small() {
    // A batch holds one result a check: an error must not make it larger than a check does.
    assert!(size_of::<Result<Check<'_>, DecodeError>>() <= size_of::<Check<'_>>() + 16);
}

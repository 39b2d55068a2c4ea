//! What JSON is taken and what is refused, with the words a caller gets to see.

use std::borrow::Cow;

use wire::json::{self, Shape};
use wire::limits::{BATCH_CHECKS_MAX, BATCH_JSON_BYTES_MAX, CHECK_JSON_BYTES_MAX, EXT_FIELDS_MAX};
use wire::{Check, DecodeError, DeviceClass, ErrorCode, ExtValue, Kind};

#[test]
fn every_bad_check_is_refused_by_code_and_field() {
    let cases = include_str!("../vectors/refused_checks.txt");
    let mut wrong = Vec::new();
    for line in cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [code, field, body] = line.splitn(3, '|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("a case is code | field | body: {line}");
        };
        let field = if field == "-" { "" } else { field };
        match json::decode_check(body.as_bytes()) {
            Err(error) if error.code.name() == code && error.field == field => {
                assert!(!error.message.is_empty());
            }
            other => wrong.push(format!("{line}\n    gave {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_check_may_hold_every_field() {
    let body = r#"{"id":"a1","kind":"claim","time":"2026-02-17T16:30:00.250+08:00","account":"u1","counterparty":"u2",
        "device":{"id":"d1","imei":"49-015420-323751-8","mac":"02-00-5E-10-00-01","os":"o","model":"x","app":"v","emulator":true,"rooted":true,"class":"pos"},
        "ip":"::ffff:203.0.113.9","geo":{"lat":31,"lon":121.5},"amount":8.88,"currency":"USD",
        "packet":"0192f6c4-7c1e-7000-8000-000000000001","token":"t","qr":"q","channel":"c","campaign":"k","inviter":"w",
        "utm":"n","kyc":2,"factors":1,"biometric":{"face":0.5,"voice":1},"text":"恭喜发财 \u{1F9E7}",
        "ext":{"b":true,"i":-5,"d":0.25,"t":"x","gone":null},"budget_us":900}"#
        .replace("\\u{1F9E7}", "\\ud83e\\udde7");
    let check = json::decode_check(body.as_bytes()).unwrap();
    assert_eq!(check.time_ms, Some(1_771_317_000_250));
    assert_eq!(check.amount_minor, Some(888));
    assert_eq!(check.ip, Some("203.0.113.9".parse().unwrap()), "an address has one form");
    assert_eq!(check.device.class, DeviceClass::Pos);
    assert_eq!((&*check.device.imei, &*check.device.mac), ("490154203237518", "02:00:5e:10:00:01"));
    assert_eq!(check.text, "恭喜发财 🧧");
    assert_eq!(check.currency, *b"USD");
    assert_eq!((check.face, check.voice), (Some(0.5), Some(1.0)));
    let ext = [
        ("b".into(), ExtValue::Bool(true)),
        ("i".into(), ExtValue::Int(-5)),
        ("d".into(), ExtValue::Double(0.25)),
        ("t".into(), ExtValue::Text("x".into())),
    ];
    assert_eq!(check.ext, ext);
}

#[test]
fn absent_null_and_empty_mean_the_same() {
    let plain = json::decode_check(br#"{"id":"a1","kind":"pay","account":"u1"}"#).unwrap();
    assert_eq!(plain, Check::new("a1", Kind::Pay, "u1"));
    let nulls = br#"{"id":"a1","kind":"pay","account":"u1","device":null,"geo":null,"amount":null,"currency":null,
        "ip":null,"packet":null,"token":null,"utm":"","ext":null,"biometric":{"face":null},"kyc":null,"time":null}"#;
    assert_eq!(json::decode_check(nulls).unwrap(), plain);
}

#[test]
fn a_bare_string_is_the_id_of_the_device() {
    let bare = json::decode_check(br#"{"id":"a1","kind":"pay","account":"u1","device":"d1"}"#).unwrap();
    let whole =
        json::decode_check(br#"{"id":"a1","kind":"pay","account":"u1","device":{"id":"d1"}}"#).unwrap();
    assert_eq!(bare, whole);
}

#[test]
fn amounts_are_exact_however_they_are_written() {
    for (written, minor) in [
        ("\"8.88\"", 888),
        ("8.88", 888),
        ("\"8\"", 800),
        ("8", 800),
        ("8.8", 880),
        ("0.1", 10),
        ("1.10", 110),
        ("1e2", 10_000),
        ("\"0.29\"", 29),
        ("0.29", 29),
        ("0.57", 57),
        ("1.15", 115),
        ("4.35", 435),
        ("1005.01", 100_501),
        ("-0", 0),
        ("0.0", 0),
        ("9999999999.99", 999_999_999_999),
        ("10000000000", 1_000_000_000_000),
        ("\"10000000000.00\"", 1_000_000_000_000),
    ] {
        let body = format!(r#"{{"id":"a1","kind":"pay","account":"u1","amount":{written}}}"#);
        assert_eq!(json::decode_check(body.as_bytes()).unwrap().amount_minor, Some(minor), "{written}");
    }
}

#[test]
fn texts_without_escapes_are_borrowed_from_the_body() {
    let body =
        br#"{"id":"a1","kind":"pay","account":"u1","device":{"id":"d1"},"text":"hello","utm":"a\u0062"}"#;
    let check = json::decode_check(body).unwrap();
    for text in [&check.id, &check.account, &check.device.id, &check.text] {
        assert!(matches!(text, Cow::Borrowed(_)), "{text}");
    }
    assert!(matches!(&check.utm, Cow::Owned(text) if text == "ab"));
}

#[test]
fn the_nearest_name_is_offered() {
    let error = refusal(br#"{"id":"a1","kind":"pay","acount":"u1"}"#);
    assert_eq!(error.message, "no field is called `acount`; did you mean `account`?");
    let error = refusal(br#"{"id":"a1","kind":"clam","account":"u1"}"#);
    assert_eq!(error.message, "found `clam`; did you mean `claim`?");
    let error = refusal(br#"{"id":"a1","kind":"refund","account":"u1"}"#);
    assert!(
        error.message.ends_with("expected one of mint, scan, claim, pay, transfer, withdraw, login, bind")
    );
}

#[test]
fn depth_and_length_are_refused_cheaply() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(refusal(deep.as_bytes()).code, ErrorCode::TooLong);
    let deep = "[".repeat(CHECK_JSON_BYTES_MAX - 100);
    for body in [
        deep.clone(),
        format!("{{\"id\":{deep}"),
        format!("{{\"ext\":{{\"a\":{deep}"),
        deep.replace('[', "{\"device\":"),
    ] {
        let body = &body.as_bytes()[..body.len().min(CHECK_JSON_BYTES_MAX)];
        assert_ne!(refusal(body).code, ErrorCode::TooLong);
    }
    let long_name = format!(r#"{{"{}":1}}"#, "n".repeat(20_000));
    assert!(refusal(long_name.as_bytes()).message.len() < 200, "an error never echoes a long name");
    let fields: Vec<String> = (0..=EXT_FIELDS_MAX).map(|n| format!("\"f{n}\":{n}")).collect();
    let body = format!(r#"{{"id":"a1","kind":"pay","account":"u1","ext":{{{}}}}}"#, fields.join(","));
    assert_eq!(refusal(body.as_bytes()).code, ErrorCode::TooLong);
}

#[test]
fn keys_of_kilobytes_are_refused_by_their_field() {
    let long = "k".repeat(20 << 10);
    for field in ["id", "account", "counterparty", "device", "channel", "campaign", "inviter", "utm", "text"]
    {
        let other = if field == "id" { "account" } else { "id" };
        let required = if matches!(field, "id" | "account") { "" } else { r#""account":"u1","# };
        let body = format!(r#"{{"{other}":"a1",{required}"kind":"pay","{field}":"{long}"}}"#);
        let error = refusal(body.as_bytes());
        assert_eq!((error.code, error.field.as_str()), (ErrorCode::TooLong, field), "{}", error.message);
        assert!(error.message.len() < 200, "an error never echoes a long text");
    }
    let body = |bytes: usize| format!(r#"{{"id":"a1","kind":"pay","account":"{}"}}"#, "k".repeat(bytes));
    // A check alone is no longer than its bound; in a batch the field itself is at fault.
    assert_eq!(refusal(body(64 << 10).as_bytes()).code, ErrorCode::TooLong);
    let batch = format!("[{},{}]", body(64 << 10), body(2));
    let batch = json::decode_checks(batch.as_bytes()).expect("split into its checks");
    assert_eq!(batch.checks[0].as_ref().expect_err("refused").code, ErrorCode::TooLong);
    assert!(batch.checks[1].is_ok());
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut body = br#"{"id":"a1","kind":"pay","account":"u1","text":"??"}"#.to_vec();
    let at = body.len() - 3;
    body[at] = 0xff;
    let error = refusal(&body);
    assert_eq!((error.code, error.message), (ErrorCode::Malformed, format!("not UTF-8 at byte {at}")));
}

/// The ids of a batch in order, and for an element in error its code and field.
fn shown(body: &str) -> (Shape, String) {
    let batch = json::decode_checks(body.as_bytes()).unwrap();
    let shown = batch.checks.iter().map(|check| match check {
        Ok(check) => check.id.to_string(),
        Err(error) => format!("{}@{}", error.code, error.field),
    });
    (batch.shape, shown.collect::<Vec<_>>().join(" "))
}

const ONE: &str = r#"{"id":"a1","kind":"pay","account":"u1"}"#;
const TWO: &str = r#"{"id":"a2","kind":"pay","account":"u1"}"#;

#[test]
fn a_batch_is_an_array_or_a_check_a_line() {
    assert_eq!(shown(&format!("  [{ONE},\n{TWO}]\n")), (Shape::Array, "a1 a2".to_owned()));
    assert_eq!(shown(&format!("\n{ONE}\r\n\n{TWO}\n")), (Shape::Ndjson, "a1 a2".to_owned()));
    assert_eq!(shown("[]"), (Shape::Array, String::new()));
    assert_eq!(shown(ONE), (Shape::Ndjson, "a1".to_owned()));
}

#[test]
fn a_bad_element_is_an_error_in_its_place() {
    let array = format!(r#"[{ONE},{{"id":"x","kind":"pay","acount":1}},null,[[]],{TWO}]"#);
    let expected = "a1 unknown_field@acount wrong_type@ wrong_type@ a2".to_owned();
    assert_eq!(shown(&array), (Shape::Array, expected));
    let lines = format!("{ONE}\n{{\"id\":\"x\n]\n{TWO}");
    assert_eq!(shown(&lines), (Shape::Ndjson, "a1 malformed@id malformed@ a2".to_owned()));
}

#[test]
fn a_batch_that_cannot_be_split_is_refused_whole() {
    let whole = |body: &str| json::decode_checks(body.as_bytes()).expect_err("refused").code;
    assert_eq!(whole(""), ErrorCode::Malformed);
    assert_eq!(whole("[1,2"), ErrorCode::Malformed);
    assert_eq!(whole(&format!("[{ONE}]x")), ErrorCode::Malformed);
    assert_eq!(whole(&"[".repeat(1_000_000)), ErrorCode::Malformed);
    assert_eq!(whole(&" ".repeat(BATCH_JSON_BYTES_MAX + 1)), ErrorCode::TooLong);
    let full = vec![ONE; BATCH_CHECKS_MAX].join(",");
    assert_eq!(json::decode_checks(format!("[{full}]").as_bytes()).unwrap().checks.len(), BATCH_CHECKS_MAX);
    assert_eq!(whole(&format!("[{full},{ONE}]")), ErrorCode::TooLong);
    let full = format!("{ONE}\n").repeat(BATCH_CHECKS_MAX);
    assert_eq!(json::decode_checks(full.as_bytes()).unwrap().checks.len(), BATCH_CHECKS_MAX);
    assert_eq!(whole(&format!("{full}{ONE}")), ErrorCode::TooLong);
}

#[test]
fn a_number_of_a_million_digits_costs_no_more_than_its_bytes() {
    let digits = "1".repeat(4_000_000);
    let body = format!(r#"[{{"id":"a1","kind":"pay","account":"u1","amount":0.{digits}}}]"#);
    let started = std::time::Instant::now();
    assert_eq!(shown(&body), (Shape::Array, "out_of_range@amount".to_owned()));
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn an_outcome_is_an_id_and_what_became_of_it() {
    let outcome = json::decode_outcome(br#"{"id":"a1","outcome":"settled","time":1771317000250}"#).unwrap();
    assert_eq!((outcome.id.as_ref(), outcome.outcome.name()), ("a1", "settled"));
    assert_eq!(outcome.time_ms, Some(1_771_317_000_250));
    let refused = |body: &str| json::decode_outcome(body.as_bytes()).expect_err("refused").to_string();
    assert!(refused(r#"{"outcome":"settled"}"#).starts_with("missing_field at id"));
    assert!(refused(r#"{"id":"a1"}"#).starts_with("missing_field at outcome"));
    assert!(refused(r#"{"id":"a1","outcome":"setled"}"#).ends_with("did you mean `settled`?"));
    assert!(refused(r#"{"id":"a1","outcome":"fraud","when":1}"#).starts_with("unknown_field at when"));
}

fn refusal(body: &[u8]) -> DecodeError {
    json::decode_check(body).expect_err("refused")
}

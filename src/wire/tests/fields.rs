//! The table of fields: every field means the same in JSON, in frames and as people write it, and the page says what the
//! table says.

use std::borrow::Cow;

use wire::fields::{FIXED, Group, TEXTS};
use wire::frame;
use wire::{Check, DecodeError, ErrorCode, Field, FieldValue, Form, Kind, json};

/// Spellings of one value, the canonical one first; then what has no canonical form.
fn spellings(form: Form) -> (&'static [&'static [&'static str]], &'static [&'static str]) {
    match form {
        Form::Id => {
            (&[&["a1"], &["a 1"], &["微信"]], &[" a1", "a1\t", "a\u{0}", " ", "a\u{200b}1", "\u{feff}a"])
        }
        Form::Identifier => (
            &[&["u1", " u1", "u1 ", "\tu1\u{3000}"], &["微 信"], &["👨\u{200d}👩\u{200d}👧"]],
            &[
                "u\u{0}1",
                "u\u{200b}1",
                "u\u{202e}1",
                "u\u{200d}1",
                "\u{feff}u1",
                "u\n1",
                "u\u{85}1",
                "u\u{2028}1",
            ],
        ),
        Form::Imei => (
            &[
                &["490154203237518", "49-015420-323751-8", "49 015420 323751 8"],
                &["A0000012345678", "a0000012345678"],
            ],
            &["unknown!", "49_0154"],
        ),
        Form::Mac => (
            &[
                &[
                    "02:00:5e:10:00:01",
                    "02:00:5E:10:00:01",
                    "02-00-5e-10-00-01",
                    "0200.5e10.0001",
                    "02005E100001",
                ],
                &["02:00:5e:10:00:01:aa:bb", "02-00-5E-10-00-01-AA-BB"],
            ],
            &["02:00:5e:10:00", "02:00:5e:10:00:0g", "02:00-5e:10:00:01", "unknown", "020:05:e10:00:01"],
        ),
        Form::Token | Form::Qr | Form::Memo => (&[&["x y"], &["恭喜\n发财"]], &[]),
        Form::Kind => (&[&["pay", "Pay", "PAY"]], &["", "refund", "pay "]),
        Form::Class => (&[&["pos", "POS"]], &["", "tablet"]),
        Form::Currency => {
            (&[&["CNY", "cny"], &["JPY", "jpy"], &["KWD"]], &["", "RMB", "XTS", "XAU", "CN", "cn¥"])
        }
        Form::Address => (
            &[&["203.0.113.9", "::ffff:203.0.113.9"], &["2001:db8::9", "2001:DB8:0:0::9"]],
            &["", "10.0.*", "203.0.113", "203.0.113.9/24", "localhost"],
        ),
        Form::Packet => (
            &[&[
                "0192f6c4-7c1e-7000-8000-000000000001",
                "0192F6C4-7C1E-7000-8000-000000000001",
                "0192f6c47c1e70008000000000000001",
                "urn:uuid:0192f6c4-7c1e-7000-8000-000000000001",
            ]],
            &["", "packet-1", "0192f6c4-7c1e-7000-8000-00000000000"],
        ),
        Form::Time => (
            &[&["2026-02-17T08:30:00.250Z", "2026-02-17T16:30:00.25+08:00"]],
            &["", "2026-02-17", "2026-02-17T08:30:00", "2026-02-17T08:30:60+25:00", "20260217"],
        ),
        Form::Money
        | Form::Level
        | Form::Fraction
        | Form::Latitude
        | Form::Longitude
        | Form::Flag
        | Form::Micros => (&[], &[]),
    }
}

fn with(field: Field, written: &str) -> Result<Check<'static>, DecodeError> {
    let spec = field.spec();
    let value = serde_json::to_string(written).unwrap();
    let mut fields = vec![
        ("id".to_owned(), "\"a1\"".to_owned()),
        ("kind".to_owned(), "\"pay\"".to_owned()),
        ("account".to_owned(), "\"u1\"".to_owned()),
    ];
    fields.retain(|(name, _)| name != spec.path);
    fields.push(match spec.group {
        Group::Check => (spec.name.to_owned(), value),
        group => (group.name().to_owned(), format!("{{\"{}\":{value}}}", spec.name)),
    });
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let body: &'static [u8] = format!("{{{}}}", fields.join(",")).leak().as_bytes();
    json::decode_check(body)
}

/// A frame whose text at that place is as written, as a client of another language would send it.
fn framed(field: Field, written: &str) -> Result<Check<'static>, DecodeError> {
    let mut check = Check::new("a1", Kind::Pay, "u1");
    field.put(&mut check, FieldValue::Text(Cow::Owned(written.to_owned())));
    let mut out = Vec::new();
    frame::encode_checks(1, [&check], &mut out)?;
    let frame = frame::split(out.leak()).unwrap().unwrap();
    frame::decode_checks(&frame.header, frame.body).unwrap().next().unwrap()
}

#[test]
fn every_spelling_of_a_value_is_that_value_in_every_field_and_codec() {
    for &field in Field::ALL {
        let form = field.form();
        let (values, none) = spellings(form);
        for &spelled in values {
            let canonical = form.canonical(spelled[0]).unwrap();
            for written in spelled {
                let path = field.path();
                assert_eq!(form.canonical(written).unwrap(), canonical, "{path}: {written:?}");
                let check =
                    with(field, written).unwrap_or_else(|error| panic!("{path}: {written:?}: {error}"));
                assert_eq!(field.of(&check).into_text(), canonical, "{path}: {written:?} in JSON");
                if TEXTS.contains(&field) {
                    let check = framed(field, written).unwrap();
                    assert_eq!(field.of(&check).into_text(), canonical, "{path}: {written:?} in a frame");
                }
            }
        }
        for written in none {
            let path = field.path();
            assert!(form.canonical(written).is_err(), "{path}: {written:?}");
            let error = with(field, written).expect_err("no canonical form");
            assert_eq!(error.field, path, "{written:?}");
            if TEXTS.contains(&field) {
                let error = framed(field, written).expect_err("no canonical form");
                assert_eq!((error.code, error.field.as_str()), (ErrorCode::OutOfRange, path), "{written:?}");
            }
        }
    }
}

#[test]
fn white_space_alone_is_no_name() {
    for &field in Field::ALL.iter().filter(|field| field.form() == Form::Identifier) {
        let required = field == Field::Account;
        for blank in [" ", "\u{3000}", "\t \u{a0}"] {
            match with(field, blank) {
                Ok(check) => assert!(!required && field.of(&check) == FieldValue::Absent, "{}", field.path()),
                Err(error) => assert!(required && error.code == ErrorCode::Missing, "{error}"),
            }
            assert_eq!(framed(field, blank).is_err(), required, "{}", field.path());
        }
    }
}

#[test]
fn every_field_has_one_place_in_a_frame_and_one_name() {
    let placed = FIXED.iter().flatten().flatten().count() + TEXTS.len() + 1;
    assert_eq!(placed, Field::ALL.len(), "the kind stands in the head");
    for &field in Field::ALL {
        assert_eq!(Field::from_path(field.path()), Some(field));
        assert_eq!(Field::in_group(field.spec().group, field.spec().name), Some(field));
    }
}

/// A table within a page, between two marks that name it; what it should be, if it is not.
fn table(page: &str, name: &str, expected: &str) {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let found = page.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map(|(table, _)| table);
    assert_eq!(found, Some(expected), "docs/wire.md should have, between {open}and {close}:\n{expected}");
}

const PAGE: &str = include_str!("../../../docs/wire.md");

#[test]
fn the_page_lists_the_fields_as_the_table_does() {
    let mut rows = String::from("| field | what it says | value | when absent |\n|---|---|---|---|\n");
    for field in Field::ALL {
        let spec = field.spec();
        let (expected, absent) = (spec.form.expected(), spec.absent.words());
        rows.push_str(&format!("| `{}` | {} | {expected} | {absent} |\n", spec.path, spec.doc));
    }
    table(PAGE, "fields of a check", &rows);
}

#[test]
fn an_amount_is_of_its_currency_wherever_the_currency_stands() {
    let check = |amount: &str, currency: &str| {
        let before =
            format!(r#"{{"id":"a1","kind":"pay","account":"u1","currency":"{currency}","amount":{amount}}}"#);
        let after =
            format!(r#"{{"id":"a1","kind":"pay","account":"u1","amount":{amount},"currency":"{currency}"}}"#);
        let [before, after] =
            [before, after].map(|body| json::decode_check(body.as_bytes()).map(|check| check.amount_minor));
        assert_eq!(before, after);
        before.map_err(|error| (error.code, error.field))
    };
    assert_eq!(check("99", "JPY"), Ok(Some(99)));
    assert_eq!(check("1.234", "KWD"), Ok(Some(1_234)));
    assert_eq!(check("8.88", "cny"), Ok(Some(888)));
    let refused = Err((ErrorCode::OutOfRange, "amount".to_owned()));
    assert_eq!(check("99.5", "JPY"), refused);
    assert_eq!(check("1.2345", "KWD"), refused);
    assert_eq!(check("8.8800000000000001", "CNY"), refused, "the digits count, not the double");
    assert_eq!(check("1e-400", "CNY"), refused);
    assert_eq!(check("10000000000.0000001", "CNY"), refused);
    assert_eq!(check("1", "RMB"), Err((ErrorCode::OutOfRange, "currency".to_owned())));
    // What is written is read again.
    let jpy = Check { currency: *b"JPY", amount_minor: Some(99), ..Check::new("a1", Kind::Pay, "u1") };
    let mut body = Vec::new();
    json::write_check(&jpy, &mut body);
    assert!(String::from_utf8_lossy(&body).contains(r#""amount":"99""#));
    assert_eq!(json::decode_check(&body).unwrap(), jpy);
}

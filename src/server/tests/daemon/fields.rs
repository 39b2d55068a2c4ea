//! Every field of a check, asked about in every spelling through the daemon: rules, windows and repetitions see one value.

use serde_json::{Value, json};
use wire::{Check, Field, FieldValue, Form, Kind};

use crate::harness::{Daemon, run};

/// Spellings of one value of a text feature, the canonical one first.
fn spellings(form: Form) -> &'static [&'static str] {
    match form {
        Form::Identifier => &["x 1", " x 1", "x 1\t"],
        Form::Imei => &["490154203237518", "49-015420-323751-8"],
        Form::Mac => &["02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001"],
        Form::Memo => &["恭喜 发财"],
        Form::Kind => &["scan", "Scan"],
        Form::Class => &["kiosk", "KIOSK"],
        Form::Currency => &["CNY", "cny"],
        Form::Address => &["203.0.113.9", "::ffff:203.0.113.9"],
        Form::Packet => &["0192f6c4-7c1e-7000-8000-00000000000a", "0192F6C47C1E7000800000000000000A"],
        _ => &[],
    }
}

/// Fields that rules read as text.
fn texts() -> impl Iterator<Item = Field> {
    let read = |field: &Field| !matches!(field, Field::Id | Field::Token | Field::Qr);
    Field::ALL.iter().copied().filter(|field| !spellings(field.form()).is_empty()).filter(read)
}

fn rule_of(field: Field) -> String {
    field.path().replace('.', "-")
}

/// A daemon whose rules look at these fields: each for its value, and for the third check of it.
fn site(fields: impl Iterator<Item = Field>) -> Daemon {
    let daemon = Daemon::start();
    let (mut features, mut rules) =
        (String::from("settings: { currencies: [CNY, USD] }\nfeatures:\n"), String::from("rules:\n"));
    for field in fields {
        let (rule, path) = (rule_of(field), field.path());
        let name = path.replace('.', "_");
        let value = spellings(field.form())[0];
        features.push_str(&format!("  by_{name}: {{ count: any, by: {path}, window: 1h }}\n"));
        rules.push_str(&format!(
            "  - {{ id: {rule}, tier: score, score: 0.0, when: '{path} == \"{value}\"', reason: {{ code: E, text: t }} }}\n"
        ));
        rules.push_str(&format!(
            "  - {{ id: n-{rule}, tier: score, score: 0.0, when: 'by_{name} == 3', reason: {{ code: N, text: t }} }}\n"
        ));
    }
    std::fs::write(daemon.rules().join("test.yaml"), features + &rules).unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    daemon
}

fn body(id: &str, field: Field, written: &str) -> Value {
    let mut check = json!({"id": id, "kind": "pay", "account": format!("u-{id}")});
    match field.path().split_once('.') {
        Some((group, name)) => check[group] = json!({ name: written }),
        None => check[field.path()] = written.into(),
    }
    check
}

fn has(answer: &Value, rule: &str) -> bool {
    answer["reasons"].as_array().unwrap().iter().any(|reason| reason["rule"] == rule)
}

#[test]
fn a_rule_and_a_window_see_one_value_however_it_is_written() {
    for field in texts().filter(|field| *field != Field::Text) {
        let daemon = site([field].into_iter());
        let spelled = spellings(field.form());
        // The third check of the value is the one that the window's rule matches.
        for n in 0..3 {
            let written = spelled[n % spelled.len()];
            let answer = daemon.check(&body(&format!("c{n}"), field, written)).json();
            assert!(has(&answer, &rule_of(field)), "{}: {written:?}: {answer}", field.path());
            let third = has(&answer, &format!("n-{}", rule_of(field)));
            assert_eq!(third, n == 2, "{}: {written:?}: {answer}", field.path());
        }
    }
}

#[test]
fn a_frame_means_what_the_same_json_means() {
    for field in texts().filter(|field| matches!(field.form(), Form::Identifier | Form::Imei | Form::Mac)) {
        let daemon = site([field].into_iter());
        for (n, written) in spellings(field.form()).iter().enumerate() {
            let mut check = Check::new(format!("{}-{n}", field.path()), Kind::Pay, "someone");
            field.put(&mut check, FieldValue::Text((*written).into()));
            let answer = run(async { daemon.unix_client().await.check(&check).await.unwrap() });
            let matched = answer.reasons.iter().any(|reason| reason.rule == rule_of(field));
            assert!(matched, "{}: {written:?}", field.path());
        }
    }
}

#[test]
fn a_repetition_is_told_from_a_reused_id_by_every_field_that_a_rule_can_read() {
    let daemon = site([Field::Currency].into_iter());
    let plain = || json!({"id": "x", "kind": "pay", "account": "u1"});
    let reused = |answer: &Value| answer["degraded"].as_array().unwrap().contains(&json!("id_reused"));
    for (n, &field) in
        Field::ALL.iter().filter(|field| !matches!(field, Field::Id | Field::BudgetUs)).enumerate()
    {
        let other: Value = match field.form() {
            Form::Flag => json!(true),
            Form::Level => json!(2),
            Form::Fraction | Form::Latitude | Form::Longitude => json!(0.5),
            Form::Money => json!("1.00"),
            Form::Time => json!("2026-02-17T08:30:00Z"),
            Form::Token | Form::Qr => json!("t"),
            Form::Currency => json!("USD"),
            form => json!(spellings(form)[0]),
        };
        let mut check = plain();
        check["id"] = format!("x{n}").into();
        let first = daemon.check(&check).json();
        assert!(!reused(&first) && first["replayed"] == false);
        let again = daemon.check(&check).json();
        assert!(!reused(&again) && again["replayed"] == true, "{again}");
        match field.path().split_once('.') {
            Some(("geo", _)) => check["geo"] = json!({"lat": 0.5, "lon": 0.5}),
            Some((group, name)) => check[group] = json!({ name: other }),
            None => check[field.path()] = other,
        }
        let differing = daemon.check(&check).json();
        assert!(reused(&differing), "{}: {differing}", field.path());
        assert_eq!(differing["decision"], first["decision"], "{}", field.path());
    }
}

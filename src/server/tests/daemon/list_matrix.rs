//! Every field that a list may be declared on, with every kind of list: a key that is put in any way meets the next check that
//! carries its value, in any spelling, and no other; removed or ended, it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::feature::{FeatureTable, Type};
use serde_json::json;
use wire::{Field, Form};

use crate::harness::Daemon;

/// The first of December 2026.
const NOW_MS: i64 = 1_796_083_200_000;

/// Spellings of a value, the canonical one first; another value; a network or a prefix of the first; and keys that no value
/// could ever match.
struct Sample {
    spellings: &'static [&'static str],
    other: &'static str,
    /// Beginnings of the first, or networks that it lies in.
    parts: &'static [&'static str],
    never: &'static [&'static str],
    /// What nothing begins with.
    no_parts: &'static [&'static str],
}

/// Without a wildcard, so that a new form has to say how it is written.
fn sample(form: Form) -> Sample {
    let of = |spellings, other, parts, never, no_parts| Sample { spellings, other, parts, never, no_parts };
    match form {
        Form::Id | Form::Identifier => of(
            &["u 1", " u 1 "],
            "w 2",
            &["u", " u"],
            &["u\u{0}1", "u\u{200b}1", " ", "u\n1", "\u{202e}u1"],
            &["u\u{200b}"],
        ),
        Form::Imei => of(
            &["490154203237518", "49-015420-323751-8"],
            "350154203237519",
            &["490154", "49-0154"],
            &["unknown!"],
            &["/", "49!"],
        ),
        Form::Mac => of(
            &["02:00:5e:10:00:01", "02-00-5E-10-00-01", "0200.5e10.0001", "02005E100001"],
            "a2:00:5e:10:00:02",
            &["02:00:5E", "02-00-5e", "02005E", "0200.5e", "02:0"],
            &["02:00:5e", "unknown"],
            &["2:0", "02:00-5e", "unknown"],
        ),
        Form::Token | Form::Qr | Form::Memo => {
            of(&["恭喜 x"], "恭喜", &["恭喜 "], &["x\u{200b}", " "], &["x\u{200b}"])
        }
        Form::Kind => of(&["pay", "Pay"], "claim", &["p", "PA"], &["refund"], &["x", "pays"]),
        Form::Class => of(&["pos", "POS"], "kiosk", &["po", "PO"], &["tablet"], &["x", "poz"]),
        Form::Currency => of(&["JPY", "jpy"], "CNY", &["J", "jp"], &["RMB", "CN"], &["XQ", "JPYX"]),
        Form::Address => of(
            &["203.0.113.9", "::ffff:203.0.113.9"],
            "198.51.100.9",
            &["203.0.113.0/24"],
            &["10.0.*", "nowhere", "203.0.113"],
            &[],
        ),
        Form::Packet => of(
            &[
                "0192f6c4-7c1e-7000-8000-000000000001",
                "0192F6C4-7C1E-7000-8000-000000000001",
                "0192f6c47c1e70008000000000000001",
                "urn:uuid:0192f6c4-7c1e-7000-8000-000000000001",
            ],
            "1192f6c4-7c1e-7000-8000-000000000002",
            &["0192F6", "0192f6c47c1e", "{0192", "0192f6c4-"],
            &["packet-1"],
            &["x", "-", "0192f6c4--", "0192f6c47-c1e"],
        ),
        Form::Time
        | Form::Money
        | Form::Level
        | Form::Fraction
        | Form::Latitude
        | Form::Longitude
        | Form::Flag
        | Form::Micros => panic!("no list is declared on a number"),
    }
}

/// A list of the policy.
struct List {
    name: String,
    /// Of the check; none for a field of the site.
    field: Option<Field>,
    /// As rule files name it.
    path: String,
    matching: &'static str,
    form: Form,
}

fn lists() -> Vec<List> {
    let features = FeatureTable::default();
    let texts = features.iter().filter(|(_, feature)| feature.ty == Type::Text);
    let fields: Vec<(Option<Field>, String, Form)> = texts
        .map(|(id, feature)| (id.field(), feature.name.clone(), id.form()))
        .chain([(None, "ext.word".to_owned(), Form::Memo)])
        .collect();
    // Token and payload are read by features of their own; every other text of a check can have a list.
    assert!(fields.len() > 15, "{}", fields.len());
    let mut lists = Vec::new();
    for (at, (field, path, form)) in fields.into_iter().enumerate() {
        let matchings: &[&str] = match form {
            Form::Address => &["exact", "network"],
            _ => &["exact", "prefix"],
        };
        for &matching in matchings {
            let (name, path) = (format!("l{at}_{matching}"), path.clone());
            lists.push(List { name, field, path, matching, form });
        }
    }
    lists
}

fn policy(lists: &[List]) -> String {
    let mut text = "schema: { word: { type: text } }\nlists:\n".to_owned();
    for List { name, path, matching, .. } in lists {
        text += &format!(
            "  {name}: {{ on: {path}, match: {matching}, action: watch, reason: {{ code: {name}, text: t }} }}\n"
        );
    }
    text
}

struct Matrix {
    daemon: Daemon,
    clock: Arc<AtomicI64>,
    lists: Vec<List>,
    checks: u64,
}

impl Matrix {
    fn start() -> Matrix {
        let lists = lists();
        let clock = Arc::new(AtomicI64::new(NOW_MS));
        let daemon = Daemon::start_at(&clock, |config| {
            std::fs::write(config.policy.dir.join("test.yaml"), policy(&lists)).unwrap();
            config.tables.list_entries = 1 << 18;
        });
        Matrix { daemon, clock, lists, checks: 0 }
    }

    /// Whether a check with that value is on a list.
    fn meets(&mut self, at: usize, value: &str) -> bool {
        self.checks += 1;
        let List { name, field, .. } = &self.lists[at];
        let mut check = json!({"id": format!("c{}", self.checks), "kind": "login", "account": "someone"});
        match field.map(Field::spec) {
            None => check["ext"] = json!({ "word": value }),
            Some(spec) if spec.group.name().is_empty() => check[spec.name] = json!(value),
            Some(spec) => check[spec.group.name()] = json!({ spec.name: value }),
        }
        let answer = self.daemon.check(&check);
        assert_eq!(answer.status, 200, "{check}: {answer:?}");
        let reasons = answer.json()["reasons"].as_array().unwrap().clone();
        reasons.iter().any(|reason| reason["code"] == json!(name))
    }

    fn call(&self, method: &str, at: usize, key: &str, body: &str) -> u16 {
        let escaped: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/v1/lists/{}/{escaped}", self.lists[at].name);
        self.daemon.admin_call(method, &path, body).status
    }

    fn bulk(&self, method: &str, at: usize, body: &str) {
        let path = format!("/v1/lists/{}?force=true", self.lists[at].name);
        let reply = self.daemon.admin_call(method, &path, body);
        assert_eq!(reply.status, 200, "{}: {reply:?}", self.lists[at].name);
    }

    /// The keys that put the first value of a list's form on it.
    fn keys(&self, at: usize) -> Vec<&'static str> {
        let Sample { spellings, parts, .. } = sample(self.lists[at].form);
        match self.lists[at].matching {
            "exact" => spellings.to_vec(),
            "network" => [spellings, parts].concat(),
            _ => [parts, &spellings[..1]].concat(),
        }
    }

    /// That the first value is on the list, or not, in each of its spellings; and that the other never is.
    fn expect(&mut self, at: usize, on: bool, after: &str) {
        let Sample { spellings, other, .. } = sample(self.lists[at].form);
        for value in spellings {
            let (path, matching) = (self.lists[at].path.clone(), self.lists[at].matching);
            assert_eq!(self.meets(at, value), on, "{path} {matching}, {value:?} after {after}");
        }
        assert!(!self.meets(at, other), "{}: {other:?} after {after}", self.lists[at].path);
    }
}

fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}

#[test]
fn a_key_put_in_any_way_meets_the_next_check_and_none_once_it_is_off_or_has_ended() {
    let mut matrix = Matrix::start();
    for at in 0..matrix.lists.len() {
        matrix.expect(at, false, "nothing");
        let keys = matrix.keys(at);
        for key in &keys {
            assert_eq!(matrix.call("PUT", at, key, ""), 200, "{key:?}");
            matrix.expect(at, true, &format!("PUT {key:?}"));
            assert_eq!(matrix.call("GET", at, key, ""), 200, "{key:?}");
            assert_eq!(matrix.call("DELETE", at, key, ""), 204, "{key:?}");
            matrix.expect(at, false, &format!("DELETE {key:?}"));
        }
        // Of an exact list and of networks each spelling is the same entry.
        if matrix.lists[at].matching == "exact" {
            assert_eq!(matrix.call("PUT", at, keys[keys.len() - 1], ""), 200);
            assert_eq!(matrix.call("DELETE", at, keys[0], ""), 204);
            matrix.expect(at, false, "DELETE in another spelling");
        }
        for (method, body) in [
            ("POST", format!("key,reason\n{},x\n", quoted(keys[0]))),
            ("PUT", format!("key\n{}\n", quoted(keys[0]))),
            ("POST", format!("{}\n", json!({ "key": keys[0] }))),
            ("PUT", json!([{ "key": keys[0] }]).to_string()),
            ("POST", format!("# list\n{}\n", keys[0])),
        ] {
            if body.starts_with('#') && keys[0].trim() != keys[0] {
                continue;
            }
            matrix.bulk(method, at, &body);
            matrix.expect(at, true, &format!("{method} {body:?}"));
            matrix.bulk("PUT", at, "key\n");
            matrix.expect(at, false, "an empty PUT");
        }
        let ends_ms = matrix.clock.load(Ordering::Acquire) + 60_000;
        assert_eq!(matrix.call("PUT", at, keys[0], &json!({ "expires": ends_ms }).to_string()), 200);
        matrix.expect(at, true, "PUT until in a minute");
        matrix.clock.store(ends_ms, Ordering::Release);
        matrix.expect(at, false, "its end");
    }
}

#[test]
fn what_was_put_meets_the_first_checks_after_a_restart_with_an_image_and_without() {
    let mut matrix = Matrix::start();
    for at in 0..matrix.lists.len() {
        assert_eq!(matrix.call("PUT", at, matrix.keys(at)[0], ""), 200);
    }
    // An image for each form of key whose hash is made in its own way.
    let large = |list: &List| {
        matches!(
            (list.path.as_str(), list.matching),
            ("packet", "exact") | ("ip", _) | ("account", "exact") | ("ext.word", "prefix")
        )
    };
    let large: Vec<usize> = (0..matrix.lists.len()).filter(|&at| large(&matrix.lists[at])).collect();
    assert_eq!(large.len(), 5);
    for &at in &large {
        let form = matrix.lists[at].form;
        let filler = (0..17_000_u32).fold("key\n".to_owned(), |body, n| match form {
            Form::Packet => body + &format!("ffffffff-ffff-4fff-8fff-{n:012x}\n"),
            Form::Address => body + &format!("10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255),
            _ => body + &format!("filler{n}\n"),
        });
        matrix.bulk("POST", at, &filler);
        assert!(matrix.daemon.data().join(format!("lists/{}.image", matrix.lists[at].name)).exists());
    }
    matrix.daemon.restart();
    for at in 0..matrix.lists.len() {
        matrix.expect(at, true, "a restart");
        let first = matrix.keys(at)[0];
        assert_eq!(matrix.call("DELETE", at, first, ""), 204, "{first:?}");
    }
    matrix.daemon.restart();
    for at in 0..matrix.lists.len() {
        matrix.expect(at, false, "DELETE and a restart");
    }
}

#[test]
fn a_key_that_no_value_could_match_is_refused_in_every_way() {
    let matrix = Matrix::start();
    for (at, list) in matrix.lists.iter().enumerate() {
        let Sample { never, no_parts, .. } = sample(list.form);
        for key in if list.matching == "prefix" { no_parts } else { never } {
            let refused = matrix.call("PUT", at, key, "");
            assert_eq!(refused, 400, "{} {key:?}", list.path);
            for body in [format!("{}\n", json!({ "key": key })), json!([{ "key": key }]).to_string()] {
                let reply = matrix.daemon.admin_call("POST", &format!("/v1/lists/{}", list.name), body);
                assert_eq!(reply.status, 400, "{} {key:?}: {reply:?}", list.path);
                assert!(reply.json()["lines"][0]["line"] == json!(1), "{reply:?}");
            }
        }
    }
    let entries = matrix.daemon.admin_call("GET", "/v1/lists", "").json();
    let all = entries["lists"].as_array().unwrap();
    assert!(all.iter().all(|list| list["entries"] == 0), "{entries}");
}

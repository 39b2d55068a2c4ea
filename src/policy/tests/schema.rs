//! The schema that editors read and the parser that refuses say the same: every key, every needed key and every closed set.
//!
//! The parser is asked, not read: a map with a strange key is answered with the keys that it takes and those it needs, a
//! strange word with the words that may stand there.

use std::collections::BTreeSet;
use std::path::Path;

use policy::FILE_SCHEMA;
use serde_json::Value;

/// A strange key, beyond one slip of the finger from all others.
const STRANGE: &str = "zzzzzzzz";

/// Each closed map of the schema, and a file with a strange key in one.
const MAPS: [(&str, &str); 15] = [
    ("", "?"),
    ("settings", "settings: { ? }"),
    ("extra_field", "schema: { a: { ? } }"),
    ("list", "lists: { a: { ? } }"),
    ("tenant", "tenants: { a: { ? } }"),
    ("feature", "features: { a: { ? } }"),
    ("limit", "limits: [{ ? }]"),
    ("breaker", "breakers: [{ ? }]"),
    ("rule", "rules: [{ ? }]"),
    ("reason", "rules: [{ reason: { ? } }]"),
    ("bands", "bands: { ? }"),
    ("test", "tests: [{ ? }]"),
    ("expectation", "tests: [{ name: n, given: { kind: pay }, expect: { ? } }]"),
    ("event", "tests: [{ name: n, events: [{ ? }] }]"),
    ("given", "tests: [{ name: n, given: { ? }, expect: allow }]"),
];

/// Each closed set of the schema, and a file with a strange word in place of one of its members.
const SETS: [(&str, &str); 23] = [
    ("/$defs/kind", "rules: [{ on: ? }]"),
    ("/$defs/challenge", "rules: [{ tier: challenge, challenge: ? }]"),
    ("/$defs/challenge", "settings: { band_challenge: ? }"),
    ("/$defs/verdict", "tests: [{ name: n, given: { kind: pay }, expect: ? }]"),
    ("/$defs/refusal", "rules: [{ tier: guard, verdict: ? }]"),
    ("/$defs/refusal", "limits: [{ then: ? }]"),
    ("/$defs/limit/properties/absent", "limits: [{ absent: ? }]"),
    ("/$defs/refusal", "breakers: [{ then: ? }]"),
    ("/$defs/extra_field/properties/type", "schema: { a: { type: ? } }"),
    ("/$defs/extra_field/properties/for", "schema: { a: { type: int, for: ? } }"),
    ("/$defs/list/properties/match", "lists: { a: { on: ip, match: ? } }"),
    ("/$defs/list/properties/action", "lists: { a: { on: ip, action: ? } }"),
    ("/$defs/feature/properties/status", "features: { a: { count: any, status: ? } }"),
    ("/$defs/feature/properties/for", "features: { a: { count: any, for: ? } }"),
    ("/$defs/rule/properties/tier", "rules: [{ tier: ? }]"),
    ("/$defs/mode", "rules: [{ mode: ? }]"),
    ("/$defs/mode", "limits: [{ mode: ? }]"),
    ("/$defs/mode", "breakers: [{ mode: ? }]"),
    ("/$defs/on_error", "rules: [{ on_error: ? }]"),
    ("/$defs/on_error", "limits: [{ on_error: ? }]"),
    ("/$defs/on_error", "breakers: [{ on_error: ? }]"),
    ("/$defs/mode", "tenants: { a: { rules: { b: ? } } }"),
    ("/$defs/check/properties/kind", "tests: [{ name: n, given: { kind: ? }, expect: allow }]"),
];

fn schema() -> Value {
    serde_json::from_str(FILE_SCHEMA).expect("the schema is JSON")
}

/// Messages and labels for a file.
fn answers(text: &str) -> Vec<(String, String)> {
    let compiled = policy::compile_sources(&[("probe.yaml", text)]);
    compiled.diagnostics.into_iter().map(|fault| (fault.message, fault.label)).collect()
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn keys(map: &Value) -> BTreeSet<String> {
    map.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

fn members(list: &Value) -> BTreeSet<String> {
    set(list.as_array().into_iter().flatten().filter_map(Value::as_str))
}

#[test]
fn every_map_has_the_keys_that_the_parser_takes_and_needs() {
    let schema = schema();
    for (name, file) in MAPS.iter().filter(|(name, _)| !matches!(*name, "event" | "given")) {
        let map = if name.is_empty() { &schema } else { &schema["$defs"][name] };
        let answers = answers(&file.replace('?', &format!("{STRANGE}: 1")));
        let strange = format!("has no key `{STRANGE}`");
        let label = answers.iter().find(|(message, _)| message.ends_with(&strange));
        let label = &label.unwrap_or_else(|| panic!("{name}: {answers:?}")).1;
        let taken = set(label.trim_start_matches("expected one of ").split(", "));
        assert_eq!(keys(&map["properties"]), taken, "{name}");
        let of = format!("{} needs `", answers_subject(&answers, &strange));
        let needed = answers.iter().filter_map(|(message, _)| message.strip_prefix(&of));
        assert_eq!(members(&map["required"]), set(needed.map(|rest| rest.trim_end_matches('`'))), "{name}");
        assert_eq!(map["additionalProperties"], Value::Bool(false), "{name}");
    }
}

/// What the parser calls the map that has no such key: `a rule` of ``a rule has no key `x` ``.
fn answers_subject<'a>(answers: &'a [(String, String)], strange: &str) -> &'a str {
    answers.iter().find_map(|(message, _)| message.strip_suffix(strange)).unwrap_or_default().trim_end()
}

#[test]
fn every_closed_set_has_the_members_that_the_parser_takes() {
    let schema = schema();
    for (at, file) in SETS {
        let answers = answers(&file.replace('?', STRANGE));
        let refusal = format!("`{STRANGE}` is not ");
        let label = answers.iter().find(|(message, _)| message.starts_with(&refusal));
        let label = &label.unwrap_or_else(|| panic!("{at}: {answers:?}")).1;
        let taken =
            set(label.trim_start_matches("expected ").split(", ").flat_map(|word| word.split(" or ")));
        assert_eq!(members(&schema.pointer(at).unwrap()["enum"]), taken, "{at}");
    }
}

#[test]
fn no_closed_map_and_no_closed_set_of_the_schema_is_left_out_of_these_tests() {
    fn walk(at: &str, node: &Value, maps: &mut BTreeSet<String>, sets: &mut BTreeSet<String>) {
        if node["additionalProperties"] == Value::Bool(false) {
            maps.insert(at.trim_start_matches("/$defs/").to_owned());
        }
        if node.get("enum").is_some() {
            sets.insert(at.to_owned());
        }
        for (key, inner) in node.as_object().into_iter().flatten() {
            walk(&format!("{at}/{key}"), inner, maps, sets);
        }
    }
    let (mut maps, mut sets) = (BTreeSet::new(), BTreeSet::new());
    walk("", &schema(), &mut maps, &mut sets);
    let open = ["event", "given"];
    assert_eq!(maps, set(MAPS.map(|(name, _)| name).into_iter().filter(|name| !open.contains(name))));
    // The classes of devices stand on the wire; a test's check is tried with each of them below.
    let mut tried = set(SETS.map(|(at, _)| at));
    tried.insert("/$defs/check/properties/device.class".to_owned());
    assert_eq!(sets, tried);
}

/// A value that the schema allows there.
fn example(name: &str, of: &Value) -> String {
    match (name, of["type"].as_str(), of["enum"].as_array()) {
        ("ip", ..) => "192.0.2.1".to_owned(),
        ("time", ..) => "2026-03-01T08:00:00Z".to_owned(),
        ("currency", ..) => "CNY".to_owned(),
        ("device.mac", ..) => "02:00:5e:10:00:01".to_owned(),
        ("lists", ..) => "[vip]".to_owned(),
        ("geo", ..) => "{ lat: 1, lon: 2 }".to_owned(),
        ("biometric", ..) => "{ face: 0.5 }".to_owned(),
        ("ext", ..) => "{ tier: 1 }".to_owned(),
        (_, _, Some(words)) => words[0].as_str().unwrap_or_default().to_owned(),
        (_, Some("boolean"), _) => "true".to_owned(),
        _ => "1".to_owned(),
    }
}

#[test]
fn every_field_of_a_check_that_the_schema_has_can_be_stated_and_no_builtin_is_forgotten() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (check, given) = (&schema["$defs"]["check"]["properties"], &schema["$defs"]["given"]["properties"]);
    let fields = || [check, given].into_iter().flat_map(|map| map.as_object().unwrap());
    for (name, of) in fields() {
        let rest = match name.as_str() {
            "kind" => "",
            "geo.lat" => ", kind: pay, geo.lon: 1",
            "geo.lon" => ", kind: pay, geo.lat: 1",
            _ => ", kind: pay",
        };
        let file = format!(
            "schema: {{ tier: {{ type: int }} }}\nlists: {{ vip: {{ on: account }} }}\n\
             tests: [{{ name: n, given: {{ {name}: {}{rest} }}, expect: allow }}]",
            example(name, of)
        );
        let compiled = policy::compile_sources(&[("given.yaml", &file)]);
        assert!(compiled.bundle.is_some(), "{}", compiled.render(false));
        let document: Value = json(&file);
        assert!(validator.is_valid(&document), "{file}");
    }
    let known: BTreeSet<&str> = fields().map(|(name, _)| name.as_str()).collect();
    for (_, name, ..) in engine::feature::BUILTINS {
        assert!(known.contains(name) || *name == "score", "the schema has no `{name}`");
    }
}

/// A file as editors read it: `off` is a word there, and no truth.
fn json(text: &str) -> Value {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true }).unwrap()
}

/// The files of a directory that are rules, as JSON.
fn documents(dir: &Path) -> Vec<(String, Value)> {
    let mut files: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.display().to_string(), json(&text))
    };
    files.into_iter().map(read).collect()
}

#[test]
fn every_shipped_file_and_every_example_of_the_page_is_valid() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = documents(&root.join("rules"));
    all.extend(documents(&root.join("bench/policy")));
    let page = std::fs::read_to_string(root.join("docs/rules.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    all.extend(blocks.map(|text| (text.to_owned(), json(text))));
    assert!(all.len() >= 15, "{}", all.len());
    for (name, document) in &all {
        let faults: Vec<String> = validator
            .iter_errors(document)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{name}\n{}", faults.join("\n"));
    }
}

#[test]
fn what_the_parser_refuses_for_its_shape_the_schema_refuses_too() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let reason = "reason: { code: R1, text: t }";
    for file in [
        format!("rules: [{{ id: a, tier: review, verdict: deny, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: challenge, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: deny, challenge: pin, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: score, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: deny, sample: 0, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: 1a, tier: deny, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: deny, share_max: 2, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: deny, share_max: 200%, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: deny, share_max: 0%, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: allow, share_max: 2%, when: kyc == 1, {reason} }}]"),
        format!("rules: [{{ id: a, tier: score, score: 0.1, share_max: 2%, when: kyc == 1, {reason} }}]"),
        "lists: { a: { on: ip, action: watch, share_max: 2% } }".to_owned(),
        "lists: { a: { on: ip, share_max: 2% } }".to_owned(),
        "features: { a: { by: account, window: 1h } }".to_owned(),
        "features: { a: { count: pay, max: amount, by: account, window: 1h } }".to_owned(),
        "features: { a: { count: pay, by: account, window: 10 } }".to_owned(),
        "features: { a: { count: pay, by: account, window: 10m, exact: 65 } }".to_owned(),
        "features: { A: { count: pay, by: account, window: 10m } }".to_owned(),
        "bands: { deny: 1.5 }".to_owned(),
        "settings: { utc_offset: 8 }".to_owned(),
        "tests: [{ name: n, given: { kind: pay } }]".to_owned(),
        "tests: [{ name: n, given: { kind: pay }, expect: allow, events: [] }]".to_owned(),
    ] {
        assert!(policy::compile_sources(&[("x.yaml", &file)]).bundle.is_none(), "{file}");
        let document: Value = json(&file);
        assert!(!validator.is_valid(&document), "{file}");
    }
}

//! The commands as people type them: what they print, and their exit codes (0 well, 1 found something, 2 could not be done).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn riskctl(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Command::new(env!("CARGO_BIN_EXE_riskctl"))
        .current_dir(root)
        .args(arguments)
        .output()
        .expect("riskctl starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a command that must end with that code.
fn ends(code: i32, arguments: &[&str]) -> String {
    let output = riskctl(arguments);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    stdout
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&ends(0, arguments)).expect("JSON")
}

/// A file of that name with that text in a folder that lasts as long as the first value.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

const MAP: &str = r#"
[time]
column = "t"
unit = "s"
epoch = "2026-03-02T00:00:00Z"
[label]
column = "bad"
fraud = ["yes"]
[scenario]
column = "how"
[fields]
id = { column = "n" }
kind = { value = "pay" }
account = { column = "who" }
amount = { column = "amount" }
"#;

const RULES: &str = r#"
features:
  pays_1h: { count: pay, by: account, window: 1h }
rules:
  - { id: fast, tier: deny, when: pays_1h >= 3, score: 0.8, reason: { code: T1, text: fast } }
  - { id: large, tier: score, when: amount > 100.00, score: 0.5, reason: { code: T2, text: large } }
tests:
  - name: three in an hour
    given: { kind: pay, pays_1h: 3 }
    expect: { verdict: deny, rules: [fast] }
"#;

/// Twenty honest payments a minute apart, then five quick ones of a thief.
fn stream() -> String {
    let mut csv = "n,t,who,amount,bad,how\n".to_owned();
    for row in 0..20 {
        csv += &format!("h{row},{},customer{row},10.00,no,\n", row * 60);
    }
    for row in 0..5 {
        csv += &format!("f{row},{},thief,200.00,yes,spree\n", 1200 + row);
    }
    csv
}

/// A folder with a stream, its mapping and a directory of rules.
fn replayable() -> (tempfile::TempDir, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let paths = [folder.path().join("stream.csv"), folder.path().join("map.toml"), rules];
    std::fs::write(&paths[0], stream()).unwrap();
    std::fs::write(&paths[1], MAP).unwrap();
    std::fs::write(paths[2].join("rules.yaml"), RULES).unwrap();
    let paths = paths.map(|path| path.to_str().unwrap().to_owned());
    (folder, paths)
}

#[test]
fn a_replay_reports_ranking_verdicts_and_money() {
    let (_folder, [stream, map, rules]) = replayable();
    let report = json(&["replay", &stream, "--map", &map, "--rules", &rules, "--json"]);
    assert_eq!((report["events"].as_u64(), report["frauds"].as_u64()), (Some(25), Some(5)));
    assert_eq!(report["ranking"][0]["AUC"], 1.0);
    assert_eq!(report["ranking"][1]["fraud"], "spree");
    assert_eq!(report["clock_skewed"], 0);
    // The first two of the spree pass with a score of 0.5, the third and those after it are denied.
    assert_eq!(report["verdicts"][3]["verdict"], "deny");
    assert_eq!(report["verdicts"][3]["fraud"], 3);
    assert_eq!(report["money"]["caught"], "600.00");
    assert_eq!(report["money"]["missed"], "400.00");
    assert_eq!(report["money"]["wrongly_refused"], "0.00");
}

#[test]
fn batches_decide_as_single_events_do() {
    let (folder, [stream, map, rules]) = replayable();
    let rows = |batch: &str| {
        let out = folder.path().join(format!("{batch}.csv"));
        let out = out.to_str().unwrap();
        ends(0, &["replay", &stream, "--map", &map, "--rules", &rules, "--batch", batch, "--out", out]);
        std::fs::read_to_string(out).unwrap()
    };
    let single = rows("1");
    assert_eq!(single, rows("64"));
    assert_eq!(single.lines().count(), 26);
    let header: Vec<&str> = single.lines().next().unwrap().split(',').collect();
    assert_eq!(header[..3], ["_id", "_time_ms", "_account"]);
    assert!(header.contains(&"pays_1h") && header.contains(&"amount"));
}

#[test]
fn a_model_is_trained_on_a_replay_and_scores_the_next_one() {
    let (folder, [stream, map, rules]) = replayable();
    let features = folder.path().join("features.parquet");
    let features = features.to_str().unwrap();
    ends(0, &["replay", &stream, "--map", &map, "--rules", &rules, "--out", features]);
    let model = folder.path().join("model");
    let model = model.to_str().unwrap();
    let train = ["model", "train", "--data", features, "--features", "amount,pays_1h,account_idle_s"];
    let all = ["--held-out", "0", "--validation", "0"];
    let more = ["--leaf-rows", "1", "--trees", "10", "--rules", &rules, "--out", model];
    let train = [&train[..], &all, &more].concat();
    assert!(ends(0, &train).starts_with("model@"));
    assert!(ends(0, &["model", "inspect", model]).contains("10 trees"));
    let quality = json(&["model", "eval", model, "--data", features, "--json"]);
    assert_eq!(quality[0]["AUC"], 1.0);
    let given = json(&["model", "predict", "--model", model, "--given", r#"{"amount": 20000}"#, "--json"]);
    assert!(given["scores"][0].as_f64().unwrap() > 0.5);
    let report = json(&["replay", &stream, "--map", &map, "--rules", &rules, "--model", model, "--json"]);
    assert!(report["model"].as_str().unwrap().starts_with("model@"));
    // With a changed file the model is refused: by inspect as a finding, by replay as something that cannot be done.
    let forest = Path::new(model).join("forest.txt");
    std::fs::write(&forest, std::fs::read_to_string(&forest).unwrap() + "tree\n= 0.5\n").unwrap();
    assert!(ends(1, &["model", "inspect", model]).contains("SHA-256"));
    ends(2, &["replay", &stream, "--map", &map, "--model", model]);
}

#[test]
fn inputs_that_are_not_given_are_what_the_daemon_takes_for_missing_ones() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/redpacket");
    let inspected = json(&["model", "inspect", model, "--json"]);
    let inputs = inspected["inputs"].as_array().unwrap().iter();
    let mut all: serde_json::Map<String, Value> =
        inputs.map(|input| (input["input"].as_str().unwrap().to_owned(), input["missing"].clone())).collect();
    assert!(
        all.values().any(|missing| missing.as_f64() != Some(0.0)),
        "some are missing otherwise than as none"
    );
    all.insert("amount".to_owned(), 20_000.into());
    let score = |given: &str| {
        json(&["model", "predict", "--model", model, "--given", given, "--json"])["scores"].clone()
    };
    assert_eq!(score(r#"{"amount": 20000}"#), score(&Value::Object(all).to_string()));
}

#[test]
fn a_fault_in_the_stream_is_named() {
    let (folder, [stream, map, _]) = replayable();
    let csv = std::fs::read_to_string(&stream).unwrap();
    for (from, to, expected) in [
        ("customer3,10.00", "customer3,10.005", "at most two decimals"),
        ("customer3,10.00", ",10.00", "account"),
        ("180,customer3", "soon,customer3", "line 5"),
        ("180,customer3", "1,customer3", "sort = true"),
        ("who", "whom", "no column `who`"),
    ] {
        let broken = folder.path().join("broken.csv");
        std::fs::write(&broken, csv.replacen(from, to, 1)).unwrap();
        let output = riskctl(&["replay", broken.to_str().unwrap(), "--map", &map]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

#[test]
fn rules_are_checked_tested_priced_and_tried() {
    let (_folder, [_, _, rules]) = replayable();
    assert!(ends(0, &["rules", "check", &rules]).contains("2 rules, 1 velocity feature,"));
    assert!(ends(0, &["rules", "test", &rules]).contains("1 of 1 tests hold"));
    assert_eq!(json(&["rules", "cost", &rules, "--json"])["rules"].as_array().unwrap().len(), 2);
    assert_eq!(ends(0, &["rules", "eval", "amount + 1.50", "--given", r#"{"amount": "2.00"}"#]), "3.50\n");
    let (valued, _) = file(
        "values.yaml",
        "values: { cap: 200.00 }\nrules:\n- { id: r, tier: deny, when: amount > cap, reason: { code: R, text: t } }\n",
    );
    let over_cap =
        ["rules", "eval", "amount > cap && device.rooted", "--rules", valued.path().to_str().unwrap()];
    let given = ["--given", r#"{"amount": "200.01", "device": {"id": "d", "rooted": true}}"#];
    assert_eq!(ends(0, &[&over_cap[..], &given[..]].concat()), "true\n");
    assert!(ends(1, &["rules", "eval", "amoun > 1.00"]).contains("did you mean `amount`"));
    let (folder, _) = file("broken.yaml", &RULES.replace("pays_1h >= 3", "pays_2h >= 3"));
    let output = ends(1, &["rules", "check", folder.path().to_str().unwrap()]);
    assert!(output.contains("broken.yaml:5:") && output.contains("pays_2h"), "{output}");
    let (folder, _) = file("failing.yaml", &RULES.replace("verdict: deny", "verdict: review"));
    assert!(ends(1, &["rules", "test", folder.path().to_str().unwrap()]).contains("three in an hour"));
}

#[test]
fn limits_breakers_and_what_tenants_have_otherwise_have_a_price() {
    let text = r#"
settings: { tenant: channel }
values: { most: 50.00 }
tenants:
  north: { values: { most: 5.00 }, rules: { fast: shadow } }
features:
  paid_1d: { sum: amount, on: pay, by: account, window: 1d, status: approved }
limits:
  - { id: daily, feature: paid_1d, max: 1.00, when: kyc < 3, reason: { code: L1, text: t } }
breakers:
  - { id: surge, by: account, on: pay, when: amount > 10.00, open: 1m, half_open: 1m, trials: 1, reason: { code: L2, text: t } }
rules:
  - { id: large, tier: review, when: amount > most, reason: { code: T1, text: t } }
  - { id: fast, tier: review, when: amount > 60.00, reason: { code: T2, text: t } }
  - { id: plain, tier: review, when: amount > 70.00, reason: { code: T3, text: t } }
"#;
    let (folder, _) = file("priced.yaml", text);
    let costs = json(&["rules", "cost", folder.path().to_str().unwrap(), "--json"]);
    let rows = |of: &str| costs[of].as_array().unwrap().clone();
    for refusal in rows("refusals") {
        let number = |key: &str| refusal[key].as_f64().unwrap();
        assert!(number("bytes") > 0.0 && number("reached_percent") > 0.0, "{refusal}");
        assert!(number("refused_percent") > 0.0 && number("when_ns") >= 0.0, "{refusal}");
    }
    let ids: Vec<Value> = rows("refusals").iter().map(|row| row["id"].clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&"daily".into()) && ids.contains(&"surge".into()), "{ids:?}");
    let rule = |id: &str| rows("rules").into_iter().find(|row| row["rule"] == id).unwrap();
    for (id, tenants) in [("large", 1), ("fast", 1), ("plain", 0)] {
        assert_eq!(rule(id)["tenants"], tenants, "{id}");
    }
    // Whose check it is has to be found out for those that have it otherwise.
    let instructions = |id: &str| rule(id)["instructions"].as_u64().unwrap();
    assert!(instructions("large") > instructions("fast") && instructions("fast") > instructions("plain"));
}

#[test]
fn every_rule_and_feature_has_a_price_in_time_and_memory() {
    let text = r#"
features:
  pays_1h:    { count: pay, by: account, window: 1h, exact: 40 }
  devices_1d: { distinct: device, on: pay, by: account, window: 1d }
  paid_1d:    { sum: amount, on: claim, by: account, window: 1d, for: model }
  idle_s:     { last: pay, by: account, window: 1d, for: model }
rules:
  - { id: fast, tier: review, on: pay, when: pays_1h >= 3, reason: { code: T1, text: t } }
  - { id: many, tier: score, score: 0.1, on: login, when: devices_1d >= 3, reason: { code: T2, text: t } }
"#;
    let (folder, _) = file("priced.yaml", text);
    let costs = json(&["rules", "cost", folder.path().to_str().unwrap(), "--json"]);
    let row = |of: &str, key: &str, id: &str| {
        costs[of]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row[key] == id)
            .unwrap_or_else(|| panic!("{id}"))
            .clone()
    };
    for (id, tier) in [("fast", "review"), ("many", "score")] {
        let rule = row("rules", "rule", id);
        let number = |key: &str| rule[key].as_f64().unwrap_or_else(|| panic!("{key} in {rule}"));
        assert!(rule["tier"] == tier && number("ns") >= 0.0 && number("bytes") > 0.0, "{rule}");
        assert!(number("instructions") >= number("own") && number("own") > 0.0, "{rule}");
        assert!(number("reached_percent") > 0.0 && number("matched_percent") >= 0.0, "{rule}");
    }
    let bytes = |id: &str| {
        let feature = row("features", "feature", id);
        assert!(
            feature["ns"].as_f64().unwrap() >= 0.0 && feature["taken_in_percent"].as_f64().unwrap() > 0.0
        );
        ["key_bytes", "busy_bytes"]
            .map(|key| feature[key].as_u64().unwrap_or_else(|| panic!("{key} in {feature}")))
    };
    assert_eq!(bytes("idle_s"), [8, 0], "one time");
    assert_eq!(bytes("pays_1h")[0], 16, "four times of four bytes");
    assert!(bytes("pays_1h")[1] >= 36 * 4 && bytes("devices_1d")[1] > 0 && bytes("paid_1d")[0] > 0);
}

#[test]
fn a_percentile_of_ones_own_promises_what_so_many_deviations_do() {
    let told = |zscore: &str| {
        let given = format!(r#"{{"amount": "9.00", "amount_zscore": {zscore}}}"#);
        let told = ends(0, &["rules", "eval", "percentile_of_own(amount)", "--given", &given]);
        told.trim().parse::<f64>().unwrap()
    };
    assert_eq!([told("3.0"), told("1.0"), told("0.0"), told("-2.0")], [0.9, 0.5, 0.0, 0.0]);
    assert!(ends(1, &["rules", "eval", "percentile_of_own(kyc)"]).contains("takes `amount`"));
}

#[test]
fn money_is_exact_and_what_is_rounded_or_of_two_types_is_said() {
    let eval = |code, expression: &str, amount: &str| {
        let given = format!(r#"{{"amount": "{amount}"}}"#);
        ends(code, &["rules", "eval", expression, "--given", &given])
    };
    for (expression, amount, value) in [
        ("amount + 0.29 >= 170.99", "170.70", "true"),
        ("amount == 4.35 * 3.0 && amount == 13.0 + 0.05", "13.05", "true"),
        (
            "amount % 100 == 0 && max(amount, 5.00) - min(amount, 5.00) == abs(5.00 - amount)",
            "300.00",
            "true",
        ),
        ("amount * 0.07", "9.00", "0.63"),
        ("amount * 1.005", "1.00", "1.005"),
    ] {
        assert_eq!(eval(0, expression, amount), format!("{value}\n"), "{expression}");
    }
    assert!(eval(1, "amount > 1.005", "1.00").contains("at most two decimals"));
    assert!(eval(1, "duration(\"1h\") > 60", "1.00").contains("does not take duration and int"));
    let rule = |text: &str| {
        let (folder, _) = file("r.yaml", text);
        ends(0, &["rules", "check", folder.path().to_str().unwrap()])
    };
    let when = |when: &str| {
        rule(&format!("rules: [{{ id: r, tier: deny, when: {when}, reason: {{ code: R, text: t }} }}]\n"))
    };
    assert!(when("amount * amount_ratio > 5.00").contains("rounded to a double"));
    assert!(!when("double(amount) * amount_ratio > 5.0").contains("rounded"));
}

#[test]
fn what_the_project_ships_holds() {
    for rules in ["rules", "models/card_stream/rules", "models/cloudwalk/rules"] {
        ends(0, &["rules", "check", rules]);
        ends(0, &["rules", "test", rules]);
    }
    for model in ["models/redpacket", "models/redpacket-anomaly"] {
        let look = json(&["model", "inspect", model, "--rules", "rules", "--json"]);
        let command = look["training"]["command"].as_str().unwrap();
        assert!(command.contains("model train --sim-events") && command.ends_with(model), "{command}");
        // Explanations have a base that was seen, and the daemon can tell drift.
        assert_eq!(look["explanation"]["covers"], "training_rows", "{model}");
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(model).join("manifest.toml");
        assert!(model::Manifest::parse(&std::fs::read_to_string(manifest).unwrap()).unwrap().drift.is_some());
    }
    // A replay refuses a model whose inputs are no features of the policy.
    let (_folder, [stream, map, _]) = replayable();
    ends(0, &["replay", &stream, "--map", &map, "--rules", "rules", "--model", "models/redpacket"]);
    ends(2, &["replay", &stream, "--map", &map, "--model", "models/redpacket"]);
}

#[test]
fn a_token_is_minted_opened_and_drawn() {
    let (folder, keys) = file("token.keys", &format!("# newest first\n7 {}\n", "5a".repeat(32)));
    let keys = keys.to_str().unwrap();
    let packet = "0192f6c4-7c1e-7000-8000-000000000001";
    let token = ends(0, &["token", "mint", packet, "--amount", "8.88", "--keys", keys]);
    let opened = json(&["token", "verify", token.trim(), "--keys", keys, "--json"]);
    assert_eq!((&opened["packet"], &opened["amount"]), (&packet.into(), &"8.88".into()));
    assert!(ends(0, &["token", "render", token.trim()]).starts_with("<svg"));
    let (_other, strange) = file("other.keys", &format!("7 {}\n", "a5".repeat(32)));
    let strange = strange.to_str().unwrap();
    assert!(ends(1, &["token", "verify", token.trim(), "--keys", strange]).contains("forged"));
    assert!(ends(1, &["token", "verify", "nonsense", "--keys", keys]).contains("not a token"));
    // A faulty key line is named and never shown.
    std::fs::write(folder.path().join("token.keys"), "1 5ecre7").unwrap();
    let output = riskctl(&["token", "verify", token.trim(), "--keys", keys]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(":1:") && !text(&output.stderr).contains("5ecre7"));
}

#[test]
fn what_cannot_be_done_ends_with_two() {
    ends(2, &["frobnicate"]);
    ends(2, &["replay"]);
    ends(2, &["replay", "stream.xlsx", "--map", "models/maps/card_stream.toml"]);
    ends(2, &["model", "eval", "no-such-model", "--data", "no-such-file.csv"]);
    ends(2, &["rules", "eval", "1 + 1", "--given", "{"]);
    let (_folder, token) = file("admin.token", &"0".repeat(64));
    let unreachable = ["--admin", "127.0.0.1:1", "--token-file", token.to_str().unwrap()];
    ends(2, &[&["list", "show"][..], &unreachable].concat());
    // An empty folder holds no journal, and nothing in it is wrong.
    let folder = tempfile::tempdir().unwrap();
    assert!(ends(0, &["journal", "verify", folder.path().to_str().unwrap()]).contains("0 records"));
}

#[test]
fn check_gives_an_editor_every_fault_of_a_directory_with_its_place() {
    let printed = ends(1, &["rules", "check", "src/policy/tests/faults/forty", "--json"]);
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forty.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &printed).unwrap();
    }
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let (printed, expected) = (parsed(&printed), parsed(&std::fs::read_to_string(expected).unwrap()));
    assert_eq!(printed, expected);
    assert_eq!(printed["diagnostics"].as_array().map(Vec::len), Some(40));
    assert_eq!(printed["version"], Value::Null);
}

#[test]
fn the_schema_that_is_printed_is_the_one_that_is_shipped() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules/schema.json");
    assert_eq!(ends(0, &["rules", "schema"]), std::fs::read_to_string(shipped).unwrap());
}

#[test]
fn white_space_that_is_not_ascii_is_a_fault_with_a_place_and_not_a_panic() {
    let rule = |when: &str| {
        format!("rules:\n- id: r\n  tier: deny\n  when: {when}\n  reason: {{ code: R, text: t }}\n")
    };
    for space in ["\u{3000}", "\u{a0}", "\u{85}", "\u{2009}", "\u{2028}", "\u{2029}", "\u{200b}"] {
        for when in [
            format!("amount{space}> 5.00"),
            format!("amount >{space}5.00"),
            format!("'amount > {space} 5.00'"),
        ] {
            let (folder, _) = file("r.yaml", &rule(&when));
            let folder = folder.path().display().to_string();
            let shown = ends(1, &["rules", "check", &folder]);
            assert!(shown.contains("r.yaml:4:") && shown.contains("U+"), "{when:?}: {shown}");
            assert!(!shown.contains(space), "shown by a sign that can be seen: {shown:?}");
            ends(1, &["rules", "check", &folder, "--json"]);
            ends(2, &["rules", "test", &folder]);
        }
        ends(1, &["rules", "eval", &format!("1{space}< 2")]);
    }
}

#[test]
fn files_that_declare_nothing_are_refused_unless_they_are_allowed() {
    let (folder, path) = file("good.yaml", "bands: { deny: 0.9 }\n");
    let folder = folder.path().display().to_string();
    ends(0, &["rules", "check", &folder]);
    for text in ["", "# nothing yet\n", "{}\n", "rules:\n"] {
        std::fs::write(path.with_file_name("empty.yaml"), text).unwrap();
        let shown = ends(1, &["rules", "check", &folder]);
        assert!(shown.contains("empty.yaml declares nothing") && shown.contains("--allow-empty"), "{shown}");
        ends(2, &["rules", "test", &folder]);
        let shown = ends(0, &["rules", "check", &folder, "--allow-empty"]);
        assert!(shown.contains("Warning: empty.yaml declares nothing"), "{shown}");
        ends(0, &["rules", "test", &folder, "--allow-empty"]);
    }
    std::fs::remove_file(path.with_file_name("empty.yaml")).unwrap();
    std::fs::write(&path, "rules: []\n").unwrap();
    assert!(ends(1, &["rules", "check", &folder]).contains("the policy decides nothing"));
    assert!(ends(0, &["rules", "check", &folder, "--allow-empty"]).contains("the policy decides nothing"));
}

#[test]
fn lengths_of_time_have_units_in_flags() {
    let (folder, _) = file("token.keys", &format!("1 {}\n", "ab".repeat(32)));
    let keys = folder.path().join("token.keys").display().to_string();
    let mint = ["token", "mint", "0192f6c4-7c1e-7000-8000-000000000001", "--keys", &keys, "--valid-seconds"];
    for length in ["90", "90s", "1h30m", "1w"] {
        let token = ends(0, &[&mint[..], &[length]].concat());
        ends(0, &["token", "verify", token.trim(), "--keys", &keys]);
    }
    for length in ["0", "1mo", "5 min", "-1s", "0.5s"] {
        ends(
            2,
            &[&mint[..], &[&format!("--valid-seconds={length}")]]
                .concat()
                .into_iter()
                .filter(|word| *word != "--valid-seconds")
                .collect::<Vec<_>>(),
        );
    }
}

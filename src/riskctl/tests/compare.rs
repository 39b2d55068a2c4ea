//! `riskctl model compare` over a small log, held against the obvious: pairs counted one by one, and an engine in which the
//! challenger is the champion.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
use engine::policy::Policy;
use engine::{Challenger, Decision, Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use journal::{Folder, Writer, WriterConfig, ring};
use serde_json::{Value, json};
use wire::{Check, Kind, Outcome, OutcomeKind, Verdict};

const RULES: &str = "
features:
  pays_1h: { count: pay, by: account, window: 1h }
rules:
  - { id: often, tier: score, when: pays_1h >= 3, score: 0.15, reason: { code: R1, text: t } }
  - { id: large, tier: score, when: amount > 8.00, score: 0.1, reason: { code: R2, text: t } }
  - { id: watched, tier: deny, when: amount > 5.00, mode: shadow, reason: { code: R3, text: t } }
  - { id: tenth, tier: review, when: pays_1h >= 10, reason: { code: R4, text: t } }
  - { id: trusted, tier: allow, when: kyc == 3, score: -0.2, reason: { code: R5, text: t } }
bands: { challenge: 0.45, review: 0.7, deny: 0.9 }
settings: { band_challenge: pin }
";
const START_MS: i64 = 1_772_409_600_000;
const CHECKS: usize = 900;
const SEED: [u8; 16] = [3; 16];

/// Scores rise with the amount, at these cuts.
fn forest(version: &str, cuts: &[f64], scores: &[f64]) -> ForestSpec {
    let mut nodes = Vec::new();
    for (at, cut) in cuts.iter().enumerate() {
        let next = nodes.len() as u32;
        nodes.extend([Node::at_most(0, *cut, next + 1, next + 2), Node::Leaf(scores[at])]);
    }
    nodes.push(Node::Leaf(scores[cuts.len()]));
    ForestSpec {
        version: version.to_owned(),
        inputs: vec!["amount".to_owned()],
        trees: vec![Tree { nodes }],
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: true,
        transform: Transform::Identity,
        calibration: Calibration::None,
    }
}

fn champion() -> ForestSpec {
    forest("m@1", &[100.0, 300.0, 600.0], &[0.05, 0.3, 0.5, 0.8])
}

fn challenger() -> ForestSpec {
    forest("next@2", &[50.0, 250.0, 700.0, 900.0], &[0.1, 0.2, 0.55, 0.75, 0.95])
}

/// A check, and whether it was fraud, where that became known.
struct Event {
    id: String,
    account: String,
    amount_minor: i64,
    kyc: u8,
    fraud: Option<bool>,
}

fn events() -> Vec<Event> {
    let mut state = 11_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let event = |n: usize| {
        let amount_minor = draw(1000) as i64 + 1;
        let fraud = draw(1000) < amount_minor as u64 / 2;
        Event {
            id: format!("p{n}"),
            account: format!("u{}", draw(120)),
            amount_minor,
            kyc: draw(4) as u8,
            fraud: Some(fraud).filter(|_| draw(3) > 0),
        }
    };
    (0..CHECKS).map(event).collect()
}

fn check(event: &Event) -> Check<'_> {
    let mut check = Check::new(&event.id, Kind::Pay, &event.account);
    check.amount_minor = Some(event.amount_minor);
    check.kyc = Some(event.kyc);
    check
}

/// Decides all of them one after the other; each decision goes to `log` with its key and its record.
fn decided(parts: Parts, events: &[Event], mut log: impl FnMut(u64, &[u8])) -> (Vec<Decision>, Tables) {
    let sizes = Sizes {
        accounts: 2048,
        devices: 2048,
        velocity_keys: 2048,
        busy_keys: 2048,
        list_entries: 64,
        decisions: 4096,
        seed: SEED,
    };
    let tables = Tables::new(&sizes).unwrap();
    let snapshot = Snapshot::build(parts, &tables, None).unwrap();
    let (mut scratch, mut decisions, mut all) = (Scratch::new(0), Vec::new(), Vec::new());
    for (at, event) in events.iter().enumerate() {
        let now = Now { ms: START_MS + 1000 * at as i64, waited_us: 0 };
        decide(&snapshot, &tables, now, &[check(event)], &mut decisions, &mut scratch);
        scratch.records().for_each(|(key, _, bytes)| log(key, bytes));
        all.append(&mut decisions);
    }
    (all, tables)
}

/// Writes records into a folder as the daemon does.
fn write(folder: &Path, records: &[(u64, Vec<u8>)]) {
    std::fs::create_dir_all(folder).unwrap();
    let (mut producer, consumer) = ring(4 << 20);
    records.iter().for_each(|(key, bytes)| producer.push(*key, bytes).unwrap());
    let folder = Arc::new(Folder::writable(folder).unwrap());
    drop(producer);
    Writer::start(folder, &WriterConfig::default(), vec![consumer], None).unwrap().close();
}

#[path = "support/examples.rs"]
mod examples;

struct Site {
    folder: tempfile::TempDir,
    policy: Policy,
    events: Vec<Event>,
    decisions: Vec<Decision>,
}

impl Site {
    /// A data folder with a log, outcomes and the seed, and the rules beside it.
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("rules")).unwrap();
        std::fs::write(path("rules/rules.yaml"), RULES).unwrap();
        let policy = policy::compile_dir(&path("rules")).bundle.expect("the rules compile").policy;
        let events = events();
        let parts = Parts {
            policy: policy.clone(),
            forest: Some(champion()),
            challengers: vec![
                Challenger { forest: challenger(), share_percent: 100 },
                Challenger { forest: forest("some@3", &[500.0], &[0.2, 0.6]), share_percent: 30 },
            ],
            ..Parts::default()
        };
        let mut records = Vec::new();
        let (decisions, tables) = decided(parts, &events, |key, bytes| records.push((key, bytes.to_vec())));
        let mut outcomes = Vec::new();
        for event in &events {
            let mut tell = |outcome| {
                let mut bytes = Vec::new();
                let told = Outcome { id: event.id.as_str().into(), outcome, time_ms: Some(START_MS) };
                wire::json::write_outcome(&told, &mut bytes);
                outcomes.push((tables.id_key(&event.id), bytes));
            };
            match event.fraud {
                // The latest label stands.
                Some(true) => [OutcomeKind::Legit, OutcomeKind::Fraud].into_iter().for_each(&mut tell),
                Some(false) => tell(OutcomeKind::Legit),
                None => tell(OutcomeKind::Settled),
            }
        }
        write(&path("data/journal"), &records);
        write(&path("data/outcomes"), &outcomes);
        std::fs::write(path("data/hash.seed"), SEED).unwrap();
        Site { folder, policy, events, decisions }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        command.current_dir(self.folder.path()).args(["model", "compare"]).args(arguments).output().unwrap()
    }

    fn compared(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The score of those trees by reading them.
fn score(spec: &ForestSpec, event: &Event) -> f64 {
    model::walk::score(spec, &[event.amount_minor as f64])
}

/// The definition itself: every pair of a fraud and an honest check.
fn auc(rows: &[(f64, bool)]) -> f64 {
    let (mut won, mut pairs) = (0.0, 0.0);
    for (fraud, _) in rows.iter().filter(|row| row.1) {
        for (honest, _) in rows.iter().filter(|row| !row.1) {
            pairs += 1.0;
            won += if fraud > honest { 1.0 } else { f64::from(u8::from(fraud == honest)) / 2.0 };
        }
    }
    won / pairs
}

/// Frauds and honest checks at or above a threshold.
fn above(rows: &[(f64, bool)], threshold: f64) -> (f64, f64) {
    let count = |fraud: bool| rows.iter().filter(|row| row.1 == fraud && row.0 >= threshold).count() as f64;
    (count(true), count(false))
}

fn thresholds(rows: &[(f64, bool)]) -> Vec<f64> {
    let mut all: Vec<f64> = rows.iter().map(|row| row.0).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup();
    all
}

fn average_precision(rows: &[(f64, bool)]) -> f64 {
    let frauds = rows.iter().filter(|row| row.1).count() as f64;
    let (mut sum, mut before) = (0.0, 0.0);
    for threshold in thresholds(rows) {
        let (caught, disturbed) = above(rows, threshold);
        sum += (caught - before) / frauds * caught / (caught + disturbed);
        before = caught;
    }
    sum
}

fn recall_at(rows: &[(f64, bool)], share: f64) -> f64 {
    let (frauds, honest) = above(rows, f64::NEG_INFINITY);
    let fits = |threshold: &f64| above(rows, *threshold).1 <= share * honest;
    let caught = thresholds(rows).into_iter().filter(fits).map(|threshold| above(rows, threshold).0);
    caught.fold(0.0, f64::max) / frauds
}

fn close(found: &Value, expected: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what} is {found}"));
    assert!((found - expected).abs() < 1e-12, "{what}: {found}, not {expected}");
}

#[test]
fn the_examples_of_the_help_run_as_they_stand() {
    let site = Site::new();
    std::fs::write(site.folder.path().join("chargebacks.csv"), "id,label\np1,fraud\np2,legit\n").unwrap();
    for example in examples::of("model compare") {
        assert!(!examples::run(&example, site.folder.path()).is_empty(), "{example}");
    }
}

#[test]
fn a_comparison_says_what_the_obvious_says() {
    let site = Site::new();
    let compared = site.compared(&["data", "--rules", "rules"]);
    assert_eq!(compared["decisions"], json!(CHECKS));
    let pair = &compared["pairs"][0];
    assert_eq!((&pair["champion"]["model"], &pair["challenger"]["model"]), (&json!("m@1"), &json!("next@2")));
    assert_eq!((&pair["checks"], &pair["judged"]), (&json!(CHECKS), &json!(CHECKS)));
    let labelled: Vec<&Event> = site.events.iter().filter(|event| event.fraud.is_some()).collect();
    assert_eq!(pair["labelled"], json!(labelled.len()));
    assert_eq!(pair["frauds"], json!(labelled.iter().filter(|event| event.fraud == Some(true)).count()));

    // With the challenger as champion, on fresh tables: windows count attempts, so that verdicts move none of them.
    let parts = Parts { policy: site.policy.clone(), forest: Some(challenger()), ..Parts::default() };
    let (others, _) = decided(parts, &site.events, |_, _| {});
    for (role, spec, decisions) in
        [("champion", champion(), &site.decisions), ("challenger", challenger(), &others)]
    {
        let side = &pair[role];
        let rows: Vec<(f64, bool)> =
            labelled.iter().map(|event| (score(&spec, event), event.fraud == Some(true))).collect();
        close(&side["auc"], auc(&rows), "AUC");
        close(&side["average_precision"], average_precision(&rows), "average precision");
        close(&side["recall_at_1_percent"], recall_at(&rows, 0.01), "recall at 1 %");
        close(&side["recall_at_0_1_percent"], recall_at(&rows, 0.001), "recall at 0.1 %");
        let (mut caught, mut missed, mut refused) = (0, 0, 0);
        for (event, decision) in site.events.iter().zip(decisions) {
            match (event.fraud, decision.verdict) {
                (Some(true), Verdict::Allow) => missed += event.amount_minor,
                (Some(true), _) => caught += event.amount_minor,
                (Some(false), Verdict::Deny) => refused += event.amount_minor,
                _ => {}
            }
        }
        assert!(caught > 0 && missed > 0 && (refused > 0 || role == "champion"));
        let money = |minor: i64| json!(wire::money::Major(minor).to_string());
        assert_eq!(
            (&side["caught"], &side["missed"], &side["wrongly_refused"]),
            (&money(caught), &money(missed), &money(refused)),
            "{role}"
        );
    }
    let changed =
        site.decisions.iter().zip(&others).filter(|(one, other)| one.verdict != other.verdict).count();
    assert_eq!(pair["verdicts_changed"], json!(changed));
    let band = |score: f64| [0.45, 0.7, 0.9].iter().filter(|band| score >= **band).count();
    let moved =
        site.decisions.iter().zip(&others).filter(|(one, other)| band(one.score) != band(other.score));
    let moved = moved.count();
    assert_eq!(pair["bands_changed"], json!(moved));
    assert!(changed > 0 && moved > changed, "{changed} and {moved}");
}

#[test]
fn a_challenger_of_a_share_is_held_against_the_champion_on_its_own_checks() {
    let site = Site::new();
    let compared = site.compared(&["data"]);
    let pair = &compared["pairs"][1];
    assert_eq!(pair["challenger"]["model"], json!("some@3"));
    let checks = pair["checks"].as_u64().unwrap();
    assert!((100..=500).contains(&checks), "{checks}");
    // Without the rules that decided, nobody knows what would have changed.
    assert_eq!((&pair["judged"], &pair["bands_changed"]), (&json!(0), &json!(0)));
    let text = site.run(&["data", "--rules", "rules"]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("some@3") && text.contains("checks that these rules decided"), "{text}");
}

#[test]
fn labels_come_from_a_file_too_and_silence_may_be_taken_for_honesty() {
    let site = Site::new();
    let known = site.events.iter().filter(|event| event.fraud.is_some()).count();
    let first = site.events.iter().position(|event| event.fraud.is_none()).unwrap();
    let number = site.decisions[first].number;
    let frauds = |value: &Value| value["pairs"][0]["frauds"].as_u64().unwrap();
    let before = frauds(&site.compared(&["data"]));
    for (name, rows) in [
        ("by_id.csv", format!("id,label\n{},fraud\n", site.events[first].id)),
        ("by_number.csv", format!("decision,label\n{number},1\n")),
    ] {
        std::fs::write(site.folder.path().join(name), rows).unwrap();
        let compared = site.compared(&["data", "--labels", name]);
        assert_eq!(compared["pairs"][0]["labelled"], json!(known + 1), "{name}");
        assert_eq!(frauds(&compared), before + 1, "{name}");
    }
    // As versions before the checksum wrote the seed.
    std::fs::write(site.folder.path().join("data/hash.seed"), SEED).unwrap();
    assert_eq!(frauds(&site.compared(&["data", "--labels", "by_id.csv"])), before + 1);
    let all = site.compared(&["data", "--legit-after", "0"]);
    assert_eq!(all["pairs"][0]["labelled"], json!(CHECKS));
    // The first 100 of the checks, which are a second apart.
    let until = "2026-03-02T00:01:40Z";
    assert_eq!(site.compared(&["data", "--to", until])["pairs"][0]["checks"], json!(100));
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_reason() {
    let site = Site::new();
    let write = |name: &str, text: &str| std::fs::write(site.folder.path().join(name), text).unwrap();
    write("no_label.csv", "id,fraud\np1,1\n");
    write("no_name.csv", "who,label\np1,1\n");
    write("odd.csv", "id,label\np1,perhaps\n");
    write("key.csv", "key,label\nxyz,1\n");
    write("none.csv", "id,label\n");
    write("stranger.csv", "id,label\nnobody,1\n");
    write("strange_number.csv", "decision,label\n123456789,1\n");
    write("both.csv", "id,label\np1,1\np2,0\np1,legit\n");
    write("both_numbers.csv", "decision,label\n7,1\n7,0\n");
    std::fs::create_dir(site.folder.path().join("empty")).unwrap();
    for (arguments, why) in [
        (vec!["data", "--labels", "no_label.csv"], "label"),
        (vec!["data", "--labels", "no_name.csv"], "expected a column `id`, `key` or `decision`"),
        (vec!["data", "--labels", "odd.csv"], "fraud or legit, 1 or 0"),
        (vec!["data", "--labels", "key.csv"], "expected a key of 16 digits"),
        (vec!["data", "--labels", "none.csv"], "none.csv: it has no rows"),
        (vec!["data", "--labels", "stranger.csv"], "stranger.csv: no label matches a decision"),
        (vec!["data", "--labels", "strange_number.csv"], "no label matches a decision"),
        (vec!["data", "--labels", "both.csv"], "line 4: id \"p1\" is both fraud and legit"),
        (vec!["data", "--labels", "both_numbers.csv"], "line 3: decision \"7\" is both fraud and legit"),
        (vec!["data", "--legit-after", "1e9"], "legit-after"),
        (vec!["data", "--from", "2030-01-01"], "no challenger scored"),
        (vec!["empty"], "no challenger scored"),
        (vec!["nowhere"], "nowhere"),
    ] {
        let output = site.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    write("ids.csv", "id,label\np1,1\n");
    std::fs::write(site.folder.path().join("data/hash.seed"), [3; 31]).unwrap();
    let output = site.run(&["data", "--labels", "ids.csv"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("hash.seed: it is damaged or cut short"), "{said}");
}

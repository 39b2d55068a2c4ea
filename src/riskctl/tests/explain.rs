//! What inputs did to scores, as people ask for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use engine::{Now, Parts, Scratch, Sizes, Snapshot, Tables, decide};
use journal::{Folder, Writer, WriterConfig};
use serde_json::Value;
use wire::{Check, Kind};

/// A tree over an amount and a kind, and one over the amount again, as LightGBM writes them: ten rows were trained on.
const MODEL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\
objective=binary sigmoid:1\nfeature_names=Column_0 Column_1\n\n\
Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\nsplit_gain=6 2\nthreshold=100.5 1.5\ndecision_type=2 2\n\
left_child=-1 -2\nright_child=1 -3\nleaf_value=-1 0.5 2\nleaf_count=6 1 3\nis_linear=0\n\n\
Tree=1\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=8\nthreshold=1000.5\ndecision_type=2\n\
left_child=-1\nright_child=-2\nleaf_value=-0.5 0.5\nleaf_count=8 2\nis_linear=0\n\nend of trees\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.write("model.txt", MODEL);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Standard output of a command that must end well.
    fn says(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        let output = command.current_dir(self.0.path()).args(arguments).output().expect("riskctl starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{arguments:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    fn import(&self) {
        self.says(&["model", "import", "model.txt", "--features", "amount,kyc", "--out", "mine"]);
    }
}

fn near(found: &Value, expected: f64) -> bool {
    (found.as_f64().unwrap() - expected).abs() < 1e-12
}

#[test]
fn contributions_stand_beside_the_scores_and_sum_to_them() {
    let place = Place::new();
    place.import();
    place.write("rows.csv", "amount,kyc\n50,1\n2000,2\n2000,1\n");
    let predict = ["model", "predict", "--model", "mine", "--data", "rows.csv", "--contributions"];
    let csv = place.says(&predict);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("raw,score,base,contribution_amount,contribution_kyc"));
    for (line, raw) in lines.zip([-1.5, 2.5, 1.0]) {
        let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers[0], raw, "{line}");
        // Means over the ten rows: 0.05 of the first tree, −0.3 of the second.
        assert!((numbers[2] + 0.25).abs() < 1e-12, "{line}");
        assert!((numbers[2..].iter().sum::<f64>() - raw).abs() < 1e-12, "{line}");
    }
    place.says(&[&predict[..], &["--out", "parts.csv"]].concat());
    assert_eq!(std::fs::read_to_string(place.path("parts.csv")).unwrap(), csv);

    let given =
        ["model", "predict", "--model", "mine", "--contributions", "--given", r#"{"amount": 50, "kyc": 1}"#];
    let said = place.json(&given);
    assert_eq!(
        (&said["covers"], &said["method"]),
        (&"training_rows".into(), &"path-dependent TreeSHAP".into())
    );
    // With kyc known alone the first tree is worth 6/10 · −1 + 4/10 · 1/2 = −0.4, with neither 0.05, with the amount −1.
    let parts = &said["contributions"][0];
    assert!(near(&parts["kyc"], -0.225) && near(&parts["amount"], -1.025), "{said}");
    let shown = place.says(&given);
    let amount = shown.lines().find(|line| line.starts_with("amount ")).unwrap();
    assert!(amount.contains("50.0") && amount.contains("minor units"), "{shown}");
    assert!(shown.contains("rows trained on"), "{shown}");
}

#[test]
fn a_model_is_looked_into_with_gains_covers_and_missing_values() {
    let place = Place::new();
    place.import();
    let look = place.json(&["model", "inspect", "mine"]);
    assert_eq!((&look["trees"], &look["leaves"], &look["depth"]), (&2.into(), &5.into(), &2.into()));
    let (amount, kyc) = (&look["inputs"][0], &look["inputs"][1]);
    assert_eq!((&amount["gain"], &kyc["gain"]), (&0.875.into(), &0.125.into()), "{look}");
    // Ten rows pass each root, four the split below.
    assert_eq!((&amount["cover"], &kyc["cover"]), (&0.833_333.into(), &0.166_667.into()), "{look}");
    assert_eq!((&amount["missing"], &amount["unit"]), (&0.0.into(), &"minor units".into()), "{look}");
    assert!(amount["contribution"].as_f64() > Some(0.0), "{look}");
    assert!(near(&look["explanation"]["base"], -0.25), "{look}");
    let shown = place.says(&["model", "inspect", "mine"]);
    for part in ["mean |contribution|", "5 leaves", "SHA-256", "covers: rows trained on"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_file_without_covers_is_told_and_takes_those_of_given_rows() {
    let place = Place::new();
    place.write(
        "model.txt",
        &MODEL
            .lines()
            .filter(|line| !line.starts_with("leaf_count"))
            .fold(String::new(), |text, line| text + line + "\n"),
    );
    let import = ["model", "import", "model.txt", "--features", "amount,kyc", "--out", "mine"];
    assert!(place.says(&import).contains("one half"));
    let look = place.json(&["model", "inspect", "mine"]);
    assert_eq!(
        (&look["explanation"]["covers"], &look["inputs"][0]["cover"]),
        (&"halves".into(), &Value::Null)
    );
    assert!(near(&look["explanation"]["base"], 0.125), "{look}");
    place.write(
        "rows.csv",
        &format!("amount,kyc\n{}{}{}", "50,1\n".repeat(6), "200,1\n", "2000,2\n".repeat(3)),
    );
    let said = place.says(&[&import[..], &["--data", "rows.csv"]].concat());
    assert!(!said.contains("one half") && !said.contains("reproduce"), "{said}");
    let look = place.json(&["model", "inspect", "mine"]);
    assert_eq!(look["explanation"]["covers"], "given_rows");
    assert!(near(&look["explanation"]["base"], -0.15), "{look}");
}

/// Decisions of a policy with that model, written as the daemon writes them.
fn journal(place: &Place) {
    place.write("policy.yaml", "bands: { challenge: 0.5 }\nsettings: { band_challenge: sms }\n");
    std::fs::create_dir(place.path("rules")).unwrap();
    std::fs::rename(place.path("policy.yaml"), place.path("rules/policy.yaml")).unwrap();
    let bundle = policy::compile_dir(&place.path("rules")).bundle.expect("the rules hold");
    let sizes = Sizes {
        accounts: 64,
        devices: 64,
        velocity_keys: 64,
        busy_keys: 64,
        list_entries: 64,
        decisions: 64,
        seed: [7; 16],
    };
    let tables = Tables::new(&sizes).unwrap();
    let forest = Some(model::load(&place.path("mine")).unwrap());
    let snapshot =
        Snapshot::build(Parts { policy: bundle.policy, forest, ..Parts::default() }, &tables, None);
    let checks = [(0.5, 1), (20.0, 2)].map(|(yuan, kyc)| {
        let mut check = Check::new(format!("c{kyc}"), Kind::Pay, "u");
        (check.amount_minor, check.kyc) = (Some((yuan * 100.0) as i64), Some(kyc));
        check
    });
    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    let now = Now { ms: 1_767_607_200_000, waited_us: 0 };
    decide(&snapshot.unwrap(), &tables, now, &checks, &mut decisions, &mut scratch);
    let folder: PathBuf = place.path("journal");
    std::fs::create_dir_all(Path::new(&folder)).unwrap();
    let (mut producer, consumer) = journal::ring(1 << 16);
    let folder = Arc::new(Folder::writable(&folder).unwrap());
    let writer = Writer::start(folder, &WriterConfig::default(), vec![consumer], None).unwrap();
    for (key, _, record) in scratch.records() {
        producer.push(key, record).unwrap();
    }
    drop(producer);
    writer.close();
}

#[test]
fn exported_decisions_are_explained_by_the_model_that_made_them_only() {
    let place = Place::new();
    place.import();
    journal(&place);
    let export = |model: &str| -> Vec<Value> {
        let lines = place.says(&["journal", "export", "journal", "--rules", "rules", "--model", model]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let [low, high] = &export("mine")[..] else { panic!("two decisions") };
    assert_eq!((&low["verdict"], &high["verdict"]), (&"allow".into(), &"challenge".into()));
    for line in [low, high] {
        let explanation = &line["explanation"];
        let parts: f64 =
            explanation["contributions"].as_object().unwrap().values().map(|x| x.as_f64().unwrap()).sum();
        assert!(near(&explanation["raw"], explanation["base"].as_f64().unwrap() + parts), "{line}");
    }
    assert_eq!(low["explanation"]["reasons"], Value::Array(Vec::new()), "{low}");
    assert_eq!(high["explanation"]["reasons"], serde_json::json!(["M:amount", "M:kyc"]), "{high}");

    place.write("model.txt", &MODEL.replace("leaf_value=-1 0.5 2", "leaf_value=-1 0.5 3"));
    place.says(&["model", "import", "model.txt", "--features", "amount,kyc", "--out", "other"]);
    assert!(export("other").iter().all(|line| line["explanation"].is_null()));
}

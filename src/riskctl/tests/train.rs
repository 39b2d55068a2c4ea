//! `riskctl model train` as people type it: every kind on one table, what it says, and what it refuses.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

struct Place(tempfile::TempDir);

impl Place {
    /// A folder with a history of forty days: fraud where the amount is high and the hour small, and now and then elsewhere.
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        let mut state = 7_u64;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        };
        let mut rows = "seen,amount,hour,same,fraud\n".to_owned();
        for n in 0..4_000_i64 {
            let (amount, hour) = ((draw() * 1000.0).round(), (draw() * 24.0).floor());
            let risk = if amount > 700.0 && hour < 8.0 { 0.5 } else { 0.01 };
            let amount = if draw() < 0.05 { String::new() } else { amount.to_string() };
            let time_ms = 1_700_000_000_000 + n * 864_000;
            writeln!(rows, "{time_ms},{amount},{hour},3,{}", u8::from(draw() < risk)).unwrap();
        }
        place.write("history.csv", &rows);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// What a command that must end with that code says: on standard output, or of a failure on standard error.
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        let output = command.current_dir(self.0.path()).arg("model").args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
        if code == 2 { stderr } else { stdout }
    }

    fn train(&self, code: i32, more: &[&str]) -> String {
        let table = ["train", "--data", "history.csv", "--label", "fraud", "--time", "seen", "--trees", "40"];
        self.ends(code, &[&table[..], more].concat())
    }

    fn trained(&self, more: &[&str]) -> Value {
        serde_json::from_str(&self.train(0, &[more, &["--json"]].concat())).unwrap()
    }
}

#[test]
fn every_kind_learns_and_says_how_well() {
    let place = Place::new();
    for kind in ["forest", "extra-trees", "boosted"] {
        let said = place.trained(&[
            "--kind",
            kind,
            "--held-out",
            "10d",
            "--validation",
            "8d",
            "--gap-days",
            "2",
            "--out",
            kind,
        ]);
        assert_eq!(said["training"]["kind"], kind);
        assert_eq!(said["constant_inputs"][0], "same");
        let (quality, number) = (&said["held_out"]["quality"], |value: &Value| value.as_f64().unwrap());
        assert_eq!(quality["rows"], 1_000, "the last ten days of a hundred rows each");
        assert_eq!(said["training"]["validation_rows"], 800);
        assert!(
            number(&quality["roc_auc"]) > 0.75 && number(&quality["average_precision"]) > 0.3,
            "{said:#}"
        );
        assert!(said["calibration"].as_str().unwrap().contains("isotonic regression on 800"), "{said:#}");
        let (raw, calibrated) = (&said["held_out"]["raw"], &said["held_out"]["calibrated"]);
        assert!(number(&calibrated["log_loss"]) < number(&raw["log_loss"]) + 0.02, "{said:#}");
        let first = said["held_out"]["importances"][0]["input"].as_str().unwrap();
        assert!(["amount", "hour"].contains(&first), "{said:#}");
        // The daemon loads what was written, and it is measured alike.
        let shown = place.ends(0, &["inspect", kind]);
        assert!(shown.contains("test vectors reproduce") && shown.contains("validation rows"), "{shown}");
        let span = ["--from", "2023-12-14T22:13:20Z", "--label", "fraud", "--time", "seen", "--json"];
        let measured = place.ends(0, &[&["eval", kind, "--data", "history.csv"], &span[..]].concat());
        let measured: Value = serde_json::from_str(&measured).unwrap();
        assert_eq!(number(&measured[0]["AUC"]), (number(&quality["roc_auc"]) * 1e4).round() / 1e4);
    }
}

#[test]
fn what_is_said_to_people_holds_all_parts() {
    let place = Place::new();
    let said = place.train(0, &["--kind", "boosted", "--calibration", "platt", "--out", "mine"]);
    for part in [
        "mine@",
        "trained on   2,560 rows",
        "validated on 640 rows",
        "held out     800 rows",
        "left out     same",
        "a sigmoid fitted on 640 validation rows",
        "trees kept, by log loss",
        "recall at 1 %",
        "as trained",
        "calibrated",
        "share of fraud",
        "average precision lost without it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn the_same_command_writes_the_same_bytes() {
    let place = Place::new();
    for kind in ["forest", "extra-trees", "boosted", "isolation"] {
        place.train(0, &["--kind", kind, "--seed", "5", "--out", "one"]);
        place.train(0, &["--kind", kind, "--seed", "5", "--out", "two"]);
        assert_eq!(place.read("one/forest.txt"), place.read("two/forest.txt"), "{kind}");
        place.train(0, &["--kind", kind, "--seed", "6", "--out", "two"]);
        assert_ne!(place.read("one/forest.txt"), place.read("two/forest.txt"), "{kind}");
    }
}

#[test]
fn isolation_needs_no_labels_and_scores_between_0_and_1() {
    let place = Place::new();
    let unlabelled: String = place
        .read("history.csv")
        .lines()
        .map(|row| row.rsplit_once(',').unwrap().0.to_owned() + "\n")
        .collect();
    place.write("history.csv", &unlabelled);
    let said = place.ends(
        0,
        &["train", "--data", "history.csv", "--kind", "isolation", "--exclude", "seen", "--out", "odd"],
    );
    assert!(said.contains("without") || said.contains("not measured"), "{said}");
    let usual =
        place.ends(0, &["predict", "--model", "odd", "--given", r#"{"amount": 500, "hour": 12}"#, "--json"]);
    let odd = place
        .ends(0, &["predict", "--model", "odd", "--given", r#"{"amount": 90000, "hour": -50}"#, "--json"]);
    let score = |text: &str| serde_json::from_str::<Value>(text).unwrap()["scores"][0].as_f64().unwrap();
    assert!(0.0 < score(&usual) && score(&usual) < score(&odd) && score(&odd) <= 1.0, "{usual} {odd}");
    assert!(
        place.ends(2, &["train", "--data", "history.csv", "--out", "mine"]).contains("no column `_label`")
    );
}

#[test]
fn rows_without_a_time_are_taken_in_their_order() {
    let place = Place::new();
    let ordered = [
        "train",
        "--data",
        "history.csv",
        "--label",
        "fraud",
        "--exclude",
        "seen",
        "--trees",
        "10",
        "--out",
        "m",
    ];
    assert!(place.ends(0, &ordered).contains("held out     800 rows"));
    let said = place.ends(2, &[&ordered[..], &["--from", "2023-12-01"]].concat());
    assert!(said.contains("see --time"), "{said}");
    // Days are days, however they are written.
    let dated: String = place
        .read("history.csv")
        .lines()
        .enumerate()
        .map(|(n, row)| {
            let rest = row.split_once(',').unwrap().1;
            let day = format!("2024-01-{:02}", 1 + n.saturating_sub(1) / 200);
            format!("{},{rest}\n", if n == 0 { "seen" } else { &day })
        })
        .collect();
    place.write("history.csv", &dated);
    assert!(
        place
            .train(0, &["--held-out", "5d", "--to", "2024-01-21", "--out", "m"])
            .contains("held out     1,000 rows")
    );
}

#[test]
fn faulty_data_is_refused_with_its_place_and_reason() {
    let place = Place::new();
    let good = place.read("history.csv");
    let line = |number: usize, row: &str| {
        let mut lines: Vec<&str> = good.lines().collect();
        lines[number - 1] = row;
        lines.join("\n")
    };
    let honest: String =
        good.lines().filter(|row| !row.ends_with(",1")).map(|row| format!("{row}\n")).collect();
    let cases = [
        (line(9, "1700000000000,5,3,3,"), "line 9: column `fraud` holds nothing, expected a label: 0 or 1"),
        (line(9, "1700000000000,5,3,3,nan"), "line 9: column `fraud` holds \"nan\""),
        (line(9, "1700000000000,5,3,3,2"), "line 9: column `fraud` holds \"2\""),
        (
            line(9, "1700000000000,inf,3,3,0"),
            "line 9: column `amount` holds \"inf\", expected a finite number",
        ),
        (line(9, "1700000000000,lots,3,3,0"), "line 9: column `amount` holds \"lots\""),
        (line(9, "soon,5,3,3,0"), "line 9: column `seen` holds \"soon\", expected a time"),
        (line(9, "1700000000000,5,3"), "line 9: "),
        (honest, "nothing to learn from 0 fraudulent"),
        (good.lines().next().unwrap().to_owned(), "it has no rows"),
        (String::new(), "no column `fraud`"),
    ];
    for (text, why) in cases {
        place.write("history.csv", &text);
        let said = place.train(2, &["--out", "mine"]);
        assert!(said.contains(why), "{why}: {said}");
        assert!(!place.path("mine").exists(), "nothing is written");
    }
    place.write("history.csv", &good);
    for (more, why) in [
        (&["--held-out", "1.0"][..], "neither a share"),
        (&["--held-out", "39d", "--gap-days", "2"], "no rows are left to train on"),
        (&["--gap-days", "-1"], "unexpected argument"),
        (&["--gap-days=-1"], "expected a number of days"),
        (&["--honest-share", "0"], "above 0"),
        (&["--honest-share", "0.5", "--kind", "isolation"], "sees no labels"),
        (&["--depth", "129"], "1 to 128 splits"),
        (&["--exclude", "amounts"], "no such feature"),
        (&["--features", "amounts"], "no column `amounts`; there are seen, amount"),
        (&["--features", "same"], "nothing to learn"),
        (&["--features", "amount,fraud"], "`fraud` is the label: it cannot be a feature too"),
        (&["--exclude", "fraud"], "--exclude fraud: it is the label"),
        (&["--exclude", "same,seen"], "--exclude seen: it is the time"),
    ] {
        let said = place.train(2, &[more, &["--out", "mine"]].concat());
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn files_that_claim_to_be_huge_are_refused_at_once() {
    let place = Place::new();
    for (name, why) in [("huge.csv", "a line is longer than"), ("huge.parquet", "huge.parquet: ")] {
        // Ten gigabytes of nothing, which take no room on the disk.
        File::create(place.path(name)).unwrap().set_len(10 << 30).unwrap();
        let said = place.ends(2, &["train", "--data", name, "--out", "mine"]);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_table_that_is_cut_off_or_broken_is_refused() {
    let place = Place::new();
    place.train(0, &["--out", "mine"]);
    place.ends(0, &["predict", "--model", "mine", "--data", "history.csv", "--out", "scores.parquet"]);
    let whole = std::fs::read(place.path("scores.parquet")).unwrap();
    let features =
        ["train", "--data", "broken.parquet", "--label", "score", "--features", "raw", "--out", "again"];
    for length in [0, 3, 8, whole.len() / 2, whole.len() - 1] {
        std::fs::write(place.path("broken.parquet"), &whole[..length]).unwrap();
        let said = place.ends(2, &features);
        assert!(said.contains("broken.parquet"), "{length}: {said}");
    }
    // Whole, but its labels are scores.
    std::fs::write(place.path("broken.parquet"), &whole).unwrap();
    assert!(place.ends(2, &features).contains("row 1: column `score` holds"));
}

//! A model of another library, from its file to scores, as people type it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Two trees over an amount and a kind, as LightGBM writes them; scores are e^x.
const MODEL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\
objective=poisson\nfeature_names=Column_0 Column_1\n\n\
Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=0 1\nthreshold=100.5 0\ndecision_type=2 1\n\
left_child=-1 -2\nright_child=1 -3\nleaf_value=0.25 0.5 1\ncat_boundaries=0 1\ncat_threshold=2\nis_linear=0\n\n\
Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=-1\n\nend of trees\n";

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

    fn run(&self, arguments: &[&str]) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let arguments = arguments.iter().map(|word| word.replace("ROOT", root.to_str().unwrap()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        command.current_dir(self.0.path()).args(["model"]).args(arguments).output().expect("riskctl starts")
    }

    /// Standard output of a command that must end with that code.
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
        if code == 2 { stderr } else { stdout }
    }
}

#[test]
fn a_lightgbm_file_becomes_a_model_that_scores_rows() {
    let place = Place::new();
    let said = place.ends(0, &["import", "model.txt", "--features", "amount,kyc", "--out", "mine"]);
    assert!(said.contains("mine@") && said.contains("2 trees over 2 inputs"), "{said}");
    let shown = place.ends(0, &["inspect", "mine"]);
    for part in
        ["model.txt, LightGBM text", "--features amount,kyc", "poisson", "minor units", "category code"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    place.write("rows.csv", "kyc,amount\n1,50\n1,200\n2,200\n,200\n1,\n");
    let scores = place.ends(0, &["predict", "--model", "mine", "--data", "rows.csv"]);
    let lines: Vec<String> =
        [-0.75, -0.5, 0.0, 0.0, -0.75].map(|raw: f64| format!("{raw},{}", raw.exp())).to_vec();
    assert_eq!(scores, format!("raw,score\n{}\n", lines.join("\n")));
    place.ends(0, &["predict", "--model", "mine", "--data", "rows.csv", "--out", "scores.csv"]);
    assert_eq!(std::fs::read_to_string(place.path("scores.csv")).unwrap(), scores);
    place.ends(0, &["predict", "--model", "mine", "--data", "rows.csv", "--out", "scores.parquet"]);
    let both =
        place.ends(0, &["predict", "--model", "mine", "--given", r#"{"amount": 200, "kyc": 1}"#, "--json"]);
    assert!(both.contains("\"raw\"") && both.contains("0.6065306597126334"), "{both}");
}

#[test]
fn scores_of_the_library_hold_the_import_to_them() {
    let place = Place::new();
    place.write("rows.csv", "amount,kyc,theirs\n50,1,0.4723666\n200,2,1\n");
    let import =
        ["import", "model.txt", "--data", "rows.csv", "--score", "theirs", "--out", "mine", "--features"];
    let said = place.ends(0, &[&import[..], &["amount,kyc"]].concat());
    assert!(said.contains("2 rows reproduce"), "{said}");
    // The same rows with the features the wrong way round.
    let said = place.ends(1, &[&import[..], &["kyc,amount"]].concat());
    assert!(said.contains("row 3: the model gives") && said.contains("order of training"), "{said}");
}

#[test]
fn names_are_given_in_order_or_as_pairs() {
    let place = Place::new();
    place.ends(0, &["import", "model.txt", "--features", "Column_1=kyc,Column_0=amount"]);
    let shown = place.ends(0, &["inspect", "model"]);
    assert!(shown.contains("amount") && shown.contains("kyc") && !shown.contains("Column_1 "), "{shown}");
    for (features, why) in [
        ("amount", "has 1 names, the model 2 inputs"),
        ("amount,Column_1=kyc", "not both"),
        ("Column_7=kyc", "no input `Column_7`"),
        ("amount,amount", "named twice"),
    ] {
        let said = place.ends(2, &["import", "model.txt", "--features", features]);
        assert!(said.contains(why), "{said}");
    }
    let rules = ["import", "model.txt", "--rules", "ROOT/rules", "--out", "mine", "--features"];
    place.ends(0, &[&rules[..], &["amount,kyc"]].concat());
    assert!(place.ends(1, &[&rules[..], &["amount,kycc"]].concat()).contains("the nearest is `kyc`"));
}

#[test]
fn what_cannot_be_taken_over_is_refused_with_its_reason() {
    let place = Place::new();
    for (text, why) in [
        (MODEL.replace("poisson", "multiclass num_class:3"), "several classes"),
        (MODEL.replace("is_linear=0", "is_linear=1"), "linear tree"),
        (MODEL.replace("end of trees", ""), "cut off"),
        ("nothing".to_owned(), "read as ONNX"),
    ] {
        place.write("model.txt", &text);
        let said = place.ends(1, &["import", "model.txt"]);
        assert!(said.starts_with("refused: ") && said.contains(why), "{said}");
        assert!(!place.path("model").exists(), "nothing is written");
    }
    place.ends(2, &["import", "no-such-file"]);
}

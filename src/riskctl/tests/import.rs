//! A model of another library, from its file to scores, as people type it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;

/// Two trees over an amount and a kind, as LightGBM writes them; scores are e^x.
const MODEL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n\
objective=poisson\nfeature_names=Column_0 Column_1\n\n\
Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=0 1\nthreshold=100.5 0\ndecision_type=2 1\n\
left_child=-1 -2\nright_child=1 -3\nleaf_value=0.25 0.5 1\ncat_boundaries=0 1\ncat_threshold=2\nis_linear=0\n\n\
Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=-1\n\nend of trees\n";

#[path = "support/onnx.rs"]
mod onnx;
#[path = "support/parquet.rs"]
mod table;
use onnx::Classes;

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
    let both =
        place.ends(0, &["predict", "--model", "mine", "--given", r#"{"amount": 200, "kyc": 1}"#, "--json"]);
    assert!(both.contains("\"raw\"") && both.contains("0.6065306597126334"), "{both}");
}

/// Every kind of file that is given for a model: `src/model/import/mistaken.rs`.
#[test]
fn a_file_that_is_no_model_is_named_with_the_way_out() {
    let place = Place::new();
    let old =
        [&[0; 136][..], &15_u64.to_le_bytes(), b"binary:logistic", &6_u64.to_le_bytes(), b"gbtree"].concat();
    let linear = r#"{"version":[3,0,5],"learner":{"learner_model_param":{"base_score":"5E-1","num_feature":"2"},
        "objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gblinear","model":{"weights":[1,2]}}}}"#;
    let cases: [(&[u8], &str, &str); 8] = [
        (b"", "an empty file", "the copy failed"),
        (b"\x1f\x8b\x08\0", "a compressed file", "gunzip"),
        (b"\x80\x04\x95\0", "a pickle or joblib file", "to_onnx"),
        (&old, "XGBoost's old binary format", "xgboost<3.1"),
        (linear.as_bytes(), "the booster `gblinear`", "train with booster=gbtree"),
        (b"<?xml version=\"1.0\"?><PMML>", "PMML", "save_model"),
        (b"\xff\xfet\0", "UTF-16", "iconv"),
        (b"hello\n", "no known format", "save_model"),
    ];
    for (bytes, what, way_out) in cases {
        std::fs::write(place.path("given"), bytes).unwrap();
        let said = place.ends(1, &["import", "given", "--out", "mine"]);
        assert!(said.starts_with("refused: ") && said.contains(what) && said.contains(way_out), "{said}");
        assert!(!place.path("mine").exists(), "{what}");
    }
    let said = place.ends(2, &["import", ".", "--out", "mine"]);
    assert!(said.contains("it is a folder, and a file is expected"), "{said}");
    place.write("marked.txt", &format!("\u{feff}{MODEL}"));
    place.ends(0, &["import", "marked.txt", "--features", "amount,kyc", "--out", "mine"]);
}

/// The rows of a Parquet file as the library itself reads them: name and number of each column.
fn read(path: &Path) -> Vec<Vec<(String, f64)>> {
    let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let number = |field: &Field| match field {
        Field::Double(number) => *number,
        other => panic!("{other} is no double"),
    };
    let rows = file.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), number(field))).collect())
        .collect()
}

#[test]
fn a_parquet_table_gets_the_scores_that_its_csv_gets() {
    let place = Place::new();
    place.ends(0, &["import", "model.txt", "--features", "amount,kyc", "--out", "mine"]);
    let rows = "kyc,amount\n1,50\n1,200\n2,200\n,200\n1,\n";
    place.write("rows.csv", rows);
    table::write(&place.path("rows.parquet"), rows);
    let predict = |data: &str, more: &[&str]| {
        place.ends(0, &[&["predict", "--model", "mine", "--data", data][..], more].concat())
    };
    assert_eq!(predict("rows.parquet", &[]), predict("rows.csv", &[]));
    predict("rows.parquet", &["--out", "scores.parquet"]);
    let expected = [-0.75, -0.5, 0.0, 0.0, -0.75]
        .map(|raw: f64| vec![("raw".to_owned(), raw), ("score".to_owned(), raw.exp())]);
    assert_eq!(read(&place.path("scores.parquet")), expected);
    predict("rows.parquet", &["--contributions", "--out", "parts.parquet"]);
    for (parts, expected) in read(&place.path("parts.parquet")).iter().zip(&expected) {
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["raw", "score", "base", "contribution_amount", "contribution_kyc"]);
        assert_eq!(parts[..2], expected[..]);
        let sum: f64 = parts[2..].iter().map(|(_, number)| number).sum();
        assert!((sum - parts[0].1).abs() < 1e-12, "{parts:?}");
    }
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
    assert!(said.contains("1 of 2 rows differ") && said.contains("row 3: the model gives"), "{said}");
    assert!(said.contains("order of training"), "{said}");
}

#[test]
fn a_library_that_rounds_further_is_taken_at_its_word() {
    let place = Place::new();
    place.write("rows.csv", "amount,kyc,theirs\n50,1,0.472369\n200,2,1\n");
    let import =
        ["import", "model.txt", "--features", "amount,kyc", "--data", "rows.csv", "--score", "theirs"];
    let said = place.ends(1, &[&import[..], &["--out", "mine"]].concat());
    assert!(said.contains("1 of 2 rows differ") && said.contains("--tolerance 3e-6 lets it"), "{said}");
    place.ends(0, &[&import[..], &["--tolerance", "3e-6", "--out", "mine"]].concat());
    assert!(place.ends(2, &[&import[..], &["--tolerance", "much"]].concat()).contains("such as 1e-5"));
}

#[test]
fn classes_that_are_not_0_and_1_are_named_with_the_one_that_scores() {
    let place = Place::new();
    let import = |classes: &Classes<'_>| {
        std::fs::write(place.path("model.onnx"), onnx::classifier(classes)).unwrap();
        place.ends(0, &["import", "model.onnx", "--features", "amount", "--out", "mine"])
    };
    for (classes, note) in [
        (
            Classes::Texts(["fraud", "ok"]),
            "the probability of the class \"ok\", the second of \"fraud\" and \"ok\"",
        ),
        (Classes::Texts(["ham", "spam"]), "the probability of the class \"spam\""),
        (Classes::Texts(["a", "\u{1b}[2J"]), "the probability of the class \"\\u{1b}[2J\""),
        (Classes::Numbers([1, 0]), "the probability of the class 0, the second of 1 and 0"),
        (Classes::Numbers([-1, 1]), "the probability of the class 1, the second of -1 and 1"),
    ] {
        let said = import(&classes);
        assert!(said.contains(note) && said.contains("no option takes the other"), "{said}");
        let shown = place.ends(0, &["inspect", "mine"]);
        assert!(shown.contains("probability of the second class, "), "{shown}");
    }
    for classes in [Classes::Numbers([0, 1]), Classes::Texts(["0", "1"])] {
        let said = import(&classes);
        assert!(!said.contains("probability of the class"), "{said}");
    }
    let scores = place.ends(0, &["predict", "--model", "mine", "--given", r#"{"amount": 9}"#]);
    assert_eq!(scores, "raw,score\n1,1\n");
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
        ("amount, kyc", "\" kyc\" is no name"),
        ("amount,", "\"\" is no name"),
        ("Column_0= amount", "\" amount\" is no name"),
        ("Column_0=a,Column_0=b", "`Column_0` of the model is given two names"),
    ] {
        let said = place.ends(2, &["import", "model.txt", "--features", features]);
        assert!(said.contains(why), "{said}");
    }
    let rules = ["import", "model.txt", "--rules", "ROOT/rules", "--out", "mine", "--features"];
    place.ends(0, &[&rules[..], &["amount,kyc"]].concat());
    assert!(place.ends(1, &[&rules[..], &["amount,kycc"]].concat()).contains("the nearest is `kyc`"));
}

#[test]
fn names_that_the_file_has_are_not_contradicted() {
    let place = Place::new();
    let named = MODEL.replace("Column_0 Column_1", "amount kyc");
    place.write("model.txt", &named);
    let own = || {
        let manifest = std::fs::read_to_string(place.path("model/manifest.toml")).unwrap();
        let at = |name: &str| manifest.find(&format!("name = \"{name}\"")).unwrap();
        assert!(at("amount") < at("kyc"), "{manifest}");
    };
    for features in [&["--features", "amount,kyc"][..], &[], &["--features", "kyc=kyc,amount=amount"]] {
        place.ends(0, &[&["import", "model.txt"][..], features].concat());
        own();
    }
    for (features, why) in [
        ("kyc,amount", "in another order than the file, whose order is amount,kyc"),
        ("amount,factors", "`factors` where the file says `kyc`, input 2 of amount,kyc"),
        ("minor,kyc", "--features amount=minor,…"),
    ] {
        let said = place.ends(2, &["import", "model.txt", "--out", "other", "--features", features]);
        assert!(said.contains(why), "{said}");
        assert!(!place.path("other").exists());
    }
    place.ends(0, &["import", "model.txt", "--out", "other", "--features", "kyc=factors"]);
    assert!(place.ends(0, &["inspect", "other"]).contains("factors"));
    // Placeholders in another order than that of the columns are names.
    place.write("model.txt", &MODEL.replace("Column_0 Column_1", "f1 f0"));
    let said = place.ends(2, &["import", "model.txt", "--features", "amount,kyc"]);
    assert!(said.contains("`amount` where the file says `f1`"), "{said}");
}

#[test]
fn a_policy_whose_features_are_others_than_in_training_is_told_apart() {
    let place = Place::new();
    let policy = |name: &str, pays: &str, default: i64| {
        std::fs::create_dir(place.path(name)).unwrap();
        let schema = format!("schema: {{ tier: {{ type: int, default: {default} }} }}");
        let features = format!("features:\n  pays: {{ {pays}, by: account, window: 1h, status: attempt }}");
        place.write(&format!("{name}/policy.yaml"), &format!("{schema}\n{features}\n"));
    };
    policy("counted", "count: pay", 0);
    policy("summed", "sum: amount, on: pay", 0);
    policy("tiered", "count: pay", 3);
    let import = ["import", "model.txt", "--features", "pays,ext.tier", "--out", "mine"];
    place.ends(0, &[&import[..], &["--rules", "counted"]].concat());
    place.ends(0, &["inspect", "mine", "--rules", "counted"]);
    for (rules, why) in [
        ("summed", "`pays` was trained on in the unit `number`, the feature's is `minor units`"),
        ("tiered", "`ext.tier` was 0 in training where an event has none, the feature is 3 there"),
    ] {
        let said = place.ends(1, &["inspect", "mine", "--rules", rules]);
        assert!(said.starts_with("refused: ") && said.contains(why), "{said}");
    }
    // Without the policy nobody knows what the features are, and nothing can be held against them.
    assert!(place.ends(0, &import).contains("mine@"));
    assert!(place.ends(0, &["inspect", "mine", "--rules", "summed"]).contains("unknown"));
}

#[test]
fn labels_make_probabilities_of_scores_that_are_none() {
    let place = Place::new();
    place.write("model.txt", &MODEL.replace("objective=poisson", "objective=regression"));
    // Raw scores of -0.75, -0.5 and 0; of a hundred rows each, 1, 10 and 60 are fraud.
    let mut rows = "amount,kyc,fraud\n".to_owned();
    for (row, frauds) in [("50,1", 1), ("200,1", 10), ("200,2", 60)] {
        (0..100).for_each(|number| rows += &format!("{row},{}\n", u8::from(number < frauds)));
    }
    place.write("rows.csv", &rows);
    let import = ["import", "model.txt", "--features", "amount,kyc", "--out", "mine"];
    let said = place.ends(0, &import);
    assert!(said.contains("the daemon cuts them at 0 and 1"), "{said}");
    let labelled = [&import[..], &["--data", "rows.csv", "--label", "fraud"]].concat();
    let said = place.ends(0, &labelled);
    assert!(!said.contains("cuts"), "{said}");
    let shown = place.ends(0, &["inspect", "mine"]);
    assert!(
        shown.contains("as trained; isotonic regression on 300 rows given to the import, 3 knots"),
        "{shown}"
    );
    let scores = place.ends(0, &["predict", "--model", "mine", "--data", "rows.csv"]);
    let score =
        |line: usize| scores.lines().nth(line).unwrap().split_once(',').unwrap().1.parse::<f64>().unwrap();
    for (line, share) in [(1, 0.01), (101, 0.10), (201, 0.60)] {
        assert!((score(line) - share).abs() < 1e-9, "{}", score(line));
    }
    place.ends(0, &[&labelled[..], &["--calibration", "platt"]].concat());
    place.write("rows.csv", "amount,kyc,fraud\n50,1,0\n200,2,0\n");
    assert!(place.ends(2, &labelled).contains("--label fraud: there is nothing to calibrate by"));
}

#[test]
fn what_cannot_be_taken_over_is_refused_with_its_reason() {
    let place = Place::new();
    for (text, why) in [
        (MODEL.replace("poisson", "multiclass num_class:3"), "several classes"),
        (MODEL.replace("is_linear=0", "is_linear=1"), "linear tree"),
        (MODEL.replace("end of trees", ""), "cut off"),
        ("nothing".to_owned(), "no known format"),
    ] {
        place.write("model.txt", &text);
        let said = place.ends(1, &["import", "model.txt"]);
        assert!(said.starts_with("refused: ") && said.contains(why), "{said}");
        assert!(!place.path("model").exists(), "nothing is written");
    }
    place.ends(2, &["import", "no-such-file"]);
}

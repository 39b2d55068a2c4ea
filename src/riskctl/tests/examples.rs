//! The examples in the help of the model commands do what they show. They are run one after another in one folder, since
//! later ones use what earlier ones write; what is somebody's own history is made here.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

#[path = "support/examples.rs"]
mod examples;
#[path = "support/parquet.rs"]
mod table;

/// Three trees' worth of a model over the inputs f0, f1 and so on, as LightGBM writes it; scores are probabilities.
fn lightgbm(inputs: usize) -> String {
    let names: Vec<String> = (0..inputs).map(|place| format!("f{place}")).collect();
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx={}\n\
         objective=binary sigmoid:1\nfeature_names={}\n\n\
         Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=20000.5\ndecision_type=2\n\
         left_child=-1\nright_child=-2\nleaf_value=-2 0\nis_linear=0\n\nend of trees\n",
        inputs - 1,
        names.join(" ")
    )
}

/// A folder as somebody has it who works in a checkout: the rules, the shipped models, and files of the own site.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("models")).unwrap();
    for shipped in ["rules", "models/redpacket", "models/maps", "models/card_stream"] {
        symlink(root.join(shipped), path(shipped)).unwrap();
    }
    // Forty-five days up to the middle of August 2018, in seconds since the epoch of the map.
    let mut stream = "event_id,ts_s,card_id,terminal_id,amount_cents,label,scenario\n".to_owned();
    let mut history = "row_id,seen_ms,amount,hour,is_fraud\n".to_owned();
    for row in 0..1_800_u64 {
        let (seconds, amount) = (91 * 86_400 + row * 45 * 86_400 / 1_800, row * 7_919 % 30_000 + 1);
        let fraud = u8::from(amount > 27_000);
        writeln!(stream, "{row},{seconds},{},{},{amount},{fraud},{fraud}", row % 97, row % 13).unwrap();
        writeln!(history, "{row},{},{amount},{},{fraud}", 1_522_540_800_000 + seconds * 1000, row % 24)
            .unwrap();
    }
    table::write(&path("stream.parquet"), &stream);
    std::fs::write(path("history.csv"), history).unwrap();
    let rows = format!("amount,hour,probability\n100,3,{}\n90000,4,0.5\n", 1.0 / (1.0 + 2.0_f64.exp()));
    std::fs::write(path("rows.csv"), rows).unwrap();
    // The reader goes by what is in a file and not by its ending.
    for (name, inputs) in [("model.txt", 3), ("model.ubj", 2), ("model.onnx", 2)] {
        std::fs::write(path(name), lightgbm(inputs)).unwrap();
    }
    folder
}

#[test]
fn the_examples_of_the_model_commands_run_as_they_stand() {
    let folder = place();
    for command in ["model train", "model eval", "model inspect", "model predict", "model import"] {
        let examples = examples::of(command);
        assert!(
            examples.iter().any(|example| example.starts_with(&format!("riskctl {command} "))),
            "{command}"
        );
        for example in examples {
            // Fewer events, that is all: in a debug build a simulation takes its time. These are enough for some frauds.
            examples::run(&example.replace("--sim-events 20000", "--sim-events 8000"), folder.path());
        }
    }
    for written in ["models/mine", "models/theirs"] {
        assert!(folder.path().join(written).join("manifest.toml").exists(), "{written}");
    }
    for written in ["scores.csv", "parts.parquet"] {
        assert!(folder.path().join(written).exists(), "{written}");
    }
}

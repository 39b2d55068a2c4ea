//! A bad model is refused with its reason, whatever is wrong with it; a good one comes back as it was written.

use std::path::Path;

use engine::forest::{Calibration, ForestSpec, Node, Precision, Transform, Tree};
use model::artefact::MANIFEST_FILE;
use model::manifest::{Input, Manifest, PrecisionName, TransformName, Vector};
use model::{CoverOf, Covers, Drift, Explainer, LoadError, SaveError, walk};

fn forest() -> ForestSpec {
    let split = Node::at_most;
    let first = vec![
        split(0, 500.0, 1, 2),
        Node::Leaf(0.01),
        split(1, 5.5, 3, 4),
        Node::Leaf(1.0 / 3.0),
        Node::Leaf(0.9),
    ];
    let second = vec![split(1, 3.0, 1, 2), Node::Leaf(0.7), Node::Leaf(0.1)];
    ForestSpec {
        version: String::new(),
        inputs: vec!["amount".to_owned(), "hour".to_owned()],
        trees: vec![Tree { nodes: first }, Tree { nodes: second }],
        inputs_as: Precision::Double,
        sums_as: Precision::Double,
        base: 0.0,
        mean: true,
        transform: Transform::Identity,
        calibration: Calibration::None,
    }
}

fn manifest(forest: &ForestSpec) -> Manifest {
    let rows = [[100.0, 2.0], [100.0, 12.0], [900.0, 4.0], [900.0, f64::NAN]];
    Manifest {
        format: "riskd-forest-1".to_owned(),
        name: "tiny".to_owned(),
        file: String::new(),
        sha256: String::new(),
        objective: "probability of fraud".to_owned(),
        transform: TransformName::Identity,
        slope: None,
        path: None,
        mean: true,
        base: 0.0,
        inputs_as: PrecisionName::Double,
        sums_as: PrecisionName::Double,
        covers: CoverOf::Halves,
        calibration: "none".to_owned(),
        platt: None,
        isotonic: None,
        training: None,
        source: None,
        drift: Some(drift(forest)),
        inputs: [("amount", "minor units"), ("hour", "number")]
            .map(|(name, unit)| Input {
                name: name.to_owned(),
                unit: unit.to_owned(),
                missing: Some(0.0),
                splits: 0.0,
                gain: None,
            })
            .to_vec(),
        vectors: rows.map(|row| Vector { inputs: row.to_vec(), score: walk::score(forest, &row) }).to_vec(),
    }
}

fn drift(forest: &ForestSpec) -> Drift {
    let rows = [[100.0, 2.0], [200.0, 12.0], [300.0, f64::NAN], [900.0, 4.0]];
    let scores = rows.iter().map(|row| walk::score(forest, row));
    Drift::of("four rows", &forest.inputs, &rows.iter().map(|row| &row[..]), scores)
}

/// A folder with a sound model in it.
fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model::save(folder.path(), manifest(&forest()), &forest(), &Covers::default()).unwrap();
    folder
}

/// Rewrites one file of the folder.
fn edit(folder: &Path, file: &str, change: impl FnOnce(String) -> String) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(text)).unwrap();
}

/// Rewrites the forest file and makes the manifest's hash fit it, as a careless or hostile maker would.
fn forge(folder: &Path, change: impl FnOnce(String) -> String) {
    edit(folder, "forest.txt", change);
    let Err(LoadError::Hash { expected, found }) = model::load(folder) else {
        panic!("a changed file must not match its hash");
    };
    edit(folder, MANIFEST_FILE, |text| text.replace(&expected, &found));
}

fn refusal(folder: &Path) -> String {
    model::load(folder).unwrap_err().to_string()
}

#[test]
fn a_sound_model_comes_back_as_it_was_written() {
    let folder = saved();
    let artefact = model::read(folder.path()).unwrap();
    assert_eq!(artefact.forest.trees, forest().trees);
    assert_eq!(artefact.forest.inputs, ["amount", "hour"]);
    assert_eq!(artefact.forest.version, format!("tiny@{}", &artefact.manifest.sha256[..12]));
    assert_eq!(artefact.manifest.inputs[1].splits, 0.667);
    assert_eq!(artefact.manifest.drift, Some(drift(&forest())));
    assert_eq!(model::load(folder.path()).unwrap(), artefact.forest);
}

#[test]
fn covers_come_back_with_the_model_and_fit_their_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [[100.0, 2.0], [100.0, 12.0], [900.0, 4.0], [900.0, f64::NAN]].concat();
    let covers = Covers::count(&forest(), CoverOf::TrainingRows, &rows);
    model::save(folder.path(), manifest(&forest()), &forest(), &covers).unwrap();
    let artefact = model::read(folder.path()).unwrap();
    assert_eq!(artefact.covers, covers);
    assert_eq!([1, 3, 4].map(|leaf| covers.leaf(0, leaf).unwrap()), [2.0, 1.0, 1.0]);
    assert_eq!(covers.shares(0, &artefact.forest.trees[0]), [1.0, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(covers.shares(1, &artefact.forest.trees[1]), [1.0, 0.25, 0.75]);
    let mean = Explainer::new(artefact.forest.clone(), &covers).base();
    let scores = rows.chunks(2).map(|row| walk::score(&artefact.forest, row));
    assert!(
        (mean - scores.sum::<f64>() / 4.0).abs() < 1e-12,
        "the base value is the mean over the rows counted"
    );
    edit(folder.path(), MANIFEST_FILE, |text| text.replace("covers = \"training_rows\"\n", ""));
    assert!(refusal(folder.path()).contains("`covers`"), "{}", refusal(folder.path()));

    let bare = saved();
    edit(bare.path(), MANIFEST_FILE, |text| text.replace("\"halves\"", "\"training_rows\""));
    assert!(refusal(bare.path()).contains("`covers`"), "{}", refusal(bare.path()));
}

#[test]
fn a_cut_or_flipped_file_is_refused_by_its_hash() {
    let folder = saved();
    edit(folder.path(), "forest.txt", |text| text[..text.len() - 7].to_owned());
    assert!(refusal(folder.path()).contains("SHA-256"));
    let folder = saved();
    edit(folder.path(), "forest.txt", |text| text.replace("0.9", "0.8"));
    assert!(refusal(folder.path()).contains("SHA-256"));
}

#[test]
fn a_cut_file_with_a_fitting_hash_is_refused_by_its_structure() {
    let folder = saved();
    forge(folder.path(), |text| text[..text.rfind("= ").unwrap()].to_owned());
    assert!(refusal(folder.path()).contains("cut off"), "{}", refusal(folder.path()));
}

// Opening a pipe waits for whoever writes to it: a reload would wait for ever.
#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_is_refused_at_once() {
    for file in [MANIFEST_FILE, "forest.txt"] {
        let folder = saved();
        let path = folder.path().join(file);
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(refusal(folder.path()).contains("is no regular file"), "{}", refusal(folder.path()));
    }
}

#[test]
fn a_leaf_that_is_no_number_is_refused() {
    for bad in ["NaN", "inf", "-inf", "1e400", ""] {
        let folder = saved();
        forge(folder.path(), |text| text.replace("= 0.9\n", &format!("= {bad}\n")));
        assert!(refusal(folder.path()).contains("is not a finite number"), "{}", refusal(folder.path()));
    }
}

#[test]
fn an_input_out_of_range_is_refused() {
    let folder = saved();
    forge(folder.path(), |text| text.replace("1 5.5", "2 5.5"));
    assert!(refusal(folder.path()).contains("\"2\" is not an input below 2"));
    let folder = saved();
    forge(folder.path(), |text| text.replace("inputs 2", "inputs 3"));
    assert_eq!(refusal(folder.path()), "the manifest names 2 inputs, the model file has 3");
}

#[test]
fn too_many_trees_are_refused() {
    let folder = saved();
    forge(folder.path(), |text| text + &"tree\n= 0.5\n".repeat(engine::limits::TREES_MAX));
    assert!(refusal(folder.path()).contains("more than 4096 trees"));
}

#[test]
fn vectors_that_do_not_reproduce_are_refused() {
    let folder = saved();
    forge(folder.path(), |text| text.replace("= 0.9", "= 0.90000001"));
    assert!(refusal(folder.path()).contains("test vector 3: the model gives"), "{}", refusal(folder.path()));
    let mut bare = manifest(&forest());
    bare.vectors.clear();
    model::save(folder.path(), bare, &forest(), &Covers::default()).unwrap();
    assert_eq!(model::load(folder.path()), Err(LoadError::NoVector));
    let mut short = manifest(&forest());
    short.vectors[1].inputs.pop();
    model::save(folder.path(), short, &forest(), &Covers::default()).unwrap();
    assert!(refusal(folder.path()).contains("test vector 1: 1 values for 2 inputs"));
    let mut unknown = manifest(&forest());
    unknown.vectors[0].score = f64::NAN;
    model::save(folder.path(), unknown, &forest(), &Covers::default()).unwrap();
    assert!(refusal(folder.path()).contains("test vector 0"));
}

#[test]
fn a_broken_manifest_is_refused_with_its_line() {
    let folder = saved();
    edit(folder.path(), MANIFEST_FILE, |text| text.replace("objective", "objektive"));
    let reason = refusal(folder.path());
    assert!(reason.contains("objektive") && reason.contains("line"), "{reason}");
    for (key, value) in [("file = \"forest.txt\"", "file = \"../forest.txt\""), ("riskd-forest-1", "onnx")] {
        let folder = saved();
        edit(folder.path(), MANIFEST_FILE, |text| text.replace(key, value));
        assert!(matches!(model::load(folder.path()), Err(LoadError::Manifest(_))), "{value}");
    }
}

#[test]
fn a_file_that_is_missing_or_far_too_long_is_refused() {
    let folder = saved();
    edit(folder.path(), MANIFEST_FILE, |text| text + &"#".repeat(2 << 20));
    assert!(matches!(model::load(folder.path()), Err(LoadError::TooLarge { .. })));
    let folder = saved();
    std::fs::remove_file(folder.path().join("forest.txt")).unwrap();
    assert!(refusal(folder.path()).contains("cannot read"));
}

#[test]
fn files_of_ten_gigabytes_are_refused_by_their_length() {
    for file in ["forest.txt", MANIFEST_FILE] {
        let folder = saved();
        // Nothing but a length: reading it would take memory all the same.
        let path = folder.path().join(file);
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(10 << 30).unwrap();
        let taken = allocation_counter::measure(|| {
            assert!(matches!(model::load(folder.path()), Err(LoadError::TooLarge { .. })));
        });
        assert!(taken.bytes_max < 1 << 20, "{file}: {taken:?}");
    }
}

#[test]
fn a_leaf_or_base_past_what_the_sum_can_hold_is_refused() {
    let single = |text: String| text.replace("sums_as = \"double\"", "sums_as = \"single\"");
    let folder = saved();
    edit(folder.path(), MANIFEST_FILE, single);
    forge(folder.path(), |text| text.replace("= 0.9\n", "= 1e300\n"));
    assert!(refusal(folder.path()).contains("past the largest number"), "{}", refusal(folder.path()));
    let folder = saved();
    edit(folder.path(), MANIFEST_FILE, |text| single(text).replace("base = 0.0", "base = -1e39"));
    assert!(refusal(folder.path()).contains("the base is infinite"), "{}", refusal(folder.path()));
}

#[test]
fn a_forest_that_would_be_refused_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut cyclic = forest();
    if let Node::Split(split) = &mut cyclic.trees[0].nodes[2] {
        split.left = 0;
    }
    let error = model::save(folder.path(), manifest(&forest()), &cyclic, &Covers::default()).unwrap_err();
    assert!(matches!(error, SaveError::Forest(_)), "{error}");
    assert_eq!(error.to_string(), "tree 0, node 0: reached twice: a cycle, or two parents");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_calibration_travels_with_its_model_and_a_broken_one_is_refused() {
    for calibration in [
        Calibration::Platt { slope: 0.7, shift: -1.25 },
        Calibration::Isotonic { knots: vec![[0.1, 1.0 / 3.0], [0.4, 0.5]] },
    ] {
        let folder = tempfile::tempdir().unwrap();
        let calibrated = ForestSpec { calibration, ..forest() };
        model::save(folder.path(), manifest(&calibrated), &calibrated, &Covers::default()).unwrap();
        let read = model::load(folder.path()).unwrap();
        assert_eq!(read.calibration, calibrated.calibration);
        // A manifest that lost it does not give the scores it says.
        edit(folder.path(), MANIFEST_FILE, |text| {
            let kept =
                text.lines().filter(|line| !line.starts_with("platt") && !line.starts_with("isotonic"));
            kept.map(|line| format!("{line}\n")).collect()
        });
        assert!(refusal(folder.path()).contains("test vector 0"), "{}", refusal(folder.path()));
    }
    let deep = format!("isotonic = [{}]", "[0.1, 0.1], ".repeat(65));
    for (key, why) in [
        ("platt = [1.0, 0.0]\nisotonic = []", "exclude each other"),
        ("platt = [-1.0, 0.0]", "does not rise"),
        ("platt = [1.0, inf]", "does not rise"),
        ("isotonic = [[0.5, 0.4], [0.5, 0.6]]", "does not rise"),
        ("isotonic = [[0.5, nan]]", "does not rise"),
        ("isotonic = [[1e-320, 0.5]]", "does not rise"),
        (&deep, "does not rise"),
        ("isotonic = [[0.5]]", "line"),
    ] {
        let folder = saved();
        edit(folder.path(), MANIFEST_FILE, |text| {
            text.replace("calibration =", &format!("{key}\ncalibration ="))
        });
        assert!(refusal(folder.path()).contains(why), "{key}: {}", refusal(folder.path()));
    }
}

#[test]
fn training_facts_that_cannot_be_are_refused() {
    let edges = |count: u32| (0..count).map(|edge| format!("{edge}.0")).collect::<Vec<_>>().join(", ");
    let many = format!("edges = [{}]\ncounts = [{}]", edges(40), "1, ".repeat(42));
    for (bins, why) in [
        ("edges = [1.0, 1.0]\ncounts = [1, 1, 1, 1]", "not rising"),
        ("edges = [2.0, 1.0]\ncounts = [1, 1, 1, 1]", "not rising"),
        ("edges = [1.0, nan]\ncounts = [1, 1, 1, 1]", "not rising"),
        ("edges = [-inf, 1.0]\ncounts = [1, 1, 1, 1]", "not rising"),
        ("edges = [1.0]\ncounts = [1, 1]", "2 counts, expected 3"),
        ("edges = []\ncounts = []", "0 counts, expected 2"),
        ("edges = [1.0]\ncounts = [0, 0, 0]", "not all of them 0"),
        ("edges = [1.0]\ncounts = [0, 9223372036854775807, 0]", "whole numbers up to"),
        ("edges = [1.0]\ncounts = [0, -1, 0]", "line"),
        ("edges = [1.0]\ncounts = [1, 1, 1]\nmean = 2.0", "line"),
        (&many, "40 edges, at most 31"),
    ] {
        for part in ["score", "input.hour"] {
            let folder = saved();
            edit(folder.path(), MANIFEST_FILE, |text| {
                let (before, rest) = text.split_once(&format!("[drift.{part}]\n")).unwrap();
                let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
                format!("{before}[drift.{part}]\n{bins}\n\n{after}")
            });
            let refused = refusal(folder.path());
            assert!(refused.contains(why), "{part} {bins}: {refused}");
        }
    }
    for (from, to, why) in [
        ("[drift.input.hour]", "[drift.input.day]", "no bins of the input `hour`"),
        (
            "[drift.input.hour]",
            "[drift.input.day]\nedges = []\ncounts = [1, 0]\n[drift.input.hour]",
            "`day` is no input",
        ),
    ] {
        let folder = saved();
        edit(folder.path(), MANIFEST_FILE, |text| text.replace(from, to));
        assert!(refusal(folder.path()).contains(why), "{}", refusal(folder.path()));
    }
}

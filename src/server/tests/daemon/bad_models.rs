//! Models that are none: whatever their files hold, they are refused with the reason, as champion and as challenger, in little
//! memory, and the models before go on scoring.

use std::fs::{self, File};
use std::path::Path;

use engine::limits::{FOREST_INPUTS_MAX, TREES_MAX};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use server::Config;
use server::config::Challenger;

use crate::harness::{Daemon, RULES};

/// A feature of the rules' own, which can be renamed.
const INPUT: &str = "claims_by_device_10m";
const FOREST: &str = "riskd-forest 1\ninputs 1\ntree\n0 5.0\n= 0.25\n= 0.75\n";
/// Most memory that a refusal may add to what the process takes at its peak, in kilobytes.
const GROWTH_KB_MAX: u64 = 64 << 10;

fn write(folder: &Path, forest: &str, change: impl Fn(String) -> String) {
    let sha256 = hex::encode(digest(&SHA256, forest.as_bytes()));
    let manifest = format!(
        "format = 'riskd-forest-1'\nname = 'm'\nfile = 'forest.txt'\nsha256 = '{sha256}'\nobjective = 'test'\n\
         transform = 'identity'\ncalibration = 'none'\n[[input]]\nname = '{INPUT}'\nunit = 'number'\n\
         [[vector]]\ninputs = [1.0]\nscore = 0.25\n[[vector]]\ninputs = [9.0]\nscore = 0.75\n"
    );
    if folder.is_file() {
        fs::remove_file(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("forest.txt"), forest).unwrap();
    fs::write(folder.join("manifest.toml"), change(manifest)).unwrap();
}

/// What is done to the folder of a model, and the words of its refusal.
type Case = (&'static str, fn(&Path), &'static str);

const CASES: &[Case] = &[
    ("truncated", |folder| write(folder, &FOREST[..FOREST.len() - 7], |manifest| manifest), "line 5"),
    (
        "another file's hash",
        |folder| {
            write(folder, FOREST, |manifest| manifest);
            fs::write(folder.join("forest.txt"), FOREST.replace("0.75", "0.5")).unwrap();
        },
        "SHA-256",
    ),
    (
        "a leaf that is no number",
        |folder| write(folder, &FOREST.replace("0.75", "NaN"), |manifest| manifest),
        "line 6",
    ),
    (
        "a leaf without end",
        |folder| write(folder, &FOREST.replace("0.75", "inf"), |manifest| manifest),
        "line 6",
    ),
    (
        "an input past the last",
        |folder| write(folder, &FOREST.replace("0 5.0", "1 5.0"), |manifest| manifest),
        "line 4",
    ),
    (
        "more inputs than there may be",
        |folder| {
            let inputs = format!("inputs {}", FOREST_INPUTS_MAX + 1);
            write(folder, &FOREST.replace("inputs 1", &inputs), |manifest| manifest);
        },
        "at most",
    ),
    (
        "twice the trees",
        |folder| {
            let forest = format!("riskd-forest 1\ninputs 1\n{}", "tree\n= 0.5\n".repeat(2 * TREES_MAX));
            write(folder, &forest, |manifest| manifest);
        },
        "more than 4096 trees",
    ),
    (
        "a feature that was renamed",
        |folder| write(folder, FOREST, |manifest| manifest.replace(INPUT, "claims_by_devices_10m")),
        "`claims_by_device_10m`",
    ),
    (
        "another unit",
        |folder| write(folder, FOREST, |manifest| manifest.replace("'number'", "'seconds'")),
        "the unit `seconds`",
    ),
    (
        "another value where an event has none",
        |folder| write(folder, FOREST, |manifest| manifest.replace("'number'", "'number'\nmissing = -1.0")),
        "where an event has none",
    ),
    (
        "vectors that do not reproduce",
        |folder| write(folder, FOREST, |manifest| manifest.replace("score = 0.75", "score = 0.76")),
        "test vector 1",
    ),
    (
        "no vector",
        |folder| {
            write(folder, FOREST, |manifest| manifest.split("[[vector]]").next().unwrap().to_owned());
        },
        "no test vector",
    ),
    (
        "a file of another library in the folder",
        |folder| {
            fs::remove_file(folder.join("manifest.toml")).unwrap();
            fs::remove_file(folder.join("forest.txt")).unwrap();
            fs::write(folder.join("model.onnx"), b"\x08\x08").unwrap();
        },
        "model.onnx --out FOLDER` writes the folder that is loaded",
    ),
    (
        "a file of another library named by the manifest",
        |folder| write(folder, "tree\nversion=v4\n", |manifest| manifest),
        "found \"tree\", expected `riskd-forest 1`; models of other libraries are taken over with `riskctl model import`",
    ),
    (
        "a file in place of the folder",
        |folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::write(folder, b"tree\n").unwrap();
        },
        "has no manifest.toml beside it: `riskctl model import",
    ),
    (
        "ten gigabytes",
        |folder| {
            write(folder, FOREST, |manifest| manifest);
            File::create(folder.join("forest.txt")).unwrap().set_len(10 << 30).unwrap();
        },
        "is longer than",
    ),
    (
        "a manifest of ten gigabytes",
        |folder| File::create(folder.join("manifest.toml")).unwrap().set_len(10 << 30).unwrap(),
        "is longer than",
    ),
];

#[test]
fn bad_models_are_refused_with_the_reason_and_the_models_before_go_on() {
    for role in ["champion", "challenger"] {
        let models = tempfile::tempdir().unwrap();
        write(&models.path().join("champion"), FOREST, |manifest| manifest);
        write(&models.path().join("challenger"), FOREST, |manifest| manifest);
        let daemon = Daemon::start_with(|config: &mut Config| {
            config.models.dir = models.path().to_owned();
            config.models.active = "champion".to_owned();
            config.models.challengers = vec![Challenger { name: "challenger".to_owned(), share: 100 }];
        });
        let before = daemon.admin_call("GET", "/v1/model", "").json();
        let answer = answer(&daemon, "before");
        assert_eq!(answer["score"], json!(0.25), "{answer}");
        let peak = peak_kb();
        for (at, (name, break_it, words)) in CASES.iter().enumerate() {
            break_it(&models.path().join(role));
            let reply = daemon.admin_call("POST", "/v1/reload", "");
            assert_eq!((reply.status, reply.error().1.as_str()), (422, "model"), "{role}, {name}: {reply:?}");
            let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(words), "{role}, {name}: {message}");
            assert_eq!(daemon.admin_call("GET", "/v1/model", "").json(), before, "{role}, {name}");
            assert_eq!(self::answer(&daemon, &format!("{role}-{at}")), answer, "{role}, {name}");
            assert_eq!(daemon.metric_now("riskd_reloads_total", "reason=\"model\""), (at + 1) as f64);
            write(&models.path().join(role), FOREST, |manifest| manifest);
        }
        let growth = peak_kb() - peak;
        // Under cargo's own runner other tests take memory of the same process.
        let alone = std::env::var_os("NEXTEST").is_some();
        assert!(!alone || growth <= GROWTH_KB_MAX, "{growth} KB");
        assert_eq!(daemon.admin_call("POST", "/v1/reload", "").status, 200);
    }
}

#[test]
fn a_feature_that_the_rules_rename_refuses_them_beside_the_model_that_reads_it() {
    let models = tempfile::tempdir().unwrap();
    write(&models.path().join("m"), FOREST, |manifest| manifest);
    let daemon = Daemon::start_with(|config: &mut Config| {
        config.models.dir = models.path().to_owned();
        config.models.active = "m".to_owned();
    });
    let renamed = RULES.replace(INPUT, "device_claims_10m");
    fs::write(daemon.rules().join("test.yaml"), &renamed).unwrap();
    let reply = daemon.admin_call("POST", "/v1/reload", "");
    assert_eq!((reply.status, reply.error().1.as_str()), (422, "model"), "{reply:?}");
    assert!(reply.body.contains(INPUT) && reply.body.contains("nearest"), "{reply:?}");
}

fn answer(daemon: &Daemon, name: &str) -> Value {
    // An account of its own each time: only the id may differ.
    let check = json!({"id": name, "kind": "login", "account": format!("u-{name}")});
    let mut answer = daemon.check(&check).json();
    let fields = answer.as_object_mut().unwrap();
    fields.retain(|field, _| field != "id" && field != "decision");
    answer
}

/// The most memory that this process ever took, in kilobytes.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

//! What rules add to the score, and the bands that it meets: in millionths, whatever the order of the rules.

use std::fmt::Write as _;

use serde_json::json;

use crate::harness::Daemon;

/// A rule for each hundredth of a score by each of three fields, in a file for each field.
fn daemon(names: [&str; 3]) -> Daemon {
    Daemon::start_with(|config| {
        let dir = &config.policy.dir;
        std::fs::remove_file(dir.join("test.yaml")).unwrap();
        let head =
            "schema: { x: { type: int }, y: { type: int }, z: { type: int } }\nbands: { deny: 0.90 }\n";
        std::fs::write(dir.join("m.yaml"), head).unwrap();
        for (field, name) in ["x", "y", "z"].into_iter().zip(names) {
            let mut rules = "rules:\n".to_owned();
            for n in 1..90 {
                let (sign, score) =
                    if field == "z" { ("-", 0.000_001 * f64::from(n)) } else { ("", 0.01 * f64::from(n)) };
                writeln!(
                    rules,
                    "  - {{ id: {field}{n}, tier: score, score: {sign}{score:.6}, when: ext.{field} == {n}, reason: {{ code: S1, text: t }} }}"
                )
                .unwrap();
            }
            std::fs::write(dir.join(format!("{name}.yaml")), rules).unwrap();
        }
    })
}

#[test]
fn scores_meet_the_band_that_their_sum_is_whatever_the_order_of_the_files() {
    for (order, names) in [["a", "b", "c"], ["c", "b", "a"], ["z", "a", "n"]].into_iter().enumerate() {
        let daemon = daemon(names);
        for n in 1..90 {
            let ask = |what: &str, ext: serde_json::Value| {
                let id = format!("{order}-{n}-{what}");
                let reply = daemon.check(&json!({"id": id, "kind": "pay", "account": "u", "ext": ext}));
                (reply.verdict(), reply.json()["score"].clone())
            };
            let met = ask("met", json!({"x": n, "y": 90 - n}));
            assert_eq!(met, ("deny".to_owned(), json!(0.9)), "0.{n:02} and 0.{:02}", 90 - n);
            let missed = ask("missed", json!({"x": n, "y": 90 - n, "z": 1}));
            assert_eq!(missed, ("allow".to_owned(), json!(0.899_999)), "a millionth less");
        }
    }
}

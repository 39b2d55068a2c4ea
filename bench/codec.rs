//! Cases apart from the decision: checks and answers to and from bytes, and the forest alone.

use std::hint::black_box;

use engine::forest::{Forest, Lanes};
use engine::limits::LANES;
use engine::{Now, Scratch, decide};
use wire::frame;

use crate::forest::INPUTS;
use crate::machine::processor_ns;
use crate::report::Row;
use crate::run::Plan;
use crate::site::Site;

/// Names of these cases. The first of a row's two figures is for one at a time, the second for 64.
pub const STAGES: [&str; 4] = ["decode json", "decode frame", "encode answers", "forest alone"];

/// Runs those that are wanted.
///
/// # Errors
/// What could not be made, in words.
pub fn run(site: &Site, plan: &Plan, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row>, String> {
    let mut stream = site.stream("c");
    let (block, ms) = stream.block();
    let checks = &block[..LANES];
    let turns = (plan.checks / LANES as u64).max(1);
    let mut rows = Vec::new();
    let mut case = |name: &str, one: &mut dyn FnMut(), all: &mut dyn FnMut()| {
        if wanted(name) {
            let rounds = 0..plan.rounds;
            let ns = [
                rounds.clone().map(|_| time(turns, one)).collect(),
                rounds.map(|_| time(turns, all)).collect(),
            ];
            rows.push(Row::new(name.to_owned(), ns));
        }
    };

    let json: Vec<Vec<u8>> = checks
        .iter()
        .map(|check| {
            let mut bytes = Vec::new();
            wire::json::write_check(check, &mut bytes);
            bytes
        })
        .collect();
    let mut decode_json =
        || json.iter().for_each(|bytes| drop(black_box(wire::json::decode_check(black_box(bytes)))));
    case("decode json", &mut decode_json.clone(), &mut decode_json);

    let encoded = |checks: &[wire::Check<'_>]| {
        let mut bytes = Vec::new();
        frame::encode_checks(1, checks, &mut bytes).map(|()| bytes).map_err(|error| format!("{error:?}"))
    };
    let whole = encoded(checks)?;
    let single: Vec<Vec<u8>> = checks.chunks(1).map(encoded).collect::<Result<_, _>>()?;
    case("decode frame", &mut || single.iter().for_each(|bytes| decode(bytes)), &mut || decode(&whole));

    let (mut decisions, mut scratch) = (Vec::new(), Scratch::new(0));
    decide(&site.whole, &site.tables, Now { ms, waited_us: 0 }, checks, &mut decisions, &mut scratch);
    let mut out = Vec::new();
    let (policy, model) = (site.whole.policy_version(), site.whole.model_version());
    let mut json_out = Vec::new();
    let mut encode_json = || {
        for (check, decision) in checks.iter().zip(&decisions) {
            json_out.clear();
            let (head, reasons) = (site.whole.head(&check.id, decision), site.whole.reasons(decision));
            wire::json::write_answer_parts(&head, reasons, &mut json_out);
            black_box(&json_out);
        }
    };
    let mut encode_frame = || {
        out.clear();
        let mut writer = frame::AnswersWriter::new(1, policy, model, &mut out);
        for (check, decision) in checks.iter().zip(&decisions) {
            let pushed = writer.push(&site.whole.head(&check.id, decision), site.whole.reasons(decision));
            debug_assert!(pushed.is_ok(), "a frame of 64 answers has room");
        }
        black_box(&out);
    };
    case("encode answers", &mut encode_json, &mut encode_frame);

    let forest = Forest::new(site.forest()).map_err(|error| error.to_string())?;
    let inputs: Vec<_> = crate::forest::inputs(&site.whole.policy().features);
    let rows_in: Vec<f64> = (0..LANES)
        .flat_map(|lane| inputs.iter().map(move |&input| (input, lane)))
        .map(|(input, lane)| crate::site::number(scratch.value(input, lane)))
        .collect();
    let (mut alone, mut lanes) = (Lanes::default(), Lanes::default());
    let (mut one, mut scores) = ([0.0], [0.0; LANES]);
    alone.fit(&forest);
    lanes.fit(&forest);
    case(
        "forest alone",
        &mut || {
            for row in rows_in.chunks(INPUTS) {
                alone.write(0, black_box(row));
                forest.score_lanes(&mut alone, &mut one);
                black_box(one);
            }
        },
        &mut || {
            for (lane, row) in black_box(&rows_in).chunks(INPUTS).enumerate() {
                lanes.write(lane, row);
            }
            forest.score_lanes(&mut lanes, &mut scores);
            black_box(&scores);
        },
    );
    Ok(rows)
}

fn decode(bytes: &[u8]) {
    if let Ok(Some(frame)) = frame::split(black_box(bytes))
        && let Ok(checks) = frame::decode_checks(&frame.header, frame.body)
    {
        checks.for_each(|check| drop(black_box(check)));
    }
}

/// Nanoseconds an item of work over [`LANES`] of them.
pub fn time(turns: u64, work: &mut dyn FnMut()) -> f64 {
    let start_ns = processor_ns();
    for _ in 0..turns {
        work();
    }
    (processor_ns() - start_ns) as f64 / (turns * LANES as u64) as f64
}

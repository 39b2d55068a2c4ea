//! The vectors of `docs/wire.md` hold byte for byte, in both directions, so that the page can be trusted.

use wire::frame::{self, AnswersWriter, Frame, FrameKind, ResultsWriter};
use wire::{DecodeError, Degraded, DeviceClass, ErrorCode, Kind, OutcomeKind, Verdict, json};

const PAGE: &str = include_str!("../../../docs/wire.md");

/// One fenced block of the page: a frame in hex, and its items as JSON.
struct Vector<'p> {
    kind: FrameKind,
    tag: u32,
    items: Vec<&'p str>,
    bytes: Vec<u8>,
}

fn vectors() -> Vec<Vector<'static>> {
    PAGE.split("```vector ").skip(1).map(vector).collect()
}

fn vector(block: &'static str) -> Vector<'static> {
    let (block, _) = block.split_once("\n```").expect("a closed block");
    let (head, hex) = block.split_once("\nhex:\n").expect("hex");
    let mut head = head.lines();
    let kind = head.next().and_then(FrameKind::from_name).expect("a kind of frame");
    let tag = head.next().and_then(|line| line.strip_prefix("tag: ")).expect("a tag");
    let digits: String = hex.lines().filter_map(|line| line.split(';').next()).collect();
    Vector {
        kind,
        tag: tag.parse().unwrap(),
        items: head.map(|line| line.strip_prefix("json: ").expect("an item")).collect(),
        bytes: hex::decode(digits.replace(' ', "")).unwrap(),
    }
}

#[test]
fn every_kind_of_frame_has_a_vector() {
    let kinds: Vec<FrameKind> = vectors().iter().map(|vector| vector.kind).collect();
    for kind in FrameKind::ALL {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[test]
fn the_tables_name_every_code() {
    for code in ErrorCode::ALL {
        assert!(PAGE.contains(&format!("| {} | `{code}` |", code.code())), "{code}");
    }
    for kind in FrameKind::ALL {
        assert!(PAGE.contains(&format!("| {} | {kind} |", kind.code())), "{kind}");
    }
    let counted = |names: &[&str]| {
        let names: Vec<_> = names.iter().enumerate().map(|(code, name)| format!("{code} {name}")).collect();
        let list = names.join(", ");
        assert!(PAGE.split_whitespace().collect::<Vec<_>>().join(" ").contains(&list), "{list}");
    };
    counted(&Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    counted(&DeviceClass::ALL.iter().map(|class| class.name()).collect::<Vec<_>>());
    counted(&Verdict::ALL.iter().map(|verdict| verdict.name()).collect::<Vec<_>>());
    counted(&Degraded::ALL.iter().map(|flag| flag.name()).collect::<Vec<_>>());
    counted(&OutcomeKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
}

#[test]
fn every_vector_is_written_and_read_as_the_page_says() {
    for vector in vectors() {
        let frame = frame::split(&vector.bytes).unwrap().expect("a whole frame");
        assert_eq!(frame.bytes, vector.bytes.len());
        assert_eq!((frame.header.kind, frame.header.tag), (vector.kind, vector.tag));
        let (items, written) = through(&vector, frame);
        assert_eq!(items, vector.items, "{}", vector.kind);
        assert_eq!(hex::encode(written), hex::encode(&vector.bytes), "{}", vector.kind);
    }
}

/// The items of a frame as JSON, and the frame that is written from them.
fn through(vector: &Vector<'_>, frame: Frame<'_>) -> (Vec<String>, Vec<u8>) {
    let Frame { header, body, .. } = frame;
    let (tag, mut out) = (header.tag, Vec::new());
    let items = match header.kind {
        FrameKind::Checks => {
            let checks: Vec<_> = frame::decode_checks(&header, body).unwrap().map(Result::unwrap).collect();
            let from_json = vector.items.iter().map(|item| json::decode_check(item.as_bytes()).unwrap());
            assert!(from_json.eq(checks.iter().cloned()));
            frame::encode_checks(tag, &checks, &mut out).unwrap();
            // A check has many forms in JSON; the page need not use the one that is written here.
            vector.items.iter().map(|&item| item.to_owned()).collect()
        }
        FrameKind::Outcomes => {
            let outcomes: Vec<_> =
                frame::decode_outcomes(&header, body).unwrap().map(Result::unwrap).collect();
            frame::encode_outcomes(tag, &outcomes, &mut out).unwrap();
            outcomes.iter().map(|outcome| written(|out| json::write_outcome(outcome, out))).collect()
        }
        FrameKind::Answers => {
            let answers: Vec<_> = frame::decode_answers(&header, body).unwrap().collect();
            let first = answers[0].as_ref().unwrap();
            let mut writer = AnswersWriter::new(tag, first.policy, first.model, &mut out);
            for answer in &answers {
                match answer {
                    Ok(answer) => writer.push(&answer.head(), answer.reasons.iter().copied()).unwrap(),
                    Err(error) => writer.push_error(error).unwrap(),
                }
            }
            let item = |answer| match answer {
                Ok(answer) => written(|out| json::write_answer(&answer, out)),
                Err(error) => error_json(&error),
            };
            answers.into_iter().map(item).collect()
        }
        FrameKind::Results => {
            let results: Vec<_> = frame::decode_results(&header, body).unwrap().collect();
            let mut writer = ResultsWriter::new(tag, &mut out);
            for result in &results {
                writer.push(result.as_ref().copied()).unwrap();
            }
            results
                .iter()
                .map(|result| result.as_ref().map_or_else(error_json, |()| "{}".to_owned()))
                .collect()
        }
        FrameKind::Error => {
            let error = frame::decode_error(&header, body).unwrap();
            frame::encode_error(tag, &error, &mut out);
            vec![error_json(&error)]
        }
        FrameKind::Ping | FrameKind::Pong => {
            frame::encode_empty(header.kind, tag, &mut out);
            Vec::new()
        }
    };
    (items, out)
}

fn error_json(error: &DecodeError) -> String {
    written(|out| json::write_error(error, out))
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

//! JSON and frames say the same: what one side writes the other reads, and no bytes ever panic.

mod common;

use proptest::collection::vec;
use proptest::prelude::*;
use wire::frame::{self, AnswersWriter, ResultsWriter};
use wire::{Check, DecodeError, ErrorCode, Outcome, OutcomeKind, OwnedAnswer, Text, Value, json};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_check_survives_json(check in common::check()) {
        let mut body = Vec::new();
        json::write_check(&check, &mut body);
        prop_assert_eq!(json::decode_check(&body), Ok(check));
    }

    #[test]
    fn a_check_survives_a_frame(checks in vec(common::check(), 0..5), tag in any::<u32>()) {
        // A frame starts wherever the buffer ends.
        let mut out = b"earlier".to_vec();
        frame::encode_checks(tag, &checks, &mut out).unwrap();
        let frame = frame::split(&out[7..]).unwrap().expect("a whole frame");
        prop_assert_eq!((frame.header.tag, frame.bytes), (tag, out.len() - 7));
        let read: Result<Vec<Check<'_>>, DecodeError> =
            frame::decode_checks(&frame.header, frame.body).unwrap().collect();
        prop_assert_eq!(read, Ok(checks));
    }

    #[test]
    fn an_answer_survives_a_frame(answers in vec(common::answer(), 1..4)) {
        let mut out = Vec::new();
        let mut writer = AnswersWriter::new(7, &answers[0].policy, &answers[0].model, &mut out);
        for answer in &answers {
            let answer = answer.borrow();
            writer.push(&answer.head(), answer.reasons.iter().copied()).unwrap();
        }
        let frame = frame::split(&out).unwrap().unwrap();
        let read: Result<Vec<OwnedAnswer>, DecodeError> = frame::decode_answers(&frame.header, frame.body)
            .unwrap()
            .map(|answer| answer.map(|answer| answer.to_owned_answer()))
            .collect();
        prop_assert_eq!(read, Ok(answers));
    }

    #[test]
    fn an_answer_survives_json(mut answer in common::answer()) {
        let mut body = Vec::new();
        json::write_answer(&answer.borrow(), &mut body);
        // JSON does not tell money from other decimals.
        for reason in &mut answer.reasons {
            for value in [&mut reason.value, &mut reason.threshold] {
                if let Value::Money(_) = value {
                    *value = Value::Double(value.to_string().parse().unwrap());
                }
            }
        }
        prop_assert_eq!(json::decode_answer(&body), Ok(answer));
    }

    #[test]
    fn outcomes_and_results_survive(
        ids in vec(common::id(), 1..5),
        kind in proptest::sample::select(OutcomeKind::ALL),
        time_ms in proptest::option::of(0..=1_i64 << 40),
    ) {
        let outcome = |id: &String| Outcome { id: Text::Owned(id.clone()), outcome: kind, time_ms };
        let outcomes: Vec<Outcome<'_>> = ids.iter().map(outcome).collect();
        let mut out = Vec::new();
        frame::encode_outcomes(3, &outcomes, &mut out).unwrap();
        let frame = frame::split(&out).unwrap().unwrap();
        let read: Result<Vec<_>, _> = frame::decode_outcomes(&frame.header, frame.body).unwrap().collect();
        prop_assert_eq!(read, Ok(outcomes.clone()));

        let mut body = Vec::new();
        json::write_outcome(&outcomes[0], &mut body);
        prop_assert_eq!(json::decode_outcome(&body), Ok(outcomes[0].clone()));
    }

    #[test]
    fn errors_survive_wherever_they_stand(
        code in proptest::sample::select(ErrorCode::ALL),
        field in common::text(0, 60),
        message in common::text(0, 500),
        tag in any::<u32>(),
    ) {
        let error = DecodeError::new(code, field, message);
        let mut out = Vec::new();
        frame::encode_error(tag, &error, &mut out);
        let frame = frame::split(&out).unwrap().unwrap();
        prop_assert_eq!(frame.header.tag, tag);
        prop_assert_eq!(frame::decode_error(&frame.header, frame.body).unwrap(), error.clone());

        let mut out = Vec::new();
        let mut results = ResultsWriter::new(tag, &mut out);
        results.push(Err(&error)).unwrap();
        results.push(Ok(())).unwrap();
        let frame = frame::split(&out).unwrap().unwrap();
        let read: Vec<_> = frame::decode_results(&frame.header, frame.body).unwrap().collect();
        prop_assert_eq!(read, [Err(error.clone()), Ok(())]);

        let mut out = Vec::new();
        AnswersWriter::new(tag, "p", "m", &mut out).push_error(&error).unwrap();
        let frame = frame::split(&out).unwrap().unwrap();
        let read: Vec<_> = frame::decode_answers(&frame.header, frame.body).unwrap().collect();
        prop_assert_eq!(read, [Err(error.clone())]);

        let mut body = Vec::new();
        json::write_error(&error, &mut body);
        prop_assert_eq!(json::decode_answer(&body), Err(error));
    }

    #[test]
    fn a_changed_byte_costs_one_check_or_the_frame(
        checks in vec(common::check(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut out = Vec::new();
        frame::encode_checks(1, &checks, &mut out).unwrap();
        let at = at.index(out.len());
        out[at] = byte;
        if let Ok(Some(frame)) = frame::split(&out)
            && let Ok(read) = frame::decode_checks(&frame.header, frame.body)
        {
            let read: Vec<_> = read.collect();
            let kept = read.iter().zip(&checks).filter(|(read, check)| read.as_ref() == Ok(*check)).count();
            prop_assert!(kept + 1 >= checks.len().min(read.len()));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = json::decode_check(&bytes);
        let _ = json::decode_checks(&bytes);
        let _ = json::decode_outcome(&bytes);
        let _ = json::decode_answer(&bytes);
        common::read_any_frame(&bytes);
    }
}

#[test]
fn no_cut_of_a_frame_panics_or_passes() {
    let check = Check { text: "新年快乐".into(), ..Check::new("a1", wire::Kind::Claim, "u1") };
    let mut out = Vec::new();
    frame::encode_checks(1, [&check], &mut out).unwrap();
    for end in 0..out.len() {
        assert!(frame::split(&out[..end]).unwrap().is_none(), "a frame of {end} bytes is not whole");
        // The same with a header that owns up to the cut: the lengths no longer add up.
        if end >= frame::HEADER_BYTES {
            let mut cut = out[..end].to_vec();
            cut[..4].copy_from_slice(&((end - frame::HEADER_BYTES) as u32).to_le_bytes());
            let frame = frame::split(&cut).unwrap().unwrap();
            let error = frame::decode_checks(&frame.header, frame.body).expect_err("cut");
            assert_eq!(error.code, ErrorCode::BadFrame);
        }
    }
}

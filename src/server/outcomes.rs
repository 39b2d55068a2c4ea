//! Outcomes: on disk before anyone is told, then in force, whatever becomes of the caller in between.

use std::sync::Arc;

use engine::feature::Type;
use engine::{CheckState, OutcomeEffect, Snapshot};
use journal::AppendError;
use tokio::sync::oneshot;
use wire::frame::{Outcomes, ResultsWriter};
use wire::{DecodeError, ErrorCode, Outcome, OutcomeKind, Value};

use crate::state::Shared;
use crate::worker::Worker;

/// What became of an outcome.
type Kept = Result<OutcomeEffect, DecodeError>;

/// Hands an outcome to the log. The receiver hears once it is on disk and in force.
pub fn keep(shared: &Arc<Shared>, outcome: &Outcome<'_>) -> Result<oneshot::Receiver<Kept>, DecodeError> {
    let arrived_ms = shared.clock.now_ms();
    let record = encode(outcome, arrived_ms);
    let (sender, receiver) = oneshot::channel();
    let (id, kind) = (outcome.id.clone().into_owned(), outcome.outcome);
    // Not the whole shared state: the log is part of it, and must not be closed from the log's own thread.
    let (active, tables, metrics) = (shared.active.clone(), shared.tables.clone(), shared.metrics.clone());
    let done = move |written: Result<u64, AppendError>| {
        let kept = written.map_err(|error| refusal(&error)).and_then(|_| {
            metrics.outcome();
            let snapshot = &active.load().snapshot;
            told(snapshot, kind, engine::outcome(snapshot, &tables, arrived_ms, &id, kind))
        });
        // A caller that left does not change what happened.
        let _ = sender.send(kept);
    };
    let key = shared.tables.id_key(&outcome.id);
    shared.outcomes.append_then(key, &record, done).map_err(|error| refusal(&error))?;
    Ok(receiver)
}

/// Hands an outcome to the log and waits.
pub async fn kept(shared: &Arc<Shared>, outcome: &Outcome<'_>) -> Kept {
    let receiver = keep(shared, outcome)?;
    receiver.await.unwrap_or_else(|_| Err(refusal(&AppendError::Closed)))
}

/// Answers a frame of outcomes. All of them share a sync or two.
pub async fn answer_frame(worker: &Worker, tag: u32, outcomes: Outcomes<'_>, answers: &mut Vec<u8>) {
    let under_way: Vec<_> =
        outcomes.map(|outcome| outcome.and_then(|outcome| keep(&worker.shared, &outcome))).collect();
    let mut results = ResultsWriter::new(tag, answers);
    for outcome in under_way {
        let result = match outcome {
            Ok(receiver) => receiver.await.unwrap_or_else(|_| Err(refusal(&AppendError::Closed))),
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            worker.decider.borrow_mut().tally.refused(error.code);
        }
        // A frame of results holds as many items as one of outcomes.
        let _ = results.push(result.as_ref().map(|_| ()));
    }
}

/// What the caller is to know of the effect: a passed challenge that nothing could be reserved for must not go on.
fn told(snapshot: &Snapshot, outcome: OutcomeKind, effect: OutcomeEffect) -> Kept {
    match effect {
        OutcomeEffect::Full { feature, max } => {
            let row = snapshot.policy().features.row(feature);
            let max = if row.ty == Type::Money {
                snapshot.policy().features.money_value(max)
            } else {
                Value::Int(max)
            };
            let message = format!(
                "{} has no room below its limit of {max} any more: nothing is reserved, refuse the event",
                row.name
            );
            Err(DecodeError::new(ErrorCode::LimitReached, "outcome", message))
        }
        OutcomeEffect::Lapsed => {
            let message = "the limits were changed since the challenge was asked for, so that nothing could be reserved within them: send a new check";
            Err(DecodeError::new(ErrorCode::NoOpenChallenge, "outcome", message))
        }
        OutcomeEffect::NoChallenge(state) => {
            let message =
                format!("no challenge of this check is open, so nothing is reserved: {}", advice(state));
            Err(DecodeError::new(ErrorCode::NoOpenChallenge, "outcome", message))
        }
        OutcomeEffect::Unknown if outcome == OutcomeKind::ChallengePassed => {
            let message =
                "the check is no longer remembered, so that nothing could be reserved for it: ask again";
            Err(DecodeError::new(ErrorCode::NotFound, "id", message))
        }
        effect => Ok(effect),
    }
}

/// Why no challenge is open, and what to do.
fn advice(state: CheckState) -> &'static str {
    match state {
        CheckState::Allowed => "it was allowed without one",
        CheckState::Refused => "it was denied or left to a person; refuse the event",
        CheckState::Passed => {
            "it was passed before, and what was reserved then is held; if that reply was lost, report `cancelled` and send a new check"
        }
        CheckState::Settled => "its event has settled",
        CheckState::Ended | CheckState::Challenged => {
            "its event has ended; refuse the event, or send a new check"
        }
    }
}

fn refusal(error: &AppendError) -> DecodeError {
    let code = match error {
        AppendError::TooLong => ErrorCode::TooLong,
        AppendError::Busy => ErrorCode::Overloaded,
        AppendError::Closed | AppendError::Storage(_) => ErrorCode::Internal,
    };
    DecodeError::new(code, "", format!("the outcome is not kept: {error}"))
}

/// The record of an outcome: JSON as it came, with the time of arrival where it named none.
fn encode(outcome: &Outcome<'_>, arrived_ms: i64) -> Vec<u8> {
    let mut record = Vec::with_capacity(128);
    let outcome = Outcome {
        id: outcome.id.clone(),
        outcome: outcome.outcome,
        time_ms: outcome.time_ms.or(Some(arrived_ms)),
    };
    wire::json::write_outcome(&outcome, &mut record);
    record
}

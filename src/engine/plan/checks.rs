//! What a policy may ask of its windows and breakers, and what room each of them needs.

use std::collections::HashSet;

use super::{Laid, Place, Wired};
use crate::feature::{FeatureId, FeatureTable, Type};
use crate::limits::{
    BREAKER_TRIALS_MAX, EXACT_COUNT_MAX, EXACT_DISTINCT_MAX, EXACT_STEP, KEY_FIELDS_MAX, KEYS_MAX,
    PENDING_MAX, WINDOW_MS_MAX, WINDOW_MS_MIN,
};
use crate::policy::{Aggregate, Breaker, Mode, Policy, Status, Window};
use crate::snapshot::BuildError;
use crate::table::{Approved, Distinct, First, Max, Recent, Room, Span, Terms};

/// Checks a breaker.
pub(super) fn wired(policy: &Policy, at: usize, breaker: &Breaker) -> Result<Wired, BuildError> {
    let id = &breaker.reason.rule;
    let fault = |why| Err(BuildError::Breaker { id: id.clone(), why });
    let Terms { open_ms, half_open_ms, trials } = breaker.terms;
    let lasts = |ms| (WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&ms);
    if !lasts(open_ms) || !lasts(half_open_ms) {
        return fault("is open or half open for a time outside 1 s to 30 d");
    }
    if !(1..=BREAKER_TRIALS_MAX).contains(&trials) {
        return fault("has no trials or more than a thousand");
    }
    if breaker.key.is_empty() || breaker.key.len() > KEY_FIELDS_MAX {
        return fault("has a key of none or more than four fields");
    }
    if breaker.key.iter().any(|&field| policy.features.row(field).ty != Type::Text) {
        return fault("has a key that is not text");
    }
    if policy.breakers[..at].iter().any(|other| other.reason.rule == *id) {
        return fault("has the name of another one");
    }
    let key: Vec<&str> = breaker.key.iter().map(|&field| policy.features.row(field).name.as_str()).collect();
    // What it opens on is left out: a better condition does not forget which keys are open.
    let signature = format!("{id} {:x} {} {open_ms} {half_open_ms} {trials}", breaker.kinds.0, key.join(","));
    Ok(Wired { breaker: at, terms: breaker.terms, near: 0, signature })
}

/// Checks a window and measures it.
pub(super) fn laid(policy: &Policy, place: usize, window: &Window) -> Result<Laid, BuildError> {
    let fault = |what| Err(BuildError::of(&policy.features, window, what));
    let row = |id: FeatureId| policy.features.row(id);
    if !(WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&window.window_ms) {
        return fault("has a window outside 1 s to 30 d");
    }
    if window.key.is_empty() || window.key.len() > KEY_FIELDS_MAX {
        return fault("has a key of none or more than four fields");
    }
    if window.key.iter().any(|&field| row(field).ty != Type::Text) {
        return fault("has a key that is not text");
    }
    // A little more than is needed, for a constant that grows with a reload.
    let exact = usize::from(window.exact);
    let capacity = match window.aggregate {
        Aggregate::Count => exact.next_multiple_of(EXACT_STEP).min(EXACT_COUNT_MAX + 1),
        _ => exact,
    };
    let limits = policy.limits.iter().enumerate();
    let limits = limits.filter(|(_, limit)| limit.window == place && limit.mode != Mode::Off);
    let limits: Vec<usize> = limits.map(|(at, _)| at).collect();
    let room = match window.aggregate {
        Aggregate::Count if exact > EXACT_COUNT_MAX + 1 => return fault("is exact beyond 64"),
        Aggregate::Count if window.status == Status::Attempt => Recent::room(capacity),
        Aggregate::Count => held(window, Approved::room(capacity)),
        Aggregate::Sum(field) | Aggregate::Max(field)
            if !matches!(row(field).ty, Type::Int | Type::Money) =>
        {
            return fault("sums what is neither a whole number nor money");
        }
        Aggregate::Sum(_) if exact > 0 => return fault("is a sum, which has no exact range"),
        Aggregate::Sum(_) => held(window, Approved::room(0)),
        Aggregate::Distinct(field) if row(field).ty != Type::Text => {
            return fault("tells apart what is not text");
        }
        Aggregate::Distinct(_) if !(1..=EXACT_DISTINCT_MAX).contains(&exact) => {
            return fault("is exact for none or more than 64 values");
        }
        Aggregate::Distinct(_) => Distinct::room(exact),
        Aggregate::Max(_) => Max::ROOM,
        Aggregate::First => First::ROOM,
        Aggregate::Last => Room { near: 1, ..Room::default() },
    };
    let reservable = matches!(window.aggregate, Aggregate::Count | Aggregate::Sum(_));
    if window.status == Status::Approved && !reservable {
        return fault("is approved, which only counts and sums can be");
    }
    if !limits.is_empty() && window.status != Status::Approved {
        return fault("has a limit, which only approved features can have");
    }
    if let Some(after_ms) = window.release_after_ms {
        if window.status != Status::Approved {
            return fault("has a time-out, which only approved features can have");
        }
        if !(WINDOW_MS_MIN..window.window_ms).contains(&after_ms) {
            return fault("has a time-out outside 1 s to its window");
        }
    }
    let signature = signature(&policy.features, window);
    Ok(Laid {
        feature: window.feature,
        ty: row(window.feature).ty,
        aggregate: window.aggregate,
        kinds: window.kinds,
        status: window.status,
        currency: window.currency,
        window_ms: window.window_ms,
        span: Span::new(window.window_ms),
        open: window.release_after_ms.map(Span::new),
        exact: window.exact,
        capacity: capacity as u16,
        room,
        place: Place::default(),
        limits,
        tag: 0,
        signature,
    })
}

/// Room for an approved window: twice, where events without an outcome end with a time-out.
fn held(window: &Window, room: Room) -> Room {
    if window.release_after_ms.is_some() { room.with(room) } else { room }
}

/// Windows and breakers are kept by so many keys at most: each is one look-up of every check.
pub(super) fn check_keys(policy: &Policy) -> Result<(), BuildError> {
    let on = policy.breakers.iter().filter(|breaker| breaker.mode != Mode::Off);
    let keys = policy.windows.iter().map(|window| &window.key).chain(on.map(|breaker| &breaker.key));
    let count = keys.collect::<HashSet<_>>().len();
    let what = "keys that windows and breakers are kept by";
    if count > KEYS_MAX { Err(BuildError::TooMany { what, count, max: KEYS_MAX }) } else { Ok(()) }
}

/// Every approved window of an event is remembered with its decision: there is room for so many.
pub(super) fn check_approved(policy: &Policy) -> Result<(), BuildError> {
    for kind in wire::Kind::ALL {
        let approved = |window: &&Window| window.status == Status::Approved && window.kinds.has(*kind);
        let count = policy.windows.iter().filter(approved).count();
        if count > PENDING_MAX {
            return Err(BuildError::TooMany {
                what: "approved features of one kind",
                count,
                max: PENDING_MAX,
            });
        }
    }
    Ok(())
}

/// What a window is, by names: the same text means that its counts can be kept over a reload.
fn signature(features: &FeatureTable, window: &Window) -> String {
    let name = |id: FeatureId| features.row(id).name.as_str();
    let aggregate = match window.aggregate {
        Aggregate::Count => "count".to_owned(),
        Aggregate::Sum(field) => format!("sum {}", name(field)),
        Aggregate::Max(field) => format!("max {}", name(field)),
        Aggregate::Distinct(field) => format!("distinct {}", name(field)),
        Aggregate::Last => "last".to_owned(),
        Aggregate::First => "first".to_owned(),
    };
    let key: Vec<&str> = window.key.iter().map(|&field| name(field)).collect();
    let timeout = window.release_after_ms.map_or(String::new(), |ms| format!(" open {ms}"));
    // Sums of other decimals are other sums.
    let of_money = match window.aggregate {
        Aggregate::Sum(field) | Aggregate::Max(field) if features.row(field).ty == Type::Money => {
            features.money_places()
        }
        _ => 0,
    };
    let currency = window.currency.as_ref().map_or("", wire::currency::text);
    format!(
        "{} {aggregate} {:x} {} {} {:?} {currency} {of_money}{timeout}",
        name(window.feature),
        window.kinds.0,
        key.join(","),
        window.window_ms,
        window.status,
    )
}

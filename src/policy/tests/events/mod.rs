//! Random values for the variables that random expressions name, stated and as events.

use proptest::prelude::*;
use wire::{Check, ExtValue, Kind};

use crate::expressions::NOW_MS;

/// Values of the variables that expressions may name.
#[derive(Clone, Debug)]
pub struct Given {
    pub kyc: i64,
    pub wide: i64,
    pub ratio: f64,
    pub rooted: bool,
    pub gold: bool,
    pub account: String,
    pub amount_minor: i64,
    pub time_ms: i64,
    /// Whether the event carries `ext.wide`, `ext.ratio` and `ext.gold`; what it does not carry has the missing value here.
    pub carried: [bool; 3],
}

/// Any values, the largest and smallest whole numbers among them.
pub fn given() -> impl Strategy<Value = Given> {
    let wide = prop_oneof![any::<i64>(), -3..3_i64, Just(i64::MAX), Just(i64::MIN)];
    let ratio = prop_oneof![-3.0..3.0_f64, Just(0.0), Just(-1e19), Just(1.9e19)];
    let account = prop_oneof!["[ab名]{0,3}", "-?[0-9]{1,2}", Just("true".to_owned())];
    let time_ms = (0..299_i64).prop_map(|s| NOW_MS - 1_000 * s - 750);
    let carried = prop::array::uniform3(prop::bool::weighted(0.8));
    let rest = (0..1_000_i64, time_ms, carried);
    (0..4_i64, wide, ratio, any::<bool>(), any::<bool>(), account, rest).prop_map(
        |(kyc, wide, ratio, rooted, gold, account, (amount_minor, time_ms, carried))| Given {
            kyc,
            wide: if carried[0] { wide } else { 0 },
            ratio: if carried[1] { ratio } else { 0.0 },
            rooted,
            gold: gold && carried[2],
            account,
            amount_minor,
            time_ms,
            carried,
        },
    )
}

/// The values as `rules eval` takes them.
pub fn stated(given: &Given) -> serde_json::Map<String, serde_json::Value> {
    let amount = format!("{}.{:02}", given.amount_minor / 100, given.amount_minor % 100);
    let values = serde_json::json!({
        "kyc": given.kyc, "device.rooted": given.rooted, "account": given.account, "amount": amount,
        "time": given.time_ms,
    });
    let mut values = values.as_object().cloned().unwrap_or_default();
    let ext =
        [("ext.wide", given.wide.into()), ("ext.ratio", given.ratio.into()), ("ext.gold", given.gold.into())];
    let carried = ext.into_iter().zip(given.carried).filter(|(_, carried)| *carried);
    values.extend(carried.map(|((name, value), _)| (name.to_owned(), value)));
    values
}

/// The event that carries them.
pub fn check(id: String, kind: Kind, given: &Given) -> Check<'static> {
    // The engine knows no event without an account: an empty one stands for itself here and is only ever a text.
    let mut check = Check::new(id, kind, given.account.clone());
    check.kyc = Some(given.kyc as u8);
    check.amount_minor = Some(given.amount_minor);
    check.time_ms = Some(given.time_ms);
    check.device.rooted = given.rooted;
    let ext = [
        ("wide", ExtValue::Int(given.wide)),
        ("ratio", ExtValue::Double(given.ratio)),
        ("gold", ExtValue::Bool(given.gold)),
    ];
    let carried = ext.into_iter().zip(given.carried).filter(|(_, carried)| *carried);
    check.ext = carried.map(|((name, value), _)| (name.into(), value)).collect();
    check
}

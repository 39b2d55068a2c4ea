//! Stage `token`: what the sealed token and the raw QR payload of a check are worth.

use wire::Check;

use crate::feature::{Builtin, Scalar};
use crate::qr;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::token;

/// What a token turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It opens, is in time and names this packet.
    Valid,
    /// It does not open: malformed, of an unknown key, or changed.
    Invalid,
    /// It opens and its time is over.
    Expired,
    /// It opens and names another packet.
    Mismatch,
}

pub(crate) fn verify(snapshot: &Snapshot, check: &Check<'_>, lane: usize, scratch: &mut Scratch) {
    if !check.token.is_empty() {
        let time_ms = scratch.lanes[lane].time_ms;
        let state = match token::open(&snapshot.token_keys, &check.token) {
            Err(_) => TokenState::Invalid,
            Ok(body) => {
                scratch.set(
                    Builtin::TokenAge.id(),
                    lane,
                    Scalar::Int((time_ms - body.minted_ms).max(0) / 1000),
                );
                if check.packet.is_some_and(|packet| packet.as_u128() != body.packet) {
                    TokenState::Mismatch
                } else if time_ms >= body.expires_ms {
                    TokenState::Expired
                } else {
                    TokenState::Valid
                }
            }
        };
        scratch.set(Builtin::TokenPresent.id(), lane, Scalar::Bool(true));
        scratch.set(Builtin::TokenValid.id(), lane, Scalar::Bool(state == TokenState::Valid));
        scratch.set(Builtin::TokenExpired.id(), lane, Scalar::Bool(state == TokenState::Expired));
        scratch.lanes[lane].token = Some(state);
    }
    if !check.qr.is_empty() {
        scratch.set(Builtin::QrPresent.id(), lane, Scalar::Bool(true));
        scratch.set(Builtin::QrValid.id(), lane, Scalar::Bool(qr::is_valid(&check.qr)));
    }
}

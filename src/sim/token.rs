//! Sealed QR tokens come from whoever holds the keys. The simulation only says what to seal and when.

use uuid::Uuid;

/// What a token for a minted packet has to say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenRequest<'a> {
    /// The packet.
    pub packet: Uuid,
    /// Account that minted it.
    pub issuer: &'a str,
    /// Sum in the packet, in minor units.
    pub amount_minor: i64,
    /// Time of minting, in Unix milliseconds.
    pub issued_ms: i64,
    /// Last moment of validity, in Unix milliseconds.
    pub expires_ms: i64,
}

/// Seals tokens, most simply a closure. It must not depend on anything but its argument where bytes are to repeat.
pub trait TokenSource {
    /// The token in the form it has in a check.
    fn seal(&mut self, request: &TokenRequest<'_>) -> String;
}

impl<F: FnMut(&TokenRequest<'_>) -> String> TokenSource for F {
    fn seal(&mut self, request: &TokenRequest<'_>) -> String {
        self(request)
    }
}

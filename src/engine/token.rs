//! Sealed QR tokens: who may be told from a dynamic code is in it, and nobody without the key can make or read one.
//!
//! AES-256-GCM with a random 96-bit nonce. A token is base64url of: version, key id, nonce, sealed body, tag. The first two
//! bytes are authenticated with the body. Keys are told apart by id, so that old tokens open while new ones are sealed with
//! a new key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 2;
const BODY_BYTES: usize = 40;
const TAG_BYTES: usize = 16;
const TOKEN_BYTES: usize = HEAD_BYTES + NONCE_LEN + BODY_BYTES + TAG_BYTES;

const _: () = assert!(TOKEN_BYTES.div_ceil(3) * 4 <= wire::limits::TOKEN_BYTES_MAX);

/// A key for sealing and opening.
pub struct TokenKey {
    id: u8,
    key: LessSafeKey,
}

impl TokenKey {
    /// The key of these bytes, known by that id.
    pub fn new(id: u8, bytes: [u8; 32]) -> TokenKey {
        // Thirty-two bytes are what the algorithm takes, so this cannot fail.
        let key = UnboundKey::new(&AES_256_GCM, &bytes).expect("a key of 32 bytes");
        TokenKey { id, key: LessSafeKey::new(key) }
    }

    /// The id tokens name it by.
    pub fn id(&self) -> u8 {
        self.id
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({})", self.id)
    }
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// The packet it stands for.
    pub packet: u128,
    /// When it was minted, in Unix milliseconds.
    pub minted_ms: i64,
    /// When it ends, in Unix milliseconds.
    pub expires_ms: i64,
    /// Amount in minor units; 0 where the packet decides.
    pub amount_minor: i64,
}

/// Why a token does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not of a token's form or version.
    Malformed,
    /// Sealed with a key that is not known (any more).
    UnknownKey,
    /// Changed or made by somebody without the key.
    Forged,
}

/// Seals a token. `nonce` is fresh and random for each one.
pub fn seal(key: &TokenKey, nonce: [u8; NONCE_LEN], body: &Body) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    bytes[..HEAD_BYTES].copy_from_slice(&[VERSION, key.id]);
    bytes[HEAD_BYTES..HEAD_BYTES + NONCE_LEN].copy_from_slice(&nonce);
    let sealed = HEAD_BYTES + NONCE_LEN;
    let fields = [
        &body.packet.to_le_bytes()[..],
        &body.minted_ms.to_le_bytes(),
        &body.expires_ms.to_le_bytes(),
        &body.amount_minor.to_le_bytes(),
    ];
    let mut at = sealed;
    for field in fields {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    let (head, body) = bytes.split_at_mut(sealed);
    let (plain, tag) = body.split_at_mut(BODY_BYTES);
    let aad = Aad::from([head[0], head[1]]);
    // Sealing forty bytes cannot exceed the algorithm's length bound, its only failure.
    let made = key.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, plain);
    tag.copy_from_slice(made.expect("forty bytes are within the bound").as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Opens a token with whichever of the keys it names.
///
/// # Errors
/// [`TokenFault`] if it does not open.
pub fn open(keys: &[TokenKey], token: &str) -> Result<Body, TokenFault> {
    let mut bytes = [0; TOKEN_BYTES + 2];
    let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).map_err(|_| TokenFault::Malformed)?;
    if length != TOKEN_BYTES || bytes[0] != VERSION {
        return Err(TokenFault::Malformed);
    }
    let key = keys.iter().find(|key| key.id == bytes[1]).ok_or(TokenFault::UnknownKey)?;
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&bytes[HEAD_BYTES..HEAD_BYTES + NONCE_LEN]);
    let aad = Aad::from([bytes[0], bytes[1]]);
    let sealed = &mut bytes[HEAD_BYTES + NONCE_LEN..TOKEN_BYTES];
    let plain = key
        .key
        .open_in_place(Nonce::assume_unique_for_key(nonce), aad, sealed)
        .map_err(|_| TokenFault::Forged)?;
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&plain[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    Ok(Body {
        packet: u128::from(number(8)) << 64 | u128::from(number(0)),
        minted_ms: number(16) as i64,
        expires_ms: number(24) as i64,
        amount_minor: number(32) as i64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Body = Body { packet: 7 << 64 | 9, minted_ms: 1_000, expires_ms: 2_000, amount_minor: 888 };

    #[test]
    fn a_token_opens_with_its_key_and_no_other() {
        let keys = [TokenKey::new(1, [1; 32]), TokenKey::new(2, [2; 32])];
        let token = seal(&keys[1], [5; 12], &BODY);
        assert_eq!(open(&keys, &token), Ok(BODY));
        assert_eq!(open(&keys[..1], &token), Err(TokenFault::UnknownKey));
        assert_eq!(open(&[TokenKey::new(2, [3; 32])], &token), Err(TokenFault::Forged));
    }

    #[test]
    fn every_change_of_a_token_is_noticed() {
        let keys = [TokenKey::new(1, [1; 32])];
        let token = seal(&keys[0], [5; 12], &BODY);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ascii");
            assert!(open(&keys, &changed).is_err(), "changed at {at}");
        }
        for bad in ["", "A", &token[1..], &format!("{token}AAAA"), "!!!!", &"A".repeat(256)] {
            assert_eq!(open(&keys, bad), Err(TokenFault::Malformed), "{bad}");
        }
    }
}

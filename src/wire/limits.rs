//! Every bound on outside bytes, in one place, with its reason.

/// Longest `id`, `account`, `counterparty` and other identifiers, in bytes.
pub const IDENTIFIER_BYTES_MAX: usize = 64;
/// Longest `text` (greeting, memo), in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 512;
/// Longest sealed token in its base64url form: header, nonce, payload and tag with room to grow.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Longest raw EMVCo QR payload; the standard caps it at 512 characters.
pub const QR_BYTES_MAX: usize = 512;
/// Most `ext` fields of one check.
pub const EXT_FIELDS_MAX: usize = 32;
/// Largest amount of one check in minor units: 10 billion major units. Keeps a sub-window's sum within 44 bits.
pub const AMOUNT_MINOR_MAX: i64 = 1_000_000_000_000;
/// Most checks in one frame or one HTTP batch: the engine's lane count times sixteen.
pub const BATCH_CHECKS_MAX: usize = 1024;
/// Largest frame body, in bytes: a batch of the longest plausible checks.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Largest JSON body of one check, in bytes: every field at its bound, escaped.
pub const CHECK_JSON_BYTES_MAX: usize = 32 << 10;
/// Largest JSON or NDJSON body of a batch, in bytes.
pub const BATCH_JSON_BYTES_MAX: usize = 8 << 20;
/// Most reasons an answer carries; further matches are still recorded in the log.
pub const REASONS_MAX: usize = 8;
/// Largest body of an answers frame, in bytes: a full batch, every answer with every reason at its bound.
pub const ANSWER_FRAME_BYTES_MAX: usize = 16 << 20;
/// Longest version of a policy or model in an answer, in bytes: a hash in hex, with a name before it.
pub const VERSION_BYTES_MAX: usize = 128;
/// Latest time that can be stated, in Unix milliseconds: the end of the year 9999, where RFC 3339 ends.
pub const TIME_MS_MAX: i64 = 253_402_300_799_999;
/// Latest event time ahead of arrival, in milliseconds; later is counted at the bound and flagged.
pub const CLOCK_AHEAD_MS_MAX: i64 = 1_000;
/// Oldest event time behind arrival, in milliseconds; older is counted at the bound and flagged.
pub const CLOCK_BEHIND_MS_MAX: i64 = 300_000;

// A batch of checks whose every text stands at its bound must still fit a frame on average.
const _: () = assert!(BATCH_CHECKS_MAX * 4 * 1024 <= FRAME_BYTES_MAX);
const _: () = assert!(CHECK_JSON_BYTES_MAX < BATCH_JSON_BYTES_MAX);
// A reason is two identifiers, two texts, their lengths and two numbers; an answer is its reasons, three names and 64 bytes.
const REASON_BYTES_MAX: usize = 2 * IDENTIFIER_BYTES_MAX + 2 * TEXT_BYTES_MAX + 32;
const ANSWER_BYTES_MAX: usize =
    REASONS_MAX * REASON_BYTES_MAX + IDENTIFIER_BYTES_MAX + 2 * VERSION_BYTES_MAX + 64;
const _: () =
    assert!(BATCH_CHECKS_MAX * ANSWER_BYTES_MAX + 2 * VERSION_BYTES_MAX + 4 <= ANSWER_FRAME_BYTES_MAX);
// Frames count their items and measure their texts in 16 bits.
const _: () = assert!(BATCH_CHECKS_MAX <= u16::MAX as usize);
const _: () = assert!(TEXT_BYTES_MAX <= u16::MAX as usize);

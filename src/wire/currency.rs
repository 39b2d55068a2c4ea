//! Currencies of ISO 4217 and their minor units.

use iso_currency::Currency;

/// The currency where a check states none.
pub const DEFAULT: [u8; 3] = *b"CNY";

/// Decimals of a currency's minor unit (CNY 2, JPY 0, KWD 3); none for what ISO 4217 does not list, and for metals and units of
/// account, which have no minor unit.
#[inline]
pub fn decimals(code: [u8; 3]) -> Option<u32> {
    if code == DEFAULT {
        return Some(2);
    }
    let exponent = Currency::from_code(text(&code))?.exponent()?;
    Some(u32::from(exponent))
}

/// A code as text.
pub fn text(code: &[u8; 3]) -> &str {
    std::str::from_utf8(code).unwrap_or("")
}

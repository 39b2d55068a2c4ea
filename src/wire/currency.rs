//! Currencies of ISO 4217 and their minor units.

use iso_currency::Currency;

use crate::bounds::Refusal;
use crate::near::shortened;

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

/// A currency's code, in any case.
///
/// # Errors
/// [`Refusal`] for what ISO 4217 does not list, with what was probably meant.
pub(crate) fn read(found: &str) -> Result<[u8; 3], Refusal> {
    let code =
        <[u8; 3]>::try_from(found.as_bytes()).ok().map(|code| code.map(|byte| byte.to_ascii_uppercase()));
    code.filter(|code| decimals(*code).is_some()).ok_or_else(|| unknown(found))
}

/// A code as text.
pub fn text(code: &[u8; 3]) -> &str {
    std::str::from_utf8(code).unwrap_or("")
}

/// Names that are in use and are not of ISO 4217.
const COLLOQUIAL: [(&str, &str); 9] = [
    ("RMB", "CNY"),
    ("CNH", "CNY"),
    ("YUAN", "CNY"),
    ("NTD", "TWD"),
    ("YEN", "JPY"),
    ("UKP", "GBP"),
    ("STG", "GBP"),
    ("NIS", "ILS"),
    ("USDT", "USD"),
];

#[cold]
pub(crate) fn unknown(found: &str) -> Refusal {
    let found = shortened(found);
    let meant = COLLOQUIAL.iter().find(|(name, _)| name.eq_ignore_ascii_case(&found));
    Refusal::out_of_range(match meant {
        Some((_, code)) => format!("`{found}` is not a currency of ISO 4217; did you mean `{code}`?"),
        None => format!("`{found}` is not a currency of ISO 4217, such as CNY"),
    })
}

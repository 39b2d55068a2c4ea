//! Amounts of several currencies in one column: all in the same decimals of their major unit, and never added together unless a
//! window says that it takes one currency only.

use wire::{Check, DecodeError, ErrorCode, currency};

use crate::policy::Policy;

/// The currencies of a policy.
#[derive(Clone)]
pub(crate) struct Currencies {
    /// The one that profiles are of.
    home: Known,
    others: Vec<Known>,
}

/// A currency, and what an amount in its minor units is multiplied with.
#[derive(Clone, Copy)]
struct Known {
    code: [u8; 3],
    factor: i64,
}

impl Currencies {
    pub fn of(policy: &Policy) -> Currencies {
        let places = u32::from(policy.features.money_places());
        let known = |&code: &[u8; 3]| {
            let decimals = currency::decimals(code).unwrap_or(places);
            Known { code, factor: 10_i64.pow(places.saturating_sub(decimals)) }
        };
        match policy.currencies.split_first() {
            Some((home, others)) => {
                Currencies { home: known(home), others: others.iter().map(known).collect() }
            }
            None => Currencies { home: known(&currency::DEFAULT), others: Vec::new() },
        }
    }

    /// The amount of a check in the decimals of the policy's money, and whether it is of the currency that profiles are of. None
    /// without an amount, and of a currency that is none of the policy's: it must not be taken for one of another.
    pub fn amount(&self, check: &Check<'_>) -> Option<(i64, bool)> {
        let minor = check.amount_minor?;
        if check.currency == self.home.code {
            return Some((minor.saturating_mul(self.home.factor), true));
        }
        let known = self.others.iter().find(|known| known.code == check.currency)?;
        Some((minor.saturating_mul(known.factor), false))
    }

    /// Refuses an amount of a currency that the policy does not have.
    ///
    /// # Errors
    /// What the policy has, and how it would have this one as well.
    pub fn admit(&self, check: &Check<'_>) -> Result<(), DecodeError> {
        if check.amount_minor.is_none() || self.amount(check).is_some() {
            return Ok(());
        }
        let all = std::iter::once(&self.home).chain(&self.others);
        let names: Vec<&str> = all.map(|known| currency::text(&known.code)).collect();
        let (found, names) = (currency::text(&check.currency), names.join(", "));
        let unstated =
            if check.currency == currency::DEFAULT { ", as one without a currency is" } else { "" };
        let message = format!(
            "the policy has amounts in {names}, and this one is in {found}{unstated}: `settings: {{ currencies: [{names}, {found}] }}` would have it take them"
        );
        Err(DecodeError::new(ErrorCode::OutOfRange, "currency", message))
    }
}

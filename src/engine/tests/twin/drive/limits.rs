//! The limits of a case that have a say in a check.

use engine::policy::Absent;
use wire::Verdict;

use super::Twin;
use crate::case::CheckSpec;

impl Twin<'_> {
    /// The limits of a window that apply to the check: places in the policy, and maxima.
    pub(super) fn limits_on<'s>(
        &'s self,
        place: usize,
        check: &'s CheckSpec,
    ) -> impl Iterator<Item = (usize, i64)> + 's {
        let built = self.built.iter();
        built.flat_map(move |built| {
            let limits = built.limits.iter().map(|&limit| &self.case.limits[limit]).enumerate();
            let applies = limits.filter(move |(_, limit)| {
                limit.window == built.windows[place].0
                    && limit.kyc.is_none_or(|kyc| check.kyc.unwrap_or(0) == kyc)
            });
            applies.map(|(at, limit)| (at, limit.max))
        })
    }

    pub(super) fn verdict_of(&self, limit: usize) -> Verdict {
        self.built.as_ref().map_or(Verdict::Deny, |built| self.case.limits[built.limits[limit]].verdict)
    }

    pub(super) fn absent_of(&self, limit: usize) -> Absent {
        self.built.as_ref().map_or(Absent::Deny, |built| self.case.limits[built.limits[limit]].absent)
    }

    /// The one with the smallest maximum.
    pub(super) fn tightest(&self, place: usize, check: &CheckSpec) -> Option<(usize, i64)> {
        self.limits_on(place, check).min_by_key(|&(_, max)| max)
    }
}

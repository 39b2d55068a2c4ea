//! The smallest case that still fails: leaves out steps, checks, limits, rules and windows for as long as it does.

use crate::case::{Case, Step};

/// A smaller case and why it fails.
pub fn shrink(mut case: Case, mut why: String, fails: impl Fn(&Case) -> Option<String>) -> (Case, String) {
    let mut tries = 3_000;
    loop {
        let mut smaller = false;
        for change in CHANGES {
            let mut size = change.count(&case).max(1);
            while size > 0 {
                let mut at = 0;
                while at < change.count(&case) && tries > 0 {
                    tries -= 1;
                    let mut candidate = case.clone();
                    change.leave_out(&mut candidate, at..(at + size).min(change.count(&case)));
                    match fails(&candidate) {
                        Some(reason) => (case, why, smaller) = (candidate, reason, true),
                        None => at += size,
                    }
                }
                size /= 2;
            }
        }
        if !smaller || tries == 0 {
            return (case, why);
        }
    }
}

const CHANGES: [Change; 6] =
    [Change::Steps, Change::Checks, Change::Rules, Change::Limits, Change::Windows, Change::Times];

/// What can be left out.
#[derive(Clone, Copy)]
enum Change {
    Steps,
    Checks,
    Rules,
    Limits,
    /// Windows are taken out of force, so that the others keep their numbers.
    Windows,
    /// Stated times.
    Times,
}

impl Change {
    fn count(self, case: &Case) -> usize {
        match self {
            Change::Steps => case.steps.len(),
            Change::Checks | Change::Times => case
                .steps
                .iter()
                .map(|step| if let Step::Decide(checks) = step { checks.len() } else { 0 })
                .sum(),
            Change::Rules => case.rules.len(),
            Change::Limits => case.limits.len(),
            Change::Windows => case.windows.len(),
        }
    }

    fn leave_out(self, case: &mut Case, out: std::ops::Range<usize>) {
        let mut at = 0;
        let mut stays = move || {
            at += 1;
            !out.contains(&(at - 1))
        };
        match self {
            Change::Steps => case.steps.retain(|_| stays()),
            Change::Rules => case.rules.retain(|_| stays()),
            Change::Limits => case.limits.retain(|_| stays()),
            Change::Checks => {
                for step in &mut case.steps {
                    if let Step::Decide(checks) = step {
                        checks.retain(|_| stays());
                    }
                }
            }
            Change::Times => {
                for step in &mut case.steps {
                    if let Step::Decide(checks) = step {
                        checks.iter_mut().filter(|_| !stays()).for_each(|check| check.stated_ms = None);
                    }
                }
            }
            Change::Windows => {
                let kept: Vec<bool> = case.windows.iter().map(|_| stays()).collect();
                for step in &mut case.steps {
                    if let Step::Reload(active) = step {
                        active.retain(|&window| kept[window]);
                    }
                }
            }
        }
    }
}

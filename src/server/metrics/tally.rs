//! What one worker has counted since it last told the others: plain numbers, so that counting costs a check nothing
//! shared. Told a few times a second, and before the worker ends.

use wire::{Degraded, ErrorCode, Kind, Verdict};

use super::histogram::LocalHistogram;

/// A worker's counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Checks decided or replayed.
    pub checks: [[u64; Verdict::ALL.len()]; Kind::ALL.len()],
    /// Of those, answers that came before, by kind.
    pub replayed: [u64; Kind::ALL.len()],
    /// Answers by each flag they carry.
    pub degraded: [u64; Degraded::ALL.len()],
    /// Checks answered with the fallback verdict, by kind.
    pub shed: [u64; Kind::ALL.len()],
    /// Items and bodies refused, by code.
    pub refused: [u64; ErrorCode::ALL.len()],
    /// From the arrival of a batch to its answer's last byte, for each check of it.
    pub duration: LocalHistogram,
}

impl Tally {
    /// Counts an answer.
    pub fn answered(&mut self, kind: Kind, verdict: Verdict, replayed: bool, degraded: u16) {
        self.checks[usize::from(kind.code())][usize::from(verdict.code())] += 1;
        self.replayed[usize::from(kind.code())] += u64::from(replayed);
        if degraded != 0 {
            for flag in Degraded::in_set(degraded) {
                self.degraded[usize::from(flag.code())] += 1;
            }
        }
    }

    /// Counts a check answered with the fallback verdict.
    pub fn shed(&mut self, kind: Kind) {
        self.shed[usize::from(kind.code())] += 1;
    }

    /// Counts an item or body that was refused.
    pub fn refused(&mut self, code: ErrorCode) {
        self.refused[usize::from(code.code())] += 1;
    }
}

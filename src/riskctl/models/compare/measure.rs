//! The figures of two models over the checks that both scored.

use model::correlation::{correlation, rank_correlation};
use model::quality::{Curve, Scored};
use wire::Verdict;

use super::log::{Pair, Row};

/// Two models beside each other.
#[derive(Debug, PartialEq)]
pub struct Comparison {
    /// Checks that both scored.
    pub checks: usize,
    /// Of those, checks whose truth is known.
    pub labelled: usize,
    /// Of those, frauds.
    pub frauds: usize,
    /// Champion and challenger.
    pub sides: [Figures; 2],
    /// Of the scores.
    pub correlation: Option<f64>,
    /// Of their ranks.
    pub rank_correlation: Option<f64>,
    /// Checks whose verdict either way is known.
    pub judged: usize,
    /// Of those, checks whose truth is known.
    pub judged_labelled: usize,
    /// Judged checks whose band would be another.
    pub bands_changed: usize,
    /// Judged checks whose verdict would be: no earlier tier decided.
    pub verdicts_changed: usize,
}

/// How good one of them is, on the labelled checks.
#[derive(Debug, PartialEq)]
pub struct Figures {
    /// Area under the ROC curve of its score alone.
    pub auc: Option<f64>,
    /// Average precision of its score alone.
    pub average_precision: Option<f64>,
    /// Share of frauds above the threshold that disturbs 0.1 % of honest checks.
    pub recall_at_0_1_percent: Option<f64>,
    /// The same for 1 %.
    pub recall_at_1_percent: Option<f64>,
    /// Money of frauds that its verdicts stop.
    pub caught_minor: i64,
    /// Money of frauds that they let through.
    pub missed_minor: i64,
    /// Money of honest checks that they refuse outright.
    pub wrongly_refused_minor: i64,
}

/// Measures.
pub fn measure(pair: &Pair) -> Comparison {
    let rows = &pair.rows;
    let scores = |side: usize| rows.iter().map(|row| row.scores[side]).collect::<Vec<f64>>();
    let (champion, challenger) = (scores(0), scores(1));
    let count = |is: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    let changed = |of: fn(super::log::Judged) -> [Verdict; 2]| {
        count(&|row| row.judged.is_some_and(|judged| of(judged)[0] != of(judged)[1]))
    };
    Comparison {
        checks: rows.len(),
        labelled: count(&|row| row.fraud.is_some()),
        frauds: count(&|row| row.fraud == Some(true)),
        sides: [figures(rows, 0), figures(rows, 1)],
        correlation: correlation(&champion, &challenger),
        rank_correlation: rank_correlation(&champion, &challenger),
        judged: count(&|row| row.judged.is_some()),
        judged_labelled: count(&|row| row.judged.is_some() && row.fraud.is_some()),
        bands_changed: changed(|judged| judged.bands),
        verdicts_changed: changed(|judged| judged.verdicts),
    }
}

fn figures(rows: &[Row], side: usize) -> Figures {
    let scored = |row: &Row| row.fraud.map(|fraud| Scored { score: row.scores[side], fraud });
    let curve = Curve::new(&rows.iter().filter_map(scored).collect::<Vec<_>>());
    let money = |is: &dyn Fn(bool, Verdict) -> bool| {
        let judged = rows.iter().filter_map(|row| Some((row, row.fraud?, row.judged?.verdicts[side])));
        judged.filter(|(_, fraud, verdict)| is(*fraud, *verdict)).map(|(row, ..)| row.amount_minor).sum()
    };
    Figures {
        auc: curve.roc_auc(),
        average_precision: curve.average_precision(),
        recall_at_0_1_percent: curve.recall_at_false_positives(0.001),
        recall_at_1_percent: curve.recall_at_false_positives(0.01),
        caught_minor: money(&|fraud, verdict| fraud && verdict != Verdict::Allow),
        missed_minor: money(&|fraud, verdict| fraud && verdict == Verdict::Allow),
        wrongly_refused_minor: money(&|fraud, verdict| !fraud && verdict == Verdict::Deny),
    }
}

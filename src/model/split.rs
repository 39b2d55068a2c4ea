//! Training, validation and held-out rows, one after the other in time. Nothing is shuffled: a model that has seen next week
//! is no measure of one that has not.

use crate::dataset::Dataset;

const DAY_MS: f64 = 86_400_000.0;

/// How much of the rows a later part takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// That share of the rows, 0 to 1.
    Share(f64),
    /// The rows of the last so many days.
    Days(f64),
}

impl Part {
    fn size(self) -> f64 {
        match self {
            Part::Share(size) | Part::Days(size) => size,
        }
    }
}

/// Rows by what they are for.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The earliest: trees are grown on them.
    pub train: Dataset,
    /// Later ones: size and calibration are chosen on them.
    pub validation: Dataset,
    /// The latest: the model is measured on them.
    pub held_out: Dataset,
}

/// Cuts the rows in time. `validation` is a part of what comes before the held-out rows. Rows within `gap_days` before a cut
/// are left out: when the later part began, their labels had not arrived. Rows of one time stay on one side. Days are
/// counted back from `until_ms`, or from the last row.
pub fn split(
    rows: &Dataset,
    validation: Part,
    held_out: Part,
    gap_days: f64,
    until_ms: Option<i64>,
) -> Parts {
    let sorted = rows.in_time_order();
    let (early, held_out, from_ms) = cut(&sorted, held_out, gap_days, until_ms);
    let (train, validation, _) = cut(&early, validation, gap_days, from_ms.or(until_ms));
    Parts { train, validation, held_out }
}

/// Early and late part, and the time that parts them.
fn cut(
    sorted: &Dataset,
    late: Part,
    gap_days: f64,
    until_ms: Option<i64>,
) -> (Dataset, Dataset, Option<i64>) {
    let gap_ms = (gap_days * DAY_MS) as i64;
    let from_ms = match late {
        _ if late.size() == 0.0 || sorted.is_empty() => None,
        Part::Share(share) => {
            let at = (sorted.len() as f64 * (1.0 - share)).round() as usize;
            (at < sorted.len()).then(|| sorted.time_ms(at))
        }
        Part::Days(days) => {
            // With a gap before it, the end of a part is where its labels still arrive.
            let last_ms = sorted.time_ms(sorted.len() - 1) + 1;
            Some(
                until_ms.map_or(last_ms, |until| until.min(last_ms.max(until - gap_ms)))
                    - (days * DAY_MS) as i64,
            )
        }
    };
    let Some(from_ms) = from_ms else {
        return (sorted.clone(), Dataset::new(sorted.inputs().to_vec()), None);
    };
    let early = sorted.filter(|row| sorted.time_ms(row) < from_ms.saturating_sub(gap_ms));
    (early, sorted.filter(|row| sorted.time_ms(row) >= from_ms), Some(from_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn table(times_ms: &[i64]) -> Dataset {
        let mut data = Dataset::new(vec!["x".to_owned()]);
        for &time_ms in times_ms {
            data.push(time_ms, &[time_ms as f64], time_ms % 2 == 0);
        }
        data
    }

    fn times(data: &Dataset) -> Vec<i64> {
        (0..data.len()).map(|row| data.time_ms(row)).collect()
    }

    #[test]
    fn every_part_is_later_than_the_one_before() {
        let parts = split(&table(&[5, 1, 8, 4, 2, 3, 6, 7]), Part::Share(0.5), Part::Share(0.25), 0.0, None);
        assert_eq!(times(&parts.train), [1, 2, 3]);
        assert_eq!(times(&parts.validation), [4, 5, 6]);
        assert_eq!(times(&parts.held_out), [7, 8]);
        assert_eq!(parts.held_out.row(1), [8.0]);
        assert!(parts.held_out.is_fraud(1));
    }

    #[test]
    fn rows_of_one_time_stay_on_one_side() {
        let parts = split(&table(&[1, 2, 2, 2, 3]), Part::Share(0.0), Part::Share(0.4), 0.0, None);
        assert_eq!((parts.train.len(), parts.held_out.len()), (1, 4));
        assert!(parts.validation.is_empty());
    }

    #[test]
    fn rows_whose_labels_had_not_arrived_are_left_out_before_each_cut() {
        let days: Vec<i64> = (0..28).map(|day| day * DAY).collect();
        let parts = split(&table(&days), Part::Days(3.0), Part::Days(7.0), 5.0, Some(28 * DAY));
        assert_eq!(times(&parts.held_out), days[21..]);
        // Days 16 to 20 wait for their labels when the held-out week begins.
        assert_eq!(times(&parts.validation), days[13..16]);
        assert_eq!(times(&parts.train), days[..8]);
    }
}

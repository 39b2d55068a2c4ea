//! Rows to train on and to measure with: inputs, label, time. Kept in time order so that no split can look ahead.

/// Most values of a table, rows times inputs: 2 GiB.
pub const VALUES_MAX: usize = 1 << 28;

/// A table of examples in time order.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    inputs: Vec<String>,
    values: Vec<f64>,
    labels: Vec<bool>,
    times_ms: Vec<i64>,
}

impl Dataset {
    /// An empty table with these inputs.
    pub fn new(inputs: Vec<String>) -> Dataset {
        Dataset { inputs, ..Dataset::default() }
    }

    /// Adds a row at the end.
    ///
    /// # Panics
    /// If the row has another number of values than the table has inputs.
    pub fn push(&mut self, time_ms: i64, values: &[f64], fraud: bool) {
        assert_eq!(values.len(), self.inputs.len(), "one value for each input");
        self.values.extend_from_slice(values);
        self.labels.push(fraud);
        self.times_ms.push(time_ms);
    }

    /// Names of the inputs, in order.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values of that row.
    pub fn row(&self, row: usize) -> &[f64] {
        let width = self.inputs.len();
        &self.values[row * width..(row + 1) * width]
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Whether that row is fraud.
    pub fn is_fraud(&self, row: usize) -> bool {
        self.labels[row]
    }

    /// Time of that row, Unix milliseconds.
    pub fn time_ms(&self, row: usize) -> i64 {
        self.times_ms[row]
    }

    /// Number of rows that are fraud.
    pub fn frauds(&self) -> usize {
        self.labels.iter().filter(|fraud| **fraud).count()
    }

    /// The rows for which `keep` holds, in their order.
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> Dataset {
        let mut kept = Dataset::new(self.inputs.clone());
        for row in (0..self.len()).filter(|row| keep(*row)) {
            kept.push(self.time_ms(row), self.row(row), self.is_fraud(row));
        }
        kept
    }

    /// The same rows without these inputs.
    pub fn without(&self, names: &[String]) -> Dataset {
        let kept: Vec<usize> =
            (0..self.inputs.len()).filter(|at| !names.contains(&self.inputs[*at])).collect();
        let mut narrow = Dataset::new(kept.iter().map(|at| self.inputs[*at].clone()).collect());
        for row in 0..self.len() {
            let values: Vec<f64> = kept.iter().map(|at| self.row(row)[*at]).collect();
            narrow.push(self.time_ms(row), &values, self.is_fraud(row));
        }
        narrow
    }

    /// Inputs that have the same value in every row: no tree can ask for them.
    pub fn constant_inputs(&self) -> Vec<String> {
        let same = |at: &usize| {
            (1..self.len()).all(|row| self.row(row)[*at].to_bits() == self.values[*at].to_bits())
        };
        (0..self.inputs.len()).filter(same).map(|at| self.inputs[at].clone()).collect()
    }

    /// The same rows by ascending time; rows of one time keep their order.
    pub fn in_time_order(&self) -> Dataset {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|row| self.times_ms[*row]);
        let mut sorted = Dataset::new(self.inputs.clone());
        for row in order {
            sorted.push(self.time_ms(row), self.row(row), self.is_fraud(row));
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_can_be_left_out_and_constant_ones_are_found() {
        let mut data = Dataset::new(["a", "b", "c"].map(str::to_owned).to_vec());
        data.push(1, &[1.0, 5.0, f64::NAN], false);
        data.push(2, &[2.0, 5.0, f64::NAN], true);
        assert_eq!(data.constant_inputs(), ["b", "c"]);
        let narrow = data.without(&data.constant_inputs());
        assert_eq!((narrow.inputs().len(), narrow.row(1)), (1, [2.0].as_slice()));
        assert!(narrow.is_fraud(1));
    }
}

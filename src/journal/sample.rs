//! A fair sample of the latest records, for whoever watches what traffic looks like without wanting all of it.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Up to so many of the records seen since the sample was last taken, each as likely as any other (reservoir sampling,
/// Vitter's algorithm R): a draw a record, and a copy for few of them.
pub(crate) struct Sample {
    records: Vec<Vec<u8>>,
    records_max: usize,
    seen: u64,
    /// State of an xorshift generator, not 0.
    draw: u64,
}

impl Sample {
    pub(crate) fn new(records_max: usize) -> Sample {
        let draw = RandomState::new().build_hasher().finish() | 1;
        Sample { records: Vec::new(), records_max, seen: 0, draw }
    }

    /// Shows it a record.
    pub(crate) fn see(&mut self, record: &[u8]) {
        self.seen += 1;
        if self.records.len() < self.records_max {
            self.records.push(record.to_vec());
            return;
        }
        self.draw ^= self.draw << 13;
        self.draw ^= self.draw >> 7;
        self.draw ^= self.draw << 17;
        // A place among all seen; most lie beyond the sample.
        let place = (u128::from(self.draw) * u128::from(self.seen)) >> 64;
        if let Some(kept) = self.records.get_mut(place as usize) {
            kept.clear();
            kept.extend_from_slice(record);
        }
    }

    /// The sample; the next one begins.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        self.seen = 0;
        std::mem::take(&mut self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_records_are_all_kept_and_no_more_than_asked_for() {
        let mut sample = Sample::new(3);
        for record in [b"a", b"b"] {
            sample.see(record);
        }
        assert_eq!(sample.take(), [b"a", b"b"]);
        for record in 0..100 {
            sample.see(&[record]);
        }
        assert_eq!((sample.take().len(), sample.take().len()), (3, 0));
        let mut none = Sample::new(0);
        none.see(b"a");
        assert!(none.take().is_empty());
    }

    #[test]
    fn early_and_late_records_are_kept_alike() {
        let (mut sample, mut kept) = (Sample::new(10), [0_u32; 100]);
        for _ in 0..5_000 {
            (0..100).for_each(|record| sample.see(&[record]));
            sample.take().iter().for_each(|record| kept[usize::from(record[0])] += 1);
        }
        // 500 of each in the mean, with a standard deviation of 21: six of them on either side.
        assert!(kept.iter().all(|times| (374..=626).contains(times)), "{kept:?}");
    }
}

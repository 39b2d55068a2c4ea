//! What was counted within the latest minute: a ring of seconds and their sum.

/// Seconds of a minute.
const SECONDS: i64 = 60;

/// A count of the sixty seconds that end with the latest one it was told of.
#[derive(Clone, Debug)]
pub struct Minute {
    counts: [u64; SECONDS as usize],
    /// The latest second.
    latest: i64,
    sum: u64,
}

impl Minute {
    /// An empty one that begins at a second.
    pub fn new(second: i64) -> Minute {
        Minute { counts: [0; SECONDS as usize], latest: second, sum: 0 }
    }

    /// Counts within a second, and forgets what is a minute older. A second before the latest one counts as that: time
    /// does not go back.
    pub fn add(&mut self, second: i64, count: u64) {
        let passed = second.saturating_sub(self.latest).clamp(0, SECONDS);
        let first = second.saturating_sub(passed).saturating_add(1);
        for at in first..first + passed {
            self.sum -= std::mem::take(&mut self.counts[place(at)]);
        }
        self.latest = self.latest.max(second);
        self.counts[place(self.latest)] += count;
        self.sum += count;
    }

    /// How much was counted.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

fn place(second: i64) -> usize {
    second.rem_euclid(SECONDS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_is_forgotten_when_it_is_a_minute_old() {
        let mut minute = Minute::new(100);
        minute.add(100, 5);
        minute.add(159, 2);
        assert_eq!(minute.sum(), 7);
        minute.add(160, 0);
        assert_eq!(minute.sum(), 2);
        minute.add(10_000_000, 1);
        assert_eq!(minute.sum(), 1);
    }

    proptest! {
        /// The twin keeps every count with its second and adds up those that are young enough.
        #[test]
        fn a_minute_is_what_a_list_of_all_counts_says(
            start in -100_i64..100,
            steps in prop::collection::vec((-5_i64..90, 0_u64..1_000), 0..200),
        ) {
            let (mut minute, mut all, mut latest) = (Minute::new(start), Vec::new(), start);
            for (step, count) in steps {
                let second = latest + step;
                latest = latest.max(second);
                all.push((latest, count));
                minute.add(second, count);
                let young = all.iter().filter(|(at, _)| *at > latest - SECONDS);
                prop_assert_eq!(minute.sum(), young.map(|(_, count)| count).sum::<u64>());
            }
        }
    }
}

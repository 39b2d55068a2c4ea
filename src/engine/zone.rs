//! Time zones as tables of offsets, so that the local time of an event is a look-up.

/// A time zone: from when on which offset holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zone {
    /// Name or offset, as it was written.
    pub name: String,
    /// Moments in microseconds since 1970, ascending, and seconds east of UTC from then on.
    pub offsets: Vec<(i64, i32)>,
    /// The first moment for which nothing is known.
    pub until_us: i64,
}

impl Default for Zone {
    /// UTC.
    fn default() -> Zone {
        Zone::fixed("UTC", 0)
    }
}

impl Zone {
    /// A zone that always has that offset, in seconds east of UTC.
    pub fn fixed(name: &str, seconds: i32) -> Zone {
        Zone { name: name.to_owned(), offsets: vec![(i64::MIN, seconds)], until_us: i64::MAX }
    }

    /// Milliseconds east of UTC at that moment; where nothing is known any more, the last that was.
    pub fn offset_ms(&self, moment_ms: i64) -> i64 {
        let last = self.offsets.last().map_or(0, |&(_, seconds)| seconds);
        i64::from(self.offset(moment_ms.saturating_mul(1_000)).unwrap_or(last)) * 1_000
    }

    /// Seconds east of UTC at that moment, as far as it is known.
    pub fn offset(&self, moment_us: i64) -> Option<i32> {
        if moment_us >= self.until_us {
            return None;
        }
        let after = self.offsets.partition_point(|&(from, _)| from <= moment_us);
        Some(self.offsets[after.checked_sub(1)?].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_says_which_offset_holds() {
        let zone = Zone { name: "x".into(), offsets: vec![(-10, 60), (100, 120)], until_us: 200 };
        let at = [-11, -10, 99, 100, 199, 200].map(|moment| zone.offset(moment));
        assert_eq!(at, [None, Some(60), Some(60), Some(120), Some(120), None]);
    }
}

//! The percentile table that HdrHistogram's plotter reads (`.hgrm`), in milliseconds.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// Steps in each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// The distribution of latencies that were recorded in nanoseconds.
pub fn hgrm(latency: &Histogram<u64>) -> String {
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut count = 0;
    for step in latency.iter_quantiles(TICKS_PER_HALF) {
        count += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{:12.6} {quantile:2.12} {count:10}", ms(step.value_iterated_to() as f64));
        // The last row stands for 100 %, which has no inverse distance.
        let _ =
            if quantile < 1.0 { writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let _ = writeln!(
        text,
        "#[Mean    = {:12.6}, StdDeviation   = {:12.6}]",
        ms(latency.mean()),
        ms(latency.stdev())
    );
    let _ = writeln!(
        text,
        "#[Max     = {:12.6}, Total count    = {:12}]",
        ms(latency.max() as f64),
        latency.len()
    );
    let sub_buckets = 2_u64 << (f64::from(latency.sigfig()) * std::f64::consts::LOG2_10).ceil() as u32;
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", latency.buckets());
    text
}

fn ms(ns: f64) -> f64 {
    ns / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::histogram;

    #[test]
    fn the_table_rises_to_the_maximum_and_the_full_count() {
        let mut latency = histogram();
        for us in 1..=1000 {
            latency.saturating_record(us * 1000);
        }
        let text = hgrm(&latency);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        assert!(rows.is_sorted_by_key(|row| (row[0], row[1], row[2])));
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((0.49..0.51).contains(&median[0]), "milliseconds: {median:?}");
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last.len()), (1.0, 1000.0, 3));
        assert!(text.contains("#[Max     =") && text.contains("Total count    =         1000]"));
        assert!(text.contains("SubBuckets     =         2048]"), "{text}");
    }

    #[test]
    fn an_empty_run_has_an_empty_table() {
        assert!(hgrm(&histogram()).contains("Total count    =            0]"));
    }
}

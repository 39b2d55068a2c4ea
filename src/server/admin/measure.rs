//! Metrics that are kept elsewhere and read off when somebody asks.

use metrics::Label;

use crate::state::Shared;

/// Brings gauges and foreign counters up to date.
pub fn read_off(shared: &Shared) {
    let metrics = &shared.metrics;
    let label = |key: &'static str, value: &str| vec![Label::new(key, value.to_owned())];

    let journal = shared.journal.snapshot();
    metrics.counter("riskd_journal_written_total", Vec::new(), journal.written);
    metrics.counter("riskd_journal_lost_total", label("cause", "ring"), journal.lost_ring);
    metrics.counter("riskd_journal_lost_total", label("cause", "disk"), journal.lost_disk);
    metrics.counter("riskd_journal_failures_total", Vec::new(), journal.failures);
    metrics.gauge("riskd_journal_lag_seconds", Vec::new(), journal.lag_ms as f64 / 1000.0);
    metrics.gauge("riskd_journal_bytes", Vec::new(), journal.kept_bytes as f64);

    metrics.gauge("riskd_lists_writable", Vec::new(), f64::from(u8::from(shared.lists.is_writable())));
    metrics.counter("riskd_list_change_failures_total", Vec::new(), shared.lists.failures());
    metrics.gauge("riskd_lists_damaged", Vec::new(), shared.lists.damaged() as f64);

    let now_ms = shared.clock.now_ms();
    metrics.gauge("riskd_clock_distance_seconds", Vec::new(), shared.clock.apart_ms() as f64 / 1000.0);
    for (direction, steps) in ["back", "ahead"].into_iter().zip(shared.clock.steps()) {
        metrics.counter("riskd_clock_steps_total", label("direction", direction), steps);
    }
    for table in shared.tables.fill(now_ms) {
        metrics.gauge("riskd_table_entries", label("table", table.name), table.entries as f64);
        metrics.gauge("riskd_table_capacity", label("table", table.name), table.capacity as f64);
        metrics.counter("riskd_table_evictions_total", label("table", table.name), table.evictions);
    }

    let active = shared.active.load();
    metrics.snapshot(active.snapshot.policy_version(), active.snapshot.model_version(), active.activated_ms);
    shared.drift.tell(&active, &shared.config.drift, now_ms, metrics);
}

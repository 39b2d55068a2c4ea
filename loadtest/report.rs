//! The report: what was asked, what came back, how long it took, and how far the figures can be trusted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use wire::Verdict;

use crate::machine::Machine;
use crate::plan::Plan;
use crate::probe::Stalls;
use crate::tally::{PhaseTally, Tally, histogram};
use crate::target::Target;

/// A sender later than this at any time has fallen behind: the tails are partly its own.
const LAG_TOLERATED: Duration = Duration::from_millis(100);
/// A server that holds the sender up for longer is named.
const HELD_UP_SHOWN: Duration = Duration::from_millis(1);
/// The quantiles of the table.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Latencies in nanoseconds; from the intended moment in open loop, from sending in closed loop.
    pub latency: Histogram<u64>,
    /// Checks sent.
    pub sent: u64,
    /// Checks answered, errors among them.
    pub answered: u64,
    /// Checks sent that no answer came to.
    pub unanswered: u64,
    /// Checks due that the sender never came to send.
    pub unsent: u64,
    /// Answers that were errors, by code.
    pub errors: BTreeMap<String, u64>,
    /// Answers by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Checks answered a second, from the start to the last answer.
    pub rate: f64,
    /// How late the sender was at worst by its own slowness.
    pub lag_max: Duration,
    /// How late it was at worst because the server held it up; latencies hold that wait.
    pub held_up_max: Duration,
    /// Why connections ended early.
    pub broken: Vec<String>,
    replayed: u64,
    degraded: u64,
    phases: Vec<(String, PhaseTally)>,
    stalls: Stalls,
    machine: Machine,
    setting: String,
    closed: bool,
    rate_asked: f64,
}

impl Report {
    pub(crate) fn new(plan: &Plan, target: &Target, tally: &Tally, start: Instant, stalls: Stalls) -> Report {
        let scenario = &plan.scenario;
        let mut latency = histogram();
        for phase in &tally.phases {
            // Both were made with the same bounds.
            let _ = latency.add(&phase.latency);
        }
        let answered = tally.phases.iter().map(|phase| phase.answered).sum();
        let took = tally.last_answer.map_or(Duration::ZERO, |last| last.saturating_duration_since(start));
        let plural = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
        Report {
            latency,
            sent: tally.phases.iter().map(|phase| phase.sent).sum(),
            answered,
            unanswered: tally.unanswered,
            unsent: tally.unsent,
            errors: tally.errors.clone(),
            verdicts: Verdict::ALL
                .iter()
                .map(|verdict| (verdict.name(), tally.verdicts[*verdict as usize]))
                .collect(),
            rate: if took.is_zero() { 0.0 } else { answered as f64 / took.as_secs_f64() },
            lag_max: tally.lag_max,
            held_up_max: tally.held_up_max,
            broken: tally.broken.clone(),
            replayed: tally.replayed,
            degraded: tally.degraded,
            phases: scenario
                .phase
                .iter()
                .map(|phase| phase.name.clone())
                .zip(tally.phases.iter().cloned())
                .collect(),
            stalls,
            machine: Machine::here(),
            setting: format!(
                "{target}, {}, batch {}, {}, {}, {:?}, {} accounts, zipf {}, hot packet {}",
                plan.window
                    .map_or("open loop".to_owned(), |window| format!("closed loop with window {window}")),
                plan.batch(),
                plural(scenario.connections, "connection"),
                plural(plan.threads, "thread"),
                scenario.duration,
                scenario.traffic.accounts,
                scenario.traffic.zipf,
                scenario.traffic.hot_packet_share,
            ),
            closed: plan.window.is_some(),
            rate_asked: plan.mean_rate(),
        }
    }

    /// Whether everything was sent when it was due and answered without error.
    pub fn clean(&self) -> bool {
        self.errors.is_empty() && self.broken.is_empty() && self.unanswered == 0 && !self.fell_behind()
    }

    /// Whether the sender could not keep the pace, so that the figures describe a lower one.
    pub fn fell_behind(&self) -> bool {
        !self.closed && (self.unsent > 0 || self.lag_max > LAG_TOLERATED)
    }

    /// The report for programs; times in milliseconds.
    pub fn to_json(&self) -> Value {
        let phases: Vec<Value> = self
            .phases
            .iter()
            .map(|(name, phase)| {
                json!({ "name": name, "sent": phase.sent, "answered": phase.answered, "latency_ms": latency_json(&phase.latency) })
            })
            .collect();
        json!({
            "setting": self.setting,
            "machine": self.machine,
            "rate_asked": if self.closed { Value::Null } else { json!(self.rate_asked) },
            "rate_reached": self.rate,
            "sent": self.sent,
            "answered": self.answered,
            "unanswered": self.unanswered,
            "unsent": self.unsent,
            "errors": self.errors,
            "verdicts": self.verdicts,
            "replayed": self.replayed,
            "degraded": self.degraded,
            "latency_ms": latency_json(&self.latency),
            "phases": phases,
            "stall_ms": {
                "before": ms(self.stalls.before),
                "during": self.stalls.during.map(ms),
                "after": ms(self.stalls.after),
            },
            "sender_lag_ms_max": ms(self.lag_max),
            "sender_held_up_ms_max": ms(self.held_up_max),
            "fell_behind": self.fell_behind(),
            "broken": self.broken,
        })
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn latency_json(latency: &Histogram<u64>) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, quantile) in QUANTILES {
        fields.insert(name.to_owned(), json!(latency.value_at_quantile(quantile) as f64 / 1e6));
    }
    fields.insert("max".to_owned(), json!(latency.max() as f64 / 1e6));
    fields.insert("mean".to_owned(), json!(latency.mean() / 1e6));
    Value::Object(fields)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "{}", self.setting)?;
        writeln!(
            f,
            "{}, {} cores, {} MiB, {}, generator on the same machine{}\n",
            machine.processor,
            machine.cores,
            machine.memory_mib,
            machine.system,
            if machine.release { "" } else { ", DEBUG BUILD: no figure to quote" }
        )?;
        writeln!(
            f,
            "sent      {}, answered {}, unanswered {}",
            grouped(self.sent),
            grouped(self.answered),
            grouped(self.unanswered)
        )?;
        write!(f, "rate      {} checks a second", grouped(self.rate as u64))?;
        let asked = if self.closed {
            String::new()
        } else {
            format!(" of {} asked", grouped(self.rate_asked as u64))
        };
        writeln!(f, "{asked}")?;
        let errors: Vec<String> =
            self.errors.iter().map(|(code, count)| format!("{code} {}", grouped(*count))).collect();
        writeln!(f, "errors    {}", if errors.is_empty() { "none".to_owned() } else { errors.join(", ") })?;
        let verdicts: Vec<String> =
            self.verdicts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
        writeln!(
            f,
            "verdicts  {}; replayed {}, degraded {}\n",
            verdicts.join(", "),
            grouped(self.replayed),
            grouped(self.degraded)
        )?;
        write!(f, "{:<14}", "latency, ms")?;
        for (name, _) in QUANTILES {
            write!(f, "{name:>10}")?;
        }
        writeln!(f, "{:>10}{:>14}", "max", "answered")?;
        if self.phases.len() > 1 {
            for (name, phase) in &self.phases {
                row(f, name, &phase.latency)?;
            }
        }
        row(f, "whole run", &self.latency)?;
        let during = self.stalls.during.map_or_else(
            || "not looked for during it (no core to spare)".to_owned(),
            |gap| format!("{:.3} ms during it", ms(gap)),
        );
        writeln!(
            f,
            "\nstalls    largest gap of a spinning thread {:.3} ms before the run, {during}, {:.3} ms after",
            ms(self.stalls.before),
            ms(self.stalls.after)
        )?;
        if self.closed {
            writeln!(
                f,
                "sender    closed loop: it waits for answers, so that latencies flatter a server that stalls"
            )?;
        } else if self.fell_behind() {
            writeln!(
                f,
                "sender    FELL BEHIND: {:.1} ms late at worst, {} checks due were never sent; figures are of a lower rate",
                ms(self.lag_max),
                grouped(self.unsent)
            )?;
        } else {
            writeln!(f, "sender    on time, {:.3} ms late at worst", ms(self.lag_max))?;
        }
        if !self.closed && self.held_up_max > HELD_UP_SHOWN {
            writeln!(
                f,
                "          held up by the server for up to {:.1} ms; the wait is part of the latencies",
                ms(self.held_up_max)
            )?;
        }
        for why in &self.broken {
            writeln!(f, "broken    {why}")?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, latency: &Histogram<u64>) -> fmt::Result {
    write!(f, "{name:<14}")?;
    for (_, quantile) in QUANTILES {
        write!(f, "{:>10.3}", latency.value_at_quantile(quantile) as f64 / 1e6)?;
    }
    writeln!(f, "{:>10.3}{:>14}", latency.max() as f64 / 1e6, grouped(latency.len()))
}

/// A number with a comma before every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}

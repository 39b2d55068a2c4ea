//! Progress on standard error: a bar on a terminal, a line at every tenth elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use super::table::thousands;
use super::tally::Tally;

/// How far the demo is.
pub struct Progress {
    events: u64,
    bar: Option<ProgressBar>,
    tenths_shown: Cell<u64>,
}

impl Progress {
    /// Of so many events. Says at once that something is going on.
    pub fn new(events: u64) -> Progress {
        eprintln!("riskd demo: {} simulated events of customers and attackers", thousands(events));
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("  {bar:30} {percent:>3} %  {per_sec}  {msg}");
            ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Progress { events, bar, tenths_shown: Cell::new(0) }
    }

    /// Says something once.
    pub fn say(&self, text: &str) {
        eprintln!("  {text}");
    }

    /// Shows what was answered so far.
    pub fn show(&self, tally: &Tally) {
        let done = tally.answered();
        let (caught, missed) = tally.attack_events();
        let text = format!("attack events caught {}, missed {}", thousands(caught), thousands(missed));
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.set_position(done);
            }
            None => {
                let tenths = done * 10 / self.events;
                if tenths > self.tenths_shown.replace(tenths) {
                    eprintln!("  {:>3} %  {text}", tenths * 10);
                }
            }
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

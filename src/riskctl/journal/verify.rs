//! `riskctl journal verify`: whether a journal is as it was written.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::outcome::{Ended, Failure, Outcome};
use crate::print::{self, thousands};

/// Shown after the help.
pub const EXAMPLES: &str = "Example:\n  riskctl journal verify data/journal";

/// What to verify.
#[derive(Args, Debug)]
pub struct Options {
    /// Folder of segments, or one segment
    journal: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what was found; exit code 1 when something is not as it was written.
pub fn run(options: &Options) -> Outcome {
    let report =
        journal::verify(&options.journal).map_err(|error| Failure::of(options.journal.display(), error))?;
    let head = report.head.map(hex::encode);
    if options.json {
        print::raw(&print::pretty(&json!({
            "sound": report.is_sound(),
            "segments": report.segments,
            "blocks": report.blocks,
            "records": report.records,
            "bytes": report.bytes,
            "first_number": report.first_number,
            "last_number": report.last_number,
            "missing": report.missing,
            "head": head,
            "faults": report.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "faults_total": report.faults_total,
        })));
    } else {
        let range = match (report.first_number, report.last_number) {
            (Some(first), Some(last)) => format!(", {first} to {last}"),
            _ => String::new(),
        };
        let mut text = format!(
            "{} segments, {} blocks, {} bytes\n{} records{range}, {} missing in between\n",
            report.segments,
            thousands(report.blocks),
            thousands(report.bytes),
            thousands(report.records),
            thousands(report.missing),
        );
        if let Some(head) = head {
            text += &format!("head {head}\n");
        }
        for fault in &report.faults {
            text += &format!("{fault}\n");
        }
        if report.faults_total > report.faults.len() as u64 {
            text += &format!("{} faults in all\n", thousands(report.faults_total));
        }
        text += if report.is_sound() { "sound\n" } else { "not sound\n" };
        print::out(&text);
    }
    Ok(if report.is_sound() { Ended::Clean } else { Ended::Found })
}

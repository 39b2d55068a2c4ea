//! Encoded checks, made before the start, so that the generator spends its time on sending. Ids alone are written anew on
//! each use: a repeated id would be answered from memory and measure nothing.

use wire::frame::{ChecksWriter, HEADER_BYTES};
use wire::{Check, Kind, Text};

use crate::limits::{STOCK_BYTES_MAX, STOCK_CHECKS};
use crate::plan::Plan;
use crate::scenario::{Source, Traffic};
use crate::target::Target;

/// Digits of a check's id after its letter: eight of the run, four of the connection, ten that count.
const ID_DIGITS: usize = 22;
const COUNTED_DIGITS: usize = 14;
/// Where a frame's header holds its tag.
const TAG_AT: std::ops::Range<usize> = 8..12;
/// Time covered by the stock of simulated people never matters: a daemon counts checks when they arrive.
const PEOPLE_EVENTS_PER_SECOND: f64 = 1000.0;

/// One encoded batch: its bytes, and where its ids stand.
struct Batch {
    from: usize,
    to: usize,
    ids: Vec<u32>,
}

/// All encoded batches of a run, shared by its connections.
pub(crate) struct Stock {
    bytes: Vec<u8>,
    batches: Vec<Batch>,
    framed: bool,
}

/// One connection's place in the stock.
pub(crate) struct Cursor {
    at: usize,
    connection: u64,
    made: u64,
}

impl Stock {
    pub fn new(plan: &Plan) -> Stock {
        let framed = !matches!(plan.target, Target::Http(_));
        let size = plan.batch();
        // One batch for each connection at the least, whole batches always.
        let count = (plan.checks().min(STOCK_CHECKS as u64) as usize / size).max(plan.scenario.connections);
        let mut stock = Stock { bytes: Vec::new(), batches: Vec::with_capacity(count), framed };
        let mut checks = source(&plan.scenario.traffic);
        let mut batch = Vec::with_capacity(size);
        while stock.batches.len() < count && stock.bytes.len() < STOCK_BYTES_MAX {
            batch.clear();
            for at in 0..size as u64 {
                let Some(mut check) = checks.next() else { break };
                check.id = Text::Owned(id(plan.run, at));
                check.time_ms = None;
                batch.push(check);
            }
            if batch.is_empty() {
                break;
            }
            stock.add(&batch);
        }
        stock
    }

    fn add(&mut self, checks: &[Check<'_>]) {
        let from = self.bytes.len();
        if self.framed {
            let mut writer = ChecksWriter::new(0, &mut self.bytes);
            for check in checks {
                // Simulated checks stand within every bound and a batch within a frame.
                let _ = writer.push(check);
            }
        } else {
            for check in checks {
                wire::json::write_check(check, &mut self.bytes);
                self.bytes.push(b'\n');
            }
        }
        let mut ids = Vec::with_capacity(checks.len());
        let mut searched = from + if self.framed { HEADER_BYTES } else { 0 };
        for check in checks {
            let id = check.id.as_bytes();
            let found = self.bytes[searched..].windows(id.len()).position(|window| window == id);
            if let Some(found) = found {
                ids.push((searched + found - from) as u32);
                searched += found + id.len();
            }
        }
        self.batches.push(Batch { from, to: self.bytes.len(), ids });
    }

    /// A place to start for that connection: they begin apart.
    pub fn cursor(&self, connection: usize, connections: usize) -> Cursor {
        Cursor {
            at: self.batches.len() * connection / connections.max(1),
            connection: connection as u64,
            made: 0,
        }
    }

    /// Appends the next batch with fresh ids and, in a frame, that tag; returns how many checks it holds.
    pub fn append(&self, cursor: &mut Cursor, tag: u32, out: &mut Vec<u8>) -> u32 {
        let batch = &self.batches[cursor.at];
        cursor.at = (cursor.at + 1) % self.batches.len();
        let start = out.len();
        out.extend_from_slice(&self.bytes[batch.from..batch.to]);
        let copy = &mut out[start..];
        if self.framed {
            copy[TAG_AT].copy_from_slice(&tag.to_le_bytes());
        }
        for &id in &batch.ids {
            let first = id as usize + 1 + ID_DIGITS - COUNTED_DIGITS;
            write_hex(cursor.connection << 40 | cursor.made, &mut copy[first..first + COUNTED_DIGITS]);
            cursor.made += 1;
        }
        batch.ids.len() as u32
    }
}

fn source(traffic: &Traffic) -> Box<dyn Iterator<Item = Check<'static>>> {
    match traffic.source {
        Source::Mix => {
            let kinds =
                traffic.kinds.iter().filter_map(|(kind, weight)| Some((Kind::from_name(kind)?, *weight)));
            Box::new(sim::Mix::new(sim::MixConfig {
                seed: traffic.seed,
                accounts: traffic.accounts,
                zipf: (traffic.zipf > 0.0).then_some(traffic.zipf),
                hot_packet_share: traffic.hot_packet_share,
                kinds: kinds.collect(),
                start_ms: None,
                ..sim::MixConfig::default()
            }))
        }
        Source::People => {
            let config = sim::Config {
                seed: traffic.seed,
                accounts: u32::try_from(traffic.accounts).unwrap_or(u32::MAX),
                events_per_second: PEOPLE_EVENTS_PER_SECOND,
                fraud_share: traffic.fraud_share,
                ..sim::Config::default()
            };
            Box::new(sim::Traffic::new(config).map(|event| event.check))
        }
    }
}

/// The id of a place in a batch, before it is written anew: unlike any other text of a check.
fn id(run: u32, at: u64) -> String {
    let mut bytes = [b'l'; 1 + ID_DIGITS];
    write_hex(u64::from(run), &mut bytes[1..9]);
    write_hex(at, &mut bytes[9..]);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn write_hex(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[number as usize & 15];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_use_of_a_batch_has_its_tag_and_ids_of_its_own() {
        let scenario = Scenario { batch: Some(16), ..Scenario::default() };
        let stock = Stock::new(&Plan::new(Target::Echo, scenario).unwrap());
        let (mut first, mut second) = (stock.cursor(0, 2), stock.cursor(1, 2));
        let mut ids = HashSet::new();
        for tag in 0..3 * stock.batches.len() as u32 / 2 {
            for cursor in [&mut first, &mut second] {
                let mut out = Vec::new();
                assert_eq!(stock.append(cursor, tag, &mut out), 16);
                let frame = wire::frame::split(&out).unwrap().unwrap();
                assert_eq!(frame.header.tag, tag);
                for check in wire::frame::decode_checks(&frame.header, frame.body).unwrap() {
                    assert!(ids.insert(check.unwrap().id.into_owned()), "an id came twice");
                }
            }
        }
    }

    #[test]
    fn people_and_json_are_encoded_too() {
        let mut scenario = Scenario { batch: Some(3), ..Scenario::default() };
        scenario.traffic.source = Source::People;
        scenario.traffic.accounts = 500;
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        let stock = Stock::new(&Plan::new(target, scenario).unwrap());
        let mut out = Vec::new();
        assert_eq!(stock.append(&mut stock.cursor(0, 1), 0, &mut out), 3);
        let batch = wire::json::decode_checks(&out).unwrap();
        assert!(batch.checks.iter().all(|check| check.as_ref().is_ok_and(|check| check.time_ms.is_none())));
    }
}

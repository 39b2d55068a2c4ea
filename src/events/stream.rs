//! The stream itself: rows become events in time order, and known frauds come back among them.

use std::collections::{BTreeMap, VecDeque};

use crate::cell::Cell;
use crate::error::{Place, ReadError};
use crate::feedback::Labelled;
use crate::maker::{Made, Maker, Truth};
use crate::mapping::{JsonType, Mapping};
use crate::table::{Rows, Table};

/// One event: a check as the daemon would be sent it, and what is known beside it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The row that it comes from.
    pub place: Place,
    /// Event time, Unix milliseconds.
    pub time_ms: i64,
    /// The check as JSON, its time within.
    pub body: Vec<u8>,
    /// The truth; `None` for an event that only brings a label back.
    pub truth: Option<Truth>,
    /// Whether an earlier row has a later time.
    pub late: bool,
}

/// Most values of the label that are named.
const OTHERS_MAX: usize = 8;

/// What was found where the label should stand.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// The words that mean fraud, and in how many rows each was found.
    pub fraud: Vec<(String, u64)>,
    /// What else was found, and how often: the first few values.
    pub others: Vec<(String, u64)>,
    /// Rows without a label.
    pub missing: u64,
}

/// Events in time order, as far as the rows are.
pub struct Stream {
    rows: Source,
    labels: Labels,
    waiting: Option<Event>,
    labelled: Option<Labelled>,
    latest_ms: i64,
}

enum Source {
    /// As they are read.
    File(Box<(Maker, Rows)>),
    /// Put in order.
    Sorted(VecDeque<Result<(Place, Made), ReadError>>),
}

impl Stream {
    /// The events of a table's rows. `ext` says of what type the policy declares its own fields.
    ///
    /// # Errors
    /// If the table has not the columns that the mapping names or the policy not a field; and, where the rows are to be sorted,
    /// if they cannot be read.
    pub fn new(
        mapping: &Mapping,
        table: Table,
        ext: &BTreeMap<String, JsonType>,
    ) -> Result<Stream, ReadError> {
        let maker = Maker::new(mapping, &table, ext)?;
        let rows = table.rows(maker.columns(), &mapping.na)?;
        let words = mapping.label.as_ref().map_or(&[][..], |label| &label.fraud);
        Ok(Stream {
            rows: if mapping.sort { sorted(&maker, rows)? } else { Source::File(Box::new((maker, rows))) },
            labels: Labels {
                fraud: words.iter().map(|word| (word.clone(), 0)).collect(),
                ..Labels::default()
            },
            waiting: None,
            labelled: mapping.feedback.as_ref().map(Labelled::new),
            latest_ms: i64::MIN,
        })
    }

    /// What was found so far where the label should stand.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The next event that is admitted; what is refused has no feedback and sets no clock.
    ///
    /// # Errors
    /// The row at fault, after which the next one can be asked for; or the file, after which nothing can.
    pub fn next_event(
        &mut self,
        admit: &impl Fn(&[u8]) -> Result<(), String>,
    ) -> Option<Result<Event, ReadError>> {
        if self.waiting.is_none() {
            match self.next_row(admit)? {
                Ok(event) => self.waiting = Some(event),
                Err(error) => return Some(Err(error)),
            }
        }
        // A label comes before an event of its time.
        let row_ms = self.waiting.as_ref().map(|event| event.time_ms)?;
        let Some(back) = self.labelled.as_mut().and_then(|labelled| labelled.due(row_ms)) else {
            return self.waiting.take().map(Ok);
        };
        let refused = |why| ReadError::Row(back.place, format!("its feedback: {why}"));
        Some(admit(&back.body).map_err(refused).map(|()| back.clone()))
    }

    fn next_row(&mut self, admit: &impl Fn(&[u8]) -> Result<(), String>) -> Option<Result<Event, ReadError>> {
        let made = match &mut self.rows {
            Source::File(file) => file.1.next().map(|row| {
                let row = row?;
                let made = file.0.make(&row.cells).map_err(|why| ReadError::Row(row.place, why))?;
                Ok((row.place, made))
            }),
            Source::Sorted(rows) => rows.pop_front(),
        };
        Some(made?.and_then(|(place, made)| {
            admit(&made.body).map_err(|why| ReadError::Row(place, why))?;
            self.event(place, made)
        }))
    }

    fn event(&mut self, place: Place, made: Made) -> Result<Event, ReadError> {
        self.labels.count(made.label.as_ref(), made.fraud_word);
        let late = made.time_ms < self.latest_ms;
        self.latest_ms = self.latest_ms.max(made.time_ms);
        let event = Event { place, time_ms: made.time_ms, body: made.body, truth: Some(made.truth), late };
        if let Some(labelled) = &mut self.labelled
            && event.truth.as_ref().is_some_and(|truth| truth.fraud)
        {
            labelled.add(&event).map_err(|why| ReadError::Row(place, why))?;
        }
        Ok(event)
    }
}

/// Every row, in the order of time; rows at fault first.
fn sorted(maker: &Maker, rows: Rows) -> Result<Source, ReadError> {
    let (mut faults, mut made) = (Vec::new(), Vec::new());
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(ReadError::Row(place, why)) => {
                faults.push(Err(ReadError::Row(place, why)));
                continue;
            }
            Err(error) => return Err(error),
        };
        match maker.make(&row.cells) {
            Ok(check) => made.push((row.place, check)),
            Err(why) => faults.push(Err(ReadError::Row(row.place, why))),
        }
    }
    made.sort_by_key(|(_, check)| check.time_ms);
    Ok(Source::Sorted(faults.into_iter().chain(made.into_iter().map(Ok)).collect()))
}

impl Labels {
    fn count(&mut self, cell: Option<&Cell>, fraud_word: Option<usize>) {
        match (cell, fraud_word) {
            (None, _) => {}
            (_, Some(word)) => self.fraud[word].1 += 1,
            (Some(cell), None) => match cell.to_text() {
                None => self.missing += 1,
                Some(text) => match self.others.iter().position(|(other, _)| *other == text) {
                    Some(at) => self.others[at].1 += 1,
                    None if self.others.len() < OTHERS_MAX => self.others.push((text, 1)),
                    None => {}
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Format;

    const MAP: &str = r#"
        [time]
        column = "t"
        unit = "s"
        [label]
        column = "bad"
        fraud = ["1"]
        [scenario]
        column = "how"
        names = { "x" = "by x" }
        [fields]
        id = { column = "n", prefix = "e" }
        kind = { value = "pay" }
        account = { column = "who" }
        amount = { column = "cents", minor = true }
        "device.id" = { column = "who", take = 2, prefix = "d" }
        kyc = { value = 2 }
    "#;

    fn admit(body: &[u8]) -> Result<(), String> {
        wire::json::decode_check(body).map(drop).map_err(|error| error.to_string())
    }

    fn events(map: &str, csv: &str) -> Result<Vec<Event>, ReadError> {
        let table = Table::of_bytes(Format::Csv, csv.as_bytes().to_vec())?;
        let mut stream = Stream::new(&Mapping::parse(map).unwrap(), table, &BTreeMap::new())?;
        std::iter::from_fn(|| stream.next_event(&admit)).collect()
    }

    #[test]
    fn a_row_becomes_a_check_the_daemon_can_read() {
        let events = events(MAP, "n,t,who,cents,bad,how\n7,12,alice,888,1,x\n").unwrap();
        let check = wire::json::decode_check(&events[0].body).unwrap();
        assert_eq!(
            (check.id.as_ref(), check.account.as_ref(), check.device.id.as_ref()),
            ("e7", "alice", "dal")
        );
        assert_eq!((check.time_ms, check.amount_minor, check.kyc), (Some(12_000), Some(888), Some(2)));
        assert_eq!(events[0].truth, Some(Truth { fraud: true, scenario: "by x".to_owned() }));
    }

    #[test]
    fn a_fault_names_its_row() {
        let error = events(MAP, "n,t,who,cents,bad,how\n\n7,12,a,1,0,\"x\ny\"\n8,13,a,x,0,\n").unwrap_err();
        assert_eq!(error.to_string(), "line 5: amount: \"x\" is not money in minor units");
        let message = events(MAP, "n,t,who,cents\n").unwrap_err().to_string();
        assert!(message.contains("no column `bad`; there are n, t, who, cents"), "{message}");
    }

    #[test]
    fn rows_out_of_order_are_late_unless_the_mapping_sorts() {
        let csv = "n,t,who,cents,bad,how\n1,50,a,1,0,\n2,10,a,1,0,\n";
        let times =
            |events: Vec<Event>| events.iter().map(|event| (event.time_ms, event.late)).collect::<Vec<_>>();
        assert_eq!(times(events(MAP, csv).unwrap()), [(50_000, false), (10_000, true)]);
        let sorted = events(&format!("sort = true\n{MAP}"), csv).unwrap();
        assert_eq!(times(sorted), [(10_000, false), (50_000, false)]);
    }

    #[test]
    fn minor_units_are_those_of_the_rows_currency() {
        let map = format!("{MAP}currency = {{ column = \"how\" }}\n");
        let csv = "n,t,who,cents,bad,how\n1,1,a,888,0,CNY\n2,2,a,888,0,JPY\n3,3,a,8880,0,KWD\n4,4,a,888,0,\n";
        let amounts: Vec<String> = events(&map, csv)
            .unwrap()
            .iter()
            .map(|event| {
                serde_json::from_slice::<serde_json::Value>(&event.body).unwrap()["amount"].to_string()
            })
            .collect();
        assert_eq!(amounts, ["\"8.88\"", "\"888\"", "\"8.880\"", "\"8.88\""]);
    }

    #[test]
    fn what_stands_where_the_label_should_is_counted() {
        let csv = "n,t,who,cents,bad,how\n1,1,a,1,0,\n2,2,a,1,1.0,\n3,3,a,1,NA,\n4,4,a,1,,\n5,5,a,1,no,\n";
        let table = Table::of_bytes(Format::Csv, csv.as_bytes().to_vec()).unwrap();
        let mapping = Mapping::parse(&format!("na = [\"NA\"]\n{MAP}")).unwrap();
        let mut stream = Stream::new(&mapping, table, &BTreeMap::new()).unwrap();
        assert_eq!(std::iter::from_fn(|| stream.next_event(&admit)).filter(Result::is_ok).count(), 5);
        let Labels { fraud, others, missing } = stream.labels();
        assert_eq!((&fraud[..], *missing), (&[("1".to_owned(), 1)][..], 2));
        assert_eq!(others[..], [("0".to_owned(), 1), ("no".to_owned(), 1)]);
    }

    #[test]
    fn a_fraud_comes_back_when_its_label_is_known_and_not_before() {
        let map = format!(
            "{MAP}\n[feedback]\ndelay_days = 1\nkind = \"bind\"\nfields = [\"account\", \"device.id\"]\n"
        );
        let csv = "n,t,who,cents,bad,how\n1,0,al,1,1,x\n2,86399,b,1,0,\n3,86400,c,1,0,\n";
        let ids: Vec<String> = events(&map, csv)
            .unwrap()
            .iter()
            .map(|event| wire::json::decode_check(&event.body).unwrap().id.into_owned())
            .collect();
        assert_eq!(ids, ["e1", "e2", "e1~", "e3"]);
    }
}

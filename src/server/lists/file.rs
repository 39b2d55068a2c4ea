//! Entries in bulk: CSV with a header (`key,reason,source,expires`, in any order, only `key` required), NDJSON with an
//! object a line, or one JSON object. Every faulty line is named, up to a bound.

use serde::Deserialize;

use super::entry::{Entry, Given};

/// Most entries of one request.
pub const ENTRIES_MAX: usize = 10_000_000;
/// Most faults that are named.
const FAULTS_MAX: usize = 100;

/// How entries are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

impl Format {
    /// The format of a body: what its content type says, else JSON where it begins with a brace, else CSV.
    pub fn of(content_type: &str, body: &[u8]) -> Format {
        if content_type.contains("csv") {
            Format::Csv
        } else if content_type.contains("json") || body.trim_ascii_start().starts_with(b"{") {
            Format::Ndjson
        } else {
            Format::Csv
        }
    }
}

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

/// Reads the entries of a body, each with its line.
///
/// # Errors
/// Every line that is no entry.
pub fn read(body: &[u8], format: Format, now_ms: i64) -> Result<Vec<(u64, Entry)>, Vec<FileFault>> {
    let mut found = Found::default();
    match format {
        Format::Csv => read_csv(body, now_ms, &mut found),
        Format::Ndjson => read_ndjson(body, now_ms, &mut found),
    }
    if found.faults.is_empty() { Ok(found.entries) } else { Err(found.faults) }
}

/// Reads the body of a single entry whose key stands in the path. Nothing at all is an entry without words.
pub fn read_one(key: &str, body: &[u8], now_ms: i64) -> Result<Entry, String> {
    let given: Given = if body.trim_ascii().is_empty() {
        Given::default()
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())?
    };
    if !given.key.is_empty() && given.key != key {
        return Err("key: differs from the one in the path".to_owned());
    }
    Given { key: key.to_owned(), ..given }.into_entry(now_ms)
}

#[derive(Default)]
struct Found {
    entries: Vec<(u64, Entry)>,
    faults: Vec<FileFault>,
}

impl Found {
    /// Takes a line; false once it is no use to go on.
    fn take(&mut self, line: u64, result: Result<Entry, String>) -> bool {
        match result {
            Ok(_) if self.entries.len() == ENTRIES_MAX => {
                let message = format!("over {ENTRIES_MAX} entries: send them in parts");
                self.faults.push(FileFault { line, message });
                return false;
            }
            Ok(entry) => self.entries.push((line, entry)),
            Err(message) => self.faults.push(FileFault { line, message }),
        }
        self.faults.len() < FAULTS_MAX
    }
}

fn read_csv(body: &[u8], now_ms: i64, found: &mut Found) {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            found.take(1, Err(error.to_string()));
            return;
        }
    };
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        let entry = match reader.read_record(&mut record) {
            Ok(false) => return,
            Ok(true) => record
                .deserialize::<Given>(Some(&headers))
                .map_err(|error| error.to_string())
                .and_then(|given| given.into_entry(now_ms)),
            Err(error) => Err(error.to_string()),
        };
        if !found.take(line, entry) {
            return;
        }
    }
}

fn read_ndjson(body: &[u8], now_ms: i64, found: &mut Found) {
    for (at, line) in body.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        let entry = Given::deserialize(&mut json)
            .and_then(|given| json.end().map(|()| given))
            .map_err(|error| error.to_string())
            .and_then(|given| given.into_entry(now_ms));
        if !found.take(at as u64 + 1, entry) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = (u64, String, Option<i64>);

    fn keys(text: &str) -> Result<Vec<Line>, Vec<FileFault>> {
        let entries = read(text.as_bytes(), Format::of("", text.as_bytes()), 7)?;
        Ok(entries.into_iter().map(|(line, entry)| (line, entry.key, entry.fields.expires_ms)).collect())
    }

    #[test]
    fn csv_and_ndjson_say_the_same() {
        let csv =
            "key,reason,source,expires\na, why ,ops,1970-01-01T00:00:01Z\n\"b,c\",,,\nd,x,y,1970-01-02\n";
        let json = "{\"key\":\"a\",\"reason\":\"why\",\"expires\":1000}\n{\"key\":\"b,c\",\"expires\":\"\"}\n{\"key\":\"d\",\"expires\":86400000}\n";
        let expected = [("a", Some(1000)), ("b,c", None), ("d", Some(86_400_000))];
        for text in [csv, json] {
            let found: Vec<_> = keys(text).unwrap().into_iter().map(|(_, key, ms)| (key, ms)).collect();
            assert_eq!(found, expected.map(|(key, ms)| (key.to_owned(), ms)));
        }
    }

    #[test]
    fn the_header_may_be_in_any_order_and_leave_columns_out() {
        assert_eq!(keys("source,key\nops,a\n").unwrap(), [(2, "a".to_owned(), None)]);
    }

    #[test]
    fn every_faulty_line_is_named() {
        let faults = keys("key,expires\n,\nok,\nx,tomorrow\ny,1,2\n").unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 4, 5]);
        let faults =
            keys("{\"key\":\"a\"}\n{\"kye\":\"b\"}\n[]\n{\"key\":3}\n{\"key\":\"a\"} x").unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[test]
    fn a_flood_of_faults_is_cut() {
        assert_eq!(keys(&"{\n".repeat(10_000)).unwrap_err().len(), FAULTS_MAX);
    }

    #[test]
    fn hostile_bytes_are_refused_without_harm() {
        for body in [&b"\xff\xfe"[..], b"key\n\xff\n", b"{\"key\":\"\\ud800\"}", b"key\n\"a", b""] {
            let _ = read(body, Format::of("", body), 0);
        }
        let long = format!("key\n{}\n", "k".repeat(600));
        assert!(keys(&long).unwrap_err()[0].message.contains("512"));
    }
}

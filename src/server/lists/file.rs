//! Entries in bulk: CSV with a header (`key,reason,source,expires`, in any order, only `key` required), NDJSON with an
//! object a line, or one JSON object. Every faulty line is named, up to a bound.

use serde::Deserialize;

use super::entry::{Adding, Entry, Given};

/// Most faults that are named.
const FAULTS_MAX: usize = 100;
/// The columns there are.
const COLUMNS: [&str; 4] = ["key", "reason", "source", "expires"];

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

/// A body of entries.
#[derive(Clone, Debug)]
pub struct Bulk<'a> {
    /// As it came.
    pub body: &'a [u8],
    /// How it is laid out.
    pub format: Format,
    /// Who sent it when.
    pub adding: Adding,
    /// Most entries that are taken.
    pub entries_max: u64,
}

impl Bulk<'_> {
    /// Gives every entry to a visitor that may find fault with it; how many there were.
    ///
    /// # Errors
    /// Every line that is no entry, or that the visitor refused, up to a bound.
    pub fn each(&self, visit: impl FnMut(Entry) -> Result<(), String>) -> Result<u64, Vec<FileFault>> {
        let mut seen = Seen { bulk: self, visit, entries: 0, faults: Vec::new() };
        match self.format {
            Format::Csv => seen.csv(self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.body)),
            Format::Ndjson => seen.ndjson(self.body),
        }
        if seen.faults.is_empty() { Ok(seen.entries) } else { Err(seen.faults) }
    }

    /// No fewer lines than there are entries.
    pub fn lines(&self) -> usize {
        1 + self.body.iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// Reads the body of a single entry whose key stands in the path. Nothing at all is an entry without words.
pub fn read_one(key: &str, body: &[u8], adding: &Adding) -> Result<Entry, String> {
    let given: Given = if body.trim_ascii().is_empty() {
        Given::default()
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())?
    };
    if !given.key.is_empty() && given.key != key {
        return Err("key: differs from the one in the path".to_owned());
    }
    Given { key: key.to_owned(), ..given }.into_entry(adding)
}

struct Seen<'a, V> {
    bulk: &'a Bulk<'a>,
    visit: V,
    entries: u64,
    faults: Vec<FileFault>,
}

impl<V: FnMut(Entry) -> Result<(), String>> Seen<'_, V> {
    /// Takes a line; false once it is no use to go on.
    fn take(&mut self, line: u64, given: Result<Given, String>) -> bool {
        let Bulk { adding, entries_max, .. } = self.bulk;
        if self.entries == *entries_max {
            let message = format!("over {entries_max} entries, which are more than there is room for");
            self.fault(line, message);
            return false;
        }
        match given.and_then(|given| given.into_entry(adding)).and_then(&mut self.visit) {
            Ok(()) => self.entries += 1,
            Err(message) => return self.fault(line, message),
        }
        true
    }

    fn fault(&mut self, line: u64, message: String) -> bool {
        self.faults.push(FileFault { line, message });
        self.faults.len() < FAULTS_MAX
    }

    fn csv(&mut self, body: &[u8]) {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(body);
        let headers = match reader.headers() {
            Ok(headers) => headers.clone(),
            Err(error) => {
                self.fault(1, error.to_string());
                return;
            }
        };
        if let Err(message) = check_header(&headers) {
            self.fault(1, message);
            return;
        }
        let mut record = csv::StringRecord::new();
        loop {
            let (line, byte) = (reader.position().line(), reader.position().byte() as usize);
            // Empty lines before a record are passed over with it.
            let rest = body.get(byte..).unwrap_or_default();
            let empty = rest.iter().take_while(|byte| b"\r\n".contains(byte)).filter(|&&byte| byte == b'\n');
            let line = line + empty.count() as u64;
            let given = match reader.read_record(&mut record) {
                Ok(false) => return,
                Ok(true) => record.deserialize::<Given>(Some(&headers)).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if !self.take(line, given) {
                return;
            }
        }
    }

    fn ndjson(&mut self, body: &[u8]) {
        for (at, line) in body.split(|&byte| byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let mut json = serde_json::Deserializer::from_slice(line);
            let given = Given::deserialize(&mut json)
                .and_then(|given| json.end().map(|()| given))
                .map_err(|error| error.to_string());
            if !self.take(at as u64 + 1, given) {
                return;
            }
        }
    }
}

fn check_header(headers: &csv::StringRecord) -> Result<(), String> {
    let expected = format!("expected a header of {}", COLUMNS.join(","));
    if let Some(other) = headers.iter().find(|name| !COLUMNS.contains(name)) {
        let shown: String = other.chars().take(64).collect();
        return Err(format!("{expected}; {shown:?} is none of them"));
    }
    if COLUMNS.iter().any(|column| headers.iter().filter(|name| name == column).count() > 1) {
        return Err(format!("{expected}, each at most once"));
    }
    if !headers.iter().any(|name| name == COLUMNS[0]) {
        return Err(format!("{expected}, of which key must be there"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Line = (String, Option<i64>);

    fn keys(text: impl AsRef<[u8]>) -> Result<Vec<Line>, Vec<FileFault>> {
        let body = text.as_ref();
        let adding = Adding { by: "ann".to_owned(), at_ms: 7 };
        let (format, mut found) = (Format::of("", body), Vec::new());
        let bulk = Bulk { body, format, adding, entries_max: 100 };
        let count = bulk.each(|entry| {
            assert_eq!((entry.fields.by.as_str(), entry.fields.added_ms), ("ann", 7));
            found.push((entry.key, entry.fields.expires_ms));
            Ok(())
        })?;
        assert!(count == found.len() as u64 && found.len() <= bulk.lines());
        Ok(found)
    }

    fn faulty_lines(text: impl AsRef<[u8]>) -> Vec<u64> {
        keys(text).unwrap_err().iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn csv_and_ndjson_say_the_same() {
        let csv = "\u{feff}key,reason,source,expires\na, why ,ops,1970-01-01T00:00:01Z\n\"b,c\",,,\nd,x,y,1970-01-02\n";
        let json = "{\"key\":\"a\",\"reason\":\"why\",\"expires\":1000}\n{\"key\":\"b,c\",\"expires\":\"\"}\n{\"key\":\"d\",\"expires\":86400000}\n";
        let expected = [("a", Some(1000)), ("b,c", None), ("d", Some(86_400_000))];
        for text in [csv, json] {
            assert_eq!(keys(text).unwrap(), expected.map(|(key, ms)| (key.to_owned(), ms)));
        }
    }

    #[test]
    fn the_header_may_be_in_any_order_and_leave_columns_out() {
        assert_eq!(keys("source,key\nops,a\n").unwrap(), [("a".to_owned(), None)]);
    }

    #[test]
    fn a_header_that_is_missing_or_wrong_is_one_fault_of_line_one() {
        for (text, says) in [
            ("10.0.0.0/8\n192.0.2.1\n", "10.0.0.0/8"),
            ("reason,source\nx,y\n", "key must be there"),
            ("key,reason,key\na,b,c\n", "at most once"),
            ("key,by\na,eve\n", "\"by\" is none of them"),
            ("", "key must be there"),
        ] {
            let faults = keys(text).unwrap_err();
            assert!(faults.len() == 1 && faults[0].line == 1, "{text:?}: {faults:?}");
            assert!(faults[0].message.contains(says), "{}", faults[0].message);
        }
    }

    #[test]
    fn every_faulty_line_is_named() {
        assert_eq!(faulty_lines("key,expires\n,\nok,\nx,tomorrow\n\ny,1,2\n"), [2, 4, 6]);
        let json = "{\"key\":\"a\"}\n{\"kye\":\"b\"}\n[]\n{\"key\":3}\n{\"key\":\"a\"} x\n{\"key\":\"a\",\"key\":\"b\"}";
        assert_eq!(faulty_lines(json), [2, 3, 4, 5, 6]);
        assert_eq!(faulty_lines(b"key\na\n\xff\xfe\nb\n\"\xc3\x28\"\n"), [3, 5]);
        assert_eq!(faulty_lines(b"{\"key\":\"a\"}\n{\"key\":\"\xff\"}\n{\"key\":\"\\ud800\"}"), [2, 3]);
    }

    #[test]
    fn a_flood_of_faults_is_cut() {
        assert_eq!(keys("{\n".repeat(10_000)).unwrap_err().len(), FAULTS_MAX);
        let faults = keys(format!("key\n{}", "a\n".repeat(10_000))).unwrap_err();
        assert!(faults.len() == 1 && faults[0].line == 102, "{faults:?}");
    }

    #[test]
    fn hostile_bytes_are_refused_without_harm() {
        for body in [&b"\xff\xfe"[..], b"key\n\"a", b"key\n\"a\nb\nc", b"\x00\x00\x00", b"key\r\r\r\n,,,,"] {
            let _ = keys(body);
        }
        let long = format!("key\n{}\nb\n", "k".repeat(64 << 10));
        let faults = keys(long).unwrap_err();
        assert!(faults.len() == 1 && faults[0].message.contains("512") && faults[0].message.len() < 200);
        let deep = format!("{{\"key\":{}", "[".repeat(1 << 20));
        assert_eq!(keys(deep).unwrap_err().len(), 1);
    }
}

//! Entries in bulk: CSV with a header (`key,reason,source,expires`, in any order, only `key` required), a key a line without
//! one, NDJSON with an object a line, or JSON: an array of entries, or a listing as the daemon gives it. Every faulty line is
//! named, up to a bound.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::csv;
use super::entry::{Adding, Entry, EntryFault, Expires, Given};
use super::format::{Format, MARK};

/// Most faults that are named.
const FAULTS_MAX: usize = 100;
/// The columns there are.
pub(super) const COLUMNS: [&str; 4] = ["key", "reason", "source", "expires"];
/// Columns and fields that the daemon adds to what it lists; they are passed over where a listing is read back.
const ADDED: [&str; 2] = ["by", "added"];

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
    /// Whether what is doubtful is meant: see [`super::Doubt`].
    pub force: bool,
}

impl Bulk<'_> {
    /// Gives every entry to a visitor that may find fault with it; how many there were.
    ///
    /// # Errors
    /// Every line that is no entry, or that the visitor refused, up to a bound.
    pub fn each(&self, visit: impl FnMut(Entry) -> Result<(), String>) -> Result<u64, Vec<FileFault>> {
        let mut seen = Seen { bulk: self, visit, entries: 0, faults: Vec::new() };
        let body = self.body.strip_prefix(MARK).unwrap_or(self.body);
        match self.format {
            Format::Csv => seen.csv(body),
            Format::Plain => seen.plain(body),
            Format::Ndjson => seen.ndjson(body),
            Format::Json => seen.json(body),
        }
        if seen.faults.is_empty() { Ok(seen.entries) } else { Err(seen.faults) }
    }

    /// No fewer than there are entries.
    pub fn entries_most(&self) -> usize {
        let begins = match self.format {
            Format::Json => b'{',
            Format::Csv | Format::Plain | Format::Ndjson => b'\n',
        };
        1 + self.body.iter().filter(|&&byte| byte == begins).count()
    }
}

/// Reads the body of a single entry whose key stands in the path. Nothing at all is an entry without words.
pub fn read_one(key: &str, body: &[u8], adding: &Adding) -> Result<Entry, EntryFault> {
    let given: Given<'_> = if body.trim_ascii().is_empty() {
        Given::default()
    } else {
        serde_json::from_slice(body).map_err(|error| EntryFault::new("", error.to_string()))?
    };
    if !given.key.is_empty() && given.key != key {
        return Err(EntryFault::new("key", "differs from the one in the path"));
    }
    Given { key: key.into(), ..given }.into_entry(adding)
}

/// What the daemon answers when it is asked for a list.
#[derive(Deserialize)]
pub(super) struct Listing<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
    /// Where the next page begins: this one is not all of the list.
    #[serde(default)]
    next: Option<String>,
}

/// An entry as the daemon lists it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedEntry<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(default, borrow)]
    reason: Cow<'a, str>,
    #[serde(default, borrow)]
    source: Cow<'a, str>,
    #[serde(default, borrow)]
    expires: Expires<'a>,
    #[serde(default, rename = "by")]
    _by: serde::de::IgnoredAny,
    #[serde(default, rename = "added")]
    _added: serde::de::IgnoredAny,
}

struct Seen<'a, V> {
    bulk: &'a Bulk<'a>,
    visit: V,
    entries: u64,
    faults: Vec<FileFault>,
}

impl<V: FnMut(Entry) -> Result<(), String>> Seen<'_, V> {
    /// Takes a line; false once it is no use to go on.
    fn take(&mut self, line: u64, given: Result<Given<'_>, String>) -> bool {
        let Bulk { adding, entries_max, .. } = self.bulk;
        if self.entries == *entries_max {
            let message = format!("over {entries_max} entries, which are more than there is room for");
            self.fault(line, message);
            return false;
        }
        let entry = given.and_then(|given| given.into_entry(adding).map_err(|fault| fault.to_string()));
        match entry.and_then(&mut self.visit) {
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
        let mut lines = lines(body);
        let header = match lines.next() {
            Some((line, text)) => text.and_then(Header::read).map_err(|message| FileFault { line, message }),
            None => Err(FileFault { line: 1, message: format!("it is empty; {}", expected_header()) }),
        };
        let header = match header {
            Ok(header) => header,
            Err(fault) => return self.faults.push(fault),
        };
        for (line, text) in lines {
            if !self.take(line, text.and_then(|text| header.entry(text))) {
                return;
            }
        }
    }

    fn plain(&mut self, body: &[u8]) {
        let mut empty = true;
        for (line, text) in lines(body) {
            empty = false;
            let text = text.map(|text| {
                let comment = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| text.find(mark)).min();
                text[..comment.unwrap_or(text.len())].trim()
            });
            if text.as_ref().is_ok_and(|text| text.is_empty() || text.starts_with('#')) {
                continue;
            }
            if let Some(fault) = text.as_ref().ok().and_then(|text| no_plain_key(text)) {
                self.fault(line, fault);
                return;
            }
            let given = text.map(|text| Given { key: text.into(), ..Given::default() });
            if !self.take(line, given) {
                return;
            }
        }
        if empty {
            self.fault(1, "it is empty: expected entries".to_owned());
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

    fn json(&mut self, body: &[u8]) {
        let read = if body.trim_ascii_start().starts_with(b"[") {
            serde_json::from_slice::<Vec<&RawValue>>(body).map(|entries| Listing { entries, next: None })
        } else {
            serde_json::from_slice(body)
        };
        let listing = match read {
            Ok(listing) => listing,
            Err(error) => {
                self.fault(error.line() as u64, error.to_string());
                return;
            }
        };
        if let Some(next) = listing.next {
            let message =
                format!("it is one page of a listing, which goes on after {next:?}: use riskctl list export");
            self.fault(1, message);
            return;
        }
        let mut line = Lines { body, at: 0, line: 1 };
        for raw in listing.entries {
            let read = serde_json::from_str::<ListedEntry<'_>>(raw.get());
            let given = read.map_err(|error| error.to_string()).map(|listed| {
                let ListedEntry { key, reason, source, expires, .. } = listed;
                Given { key, reason, source, expires }
            });
            if !self.take(line.of(raw.get()), given) {
                return;
            }
        }
    }
}

/// Counts lines up to pieces of a body that come in order.
struct Lines<'a> {
    body: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which a piece of the body begins.
    fn of(&mut self, piece: &str) -> u64 {
        let at = (piece.as_ptr() as usize).wrapping_sub(self.body.as_ptr() as usize);
        let between = self.body.get(self.at..at).unwrap_or_default();
        self.line += between.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = self.at.max(at.min(self.body.len()));
        self.line
    }
}

/// What people write above a column of keys.
const HEADERS: [&str; 4] = ["key", "keys", "reason", "expires"];

/// Why a line is no key: it belongs to another file format.
fn no_plain_key(text: &str) -> Option<String> {
    let first = text.split([';', '\t', '|']).next().unwrap_or_default().trim();
    if HEADERS.iter().any(|name| first.eq_ignore_ascii_case(name)) {
        return Some(format!("it looks like a header, {}", expected_header()));
    }
    match text.as_bytes().first()? {
        b'"' => Some("a key a line stands without quotes; CSV is sent as text/csv, JSON as an array or an object a line".to_owned()),
        b'<' => Some("it looks like a page or a conflict, and not like a key".to_owned()),
        _ => None,
    }
}

/// The lines that are not empty, with their numbers from 1, without their ends.
fn lines(body: &[u8]) -> impl Iterator<Item = (u64, Result<&str, String>)> {
    body.split(|&byte| byte == b'\n').enumerate().filter_map(|(at, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned());
        let text = text.and_then(|text| match text.contains(['\r', '\0']) {
            true => Err("a carriage return or NUL within the line".to_owned()),
            false => Ok(text),
        });
        (!line.trim_ascii().is_empty()).then_some((at as u64 + 1, text))
    })
}

fn expected_header() -> String {
    format!("expected a header of {}, or a key a line without any", COLUMNS.join(","))
}

/// Where each column stands.
struct Header {
    places: [Option<usize>; COLUMNS.len()],
    columns: usize,
}

impl Header {
    fn read(line: &str) -> Result<Header, String> {
        let names = csv::fields(line)?;
        let expected = expected_header();
        // As the daemon lists them, entries say who put them there and when.
        let listed = names.len() == COLUMNS.len() + ADDED.len();
        let known = |name: &str| COLUMNS.contains(&name) || listed && ADDED.contains(&name);
        if let Some(other) = names.iter().find(|name| !known(name)) {
            let shown: String = other.chars().take(64).collect();
            return Err(format!("{expected}; {shown:?} is none of them"));
        }
        if COLUMNS.iter().any(|column| names.iter().filter(|name| name == column).count() > 1) {
            return Err(format!("{expected}, each at most once"));
        }
        let places = COLUMNS.map(|column| names.iter().position(|name| name == column));
        if places[0].is_none() {
            return Err(format!("{expected}, of which key must be there"));
        }
        Ok(Header { places, columns: names.len() })
    }

    fn entry<'l>(&self, line: &'l str) -> Result<Given<'l>, String> {
        let mut fields = csv::fields(line)?;
        if fields.len() != self.columns {
            return Err(format!("{} fields, expected {} as in the header", fields.len(), self.columns));
        }
        let mut field =
            |at: usize| self.places[at].map(|at| std::mem::take(&mut fields[at])).unwrap_or_default();
        let [key, reason, source, expires] = std::array::from_fn(&mut field);
        Ok(Given { key, reason, source, expires: Expires::Text(expires) })
    }
}

#[cfg(test)]
mod tests {
    use engine::program::Zone;

    use super::*;

    /// The first of December 2025.
    const NOW_MS: i64 = 1_764_547_200_000;

    type Line = (String, Option<i64>);

    fn keys(text: impl AsRef<[u8]>) -> Result<Vec<Line>, Vec<FileFault>> {
        let body = text.as_ref();
        let adding = Adding { by: "ann".to_owned(), at_ms: NOW_MS, zone: Zone::fixed("+08:00", 8 * 3_600) };
        let (format, mut found) = (Format::of("", body), Vec::new());
        let bulk = Bulk { body, format, adding, entries_max: 100, force: false };
        let count = bulk.each(|entry| {
            assert_eq!((entry.fields.by.as_str(), entry.fields.added_ms), ("ann", NOW_MS));
            found.push((entry.key, entry.fields.expires_ms));
            Ok(())
        })?;
        assert!(count == found.len() as u64 && found.len() <= bulk.entries_most());
        Ok(found)
    }

    fn faulty_lines(text: impl AsRef<[u8]>) -> Vec<u64> {
        keys(text).unwrap_err().iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn every_layout_says_the_same() {
        let csv = "\u{feff}key,reason,source,expires\r\na, why ,ops,2027-03-01T08:00:00+08:00\r\n\"b,c\",,,\r\nd,x,y,2027-03-01\r\n";
        let json = "{\"key\":\"a\",\"reason\":\"why\",\"expires\":1803859200000}\n{\"key\":\"b,c\",\"expires\":\"\"}\n{\"key\":\"d\",\"expires\":\"1803830400000\"}\n";
        let array = format!("[\n{}]", json.trim_end().replace('\n', ",\n"));
        let listing = "{\"list\":\"x\",\"entries\":[{\"key\":\"a\",\"reason\":\"why\",\"source\":\"\",\"by\":\"eve\",\"expires\":\"2027-03-01T00:00:00Z\",\"added\":\"2026-01-01T00:00:00Z\"},\n {\"key\":\"b,c\",\"expires\":null},{\"key\":\"d\",\"expires\":\"2027-03-01\"}]}";
        let listed = "key,reason,source,expires,by,added\na,,,2027-03-01T00:00:00Z,eve,2026-01-01T00:00:00Z\n\"b,c\",,,,eve,x\nd,,,2027-03-01,,\n";
        let expected = [("a", Some(1_803_859_200_000)), ("b,c", None), ("d", Some(1_803_830_400_000))];
        for text in [csv, json, &array, listing, listed] {
            assert_eq!(keys(text).unwrap(), expected.map(|(key, ms)| (key.to_owned(), ms)), "{text}");
        }
    }

    #[test]
    fn a_key_a_line_needs_no_header() {
        let text = "# from the desk\n10.0.0.0/8\n192.0.2.1 # scanner\n\n1.10.16.0/20 ; SBL256894\r\n";
        let expected = ["10.0.0.0/8", "192.0.2.1", "1.10.16.0/20"];
        assert_eq!(keys(text).unwrap(), expected.map(|key| (key.to_owned(), None)));
        assert_eq!(faulty_lines("Keys\na\n"), [1]);
        assert_eq!(faulty_lines(""), [1]);
    }

    #[test]
    fn the_header_may_be_in_any_order_and_leave_columns_out() {
        assert_eq!(keys("source,key\nops,a\n").unwrap(), [("a".to_owned(), None)]);
        assert_eq!(keys("key\na\n").unwrap(), [("a".to_owned(), None)]);
        assert_eq!(keys("key,expires\n").unwrap(), []);
    }

    #[test]
    fn a_header_that_is_missing_or_wrong_is_one_fault_of_line_one() {
        for (text, says) in [
            ("10.0.0.0/8,internal\n192.0.2.1,x\n", "10.0.0.0/8"),
            ("reason,source\nx,y\n", "key must be there"),
            ("key,reason,key\na,b,c\n", "at most once"),
            ("key,by\na,eve\n", "\"by\" is none of them"),
            ("\"key\na\n", "not closed on its line"),
        ] {
            let faults = keys(text).unwrap_err();
            assert!(faults.len() == 1 && faults[0].line == 1, "{text:?}: {faults:?}");
            assert!(faults[0].message.contains(says), "{}", faults[0].message);
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_a_fault_of_its_line_and_swallows_none() {
        let text = "key,reason\na,\"one\nb,two\nc,\"three\"\n\"d,four\ne,fi\"ve\n";
        assert_eq!(faulty_lines(text), [2, 5, 6]);
        assert_eq!(faulty_lines("key,reason\na,\"one\nb,two\"\n"), [2, 3]);
        assert_eq!(faulty_lines("key,reason\na,b,c\nd\n"), [2, 3]);
    }

    #[test]
    fn a_page_of_a_listing_is_not_the_list() {
        let faults = keys("{\"list\":\"x\",\"entries\":[{\"key\":\"a\"}],\"next\":\"a\"}").unwrap_err();
        assert!(faults[0].message.contains("riskctl list export"), "{faults:?}");
    }

    #[test]
    fn every_faulty_line_is_named() {
        assert_eq!(faulty_lines("key,expires\n,\nok,\nx,tomorrow\n\ny,1,2\n"), [2, 4, 6]);
        let json = "{\"key\":\"a\"}\n{\"kye\":\"b\"}\n[]\n{\"key\":3}\n{\"key\":\"a\"} x\n{\"key\":\"a\",\"key\":\"b\"}";
        assert_eq!(faulty_lines(json), [2, 3, 4, 5, 6]);
        assert_eq!(faulty_lines("[{\"key\":\"a\"},\n{\"kye\":\"b\"},\n\n{\"key\":\"\"}]"), [2, 4]);
        assert_eq!(faulty_lines(b"key\na\n\xff\xfe\nb\n\"\xc3\x28\"\n"), [3, 5]);
        assert_eq!(faulty_lines(b"{\"key\":\"a\"}\n{\"key\":\"\xff\"}\n{\"key\":\"\\ud800\"}"), [2, 3]);
    }

    #[test]
    fn an_end_that_is_misread_elsewhere_is_refused_with_what_was_meant() {
        for (expires, says) in [
            ("\"2027-03-01T08:00:00\"", "2027-03-01T08:00:00+08:00"),
            ("1803859200", "Unix seconds"),
            ("\"1803859200\"", "Unix seconds"),
            ("20270301", "was 2027-03-01 meant?"),
            ("\"20270301\"", "was 2027-03-01 meant?"),
            ("0", "never ends"),
            ("\"0\"", "never ends"),
            ("5", "not a time to come"),
            ("\"1970-01-01\"", "in the past"),
            ("\"2027-03-01T23:59:60Z\"", "00 to 59"),
            ("\"2027-03-01T08:00:00+25:00\"", "offset"),
            ("\"2027-02-30\"", "no such day"),
            ("\"soon\"", "expected a day"),
            ("1803859200.5", "expires is a day"),
            ("true", "expires is a day"),
        ] {
            let faults = keys(format!("{{\"key\":\"a\",\"expires\":{expires}}}")).unwrap_err();
            assert!(faults[0].message.contains(says), "{expires}: {}", faults[0].message);
        }
        for last in ["\"9999-12-31\"", "\"9999-12-31T23:59:59.999Z\"", "253402300799999"] {
            assert!(keys(format!("{{\"key\":\"a\",\"expires\":{last}}}")).is_ok(), "{last}");
        }
    }

    #[test]
    fn a_flood_of_faults_is_cut() {
        assert_eq!(keys("{\n".repeat(10_000)).unwrap_err().len(), FAULTS_MAX);
        let faults = keys(format!("key\n{}", "a\n".repeat(10_000))).unwrap_err();
        assert!(faults.len() == 1 && faults[0].line == 102, "{faults:?}");
    }

    #[test]
    fn hostile_bytes_are_refused_without_harm() {
        for body in [
            &b"\xff\xfe"[..],
            b"key\n\"a",
            b"key\n\"a\nb\nc",
            b"\x00\x00\x00",
            b"key\r\r\r\n,,,,",
            b"[",
            b"[[[",
        ] {
            let _ = keys(body);
        }
        let long = format!("key\n{}\nb\n", "k".repeat(64 << 10));
        let faults = keys(long).unwrap_err();
        assert!(faults.len() == 1 && faults[0].message.contains("512") && faults[0].message.len() < 200);
        let deep = format!("{{\"key\":{}", "[".repeat(1 << 20));
        assert_eq!(keys(deep).unwrap_err().len(), 1);
    }
}

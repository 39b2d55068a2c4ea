//! Bulk entries in the order of their keys. A tree that is filled in order writes each page once; in the order of a file, ten
//! million entries would have it read and write a page for each.

use std::cmp::Ordering;

use super::entry::{Adding, Entry, EntryFields};

/// Entries laid end to end, and where each begins: as much memory as the body they came in, and 16 bytes for each.
pub(super) struct Sorted<'a> {
    adding: &'a Adding,
    bytes: Vec<u8>,
    /// The first bytes of a key, which tell most keys apart, and the place of the entry.
    places: Vec<(u64, usize)>,
}

/// Lengths of key, reason and source, and the end.
const HEAD_BYTES: usize = 3 * 2 + 8;

impl<'a> Sorted<'a> {
    pub fn new(adding: &'a Adding) -> Sorted<'a> {
        Sorted { adding, bytes: Vec::new(), places: Vec::new() }
    }

    /// Takes an entry in. Its texts are no longer than those of entries are, so that two bytes hold their lengths.
    pub fn push(&mut self, entry: &Entry) {
        let Entry { key, fields } = entry;
        let mut first = [0; 8];
        key.bytes().zip(&mut first).for_each(|(byte, first)| *first = byte);
        self.places.push((u64::from_be_bytes(first), self.bytes.len()));
        let texts = [key, &fields.reason, &fields.source];
        texts.iter().for_each(|text| self.bytes.extend((text.len() as u16).to_le_bytes()));
        self.bytes.extend(fields.expires_ms.unwrap_or(i64::MIN).to_le_bytes());
        texts.iter().for_each(|text| self.bytes.extend(text.as_bytes()));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// All entries in the order of their keys, those of one key in the order in which they came.
    pub fn into_entries(mut self) -> impl Iterator<Item = Entry> {
        let mut places = std::mem::take(&mut self.places);
        places.sort_unstable_by(|a, b| match a.0.cmp(&b.0) {
            Ordering::Equal => self.texts(a.1)[0].cmp(self.texts(b.1)[0]).then(a.1.cmp(&b.1)),
            order => order,
        });
        places.into_iter().map(move |(_, place)| {
            let [key, reason, source] =
                self.texts(place).map(|text| String::from_utf8_lossy(text).into_owned());
            let expires_ms = i64::from_le_bytes(self.array(place + HEAD_BYTES - 8));
            let expires_ms = (expires_ms != i64::MIN).then_some(expires_ms);
            let (by, added_ms) = (self.adding.by.clone(), self.adding.at_ms);
            Entry { key, fields: EntryFields { reason, source, by, expires_ms, added_ms } }
        })
    }

    fn texts(&self, place: usize) -> [&[u8]; 3] {
        let mut from = place + HEAD_BYTES;
        [0, 2, 4].map(|at| {
            let length = usize::from(u16::from_le_bytes(self.array(place + at)));
            from += length;
            &self.bytes[from - length..from]
        })
    }

    fn array<const N: usize>(&self, from: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[from..from + N]);
        array
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_their_keys_and_as_they_were() {
        let adding = Adding { by: "ann".to_owned(), at_ms: 7, zone: Default::default() };
        let mut sorted = Sorted::new(&adding);
        let mut entries: Vec<Entry> = (0..2_000_u64)
            .map(|n| {
                let key = match n % 4 {
                    0 => format!("{}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                    1 => format!("a long beginning {}", n % 97),
                    2 => "k".repeat(n as usize % 500 + 1),
                    _ => "twice".to_owned(),
                };
                let fields = EntryFields {
                    reason: n.to_string(),
                    source: "\u{e4}".repeat(n as usize % 3),
                    by: "ann".to_owned(),
                    expires_ms: n.is_multiple_of(2).then_some(n as i64),
                    added_ms: 7,
                };
                Entry { key, fields }
            })
            .collect();
        entries.iter().for_each(|entry| sorted.push(entry));
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(sorted.len(), entries.len());
        assert_eq!(sorted.into_entries().collect::<Vec<_>>(), entries);
    }
}

//! Words as loom has them, in the place of a table's mapped memory.

use super::Word;

/// A fixed block of words.
pub struct Memory(Vec<Word>);

impl Memory {
    /// Words of a cache line.
    pub const LINE_WORDS: usize = 8;

    /// Zeroed words; `None` for none.
    pub fn new(words: usize) -> Option<Memory> {
        (words > 0).then(|| Memory((0..words).map(|_| Word::new(0)).collect()))
    }

    /// All words.
    pub fn words(&self) -> &[Word] {
        &self.0
    }

    /// Nothing: there is no cache to bring words into.
    pub fn prefetch_line(&self, _word: usize) {}
}

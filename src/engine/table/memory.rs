//! Memory of a table: zeroed words, aligned to pages, touched at start so that no check ever pays for a page fault.
//!
//! Huge pages are asked for because random access to a table past the cache is bound by address translation as much as by
//! memory itself.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};

use super::{Ordering, Word};

const HUGE_PAGE_BYTES: usize = 2 << 20;
const LINE_WORDS: usize = 8;

/// A fixed block of atomic words.
pub struct Memory {
    start: *mut Word,
    words: usize,
}

// SAFETY: the block is owned by this value alone and its words are atomics, which may be shared and sent.
unsafe impl Send for Memory {}
// SAFETY: as above; no method hands out `&mut` to a word.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed and touched words; `None` if the system has no room for them or the size overflows.
    pub fn new(words: usize) -> Option<Memory> {
        let layout = Self::layout(words)?;
        // SAFETY: the layout is not empty (`layout` refuses zero words).
        let start = unsafe { alloc_zeroed(layout) }.cast::<Word>();
        if start.is_null() {
            return None;
        }
        #[cfg(target_os = "linux")]
        // SAFETY: the range is this allocation; the advice changes no content and a refusal changes nothing.
        unsafe {
            libc::madvise(start.cast(), layout.size(), libc::MADV_HUGEPAGE);
        }
        let memory = Memory { start, words };
        for word in memory.words().iter().step_by(4096 / size_of::<Word>()) {
            // A store, not a load: reading would map the shared zero page.
            word.store(0, Ordering::Relaxed);
        }
        Some(memory)
    }

    fn layout(words: usize) -> Option<Layout> {
        let bytes = words.checked_mul(size_of::<Word>()).filter(|&bytes| bytes > 0)?;
        let align = if bytes >= HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { 64 };
        Layout::from_size_align(bytes, align).ok()
    }

    /// All words.
    pub fn words(&self) -> &[Word] {
        // SAFETY: `start` points at `words` initialised atomics (zero is a valid value) that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.words) }
    }

    /// Asks the processor to bring the `words` words from `first` on into its cache; out of range asks for nothing.
    pub fn prefetch(&self, first: usize, words: usize) {
        #[cfg(target_arch = "x86_64")]
        for at in (first..(first + words).min(self.words)).step_by(LINE_WORDS) {
            // SAFETY: the address lies within the block; a prefetch reads nothing into the program.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T0>(self.start.add(at).cast());
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (first, words, LINE_WORDS);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.words) {
            // SAFETY: `start` came from `alloc_zeroed` with this same layout, and nothing borrows it any more.
            unsafe { dealloc(self.start.cast(), layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_and_shared() {
        let memory = Memory::new(1000).expect("8 kB");
        assert!(memory.words().iter().all(|w| w.load(Ordering::Relaxed) == 0));
        memory.words()[999].store(7, Ordering::Relaxed);
        assert_eq!(memory.words()[999].load(Ordering::Relaxed), 7);
        memory.prefetch(990, 100);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Memory::new(0).is_none());
        assert!(Memory::new(usize::MAX / 4).is_none());
    }
}

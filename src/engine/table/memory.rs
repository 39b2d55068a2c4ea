//! Memory of a table: zeroed words from the system, touched at start so that no check ever pays for a page fault.
//!
//! Huge pages are asked for because random access to a table past the cache is bound by address translation as much as by
//! memory itself. They have to be asked for before the first touch, so the memory is mapped here and not taken from the
//! allocator, which may have written to it.
#![allow(unsafe_code)]

use super::{Ordering, Word};

const PAGE_BYTES: usize = 4096;

/// A fixed block of atomic words, aligned to a page.
pub struct Memory {
    start: *mut Word,
    words: usize,
}

// SAFETY: the block is owned by this value alone and its words are atomics, which may be shared and sent.
unsafe impl Send for Memory {}
// SAFETY: as above; no method hands out `&mut` to a word.
unsafe impl Sync for Memory {}

impl Memory {
    /// Words of a cache line.
    pub const LINE_WORDS: usize = 8;

    /// Zeroed and touched words; `None` if the system has no room for them or the size is none or overflows.
    pub fn new(words: usize) -> Option<Memory> {
        let bytes = words.checked_mul(size_of::<Word>()).filter(|&bytes| bytes > 0)?;
        // SAFETY: a fresh anonymous mapping touches no memory of anybody else's.
        let start = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        // Miri runs what follows, and knows no advice.
        #[cfg(all(target_os = "linux", not(miri)))]
        // SAFETY: the range is this mapping; the advice changes no content and a refusal changes nothing.
        unsafe {
            libc::madvise(start, bytes, libc::MADV_HUGEPAGE);
        }
        let memory = Memory { start: start.cast(), words };
        for word in memory.words().iter().step_by(PAGE_BYTES / size_of::<Word>()) {
            // A store, not a load: reading would map the shared zero page.
            word.store(0, Ordering::Relaxed);
        }
        Some(memory)
    }

    /// All words.
    #[inline]
    pub fn words(&self) -> &[Word] {
        // SAFETY: `start` points at `words` zeroed atomics (a valid value), page-aligned, that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.words) }
    }

    /// Asks the processor to bring the line of a word into its cache; no memory of anybody's is touched where there is none.
    #[inline]
    pub fn prefetch_line(&self, word: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let at = self.start.wrapping_add(word);
            // SAFETY: a prefetch reads nothing into the program, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = word;
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `start` is the mapping made in `new` with this same size, and nothing borrows it any more.
        unsafe {
            libc::munmap(self.start.cast(), self.words * size_of::<Word>());
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
        memory.prefetch_line(990);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Memory::new(0).is_none());
        assert!(Memory::new(usize::MAX / 4).is_none());
    }
}

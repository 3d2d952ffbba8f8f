//! Advice to the operating system and the processor about memory. Whether it is taken changes no result.
#![allow(unsafe_code)]

/// Asks for huge pages under a large fresh allocation: most of the time of a large read is page faults.
pub(crate) fn advise_huge_pages<T>(memory: &mut [T]) {
    #[cfg(all(target_os = "linux", feature = "mmap"))]
    {
        const HUGE: usize = 2 << 20;
        let start = memory.as_mut_ptr() as usize;
        let first = start.next_multiple_of(HUGE);
        let last = (start + size_of_val(memory)) / HUGE * HUGE;
        if first < last {
            // SAFETY: the range lies inside memory that we hold exclusively, and this advice changes no content.
            unsafe { libc::madvise(first as *mut libc::c_void, last - first, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(all(target_os = "linux", feature = "mmap")))]
    let _ = memory;
}

/// Asks the processor for bytes that will be read in a moment, one after the other: it waits for memory once, not for
/// each line of its cache in turn.
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and a prefetch neither faults nor changes anything, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

//! Advice to the operating system about memory.
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

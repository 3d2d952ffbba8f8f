//! The copy of a match, as LZ77 formats have it: bytes that were written before, which may run into the copy itself.

#![allow(unsafe_code)]

/// How many bytes [`repeat`] may touch behind the end of a copy.
pub const OVERRUN: usize = 31;

/// Writes `length` bytes, each a copy of the one `distance` before it.
///
/// # Safety
///
/// `distance` bytes can be read before `place` and `length + OVERRUN` bytes be read and written from it on; neither number is 0.
#[inline(always)]
pub unsafe fn repeat(place: *mut u8, distance: usize, length: usize) {
    // SAFETY: the caller's promise; each step is at most 16 bytes, and none begins at or behind the end.
    unsafe {
        let end = place.add(length);
        let mut to = place;
        if distance >= length.min(16) {
            let mut from = place.sub(distance);
            loop {
                copy16(from, to);
                (from, to) = (from.add(16), to.add(16));
                if to >= end {
                    return;
                }
            }
        }
        let (pattern, step) = pattern(place.sub(distance), distance);
        loop {
            to.cast::<u128>().write_unaligned(pattern);
            to = to.add(step);
            if to >= end {
                return;
            }
        }
    }
}

/// # Safety
///
/// 16 bytes can be read at `from` and written at `to`.
#[inline(always)]
pub unsafe fn copy16(from: *const u8, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<u128>().write_unaligned(from.cast::<u128>().read_unaligned()) }
}

/// The first `distance` bytes at `from`, at most 16, again and again, and after how many bytes they begin anew.
///
/// # Safety
///
/// 16 bytes can be read at `from`.
#[inline(always)]
unsafe fn pattern(from: *const u8, distance: usize) -> (u128, usize) {
    if distance == 1 {
        // SAFETY: the caller's promise.
        let byte = unsafe { from.read() };
        return (u128::from_ne_bytes([byte; 16]), 16);
    }
    // SAFETY: the caller's promise.
    let word = u128::from_le(unsafe { from.cast::<u128>().read_unaligned() });
    let mut known = 8 * distance as u32;
    let mut pattern = word & ((1 << known) - 1);
    while known < 128 {
        pattern |= pattern << known;
        known *= 2;
    }
    (pattern.to_le(), 16 - 16 % distance)
}

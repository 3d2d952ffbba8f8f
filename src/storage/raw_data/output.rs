//! The memory that raw data are read into, filled by several threads at once.
//!
//! This is one of the modules with unsafe code. The argument: the targets of a resolved selection are a partition of
//! the result, each chunk receives the part of the selection that lies in it, and each chunk is worked on by one
//! thread; so no two threads ever hold the same bytes.
#![allow(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use crate::{
    element::{H5Type, SwapPlan},
    error::{Error, Result},
    limits::try_vec,
    source::advise_huge_pages,
};

/// Result memory of a read, in bytes; elements are put in native byte order as they arrive.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    start: *mut u8,
    len: usize,
    /// All bytes are zero so far.
    pub(crate) zeroed: bool,
    pub(crate) swap: &'a SwapPlan,
    memory: PhantomData<&'a mut [u8]>,
}

// SAFETY: it stands for an exclusive borrow of bytes; see the contract of `piece` for shared use.
unsafe impl Send for Output<'_> {}
// SAFETY: as above.
unsafe impl Sync for Output<'_> {}

impl<'a> Output<'a> {
    pub(crate) fn new(bytes: &'a mut [u8], zeroed: bool, swap: &'a SwapPlan) -> Self {
        Output { start: bytes.as_mut_ptr(), len: bytes.len(), zeroed, swap, memory: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A part of the memory.
    ///
    /// # Safety
    /// While the piece is alive no other piece may overlap it.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn piece(&self, range: Range<usize>) -> Result<&mut [u8]> {
        if range.start > range.end || range.end > self.len {
            return Err(Error::shape(format!("bytes {range:?} of a result of {}", self.len)));
        }
        // SAFETY: inside the borrowed memory; exclusive by the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) })
    }

    /// Copies whole elements to `at`.
    ///
    /// # Safety
    /// As [`piece`](Self::piece).
    pub(crate) unsafe fn put(&self, at: usize, elements: &[u8]) -> Result<()> {
        // SAFETY: the caller's promise.
        let piece = unsafe { self.piece(at..at.saturating_add(elements.len()))? };
        piece.copy_from_slice(elements);
        self.swap.apply(piece);
        Ok(())
    }

    /// Fills a part with one repeated element (zeros if `None`).
    ///
    /// # Safety
    /// As [`piece`](Self::piece).
    pub(crate) unsafe fn fill(&self, range: Range<usize>, element: Option<&[u8]>) -> Result<()> {
        // SAFETY: the caller's promise.
        let piece = unsafe { self.piece(range)? };
        match element {
            None if self.zeroed => {}
            None => piece.fill(0),
            Some(element) => {
                if element.iter().all(|&b| b == 0) {
                    if !self.zeroed {
                        piece.fill(0);
                    }
                    return Ok(());
                }
                repeat(piece, element);
                self.swap.apply(piece);
            }
        }
        Ok(())
    }
}

/// Fills with copies of a pattern, doubling what is there.
fn repeat(out: &mut [u8], pattern: &[u8]) {
    let mut done = pattern.len().min(out.len());
    out[..done].copy_from_slice(&pattern[..done]);
    while done < out.len() && done > 0 {
        let n = done.min(out.len() - done);
        out.copy_within(..n, done);
        done += n;
    }
}

/// A vector of `len` zeroed elements of which every bit pattern is a value, on huge pages if it is large.
///
/// # Safety
/// All zeros must be a value of `T`.
pub(crate) unsafe fn zeroed_vec<T>(len: usize) -> Result<Vec<T>> {
    let too_large =
        || Error::limit("result", (len as u64).saturating_mul(size_of::<T>() as u64), isize::MAX as u64);
    let layout = std::alloc::Layout::array::<T>(len).map_err(|_| too_large())?;
    if layout.size() == 0 {
        let mut empty = Vec::new();
        if size_of::<T>() == 0 {
            // SAFETY: elements without size need no memory.
            unsafe { empty.set_len(len) };
        }
        return Ok(empty);
    }
    // SAFETY: the layout has a size; the memory is given to a vector of the same layout, initialised with zeros.
    unsafe {
        let start = std::alloc::alloc_zeroed(layout);
        if start.is_null() {
            return Err(too_large());
        }
        if layout.size() >= 4 << 20 {
            advise_huge_pages(std::slice::from_raw_parts_mut(start, layout.size()));
        }
        Ok(Vec::from_raw_parts(start.cast(), len, len))
    }
}

/// An empty vector with room for `len` elements, on huge pages if it is large.
///
/// # Errors
/// `Limit` if there is no memory.
pub fn room<T>(what: &'static str, len: usize) -> Result<Vec<T>> {
    let mut out = try_vec(what, len as u64)?;
    if len.saturating_mul(size_of::<T>()) >= 4 << 20 {
        advise_huge_pages(out.spare_capacity_mut());
    }
    Ok(out)
}

/// Zeros: plain elements, on huge pages if they are many. Memory is touched only when they are changed.
///
/// # Errors
/// `Usage` for elements that are not plain; `Limit` if there is no memory.
pub fn zeros<T: H5Type>(len: usize) -> Result<Vec<T>> {
    if !T::POD {
        return Err(Error::usage("zeros of elements that are not plain bytes"));
    }
    // SAFETY: `T::POD` promises that every bit pattern is a value.
    unsafe { zeroed_vec(len) }
}

/// The bytes of plain elements.
///
/// # Safety
/// Every bit pattern must be a value of `T`, and all bytes must be initialised: the elements have no padding, or the
/// memory was zeroed as a whole and no element was assigned since.
pub(crate) unsafe fn bytes_of_mut<T>(elements: &mut [T]) -> &mut [u8] {
    // SAFETY: same memory, any alignment will do for bytes, any bytes for `T`, and no byte is uninitialised.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), size_of_val(elements)) }
}

/// Plain elements as their bytes.
///
/// # Safety
/// `T` must have no padding.
pub(crate) unsafe fn bytes_of<T>(elements: &[T]) -> &[u8] {
    // SAFETY: same memory, and all of its bytes are initialised.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// Bytes as plain elements, if they are aligned.
///
/// # Safety
/// Every bit pattern must be a value of `T`.
pub(crate) unsafe fn elements_of<T>(bytes: &[u8]) -> Option<&[T]> {
    let size = size_of::<T>();
    let aligned = (bytes.as_ptr() as usize).is_multiple_of(align_of::<T>());
    if size == 0 || !bytes.len().is_multiple_of(size) || !aligned {
        return None;
    }
    // SAFETY: aligned, whole elements, and any bytes are a value.
    Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_repeats_the_element() {
        let mut bytes = [9u8; 8];
        let out = Output::new(&mut bytes, false, &SwapPlan::Nothing);
        // SAFETY: one piece at a time.
        unsafe {
            out.fill(0..6, Some(&[1, 2, 3])).unwrap();
            out.fill(6..8, None).unwrap();
            assert!(out.fill(6..9, None).is_err());
        }
        assert_eq!(bytes, [1, 2, 3, 1, 2, 3, 0, 0]);
    }
}

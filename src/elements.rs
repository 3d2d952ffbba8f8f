//! Elements from memory into the form in which a file has them.
#![allow(unsafe_code)] // plain elements as bytes: only for types that promise it by `H5Type::POD` and have no padding

use std::borrow::Cow;

use ndarray::{ArrayBase, Data, Dimension, RawData};

use crate::{
    element::{H5Type, HeapPointer, HeapWrite, SwapPlan, Values},
    error::{Error, Result},
    model::datatype::{Datatype, DatatypeClass, StringPadding},
    storage::raw_data::output::bytes_of,
};

/// Arrays whose elements can be written: `ndarray` arrays and views, slices, vectors.
pub trait ToElements<T> {
    /// Extent in each dimension.
    fn shape(&self) -> Vec<u64>;
    /// The elements in C order.
    fn elements(&self) -> Gathered<'_, T>;
}

/// Elements in C order.
#[derive(Clone, Debug)]
pub enum Gathered<'a, T> {
    /// One after the other in memory.
    Slice(&'a [T]),
    /// One by one.
    List(Vec<&'a T>),
}

impl<T> Gathered<'_, T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Gathered::Slice(slice) => slice.len(),
            Gathered::List(list) => list.len(),
        }
    }
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn for_each(&self, f: &mut dyn FnMut(&T) -> Result<()>) -> Result<()> {
        match self {
            Gathered::Slice(slice) => slice.iter().try_for_each(f),
            Gathered::List(list) => list.iter().try_for_each(|element| f(element)),
        }
    }
}

impl<T> ToElements<T> for [T] {
    fn shape(&self) -> Vec<u64> {
        vec![self.len() as u64]
    }
    fn elements(&self) -> Gathered<'_, T> {
        Gathered::Slice(self)
    }
}

impl<T> ToElements<T> for Vec<T> {
    fn shape(&self) -> Vec<u64> {
        vec![self.len() as u64]
    }
    fn elements(&self) -> Gathered<'_, T> {
        Gathered::Slice(self)
    }
}

impl<T, const N: usize> ToElements<T> for [T; N] {
    fn shape(&self) -> Vec<u64> {
        vec![N as u64]
    }
    fn elements(&self) -> Gathered<'_, T> {
        Gathered::Slice(self)
    }
}

impl<T, S: Data + RawData<Elem = T>, D: Dimension> ToElements<T> for ArrayBase<S, D> {
    fn shape(&self) -> Vec<u64> {
        ArrayBase::shape(self).iter().map(|&d| d as u64).collect()
    }
    fn elements(&self) -> Gathered<'_, T> {
        match self.as_slice() {
            Some(slice) => Gathered::Slice(slice),
            None => Gathered::List(self.iter().collect()),
        }
    }
}

impl Values {
    /// Values of a Rust type, in the byte order of this machine.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// let values = h5::Values::of(&ndarray::arr2(&[[1.5, 2.5], [3.5, 4.5]]))?;
    /// assert_eq!(values.shape(), [2, 2]);
    /// assert_eq!(values.to_vec::<f64>()?, [1.5, 2.5, 3.5, 4.5]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Usage` for elements with parts outside their bytes: strings and sequences of variable length, references.
    pub fn of<T: H5Type>(data: &(impl ToElements<T> + ?Sized)) -> Result<Values> {
        let datatype = T::datatype();
        if !datatype.is_fixed() {
            return Err(Error::usage(format!("{datatype} has parts outside its bytes")));
        }
        let bytes = encode(&data.elements(), &datatype, &mut Capture::default())?.into_owned();
        Values::new(datatype, data.shape(), bytes)
    }
}

/// True if the members of an element leave no gap, so that in memory there is no padding.
fn is_dense(datatype: &Datatype) -> bool {
    match &datatype.class {
        DatatypeClass::Compound(members) => {
            members.iter().map(|m| m.datatype.size).sum::<usize>() == datatype.size
                && members.iter().all(|m| is_dense(&m.datatype))
        }
        DatatypeClass::Array { base, .. } => is_dense(base),
        _ => true,
    }
}

/// A heap that only keeps what it was given last.
#[derive(Default)]
struct Capture(Vec<u8>);

impl HeapWrite for Capture {
    fn offset_size(&self) -> usize {
        8
    }
    fn store(&mut self, object: &[u8]) -> Result<(u64, u32)> {
        self.0 = object.to_vec();
        Ok((8, 1))
    }
}

/// The elements as bytes of the datatype `file`.
pub(crate) fn encode<'a, T: H5Type>(
    elements: &Gathered<'a, T>,
    file: &Datatype,
    heap: &mut dyn HeapWrite,
) -> Result<Cow<'a, [u8]>> {
    let own = T::datatype();
    let swap = if own == *file { Some(SwapPlan::Nothing) } else { SwapPlan::between(&own, file) };
    let mismatch = || Error::type_mismatch(&own, file);
    let strings = |t: &Datatype| matches!(t.class, DatatypeClass::VarString { .. });
    match (swap, &file.class) {
        (Some(swap), _) => {
            if T::POD
                && size_of::<T>() == own.size
                && is_dense(&own)
                && let Gathered::Slice(slice) = elements
            {
                // SAFETY: `T::POD` promises that the datatype is the layout in memory, and that has no padding.
                let mut bytes = Cow::Borrowed(unsafe { bytes_of(slice) });
                if swap != SwapPlan::Nothing {
                    swap.apply(bytes.to_mut());
                }
                return Ok(bytes);
            }
            let mut bytes = each(elements, own.size, heap)?;
            swap.apply(&mut bytes);
            Ok(bytes.into())
        }
        (None, DatatypeClass::Reference(_)) if matches!(own.class, DatatypeClass::Reference(_)) => {
            Ok(each(elements, file.size, heap)?.into())
        }
        (None, DatatypeClass::VarString { .. }) if strings(&own) => {
            Ok(each(elements, file.size, heap)?.into())
        }
        (None, _) if own.with_addresses(heap.offset_size() as u8) == *file => {
            Ok(each(elements, file.size, heap)?.into())
        }
        (None, DatatypeClass::FixedString { padding, .. }) if strings(&own) => {
            let mut bytes = Vec::new();
            let blank = if *padding == StringPadding::SpacePadded { b' ' } else { 0 };
            let room = if *padding == StringPadding::NullTerminated { file.size - 1 } else { file.size };
            elements.for_each(&mut |element| {
                let mut text = Capture::default();
                let mut pointer = vec![0; own.size];
                element.encode(&mut pointer, &mut text)?;
                let text = if HeapPointer::decode(&pointer)?.is_null() { &[] } else { &text.0[..] };
                if text.len() > room {
                    return Err(Error::usage(format!("a string of {} bytes as {file}", text.len())));
                }
                let end = bytes.len() + file.size;
                bytes.extend_from_slice(text);
                bytes.resize(end, blank);
                Ok(())
            })?;
            Ok(bytes.into())
        }
        _ => Err(mismatch()),
    }
}

fn each<T: H5Type>(elements: &Gathered<'_, T>, size: usize, heap: &mut dyn HeapWrite) -> Result<Vec<u8>> {
    let len = elements.len().checked_mul(size);
    let len = len.ok_or_else(|| Error::limit("bytes of a write", u64::MAX, usize::MAX as u64))?;
    let mut bytes = crate::limits::try_vec("bytes of a write", len as u64)?;
    bytes.resize(len, 0);
    let mut slots = bytes.chunks_exact_mut(size.max(1));
    elements.for_each(&mut |element| match slots.next() {
        Some(slot) => element.encode(slot, heap),
        None => Ok(()),
    })?;
    Ok(bytes)
}

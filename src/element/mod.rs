//! Raw element bytes <-> Rust values.

mod byte_order;
mod convert;
#[cfg(feature = "derive")]
pub mod derived;
mod heap;
mod numeric;
mod reference;
pub(crate) mod string;
mod transfer;
mod values;
mod vlen;

pub(crate) use byte_order::SwapPlan;
pub(crate) use convert::{convert, is_convertible};
pub(crate) use heap::{HeapArena, HeapPointer};
pub use heap::{HeapRead, HeapWrite};
pub use reference::{ObjectReference, Reference, RegionReference};
pub(crate) use transfer::{Transfer, has_references, names_places, widened};
pub(crate) use values::gather;
pub use values::{Element, Elements, Values};

use crate::{error::Result, model::datatype::Datatype};

/// A Rust type that elements of a dataset or attribute can be read as and written from.
///
/// Implemented for the integers, `f16`, `f32`, `f64`, `bool`, [`Complex`](num_complex::Complex), [`String`],
/// [`Name`](crate::model::link::Name) (the bytes of a string), arrays `[T; N]`, `Vec<T>` (variable-length sequences),
/// [`ObjectReference`], [`RegionReference`]; structs and enums derive it with `#[derive(H5Type)]`.
///
/// Reading is exact in class and size and lenient in byte order.
///
/// # Safety
/// `POD` may be true only if every bit pattern of `size_of::<Self>()` bytes is a valid value and `datatype()`
/// describes exactly the layout of `Self` in memory.
#[allow(unsafe_code)]
pub unsafe trait H5Type: Sized + Send + Sync + 'static {
    /// Elements may be read and written as plain bytes when the file's layout is that of memory.
    const POD: bool;
    /// A prepared conversion from the datatype of a file.
    type Plan: Clone + Send + Sync;

    /// The datatype of `Self` in native byte order.
    fn datatype() -> Datatype;

    /// Prepares the conversion of elements of type `file`.
    ///
    /// # Errors
    /// `Type` if they do not fit.
    fn plan(file: &Datatype) -> Result<Self::Plan>;

    /// Converts one element, `bytes` of the type given to [`plan`](H5Type::plan).
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no value of the type.
    fn decode(plan: &Self::Plan, bytes: &[u8], heap: &dyn HeapRead) -> Result<Self>;

    /// Writes one element as `datatype()` has it; `out` is as long as that.
    ///
    /// # Errors
    /// `Usage` if the value cannot be stored.
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()>;
}

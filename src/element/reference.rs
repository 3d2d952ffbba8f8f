//! References to objects, regions of datasets, and attributes.
#![allow(unsafe_code)] // only `unsafe impl H5Type` with POD = false

use super::{H5Type, HeapRead, HeapWrite};
use crate::{
    error::{Error, Result},
    format::{
        primitive::Sizes,
        reference::{
            RawReference, ReferencePart, decode_reference, decode_region, decode_std, encode_region,
        },
        selection::SelectionStyle,
    },
    model::{
        datatype::{Datatype, DatatypeClass, ReferenceType},
        link::Name,
        selection::Selection,
    },
};

/// What a reference of any kind refers to. Addresses are those of object headers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reference {
    /// Nothing.
    Null,
    /// An object.
    Object {
        /// Address of its header.
        address: u64,
    },
    /// Elements of a dataset.
    Region {
        /// Address of the dataset's header.
        address: u64,
        /// Which elements.
        selection: Selection,
    },
    /// An attribute of an object.
    Attribute {
        /// Address of the object's header.
        address: u64,
        /// Name of the attribute.
        name: Name,
    },
    /// Something in another file.
    External {
        /// Name of that file.
        file: Name,
        /// What there.
        target: Box<Reference>,
    },
}

fn sizes(heap: &dyn HeapRead) -> Sizes {
    Sizes { offset: heap.offset_size(), length: 8 }
}

/// The object of the global heap that a reference needs, if any.
pub(crate) fn heap_object(
    kind: ReferenceType,
    element: &[u8],
    offset_size: u8,
) -> Result<Option<(u64, u32)>> {
    Ok(match decode_reference(element, kind, Sizes { offset: offset_size, length: 8 })? {
        RawReference::Region(p) | RawReference::Std { pointer: p, .. } => Some((p.address, p.index)),
        RawReference::Null | RawReference::Object(_) => None,
    })
}

/// Decodes a reference of any kind.
pub(crate) fn decode(kind: ReferenceType, element: &[u8], heap: &dyn HeapRead) -> Result<Reference> {
    let sizes = sizes(heap);
    let mut out = Reference::Null;
    match decode_reference(element, kind, sizes)? {
        RawReference::Null => {}
        RawReference::Object(address) => out = Reference::Object { address },
        RawReference::Region(pointer) => {
            heap.with_object(pointer.address, pointer.index, &mut |object| {
                let (address, selection) = decode_region(object, sizes)?;
                out = Reference::Region { address, selection };
                Ok(())
            })?;
        }
        RawReference::Std { kind, external, size, pointer } => {
            heap.with_object(pointer.address, pointer.index, &mut |object| {
                let object = object.get(..size as usize).unwrap_or(object);
                let reference = decode_std(object, kind, external)?;
                let address = reference.object;
                let target = match reference.part {
                    ReferencePart::Whole => Reference::Object { address },
                    ReferencePart::Region { selection, .. } => Reference::Region { address, selection },
                    ReferencePart::Attribute(name) => Reference::Attribute { address, name },
                };
                out = match reference.file {
                    Some(file) => Reference::External { file, target: Box::new(target) },
                    None => target,
                };
                Ok(())
            })?;
        }
    }
    Ok(out)
}

fn plan(file: &Datatype, expected: &str) -> Result<ReferenceType> {
    match file.class {
        DatatypeClass::Reference(kind) => Ok(kind),
        _ => Err(Error::type_mismatch(expected, file)),
    }
}

// SAFETY: not POD.
unsafe impl H5Type for Reference {
    const POD: bool = false;
    type Plan = ReferenceType;
    fn datatype() -> Datatype {
        ObjectReference::datatype()
    }
    fn plan(file: &Datatype) -> Result<ReferenceType> {
        plan(file, "reference")
    }
    fn decode(kind: &ReferenceType, bytes: &[u8], heap: &dyn HeapRead) -> Result<Self> {
        decode(*kind, bytes, heap)
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        match self {
            Reference::Null => ObjectReference(None).encode(out, heap),
            Reference::Object { address } => ObjectReference(Some(*address)).encode(out, heap),
            _ => Err(Error::unsupported("writing this kind of reference as an object reference")),
        }
    }
}

/// Reference to an object: the address of its header; `None` refers to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ObjectReference(pub Option<u64>);

// SAFETY: not POD.
unsafe impl H5Type for ObjectReference {
    const POD: bool = false;
    type Plan = ReferenceType;
    fn datatype() -> Datatype {
        Datatype { size: 8, class: DatatypeClass::Reference(ReferenceType::Object) }
    }
    fn plan(file: &Datatype) -> Result<ReferenceType> {
        plan(file, "object reference")
    }
    fn decode(kind: &ReferenceType, bytes: &[u8], heap: &dyn HeapRead) -> Result<Self> {
        match decode(*kind, bytes, heap)? {
            Reference::Null => Ok(ObjectReference(None)),
            Reference::Object { address } => Ok(ObjectReference(Some(address))),
            other => Err(Error::type_mismatch("object reference", format!("{other:?}"))),
        }
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        out.fill(0);
        if let Some(address) = self.0 {
            let address = heap.settle(address)?;
            let n = out.len().min(8);
            out[..n].copy_from_slice(&address.to_le_bytes()[..n]);
        }
        Ok(())
    }
}

/// Reference to elements of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionReference {
    /// Address of the dataset's header; `None` refers to nothing.
    pub address: Option<u64>,
    /// Which elements.
    pub selection: Selection,
}

// SAFETY: not POD.
unsafe impl H5Type for RegionReference {
    const POD: bool = false;
    type Plan = ReferenceType;
    fn datatype() -> Datatype {
        Datatype { size: 12, class: DatatypeClass::Reference(ReferenceType::Region) }
    }
    fn plan(file: &Datatype) -> Result<ReferenceType> {
        plan(file, "region reference")
    }
    fn decode(kind: &ReferenceType, bytes: &[u8], heap: &dyn HeapRead) -> Result<Self> {
        match decode(*kind, bytes, heap)? {
            Reference::Null => Ok(RegionReference { address: None, selection: Selection::None }),
            Reference::Region { address, selection } => {
                Ok(RegionReference { address: Some(address), selection })
            }
            other => Err(Error::type_mismatch("region reference", format!("{other:?}"))),
        }
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        let Some(address) = self.address else {
            out.fill(0);
            return Ok(());
        };
        let address = heap.settle(address)?;
        let sizes = Sizes { offset: heap.offset_size() as u8, length: 8 };
        let object = encode_region(address, &self.selection, SelectionStyle::V18, sizes)?;
        let (collection, index) = heap.store(&object)?;
        let width = out.len().saturating_sub(4).min(8);
        out.fill(0);
        out[..width].copy_from_slice(&collection.to_le_bytes()[..width]);
        out[width..width + 4].copy_from_slice(&index.to_le_bytes());
        Ok(())
    }
}

//! References to objects, regions of datasets, and attributes.
#![allow(unsafe_code)] // only `unsafe impl H5Type` with POD = false

use super::{H5Type, HeapRead, HeapWrite};
use crate::{
    error::{Error, Result},
    format::{
        primitive::Sizes,
        reference::{
            HeapPointer, RawReference, ReferencePart, StdKind, StdReference, decode_reference, decode_region,
            decode_std, encode_reference, encode_region, encode_std,
        },
        selection::SelectionStyle,
    },
    model::{
        datatype::{Datatype, DatatypeClass, ReferenceType},
        link::Name,
        selection::Selection,
    },
};

/// What a reference of any kind refers to. Addresses are those of object headers, or what
/// [`Object::address`](crate::Object::address) gives.
///
/// Elements of this type are written as object references; with
/// [`Datatype::std_reference`](crate::Datatype::std_reference) as the type in the file, for HDF5 1.12 and later, they can
/// be references of all kinds.
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

/// The kind of reference that elements of so many bytes hold.
fn kind_of(len: usize, heap: &dyn HeapWrite) -> ReferenceType {
    let object = heap.offset_size();
    match len {
        n if n == object => ReferenceType::Object,
        n if n == object + 4 => ReferenceType::Region,
        _ => ReferenceType::StdObject,
    }
}

fn write_sizes(heap: &dyn HeapWrite) -> Sizes {
    Sizes { offset: heap.offset_size() as u8, length: 8 }
}

/// Stores a reference to elements of a dataset of the first generation. `address` is settled.
fn put_region(address: u64, selection: &Selection, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
    let sizes = write_sizes(heap);
    let object = encode_region(address, selection, SelectionStyle::V18, sizes)?;
    let (address, index) = heap.store(&object)?;
    let pointer = RawReference::Region(HeapPointer { address, index });
    put(out, &encode_reference(&pointer, ReferenceType::Region, out.len(), sizes)?)
}

/// Stores a reference of HDF5 1.12. The address is settled.
fn put_std(reference: &StdReference, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
    let sizes = write_sizes(heap);
    let kind = match &reference.part {
        ReferencePart::Whole => StdKind::Object,
        ReferencePart::Region { .. } => StdKind::Region,
        ReferencePart::Attribute(_) => StdKind::Attribute,
    };
    let external = reference.file.is_some();
    let raw = if kind == StdKind::Object && !external {
        RawReference::Object(reference.object)
    } else {
        let object = encode_std(reference, SelectionStyle::V112, sizes)?;
        let size = object.len() as u32;
        let (address, index) = heap.store(&object)?;
        RawReference::Std { kind, external, size, pointer: HeapPointer { address, index } }
    };
    put(out, &encode_reference(&raw, ReferenceType::StdObject, out.len(), sizes)?)
}

fn put(out: &mut [u8], element: &[u8]) -> Result<()> {
    if out.len() != element.len() {
        return Err(Error::usage(format!("a reference of {} bytes in {}", element.len(), out.len())));
    }
    out.copy_from_slice(element);
    Ok(())
}

/// Writes a reference as an element of whatever kind has the size of `out`.
fn encode(reference: &Reference, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
    let kind = kind_of(out.len(), heap);
    if *reference == Reference::Null {
        out.fill(0);
        return Ok(());
    }
    if kind.is_std() {
        return put_std(&std_of(reference, heap)?, out, heap);
    }
    match (reference, kind) {
        (Reference::Object { address }, ReferenceType::Object) => {
            let raw = RawReference::Object(heap.settle(*address)?);
            put(out, &encode_reference(&raw, kind, out.len(), write_sizes(heap))?)
        }
        (Reference::Region { address, selection }, ReferenceType::Region) => {
            put_region(heap.settle(*address)?, selection, out, heap)
        }
        _ => Err(Error::usage(format!(
            "{} as an element of {}; Datatype::std_reference is for all kinds",
            reference.kind_name(),
            if kind == ReferenceType::Object { "object references" } else { "region references" },
        ))),
    }
}

fn std_of(reference: &Reference, heap: &mut dyn HeapWrite) -> Result<StdReference> {
    Ok(match reference {
        Reference::Null => return Err(Error::usage("a null reference in another file")),
        Reference::Object { address } => {
            StdReference { object: heap.settle(*address)?, file: None, part: ReferencePart::Whole }
        }
        Reference::Region { address, selection } => {
            let rank = match selection {
                Selection::Hyperslab(dims) => dims.len(),
                Selection::Blocks(blocks) => blocks.rank,
                Selection::Points(points) => points.rank,
                Selection::All | Selection::None => {
                    return Err(Error::unsupported(
                        "a standard reference to all or no elements, which do not say their rank",
                    ));
                }
            };
            let part = ReferencePart::Region { rank: rank as u32, selection: selection.clone() };
            StdReference { object: heap.settle(*address)?, file: None, part }
        }
        Reference::Attribute { address, name } => StdReference {
            object: heap.settle(*address)?,
            file: None,
            part: ReferencePart::Attribute(name.clone()),
        },
        Reference::External { file, target } => {
            // Addresses of another file are what they are.
            let mut inner = std_of(target, &mut Elsewhere)?;
            if inner.file.replace(file.clone()).is_some() {
                return Err(Error::usage("a reference into a file of a file"));
            }
            inner
        }
    })
}

/// Settles the addresses of other files.
struct Elsewhere;

impl HeapWrite for Elsewhere {
    fn offset_size(&self) -> usize {
        8
    }
    fn store(&mut self, _: &[u8]) -> Result<(u64, u32)> {
        Err(Error::usage("no heap"))
    }
}

/// An element as the same reference in another heap, its addresses settled.
pub(crate) fn move_reference(
    kind: ReferenceType,
    element: &mut [u8],
    from: &dyn HeapRead,
    to: &mut dyn HeapWrite,
) -> Result<()> {
    // Elements say themselves how long addresses are; values that point nowhere have no heap that could.
    let offset = match kind {
        ReferenceType::Object => element.len(),
        ReferenceType::Region => element.len().saturating_sub(4),
        _ if from.offset_size() == 0 => to.offset_size(),
        _ => from.offset_size().into(),
    };
    let sizes = Sizes { offset: offset.min(8) as u8, length: 8 };
    match decode_reference(element, kind, sizes)? {
        RawReference::Null => {
            element.fill(0);
            Ok(())
        }
        RawReference::Object(address) => {
            let raw = RawReference::Object(to.settle(address)?);
            put(element, &encode_reference(&raw, kind, element.len(), sizes)?)
        }
        RawReference::Region(pointer) => {
            let mut found = None;
            from.with_object(pointer.address, pointer.index, &mut |object| {
                found = Some(decode_region(object, sizes)?);
                Ok(())
            })?;
            match found {
                Some((address, selection)) => put_region(to.settle(address)?, &selection, element, to),
                None => Err(Error::corrupt("a region reference to nothing")),
            }
        }
        RawReference::Std { kind, external, size, pointer } => {
            let mut found = None;
            from.with_object(pointer.address, pointer.index, &mut |object| {
                let object = object.get(..size as usize).unwrap_or(object);
                found = Some(decode_std(object, kind, external)?);
                Ok(())
            })?;
            let mut reference = found.ok_or_else(|| Error::corrupt("a reference to nothing"))?;
            if reference.file.is_none() {
                reference.object = to.settle(reference.object)?;
            }
            put_std(&reference, element, to)
        }
    }
}

impl Reference {
    fn kind_name(&self) -> &'static str {
        match self {
            Reference::Null => "a null reference",
            Reference::Object { .. } => "an object reference",
            Reference::Region { .. } => "a region reference",
            Reference::Attribute { .. } => "an attribute reference",
            Reference::External { .. } => "a reference into another file",
        }
    }
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
        encode(self, out, heap)
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
        Datatype::object_reference()
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
        encode(&self.0.map_or(Reference::Null, |address| Reference::Object { address }), out, heap)
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
        Datatype::region_reference()
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
        let reference = self.address.map_or(Reference::Null, |address| Reference::Region {
            address,
            selection: self.selection.clone(),
        });
        encode(&reference, out, heap)
    }
}

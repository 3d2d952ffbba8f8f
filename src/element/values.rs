//! Arrays whose element type is known at run time only.

use std::{borrow::Cow, ops::Range, sync::Arc};

use super::{
    H5Type, HeapArena, HeapPointer, HeapRead, HeapWrite, SwapPlan,
    reference::{self, Reference},
    string::{trim, until_nul},
    vlen::sequence,
};
use crate::{
    error::{Error, Result},
    limits::try_vec,
    model::{
        dataspace::element_count,
        datatype::{Datatype, DatatypeClass},
        link::Name,
        number,
    },
};

/// An array of elements of a datatype known at run time: shape, bytes as stored in the file (C order), and what its
/// variable-length elements point to.
#[derive(Clone, Debug)]
pub struct Values {
    datatype: Arc<Datatype>,
    shape: Vec<u64>,
    bytes: Vec<u8>,
    heap: Arc<HeapArena>,
}

impl Values {
    /// Values of fixed size from their bytes.
    ///
    /// # Errors
    /// `Shape` if the bytes are not exactly the elements of `shape`; `Usage` for a variable-length datatype.
    pub fn new(datatype: Datatype, shape: impl Into<Vec<u64>>, bytes: Vec<u8>) -> Result<Self> {
        if !datatype.is_fixed() {
            return Err(Error::usage(format!("{datatype} has parts outside its bytes")));
        }
        let shape = shape.into();
        let wanted = element_count(&shape)?.checked_mul(datatype.size as u64);
        if wanted != Some(bytes.len() as u64) {
            return Err(Error::shape(format!("{} bytes for {shape:?} elements of {datatype}", bytes.len())));
        }
        Ok(Values { datatype: Arc::new(datatype), shape, bytes, heap: Arc::default() })
    }

    /// Values as they were read, with the objects they point to. `bytes` are whole elements.
    pub(crate) fn from_parts(
        datatype: Arc<Datatype>,
        shape: Vec<u64>,
        bytes: Vec<u8>,
        heap: HeapArena,
    ) -> Self {
        Values { datatype, shape, bytes, heap: Arc::new(heap) }
    }

    /// Type of the elements.
    pub fn datatype(&self) -> &Datatype {
        &self.datatype
    }
    /// Extent in each dimension; empty for a scalar.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }
    /// The elements as stored in the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The elements as stored in the file, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
    /// What the elements point to.
    pub(crate) fn heap(&self) -> &HeapArena {
        &self.heap
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.datatype.size.max(1)
    }
    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// The element at this C-order index.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        self.iter().get(index)
    }
    /// All elements in C order.
    pub fn iter(&self) -> Elements<'_> {
        Elements { datatype: &self.datatype, bytes: &self.bytes, heap: &self.heap }
    }

    /// The elements as Rust values, exact in class and size.
    ///
    /// # Errors
    /// `Type` if the datatype is another.
    pub fn to_vec<T: H5Type>(&self) -> Result<Vec<T>> {
        let plan = T::plan(&self.datatype)?;
        let mut out = try_vec("values", self.len() as u64)?;
        for element in self.bytes.chunks_exact(self.datatype.size.max(1)) {
            out.push(T::decode(&plan, element, &*self.heap)?);
        }
        Ok(out)
    }

    /// The elements as bytes of a file, with what they point to stored in its heap.
    pub(crate) fn encode(&self, heap: &mut dyn HeapWrite) -> Result<Cow<'_, [u8]>> {
        if !holds_addresses(&self.datatype) {
            return Ok(Cow::Borrowed(&self.bytes));
        }
        let mut bytes = self.bytes.clone();
        move_pointers(&self.datatype, &mut bytes, &self.heap, heap)?;
        Ok(bytes.into())
    }

    /// The bytes in the byte order of this machine, if every part of an element is a full-width number.
    pub fn to_native_bytes(&self) -> Option<Vec<u8>> {
        let plan = SwapPlan::between(&native(&self.datatype), &self.datatype)?;
        let mut bytes = self.bytes.clone();
        plan.apply(&mut bytes);
        Some(bytes)
    }
}

/// The same datatype with numbers in native byte order.
pub(crate) fn native(datatype: &Datatype) -> Datatype {
    use crate::model::datatype::ByteOrder;
    let mut out = datatype.clone();
    fn walk(t: &mut Datatype) {
        match &mut t.class {
            DatatypeClass::Integer(i) | DatatypeClass::Bitfield(i) => i.order = ByteOrder::NATIVE,
            DatatypeClass::Float(f) => f.order = ByteOrder::NATIVE,
            DatatypeClass::Compound(members) => members.iter_mut().for_each(|m| walk(&mut m.datatype)),
            DatatypeClass::Array { base, .. } | DatatypeClass::Complex(base) => walk(base),
            DatatypeClass::Enum { base, members } => {
                if let DatatypeClass::Integer(i) = &mut base.class {
                    if i.order != ByteOrder::NATIVE {
                        members.iter_mut().for_each(|m| m.value.reverse());
                    }
                    i.order = ByteOrder::NATIVE;
                }
            }
            _ => {}
        }
    }
    walk(&mut out);
    out
}

/// Elements of one datatype, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    datatype: &'a Datatype,
    bytes: &'a [u8],
    heap: &'a HeapArena,
}

impl<'a> Elements<'a> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.datatype.size.max(1)
    }
    /// True if there are none (left).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes of all elements.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    /// The element at this index.
    pub fn get(&self, index: usize) -> Option<Element<'a>> {
        let start = index.checked_mul(self.datatype.size)?;
        let range: Range<usize> = start..start.checked_add(self.datatype.size)?;
        Some(Element { datatype: self.datatype, bytes: self.bytes.get(range)?, heap: self.heap })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;
    fn next(&mut self) -> Option<Element<'a>> {
        let (head, rest) = self.bytes.split_at_checked(self.datatype.size.max(1))?;
        self.bytes = rest;
        Some(Element { datatype: self.datatype, bytes: head, heap: self.heap })
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// One element of [`Values`].
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    datatype: &'a Datatype,
    bytes: &'a [u8],
    heap: &'a HeapArena,
}

impl<'a> Element<'a> {
    /// Its type.
    pub fn datatype(&self) -> &'a Datatype {
        self.datatype
    }
    /// Its bytes as stored.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The number of an integer, bit field, time or enumeration of up to 16 bytes.
    pub fn integer(&self) -> Option<i128> {
        number::integer_of(self.datatype, self.bytes)
    }

    /// The number of a float of any layout of up to 16 bytes, rounded to `f64`; also of an integer.
    pub fn float(&self) -> Option<f64> {
        number::float_of(self.datatype, self.bytes)
    }

    /// The name of the value of an enumeration, if it has one.
    pub fn enum_name(&self) -> Option<&'a Name> {
        match &self.datatype.class {
            DatatypeClass::Enum { members, .. } => {
                members.iter().find(|m| m.value == self.bytes).map(|m| &m.name)
            }
            _ => None,
        }
    }

    /// The bytes of a string, without padding; `None` if this is no string.
    ///
    /// # Errors
    /// `Corrupt` if the text cannot be found.
    pub fn text(&self) -> Result<Option<&'a [u8]>> {
        match self.datatype.class {
            DatatypeClass::FixedString { padding, .. } => Ok(Some(trim(self.bytes, padding))),
            DatatypeClass::VarString { .. } => {
                let pointer = HeapPointer::decode(self.bytes)?;
                if pointer.is_null() {
                    return Ok(Some(&[]));
                }
                let object = self.heap.object(pointer.address, pointer.index)?;
                Ok(Some(until_nul(sequence(object, pointer.len, 1)?)))
            }
            _ => Ok(None),
        }
    }

    /// The members of a compound, in stored order; nothing for other classes.
    pub fn members(&self) -> impl Iterator<Item = (&'a Name, Element<'a>)> + use<'a> {
        let element = *self;
        let members = match &self.datatype.class {
            DatatypeClass::Compound(members) => &members[..],
            _ => &[],
        };
        members.iter().filter_map(move |m| {
            let bytes = element.bytes.get(m.offset..m.offset.checked_add(m.datatype.size)?)?;
            Some((&m.name, Element { datatype: &m.datatype, bytes, heap: element.heap }))
        })
    }

    /// The elements of an array, of a variable-length sequence, or both parts of a complex number; `None` for other
    /// classes.
    ///
    /// # Errors
    /// `Corrupt` if the sequence cannot be found.
    pub fn elements(&self) -> Result<Option<Elements<'a>>> {
        let of = |datatype, bytes| Some(Elements { datatype, bytes, heap: self.heap });
        Ok(match &self.datatype.class {
            DatatypeClass::Array { base, .. } | DatatypeClass::Complex(base) => of(&**base, self.bytes),
            DatatypeClass::VarLen(base) => {
                let pointer = HeapPointer::decode(self.bytes)?;
                if pointer.is_null() {
                    return Ok(of(&**base, &[]));
                }
                let object = self.heap.object(pointer.address, pointer.index)?;
                of(&**base, sequence(object, pointer.len, base.size)?)
            }
            _ => None,
        })
    }

    /// What a reference refers to; `None` for other classes.
    ///
    /// # Errors
    /// `Corrupt` if the reference is damaged.
    pub fn reference(&self) -> Result<Option<Reference>> {
        match self.datatype.class {
            DatatypeClass::Reference(kind) => reference::decode(kind, self.bytes, self.heap).map(Some),
            _ => Ok(None),
        }
    }
}

/// Gathers every object that elements of `datatype` point to.
pub(crate) fn gather(
    datatype: &Datatype,
    bytes: &[u8],
    heap: &dyn HeapRead,
    arena: &mut HeapArena,
) -> Result<()> {
    let size = datatype.size.max(1);
    match &datatype.class {
        DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) => {
            for element in bytes.chunks_exact(size) {
                let pointer = HeapPointer::decode(element)?;
                if pointer.is_null() || arena.contains(pointer.address, pointer.index) {
                    continue;
                }
                let mut nested = None;
                let found = heap.with_object(pointer.address, pointer.index, &mut |object| {
                    arena.insert(pointer.address, pointer.index, object)?;
                    if let DatatypeClass::VarLen(base) = &datatype.class
                        && points_elsewhere(base)
                    {
                        nested = Some((base, sequence(object, pointer.len, base.size)?.to_vec()));
                    }
                    Ok(())
                });
                // A damaged pointer harms its own element only: reading that element gives the error.
                if !skippable(found)? {
                    continue;
                }
                if let Some((base, elements)) = nested {
                    gather(base, &elements, heap, arena)?;
                }
            }
        }
        DatatypeClass::Compound(members) => {
            for member in members.iter().filter(|m| points_elsewhere(&m.datatype)) {
                for element in bytes.chunks_exact(size) {
                    let part = element.get(member.offset..member.offset + member.datatype.size);
                    gather(&member.datatype, part.unwrap_or_default(), heap, arena)?;
                }
            }
        }
        DatatypeClass::Array { base, .. } if points_elsewhere(base) => gather(base, bytes, heap, arena)?,
        DatatypeClass::Reference(kind) => {
            for element in bytes.chunks_exact(size) {
                if let Some((address, index)) = reference::heap_object(*kind, element, heap.offset_size())?
                    && !arena.contains(address, index)
                {
                    let found =
                        heap.with_object(address, index, &mut |object| arena.insert(address, index, object));
                    skippable(found)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Stores what elements point to in another heap, and makes them point there.
fn move_pointers(
    datatype: &Datatype,
    bytes: &mut [u8],
    from: &HeapArena,
    to: &mut dyn HeapWrite,
) -> Result<()> {
    let size = datatype.size.max(1);
    match &datatype.class {
        DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) => {
            for element in bytes.chunks_exact_mut(size) {
                let mut pointer = HeapPointer::decode(element)?;
                if pointer.is_null() {
                    element.fill(0);
                    continue;
                }
                let object = from.object(pointer.address, pointer.index)?;
                (pointer.address, pointer.index) = match &datatype.class {
                    DatatypeClass::VarLen(base) => {
                        let mut object = sequence(object, pointer.len, base.size)?.to_vec();
                        move_pointers(base, &mut object, from, to)?;
                        to.store(&object)?
                    }
                    _ => to.store(sequence(object, pointer.len, 1)?)?,
                };
                pointer.encode(element)?;
            }
        }
        DatatypeClass::Compound(members) => {
            for element in bytes.chunks_exact_mut(size) {
                for member in members.iter().filter(|m| holds_addresses(&m.datatype)) {
                    let part =
                        element.get_mut(member.offset..member.offset.saturating_add(member.datatype.size));
                    move_pointers(&member.datatype, part.unwrap_or_default(), from, to)?;
                }
            }
        }
        DatatypeClass::Array { base, .. } => move_pointers(base, bytes, from, to)?,
        DatatypeClass::Reference(kind) => {
            for element in bytes.chunks_exact_mut(size) {
                reference::move_reference(*kind, element, from, to)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// True if the object was found, false if it is damaged; other errors stay errors.
fn skippable(found: Result<()>) -> Result<bool> {
    use crate::error::ErrorKind as K;
    match found {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.kind(), K::Corrupt(_) | K::Truncated(_)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// True if elements have parts in the global heap, or name objects.
fn holds_addresses(datatype: &Datatype) -> bool {
    match &datatype.class {
        DatatypeClass::Reference(_) => true,
        DatatypeClass::Compound(members) => members.iter().any(|m| holds_addresses(&m.datatype)),
        DatatypeClass::Array { base, .. } => holds_addresses(base),
        _ => points_elsewhere(datatype),
    }
}

/// True if elements have parts in the global heap.
pub(crate) fn points_elsewhere(datatype: &Datatype) -> bool {
    match &datatype.class {
        DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) => true,
        DatatypeClass::Reference(kind) => *kind != crate::model::datatype::ReferenceType::Object,
        DatatypeClass::Compound(members) => members.iter().any(|m| points_elsewhere(&m.datatype)),
        DatatypeClass::Array { base, .. } => points_elsewhere(base),
        _ => false,
    }
}

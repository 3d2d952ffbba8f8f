//! Elements of one file as elements of another: what they point to in the global heap goes along, references are
//! pointed anew, and pointers become as wide as the addresses of the other file.

use super::{HeapArena, HeapPointer, HeapWrite, Values, vlen::sequence};
use crate::{
    error::{Error, Result},
    format::{
        primitive::Sizes,
        reference::{
            HeapPointer as ReferencePointer, RawReference, decode_reference, decode_region, decode_std,
            encode_reference, encode_region, encode_std,
        },
        selection::SelectionStyle,
    },
    limits::try_vec,
    model::datatype::{Datatype, DatatypeClass, ReferenceType},
};

/// True if elements name places of their file: by pointers into the global heap, or by references.
pub(crate) fn names_places(datatype: &Datatype) -> bool {
    match &datatype.class {
        DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) | DatatypeClass::Reference(_) => true,
        DatatypeClass::Compound(members) => members.iter().any(|m| names_places(&m.datatype)),
        DatatypeClass::Array { base, .. } => names_places(base),
        _ => false,
    }
}

/// True if elements hold references, at any depth.
pub(crate) fn has_references(datatype: &Datatype) -> bool {
    match &datatype.class {
        DatatypeClass::Reference(_) => true,
        DatatypeClass::Compound(members) => members.iter().any(|m| has_references(&m.datatype)),
        DatatypeClass::Array { base, .. } | DatatypeClass::VarLen(base) => has_references(base),
        _ => false,
    }
}

/// The datatype in a file whose addresses are `wider` bytes longer.
pub(crate) fn widened(datatype: &Datatype, wider: usize) -> Datatype {
    let mut out = datatype.clone();
    if wider > 0 {
        widen(&mut out, wider);
    }
    out
}

fn widen(datatype: &mut Datatype, wider: usize) {
    match &mut datatype.class {
        DatatypeClass::VarString { .. } | DatatypeClass::Reference(_) => datatype.size += wider,
        DatatypeClass::VarLen(base) => {
            datatype.size += wider;
            widen(base, wider);
        }
        DatatypeClass::Array { base, .. } => {
            let count = datatype.size / base.size.max(1);
            widen(base, wider);
            datatype.size = base.size * count;
        }
        DatatypeClass::Compound(members) => {
            let mut order: Vec<usize> = (0..members.len()).collect();
            order.sort_by_key(|&i| members[i].offset);
            let mut shift = 0;
            for i in order {
                let member = &mut members[i];
                member.offset += shift;
                let before = member.datatype.size;
                widen(&mut member.datatype, wider);
                shift += member.datatype.size - before;
            }
            datatype.size += shift;
        }
        _ => {}
    }
}

/// Where references and pointers lead in the file that elements are transferred to.
pub(crate) struct Transfer<'a> {
    /// What the object at an address of the source is in the target: what [`HeapWrite::settle`] takes.
    pub(crate) object: &'a dyn Fn(u64) -> Option<u64>,
    /// Elements that cannot be read become null, and are counted, instead of being an error.
    pub(crate) lenient: bool,
    /// Elements that became null because they cannot be read.
    pub(crate) lost: u64,
}

impl Transfer<'_> {
    /// The elements as bytes of the target, whose addresses have `to.offset_size()` bytes.
    pub(crate) fn values(&mut self, values: &Values, to: &mut dyn HeapWrite) -> Result<Vec<u8>> {
        let from = values.datatype();
        if !names_places(from) {
            return Ok(values.bytes().to_vec());
        }
        let source = usize::from(values.heap().offset_size_of());
        let wider = to
            .offset_size()
            .checked_sub(source)
            .ok_or_else(|| Error::unsupported("copying elements into a file with shorter addresses"))?;
        let target = widened(from, wider);
        let mut out = try_vec("bytes of elements", (values.len() as u64).saturating_mul(target.size as u64))?;
        out.resize(values.len() * target.size, 0);
        let elements = values.bytes().chunks_exact(from.size.max(1));
        for (element, out) in elements.zip(out.chunks_exact_mut(target.size.max(1))) {
            self.element(from, &target, values.heap(), element, out, to)?;
        }
        Ok(out)
    }

    fn element(
        &mut self,
        from: &Datatype,
        to: &Datatype,
        arena: &HeapArena,
        input: &[u8],
        output: &mut [u8],
        heap: &mut dyn HeapWrite,
    ) -> Result<()> {
        match (&from.class, &to.class) {
            (DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_), _) => {
                let object = self.object_of(from, to, arena, input, heap);
                let pointer = self.forgive(object)?.flatten();
                match pointer {
                    Some(pointer) => pointer.encode(output)?,
                    None => output.fill(0),
                }
            }
            (DatatypeClass::Reference(kind), _) => {
                let reference = self.reference(*kind, arena, input, output.len(), heap);
                match self.forgive(reference)? {
                    Some(bytes) => output.copy_from_slice(&bytes),
                    None => output.fill(0),
                }
            }
            (DatatypeClass::Compound(members), DatatypeClass::Compound(targets)) => {
                if from.size == to.size {
                    output.copy_from_slice(input);
                }
                for (m, t) in members.iter().zip(targets) {
                    let part = input.get(m.offset..m.offset.saturating_add(m.datatype.size));
                    let place = output.get_mut(t.offset..t.offset.saturating_add(t.datatype.size));
                    let (Some(part), Some(place)) = (part, place) else {
                        return Err(Error::corrupt("a member outside its compound"));
                    };
                    self.element(&m.datatype, &t.datatype, arena, part, place, heap)?;
                }
            }
            (DatatypeClass::Array { base, .. }, DatatypeClass::Array { base: target, .. }) => {
                let parts = input.chunks_exact(base.size.max(1));
                for (part, place) in parts.zip(output.chunks_exact_mut(target.size.max(1))) {
                    self.element(base, target, arena, part, place, heap)?;
                }
            }
            _ => output.copy_from_slice(input),
        }
        Ok(())
    }

    /// `None` for what cannot be read, if that is to be forgiven.
    fn forgive<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        use crate::error::ErrorKind as K;
        match result {
            Ok(value) => Ok(Some(value)),
            Err(e)
                if self.lenient
                    && matches!(e.kind(), K::Corrupt(_) | K::Truncated(_) | K::Unsupported(_)) =>
            {
                self.lost += 1;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn object_of(
        &mut self,
        from: &Datatype,
        to: &Datatype,
        arena: &HeapArena,
        input: &[u8],
        heap: &mut dyn HeapWrite,
    ) -> Result<Option<HeapPointer>> {
        let pointer = HeapPointer::decode(input)?;
        // An empty text or sequence is another thing than none, and its object need not be there.
        let object = match pointer {
            HeapPointer { address: 0, .. } => return Ok(None),
            HeapPointer { len: 0, .. } => &[],
            _ => arena.object(pointer.address, pointer.index)?,
        };
        let (address, index) = match (&from.class, &to.class) {
            (DatatypeClass::VarLen(base), DatatypeClass::VarLen(target)) => {
                let elements = sequence(object, pointer.len, base.size)?;
                if names_places(base) {
                    let bytes = u64::from(pointer.len).saturating_mul(target.size as u64);
                    let mut out = try_vec("bytes of a sequence", bytes)?;
                    out.resize(pointer.len as usize * target.size, 0);
                    let parts = elements.chunks_exact(base.size.max(1));
                    for (part, place) in parts.zip(out.chunks_exact_mut(target.size.max(1))) {
                        self.element(base, target, arena, part, place, heap)?;
                    }
                    heap.store(&out)?
                } else {
                    heap.store(elements)?
                }
            }
            _ => heap.store(sequence(object, pointer.len, 1)?)?,
        };
        Ok(Some(HeapPointer { len: pointer.len, address, index }))
    }

    /// The address of the header of an object, in the target.
    fn settled(&self, address: u64, heap: &mut dyn HeapWrite) -> Result<Option<u64>> {
        (self.object)(address).map(|target| heap.settle(target)).transpose()
    }

    fn reference(
        &mut self,
        kind: ReferenceType,
        arena: &HeapArena,
        input: &[u8],
        size: usize,
        heap: &mut dyn HeapWrite,
    ) -> Result<Vec<u8>> {
        let from = Sizes { offset: arena.offset_size_of(), length: 8 };
        let to = Sizes { offset: heap.offset_size() as u8, length: 8 };
        let style = SelectionStyle::V18;
        let raw = match decode_reference(input, kind, from)? {
            RawReference::Null => RawReference::Null,
            RawReference::Object(address) => {
                self.settled(address, heap)?.map_or(RawReference::Null, RawReference::Object)
            }
            RawReference::Region(pointer) => {
                let (address, selection) =
                    decode_region(arena.object(pointer.address, pointer.index)?, from)?;
                match self.settled(address, heap)? {
                    Some(address) => {
                        let (address, index) = heap.store(&encode_region(address, &selection, style, to)?)?;
                        RawReference::Region(ReferencePointer { address, index })
                    }
                    None => RawReference::Null,
                }
            }
            RawReference::Std { kind, external, size, pointer } => {
                let object = arena.object(pointer.address, pointer.index)?;
                let object = object.get(..size as usize).unwrap_or(object);
                let mut reference = decode_std(object, kind, external)?;
                let target =
                    if external { Some(reference.object) } else { self.settled(reference.object, heap)? };
                match target {
                    Some(object) => {
                        reference.object = object;
                        let bytes = encode_std(&reference, style, to)?;
                        let size = u32::try_from(bytes.len())
                            .map_err(|_| Error::limit("bytes of a reference", bytes.len() as u64, 1 << 32))?;
                        let (address, index) = heap.store(&bytes)?;
                        let pointer = ReferencePointer { address, index };
                        RawReference::Std { kind, external, size, pointer }
                    }
                    None => RawReference::Null,
                }
            }
        };
        encode_reference(&raw, kind, size, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::datatype::{ByteOrder, Charset, Member, StringPadding};

    struct Heap(Vec<Vec<u8>>);
    impl HeapWrite for Heap {
        fn offset_size(&self) -> usize {
            8
        }
        fn store(&mut self, object: &[u8]) -> Result<(u64, u32)> {
            self.0.push(object.to_vec());
            Ok((0x1000, self.0.len() as u32))
        }
    }

    /// A compound of a text, a number and a reference, in a file with addresses of 4 bytes.
    fn datatype() -> Datatype {
        let member = |name: &str, offset, datatype| Member { name: name.into(), offset, datatype };
        let text =
            DatatypeClass::VarString { padding: StringPadding::NullTerminated, charset: Charset::Ascii };
        let reference = DatatypeClass::Reference(ReferenceType::Object);
        Datatype {
            size: 20,
            class: DatatypeClass::Compound(vec![
                member("number", 12, Datatype::integer(2, true, ByteOrder::Little)),
                member("text", 0, Datatype { size: 12, class: text }),
                member("object", 16, Datatype { size: 4, class: reference }),
            ]),
        }
    }

    #[test]
    fn pointers_get_wider_and_lead_elsewhere() {
        let datatype = datatype();
        let wide = widened(&datatype, 4);
        assert_eq!(wide.size, 28);
        let mut arena = HeapArena::new(4);
        arena.insert(0x200, 3, b"hello").unwrap();
        let mut bytes = vec![5, 0, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0, 7, 0, 0xaa, 0xaa, 0x40, 0, 0, 0];
        bytes.extend([5, 0, 0, 0, 0, 2, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 0x41, 0, 0, 0]);
        let values = Values::from_parts(datatype.into(), vec![2], bytes, arena);
        let mut heap = Heap(Vec::new());
        let mut transfer = Transfer { object: &|a| (a == 0x40).then_some(0x800), lenient: true, lost: 0 };
        let out = transfer.values(&values, &mut heap).unwrap();
        assert_eq!(heap.0, [b"hello"]);
        assert_eq!(out[..16], [5, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(out[16..28], [7, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0]);
        // The second text is lost, and the second reference leads to nothing that was copied.
        assert_eq!(transfer.lost, 1);
        assert_eq!(out[28..44], [0; 16]);
        assert_eq!(out[44..], [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        transfer.lenient = false;
        assert!(transfer.values(&values, &mut heap).is_err());
    }
}

//! Reference elements in raw data: section VIII of the specification ("Reference Encoding").
//!
//! ```text
//! object:               | address of the object header (O); 0: null |
//! region:               | global-heap collection (O) | index (4) |  -> heap object: | dataset (O) | selection |
//! std, inline:          | type: 2 | flags: 0 | token length (1) | token | zeros |
//! std, in the heap:     | type    | flags    | size (4) | global-heap collection (O) | index (4) |
//!   -> heap object:     | token length (1) | token | file length (2), file, if flags bit 0 | rest |
//!   rest of type 3:     | size (4) | rank (4) | selection |
//!   rest of type 4:     | length (2) | name of the attribute |
//! type: 2 object, 3 region, 4 attribute
//! ```
//!
//! The token of an object is the address of its header. References to objects of the same file are inline.

use crate::error::{Context, Error, Result};
use crate::format::message::check_bits;
use crate::format::output::{narrow, put_address, put_u16, put_u32, put_uint};
use crate::format::primitive::{Bytes, Sizes, all_ones};
use crate::format::selection::{SelectionStyle, decode_selection, encode_selection};
use crate::model::datatype::ReferenceType;
use crate::model::link::Name;
use crate::model::selection::Selection;

const NAME: &str = "reference";
const EXTERNAL: u8 = 0x01;

/// A reference as an element holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawReference {
    /// Refers to nothing.
    Null,
    /// The object header at this address.
    Object(u64),
    /// Address and selection are in the global heap: see [`decode_region`].
    Region(HeapPointer),
    /// The rest is in the global heap: see [`decode_std`].
    Std {
        /// What it refers to.
        kind: StdKind,
        /// The heap object names another file.
        external: bool,
        /// Bytes of the heap object.
        size: u32,
        /// Where it is.
        pointer: HeapPointer,
    },
}

/// An object of the global heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapPointer {
    /// Address of the collection.
    pub address: u64,
    /// Object within the collection.
    pub index: u32,
}

/// What a reference of HDF5 1.12 refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdKind {
    /// An object.
    Object,
    /// Elements of a dataset.
    Region,
    /// An attribute.
    Attribute,
}

/// The heap object of a reference of HDF5 1.12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StdReference {
    /// Address of the object header.
    pub object: u64,
    /// File that the object is in, if another one.
    pub file: Option<Name>,
    /// Which part of the object.
    pub part: ReferencePart,
}

/// Which part of an object a reference refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferencePart {
    /// All of it.
    Whole,
    /// Elements of a dataset whose dataspace has this rank.
    Region {
        /// Rank of the dataspace.
        rank: u32,
        /// The elements.
        selection: Selection,
    },
    /// The attribute of that name.
    Attribute(Name),
}

/// Decodes an element of a reference type.
///
/// # Errors
/// `Truncated`, `Corrupt` (undefined address), `Unsupported` (type, flags).
pub fn decode_reference(element: &[u8], kind: ReferenceType, sizes: Sizes) -> Result<RawReference> {
    decode(Bytes(element), kind, sizes).in_structure(NAME)
}

fn decode(mut bytes: Bytes<'_>, kind: ReferenceType, sizes: Sizes) -> Result<RawReference> {
    match kind {
        ReferenceType::Object => Ok(match bytes.address(sizes)? {
            None | Some(0) => RawReference::Null,
            Some(address) => RawReference::Object(address),
        }),
        ReferenceType::Region => {
            Ok(heap_pointer(&mut bytes, sizes)?.map_or(RawReference::Null, RawReference::Region))
        }
        ReferenceType::StdObject | ReferenceType::StdRegion | ReferenceType::StdAttribute => {
            let [kind, flags] = bytes.array()?;
            let kind = match kind {
                0 => return Ok(RawReference::Null),
                2 => StdKind::Object,
                3 => StdKind::Region,
                4 => StdKind::Attribute,
                _ => return Err(Error::unsupported(format!("reference type {kind}"))),
            };
            check_bits(flags, EXTERNAL)?;
            let external = flags & EXTERNAL != 0;
            if kind == StdKind::Object && !external {
                return Ok(match token(&mut bytes)? {
                    0 => RawReference::Null,
                    address if address < all_ones(sizes.offset) => RawReference::Object(address),
                    address => return Err(Error::corrupt(format!("address {address:#x}"))),
                });
            }
            let size = bytes.u32()?;
            Ok(match heap_pointer(&mut bytes, sizes)? {
                Some(pointer) => RawReference::Std { kind, external, size, pointer },
                None => RawReference::Null,
            })
        }
    }
}

/// `None` is the null pointer: address 0, or an undefined one.
fn heap_pointer(bytes: &mut Bytes<'_>, sizes: Sizes) -> Result<Option<HeapPointer>> {
    let (address, index) = (bytes.address(sizes)?, bytes.u32()?);
    Ok(address.filter(|&a| a != 0).map(|address| HeapPointer { address, index }))
}

fn token(bytes: &mut Bytes<'_>) -> Result<u64> {
    match bytes.u8()? {
        width @ 1..=8 => bytes.uint(width),
        width => Err(Error::unsupported(format!("object token of {width} bytes"))),
    }
}

/// Decodes the heap object of a region reference: the address of the dataset, and the elements.
///
/// # Errors
/// `Truncated`, `Corrupt` (undefined address), and those of a selection.
pub fn decode_region(object: &[u8], sizes: Sizes) -> Result<(u64, Selection)> {
    let mut bytes = Bytes(object);
    let address = bytes.address(sizes).in_structure(NAME)?;
    let address = address.ok_or_else(|| Error::corrupt("undefined address").in_structure(NAME))?;
    Ok((address, decode_selection(bytes.0)?.0))
}

/// The heap object of a region reference.
///
/// # Errors
/// `Usage` for a selection that is not valid.
pub fn encode_region(
    address: u64,
    selection: &Selection,
    style: SelectionStyle,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    put_address(&mut out, Some(address), sizes)?;
    out.extend(encode_selection(selection, style)?);
    Ok(out)
}

/// Decodes the heap object of a reference of HDF5 1.12.
///
/// # Errors
/// `Truncated`, `Corrupt`, and those of a selection.
pub fn decode_std(object: &[u8], kind: StdKind, external: bool) -> Result<StdReference> {
    let mut bytes = Bytes(object);
    let mut decode = || {
        let object = token(&mut bytes)?;
        let file = if external { Some(text(&mut bytes)?) } else { None };
        let part = match kind {
            StdKind::Object => ReferencePart::Whole,
            StdKind::Attribute => ReferencePart::Attribute(text(&mut bytes)?),
            StdKind::Region => {
                let (size, rank) = (bytes.u32()?, bytes.u32()?);
                if rank > 32 {
                    return Err(Error::corrupt(format!("rank {rank}")));
                }
                let (selection, _) = decode_selection(bytes.take(size as usize)?)?;
                ReferencePart::Region { rank, selection }
            }
        };
        Ok(StdReference { object, file, part })
    };
    decode().in_structure(NAME)
}

fn text(bytes: &mut Bytes<'_>) -> Result<Name> {
    let length = bytes.u16()?;
    Ok(Name::from(bytes.take(length.into())?))
}

/// The heap object of a reference of HDF5 1.12.
///
/// # Errors
/// `Usage` for what does not fit.
pub fn encode_std(reference: &StdReference, style: SelectionStyle, sizes: Sizes) -> Result<Vec<u8>> {
    let mut out = vec![sizes.offset];
    put_address(&mut out, Some(reference.object), sizes)?;
    if let Some(file) = &reference.file {
        put_text(&mut out, file)?;
    }
    match &reference.part {
        ReferencePart::Whole => {}
        ReferencePart::Attribute(name) => put_text(&mut out, name)?,
        ReferencePart::Region { rank, selection } => {
            let selection = encode_selection(selection, style)?;
            put_u32(&mut out, selection.len(), "size of a selection")?;
            put_u32(&mut out, *rank, "rank")?;
            out.extend(selection);
        }
    }
    Ok(out)
}

fn put_text(out: &mut Vec<u8>, text: &Name) -> Result<()> {
    put_u16(out, text.as_bytes().len(), "length of a name")?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// An element of `size` bytes of a reference type.
///
/// # Errors
/// `Usage` if the reference is not of this type, or `size` too small.
pub fn encode_reference(
    reference: &RawReference,
    kind: ReferenceType,
    size: usize,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match (reference, kind) {
        (RawReference::Null, _) => {}
        (RawReference::Object(address), ReferenceType::Object) => {
            put_address(&mut out, Some(*address), sizes)?
        }
        (RawReference::Region(pointer), ReferenceType::Region) => put_pointer(&mut out, pointer, sizes)?,
        (RawReference::Object(address), _) if kind.is_std() => {
            out.extend([2, 0, narrow(sizes.offset, "width")?]);
            put_uint(&mut out, *address, sizes.offset)?;
        }
        (RawReference::Std { kind: part, external, size, pointer }, _) if kind.is_std() => {
            let code = match part {
                StdKind::Object => 2,
                StdKind::Region => 3,
                StdKind::Attribute => 4,
            };
            out.extend([code, u8::from(*external)]);
            put_u32(&mut out, *size, "size of a reference")?;
            put_pointer(&mut out, pointer, sizes)?;
        }
        _ => return Err(Error::usage(format!("{reference:?} as element of {kind:?}")).in_structure(NAME)),
    }
    if out.len() > size {
        return Err(Error::usage(format!("{} bytes of a reference in {size}", out.len())).in_structure(NAME));
    }
    out.resize(size, 0);
    Ok(out)
}

fn put_pointer(out: &mut Vec<u8>, pointer: &HeapPointer, sizes: Sizes) -> Result<()> {
    put_address(out, Some(pointer.address), sizes)?;
    put_u32(out, pointer.index, "index of a heap object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };
    const ALL: &str = "03000000 01000000 00000000 00000000";
    const POINTER: HeapPointer = HeapPointer { address: 0x200, index: 3 };

    fn same(text: &str, kind: ReferenceType, value: RawReference) {
        let bytes = hex(text);
        assert_eq!(decode_reference(&bytes, kind, FOUR).unwrap(), value);
        assert_eq!(encode_reference(&value, kind, bytes.len(), FOUR).unwrap(), bytes);
        assert!(is_truncated(&decode_reference(&bytes[..1], kind, FOUR).unwrap_err()));
    }

    #[test]
    fn elements() {
        same("00020000", ReferenceType::Object, RawReference::Object(0x200));
        same("00000000", ReferenceType::Object, RawReference::Null);
        same("00020000 03000000", ReferenceType::Region, RawReference::Region(POINTER));
        same("00000000 00000000", ReferenceType::Region, RawReference::Null);
        let inline = "02 00 04 00020000 0000000000000000000000";
        same(inline, ReferenceType::StdObject, RawReference::Object(0x200));
        for (text, kind, external) in [
            ("02 01 09000000 00020000 03000000 00000000", StdKind::Object, true),
            ("03 00 09000000 00020000 03000000 00000000", StdKind::Region, false),
            ("04 00 09000000 00020000 03000000 00000000", StdKind::Attribute, false),
        ] {
            let value = RawReference::Std { kind, external, size: 9, pointer: POINTER };
            same(text, ReferenceType::StdObject, value);
        }
        same(&"00".repeat(18), ReferenceType::StdAttribute, RawReference::Null);
    }

    #[test]
    fn heap_objects() {
        let bytes = hex(&format!("00020000 {ALL}"));
        assert_eq!(decode_region(&bytes, FOUR).unwrap(), (0x200, Selection::All));
        assert_eq!(encode_region(0x200, &Selection::All, SelectionStyle::V18, FOUR).unwrap(), bytes);
        for (text, kind, file, part) in [
            ("04 00020000 0100 66".to_owned(), StdKind::Object, Some("f".into()), ReferencePart::Whole),
            (
                "04 00020000 0100 61".to_owned(),
                StdKind::Attribute,
                None,
                ReferencePart::Attribute("a".into()),
            ),
            (
                format!("04 00020000 10000000 02000000 {ALL}"),
                StdKind::Region,
                None,
                ReferencePart::Region { rank: 2, selection: Selection::All },
            ),
        ] {
            let bytes = hex(&text);
            let value = StdReference { object: 0x200, file, part };
            let external = value.file.is_some();
            assert_eq!(decode_std(&bytes, kind, external).unwrap(), value);
            assert_eq!(encode_std(&value, SelectionStyle::V18, FOUR).unwrap(), bytes);
            for n in 0..bytes.len() {
                assert!(is_truncated(&decode_std(&bytes[..n], kind, external).unwrap_err()));
            }
        }
    }

    /// Written by HDF5 2.0: element and heap object of references to a region and to an attribute of another file.
    #[test]
    fn as_libhdf5_writes_them() {
        let kind = ReferenceType::StdObject;
        let decode = |text: &str| decode_reference(&hex(text), kind, Sizes::EIGHT).unwrap();
        assert_eq!(decode("020008200300000000000000000000000000"), RawReference::Object(0x320));
        let pointer = HeapPointer { address: 0x86c, index: 4 };
        let region = RawReference::Std { kind: StdKind::Region, external: true, size: 65, pointer };
        assert_eq!(decode("0301410000006c0800000000000004000000"), region);
        let object =
            hex("08 2003000000000000 0600 6f74682e6835 28000000 02000000 02000000 01000000 00000000 18000000
             02000000 01000000 01000000 02000000 03000000 05000000");
        let value = decode_std(&object, StdKind::Region, true).unwrap();
        assert_eq!(value.file, Some("oth.h5".into()));
        assert!(matches!(value.part, ReferencePart::Region { rank: 2, selection: Selection::Hyperslab(_) }));
        assert_eq!(encode_std(&value, SelectionStyle::V18, Sizes::EIGHT).unwrap(), object);
        let object = hex("08 2003000000000000 0300 617474");
        let value = decode_std(&object, StdKind::Attribute, false).unwrap();
        assert_eq!(value.part, ReferencePart::Attribute("att".into()));
    }

    #[test]
    fn hostile() {
        let std = ReferenceType::StdObject;
        assert!(is_unsupported(decode_reference(&hex("05 00 04 00020000"), std, FOUR)));
        assert!(is_unsupported(decode_reference(&hex("02 00 10 00020000"), std, FOUR)));
        assert!(is_corrupt(decode_reference(&hex("02 02 04 00020000"), std, FOUR)));
        assert!(is_corrupt(decode_reference(&hex("02 00 08 0000000001000000"), std, FOUR)));
        assert!(is_corrupt(decode_region(&hex(&format!("ffffffff {ALL}")), FOUR)));
        let object = hex("04 00020000 10000000 21000000");
        assert!(is_corrupt(decode_std(&object, StdKind::Region, false)));
        let object = RawReference::Object(1);
        assert!(is_usage(encode_reference(&object, ReferenceType::Region, 8, FOUR)));
        assert!(is_usage(encode_reference(&object, ReferenceType::Object, 3, FOUR)));
    }
}

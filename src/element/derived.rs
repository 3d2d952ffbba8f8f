//! What the code of `#[derive(H5Type)]` calls: places of compound members, and enumerations matched by name.

use std::sync::Arc;

use super::{H5Type, HeapRead, HeapWrite};
use crate::error::{Error, ErrorKind, Result};
use crate::model::datatype::{ByteOrder, Datatype, DatatypeClass, EnumMember, Member};

/// Where a member lies within a compound that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    offset: usize,
    size: usize,
}

/// Places of fields that have the layout of the struct in memory.
pub fn places_in_memory<const N: usize>(offsets: [usize; N], sizes: [usize; N]) -> [Place; N] {
    std::array::from_fn(|i| Place { offset: offsets[i], size: sizes[i] })
}

/// Places of members that follow each other without gaps.
pub fn places_in_sequence<const N: usize>(sizes: [usize; N]) -> [Place; N] {
    let mut end = 0;
    sizes.map(|size| {
        let offset = end;
        end += size;
        Place { offset, size }
    })
}

/// The compound of these members; without a size it ends with the last member.
pub fn compound<const N: usize>(
    size: Option<usize>,
    places: &[Place; N],
    members: [(&str, Datatype); N],
) -> Datatype {
    let end = places.iter().map(|p| p.offset + p.size).max().unwrap_or(0);
    let members = members
        .into_iter()
        .zip(places)
        .map(|((name, datatype), place)| Member { name: name.into(), offset: place.offset, datatype })
        .collect();
    Datatype { size: size.unwrap_or(end), class: DatatypeClass::Compound(members) }
}

/// Encodes a field at its place.
pub fn encode_at<T: H5Type>(value: &T, place: Place, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
    let room = out.len();
    match out.get_mut(place.offset..).and_then(|rest| rest.get_mut(..place.size)) {
        Some(bytes) => value.encode(bytes, heap),
        None => Err(Error::usage(format!(
            "a member of {} bytes at byte {} does not fit in an element of {room} bytes",
            place.size, place.offset
        ))),
    }
}

/// How a field is decoded from its member of the file's compound.
#[derive(Clone, Debug)]
pub struct Slot<P> {
    offset: usize,
    size: usize,
    plan: P,
}

impl<P> Slot<P> {
    /// The slot of the member of that name, which must have a datatype that fits `T`.
    ///
    /// # Errors
    /// `Type` if the file's datatype is not a compound, has no such member, or the member does not fit `T`.
    pub fn of_member<T: H5Type<Plan = P>>(file: &Datatype, name: &str) -> Result<Self> {
        let Some(member) = file.member(name) else {
            return Err(Error::type_mismatch(format_args!("compound with member {name:?}"), file));
        };
        let plan = T::plan(&member.datatype).map_err(|e| match e.kind() {
            ErrorKind::Type { expected, found } => {
                Error::type_mismatch(format_args!("member {name:?}: {expected}"), found)
            }
            _ => e,
        })?;
        Ok(Slot { offset: member.offset, size: member.datatype.size, plan })
    }

    /// Decodes the field from the bytes of an element.
    ///
    /// # Errors
    /// `Corrupt` if the member lies outside the element, and what the decoding of `T` gives.
    #[inline]
    pub fn decode<T: H5Type<Plan = P>>(&self, bytes: &[u8], heap: &dyn HeapRead) -> Result<T> {
        match bytes.get(self.offset..).and_then(|rest| rest.get(..self.size)) {
            Some(member) => T::decode(&self.plan, member, heap),
            None => Err(Error::corrupt(format!(
                "a member of {} bytes at byte {} lies outside the element of {} bytes",
                self.size,
                self.offset,
                bytes.len()
            ))),
        }
    }
}

/// The enumeration of these names and values over an integer type.
pub fn enumeration<const N: usize, const SIZE: usize>(
    base: Datatype,
    members: [(&str, [u8; SIZE]); N],
) -> Datatype {
    let members = members
        .into_iter()
        .map(|(name, value)| EnumMember { name: name.into(), value: value.to_vec() })
        .collect();
    Datatype { size: base.size, class: DatatypeClass::Enum { base: Box::new(base), members } }
}

/// How the values of the file's enumeration become variants.
#[derive(Clone, Debug)]
pub struct EnumPlan(Arc<EnumTable>);

#[derive(Debug)]
struct EnumTable {
    /// Stored value and variant, ascending; a variant that Rust does not have is `None`.
    variants: Vec<(Raw, Option<usize>)>,
    file: Datatype,
    rust: &'static str,
}

/// The bytes of a value as stored, filled up with zeros: values of one type are equal if these are.
type Raw = u64;

fn raw(bytes: &[u8]) -> Raw {
    let mut buffer = [0; 8];
    let n = bytes.len().min(8);
    buffer[..n].copy_from_slice(&bytes[..n]);
    Raw::from_le_bytes(buffer)
}

impl EnumPlan {
    /// Matches the members of the file's enumeration by name with `variants` of the Rust type `rust`.
    ///
    /// # Errors
    /// `Type` if the file's datatype is not an enumeration of integers of up to 8 bytes, or shares no name.
    pub fn new(file: &Datatype, rust: &'static str, variants: &[&str]) -> Result<Self> {
        let expected = || format!("enumeration {rust} of {}", quoted(variants));
        let DatatypeClass::Enum { base, members } = &file.class else {
            return Err(Error::type_mismatch(expected(), file));
        };
        if base.size > size_of::<Raw>() || file.size != base.size {
            return Err(Error::type_mismatch(expected(), file));
        }
        let mut table: Vec<(Raw, Option<usize>)> = members
            .iter()
            .map(|m| (raw(&m.value), variants.iter().position(|v| v.as_bytes() == m.name.as_bytes())))
            .collect();
        if !table.iter().any(|(_, variant)| variant.is_some()) {
            return Err(Error::type_mismatch(expected(), file));
        }
        // Of two names for one value, the one that Rust knows counts, and of those the first.
        table.sort_by_key(|&(value, variant)| (value, variant.is_none()));
        table.dedup_by_key(|(value, _)| *value);
        Ok(EnumPlan(Arc::new(EnumTable { variants: table, file: file.clone(), rust })))
    }

    /// The index of the variant that this element is.
    ///
    /// # Errors
    /// `Corrupt` if the enumeration in the file has no such value, `Type` if it has but the Rust type has no variant
    /// of that name.
    #[inline]
    pub fn variant(&self, bytes: &[u8]) -> Result<usize> {
        let value = raw(bytes);
        match self.0.variants.binary_search_by_key(&value, |(v, _)| *v).map(|i| self.0.variants[i].1) {
            Ok(Some(variant)) => Ok(variant),
            _ => Err(self.unknown(bytes)),
        }
    }

    #[cold]
    fn unknown(&self, bytes: &[u8]) -> Error {
        let EnumTable { file, rust, .. } = &*self.0;
        let DatatypeClass::Enum { base, members } = &file.class else {
            return Error::corrupt("not an enumeration");
        };
        let value = integer_text(base, bytes);
        match members.iter().find(|m| m.value == bytes) {
            Some(m) => Error::type_mismatch(
                format_args!("a variant of {rust}"),
                format_args!("{} = {value}", m.name),
            ),
            None => {
                Error::corrupt(format!("{value} is no value of the enumeration that {rust} is read from"))
            }
        }
    }
}

/// A stored integer for people.
fn integer_text(base: &Datatype, bytes: &[u8]) -> String {
    let (order, signed) = match base.class {
        DatatypeClass::Integer(t) | DatatypeClass::Bitfield(t) => (t.order, t.signed),
        _ => (ByteOrder::Little, false),
    };
    let mut ascending = bytes.to_vec();
    if order == ByteOrder::Big {
        ascending.reverse();
    }
    let unsigned = raw(&ascending);
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    if signed { (((unsigned << unused) as i64) >> unused).to_string() } else { unsigned.to_string() }
}

/// Names between quotes, the first twenty.
fn quoted(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    let mut text = names.iter().take(SHOWN).map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}

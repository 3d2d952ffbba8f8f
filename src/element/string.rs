//! Strings: fixed and variable, of three paddings and two character sets.
#![allow(unsafe_code)] // only `unsafe impl H5Type` with POD = false

use super::{H5Type, HeapPointer, HeapRead, HeapWrite};
use crate::{
    error::{Error, Result},
    model::{
        datatype::{Datatype, DatatypeClass, StringPadding},
        link::Name,
    },
};

/// How the text of a string element is found.
#[derive(Clone, Copy, Debug)]
pub enum StringPlan {
    /// In the element itself.
    Fixed(StringPadding),
    /// In the global heap.
    Variable,
}

/// The text of a fixed string without its padding.
pub(crate) fn trim(bytes: &[u8], padding: StringPadding) -> &[u8] {
    let padding_byte = match padding {
        StringPadding::NullTerminated => return until_nul(bytes),
        StringPadding::NullPadded => 0,
        StringPadding::SpacePadded => b' ',
    };
    let end = bytes.iter().rposition(|&b| b != padding_byte).map_or(0, |i| i + 1);
    &bytes[..end]
}

/// The bytes up to the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    // Most texts have none, which is found out many bytes at a time.
    if !bytes.contains(&0) {
        return bytes;
    }
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

/// The text in an object of the global heap, with what may follow its NUL.
#[inline]
pub(crate) fn text_of(pointer: HeapPointer, object: &[u8]) -> Result<&[u8]> {
    object
        .get(..pointer.len as usize)
        .ok_or_else(|| Error::corrupt(format!("a string of {} bytes in {}", pointer.len, object.len())))
}

#[inline]
fn with_text(
    plan: &StringPlan,
    bytes: &[u8],
    heap: &(impl HeapRead + ?Sized),
    f: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    match plan {
        StringPlan::Fixed(padding) => f(trim(bytes, *padding)),
        StringPlan::Variable => {
            let pointer = HeapPointer::decode(bytes)?;
            if pointer.is_null() {
                return f(&[]);
            }
            heap.with_object(pointer.address, pointer.index, &mut |object| {
                f(until_nul(text_of(pointer, object)?))
            })
        }
    }
}

pub(crate) fn plan(file: &Datatype) -> Result<StringPlan> {
    match file.class {
        DatatypeClass::FixedString { padding, .. } => Ok(StringPlan::Fixed(padding)),
        DatatypeClass::VarString { .. } => Ok(StringPlan::Variable),
        _ => Err(Error::type_mismatch("string", file)),
    }
}

/// Bytes of all texts that elements of this type say they have; they may be less.
pub(crate) fn text_bytes(datatype: &Datatype, bytes: &[u8]) -> u64 {
    if !matches!(datatype.class, DatatypeClass::VarString { .. }) {
        return bytes.len() as u64;
    }
    let len = |element| HeapPointer::decode(element).map_or(0, |pointer| u64::from(pointer.len));
    bytes.chunks_exact(datatype.size.max(1)).map(len).fold(0, u64::saturating_add)
}

fn encode(text: &[u8], out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
    let len = u32::try_from(text.len()).map_err(|_| Error::usage("a string longer than 4 GiB"))?;
    let (address, index) = if len == 0 { (0, 0) } else { heap.store(text)? };
    HeapPointer { len, address, index }.encode(out)
}

/// Strings of any kind; the text must be valid UTF-8 (read a [`Name`] otherwise).
// SAFETY: not POD.
unsafe impl H5Type for String {
    const POD: bool = false;
    type Plan = StringPlan;
    fn datatype() -> Datatype {
        Datatype::var_string()
    }
    fn plan(file: &Datatype) -> Result<StringPlan> {
        plan(file)
    }
    fn decode(plan: &StringPlan, bytes: &[u8], heap: &dyn HeapRead) -> Result<String> {
        let mut out = String::new();
        with_text(plan, bytes, heap, &mut |text| match std::str::from_utf8(text) {
            Ok(text) => {
                out = text.to_owned();
                Ok(())
            }
            Err(e) => Err(Error::type_mismatch("UTF-8 text", format!("{} ({e})", Name::from(text)))),
        })?;
        Ok(out)
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        encode(self.as_bytes(), out, heap)
    }
}

/// The bytes of a string, whatever their encoding.
// SAFETY: not POD.
unsafe impl H5Type for Name {
    const POD: bool = false;
    type Plan = StringPlan;
    fn datatype() -> Datatype {
        Datatype::var_string()
    }
    fn plan(file: &Datatype) -> Result<StringPlan> {
        plan(file)
    }
    fn decode(plan: &StringPlan, bytes: &[u8], heap: &dyn HeapRead) -> Result<Name> {
        let mut out = Name::default();
        with_text(plan, bytes, heap, &mut |text| {
            out = Name::from(text);
            Ok(())
        })?;
        Ok(out)
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        encode(self.as_bytes(), out, heap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paddings() {
        assert_eq!(trim(b"ab\0c\0", StringPadding::NullTerminated), b"ab");
        assert_eq!(trim(b"ab\0c\0", StringPadding::NullPadded), b"ab\0c");
        assert_eq!(trim(b"ab  ", StringPadding::SpacePadded), b"ab");
        assert_eq!(trim(b"    ", StringPadding::SpacePadded), b"");
    }
}

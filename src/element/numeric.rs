//! Integers, floats, booleans and complex numbers.
#![allow(unsafe_code)] // only `unsafe impl H5Type`: numbers have no invalid bit pattern

use half::f16;
use num_complex::Complex;

use super::{H5Type, HeapRead, HeapWrite, SwapPlan};
use crate::{
    error::{Error, Result},
    model::{
        datatype::{ByteOrder, Datatype, DatatypeClass, EnumMember, Member},
        link::Name,
    },
};

fn mismatch<T>(expected: &str, file: &Datatype) -> Result<T> {
    Err(Error::type_mismatch(expected, file))
}

/// Whether numbers of `file` must be swapped to be of type `memory`.
fn swapped(memory: &Datatype, file: &Datatype) -> Result<bool> {
    match SwapPlan::between(memory, file) {
        Some(plan) => Ok(plan != SwapPlan::Nothing),
        None => mismatch(&memory.to_string(), file),
    }
}

fn array<const N: usize>(bytes: &[u8], swap: bool) -> Result<[u8; N]> {
    let mut number: [u8; N] = bytes
        .try_into()
        .map_err(|_| Error::usage(format!("an element of {N} bytes given {}", bytes.len())))?;
    if swap {
        number.reverse();
    }
    Ok(number)
}

macro_rules! number {
    ($($t:ty => $datatype:expr;)*) => {$(
        // SAFETY: every bit pattern is a value; the datatype has the size and the native order of the number.
        unsafe impl H5Type for $t {
            const POD: bool = true;
            type Plan = bool;
            fn datatype() -> Datatype {
                $datatype
            }
            fn plan(file: &Datatype) -> Result<bool> {
                swapped(&Self::datatype(), file)
            }
            #[inline]
            fn decode(&swap: &bool, bytes: &[u8], _: &dyn HeapRead) -> Result<Self> {
                Ok(<$t>::from_ne_bytes(array(bytes, swap)?))
            }
            #[inline]
            fn encode(&self, out: &mut [u8], _: &mut dyn HeapWrite) -> Result<()> {
                out.copy_from_slice(&self.to_ne_bytes());
                Ok(())
            }
        }
    )*};
}

number! {
    u8 => Datatype::integer(1, false, ByteOrder::NATIVE);
    i8 => Datatype::integer(1, true, ByteOrder::NATIVE);
    u16 => Datatype::integer(2, false, ByteOrder::NATIVE);
    i16 => Datatype::integer(2, true, ByteOrder::NATIVE);
    u32 => Datatype::integer(4, false, ByteOrder::NATIVE);
    i32 => Datatype::integer(4, true, ByteOrder::NATIVE);
    u64 => Datatype::integer(8, false, ByteOrder::NATIVE);
    i64 => Datatype::integer(8, true, ByteOrder::NATIVE);
    u128 => Datatype::integer(16, false, ByteOrder::NATIVE);
    i128 => Datatype::integer(16, true, ByteOrder::NATIVE);
    f16 => Datatype::f16(ByteOrder::NATIVE);
    f32 => Datatype::f32(ByteOrder::NATIVE);
    f64 => Datatype::f64(ByteOrder::NATIVE);
}

/// h5py's booleans: an enumeration of FALSE and TRUE; also bit fields and 8-bit integers that hold 0 or 1.
// SAFETY: not POD.
unsafe impl H5Type for bool {
    const POD: bool = false;
    type Plan = ();
    fn datatype() -> Datatype {
        let member = |name: &str, value| EnumMember { name: Name::from(name), value: vec![value] };
        Datatype {
            size: 1,
            class: DatatypeClass::Enum {
                base: Box::new(Datatype::integer(1, true, ByteOrder::NATIVE)),
                members: vec![member("FALSE", 0), member("TRUE", 1)],
            },
        }
    }
    fn plan(file: &Datatype) -> Result<()> {
        match &file.class {
            _ if file.is_bool() => Ok(()),
            DatatypeClass::Bitfield(_) | DatatypeClass::Integer(_) if file.size == 1 => Ok(()),
            _ => mismatch("bool", file),
        }
    }
    fn decode(_: &(), bytes: &[u8], _: &dyn HeapRead) -> Result<bool> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Error::corrupt(format!("{bytes:?} is no boolean"))),
        }
    }
    fn encode(&self, out: &mut [u8], _: &mut dyn HeapWrite) -> Result<()> {
        out.copy_from_slice(&[u8::from(*self)]);
        Ok(())
    }
}

macro_rules! complex {
    ($($t:ty),*) => {$(
        // SAFETY: `Complex` is `repr(C)` of two floats; the datatype is a compound of both at offsets 0 and size.
        unsafe impl H5Type for Complex<$t> {
            const POD: bool = true;
            type Plan = (bool, usize, usize);
            /// As h5py writes complex numbers: a compound of `r` and `i`.
            fn datatype() -> Datatype {
                let part = |name: &str, offset| Member {
                    name: Name::from(name), offset, datatype: <$t>::datatype(),
                };
                Datatype {
                    size: size_of::<Self>(),
                    class: DatatypeClass::Compound(vec![part("r", 0), part("i", size_of::<$t>())]),
                }
            }
            fn plan(file: &Datatype) -> Result<Self::Plan> {
                let (re, im, base) = match &file.class {
                    DatatypeClass::Complex(base) => (0, base.size, &**base),
                    DatatypeClass::Compound(members) => match &members[..] {
                        [re, im] if re.datatype == im.datatype => (re.offset, im.offset, &re.datatype),
                        _ => return mismatch("complex number", file),
                    },
                    _ => return mismatch("complex number", file),
                };
                Ok((<$t>::plan(base)?, re, im))
            }
            fn decode(&(swap, re, im): &Self::Plan, bytes: &[u8], _: &dyn HeapRead) -> Result<Self> {
                let part = |at: usize| -> Result<$t> {
                    let part = bytes.get(at..at + size_of::<$t>()).unwrap_or_default();
                    Ok(<$t>::from_ne_bytes(array(part, swap)?))
                };
                Ok(Complex { re: part(re)?, im: part(im)? })
            }
            fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
                let (re, im) = out.split_at_mut(size_of::<$t>());
                self.re.encode(re, heap)?;
                self.im.encode(im, heap)
            }
        }
    )*};
}

complex!(f32, f64);

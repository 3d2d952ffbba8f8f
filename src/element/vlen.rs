//! Variable-length sequences as `Vec<T>`, array types as `[T; N]`.
#![allow(unsafe_code)] // only `unsafe impl H5Type`; the safety of each is argued beside it

use super::{H5Type, HeapPointer, HeapRead, HeapWrite};
use crate::{
    error::{Error, Result},
    limits::try_vec,
    model::datatype::{Datatype, DatatypeClass},
};

// SAFETY: not POD.
unsafe impl<T: H5Type> H5Type for Vec<T> {
    const POD: bool = false;
    type Plan = (T::Plan, usize);
    fn datatype() -> Datatype {
        Datatype { size: 16, class: DatatypeClass::VarLen(Box::new(T::datatype())) }
    }
    fn plan(file: &Datatype) -> Result<Self::Plan> {
        match &file.class {
            DatatypeClass::VarLen(base) => Ok((T::plan(base)?, base.size)),
            _ => Err(Error::type_mismatch("variable-length sequence", file)),
        }
    }
    fn decode((plan, size): &Self::Plan, bytes: &[u8], heap: &dyn HeapRead) -> Result<Vec<T>> {
        let pointer = HeapPointer::decode(bytes)?;
        if pointer.is_null() {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        heap.with_object(pointer.address, pointer.index, &mut |object| {
            let elements = sequence(object, pointer.len, *size)?;
            out = try_vec("elements of a sequence", u64::from(pointer.len))?;
            for element in elements.chunks_exact((*size).max(1)) {
                out.push(T::decode(plan, element, heap)?);
            }
            Ok(())
        })?;
        Ok(out)
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        let size = T::datatype().size;
        let mut bytes = vec![0; self.len() * size];
        for (element, out) in self.iter().zip(bytes.chunks_exact_mut(size.max(1))) {
            element.encode(out, heap)?;
        }
        let len =
            u32::try_from(self.len()).map_err(|_| Error::usage("a sequence of more than 2^32 elements"))?;
        let (address, index) = if len == 0 { (0, 0) } else { heap.store(&bytes)? };
        HeapPointer { len, address, index }.encode(out)
    }
}

/// The first `len` elements of `size` bytes of a heap object.
pub(crate) fn sequence(object: &[u8], len: u32, size: usize) -> Result<&[u8]> {
    (len as usize).checked_mul(size).and_then(|n| object.get(..n)).ok_or_else(|| {
        Error::corrupt(format!("a sequence of {len} elements of {size} bytes in {} bytes", object.len()))
    })
}

// SAFETY: an array has the elements one after the other without padding; it is POD if they are.
unsafe impl<T: H5Type, const N: usize> H5Type for [T; N] {
    const POD: bool = T::POD;
    type Plan = (T::Plan, usize);
    fn datatype() -> Datatype {
        let base = T::datatype();
        Datatype {
            size: base.size * N,
            class: DatatypeClass::Array { dims: vec![N as u32], base: Box::new(base) },
        }
    }
    fn plan(file: &Datatype) -> Result<Self::Plan> {
        match &file.class {
            // `[[T; M]; N]` of an array type of rank 2 or more: its first dimension is N.
            DatatypeClass::Array { dims, base }
                if dims.len() > 1
                    && dims[0] as usize == N
                    && matches!(T::datatype().class, DatatypeClass::Array { .. }) =>
            {
                let rest: usize = dims[1..].iter().map(|&d| d as usize).product();
                let row = Datatype {
                    size: base.size.saturating_mul(rest),
                    class: DatatypeClass::Array { dims: dims[1..].to_vec(), base: base.clone() },
                };
                Ok((T::plan(&row)?, row.size))
            }
            DatatypeClass::Array { dims, base }
                if dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d.into())) == Some(N as u64) =>
            {
                Ok((T::plan(base)?, base.size))
            }
            _ => Err(Error::type_mismatch(format!("array of {N} elements"), file)),
        }
    }
    fn decode((plan, size): &Self::Plan, bytes: &[u8], heap: &dyn HeapRead) -> Result<Self> {
        let mut elements = bytes.chunks_exact((*size).max(1));
        let mut out: Vec<T> = try_vec("elements of an array", N as u64)?;
        for _ in 0..N {
            out.push(T::decode(plan, elements.next().unwrap_or_default(), heap)?);
        }
        out.try_into().map_err(|_| Error::corrupt("an array of another length"))
    }
    fn encode(&self, out: &mut [u8], heap: &mut dyn HeapWrite) -> Result<()> {
        let size = out.len() / N.max(1);
        for (element, out) in self.iter().zip(out.chunks_exact_mut(size.max(1))) {
            element.encode(out, heap)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        element::{HeapArena, SwapPlan},
        model::datatype::ByteOrder,
    };

    #[test]
    fn arrays_of_rank_2_are_nested_arrays() {
        let file = Datatype {
            size: 12,
            class: DatatypeClass::Array {
                dims: vec![2, 3],
                base: Box::new(Datatype::integer(2, true, ByteOrder::Big)),
            },
        };
        let plan = <[[i16; 3]; 2]>::plan(&file).unwrap();
        let bytes: Vec<u8> = (0..12).collect();
        let rows = <[[i16; 3]; 2]>::decode(&plan, &bytes, &HeapArena::default()).unwrap();
        assert_eq!(rows, [[0x0001, 0x0203, 0x0405], [0x0607, 0x0809, 0x0a0b]]);
        assert_eq!(SwapPlan::between(&<[[i16; 3]; 2]>::datatype(), &file), Some(SwapPlan::All(2)));
        assert_eq!(<[i16; 6]>::plan(&file).map(|_| ()).map_err(|e| e.to_string()), Ok(()));
        assert!(<[[i16; 2]; 3]>::plan(&file).is_err());
    }
}

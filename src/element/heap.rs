//! What elements point to: objects of the global heap.

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};

/// Finds objects of the global heap.
pub trait HeapRead {
    /// Bytes of an address in this file.
    fn offset_size(&self) -> u8;
    /// Calls `f` with the bytes of an object.
    ///
    /// # Errors
    /// `Corrupt` or `Truncated` if there is no such object.
    fn with_object(&self, address: u64, index: u32, f: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// Stores objects in the global heap.
pub trait HeapWrite {
    /// Bytes of an address in this file.
    fn offset_size(&self) -> usize;
    /// Stores an object; its address and index.
    ///
    /// # Errors
    /// As writing goes.
    fn store(&mut self, object: &[u8]) -> Result<(u64, u32)>;
    /// The address under which a reference names an object: that of its header for good, for one whose header has no
    /// place in the file yet.
    ///
    /// # Errors
    /// `Corrupt` if there is no such object.
    fn settle(&mut self, address: u64) -> Result<u64> {
        Ok(address)
    }
}

/// The pointer that an element of variable length is in the file: number of elements, address of the collection,
/// index of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeapPointer {
    pub len: u32,
    pub address: u64,
    pub index: u32,
}

impl HeapPointer {
    /// From the bytes of the element; the address is as wide as they leave room for.
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        // With addresses of 8 bytes, which nearly all files have.
        if let Ok(&[a, b, c, d, ref address @ .., e, f, g, h]) = <&[u8; 16]>::try_from(bytes) {
            let (len, index) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
            return Ok(HeapPointer { len, address: u64::from_le_bytes(*address), index });
        }
        Self::decode_any(bytes)
    }

    fn decode_any(bytes: &[u8]) -> Result<Self> {
        let parts = bytes.split_first_chunk::<4>().and_then(|(len, rest)| {
            let (address, index) = rest.split_last_chunk::<4>()?;
            let mut wide = [0; 8];
            wide.get_mut(..address.len())?.copy_from_slice(address);
            Some((u32::from_le_bytes(*len), u64::from_le_bytes(wide), u32::from_le_bytes(*index)))
        });
        match parts {
            Some((len, address, index)) => Ok(HeapPointer { len, address, index }),
            None => Err(Error::corrupt(format!("{} bytes are no pointer into the global heap", bytes.len()))),
        }
    }

    pub(crate) fn encode(self, out: &mut [u8]) -> Result<()> {
        let too_short = || Error::usage("element too short for a pointer into the global heap");
        let width = out.len().checked_sub(8).ok_or_else(too_short)?;
        out[..4].copy_from_slice(&self.len.to_le_bytes());
        out[4..4 + width].fill(0);
        let n = width.min(8);
        out[4..4 + n].copy_from_slice(&self.address.to_le_bytes()[..n]);
        out[4 + width..].copy_from_slice(&self.index.to_le_bytes());
        Ok(())
    }

    /// Address 0 is the null pointer.
    pub(crate) fn is_null(&self) -> bool {
        self.len == 0 || self.address == 0
    }
}

/// Objects gathered from the global heap, so that values can be read without the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeapArena {
    offset_size: u8,
    bytes: Vec<u8>,
    objects: FxHashMap<(u64, u32), std::ops::Range<usize>>,
}

impl HeapArena {
    pub(crate) fn new(offset_size: u8) -> Self {
        HeapArena { offset_size, ..HeapArena::default() }
    }

    /// Bytes of an address in the file that the objects are from; 8 for values that are from none.
    pub(crate) fn offset_size_of(&self) -> u8 {
        if self.offset_size == 0 { 8 } else { self.offset_size }
    }

    pub(crate) fn contains(&self, address: u64, index: u32) -> bool {
        self.objects.contains_key(&(address, index))
    }

    pub(crate) fn insert(&mut self, address: u64, index: u32, object: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        if self.bytes.try_reserve(object.len()).is_err() {
            return Err(Error::limit("variable-length data", object.len() as u64, isize::MAX as u64));
        }
        self.bytes.extend_from_slice(object);
        self.objects.insert((address, index), start..self.bytes.len());
        Ok(())
    }

    pub(crate) fn object(&self, address: u64, index: u32) -> Result<&[u8]> {
        let range = self.objects.get(&(address, index));
        range.map(|r| &self.bytes[r.clone()]).ok_or_else(|| {
            Error::corrupt(format!(
                "object {index} of the global heap collection at {address:#x} cannot be read"
            ))
        })
    }
}

impl HeapRead for HeapArena {
    fn offset_size(&self) -> u8 {
        self.offset_size
    }
    fn with_object(&self, address: u64, index: u32, f: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        f(self.object(address, index)?)
    }
}

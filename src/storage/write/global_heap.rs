//! Global heap collections: what elements of variable length point to.

use crate::{
    error::{Error, Result},
    format::{
        global_heap::{MIN_COLLECTION, encode_collection, header_len, object_len},
        primitive::Sizes,
    },
    storage::transaction::Transaction,
};

/// The largest collection that is made for more than one object.
const MAX_COLLECTION: u64 = 256 << 10;

/// The collection that objects are added to. It is written when it is full, and whenever someone may read it.
#[derive(Debug)]
pub(super) struct HeapWriter {
    sizes: Sizes,
    open: Option<Open>,
    /// Bytes of the next collection.
    next_size: u64,
    /// Collections that were written again since someone asked.
    rewritten: Vec<u64>,
}

#[derive(Debug)]
struct Open {
    address: u64,
    size: u64,
    used: u64,
    /// Objects one after the other, and their lengths.
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    /// It holds more than was written.
    changed: bool,
}

impl Open {
    fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let mut rest = &self.bytes[..];
        let objects = self.lengths.iter().enumerate().map(|(i, &len)| {
            let (object, behind) = rest.split_at(len as usize);
            rest = behind;
            ((i + 1) as u16, 0, object)
        });
        encode_collection(objects, self.size as usize, sizes)
    }
}

impl HeapWriter {
    pub(super) fn new(sizes: Sizes) -> Self {
        HeapWriter { sizes, open: None, next_size: MIN_COLLECTION, rewritten: Vec::new() }
    }

    /// Adds an object; the address of its collection, and its index there.
    pub(super) fn store(&mut self, tx: &mut Transaction, object: &[u8]) -> Result<(u64, u32)> {
        let header = header_len(self.sizes) as u64;
        let too_large = || Error::limit("variable-length data", object.len() as u64, u64::from(u32::MAX));
        let need = object_len(object.len(), self.sizes).ok_or_else(too_large)? as u64;
        let len = u32::try_from(object.len()).map_err(|_| too_large())?;
        let fits = |open: &Open| open.used + need <= open.size && open.lengths.len() < usize::from(u16::MAX);
        if self.open.as_ref().is_none_or(|open| !fits(open)) {
            self.close(tx)?;
            let size = self.next_size.max(header + need).next_multiple_of(8);
            self.next_size = (self.next_size * 2).min(MAX_COLLECTION);
            let address = tx.allocator.allocate(size)?;
            let bytes = Vec::new();
            self.open = Some(Open { address, size, used: header, bytes, lengths: Vec::new(), changed: true });
        }
        let open = self.open.as_mut().ok_or_else(|| Error::usage("no open collection"))?;
        open.bytes.extend_from_slice(object);
        open.lengths.push(len);
        open.used += need;
        open.changed = true;
        Ok((open.address, open.lengths.len() as u32))
    }

    /// Writes the open collection as it is, to be read; the addresses of those that changed since the last time.
    pub(super) fn show(&mut self, tx: &mut Transaction) -> Result<Vec<u64>> {
        if let Some(open) = self.open.as_mut().filter(|open| open.changed) {
            tx.put_at(open.address, &open.encode(self.sizes)?)?;
            open.changed = false;
            self.rewritten.push(open.address);
        }
        Ok(std::mem::take(&mut self.rewritten))
    }

    /// Writes the open collection for good, without the space that it did not need.
    pub(super) fn close(&mut self, tx: &mut Transaction) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        self.rewritten.push(open.address);
        let size = open.used.max(MIN_COLLECTION).min(open.size);
        // One that did not come to be full is followed by one of its size: what is given back must not add up.
        if size <= open.size / 2 {
            self.next_size = size.next_power_of_two().min(MAX_COLLECTION);
        }
        let encoded = {
            let whole = std::mem::replace(&mut open.size, size);
            let encoded = open.encode(self.sizes)?;
            tx.allocator.release((open.address + size, whole - size));
            encoded
        };
        tx.put_at(open.address, &encoded)
    }
}

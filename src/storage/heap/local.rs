//! Local heap: names and soft links of an old-style group.

use std::borrow::Cow;

use crate::{
    error::{Context, Result},
    format::{
        local_heap::{self, LocalHeap},
        primitive::Structure,
    },
    storage::reader::Reader,
};

/// The data of a local heap.
#[derive(Debug)]
pub(crate) struct LocalHeapData<'a> {
    address: u64,
    data: Cow<'a, [u8]>,
}

impl<'a> LocalHeapData<'a> {
    pub(crate) fn open(reader: &'a Reader, address: u64) -> Result<Self> {
        let header = reader.bytes(address, LocalHeap::encoded_len(reader.sizes) as u64)?;
        let header = LocalHeap::decode(&header, reader.sizes).at(address)?;
        let data = reader.bytes(header.data, header.size).in_structure("local heap data")?;
        Ok(LocalHeapData { address, data })
    }

    /// The string at an offset.
    pub(crate) fn string(&self, offset: u64) -> Result<&[u8]> {
        local_heap::string(&self.data, offset).at(self.address)
    }
}

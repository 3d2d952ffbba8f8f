//! Chunks in a B-tree version 2.

use super::{Builder, ChunkEntry, IndexContext};
use crate::{
    error::{Context, Result},
    format::btree_v2_record::ChunkRecord,
    storage::btree::v2::BTreeV2,
};

pub(super) fn load(context: &IndexContext<'_>, address: u64, builder: &mut Builder) -> Result<()> {
    let reader = context.reader;
    let rank = context.layout.chunk.len();
    let tree = BTreeV2::open(reader, address)?;
    let header = &tree.header;
    let width = ChunkRecord::size_width(header.record_type, header.record_size, rank as u8, reader.sizes);
    let width = width.at(address)?;
    let mut point = vec![0; rank];
    tree.for_each(reader, &mut |record| {
        let record = ChunkRecord::decode(record, rank as u8, width, reader.sizes)?;
        point.iter_mut().zip(record.scaled()).for_each(|(p, s)| *p = s);
        let (size, mask) = record.filtered.unwrap_or((context.chunk_bytes, 0));
        builder.insert(&point, ChunkEntry { address: record.address, size, mask })
    })
}

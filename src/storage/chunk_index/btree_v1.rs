//! Chunks in a B-tree version 1.

use super::{Builder, ChunkEntry, IndexContext};
use crate::{
    error::{Error, Result},
    format::btree_v1::KeyKind,
    storage::btree::v1,
};

pub(super) fn load(context: &IndexContext<'_>, address: u64, builder: &mut Builder) -> Result<()> {
    let chunk = &context.layout.chunk;
    let kind = KeyKind::Chunk { coordinates: chunk.len() as u8 + 1 };
    let mut point = vec![0; chunk.len()];
    v1::for_each_leaf(context.reader, address, kind, &mut |node| {
        for i in 0..node.len() {
            let key = node.chunk_key(i)?;
            for ((p, offset), &c) in point.iter_mut().zip(key.offsets()).zip(chunk) {
                if offset % c != 0 {
                    return Err(Error::corrupt(format!("chunk offset {offset} is no multiple of {c}")));
                }
                *p = offset / c;
            }
            let entry = ChunkEntry { address: node.child(i)?, size: key.size.into(), mask: key.mask };
            builder.insert(&point, entry)?;
        }
        Ok(())
    })
}

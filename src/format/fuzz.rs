//! Bodies of fuzz targets: every structure from arbitrary bytes, and back.
//!
//! A structure that decodes must encode, and decode from that to the same value; nothing may panic.
#![doc(hidden)]

use super::primitive::{Sizes, Structure};
use super::*;
use crate::error::Result;

/// Every structure, with every width of addresses and lengths. The first byte chooses widths and parameters.
pub fn structures(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let width = |bits: u8| [2, 4, 8, 8][usize::from(bits & 3)];
    let sizes = Sizes { offset: width(choice), length: width(choice >> 2) };
    let number = choice >> 4;
    for sealed in [false, true] {
        let mut bytes = bytes.to_vec();
        if sealed {
            // The checksum that an attacker would give.
            checksum::append(&mut bytes);
        }
        headers(&bytes, sizes);
        object_headers(&bytes, choice);
        trees(&bytes, number, sizes);
        heaps(&bytes, u16::from(number), sizes);
        arrays(&bytes, number, sizes);
        tables(&bytes, number, sizes);
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T>,
    encode: impl Fn(&T) -> Result<Vec<u8>>,
) -> Option<T> {
    let value = decode(bytes).ok()?;
    let again = encode(&value).and_then(|bytes| decode(&bytes));
    assert_eq!(again.ok().as_ref(), Some(&value), "does not survive encoding");
    Some(value)
}

fn structure<T: Structure + PartialEq + std::fmt::Debug>(bytes: &[u8], sizes: Sizes) -> Option<T> {
    same(bytes, |b| T::decode(b, sizes), |value| value.encode(sizes))
}

fn headers(bytes: &[u8], sizes: Sizes) {
    same(bytes, superblock::Superblock::decode, superblock::Superblock::encode);
    same(bytes, driver_info::DriverInfo::decode, driver_info::DriverInfo::encode);
    structure::<local_heap::LocalHeap>(bytes, sizes);
    structure::<local_heap::FreeBlock>(bytes, sizes);
    structure::<btree_v2_record::HugeIndirect>(bytes, sizes);
    structure::<btree_v2_record::HugeIndirectFiltered>(bytes, sizes);
    structure::<btree_v2_record::HugeDirect>(bytes, sizes);
    structure::<btree_v2_record::HugeDirectFiltered>(bytes, sizes);
    structure::<btree_v2_record::LinkName>(bytes, sizes);
    structure::<btree_v2_record::LinkOrder>(bytes, sizes);
    structure::<btree_v2_record::AttributeName>(bytes, sizes);
    structure::<btree_v2_record::AttributeOrder>(bytes, sizes);
}

fn object_headers(bytes: &[u8], choice: u8) {
    use object_header::*;
    if let Some(prefix) = same(bytes, HeaderPrefix::decode, HeaderPrefix::encode) {
        let _ =
            prefix.chunk0(bytes).map(|range| messages(prefix.version, prefix.tracks_order(), &bytes[range]));
    }
    for version in [1, 2] {
        let _ = continuation(version, bytes);
        messages(version, choice & 1 != 0, bytes);
    }
}

fn messages(version: u8, tracks_order: bool, chunk: &[u8]) {
    for message in object_header::Messages::new(version, tracks_order, chunk).map_while(Result::ok) {
        let body = &chunk[message.range()];
        let mut out = Vec::new();
        let again =
            object_header::encode_message(&mut out, version, message.id, message.flags, message.order, body);
        let found =
            again.ok().and_then(|()| object_header::Messages::new(version, tracks_order, &out).next());
        assert_eq!(found.and_then(Result::ok).map(|m| out[m.range()].to_vec()).as_deref(), Some(body));
    }
}

fn trees(bytes: &[u8], number: u8, sizes: Sizes) {
    use btree_v1::{BTreeV1Node, KeyKind};
    for kind in [KeyKind::Group, KeyKind::Chunk { coordinates: number }] {
        let Ok(node) = BTreeV1Node::decode(bytes, kind, sizes) else { continue };
        for i in 0..=node.len() {
            let _ = (node.key(i), node.child(i));
        }
    }
    if let Ok(entries) = symbol_table::SymbolTableNode::decode(bytes, sizes) {
        let again = symbol_table::SymbolTableNode::encode(&entries, entries.len(), sizes)
            .and_then(|bytes| symbol_table::SymbolTableNode::decode(&bytes, sizes));
        assert_eq!(again.ok(), Some(entries));
    }
    let Some(header) = structure::<btree_v2::BTreeV2Header>(bytes, sizes) else { return };
    let Ok(geometry) = btree_v2::Geometry::new(&header, sizes) else { return };
    for level in 0..=header.depth.min(3) {
        let Ok(node) = btree_v2::BTreeV2Node::decode(bytes, &geometry, level, header.root_records) else {
            continue;
        };
        for i in 0..node.child_count() {
            let _ = node.child(i);
        }
        let width =
            btree_v2_record::ChunkRecord::size_width(header.record_type, header.record_size, number, sizes);
        for record in node.records() {
            let _ = width.as_ref().map(|w| btree_v2_record::ChunkRecord::decode(record, number, *w, sizes));
        }
    }
}

fn heaps(bytes: &[u8], rows: u16, sizes: Sizes) {
    use fractal_heap_block::{DirectBlock, IndirectBlock};
    if global_heap::GlobalHeapHeader::decode(bytes, sizes).is_ok() {
        for object in global_heap::Objects::new(bytes, sizes).map_while(Result::ok) {
            let _ = &bytes[object.start..object.start + object.len];
        }
    }
    let _ = local_heap::string(bytes, u64::from(rows));
    let Some(heap) = structure::<fractal_heap::FractalHeapHeader>(bytes, sizes) else { return };
    if let Ok(id) = fractal_heap::HeapId::decode(bytes, &heap, sizes) {
        let _ = id.encode(&heap, sizes);
    }
    let _ = DirectBlock::decode(bytes, &heap, true, sizes);
    let Ok(table) = heap.table() else { return };
    let _ = table.locate(heap.iterator_offset).and_then(|place| table.block_offset(place.row, place.column));
    let _ = IndirectBlock::encoded_len(&heap, &table, heap.root_rows, sizes);
    if let Ok(block) = IndirectBlock::decode(bytes, &heap, &table, rows, sizes) {
        for i in 0..block.len() {
            let _ = block.child(i);
        }
    }
}

fn arrays(bytes: &[u8], number: u8, sizes: Sizes) {
    use extensible_array_block::{ArrayLayout, DataBlock, IndexBlock, StoredSuperBlock};
    if let Some(array) = structure::<fixed_array::FixedArrayHeader>(bytes, sizes) {
        let _ = array.page(array.pages().saturating_sub(1), sizes);
        let _ = array.block_len(sizes);
        if let Ok(block) = fixed_array::FixedArrayBlock::decode(bytes, &array, sizes) {
            let _ = block.has_page(u64::from(number));
            let _ = array.format(sizes).map(|f| f.decode_all(block.elements).filter(Result::is_err).count());
        }
    }
    let Some(array) = structure::<extensible_array::ExtensibleArrayHeader>(bytes, sizes) else { return };
    let Ok(layout) = ArrayLayout::new(&array, sizes) else { return };
    let _ = (layout.shape.locate(array.max_index_set), layout.index_len());
    for u in 0..=layout.shape.super_blocks() {
        let _ = (layout.super_len(u), layout.data_len(u), layout.page(u, 0));
    }
    let _ = IndexBlock::decode(bytes, &layout);
    let _ = DataBlock::decode(bytes, &layout, number);
    let _ = StoredSuperBlock::decode(bytes, &layout, number).map(|b| b.has_page(0, u64::from(number)));
}

fn tables(bytes: &[u8], number: u8, sizes: Sizes) {
    same(
        bytes,
        |b| shared_message_table::SharedMessageTable::decode(b, number, sizes),
        |table| table.encode(sizes),
    );
    same(
        bytes,
        |b| shared_message_table::decode_list(b, u16::from(number), sizes),
        |list| shared_message_table::encode_list(list, u16::from(number), sizes),
    );
    if let Some(space) = structure::<free_space::FreeSpaceHeader>(bytes, sizes) {
        let _ = free_space::decode_sections(bytes, &space, sizes);
    }
    if let Ok(image) = cache_image::CacheImage::decode(bytes, sizes) {
        let again = image.encode(sizes);
        let again =
            again.as_deref().ok().and_then(|bytes| cache_image::CacheImage::decode(bytes, sizes).ok());
        assert_eq!(again.as_ref(), Some(&image));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNATURES: [&[u8]; 22] = [
        b"",
        b"\x89HDF\r\n\x1a\n",
        b"OHDR",
        b"OCHK",
        b"TREE",
        b"SNOD",
        b"HEAP",
        b"GCOL",
        b"BTHD",
        b"BTLF",
        b"BTIN",
        b"FRHP",
        b"FHDB",
        b"FHIB",
        b"FAHD",
        b"FADB",
        b"EAHD",
        b"EAIB",
        b"SMTB",
        b"SMLI",
        b"FSHD",
        b"MDCI",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn arbitrary_bytes(
            choice: u8,
            signature in 0..SIGNATURES.len(),
            version in 0..3u8,
            small: bool,
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut data = vec![choice];
            data.extend_from_slice(SIGNATURES[signature]);
            data.push(version);
            // Mostly small numbers reach deeper than mostly huge ones.
            data.extend(body.into_iter().map(|b| if small && b > 9 { 0 } else { b }));
            structures(&data);
        }

        #[test]
        fn arbitrary_tables(width: u16, start: u64, direct: u64, bits in 0..70u16, offset: u64, row: u16) {
            let power = |n: u64| 1u64 << (n % 64);
            if let Ok(t) = doubling_table::DoublingTable::new(1 << (width % 16), power(start), power(direct), bits) {
                let _ = (t.rows_below(row), t.block_offset(row, width), t.row_offset(row));
                if let Ok(place) = t.locate(offset) {
                    let block = t.block_offset(place.row, place.column).unwrap();
                    prop_assert_eq!(block + place.offset, offset);
                }
            }
        }

        #[test]
        fn arbitrary_arrays(
            max_bits in 0..70u8, index_elements: u8, min in 0..8u32, pointers in 0..8u32, page_bits in 0..70u8,
            element_size: u8, index: u64,
        ) {
            let array = extensible_array::ExtensibleArrayHeader {
                client: 0, element_size, max_bits, index_elements, min_elements: 1 << min, min_pointers: 1 << pointers,
                page_bits, super_blocks: 0, super_bytes: 0, data_blocks: 0, data_bytes: 0, max_index_set: index,
                realised: 0, index_block: None,
            };
            arrays(&array.encode(Sizes::EIGHT).unwrap(), min as u8, Sizes::EIGHT);
            let array = extensible_array::ExtensibleArrayHeader { element_size: 8, ..array };
            arrays(&array.encode(Sizes::EIGHT).unwrap(), min as u8, Sizes::EIGHT);
        }

        #[test]
        fn arbitrary_trees(node_size: u32, record_size: u16, depth: u16, small: bool) {
            let header = btree_v2::BTreeV2Header {
                record_type: 5, node_size: if small { node_size % 4096 } else { node_size },
                record_size: if small { record_size % 64 } else { record_size }, depth: depth % 9, split: 100,
                merge: 40, root: None, root_records: 0, total: 0,
            };
            if let Ok(geometry) = btree_v2::Geometry::new(&header, Sizes::EIGHT) {
                prop_assert_eq!(geometry.depth(), header.depth);
            }
        }
    }
}

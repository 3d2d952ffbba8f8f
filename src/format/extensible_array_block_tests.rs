use super::super::extensible_array::tests::{hex, of_a_file};
use super::*;
use crate::ErrorKind;

fn layout() -> ArrayLayout {
    ArrayLayout::new(&of_a_file(), Sizes::EIGHT).unwrap()
}

// Super block 4 of a dataset of 90000 chunks that h5py wrote with libver='latest'.
fn super_block() -> Vec<u8> {
    hex(concat!(
        "4541534200005d2b020000000000f000000009350200000000001f3702000000000035390200000000004b3b0200",
        "000000000c189e45"
    ))
}

#[test]
fn super_block_of_a_file() {
    let (array, bytes) = (layout(), super_block());
    assert_eq!(array.super_len(4).unwrap(), bytes.len() as u64);
    let block = StoredSuperBlock::decode(&bytes, &array, 4).unwrap();
    assert_eq!((block.header, block.offset, block.bitmap.len()), (0x22b5d, 240, 0));
    let addresses: Vec<_> = (0..block.data_blocks.len()).map(|i| block.data_blocks.get(i).unwrap()).collect();
    assert_eq!(addresses, [0x23509, 0x2371f, 0x23935, 0x23b4b].map(Some));
    assert!(block.data_blocks.get(4).is_err());
    assert_eq!(StoredSuperBlock::encode(&array, 4, 0x22b5d, &[], &addresses).unwrap(), bytes);
}

#[test]
fn index_block() {
    let array = layout();
    assert_eq!(array.index_len(), 14 + 32 + 31 * 8 + 4);
    let mut supers = [None; 25];
    supers[0] = Some(7);
    let elements: Vec<u8> = (0..32).collect();
    let bytes = IndexBlock::encode(&array, 9, &elements, &[Some(5); 6], &supers).unwrap();
    assert_eq!(&bytes[..14], b"EAIB\0\0\x09\0\0\0\0\0\0\0");
    let block = IndexBlock::decode(&bytes, &array).unwrap();
    assert_eq!((block.header, block.elements), (9, &elements[..]));
    assert_eq!((block.data_blocks.len(), block.data_blocks.get(5).unwrap()), (6, Some(5)));
    assert_eq!((block.super_blocks.len(), block.super_blocks.get(0).unwrap()), (25, Some(7)));
    assert_eq!(block.super_blocks.get(24).unwrap(), None);
    assert!(IndexBlock::encode(&array, 9, &elements, &[None; 5], &supers).is_err());
}

#[test]
fn data_block_with_and_without_pages() {
    let array = layout();
    let elements = vec![3; 16 * 8];
    let block = DataBlock { header: 9, offset: 0, elements: &elements };
    let bytes = block.encode(&array, 0).unwrap();
    assert_eq!(bytes.len() as u64, array.data_len(0).unwrap());
    assert_eq!(DataBlock::decode(&bytes, &array, 0).unwrap(), block);
    assert!(array.page(0, 0).is_err());
    let paged = DataBlock { header: 9, offset: 131056, elements: &[] };
    let bytes = paged.encode(&array, 13).unwrap();
    assert_eq!(bytes.len(), 14 + 4 + 4);
    assert_eq!(DataBlock::decode(&bytes, &array, 13).unwrap(), paged);
    assert_eq!(array.page(13, 1).unwrap(), 22 + 8196..22 + 2 * 8196);
    assert!(array.page(13, 2).is_err());
}

#[test]
fn bits_of_pages_are_packed_across_data_blocks() {
    let array = layout();
    // Two pages a data block, 64 data blocks: a byte each, of which the first 16 hold all bits.
    let mut bitmap = vec![0; 64];
    bitmap[0] = 0b0001_0000;
    bitmap[15] = 0b0000_0001;
    let bytes = StoredSuperBlock::encode(&array, 13, 9, &bitmap, &[Some(1); 64]).unwrap();
    assert_eq!(bytes.len() as u64, array.super_len(13).unwrap());
    let block = StoredSuperBlock::decode(&bytes, &array, 13).unwrap();
    assert!(block.has_page(1, 1) && block.has_page(63, 1));
    assert!(!block.has_page(1, 0) && !block.has_page(0, 3) && !block.has_page(u64::MAX, 1));
}

#[test]
fn hostile() {
    let array = layout();
    let bad = |at: usize, value: u8| {
        let mut bytes = super_block();
        bytes[at] = value;
        StoredSuperBlock::decode(&bytes, &array, 4).unwrap_err()
    };
    assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(t) if t.contains("signature")));
    assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(bad(5, 1).kind(), ErrorKind::Corrupt(t) if t.contains("client")));
    assert!(matches!(bad(30, 1).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    for n in 0..super_block().len() {
        let e = StoredSuperBlock::decode(&super_block()[..n], &array, 4).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
    }
    let e = StoredSuperBlock::decode(&super_block(), &array, 29).unwrap_err();
    assert!(matches!(e.kind(), ErrorKind::Corrupt(_)));
    assert!(matches!(IndexBlock::decode(b"EAIB", &array).unwrap_err().kind(), ErrorKind::Truncated(_)));
    assert!(DataBlock::decode(&super_block(), &array, 0).is_err());
    // The largest array that a header can describe.
    let huge = ExtensibleArrayHeader {
        client: 1,
        element_size: 20,
        max_bits: 63,
        min_elements: 128,
        page_bits: 63,
        ..of_a_file()
    };
    let array = ArrayLayout::new(&huge, Sizes::EIGHT).unwrap();
    for u in 0..=255 {
        let _ = (array.super_len(u), array.data_len(u), array.page(u, 0));
        assert!(DataBlock::decode(&super_block(), &array, u).is_err());
    }
}

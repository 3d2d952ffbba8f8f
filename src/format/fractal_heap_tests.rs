use super::*;
use crate::ErrorKind;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

// The heap of a group of 600 links that h5py wrote with libver='latest'.
fn literal() -> Vec<u8> {
    hex(concat!(
        "46524850000700000002001000000000000000000000ffffffffffffffff7006000000000000",
        "3708000000000000004000000000000000400000000000000040000000000000580200000000",
        "0000000000000000000000000000000000000000000000000000000000000000000004000002",
        "00000000000000000100000000002000010041a811000000000004003046a386"
    ))
}

pub fn of_links() -> FractalHeapHeader {
    FractalHeapHeader::decode(&literal(), Sizes::EIGHT).unwrap()
}

#[test]
fn header_of_a_file() {
    let heap = of_links();
    assert_eq!((heap.id_len, heap.flags, heap.max_managed), (7, CHECKSUM_DIRECT, 4096));
    assert_eq!((heap.huge_btree, heap.free_space_manager), (None, Some(0x837)));
    assert_eq!((heap.managed_space, heap.managed_allocated, heap.managed_objects), (0x4000, 0x4000, 600));
    assert_eq!((heap.table_width, heap.start_size, heap.max_direct, heap.max_heap_bits), (4, 512, 65536, 32));
    assert_eq!((heap.root, heap.root_rows, &heap.filters), (Some(0x11a841), 4, &None));
    assert_eq!((heap.offset_width(), heap.length_width()), (4, 2));
    assert_eq!(heap.encode(Sizes::EIGHT).unwrap(), literal());
    assert_eq!(literal().len(), FractalHeapHeader::base_len(Sizes::EIGHT));
}

#[test]
fn filters_follow_the_fixed_part() {
    let filters =
        HeapFilters { root_size: 99, root_mask: 1, pipeline: b"\x02\x01\x01\0\0\0\x01\0\x09\0\0\0".to_vec() };
    let heap = FractalHeapHeader { filters: Some(filters), ..of_links() };
    let bytes = heap.encode(Sizes::EIGHT).unwrap();
    assert_eq!(bytes[7], 12);
    assert_eq!(bytes.len(), literal().len() + 8 + 4 + 12);
    assert_eq!(FractalHeapHeader::decode(&bytes, Sizes::EIGHT).unwrap(), heap);
    let sizes = Sizes { offset: 4, length: 2 };
    let heap = FractalHeapHeader { max_direct: 4096, ..heap };
    let bytes = heap.encode(sizes).unwrap();
    assert_eq!(FractalHeapHeader::decode(&bytes, sizes).unwrap(), heap);
}

#[test]
fn ids() {
    let same = |bytes: &[u8], id: HeapId<'_>, heap: &FractalHeapHeader| {
        assert_eq!(HeapId::decode(bytes, heap, Sizes::EIGHT).unwrap(), id);
        assert_eq!(id.encode(heap, Sizes::EIGHT).unwrap(), bytes);
    };
    let heap = of_links();
    same(b"\0\x05\xb1\0\0\x18\0", HeapId::Managed { offset: 0xb105, length: 24 }, &heap);
    same(b"\x10\x01\0\0\0\0\0", HeapId::HugeIndexed { key: 1 }, &heap);
    same(b"\x22abc\0\0\0", HeapId::Tiny { data: b"abc" }, &heap);
    let mut wide = FractalHeapHeader { id_len: 17, ..heap };
    let huge = b"\x10\0\x10\0\0\0\0\0\0\x09\0\0\0\0\0\0\0";
    same(huge, HeapId::HugeDirect { address: 0x1000, length: 9, filtered: None }, &wide);
    wide.id_len = 16;
    assert!(matches!(
        HeapId::decode(huge, &wide, Sizes::EIGHT).unwrap(),
        HeapId::HugeIndexed { key: 0x1000 }
    ));
    wide.id_len = 29;
    wide.filters = Some(HeapFilters { root_size: 0, root_mask: 0, pipeline: vec![0] });
    let filtered = [&huge[..], b"\x01\0\0\0\x20\0\0\0\0\0\0\0"].concat();
    same(&filtered, HeapId::HugeDirect { address: 0x1000, length: 9, filtered: Some((1, 32)) }, &wide);
    let long = FractalHeapHeader { id_len: 300, ..of_links() };
    let data = [7; 258];
    let mut bytes = [&b"\x21\x01"[..], &data].concat();
    bytes.resize(300, 0);
    same(&bytes, HeapId::Tiny { data: &data }, &long);
}

#[test]
fn hostile_ids() {
    let heap = of_links();
    let fail = |bytes: &[u8]| HeapId::decode(bytes, &heap, Sizes::EIGHT).unwrap_err();
    assert!(matches!(fail(b"\x40\0\0\0\0\0\0").kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(fail(b"\x30\0\0\0\0\0\0").kind(), ErrorKind::Corrupt(_)));
    assert!(matches!(fail(b"\x2fabcdef").kind(), ErrorKind::Truncated(_)));
    assert!(matches!(fail(b"\0\x05\xb1\0\0\x18").kind(), ErrorKind::Truncated(_)));
    assert!(HeapId::Tiny { data: b"" }.encode(&heap, Sizes::EIGHT).is_err());
    assert!(HeapId::Tiny { data: b"1234567" }.encode(&heap, Sizes::EIGHT).is_err());
}

#[test]
fn hostile_header() {
    for n in 0..literal().len() {
        let e = FractalHeapHeader::decode(&literal()[..n], Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
    }
    let bad = |at: usize, value: u8| {
        let mut bytes = literal();
        bytes[at] = value;
        FractalHeapHeader::decode(&bytes, Sizes::EIGHT).unwrap_err()
    };
    assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(t) if t.contains("signature")));
    assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(bad(60, 9).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    assert!(matches!(bad(8, 0xff).kind(), ErrorKind::Truncated(_)), "filters beyond the block");
    assert!(FractalHeapHeader { table_width: 3, ..of_links() }.table().is_err());
    let wild = FractalHeapHeader { max_heap_bits: u16::MAX, max_direct: u64::MAX, ..of_links() };
    assert_eq!(wild.offset_width(), 8);
    assert!(wild.table().is_err());
}

use super::*;
use crate::ErrorKind;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

// The index by name of 40 attributes that h5py wrote with libver='latest': header and root.
fn header_bytes() -> Vec<u8> {
    hex("42544844000800020000110001006428008101000000000001002800000000000000fc4608cd")
}

fn root_bytes() -> Vec<u8> {
    let mut bytes =
        hex("4254494e000800a602000000250000120000003bae0b5b007d0100000000000e008301000000000019961158c1");
    bytes.resize(512, 0);
    bytes
}

fn header() -> BTreeV2Header {
    BTreeV2Header::decode(&header_bytes(), Sizes::EIGHT).unwrap()
}

#[test]
fn header_of_a_file() {
    let header = header();
    assert_eq!((header.record_type, header.node_size, header.record_size), (8, 512, 17));
    assert_eq!((header.depth, header.split, header.merge), (1, 100, 40));
    assert_eq!((header.root, header.root_records, header.total), (Some(98560), 1, 40));
    assert_eq!(header.encode(Sizes::EIGHT).unwrap(), header_bytes());
    assert_eq!(header_bytes().len(), BTreeV2Header::encoded_len(Sizes::EIGHT));
}

#[test]
fn internal_node_of_a_file() {
    let geometry = Geometry::new(&header(), Sizes::EIGHT).unwrap();
    let bytes = root_bytes();
    let node = BTreeV2Node::decode(&bytes, &geometry, 1, 1).unwrap();
    assert_eq!((node.len(), node.child_count()), (1, 2));
    assert_eq!(node.record(0).unwrap()[13..], [0x3b, 0xae, 0x0b, 0x5b]);
    assert_eq!(node.child(0).unwrap(), Child { address: 0x17d00, records: 14, total: 14 });
    assert_eq!(node.child(1).unwrap(), Child { address: 0x18300, records: 25, total: 25 });
    let children = [node.child(0).unwrap(), node.child(1).unwrap()];
    let records: Vec<u8> = node.records().flatten().copied().collect();
    assert_eq!(encode_node(&geometry, 1, &records, &children).unwrap(), bytes);
    assert!(node.child(2).is_err());
}

#[test]
fn geometry_of_the_usual_trees() {
    let geometry = |record_size, depth| {
        let header = BTreeV2Header { record_size, depth, ..header() };
        Geometry::new(&header, Sizes::EIGHT).unwrap()
    };
    // Links by name: 45 records a leaf; an internal node points with 8 + 1 bytes, and 2 more above.
    let g = geometry(11, 3);
    assert_eq!(g.level(0).unwrap(), Level { max_records: 45, cumulative_max: 45, total_width: 0 });
    assert_eq!(g.level(1).unwrap().max_records, (512 - 10 - 9) / 20);
    assert_eq!(g.level(1).unwrap(), Level { max_records: 24, cumulative_max: 1149, total_width: 2 });
    assert_eq!(g.level(2).unwrap().max_records, (512 - 10 - 11) / 22);
    assert_eq!(g.level(2).unwrap().cumulative_max, 23 * 1149 + 22);
    assert!(g.level(4).is_err());
}

#[test]
fn leaf_and_upper_node() {
    let header = BTreeV2Header { record_type: 5, record_size: 11, depth: 2, ..header() };
    let geometry = Geometry::new(&header, Sizes::EIGHT).unwrap();
    let bytes = encode_node(&geometry, 0, b"record 0...record 1...", &[]).unwrap();
    assert_eq!(&bytes[..28], b"BTLF\0\x05record 0...record 1...");
    let node = BTreeV2Node::decode(&bytes, &geometry, 0, 2).unwrap();
    assert_eq!(node.records().collect::<Vec<_>>(), [b"record 0...", b"record 1..."]);
    assert!(node.child(0).is_err());
    let children =
        [Child { address: 512, records: 20, total: 900 }, Child { address: 1024, records: 1, total: 30 }];
    let bytes = encode_node(&geometry, 2, b"record 2...", &children).unwrap();
    let node = BTreeV2Node::decode(&bytes, &geometry, 2, 1).unwrap();
    assert_eq!([node.child(0).unwrap(), node.child(1).unwrap()], children);
}

#[test]
fn hostile_header() {
    for n in 0..header_bytes().len() {
        let e = BTreeV2Header::decode(&header_bytes()[..n], Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
    }
    let bad = |at: usize, value: u8| {
        let mut bytes = header_bytes();
        bytes[at] = value;
        BTreeV2Header::decode(&bytes, Sizes::EIGHT).unwrap_err()
    };
    assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(t) if t.contains("signature")));
    assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(bad(10, 0).kind(), ErrorKind::Corrupt(_)));
    assert!(matches!(bad(30, 9).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    for change in [
        BTreeV2Header { depth: u16::MAX, ..header() },
        BTreeV2Header { node_size: 0, ..header() },
        BTreeV2Header { node_size: 26, ..header() },
        BTreeV2Header { record_size: u16::MAX, ..header() },
        BTreeV2Header { record_size: 0, ..header() },
        BTreeV2Header { node_size: u32::MAX, depth: u16::MAX, record_size: 1, ..header() },
    ] {
        assert!(matches!(Geometry::new(&change, Sizes::EIGHT).unwrap_err().kind(), ErrorKind::Corrupt(_)));
    }
}

#[test]
fn hostile_node() {
    let geometry = Geometry::new(&header(), Sizes::EIGHT).unwrap();
    let bad = |at: usize, value: u8| {
        let mut bytes = root_bytes();
        bytes[at] = value;
        BTreeV2Node::decode(&bytes, &geometry, 1, 1).unwrap_err()
    };
    assert!(matches!(bad(3, b'L').kind(), ErrorKind::Corrupt(t) if t.contains("signature")));
    assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(bad(5, 5).kind(), ErrorKind::Corrupt(t) if t.contains("type")));
    assert!(matches!(bad(20, 5).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    let bytes = root_bytes();
    let decode = |n: usize, level, records| BTreeV2Node::decode(&bytes[..n], &geometry, level, records);
    assert!(matches!(decode(44, 1, 1).unwrap_err().kind(), ErrorKind::Truncated(_)));
    assert!(matches!(decode(512, 1, u16::MAX).unwrap_err().kind(), ErrorKind::Corrupt(_)));
    assert!(decode(512, 2, 1).is_err());
    // A child that claims more records than a leaf can hold.
    let children = [Child { address: 1, records: 30, total: 30 }, Child { address: 1, records: 1, total: 1 }];
    let bytes = encode_node(&geometry, 1, &[0; 17], &children).unwrap();
    let node = BTreeV2Node::decode(&bytes, &geometry, 1, 1).unwrap();
    assert!(matches!(node.child(0).unwrap_err().kind(), ErrorKind::Corrupt(_)));
    assert!(encode_node(&geometry, 1, &[0; 16], &children).is_err());
    assert!(encode_node(&geometry, 0, &[0; 17], &children).is_err());
}

use super::*;
use crate::ErrorKind;

const V1: &[u8] = b"\x01\0\x02\0\x01\0\0\0\x20\0\0\0\0\0\0\0\
    \x11\0\x10\0\0\0\0\0\x88\0\0\0\0\0\0\0\xa8\x02\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0";

// Times, phase change, order; a link info message, a NIL message and a gap of 2.
fn v2() -> Vec<u8> {
    let mut bytes = b"OHDR\x02\x34\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x08\0\x06\0\x13".to_vec();
    bytes.extend_from_slice(b"\x02\x02\0\0\x07\0\0\x03\0\x03\0\0\x08\0\0\0\0\0\0");
    checksum::append(&mut bytes);
    bytes
}

fn messages(prefix: &HeaderPrefix, header: &[u8]) -> Result<Vec<RawMessage>> {
    let chunk = &header[prefix.chunk0(header)?];
    Messages::new(prefix.version, prefix.tracks_order(), chunk).collect()
}

#[test]
fn version_1() {
    let prefix = HeaderPrefix::decode(V1).unwrap();
    assert_eq!((prefix.version, prefix.message_count, prefix.reference_count), (1, 2, 1));
    assert_eq!((prefix.chunk0_size, prefix.prefix_len, prefix.total_len()), (32, 16, 48));
    assert_eq!(prefix.encode().unwrap(), &V1[..16]);
    let found = messages(&prefix, V1).unwrap();
    assert_eq!(found[0], RawMessage { id: 0x11, flags: 0, order: None, start: 8, len: 16 });
    assert_eq!(found[1], RawMessage { id: 0, flags: 0, order: None, start: 32, len: 0 });
    let mut out = Vec::new();
    for m in found {
        encode_message(&mut out, 1, m.id, m.flags, m.order, &V1[16..][m.range()]).unwrap();
    }
    assert_eq!(out, &V1[16..]);
}

#[test]
fn version_2() {
    let bytes = v2();
    let prefix = HeaderPrefix::decode(&bytes).unwrap();
    assert_eq!(prefix.times, Some([1, 2, 3, 4]));
    assert_eq!(prefix.phase_change, Some((8, 6)));
    assert_eq!((prefix.chunk0_size, prefix.prefix_len), (19, 27));
    assert_eq!(prefix.total_len(), bytes.len() as u64);
    assert_eq!(prefix.encode().unwrap(), &bytes[..27]);
    assert_eq!(prefix.clone().fit(), prefix);
    let found = messages(&prefix, &bytes).unwrap();
    assert_eq!(found[0], RawMessage { id: 2, flags: 0, order: Some(7), start: 6, len: 2 });
    assert_eq!(found[1], RawMessage { id: 0, flags: 0, order: Some(8), start: 14, len: 3 });
    let mut out = Vec::new();
    for m in &found {
        encode_message(&mut out, 2, m.id, m.flags, m.order, &bytes[27..][m.range()]).unwrap();
    }
    assert_eq!(out, &bytes[27..27 + out.len()]);
}

#[test]
fn a_gap_is_no_message() {
    for gap in 0..4 {
        let chunk = [&b"\x15\x01\0\0\0"[..], &vec![0; gap]].concat();
        assert_eq!(Messages::new(2, false, &chunk).count(), 1, "gap of {gap}");
    }
    assert!(Messages::new(1, false, &[0; 7]).next().unwrap().is_err());
}

#[test]
fn continuation_block() {
    let block = encode_continuation(2, b"\0\0\0\0");
    assert_eq!(continuation(2, &block).unwrap(), 4..8);
    assert_eq!(continuation(1, b"12345678").unwrap(), 0..8);
    let kind = |mut block: Vec<u8>, at: usize| {
        block[at] ^= 1;
        continuation(2, &block).unwrap_err()
    };
    assert!(matches!(kind(block.clone(), 0).kind(), ErrorKind::Corrupt(t) if t.contains("signature")));
    assert!(matches!(kind(block.clone(), 5).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    for n in 0..8 {
        assert!(continuation(2, &block[..n]).is_err());
    }
}

#[test]
fn hostile() {
    let bad = |bytes: &[u8], at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        HeaderPrefix::decode(&bytes).and_then(|p| messages(&p, &bytes)).unwrap_err()
    };
    assert!(matches!(bad(V1, 0, 3).kind(), ErrorKind::Corrupt(_)), "no header");
    assert!(matches!(bad(V1, 8, 7).kind(), ErrorKind::Corrupt(_)), "no room for a message");
    assert!(matches!(bad(V1, 9, 1).kind(), ErrorKind::Truncated(_)), "chunk beyond the block");
    assert!(matches!(bad(V1, 18, 17).kind(), ErrorKind::Corrupt(_)), "unaligned message");
    assert!(matches!(bad(V1, 19, 1).kind(), ErrorKind::Corrupt(_)), "message beyond the chunk");
    assert!(matches!(bad(V1, 20, 6).kind(), ErrorKind::Corrupt(_)), "shared and not to be shared");
    assert!(matches!(bad(V1, 20, 0x20).kind(), ErrorKind::Corrupt(_)), "unknown but not marked");
    assert!(matches!(bad(&v2(), 4, 3).kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(bad(&v2(), 5, 0x74).kind(), ErrorKind::Corrupt(_)), "unknown flags");
    assert!(matches!(bad(&v2(), 22, 5).kind(), ErrorKind::Corrupt(_)), "phase change");
    assert!(matches!(bad(&v2(), 40, 5).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    for n in 0..V1.len() {
        let e = HeaderPrefix::decode(&V1[..n]).and_then(|p| messages(&p, &V1[..n])).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
    }
    let e = encode_message(&mut Vec::new(), 2, 0x0c, 0, None, &[0; 65536]).unwrap_err();
    assert!(matches!(e.kind(), ErrorKind::Limit { .. }));
}

#[test]
fn fit_chooses_the_width() {
    for (size, len) in [(255u64, 7), (256, 8), (65536, 10), (1 << 24, 10), (1 << 32, 14)] {
        let prefix = HeaderPrefix {
            version: 2,
            flags: 0,
            message_count: 0,
            reference_count: 1,
            times: None,
            phase_change: None,
            chunk0_size: size,
            prefix_len: 0,
        }
        .fit();
        let bytes = prefix.encode().unwrap();
        assert_eq!(bytes.len(), len);
        assert_eq!(HeaderPrefix::decode(&bytes).unwrap(), prefix);
    }
}

use super::*;
use crate::ErrorKind;

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

// Of a dataset of 90000 chunks that h5py wrote with libver='latest'.
pub fn literal() -> Vec<u8> {
    hex(concat!(
        "45414844000008200410040a090000000000000086060000000000009600000000000000640c0b0000000000",
        "905f010000000000f45f010000000000a52b0200000000006835fa62"
    ))
}

pub fn of_a_file() -> ExtensibleArrayHeader {
    ExtensibleArrayHeader::decode(&literal(), Sizes::EIGHT).unwrap()
}

#[test]
fn header_of_a_file() {
    let array = of_a_file();
    assert_eq!((array.client, array.element_size, array.max_bits, array.page_bits), (0, 8, 32, 10));
    assert_eq!((array.index_elements, array.min_elements, array.min_pointers), (4, 16, 4));
    assert_eq!((array.super_blocks, array.data_blocks, array.max_index_set), (9, 150, 90000));
    assert_eq!((array.realised, array.index_block), (90100, Some(0x22ba5)));
    assert_eq!(array.encode(Sizes::EIGHT).unwrap(), literal());
    assert_eq!(literal().len(), ExtensibleArrayHeader::encoded_len(Sizes::EIGHT));
}

#[test]
fn shape_of_the_defaults() {
    let shape = of_a_file().shape().unwrap();
    assert_eq!((shape.super_blocks(), shape.first_super_block()), (29, 4));
    assert_eq!((shape.index_data_blocks(), shape.index_super_blocks()), (6, 25));
    assert_eq!(shape.offset_width(), 4);
    let rows: Vec<_> =
        (0..6).map(|u| shape.super_block(u).unwrap()).map(|s| (s.data_blocks, s.elements)).collect();
    assert_eq!(rows, [(1, 16), (1, 32), (2, 32), (2, 64), (4, 64), (4, 128)]);
    assert_eq!(shape.super_block(13).unwrap().pages, 2);
    assert_eq!(shape.super_block(12).unwrap().pages, 0);
    assert!(shape.super_block(29).is_err());
    // As the header of the file has it: 9 stored super blocks, 150 data blocks.
    assert_eq!(shape.super_block(13).unwrap().first_data_block, 6 + 4 + 4 + 8 + 8 + 16 + 16 + 32 + 32 + 64);
    assert_eq!(shape.locate(3).unwrap(), Place::Index { element: 3 });
    assert_eq!(shape.locate(4).unwrap(), Place::DataBlock { pointer: 0, super_block: 0, element: 0 });
    assert_eq!(
        shape.locate(4 + 16 + 32 + 32).unwrap(),
        Place::DataBlock { pointer: 3, super_block: 2, element: 0 }
    );
    let place = Place::SuperBlock { pointer: 0, super_block: 4, data_block: 3, element: 63 };
    assert_eq!(shape.locate(4 + 240 + 255).unwrap(), place);
    assert!(shape.locate(u64::MAX).is_err());
    assert!(shape.locate(4 + (1 << 33) - 16).is_err());
    assert!(shape.locate(4 + (1 << 33) - 17).is_ok());
}

#[test]
fn super_blocks_follow_each_other_in_every_shape() {
    for (max_bits, min_elements, min_pointers) in [(32, 16, 4), (63, 1, 2), (10, 4, 1), (63, 128, 128)] {
        let header =
            ExtensibleArrayHeader { max_bits, min_elements, min_pointers, page_bits: 20, ..of_a_file() };
        let shape = header.shape().unwrap();
        let (mut elements, mut blocks) = (0u64, 0);
        for u in 0..shape.super_blocks() {
            let s = shape.super_block(u).unwrap();
            assert_eq!((s.first_element, s.first_data_block), (elements, blocks));
            let at = shape.locate(elements + 4).unwrap();
            assert!(matches!(at, Place::DataBlock { super_block, element: 0, .. }
                | Place::SuperBlock { super_block, element: 0, data_block: 0, .. } if super_block == u));
            elements += s.data_blocks * s.elements;
            blocks += s.data_blocks;
            if u + 1 == shape.first_super_block() {
                assert_eq!(blocks, shape.index_data_blocks() as u64);
            }
        }
    }
}

#[test]
fn hostile() {
    for n in 0..literal().len() {
        let e = ExtensibleArrayHeader::decode(&literal()[..n], Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
    }
    let bad = |at: usize, value: u8| {
        let mut bytes = literal();
        bytes[at] = value;
        ExtensibleArrayHeader::decode(&bytes, Sizes::EIGHT).unwrap_err()
    };
    assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(_)));
    assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
    assert!(matches!(bad(13, 1).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    let h = of_a_file();
    for wild in [
        ExtensibleArrayHeader { max_bits: 64, ..h.clone() },
        ExtensibleArrayHeader { max_bits: 3, ..h.clone() },
        ExtensibleArrayHeader { min_elements: 0, ..h.clone() },
        ExtensibleArrayHeader { min_elements: 3, ..h.clone() },
        ExtensibleArrayHeader { min_pointers: 0, ..h.clone() },
        ExtensibleArrayHeader { max_bits: 5, min_pointers: 128, ..h.clone() },
        ExtensibleArrayHeader { page_bits: 64, ..h.clone() },
        ExtensibleArrayHeader { page_bits: 4, ..h.clone() },
    ] {
        assert!(matches!(wild.shape().unwrap_err().kind(), ErrorKind::Corrupt(_)), "{wild:?}");
    }
}

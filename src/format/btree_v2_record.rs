//! Records of version 2 B-trees, types 1 to 11 (7 is in `shared_message_table`).
//!
//! HDF5 File Format Specification, III.A.2 "Version 2 B-tree, Type 1 Record Layout" to "Type 11 Record Layout".
//!
//! ```text
//!  1 huge object, indirect            address O, length L, id L
//!  2 huge object, indirect, filtered  address O, length L, mask u32, length in memory L, id L
//!  3 huge object, direct              address O, length L
//!  4 huge object, direct, filtered    address O, length L, mask u32, length in memory L
//!  5 link by name                     hash u32, heap id 7
//!  6 link by creation order           order i64, heap id 7
//!  8 attribute by name                heap id 8, message flags u8, order u32, hash u32
//!  9 attribute by creation order      heap id 8, message flags u8, order u32
//! 10 chunk                            address O, scaled offsets u64 each
//! 11 chunk, filtered                  address O, size of 1 to 8 bytes, mask u32, scaled offsets u64 each
//! ```

use binrw::binrw;

use super::primitive::{
    Bytes, Put, Sizes, Structure, read_defined, read_length, write_defined, write_length,
};
use crate::error::{Context, Result};

macro_rules! huge {
    ($(#[$doc:meta])* $name:ident, $text:literal, filtered: $filtered:ty, id: $id:ty) => {
        $(#[$doc])*
        #[binrw]
        #[brw(little, import(sizes: Sizes))]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// Address of the object.
            #[br(parse_with = read_defined, args(sizes))]
            #[bw(write_with = write_defined, args(sizes))]
            pub address: u64,
            /// Bytes of the object in the file.
            #[br(parse_with = read_length, args(sizes))]
            #[bw(write_with = write_length, args(sizes))]
            pub length: u64,
            /// What only a filtered object has.
            #[brw(args(sizes))]
            pub filtered: $filtered,
            /// Key by which heap ids name the object.
            #[brw(args(sizes))]
            pub id: $id,
        }

        impl Structure for $name {
            const NAME: &'static str = $text;
        }
    };
}

/// Fields of a record that its type does not have.
#[binrw]
#[brw(little, import(_sizes: Sizes))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absent;

/// Filters of a huge object.
#[binrw]
#[brw(little, import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// Filters that were skipped.
    pub mask: u32,
    /// Bytes of the object once the filters are undone.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub memory_size: u64,
}

/// Key of a huge object.
#[binrw]
#[brw(little, import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HugeId(
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub u64,
);

huge!(
    /// Type 1: a huge object found by its key.
    HugeIndirect, "B-tree v2 record 1", filtered: Absent, id: HugeId
);
huge!(
    /// Type 2: a filtered huge object found by its key.
    HugeIndirectFiltered, "B-tree v2 record 2", filtered: Filtered, id: HugeId
);
huge!(
    /// Type 3: a huge object whose address is in the heap id.
    HugeDirect, "B-tree v2 record 3", filtered: Absent, id: Absent
);
huge!(
    /// Type 4: a filtered huge object whose address is in the heap id.
    HugeDirectFiltered, "B-tree v2 record 4", filtered: Filtered, id: Absent
);

/// Type 5: a link, ordered by the hash of its name and then by its name.
#[binrw]
#[brw(little, import(_sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkName {
    /// lookup3 of the name.
    pub hash: u32,
    /// The link message in the fractal heap.
    pub id: [u8; 7],
}

impl Structure for LinkName {
    const NAME: &'static str = "B-tree v2 record 5";
}

/// Type 6: a link, ordered by its creation.
#[binrw]
#[brw(little, import(_sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOrder {
    /// Creation order.
    pub order: i64,
    /// The link message in the fractal heap.
    pub id: [u8; 7],
}

impl Structure for LinkOrder {
    const NAME: &'static str = "B-tree v2 record 6";
}

/// Type 8: an attribute, ordered by the hash of its name and then by its name.
#[binrw]
#[brw(little, import(_sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeName {
    /// The attribute message in the fractal heap, of the file's shared messages if the flags say so.
    pub id: [u8; 8],
    /// Flags of the message.
    pub flags: u8,
    /// Creation order.
    pub order: u32,
    /// lookup3 of the name.
    pub hash: u32,
}

impl Structure for AttributeName {
    const NAME: &'static str = "B-tree v2 record 8";
}

/// Type 9: an attribute, ordered by its creation.
#[binrw]
#[brw(little, import(_sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeOrder {
    /// The attribute message in the fractal heap, of the file's shared messages if the flags say so.
    pub id: [u8; 8],
    /// Flags of the message.
    pub flags: u8,
    /// Creation order.
    pub order: u32,
}

impl Structure for AttributeOrder {
    const NAME: &'static str = "B-tree v2 record 9";
}

/// Types 10 and 11: a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRecord<'a> {
    /// Address of the chunk.
    pub address: u64,
    /// Bytes in the file and filters skipped; none if the dataset has no filters.
    pub filtered: Option<(u64, u32)>,
    scaled: &'a [[u8; 8]],
}

impl<'a> ChunkRecord<'a> {
    /// Width of the size in a record of type 11, from the size of a record; none for type 10, whose records have none.
    pub fn size_width(record_type: u8, record_size: u16, rank: u8, sizes: Sizes) -> Result<Option<u8>> {
        let fixed = u16::from(sizes.offset) + 8 * u16::from(rank);
        match (record_type, record_size.checked_sub(fixed)) {
            (10, Some(0)) => Ok(None),
            (11, Some(rest @ 5..=12)) => Ok(Some((rest - 4) as u8)),
            _ => {
                let text = format!("records of type {record_type} and {record_size} bytes for rank {rank}");
                Err(crate::error::Error::corrupt(text).in_structure("B-tree v2 header"))
            }
        }
    }

    /// Parses a record of a dataset of `rank` dimensions, whose size is `width` bytes wide if there is one.
    pub fn decode(record: &'a [u8], rank: u8, width: Option<u8>, sizes: Sizes) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(record);
            let address = b.defined(sizes)?;
            let filtered = match width {
                Some(width) => Some((b.uint(width)?, b.u32()?)),
                None => None,
            };
            let scaled = b.take(8 * usize::from(rank))?.as_chunks().0;
            Ok(ChunkRecord { address, filtered, scaled })
        };
        parse().in_structure("B-tree v2 chunk record")
    }

    /// Place of the chunk in the grid of chunks.
    pub fn scaled(&self) -> impl ExactSizeIterator<Item = u64> + Clone + 'a {
        self.scaled.iter().map(|b| u64::from_le_bytes(*b))
    }
}

/// Appends a record of type 10, or with a size of `width` bytes and a filter mask of type 11.
pub fn encode_chunk(
    out: &mut Vec<u8>,
    address: u64,
    filtered: Option<(u64, u32)>,
    width: u8,
    scaled: &[u64],
    sizes: Sizes,
) -> Result<()> {
    out.uint(address, sizes.offset)?;
    if let Some((size, mask)) = filtered {
        out.uint(size, width)?;
        out.extend_from_slice(&mask.to_le_bytes());
    }
    scaled.iter().for_each(|place| out.extend_from_slice(&place.to_le_bytes()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn same<T: Structure + PartialEq + std::fmt::Debug>(bytes: &[u8], value: T, sizes: Sizes) {
        assert_eq!(T::decode(bytes, sizes).unwrap(), value);
        assert_eq!(value.encode(sizes).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(matches!(T::decode(&bytes[..n], sizes).unwrap_err().kind(), ErrorKind::Truncated(_)));
        }
    }

    #[test]
    fn literal_bytes() {
        let sizes = Sizes { offset: 4, length: 2 };
        let filtered = Filtered { mask: 3, memory_size: 9 };
        same(
            b"\x10\0\0\0\x05\0\x01\0",
            HugeIndirect { address: 16, length: 5, filtered: Absent, id: HugeId(1) },
            sizes,
        );
        same(
            b"\x10\0\0\0\x05\0\x03\0\0\0\x09\0\x01\0",
            HugeIndirectFiltered { address: 16, length: 5, filtered, id: HugeId(1) },
            sizes,
        );
        same(b"\x10\0\0\0\x05\0", HugeDirect { address: 16, length: 5, filtered: Absent, id: Absent }, sizes);
        same(
            b"\x10\0\0\0\x05\0\x03\0\0\0\x09\0",
            HugeDirectFiltered { address: 16, length: 5, filtered, id: Absent },
            sizes,
        );
        same(b"\x01\x02\x03\x04abcdefg", LinkName { hash: 0x0403_0201, id: *b"abcdefg" }, sizes);
        same(b"\xff\xff\xff\xff\xff\xff\xff\xffabcdefg", LinkOrder { order: -1, id: *b"abcdefg" }, sizes);
        same(
            b"abcdefgh\x01\x02\0\0\0\x03\0\0\0",
            AttributeName { id: *b"abcdefgh", flags: 1, order: 2, hash: 3 },
            sizes,
        );
        same(b"abcdefgh\x01\x02\0\0\0", AttributeOrder { id: *b"abcdefgh", flags: 1, order: 2 }, sizes);
    }

    #[test]
    fn chunks() {
        let bytes = b"\0\x08\0\0\0\0\0\0\x2a\x01\x02\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(ChunkRecord::size_width(11, 30, 2, Sizes::EIGHT).unwrap(), Some(2));
        let record = ChunkRecord::decode(bytes, 2, Some(2), Sizes::EIGHT).unwrap();
        assert_eq!((record.address, record.filtered), (0x800, Some((298, 2))));
        assert_eq!(record.scaled().collect::<Vec<_>>(), [5, 6]);
        let mut out = Vec::new();
        encode_chunk(&mut out, 0x800, record.filtered, 2, &[5, 6], Sizes::EIGHT).unwrap();
        assert_eq!(out, bytes);
        assert_eq!(ChunkRecord::size_width(10, 24, 2, Sizes::EIGHT).unwrap(), None);
        for (kind, size) in [(10, 23), (10, 25), (11, 28), (11, 37), (5, 24)] {
            assert!(ChunkRecord::size_width(kind, size, 2, Sizes::EIGHT).is_err());
        }
        let plain = ChunkRecord::decode(&bytes[..16], 1, None, Sizes::EIGHT).unwrap();
        assert_eq!((plain.filtered, plain.scaled().len()), (None, 1));
        let e = ChunkRecord::decode(&bytes[..29], 2, Some(2), Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)));
    }
}

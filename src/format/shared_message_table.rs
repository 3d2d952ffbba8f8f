//! Shared object header messages: the table of indexes, and an index that is a list.
//!
//! HDF5 File Format Specification, IV.A.2.p "Shared Message Table" and III.H "Shared Object Header Message Table".
//!
//! ```text
//! table                                       list
//! +------+-------------------------+          +------+-------------------+----------+
//! | SMTB | index ...    | checksum |          | SMLI | record ...        | checksum |
//! +------+-------------------------+          +------+-------------------+----------+
//! index                                       record, padded to the larger of its forms
//! +---------+------+---------------------+    +----------+----------+------------------------------------+
//! | version | type | message types u16   |    | location | hash u32 | 0: references u32, heap id 8       |
//! |    0    |  u8  |                     |    |    u8    |          | 1: 0, type u8, index u16, header O |
//! +---------+------+---------------------+    +----------+----------+------------------------------------+
//! | min size u32 | list max u16 | btree min u16 |
//! | messages u16 | index O | heap O             |
//! +-------------------------------------------+
//! ```
//!
//! A list takes room for "list max" records, but its checksum follows the last one in use. The same record is type 7
//! of version 2 B-trees.

use binrw::binrw;

use super::checksum;
use super::primitive::{Bytes, Put, Sizes, Structure, read_address, read_version, write_address};
use crate::error::{Context, Error, Result};

const TABLE: &[u8; 4] = b"SMTB";
const LIST: &[u8; 4] = b"SMLI";
const LIST_NAME: &str = "shared message list";

/// An index of shared messages.
#[binrw]
#[brw(little, import(sizes: Sizes))]
#[br(assert(index_type <= 1, "index type {index_type}"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMessageIndex {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// 0 for a list, 1 for a version 2 B-tree.
    pub index_type: u8,
    /// A bit for each kind of message that is shared.
    pub message_types: u16,
    /// Bytes of the smallest message that is shared.
    pub min_size: u32,
    /// Most messages of a list.
    pub list_max: u16,
    /// Fewest messages of a B-tree.
    pub btree_min: u16,
    /// Number of messages.
    pub messages: u16,
    /// Address of the list or B-tree.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub index: Option<u64>,
    /// Address of the fractal heap.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub heap: Option<u64>,
}

impl Structure for SharedMessageIndex {
    const NAME: &'static str = "shared message table";
}

impl SharedMessageIndex {
    /// Bytes of an index in the table.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        14 + 2 * sizes.offset as usize
    }
}

/// The indexes of shared messages of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMessageTable {
    /// One for each set of kinds of messages.
    pub indexes: Vec<SharedMessageIndex>,
}

impl SharedMessageTable {
    /// Bytes of a table of so many indexes.
    pub const fn encoded_len(count: u8, sizes: Sizes) -> usize {
        8 + count as usize * SharedMessageIndex::encoded_len(sizes)
    }

    /// Parses the table of `count` indexes at the start of `bytes`; its checksum is verified.
    pub fn decode(bytes: &[u8], count: u8, sizes: Sizes) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(bytes);
            b.signature(TABLE)?;
            let whole = bytes.get(..Self::encoded_len(count, sizes));
            checksum::verify(whole.ok_or_else(|| Error::truncated(format!("no room for {count} indexes")))?)?;
            let entry = || SharedMessageIndex::decode(b.take(SharedMessageIndex::encoded_len(sizes))?, sizes);
            let indexes = std::iter::repeat_with(entry).take(usize::from(count)).collect::<Result<_>>()?;
            Ok(SharedMessageTable { indexes })
        };
        parse().in_structure(SharedMessageIndex::NAME)
    }

    /// The bytes of the table.
    pub fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let mut out = TABLE.to_vec();
        for index in &self.indexes {
            out.append(&mut index.encode(sizes)?);
        }
        checksum::append(&mut out);
        Ok(out)
    }
}

/// Where a shared message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedLocation {
    /// In the fractal heap of its index.
    Heap {
        /// Number of messages that refer to it.
        references: u32,
        /// Its heap id.
        id: [u8; 8],
    },
    /// In the object header of the only object that has it.
    Header {
        /// Kind of the message.
        message_type: u8,
        /// Which message of its kind.
        index: u16,
        /// Address of the object header.
        header: u64,
    },
}

/// One shared message: a record of a list, or of a version 2 B-tree (type 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedMessageRecord {
    /// lookup3 of the message.
    pub hash: u32,
    /// Where it is.
    pub location: SharedLocation,
}

impl SharedMessageRecord {
    /// Bytes of a record.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        let header = 4 + sizes.offset as usize;
        5 + if header > 12 { header } else { 12 }
    }

    /// Parses the record at the start of `bytes`.
    pub fn decode(bytes: &[u8], sizes: Sizes) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(Bytes(bytes).take(Self::encoded_len(sizes))?);
            let (location, hash) = (b.u8()?, b.u32()?);
            let location = match location {
                0 => SharedLocation::Heap { references: b.u32()?, id: b.array()? },
                1 => {
                    b.u8()?;
                    SharedLocation::Header {
                        message_type: b.u8()?,
                        index: b.u16()?,
                        header: b.defined(sizes)?,
                    }
                }
                other => return Err(Error::corrupt(format!("location {other}"))),
            };
            Ok(SharedMessageRecord { hash, location })
        };
        parse().in_structure("shared message record")
    }

    /// Appends the bytes of the record.
    pub fn encode_to(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        let end = out.len() + Self::encoded_len(sizes);
        out.push(u8::from(matches!(self.location, SharedLocation::Header { .. })));
        out.extend_from_slice(&self.hash.to_le_bytes());
        match self.location {
            SharedLocation::Heap { references, id } => {
                out.extend_from_slice(&references.to_le_bytes());
                out.extend_from_slice(&id);
            }
            SharedLocation::Header { message_type, index, header } => {
                out.extend_from_slice(&[0, message_type]);
                out.extend_from_slice(&index.to_le_bytes());
                out.uint(header, sizes.offset)?;
            }
        }
        out.resize(end, 0);
        Ok(())
    }
}

/// Parses the list of `messages` records at the start of `bytes`; its checksum is verified.
pub fn decode_list(bytes: &[u8], messages: u16, sizes: Sizes) -> Result<Vec<SharedMessageRecord>> {
    let parse = || {
        let mut b = Bytes(bytes);
        b.signature(LIST)?;
        let len = SharedMessageRecord::encoded_len(sizes);
        let records = b.take(usize::from(messages) * len)?;
        b.take(checksum::CHECKSUM_LEN)?;
        checksum::verify(&bytes[..bytes.len() - b.0.len()])?;
        records
            .chunks_exact(len)
            .map(|record| SharedMessageRecord::decode(record, sizes))
            .collect::<Result<Vec<_>>>()
    };
    parse().in_structure(LIST_NAME)
}

/// The bytes of a list with room for `list_max` records.
pub fn encode_list(records: &[SharedMessageRecord], list_max: u16, sizes: Sizes) -> Result<Vec<u8>> {
    if records.len() > usize::from(list_max) {
        let text = format!("{} records in a list of {list_max}", records.len());
        return Err(Error::usage(text).in_structure(LIST_NAME));
    }
    let mut out = LIST.to_vec();
    for record in records {
        record.encode_to(&mut out, sizes).in_structure(LIST_NAME)?;
    }
    checksum::append(&mut out);
    out.resize(8 + usize::from(list_max) * SharedMessageRecord::encoded_len(sizes), 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn table() -> Vec<u8> {
        let mut bytes =
            b"SMTB\0\0\x1f\0\x32\0\0\0\x32\0\x28\0\x02\0\0\x04\0\0\0\0\0\0\0\x08\0\0\0\0\0\0".to_vec();
        checksum::append(&mut bytes);
        bytes
    }

    #[test]
    fn table_of_indexes() {
        let found = SharedMessageTable::decode(&table(), 1, Sizes::EIGHT).unwrap();
        let index = &found.indexes[0];
        assert_eq!((index.index_type, index.message_types, index.min_size), (0, 0x1f, 50));
        assert_eq!((index.list_max, index.btree_min, index.messages), (50, 40, 2));
        assert_eq!((index.index, index.heap), (Some(0x400), Some(0x800)));
        assert_eq!(found.encode(Sizes::EIGHT).unwrap(), table());
        let fail = |bytes: &[u8], count| SharedMessageTable::decode(bytes, count, Sizes::EIGHT).unwrap_err();
        assert!(matches!(fail(&table(), 2).kind(), ErrorKind::Truncated(_)));
        for (at, value) in [(0, 0), (5, 2), (6, 0)] {
            let mut bytes = table();
            bytes[at] = value;
            assert!(matches!(fail(&bytes, 1).kind(), ErrorKind::Corrupt(_)));
        }
        let mut newer = table()[..34].to_vec();
        newer[4] = 1;
        checksum::append(&mut newer);
        assert!(matches!(fail(&newer, 1).kind(), ErrorKind::Unsupported(_)));
    }

    #[test]
    fn list_of_records() {
        let mut bytes = b"SMLI\0\x01\x02\x03\x04\x02\0\0\0abcdefgh".to_vec();
        bytes.extend_from_slice(b"\x01\x05\x06\x07\x08\0\x03\x01\0\0\x10\0\0\0\0\0\0");
        checksum::append(&mut bytes);
        bytes.resize(8 + 5 * 17, 0);
        let records = decode_list(&bytes, 2, Sizes::EIGHT).unwrap();
        assert_eq!(records[0].hash, 0x0403_0201);
        assert_eq!(records[0].location, SharedLocation::Heap { references: 2, id: *b"abcdefgh" });
        let header = SharedLocation::Header { message_type: 3, index: 1, header: 0x1000 };
        assert_eq!(records[1].location, header);
        assert_eq!(encode_list(&records, 5, Sizes::EIGHT).unwrap(), bytes);
        assert!(encode_list(&records, 1, Sizes::EIGHT).is_err());
        assert!(matches!(decode_list(&bytes, 1, Sizes::EIGHT).unwrap_err().kind(), ErrorKind::Corrupt(_)));
        let e = decode_list(&bytes, u16::MAX, Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)));
        let e = SharedMessageRecord::decode(&[2; 17], Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Corrupt(_)));
    }

    #[test]
    fn narrow_addresses_pad_the_record_in_a_header() {
        let sizes = Sizes { offset: 2, length: 2 };
        let location = SharedLocation::Header { message_type: 1, index: 0, header: 9 };
        let record = SharedMessageRecord { hash: 1, location };
        let mut out = Vec::new();
        record.encode_to(&mut out, sizes).unwrap();
        assert_eq!(out.len(), 17);
        assert_eq!(SharedMessageRecord::decode(&out, sizes).unwrap(), record);
    }
}

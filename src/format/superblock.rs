//! Superblock: the first structure of a file, which gives the widths of addresses and lengths and the root group.
//!
//! HDF5 File Format Specification, II.A "Disk Format: Level 0A - Format Signature and Superblock".
//!
//! ```text
//! versions 0 and 1                              versions 2 and 3
//! +-----------------------------------------+   +---------------------------------------+
//! | \x89 H D F \r \n \x1a \n                |   | \x89 H D F \r \n \x1a \n              |
//! | version, free space 0, root group 0, 0  |   | version, O, L, flags                  |
//! | shared header 0, O, L, 0                |   | base address                        O |
//! | group leaf K u16, group internal K u16  |   | extension                           O |
//! | flags u32                               |   | end of file                         O |
//! | chunk K u16, 0 u16      (version 1)     |   | root object header                  O |
//! | base address                          O |   | checksum                          u32 |
//! | free space                            O |   +---------------------------------------+
//! | end of file                           O |
//! | driver information block              O |
//! | root group: a symbol table entry        |
//! +-----------------------------------------+
//! ```

use binrw::binrw;

use super::primitive::{
    Bytes, Sizes, Structure, read_address, read_defined, read_version, write_address, write_defined,
};
use super::symbol_table::{EntryCache, SymbolTableEntry};
use crate::error::{Context, Error, Result};

const NAME: &str = "superblock";

/// The bytes that start every HDF5 file, after the user block.
pub const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// No superblock is longer.
pub const MAX_LEN: usize = 128;

/// Status flag: the file is open for writing, or was not closed.
pub const FLAG_WRITE: u32 = 0x01;
/// Status flag: the file is open for single-writer/multiple-reader access.
pub const FLAG_SWMR: u32 = 0x04;
/// Status flag of this library, in all versions: a commit was published in a journal at the end of the file, and is not
/// known to have come to its end. Other libraries refuse a file with a flag that they do not know.
pub const FLAG_JOURNAL: u32 = 0x80;
const KNOWN_FLAGS: u32 = 0x07 | FLAG_JOURNAL;

/// Rank K of group leaf nodes where the file does not say.
pub const DEFAULT_LEAF_K: u16 = 4;
/// Rank K of group internal nodes where the file does not say.
pub const DEFAULT_INTERNAL_K: u16 = 16;
/// Rank K of chunk B-tree nodes where the file does not say.
pub const DEFAULT_CHUNK_K: u16 = 32;

/// Where a file's contents start and how its numbers are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// 0 to 3.
    pub version: u8,
    /// Widths of addresses and lengths.
    pub sizes: Sizes,
    /// Address of the file's first byte, as stored; where the signature was found counts instead.
    pub base: u64,
    /// End of the file, absolute: it includes the base address.
    pub eof: u64,
    /// Object header of the superblock extension (versions 2 and 3).
    pub extension: Option<u64>,
    /// Object header of the root group.
    pub root: u64,
    /// Addresses of the root group's B-tree and local heap, if versions 0 and 1 repeat them.
    pub root_symbol_table: Option<(u64, u64)>,
    /// Status flags, of which only version 3 must be heeded.
    pub flags: u32,
    /// Half of the entries of a symbol table node.
    pub leaf_k: u16,
    /// Half of the children of an internal node of a group's B-tree.
    pub internal_k: u16,
    /// Half of the children of a node of a chunk B-tree.
    pub chunk_k: u16,
    /// Global free-space index (versions 0 and 1); libhdf5 never writes one.
    pub free_space: Option<u64>,
    /// Driver information block (versions 0 and 1).
    pub driver_info: Option<u64>,
}

#[binrw]
#[brw(little, import(sizes: Sizes, version: u8))]
struct Old {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _free_space_version: u8,
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _root_version: u8,
    _reserved0: u8,
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _shared_header_version: u8,
    offset_size: u8,
    length_size: u8,
    _reserved1: u8,
    leaf_k: u16,
    internal_k: u16,
    flags: u32,
    #[brw(if(version == 1))]
    chunk_k: u16,
    #[brw(if(version == 1))]
    _reserved2: u16,
    #[br(parse_with = read_defined, args(sizes))]
    #[bw(write_with = write_defined, args(sizes))]
    base: u64,
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    free_space: Option<u64>,
    #[br(parse_with = read_defined, args(sizes))]
    #[bw(write_with = write_defined, args(sizes))]
    eof: u64,
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    driver_info: Option<u64>,
}

#[binrw]
#[brw(little, import(sizes: Sizes))]
struct New {
    #[brw(magic = b"\x89HDF\r\n\x1a\n")]
    version: u8,
    offset_size: u8,
    length_size: u8,
    flags: u8,
    #[br(parse_with = read_defined, args(sizes))]
    #[bw(write_with = write_defined, args(sizes))]
    base: u64,
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    extension: Option<u64>,
    #[br(parse_with = read_defined, args(sizes))]
    #[bw(write_with = write_defined, args(sizes))]
    eof: u64,
    #[br(parse_with = read_defined, args(sizes))]
    #[bw(write_with = write_defined, args(sizes))]
    root: u64,
}

impl Structure for New {
    const NAME: &'static str = NAME;
    const CHECKSUM: bool = true;
}

impl Superblock {
    /// Parses the superblock at the start of `bytes`, of which there should be [`MAX_LEN`] if the file has them.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).in_structure(NAME)
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut b = Bytes(bytes);
        if b.array::<8>()? != SIGNATURE {
            return Err(Error::corrupt("wrong signature"));
        }
        let superblock = match b.u8()? {
            version @ 0..=1 => Self::parse_old(version, b)?,
            2..=3 => Self::parse_new(bytes, b)?,
            version => return Err(Error::unsupported(format!("version {version}"))),
        };
        superblock.validate()?;
        Ok(superblock)
    }

    fn parse_old(version: u8, b: Bytes<'_>) -> Result<Self> {
        let sizes = match b.0 {
            [_, _, _, _, offset, length, ..] => checked_sizes(*offset, *length)?,
            _ => return Err(Error::truncated("no widths of addresses and lengths")),
        };
        let mut cursor = std::io::Cursor::new(b.0);
        let old = <Old as binrw::BinRead>::read_args(&mut cursor, (sizes, version))
            .map_err(|e| super::primitive::from_binrw(e, NAME))?;
        let entry = SymbolTableEntry::decode(&b.0[cursor.position() as usize..], sizes)?;
        let undefined = super::primitive::all_ones(sizes.offset);
        Ok(Superblock {
            version,
            sizes,
            base: old.base,
            eof: old.eof,
            extension: None,
            root: entry.header.ok_or_else(|| Error::corrupt("undefined address of the root group"))?,
            root_symbol_table: match entry.cache {
                EntryCache::Group { btree, heap } if btree != undefined && heap != undefined => {
                    Some((btree, heap))
                }
                _ => None,
            },
            flags: old.flags,
            leaf_k: old.leaf_k,
            internal_k: old.internal_k,
            chunk_k: if version == 0 { DEFAULT_CHUNK_K } else { old.chunk_k },
            free_space: old.free_space,
            driver_info: old.driver_info,
        })
    }

    fn parse_new(bytes: &[u8], mut b: Bytes<'_>) -> Result<Self> {
        let sizes = checked_sizes(b.u8()?, b.u8()?)?;
        let new = New::decode(bytes, sizes)?;
        Ok(Superblock {
            version: new.version,
            sizes,
            base: new.base,
            eof: new.eof,
            extension: new.extension,
            root: new.root,
            root_symbol_table: None,
            flags: u32::from(new.flags),
            leaf_k: DEFAULT_LEAF_K,
            internal_k: DEFAULT_INTERNAL_K,
            chunk_k: DEFAULT_CHUNK_K,
            free_space: None,
            driver_info: None,
        })
    }

    fn validate(&self) -> Result<()> {
        if self.flags & !KNOWN_FLAGS != 0 {
            return Err(Error::corrupt(format!("unknown status flags {:#x}", self.flags)));
        }
        if self.leaf_k == 0 || self.internal_k == 0 || self.chunk_k == 0 {
            return Err(Error::corrupt("a B-tree rank K of zero"));
        }
        if self.base >= self.eof {
            return Err(Error::corrupt(format!("base {:#x} beyond end of file {:#x}", self.base, self.eof)));
        }
        if self.root == 0 || self.root >= self.eof {
            return Err(Error::corrupt(format!(
                "root group at {:#x} of a file of {:#x}",
                self.root, self.eof
            )));
        }
        if self.extension.is_some_and(|address| address >= self.eof) {
            return Err(Error::corrupt("the superblock extension is beyond the end of the file"));
        }
        Ok(())
    }

    /// The bytes of the superblock.
    ///
    /// # Errors
    /// `Corrupt` if a value does not fit its field, `Unsupported` for a version above 3.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let Sizes { offset, length } = checked_sizes(self.sizes.offset, self.sizes.length)?;
        self.validate()?;
        match self.version {
            0 | 1 => self.encode_old(),
            2 | 3 => New {
                version: self.version,
                offset_size: offset,
                length_size: length,
                flags: self.flags as u8,
                base: self.base,
                extension: self.extension,
                eof: self.eof,
                root: self.root,
            }
            .encode(self.sizes),
            version => Err(Error::unsupported(format!("version {version}")).in_structure(NAME)),
        }
    }

    fn encode_old(&self) -> Result<Vec<u8>> {
        let old = Old {
            _reserved0: 0,
            offset_size: self.sizes.offset,
            length_size: self.sizes.length,
            _reserved1: 0,
            leaf_k: self.leaf_k,
            internal_k: self.internal_k,
            flags: self.flags,
            chunk_k: self.chunk_k,
            _reserved2: 0,
            base: self.base,
            free_space: self.free_space,
            eof: self.eof,
            driver_info: self.driver_info,
        };
        let mut out = SIGNATURE.to_vec();
        out.push(self.version);
        let mut cursor = std::io::Cursor::new(Vec::new());
        binrw::BinWrite::write_args(&old, &mut cursor, (self.sizes, self.version))
            .map_err(|e| super::primitive::from_binrw(e, NAME))?;
        out.append(cursor.get_mut());
        let cache = match self.root_symbol_table {
            Some((btree, heap)) => EntryCache::Group { btree, heap },
            None => EntryCache::None,
        };
        SymbolTableEntry { name_offset: 0, header: Some(self.root), cache }
            .encode_to(&mut out, self.sizes)?;
        Ok(out)
    }
}

fn checked_sizes(offset: u8, length: u8) -> Result<Sizes> {
    for (what, size) in [("addresses", offset), ("lengths", length)] {
        match size {
            2 | 4 | 8 => {}
            16 | 32 => return Err(Error::unsupported(format!("{what} of {size} bytes"))),
            _ => return Err(Error::corrupt(format!("{what} of {size} bytes"))),
        }
    }
    Ok(Sizes { offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    // Of a file that h5py wrote with libver='earliest'.
    const V0: &[u8] = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xff\xff\xff\xff\xff\xff\xff\xff\x20\x03\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
        \0\0\0\0\0\0\0\0\x60\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x88\0\0\0\0\0\0\0\xa8\x02\0\0\0\0\0\0";
    // Of a file that h5py wrote with libver='latest'.
    const V3: &[u8] = b"\x89HDF\r\n\x1a\n\x03\x08\x08\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
        \xc3\0\0\0\0\0\0\0\x30\0\0\0\0\0\0\0";

    fn v3() -> Vec<u8> {
        let mut bytes = V3.to_vec();
        super::super::checksum::append(&mut bytes);
        bytes
    }

    #[test]
    fn version_0() {
        let s = Superblock::decode(V0).unwrap();
        assert_eq!((s.version, s.sizes, s.root), (0, Sizes::EIGHT, 0x60));
        assert_eq!((s.leaf_k, s.internal_k, s.chunk_k), (4, 16, 32));
        assert_eq!(s.root_symbol_table, Some((0x88, 0x2a8)));
        assert_eq!((s.base, s.eof, s.driver_info), (0, 0x320, None));
        assert_eq!(s.encode().unwrap(), V0);
    }

    #[test]
    fn version_1_has_the_chunk_rank_after_the_flags() {
        let mut bytes = V0.to_vec();
        bytes[8] = 1;
        bytes.splice(24..24, [64, 0, 0, 0]);
        let s = Superblock::decode(&bytes).unwrap();
        assert_eq!((s.version, s.chunk_k, s.flags), (1, 64, 0));
        assert_eq!(s.encode().unwrap(), bytes);
        assert!(bytes.len() <= MAX_LEN);
    }

    #[test]
    fn version_3() {
        let s = Superblock::decode(&v3()).unwrap();
        assert_eq!((s.version, s.root, s.eof, s.extension), (3, 0x30, 0xc3, None));
        assert_eq!(s.encode().unwrap(), v3());
    }

    #[test]
    fn other_widths() {
        for (offset, length) in [(2, 2), (4, 4), (8, 4), (4, 8)] {
            for version in 0..=3 {
                let old = version < 2;
                let s = Superblock {
                    version,
                    sizes: Sizes { offset, length },
                    base: 512,
                    eof: 0x2000,
                    extension: (!old).then_some(0x100),
                    root: 0x60,
                    root_symbol_table: old.then_some((0x88, 0x2a8)),
                    flags: 5,
                    leaf_k: 4,
                    internal_k: 16,
                    chunk_k: 32,
                    free_space: None,
                    driver_info: old.then_some(0x300),
                };
                assert_eq!(Superblock::decode(&s.encode().unwrap()).unwrap(), s);
            }
        }
    }

    #[test]
    fn hostile() {
        let bad = |bytes: &[u8], at: usize, value: u8| {
            let mut bytes = bytes.to_vec();
            bytes[at] = value;
            Superblock::decode(&bytes).unwrap_err()
        };
        assert!(matches!(bad(V0, 0, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(V0, 8, 4).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(V0, 9, 1).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(V0, 13, 16).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(V0, 13, 3).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(V0, 16, 0).kind(), ErrorKind::Corrupt(_)), "leaf K 0");
        assert!(matches!(bad(V0, 21, 1).kind(), ErrorKind::Corrupt(_)), "flags above 255");
        assert!(matches!(bad(V0, 65, 4).kind(), ErrorKind::Corrupt(_)), "root beyond the end");
        assert!(matches!(bad(&v3(), 47, 1).kind(), ErrorKind::Corrupt(text) if text.contains("computed")));
        for bytes in [V0, &v3()] {
            for n in 0..bytes.len() {
                let e = Superblock::decode(&bytes[..n]).unwrap_err();
                assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
            }
        }
    }
}

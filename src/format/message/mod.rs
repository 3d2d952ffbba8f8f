//! Header messages: sections IV.A.2.a to IV.A.2.x of the HDF5 File Format Specification, one a file.

pub mod attribute;
pub mod dataspace;
pub mod datatype;
pub mod fill;
pub mod layout;
pub mod link;
pub mod link_info;
pub mod pipeline;
pub mod shared;

use std::io::Seek;

use binrw::{BinRead, BinResult, Endian, io};

use crate::error::{Error, Result};
use crate::format::primitive::to_binrw;

macro_rules! message_types {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $name:literal;)*) => {
        /// The message types of the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum MessageType { $($(#[$doc])* $variant = $id),* }

        impl MessageType {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [MessageType] = &[$(MessageType::$variant),*];

            /// The type of that number, if the specification has one.
            pub const fn from_id(id: u16) -> Option<Self> {
                match id { $($id => Some(MessageType::$variant),)* _ => None }
            }
            /// Its name in the specification.
            pub const fn name(self) -> &'static str {
                match self { $(MessageType::$variant => $name),* }
            }
        }
    };
}

message_types! {
    /// Unused space.
    Nil = 0x00, "NIL";
    /// Extent of a dataset.
    Dataspace = 0x01, "dataspace";
    /// Links of a group of the new style.
    LinkInfo = 0x02, "link info";
    /// Type of a dataset's elements, or a committed type.
    Datatype = 0x03, "datatype";
    /// Fill value of HDF5 1.4 and before.
    FillOld = 0x04, "fill value (old)";
    /// Fill value.
    Fill = 0x05, "fill value";
    /// One link.
    Link = 0x06, "link";
    /// External raw data.
    ExternalFiles = 0x07, "external data files";
    /// Storage of raw data.
    Layout = 0x08, "data layout";
    /// For tests of libhdf5.
    Bogus = 0x09, "bogus";
    /// Constants of a group of the new style.
    GroupInfo = 0x0a, "group info";
    /// Filters of a dataset.
    Pipeline = 0x0b, "filter pipeline";
    /// One attribute.
    Attribute = 0x0c, "attribute";
    /// Comment on an object.
    Comment = 0x0d, "object comment";
    /// Modification time of HDF5 1.4 and before.
    MtimeOld = 0x0e, "object modification time (old)";
    /// Table of shared messages.
    SharedTable = 0x0f, "shared message table";
    /// More messages elsewhere.
    Continuation = 0x10, "object header continuation";
    /// A group of the old style.
    SymbolTable = 0x11, "symbol table";
    /// Modification time.
    Mtime = 0x12, "object modification time";
    /// Ranks of the B-trees version 1.
    BTreeK = 0x13, "B-tree K values";
    /// Settings of a file driver.
    DriverInfo = 0x14, "driver info";
    /// Attributes of an object.
    AttributeInfo = 0x15, "attribute info";
    /// Number of hard links.
    ReferenceCount = 0x16, "object reference count";
    /// Free space of the file.
    FileSpaceInfo = 0x17, "file space info";
    /// Image of the metadata cache.
    CacheImage = 0x18, "metadata cache image";
}

impl MessageType {
    /// Its number.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// True if a message of this type may be replaced by a shared-message pointer.
    pub const fn is_shareable(self) -> bool {
        use MessageType::*;
        matches!(self, Dataspace | Datatype | FillOld | Fill | Pipeline | Attribute)
    }
}

/// Flags of a header message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MessageFlags(pub u8);

impl MessageFlags {
    /// The message does not change.
    pub const CONSTANT: u8 = 0x01;
    /// The body is a shared-message pointer.
    pub const SHARED: u8 = 0x02;
    /// The message must not be shared.
    pub const DONT_SHARE: u8 = 0x04;
    /// Who does not know the message must not open the object for writing.
    pub const FAIL_IF_UNKNOWN_WRITE: u8 = 0x08;
    /// Who does not know the message sets `WAS_UNKNOWN` when the object is modified.
    pub const MARK: u8 = 0x10;
    /// Somebody who did not know the message modified the object.
    pub const WAS_UNKNOWN: u8 = 0x20;
    /// The message may be shared.
    pub const SHAREABLE: u8 = 0x40;
    /// Who does not know the message must not open the object.
    pub const FAIL_ALWAYS: u8 = 0x80;

    /// True if every bit of `mask` is set.
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }

    /// True if the body is a shared-message pointer.
    pub const fn is_shared(self) -> bool {
        self.has(Self::SHARED)
    }

    /// Refuses combinations that contradict each other. `known` is the type of the message, `None` if we do not know it.
    ///
    /// # Errors
    /// `Corrupt` for a contradiction; `Unsupported` for an unknown message that must be known.
    pub fn check(self, known: Option<MessageType>, writing: bool) -> Result<()> {
        let contradiction = if self.has(Self::SHARED | Self::DONT_SHARE) {
            Some("shared and not to be shared")
        } else if self.has(Self::WAS_UNKNOWN | Self::FAIL_IF_UNKNOWN_WRITE) {
            Some("was unknown, though writing should have failed")
        } else if self.has(Self::WAS_UNKNOWN) && !self.has(Self::MARK) {
            Some("was unknown, though not to be marked")
        } else if self.0 & (Self::SHARED | Self::SHAREABLE) != 0 && known.is_some_and(|t| !t.is_shareable()) {
            Some("shared, though its type cannot be")
        } else {
            None
        };
        if let Some(text) = contradiction {
            let name = known.map_or("unknown", MessageType::name);
            return Err(Error::corrupt(format!("flags {:#04x} of {name} message: {text}", self.0)));
        }
        if known.is_none()
            && (self.has(Self::FAIL_ALWAYS) || writing && self.has(Self::FAIL_IF_UNKNOWN_WRITE))
        {
            return Err(Error::unsupported("an unknown header message that must be understood"));
        }
        Ok(())
    }
}

/// The error for a version that we do not know.
pub(crate) fn unknown_version(version: u8) -> Error {
    Error::unsupported(format!("version {version}"))
}

/// Reads a version that can only be `expected`.
pub(crate) fn read_version<R: io::Read + Seek>(r: &mut R, e: Endian, (expected,): (u8,)) -> BinResult<u8> {
    let version = u8::read_options(r, e, ())?;
    if version == expected { Ok(version) } else { Err(to_binrw(unknown_version(version))) }
}

/// Checks that no bit is set that has no meaning.
pub(crate) fn check_bits(value: u8, known: u8) -> Result<()> {
    if value & !known == 0 { Ok(()) } else { Err(Error::corrupt(format!("unknown flags {value:#04x}"))) }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::ErrorKind;
    use crate::format::primitive::{Sizes, Structure};

    /// Bytes from hexadecimal digits; blanks are left out.
    pub fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    /// Bytes -> value -> same bytes; and every shorter input is `Truncated`.
    pub fn round_trip<T: Structure + PartialEq + std::fmt::Debug>(bytes: &str, sizes: Sizes, value: T) {
        let bytes = hex(bytes);
        let (read, used) = T::decode_prefix(&bytes, sizes).unwrap();
        assert_eq!(read, value);
        assert_eq!(used, bytes.len());
        assert_eq!(value.encode(sizes).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&T::decode(&bytes[..n], sizes).unwrap_err()), "{n} bytes");
        }
    }
    pub fn is_truncated(e: &Error) -> bool {
        matches!(e.kind(), ErrorKind::Truncated(_))
    }
    pub fn is_corrupt<T>(r: Result<T>) -> bool {
        r.is_err_and(|e| matches!(e.kind(), ErrorKind::Corrupt(_)))
    }
    pub fn is_unsupported<T>(r: Result<T>) -> bool {
        r.is_err_and(|e| matches!(e.kind(), ErrorKind::Unsupported(_)))
    }
    pub fn is_limit<T>(r: Result<T>) -> bool {
        r.is_err_and(|e| matches!(e.kind(), ErrorKind::Limit { .. }))
    }
    pub fn is_usage<T>(r: Result<T>) -> bool {
        r.is_err_and(|e| matches!(e.kind(), ErrorKind::Usage(_)))
    }

    #[test]
    fn every_type_has_its_number_and_name() {
        for (id, &t) in MessageType::ALL.iter().enumerate() {
            assert_eq!(t.id(), id as u16);
            assert_eq!(MessageType::from_id(id as u16), Some(t));
        }
        assert_eq!(MessageType::ALL.len(), 0x19);
        assert_eq!(MessageType::from_id(0x19), None);
        assert_eq!(MessageType::Layout.name(), "data layout");
    }

    #[test]
    fn contradictory_flags_are_corrupt() {
        let check = |flags, known, writing| MessageFlags(flags).check(known, writing);
        assert!(check(0x01, Some(MessageType::Datatype), true).is_ok());
        assert!(check(0x02, Some(MessageType::Datatype), true).is_ok());
        assert!(is_corrupt(check(0x06, Some(MessageType::Datatype), false)));
        assert!(is_corrupt(check(0x38, None, false)));
        assert!(is_corrupt(check(0x20, None, false)));
        assert!(is_corrupt(check(0x02, Some(MessageType::Layout), false)));
        assert!(check(0x08, None, false).is_ok());
        assert!(is_unsupported(check(0x08, None, true)));
        assert!(is_unsupported(check(0x80, None, false)));
        assert!(check(0x80, Some(MessageType::Link), true).is_ok());
    }
}

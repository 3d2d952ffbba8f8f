//! Object header: its prefix, and how messages lie in its chunks.
//!
//! HDF5 File Format Specification, IV.A "Disk Format: Level 2A - Data Object Headers".
//!
//! ```text
//! version 1                                   version 2
//! +---+---+----------+-----------+--------+   +------+---+-------+--------------------------------+
//! | 1 | 0 | messages | references| chunk 0|   | OHDR | 2 | flags | 4 times u32   (flag 0x20)      |
//! |   |   |   u16    |    u32    | size u32   |      |   |       | max compact, min dense u16     |
//! +---+---+----------+-----------+--------+   |      |   |       |               (flag 0x10)      |
//! | 0 u32 | messages of chunk 0           |   +------+---+-------+--------------------------------+
//! +---------------------------------------+   | chunk 0 size, of 1, 2, 4 or 8 bytes (flags & 3)    |
//!                                             | messages of chunk 0, gap                           |
//! continuation: messages only                 | checksum                                           |
//!                                             +----------------------------------------------------+
//! message:                                    continuation: OCHK, messages, gap, checksum
//! +--------+----------+-----------+-------+   message:
//! | id u16 | size u16 | flags u8  | 0 [3] |   +-------+----------+----------+----------------------+
//! +--------+----------+-----------+-------+   | id u8 | size u16 | flags u8 | order u16 (flag 0x04)|
//! | body, a multiple of 8 bytes           |   +-------+----------+----------+----------------------+
//! +---------------------------------------+   | body                                               |
//!                                             +----------------------------------------------------+
//! ```

use std::ops::Range;

use super::checksum;
use super::primitive::{Bytes, Put, limit_width};
use crate::error::{Context, Error, Result};

const NAME: &str = "object header";
const SIGNATURE: &[u8; 4] = b"OHDR";
const CONTINUATION: &[u8; 4] = b"OCHK";

/// Bytes to fetch first: no prefix is longer.
pub const MAX_PREFIX_LEN: usize = 34;

/// Header flag (version 2): messages carry a creation order.
pub const TRACKS_ORDER: u8 = 0x04;
/// Header flag (version 2): attributes are indexed by creation order.
pub const INDEXES_ORDER: u8 = 0x08;
/// Header flag (version 2): the phase change of attributes is stored.
pub const PHASE_CHANGE: u8 = 0x10;
/// Header flag (version 2): times are stored.
pub const TIMES: u8 = 0x20;
const KNOWN_FLAGS: u8 = 0x3f;

/// Message flag: the body never changes.
pub const CONSTANT: u8 = 0x01;
/// Message flag: the body is a reference to a shared message.
pub const SHARED: u8 = 0x02;
/// Message flag: the message must not be shared.
pub const DONT_SHARE: u8 = 0x04;
/// Message flag: do not open the object for writing if the message is unknown.
pub const FAIL_ON_WRITE: u8 = 0x08;
/// Message flag: a program that changes the object sets `WAS_UNKNOWN` if the message is unknown.
pub const MARK_IF_UNKNOWN: u8 = 0x10;
/// Message flag: a program that did not know the message changed the object.
pub const WAS_UNKNOWN: u8 = 0x20;
/// Message flag: the message may be shared.
pub const SHAREABLE: u8 = 0x40;
/// Message flag: do not open the object at all if the message is unknown.
pub const FAIL_ALWAYS: u8 = 0x80;

/// What precedes the messages of an object header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderPrefix {
    /// 1 or 2.
    pub version: u8,
    /// Flags of version 2; 0 in version 1.
    pub flags: u8,
    /// Number of messages in all chunks; 0 in version 2, which does not store it.
    pub message_count: u16,
    /// Number of hard links; 1 in version 2, where a message says so if there are more.
    pub reference_count: u32,
    /// Access, modification, change and birth in seconds since 1970 UTC.
    pub times: Option<[u32; 4]>,
    /// Most attributes in the header and fewest outside it, if not the usual 8 and 6.
    pub phase_change: Option<(u16, u16)>,
    /// Bytes of the messages in chunk 0, gap included, checksum excluded.
    pub chunk0_size: u64,
    /// Bytes of this prefix.
    pub prefix_len: usize,
}

impl HeaderPrefix {
    /// Parses the prefix at the start of `bytes`, of which there should be [`MAX_PREFIX_LEN`] if the file has them.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let parse = if bytes.starts_with(SIGNATURE) { Self::parse_v2 } else { Self::parse_v1 };
        parse(bytes).in_structure(NAME)
    }

    fn parse_v1(bytes: &[u8]) -> Result<Self> {
        let mut b = Bytes(bytes);
        match b.u8()? {
            1 => {}
            // A version 2 header starts with its signature: anything else here is no header at all.
            first => {
                return Err(Error::corrupt(format!("neither signature nor version 1, but {first:#04x}")));
            }
        }
        b.u8()?;
        let message_count = b.u16()?;
        let reference_count = b.u32()?;
        let chunk0_size = u64::from(b.u32()?);
        b.take(4)?;
        if message_count > 0 && chunk0_size < header_len(1, false) as u64 {
            return Err(Error::corrupt(format!(
                "{message_count} messages in a chunk of {chunk0_size} bytes"
            )));
        }
        Ok(HeaderPrefix {
            version: 1,
            flags: 0,
            message_count,
            reference_count,
            times: None,
            phase_change: None,
            chunk0_size,
            prefix_len: bytes.len() - b.0.len(),
        })
    }

    fn parse_v2(bytes: &[u8]) -> Result<Self> {
        let mut b = Bytes(bytes);
        b.signature(SIGNATURE)?;
        b.version(2)?;
        let flags = b.u8()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(Error::corrupt(format!("unknown flags {flags:#04x}")));
        }
        let times = match flags & TIMES {
            0 => None,
            _ => Some([b.u32()?, b.u32()?, b.u32()?, b.u32()?]),
        };
        let phase_change = match flags & PHASE_CHANGE {
            0 => None,
            _ => Some((b.u16()?, b.u16()?)),
        };
        if let Some((compact, dense)) = phase_change.filter(|(compact, dense)| compact < dense) {
            return Err(Error::corrupt(format!("attribute phase change at {compact} and {dense}")));
        }
        let chunk0_size = b.uint(1 << (flags & 3))?;
        Ok(HeaderPrefix {
            version: 2,
            flags,
            message_count: 0,
            reference_count: 1,
            times,
            phase_change,
            chunk0_size,
            prefix_len: bytes.len() - b.0.len(),
        })
    }

    /// Whether messages carry a creation order.
    pub fn tracks_order(&self) -> bool {
        self.version > 1 && self.flags & TRACKS_ORDER != 0
    }

    /// Bytes from the start of the header to the end of chunk 0, its checksum included.
    pub fn total_len(&self) -> u64 {
        let checksum = if self.version > 1 { checksum::CHECKSUM_LEN as u64 } else { 0 };
        self.chunk0_size.saturating_add(self.prefix_len as u64 + checksum)
    }

    /// Where the messages of chunk 0 lie in `header`, which holds [`total_len`](Self::total_len) bytes from the
    /// prefix on; the checksum of version 2 is verified.
    pub fn chunk0(&self, header: &[u8]) -> Result<Range<usize>> {
        let check = || {
            let whole = usize::try_from(self.total_len()).ok().and_then(|n| header.get(..n));
            let whole = whole.ok_or_else(|| Error::truncated("the block is shorter than chunk 0"))?;
            let body = if self.version > 1 { checksum::verify(whole)? } else { whole };
            Ok(self.prefix_len..body.len())
        };
        check().in_structure(NAME)
    }

    /// Sets the bits of `flags` for the width of `chunk0_size`, and `prefix_len`, as its other fields want.
    pub fn fit(mut self) -> Self {
        if self.version == 1 {
            self.prefix_len = 16;
            return self;
        }
        let (bits, width) = match limit_width(self.chunk0_size) {
            1 => (0, 1),
            2 => (1, 2),
            3..=4 => (2, 4),
            _ => (3, 8),
        };
        let times = if self.times.is_some() { (TIMES, 16) } else { (0, 0) };
        let phase = if self.phase_change.is_some() { (PHASE_CHANGE, 4) } else { (0, 0) };
        self.flags = self.flags & (TRACKS_ORDER | INDEXES_ORDER) | bits | times.0 | phase.0;
        self.prefix_len = 6 + times.1 + phase.1 + width;
        self
    }

    /// The bytes of the prefix.
    ///
    /// # Errors
    /// `Corrupt` if the size of chunk 0 does not fit the width that the flags give.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(MAX_PREFIX_LEN);
        self.put(&mut out)?;
        Ok(out)
    }

    /// Appends the bytes of the prefix.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn put(&self, out: &mut Vec<u8>) -> Result<()> {
        if self.version == 1 {
            out.extend_from_slice(&[1, 0]);
            out.extend_from_slice(&self.message_count.to_le_bytes());
            out.extend_from_slice(&self.reference_count.to_le_bytes());
            out.uint(self.chunk0_size, 4).in_structure(NAME)?;
            out.extend_from_slice(&[0; 4]);
            return Ok(());
        }
        if self.times.is_some() != (self.flags & TIMES != 0)
            || self.phase_change.is_some() != (self.flags & PHASE_CHANGE != 0)
        {
            return Err(Error::usage("flags contradict the fields").in_structure(NAME));
        }
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(&[2, self.flags]);
        for time in self.times.iter().flatten() {
            out.extend_from_slice(&time.to_le_bytes());
        }
        if let Some((compact, dense)) = self.phase_change {
            out.extend_from_slice(&compact.to_le_bytes());
            out.extend_from_slice(&dense.to_le_bytes());
        }
        out.uint(self.chunk0_size, 1 << (self.flags & 3)).in_structure(NAME)
    }
}

/// Where the messages lie in a continuation block; signature and checksum of version 2 are verified.
pub fn continuation(version: u8, block: &[u8]) -> Result<Range<usize>> {
    if version == 1 {
        return Ok(0..block.len());
    }
    let check = || {
        Bytes(block).signature(CONTINUATION)?;
        let end = checksum::verify(block)?.len();
        if end < CONTINUATION.len() {
            return Err(Error::truncated("no room for the checksum"));
        }
        Ok(CONTINUATION.len()..end)
    };
    check().in_structure("object header continuation")
}

/// A continuation block of these messages: what [`continuation`] reads.
pub fn encode_continuation(version: u8, messages: &[u8]) -> Vec<u8> {
    if version == 1 {
        return messages.to_vec();
    }
    let mut out = [CONTINUATION, messages].concat();
    checksum::append(&mut out);
    out
}

/// Bytes of the header of each message.
pub const fn header_len(version: u8, tracks_order: bool) -> usize {
    match (version, tracks_order) {
        (1, _) => 8,
        (_, false) => 4,
        (_, true) => 6,
    }
}

/// One message: its header, and where its body lies in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// Which kind of message.
    pub id: u16,
    /// Message flags.
    pub flags: u8,
    /// Creation order, if the object header tracks it.
    pub order: Option<u16>,
    /// First byte of the body within the chunk.
    pub start: usize,
    /// Bytes of the body, padding included.
    pub len: usize,
}

impl RawMessage {
    /// Where the body lies in the chunk.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// Appends a message of version 1 or 2 of the object header; a body of version 1 is padded to 8 bytes.
///
/// # Errors
/// `Limit` for a body of more than 65535 bytes, `Usage` for an identification that version 2 cannot hold.
pub fn encode_message(
    out: &mut Vec<u8>,
    version: u8,
    id: u16,
    flags: u8,
    order: Option<u16>,
    body: &[u8],
) -> Result<()> {
    let padded = if version == 1 { body.len().next_multiple_of(8) } else { body.len() };
    let size = u16::try_from(padded)
        .map_err(|_| Error::limit("bytes of an object header message", padded as u64, u64::from(u16::MAX)))?;
    let [low, high] = size.to_le_bytes();
    out.reserve(8 + padded);
    if version == 1 {
        let [id, kind] = id.to_le_bytes();
        out.extend_from_slice(&[id, kind, low, high, flags, 0, 0, 0]);
    } else {
        let id = u8::try_from(id).map_err(|_| Error::usage(format!("message {id} in object header 2")))?;
        out.extend_from_slice(&[id, low, high, flags]);
        if let Some(order) = order {
            out.extend_from_slice(&order.to_le_bytes());
        }
    }
    out.extend_from_slice(body);
    if padded > body.len() {
        out.resize(out.len() + padded - body.len(), 0);
    }
    Ok(())
}

/// The messages of one chunk, in their order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    chunk: &'a [u8],
    at: usize,
    version: u8,
    tracks_order: bool,
}

impl<'a> Messages<'a> {
    /// The messages in `chunk`: the bytes that [`HeaderPrefix::chunk0`] or [`continuation`] points out.
    pub fn new(version: u8, tracks_order: bool, chunk: &'a [u8]) -> Self {
        Messages { chunk, at: 0, version, tracks_order }
    }

    #[inline]
    fn message(&self) -> Result<RawMessage> {
        let mut b = Bytes(&self.chunk[self.at..]);
        let id = if self.version == 1 { b.u16()? } else { u16::from(b.u8()?) };
        let len = usize::from(b.u16()?);
        let flags = b.u8()?;
        let order = if self.version > 1 && self.tracks_order { Some(b.u16()?) } else { None };
        if self.version == 1 {
            b.take(3)?;
        }
        let start = self.chunk.len() - b.0.len();
        if len > b.0.len() {
            let text = format!("message {id:#06x} of {len} bytes in a chunk with {} left", b.0.len());
            return Err(Error::corrupt(text));
        }
        if self.version == 1 && len % 8 != 0 {
            return Err(Error::corrupt(format!("message {id:#06x} of {len} bytes, not a multiple of 8")));
        }
        let bad = |mask: u8, value: u8| flags & mask == value;
        if bad(SHARED | DONT_SHARE, SHARED | DONT_SHARE)
            || bad(WAS_UNKNOWN | FAIL_ON_WRITE, WAS_UNKNOWN | FAIL_ON_WRITE)
            || bad(WAS_UNKNOWN | MARK_IF_UNKNOWN, WAS_UNKNOWN)
        {
            return Err(Error::corrupt(format!("contradictory flags {flags:#04x} of message {id:#06x}")));
        }
        Ok(RawMessage { id, flags, order, start, len })
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<RawMessage>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let left = self.chunk.len() - self.at;
        if left == 0 || (self.version > 1 && left < header_len(self.version, self.tracks_order)) {
            // The rest is the gap that version 2 allows.
            return None;
        }
        let message = self.message().in_structure(NAME);
        self.at = match &message {
            Ok(m) => m.start + m.len,
            Err(_) => self.chunk.len(),
        };
        Some(message)
    }
}

#[cfg(test)]
#[path = "object_header_tests.rs"]
mod tests;

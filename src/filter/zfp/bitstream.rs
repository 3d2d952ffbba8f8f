//! Bits of a stream: the least significant bit of the first byte comes first.

/// Reads bits; behind the end there are zeros, and [`overrun`](Self::overrun) tells so.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: u64,
}

/// So many bits a single [`peek`](BitReader::peek) is sure to show.
pub(super) const PEEKED: u32 = 57;

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// The next bits, from the lowest; at least [`PEEKED`] are those of the stream, and zeros follow.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        let byte = (self.at >> 3) as usize;
        let word = match self.bytes.get(byte..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_le_bytes(*word),
            None => self.peek_tail(byte),
        };
        word >> (self.at & 7)
    }

    #[cold]
    fn peek_tail(&self, byte: usize) -> u64 {
        let tail = self.bytes.get(byte..).unwrap_or_default();
        tail.iter().take(8).rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, bits: u32) {
        self.at += u64::from(bits);
    }

    /// Up to 64 bits.
    #[inline(always)]
    pub(super) fn read(&mut self, bits: u32) -> u64 {
        debug_assert!(bits <= 64);
        let low = self.peek();
        if bits <= PEEKED {
            self.skip(bits);
            return low & low_bits(bits);
        }
        self.skip(32);
        let high = self.peek();
        self.skip(bits - 32);
        (low & low_bits(32)) | (high & low_bits(bits - 32)) << 32
    }

    /// Where the next bit is.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// More bits have been read than there are.
    pub(super) fn overrun(&self) -> bool {
        self.at.div_ceil(8) > self.bytes.len() as u64
    }
}

/// Appends bits to a vector of bytes.
pub(super) struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    pending: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        BitWriter { bytes, pending: 0, count: 0 }
    }

    /// The lowest `bits` (up to 64) bits of `value`, whose others are zero.
    #[inline(always)]
    pub(super) fn write(&mut self, value: u64, bits: u32) {
        debug_assert!(bits <= 64 && value & !low_bits(bits) == 0);
        self.pending |= value << self.count;
        let count = self.count + bits;
        if count < 64 {
            self.count = count;
            return;
        }
        self.bytes.extend_from_slice(&self.pending.to_le_bytes());
        // What did not fit; all of it did if no bits were pending.
        self.pending = value.checked_shr(64 - self.count).unwrap_or(0);
        self.count = count - 64;
    }

    pub(super) fn zeros(&mut self, mut bits: u32) {
        while bits > 0 {
            let part = bits.min(64);
            self.write(0, part);
            bits -= part;
        }
    }

    /// Zeros up to the end of the byte.
    pub(super) fn finish(self) {
        let bytes = self.pending.to_le_bytes();
        self.bytes.extend_from_slice(&bytes[..self.count.div_ceil(8) as usize]);
    }
}

/// A word with the lowest `bits` (up to 64) bits set.
#[inline(always)]
pub(super) fn low_bits(bits: u32) -> u64 {
    debug_assert!(bits <= 64);
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in proptest::collection::vec((any::<u64>(), 0_u32..65), 0..100)) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for &(value, bits) in &parts {
                writer.write(value & low_bits(bits), bits);
                writer.zeros(bits * 2);
            }
            writer.finish();
            let total: u64 = parts.iter().map(|part| u64::from(part.1) * 3).sum();
            prop_assert_eq!(bytes.len() as u64, total.div_ceil(8));
            let mut reader = BitReader::new(&bytes);
            for (value, bits) in parts {
                prop_assert_eq!(reader.peek() & low_bits(bits.min(PEEKED)), value & low_bits(bits.min(PEEKED)));
                prop_assert_eq!(reader.read(bits), value & low_bits(bits));
                reader.skip(bits * 2);
            }
            prop_assert!(reader.position() == total && !reader.overrun());
            reader.skip(8);
            prop_assert!(reader.overrun());
            prop_assert_eq!((reader.peek(), reader.read(64)), (0, 0));
        }
    }
}

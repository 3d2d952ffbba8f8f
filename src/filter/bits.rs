//! Streams of bits, the most significant bit of each byte first.

/// Reads bits; `None` at the end of the bytes.
pub(super) struct BitReader<'a> {
    rest: &'a [u8],
    /// The next bits, from the top; only `have` of them count, but those below are 0 or what follows in the stream.
    word: u64,
    have: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { rest: bytes, word: 0, have: 0 }
    }

    /// Makes `have` at least 56 unless the bytes end before.
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(next) = self.rest.first_chunk::<8>() {
            self.word |= u64::from_be_bytes(*next) >> self.have;
            let bytes = (63 - self.have) / 8;
            self.rest = &self.rest[bytes as usize..];
            self.have += bytes * 8;
        } else {
            self.refill_last();
        }
    }

    #[cold]
    fn refill_last(&mut self) {
        while self.have <= 55
            && let Some((&byte, rest)) = self.rest.split_first()
        {
            self.word |= u64::from(byte) << (56 - self.have);
            self.have += 8;
            self.rest = rest;
        }
    }

    /// The next `count` bits, at most 56, as a number.
    #[inline(always)]
    pub(super) fn read(&mut self, count: u32) -> Option<u64> {
        if self.have < count {
            self.refill();
            if self.have < count {
                return None;
            }
        }
        // Two shifts, because `count` may be 0.
        let value = self.word >> 1 >> (63 - count);
        self.word <<= count;
        self.have -= count;
        Some(value)
    }

    /// The next `count` bits, at most 64, as a number.
    #[inline(always)]
    pub(super) fn read_long(&mut self, count: u32) -> Option<u64> {
        if count <= 56 {
            return self.read(count);
        }
        let high = self.read(count - 32)?;
        Some(high << 32 | self.read(32)?)
    }

    /// How many 0 bits come before the next 1 bit; takes all of them.
    #[inline(always)]
    pub(super) fn read_unary(&mut self) -> Option<u64> {
        let mut zeros = 0;
        loop {
            let leading = self.word.leading_zeros();
            if leading < self.have {
                self.word = self.word << leading << 1;
                self.have -= leading + 1;
                return Some(zeros + u64::from(leading));
            }
            zeros += u64::from(self.have);
            self.word <<= self.have;
            self.have = 0;
            self.refill();
            if self.have == 0 {
                return None;
            }
        }
    }
}

/// Appends bits to bytes.
pub(super) struct BitWriter<'a> {
    output: &'a mut Vec<u8>,
    word: u64,
    have: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(output: &'a mut Vec<u8>) -> Self {
        BitWriter { output, word: 0, have: 0 }
    }

    /// Appends the lowest `count` bits of `value`, at most 32.
    pub(super) fn write(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 32);
        self.word = self.word << count | (value & ((1 << count) - 1));
        self.have += count;
        while self.have >= 8 {
            self.have -= 8;
            self.output.push((self.word >> self.have) as u8);
        }
    }

    /// Appends the lowest `count` bits of `value`, at most 64.
    pub(super) fn write_long(&mut self, value: u64, count: u32) {
        if count > 32 {
            self.write(value >> 32, count - 32);
        }
        self.write(value, count.min(32));
    }

    /// Appends `zeros` 0 bits and a 1 bit.
    pub(super) fn write_unary(&mut self, mut zeros: u64) {
        while zeros >= 32 {
            self.write(0, 32);
            zeros -= 32;
        }
        self.write(1, zeros as u32 + 1);
    }

    /// Fills the last byte up with 0 bits.
    pub(super) fn finish(mut self) {
        let fill = self.have.wrapping_neg() % 8;
        self.write(0, fill);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(items in proptest::collection::vec((any::<bool>(), any::<u64>(), 0_u32..65), 0..200)) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for &(unary, value, count) in &items {
                if unary { writer.write_unary(value % 300) } else { writer.write_long(value, count) }
            }
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            for &(unary, value, count) in &items {
                if unary {
                    prop_assert_eq!(reader.read_unary(), Some(value % 300));
                } else {
                    let mask = if count == 0 { 0 } else { u64::MAX >> (64 - count) };
                    prop_assert_eq!(reader.read_long(count), Some(value & mask));
                }
            }
            prop_assert!(reader.read(8).is_none());
        }
    }
}

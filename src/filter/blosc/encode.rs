//! Writes chunks of Blosc 1.

use super::chunk::{HEADER, MAX_STREAMS, MIN_STREAM, VERSION_1, flags};
use super::codec::Codec;
use crate::error::{Error, Result};
use crate::filter::bitshuffle_kernel::bitshuffle;
use crate::filter::shuffle::shuffle;

/// Smaller chunks are stored as they are.
const MIN_LEN: usize = 128;

/// How a chunk is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub codec: Codec,
    /// 0 stores the bytes as they are.
    pub level: u32,
    pub type_size: u8,
    /// Of [`flags`]: shuffle, bitshuffle or none.
    pub filter: u8,
}

impl Plan {
    /// Appends the chunk of `input` to `output`, which is empty.
    pub fn encode(&self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        if input.len() > i32::MAX as usize - HEADER {
            return Err(Error::usage(format!("{} bytes are too many for Blosc", input.len())));
        }
        let block_len = self.block_len(input.len());
        let size = usize::from(self.type_size);
        // Planes of bytes compress better, and faster, one by one; the statistics of the slow codecs span them.
        let split = self.filter == flags::SHUFFLE
            && matches!(self.codec, Codec::BloscLz | Codec::Lz4 | Codec::Snappy)
            && (2..=MAX_STREAMS).contains(&size)
            && block_len / size >= MIN_STREAM;
        let mut flags = self.filter | self.codec.flags() << 5;
        if !split {
            flags |= flags::NOT_SPLIT;
        }
        self.put_header(flags, input.len(), block_len, output);
        if self.level > 0 && input.len() >= MIN_LEN {
            self.put_blocks(if split { size } else { 1 }, block_len, input, output)?;
            if output.len() < HEADER + input.len() {
                let stored = output.len() as u32;
                output[12..HEADER].copy_from_slice(&stored.to_le_bytes());
                return Ok(());
            }
            output.truncate(HEADER);
        }
        output[2] |= flags::RAW;
        output.extend_from_slice(input);
        let stored = output.len() as u32;
        output[12..HEADER].copy_from_slice(&stored.to_le_bytes());
        Ok(())
    }

    /// The block must fit into the caches, and be a multiple of what is transposed.
    fn block_len(&self, len: usize) -> usize {
        let wanted = match self.level {
            0..=3 => 1 << 17,
            4..=6 => 1 << 18,
            _ => 1 << 19,
        };
        let unit = 8 * usize::from(self.type_size);
        let rounded = len.min(wanted) / unit * unit;
        if rounded == 0 { len.max(1) } else { rounded }
    }

    fn put_header(&self, flags: u8, len: usize, block_len: usize, output: &mut Vec<u8>) {
        output.extend([VERSION_1, 1, flags, self.type_size]);
        for number in [len, block_len, 0] {
            output.extend((number as u32).to_le_bytes());
        }
    }

    fn put_blocks(&self, streams: usize, block_len: usize, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let size = usize::from(self.type_size);
        let starts = output.len();
        output.resize(starts + 4 * input.len().div_ceil(block_len), 0);
        let (mut filtered, mut stream) = (vec![0; block_len], Vec::new());
        for (index, block) in input.chunks(block_len).enumerate() {
            let start = output.len() as u32;
            output[starts + 4 * index..][..4].copy_from_slice(&start.to_le_bytes());
            let bytes: &[u8] = match self.filter {
                flags::SHUFFLE if size > 1 => {
                    shuffle(size, block, &mut filtered[..block.len()]);
                    &filtered[..block.len()]
                }
                flags::BITSHUFFLE if (block.len() / size).is_multiple_of(8) => {
                    bitshuffle(block, &mut filtered[..block.len()], size);
                    &filtered[..block.len()]
                }
                _ => block,
            };
            let streams = if block.len() < block_len { 1 } else { streams };
            for part in bytes.chunks(bytes.len() / streams) {
                self.codec.compress(part, self.level, &mut stream)?;
                let stored = if stream.len() < part.len() { &stream } else { part };
                output.extend((stored.len() as u32).to_le_bytes());
                output.extend_from_slice(stored);
            }
        }
        Ok(())
    }
}

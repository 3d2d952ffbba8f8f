//! A chunk of Blosc 1 or 2: header, starts of blocks, and blocks of one or more compressed streams.

use std::cell::Cell;

use super::codec::Codec;
use crate::error::{Error, Result};
use crate::filter::bitshuffle_kernel::bitunshuffle;
use crate::filter::shuffle::unshuffle;

pub const HEADER: usize = 16;
/// With the filters and flags that Blosc 2 added.
pub const EXTENDED_HEADER: usize = 32;
/// The last version of Blosc 1.
pub const VERSION_1: u8 = 2;
const ALPHA_OF_2: u8 = 3;
const MAX_FILTERS: usize = 6;

pub mod flags {
    pub const SHUFFLE: u8 = 1;
    pub const RAW: u8 = 2;
    pub const BITSHUFFLE: u8 = 4;
    pub const DELTA: u8 = 8;
    pub const NOT_SPLIT: u8 = 16;
}

/// Blosc 1 splits a block only into so many streams, of at least so many bytes.
pub const MAX_STREAMS: usize = 16;
pub const MIN_STREAM: usize = 128;

/// More than this a thread does not keep between two chunks.
const MAX_KEPT: usize = 1 << 24;

/// Buffers for one block, kept from chunk to chunk.
#[derive(Default)]
pub struct Work {
    first: Vec<u8>,
    second: Vec<u8>,
    /// The first block of a chunk, if there is a delta filter.
    reference: Vec<u8>,
    /// One block of an array of more than one dimension.
    pub block: Vec<u8>,
    /// Bytes of the chunk that its streams have taken.
    taken: usize,
}

thread_local! {
    static WORK: Cell<Work> = Cell::default();
}

/// Runs a function with the buffers of this thread.
pub fn with_work<T>(run: impl FnOnce(&mut Work) -> T) -> T {
    let mut work = WORK.take();
    let result = run(&mut work);
    if work.first.len().max(work.second.len()).max(work.reference.len()).max(work.block.len()) <= MAX_KEPT {
        WORK.set(work);
    }
    result
}

/// A step that gives back what a filter was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    /// Element size.
    Unshuffle(usize),
    Bitunshuffle(usize),
    /// Bytes of what is combined at once.
    Delta(usize),
    /// Streams.
    ByteDelta(usize),
}

enum Content<'a> {
    /// All bytes as they are.
    Raw(&'a [u8]),
    /// The same bytes over and over.
    Repeated(&'a [u8]),
    Blocks(Blocks<'a>),
}

struct Blocks<'a> {
    starts: &'a [[u8; 4]],
    codec: Codec,
    streams: usize,
}

/// A parsed chunk. Its header agrees with its length, but not necessarily with what its streams give.
pub struct Chunk<'a> {
    bytes: &'a [u8],
    version: u8,
    /// Bytes that it decodes to.
    pub len: usize,
    /// Bytes of all blocks but the last, which may have fewer.
    pub block_len: usize,
    undo: [Option<Undo>; MAX_FILTERS],
    content: Content<'a>,
}

impl<'a> Chunk<'a> {
    pub fn parse(input: &'a [u8]) -> Result<Self> {
        let Some(head) = input.first_chunk::<HEADER>() else {
            return Err(Error::corrupt(format!("{} bytes are too few for a Blosc chunk", input.len())));
        };
        let [version, _, flags, type_size, ..] = *head;
        let number = |at: usize| {
            let number = u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            i32::try_from(number).map(|_| number as usize).map_err(|_| Error::corrupt("size beyond 31 bits"))
        };
        let (len, block_len, stored) = (number(4)?, number(8)?, number(12)?);
        let bytes = input
            .get(..stored)
            .filter(|bytes| bytes.len() >= HEADER)
            .ok_or_else(|| Error::corrupt(format!("{} bytes of a Blosc chunk of {stored}", input.len())))?;
        let type_size = usize::from(type_size);
        if len > 0 && (type_size == 0 || block_len == 0) {
            return Err(Error::corrupt("Blosc chunk with blocks or elements of no bytes"));
        }
        let mut chunk = Self {
            bytes,
            version,
            len,
            block_len: block_len.min(len),
            undo: [None; MAX_FILTERS],
            content: Content::Repeated(&[0]),
        };
        if len == 0 {
            return Ok(chunk);
        }
        let both = flags::SHUFFLE | flags::BITSHUFFLE;
        let extended = version > VERSION_1 && flags & both == both;
        let mut header = HEADER;
        let mut codec = flags >> 5;
        let (mut filters, mut meta) = ([0; MAX_FILTERS], [0; MAX_FILTERS]);
        if extended {
            let Some(head) = bytes.first_chunk::<EXTENDED_HEADER>() else {
                return Err(Error::corrupt("Blosc chunk ends within its header"));
            };
            header = EXTENDED_HEADER;
            filters.copy_from_slice(&head[16..22]);
            meta.copy_from_slice(&head[24..30]);
            if version == ALPHA_OF_2 {
                (filters[5], meta[5]) = (0, 0);
            }
            if codec == 6 {
                codec = head[22];
            }
            if head[30] & 1 != 0 {
                return Err(Error::unsupported("Blosc chunk with blocks of variable length"));
            }
            if let Some(content) = special(head[31] >> 4 & 7, type_size, len, &bytes[header..])? {
                chunk.content = content;
                return Ok(chunk);
            }
            for (flag, text) in [
                (1, "Blosc chunk with a dictionary"),
                (8, "lazy Blosc chunk"),
                (0x80, "instrumented Blosc chunk"),
            ] {
                if head[31] & flag != 0 {
                    return Err(Error::unsupported(text));
                }
            }
        } else {
            if version <= VERSION_1 && flags & flags::DELTA != 0 {
                return Err(Error::corrupt("Blosc 1 chunk with flags of a later version"));
            }
            let shuffle = match flags & both {
                flags::BITSHUFFLE => 2,
                0 => 0,
                _ => 1,
            };
            filters[5] = shuffle;
            filters[4] = if flags & flags::DELTA != 0 { 3 } else { 0 };
        }
        if flags & flags::RAW != 0 {
            if bytes.len() != header + len {
                return Err(Error::corrupt(format!("{} stored bytes for {len}", bytes.len() - header)));
            }
            chunk.content = Content::Raw(&bytes[header..]);
            return Ok(chunk);
        }
        for (at, (filter, meta)) in filters.into_iter().zip(meta).rev().enumerate() {
            chunk.undo[at] = undo(filter, meta.into(), type_size)?;
        }
        let count = len.div_ceil(chunk.block_len);
        let starts = bytes[header..].as_chunks().0.get(..count);
        let may_split =
            version > VERSION_1 || type_size <= MAX_STREAMS && chunk.block_len / type_size >= MIN_STREAM;
        chunk.content = Content::Blocks(Blocks {
            starts: starts
                .ok_or_else(|| Error::corrupt(format!("Blosc chunk too short for {count} blocks")))?,
            codec: codec_of(codec)?,
            streams: if flags & flags::NOT_SPLIT == 0 && may_split { type_size } else { 1 },
        });
        Ok(chunk)
    }

    /// A chunk of which only the number of its special value is stored.
    pub fn special(kind: u8, type_size: usize, len: usize, block_len: usize) -> Result<Self> {
        let content = special(kind, type_size, len, &[])?
            .ok_or_else(|| Error::corrupt("chunk of special values without a kind"))?;
        Ok(Self { bytes: &[], version: VERSION_1, len, block_len, undo: [None; MAX_FILTERS], content })
    }

    /// Bytes that are stored of it.
    pub fn stored(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all values are the same, so that the size of blocks does not matter.
    pub fn is_special(&self) -> bool {
        matches!(self.content, Content::Repeated(_))
    }

    /// Decodes the chunk; the length of `output` must be that of the chunk.
    pub fn decode(&self, output: &mut [u8], work: &mut Work) -> Result<()> {
        self.start(work);
        match &self.content {
            Content::Raw(bytes) => output.copy_from_slice(bytes),
            Content::Repeated(value) => repeat(value, output),
            Content::Blocks(_) => {
                for (index, block) in output.chunks_mut(self.block_len).enumerate() {
                    self.decode_block(index, block, work)?;
                }
            }
        }
        Ok(())
    }

    /// Must be called before blocks are decoded one by one.
    pub fn start(&self, work: &mut Work) {
        work.taken = 0;
        work.reference.clear();
    }

    /// Decodes one block. The first one must be the first that is decoded, and all at most once.
    pub fn decode_block(&self, index: usize, output: &mut [u8], work: &mut Work) -> Result<()> {
        let blocks = match &self.content {
            Content::Raw(bytes) => {
                let start = index.saturating_mul(self.block_len);
                let bytes = bytes.get(start..).and_then(|bytes| bytes.get(..output.len()));
                output.copy_from_slice(bytes.ok_or_else(|| Error::corrupt("block beyond its chunk"))?);
                return Ok(());
            }
            Content::Repeated(value) => {
                repeat(value, output);
                return Ok(());
            }
            Content::Blocks(blocks) => blocks,
        };
        let start = blocks.starts.get(index).ok_or_else(|| Error::corrupt("block beyond its chunk"))?;
        let start = u32::from_le_bytes(*start) as usize;
        let mut input =
            self.bytes.get(start..).ok_or_else(|| Error::corrupt("start of a block beyond its chunk"))?;
        let Some(last) = self.undo.iter().rposition(Option::is_some) else {
            return self.decode_streams(blocks, &mut input, output, &mut work.taken);
        };
        let len = output.len();
        let (mut from, mut to) = (sized(&mut work.first, len), sized(&mut work.second, len));
        self.decode_streams(blocks, &mut input, from, &mut work.taken)?;
        let mut in_output = false;
        for (at, undo) in self.undo.iter().enumerate() {
            let Some(undo) = undo else { continue };
            let target: &mut [u8] = if at == last { &mut *output } else { &mut *to };
            match *undo {
                Undo::Unshuffle(size) => unshuffle(size, from, target),
                // Blosc 1 knows only multiples of 8 elements, and left all others as they are.
                Undo::Bitunshuffle(size) if self.version <= VERSION_1 && !(len / size).is_multiple_of(8) => {
                    target.copy_from_slice(from);
                }
                Undo::Bitunshuffle(size) => bitunshuffle(from, target, size),
                Undo::Delta(size) => {
                    undelta(size, index, from, &work.reference)?;
                    continue;
                }
                Undo::ByteDelta(streams) => {
                    undo_byte_delta(streams, from);
                    continue;
                }
            }
            in_output = at == last;
            std::mem::swap(&mut from, &mut to);
        }
        if !in_output {
            output.copy_from_slice(from);
        }
        if index == 0 && self.undo.iter().flatten().any(|undo| matches!(undo, Undo::Delta(_))) {
            work.reference.extend_from_slice(output);
        }
        Ok(())
    }

    fn decode_streams(
        &self,
        blocks: &Blocks<'_>,
        input: &mut &[u8],
        output: &mut [u8],
        taken: &mut usize,
    ) -> Result<()> {
        let streams = if output.len() < self.block_len { 1 } else { blocks.streams };
        if !output.len().is_multiple_of(streams) || output.len() < streams {
            return Err(Error::corrupt(format!("{streams} streams for {} bytes", output.len())));
        }
        for stream in output.chunks_exact_mut(output.len() / streams) {
            let early = || Error::corrupt("Blosc chunk ends within a stream");
            let (size, rest) = input.split_first_chunk().ok_or_else(early)?;
            let size = i32::from_le_bytes(*size);
            let len = size.max(0) as usize;
            let (bytes, rest) = rest.split_at_checked(len).ok_or_else(early)?;
            *input = rest;
            // Streams do not overlap; so hostile ones cannot be decoded over and over.
            *taken += 4 + len;
            if *taken > self.bytes.len() {
                return Err(Error::corrupt("streams of a Blosc chunk overlap"));
            }
            match size {
                0 => stream.fill(0),
                ..0 => {
                    let (&token, rest) = input.split_first().ok_or_else(early)?;
                    *input = rest;
                    if token & 1 == 0 || size < -255 {
                        return Err(Error::corrupt(format!(
                            "stream of Blosc with size {size}, token {token}"
                        )));
                    }
                    stream.fill(size.unsigned_abs() as u8);
                }
                _ if len == stream.len() => stream.copy_from_slice(bytes),
                _ => blocks.codec.decompress(bytes, stream)?,
            }
        }
        Ok(())
    }
}

/// Chunks without blocks: what their elements are.
fn special<'a>(kind: u8, type_size: usize, len: usize, value: &'a [u8]) -> Result<Option<Content<'a>>> {
    let value: &[u8] = match (kind, type_size) {
        (0, _) => return Ok(None),
        // Those without a value are zero, so that what is read depends on nothing but the file.
        (1 | 4, _) => &[0],
        (2, 4) => &const { f32::NAN.to_bits().to_le_bytes() },
        (2, 8) => &const { f64::NAN.to_bits().to_le_bytes() },
        (3, _) if !value.is_empty() => value,
        _ => return Err(Error::corrupt(format!("Blosc chunk of special values {kind}, size {type_size}"))),
    };
    if !len.is_multiple_of(value.len()) {
        return Err(Error::corrupt(format!("values of {} bytes in a chunk of {len}", value.len())));
    }
    Ok(Some(Content::Repeated(value)))
}

fn repeat(value: &[u8], output: &mut [u8]) {
    match value {
        [byte] => output.fill(*byte),
        _ => {
            for part in output.chunks_mut(value.len()) {
                part.copy_from_slice(&value[..part.len()]);
            }
        }
    }
}

fn codec_of(number: u8) -> Result<Codec> {
    let name = match number {
        32 => "NDLZ",
        33..=35 => "ZFP",
        36 => "OpenHTJ2K",
        37 => "Grok",
        38 => "OpenZL",
        39 => "J2K",
        40 => "HTJ2K",
        _ => return Codec::of_flags(number),
    };
    Err(Error::unsupported(format!("codec {name} ({number}) within Blosc2")))
}

fn undo(filter: u8, meta: usize, type_size: usize) -> Result<Option<Undo>> {
    let own_size = if meta == 0 { type_size } else { meta };
    Ok(match filter {
        // Quantisers: nothing is undone.
        0 | 4 | 36 => None,
        1 => (own_size > 1).then_some(Undo::Unshuffle(own_size)),
        2 => Some(Undo::Bitunshuffle(type_size)),
        3 => Some(Undo::Delta(match type_size {
            1 | 2 | 4 => type_size,
            _ if type_size.is_multiple_of(8) => 8,
            _ => 1,
        })),
        35 => Some(Undo::ByteDelta(own_size)),
        _ => {
            let name = match filter {
                32 => "ndcell",
                33 => "ndmean",
                34 => "bytedelta, first form",
                _ => "unknown",
            };
            return Err(Error::unsupported(format!("filter {filter} ({name}) within Blosc2")));
        }
    })
}

/// The first `len` bytes of a buffer, which grows if need be.
fn sized(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// Elements were combined with their predecessor in the first block, and with those of the first block in others.
fn undelta(size: usize, index: usize, bytes: &mut [u8], reference: &[u8]) -> Result<()> {
    let whole = bytes.len() / size * size;
    if index == 0 {
        for at in size..whole {
            bytes[at] ^= bytes[at - size];
        }
        return Ok(());
    }
    if reference.len() < whole {
        return Err(Error::corrupt("no block that delta refers to"));
    }
    for (byte, reference) in bytes[..whole].iter_mut().zip(reference) {
        *byte ^= reference;
    }
    Ok(())
}

fn undo_byte_delta(streams: usize, bytes: &mut [u8]) {
    let len = bytes.len() / streams;
    if len > 0 {
        for stream in bytes.chunks_exact_mut(len).take(streams) {
            let mut value = 0_u8;
            for byte in stream {
                value = value.wrapping_add(*byte);
                *byte = value;
            }
        }
    }
}

//! Images as TIFF 6.0, or BigTIFF where 32-bit offsets do not do: one strip a page, not compressed.
//!
//! The place of everything is known before the first element is read, so that the file is written in one go.

use std::io::Write;

use super::{Encoding, array, numbers_only};
use crate::h5grove::{
    Data,
    dtype::{Dtype, Kind},
    error::{Error, Result},
    memory::to_memory,
};

const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const LONG8: u16 = 16;

/// Bytes that a file may have in order to do with 32-bit offsets.
const CLASSIC: u64 = (1 << 32) - (1 << 16);

struct Tags {
    entries: Vec<(u16, u16, u64, Vec<u8>)>,
    big: bool,
}

/// Where everything is.
struct Plan {
    pages: u64,
    width: u64,
    height: u64,
    row_bytes: u64,
    page_bytes: u64,
    description: String,
    wide: bool,
    /// Offset of the first page's data.
    data: u64,
    /// Offset of the directories of all pages but the first.
    directories: u64,
    /// Bytes of such a directory.
    directory: u64,
    total: u64,
}

fn sample_format(dtype: &Dtype) -> u16 {
    match dtype.kind {
        Kind::Int { signed: true } => 2,
        Kind::Float => 3,
        Kind::Complex => 6,
        _ => 1,
    }
}

fn plan(data: &Data) -> Result<Plan> {
    array(data, Encoding::Tiff)?;
    numbers_only(data, Encoding::Tiff)?;
    let (rest, height, width) = match data.shape() {
        [rest @ .., height, width] => (rest, *height, *width),
        [0] => (&[][..], 0, 0),
        _ => return Err(Error::query("Unsupported encoding tiff for less than two dimensions")),
    };
    let too_large = || Error::TooLarge { what: "TIFF", wanted: data.nbytes(), allowed: u64::MAX };
    let empty = data.is_empty();
    let pages = if empty { 1 } else { rest.iter().fold(1u64, |n, &d| n.saturating_mul(d)) };
    let (height, width) = if empty { (0, 0) } else { (height, width) };
    if u32::try_from(height.max(width)).is_err() {
        return Err(Error::query(format!("Unsupported encoding tiff for an image of {height} x {width}")));
    }
    let extents = data.shape().iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let more = if empty { ", \"truncated\": true" } else { "" };
    let description = format!("{{\"shape\": [{extents}]{more}}}\0");
    let row_bytes = match data.element_dtype().kind {
        Kind::Bool => width.div_ceil(8),
        _ => width.saturating_mul(data.element_dtype().size as u64),
    };
    let page_bytes = row_bytes.saturating_mul(height);
    let mut plan = Plan {
        pages,
        width,
        height,
        row_bytes,
        page_bytes,
        description,
        wide: false,
        data: 0,
        directories: 0,
        directory: 0,
        total: 0,
    };
    for wide in [false, true] {
        plan.wide = wide;
        let first = directory_len(&tags(&plan, data, 0), wide);
        plan.directory = if pages > 1 { directory_len(&tags(&plan, data, 1), wide) } else { 0 };
        plan.data = (header_len(wide) + first).next_multiple_of(16);
        let end =
            page_bytes.checked_mul(pages).and_then(|n| n.checked_add(plan.data)).ok_or_else(too_large)?;
        plan.directories = end.checked_next_multiple_of(16).ok_or_else(too_large)?;
        plan.total = match pages {
            1 => end,
            _ => plan
                .directory
                .checked_mul(pages - 1)
                .and_then(|n| n.checked_add(plan.directories))
                .ok_or_else(too_large)?,
        };
        if plan.total < CLASSIC {
            break;
        }
    }
    Ok(plan)
}

fn header_len(wide: bool) -> u64 {
    if wide { 16 } else { 8 }
}

fn directory_len(tags: &Tags, wide: bool) -> u64 {
    let (count, entry, next, inline) = if wide { (8, 20, 8, 8) } else { (2, 12, 4, 4) };
    let outside = tags.entries.iter().map(|(.., bytes)| bytes.len() as u64).filter(|&n| n > inline);
    let outside: u64 = outside.map(|n| n.next_multiple_of(8)).sum();
    let len: u64 = count + entry * tags.entries.len() as u64 + next;
    len.next_multiple_of(8) + outside
}

impl Tags {
    fn bytes<const N: usize>(&self, mut little: [u8; N]) -> Vec<u8> {
        if self.big {
            little.reverse();
        }
        little.to_vec()
    }
    fn short(&mut self, tag: u16, value: u16) {
        let bytes = self.bytes(value.to_le_bytes());
        self.entries.push((tag, SHORT, 1, bytes));
    }
    fn long(&mut self, tag: u16, value: u64, wide: bool) {
        let (kind, bytes) = match wide {
            true => (LONG8, self.bytes(value.to_le_bytes())),
            false => (LONG, self.bytes((value as u32).to_le_bytes())),
        };
        self.entries.push((tag, kind, 1, bytes));
    }
}

fn tags(plan: &Plan, data: &Data, page: u64) -> Tags {
    let dtype = data.element_dtype();
    let mut tags = Tags { entries: Vec::new(), big: dtype.big };
    let bits = if dtype.kind == Kind::Bool { 1 } else { dtype.size as u16 * 8 };
    tags.long(256, plan.width, false);
    tags.long(257, plan.height, false);
    tags.short(258, bits);
    tags.short(259, 1); // no compression
    tags.short(262, 1); // minisblack
    if page == 0 {
        let text = plan.description.clone().into_bytes();
        tags.entries.push((270, ASCII, text.len() as u64, text));
    }
    tags.long(273, plan.data.saturating_add(plan.page_bytes.saturating_mul(page)), plan.wide);
    tags.short(277, 1); // samples a pixel
    tags.long(278, plan.height, false);
    tags.long(279, plan.page_bytes, plan.wide);
    let format = sample_format(dtype);
    if format != 1 {
        tags.short(339, format);
    }
    tags
}

/// The bytes of a directory that begins at `at`; `next` is where the next one does, or 0.
fn directory(tags: &Tags, at: u64, next: u64, wide: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let offset = |n: u64| match wide {
        true => tags.bytes(n.to_le_bytes()),
        false => tags.bytes((n as u32).to_le_bytes()),
    };
    match wide {
        true => out.extend(tags.bytes((tags.entries.len() as u64).to_le_bytes())),
        false => out.extend(tags.bytes((tags.entries.len() as u16).to_le_bytes())),
    }
    let inline = if wide { 8 } else { 4 };
    let len: u64 =
        if wide { 16 + 20 * tags.entries.len() as u64 } else { 6 + 12 * tags.entries.len() as u64 };
    let mut outside = at + len.next_multiple_of(8);
    let mut behind = Vec::new();
    for (tag, kind, count, bytes) in &tags.entries {
        out.extend(tags.bytes(tag.to_le_bytes()));
        out.extend(tags.bytes(kind.to_le_bytes()));
        out.extend(offset(*count));
        if bytes.len() > inline {
            out.extend(offset(outside));
            behind.extend_from_slice(bytes);
            behind.resize(behind.len().next_multiple_of(8), 0);
            outside = at + len.next_multiple_of(8) + behind.len() as u64;
        } else {
            out.extend_from_slice(bytes);
            out.resize(out.len() + inline - bytes.len(), 0);
        }
    }
    out.extend(offset(next));
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(behind);
    out
}

pub(super) fn len(data: &Data) -> Result<u64> {
    Ok(plan(data)?.total)
}

/// Writes numbers as TIFF: the last two dimensions are the rows and columns of a page.
///
/// # Errors
/// `QueryArgumentError` for other elements than numbers, and for less than two dimensions; those of reading and
/// writing.
pub fn tiff_encode(data: &Data, out: &mut dyn Write) -> Result<()> {
    let plan = plan(data)?;
    let first = tags(&plan, data, 0);
    let mut head = if first.big { b"MM".to_vec() } else { b"II".to_vec() };
    let start = header_len(plan.wide);
    match plan.wide {
        true => {
            head.extend(first.bytes(43u16.to_le_bytes()));
            head.extend(first.bytes(8u16.to_le_bytes()));
            head.extend(first.bytes(0u16.to_le_bytes()));
            head.extend(first.bytes(start.to_le_bytes()));
        }
        false => {
            head.extend(first.bytes(42u16.to_le_bytes()));
            head.extend(first.bytes((start as u32).to_le_bytes()));
        }
    }
    let next = if plan.pages > 1 { plan.directories } else { 0 };
    head.extend(directory(&first, start, next, plan.wide));
    head.resize(plan.data as usize, 0);
    out.write_all(&head)?;
    match data.element_dtype().kind {
        Kind::Bool => packed(data, plan.width, out)?,
        _ => data
            .for_each_block(0, &mut |block| Ok(out.write_all(&to_memory(&block, data.element_dtype())?)?))?,
    }
    if plan.pages == 1 {
        return Ok(());
    }
    let end = plan.data + plan.row_bytes * plan.height * plan.pages;
    out.write_all(&vec![0; (plan.directories - end) as usize])?;
    for page in 1..plan.pages {
        let at = plan.directories + (page - 1) * plan.directory;
        let next = if page + 1 < plan.pages { at + plan.directory } else { 0 };
        out.write_all(&directory(&tags(&plan, data, page), at, next, plan.wide))?;
    }
    Ok(())
}

/// Booleans: eight a byte, the first in the highest bit; a row begins with a byte.
fn packed(data: &Data, width: u64, out: &mut dyn Write) -> Result<()> {
    let (mut byte, mut column) = (0u8, 0u64);
    data.for_each_block(0, &mut |block| {
        let mut bytes = Vec::with_capacity(block.len() / 8 + 1);
        for value in to_memory(&block, data.element_dtype())?.iter() {
            byte |= u8::from(*value != 0) << (7 - column % 8);
            column += 1;
            if column % 8 == 0 || column == width {
                bytes.push(byte);
                byte = 0;
            }
            if column == width {
                column = 0;
            }
        }
        Ok(out.write_all(&bytes)?)
    })
}

//! Canonical bytes of elements, as `h5canon-1` defines them.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use super::progress::Progress;
use crate::{
    ByteOrder, Datatype, DatatypeClass, Element, ErrorKind, File, Reference, Result, Selection, Values,
    model::{
        datatype::{IntegerType, ReferenceType},
        selection::UNLIMITED,
    },
};

/// Bytes that are gathered before they are handed on.
const GATHER: usize = 1 << 16;

/// Encodes elements of one file.
pub struct Canon<'a> {
    file: &'a File,
    paths: &'a HashMap<u64, String>,
    /// Runs of selections that may still be listed.
    runs: Cell<usize>,
    /// Bytes that were encoded, and where.
    pub progress: RefCell<Progress>,
}

/// Runs of selections that are listed for one file at most.
const MAX_RUNS: usize = 1 << 24;

/// Bytes of an element in memory, as libhdf5 holds it.
pub fn memory_size(datatype: &Datatype) -> u64 {
    let size = datatype.size as u64;
    match &datatype.class {
        DatatypeClass::VarString { .. } => 8,
        DatatypeClass::VarLen(_) => 16,
        DatatypeClass::Reference(ReferenceType::Object) => 8,
        DatatypeClass::Reference(ReferenceType::Region) => 12,
        DatatypeClass::Reference(_) => 64,
        DatatypeClass::Array { base, .. } if base.size > 0 => size / base.size as u64 * memory_size(base),
        DatatypeClass::Compound(members) => members.iter().fold(size, |n, m| {
            n.saturating_add(memory_size(&m.datatype)).saturating_sub(m.datatype.size as u64)
        }),
        _ => size,
    }
}

/// True if the canonical bytes are the stored ones.
fn is_plain(datatype: &Datatype) -> bool {
    let little = |order, size| order == ByteOrder::Little || size == 1;
    match &datatype.class {
        DatatypeClass::Integer(t) | DatatypeClass::Bitfield(t) => {
            little(t.order, datatype.size) && t.is_full(datatype.size)
        }
        DatatypeClass::Float(t) => {
            little(t.order, datatype.size) && t.offset == 0 && usize::from(t.precision) == 8 * datatype.size
        }
        DatatypeClass::FixedString { .. } | DatatypeClass::Opaque { .. } => true,
        DatatypeClass::Enum { base, .. }
        | DatatypeClass::Complex(base)
        | DatatypeClass::Array { base, .. } => is_plain(base),
        DatatypeClass::Compound(members) => {
            let mut end = 0;
            let packed = members.iter().all(|m| {
                let follows = m.offset == end;
                end = m.offset + m.datatype.size;
                follows && is_plain(&m.datatype)
            });
            packed && end == datatype.size
        }
        _ => false,
    }
}

impl<'a> Canon<'a> {
    /// `paths` gives the path of each object by its address.
    pub fn new(file: &'a File, paths: &'a HashMap<u64, String>, progress: Progress) -> Self {
        Canon { file, paths, runs: Cell::new(MAX_RUNS), progress: RefCell::new(progress) }
    }

    /// The path of an object; `?` if it has none.
    pub fn path(&self, address: u64) -> &str {
        self.paths.get(&address).map_or("?", String::as_str)
    }

    /// Hands on the canonical bytes of all elements.
    pub fn encode(&self, values: &Values, sink: &mut dyn FnMut(&[u8])) -> Result<()> {
        if is_plain(values.datatype()) {
            sink(values.bytes());
            return Ok(());
        }
        let mut out = Vec::with_capacity(GATHER * 2);
        for element in values.iter() {
            self.element(&element, &mut out)?;
            if out.len() >= GATHER {
                sink(&out);
                out.clear();
            }
        }
        sink(&out);
        Ok(())
    }

    fn element(&self, element: &Element<'_>, out: &mut Vec<u8>) -> Result<()> {
        let datatype = element.datatype();
        match &datatype.class {
            DatatypeClass::Integer(t) | DatatypeClass::Bitfield(t) => number(element.bytes(), t, out),
            DatatypeClass::Float(t) => {
                let t = IntegerType {
                    offset: t.offset,
                    precision: t.precision,
                    ..IntegerType::full(datatype.size, false, t.order)
                };
                number(element.bytes(), &t, out);
            }
            DatatypeClass::Time { order, precision } => {
                let t =
                    IntegerType { precision: *precision, ..IntegerType::full(datatype.size, false, *order) };
                number(element.bytes(), &t, out);
            }
            DatatypeClass::Enum { base, .. } => match &base.class {
                DatatypeClass::Integer(t) => number(element.bytes(), t, out),
                _ => out.extend_from_slice(element.bytes()),
            },
            DatatypeClass::Compound(_) => {
                for (_, member) in element.members() {
                    self.element(&member, out)?;
                }
            }
            DatatypeClass::VarString { .. } => put_text(element.text()?.unwrap_or_default(), out),
            DatatypeClass::VarLen(_) => {
                let elements = element.elements()?;
                put_u64(elements.map_or(0, |e| e.len() as u64), out);
                for element in elements.into_iter().flatten() {
                    self.element(&element, out)?;
                }
            }
            DatatypeClass::Array { .. } | DatatypeClass::Complex(_) => {
                for element in element.elements()?.into_iter().flatten() {
                    self.element(&element, out)?;
                }
            }
            DatatypeClass::Reference(kind) => self.reference(element, *kind, out),
            _ => out.extend_from_slice(element.bytes()),
        }
        Ok(())
    }

    fn reference(&self, element: &Element<'_>, kind: ReferenceType, out: &mut Vec<u8>) {
        let null = element.bytes().iter().all(|&b| b == 0);
        let reference = element.reference().ok().flatten().filter(|r| *r != Reference::Null);
        if kind.is_std() {
            match reference {
                None => put_u64(0, out),
                Some(reference) => self.std_reference(&reference, out),
            }
            return;
        }
        match reference {
            _ if null => put_text(b"", out),
            Some(Reference::Object { address }) => put_text(self.path(address).as_bytes(), out),
            Some(Reference::Region { address, selection }) => {
                put_text(self.path(address).as_bytes(), out);
                if self.file.object_at(address).is_ok() {
                    self.selection(address, &selection, out);
                }
            }
            _ => put_text(b"?", out),
        }
    }

    fn std_reference(&self, reference: &Reference, out: &mut Vec<u8>) {
        match reference {
            Reference::Null => put_u64(0, out),
            Reference::Object { address } => {
                put_u64(2, out);
                put_text(self.path(*address).as_bytes(), out);
            }
            Reference::Region { address, selection } => {
                put_u64(3, out);
                put_text(self.path(*address).as_bytes(), out);
                self.selection(*address, selection, out);
            }
            Reference::Attribute { address, name } => {
                put_u64(4, out);
                put_text(self.path(*address).as_bytes(), out);
                put_text(name.as_bytes(), out);
            }
            Reference::External { file, target } => {
                let kind = match **target {
                    Reference::Region { .. } => 3,
                    Reference::Attribute { .. } => 4,
                    _ => 2,
                };
                put_u64(kind + 256, out);
                put_text(file.as_bytes(), out);
            }
        }
    }

    fn selection(&self, address: u64, selection: &Selection, out: &mut Vec<u8>) {
        let dataset = self.file.object_at(address).and_then(|o| o.into_dataset());
        let encoded = match self.runs.get() {
            0 => None,
            _ => match dataset.and_then(|d| encode_selection(selection, d.shape())) {
                Ok(bytes) => {
                    // A run is two numbers of eight bytes.
                    self.runs.set(self.runs.get().saturating_sub(bytes.len() / 16));
                    Some(bytes)
                }
                Err(e) => {
                    if matches!(e.kind(), ErrorKind::Limit { .. }) {
                        self.runs.set(0);
                    }
                    None
                }
            },
        };
        match encoded {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => put_u64(99, out),
        }
    }
}

/// Most rows that are listed of a selection that does not fit in its dataset.
const MAX_ROWS: u64 = 1 << 20;

/// (first, count) of the rows of a hyperslab in C order, also of one that reaches beyond the extent.
fn rows(selection: &Selection, dims: &[u64]) -> Result<Vec<(u64, u64)>> {
    match selection.linear_runs(dims) {
        Err(e) if matches!(e.kind(), ErrorKind::Shape(_)) => outside(selection, dims).ok_or(e),
        rows => rows,
    }
}

fn outside(selection: &Selection, dims: &[u64]) -> Option<Vec<(u64, u64)>> {
    let last = dims.len().checked_sub(1)?;
    let mut rows = Vec::new();
    let mut add = |axes: &[Vec<(u64, u64)>]| {
        let outer: u64 =
            axes[..last].iter().map(|a| a.iter().map(|s| s.1).sum::<u64>()).try_fold(1, u64::checked_mul)?;
        (outer.checked_mul(axes[last].len() as u64)? + rows.len() as u64 <= MAX_ROWS).then_some(())?;
        let mut bases = vec![0u64];
        for (d, axis) in axes[..last].iter().enumerate() {
            let coordinates =
                || axis.iter().flat_map(|&(start, len)| (0..len).map(move |i| start.wrapping_add(i)));
            bases = bases
                .iter()
                .flat_map(|b| coordinates().map(move |c| b.wrapping_mul(dims[d]).wrapping_add(c)))
                .collect();
        }
        for base in bases {
            let base = base.wrapping_mul(dims[last]);
            rows.extend(axes[last].iter().map(|&(start, len)| (base.wrapping_add(start), len)));
        }
        Some(())
    };
    match selection {
        Selection::Hyperslab(slab) if slab.len() == dims.len() => {
            let axes: Option<Vec<_>> = slab
                .iter()
                .map(|s| {
                    (s.count <= MAX_ROWS).then_some(())?;
                    Some(
                        (0..s.count)
                            .map(|i| (s.start.wrapping_add(i.wrapping_mul(s.stride)), s.block))
                            .collect(),
                    )
                })
                .collect();
            add(&axes?)?;
        }
        Selection::Blocks(blocks) if blocks.rank == dims.len() => {
            for corners in blocks.corners.chunks_exact(2 * blocks.rank) {
                let (first, end) = corners.split_at(blocks.rank);
                let axes =
                    first.iter().zip(end).map(|(&a, &b)| Some(vec![(a, b.checked_sub(a)?.checked_add(1)?)]));
                add(&axes.collect::<Option<Vec<_>>>()?)?;
            }
        }
        _ => return None,
    }
    rows.sort_unstable();
    Some(rows)
}

fn put_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_u64(text.len() as u64, out);
    out.extend_from_slice(text);
}

fn encode_selection(selection: &Selection, dims: &[u64]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let kind = match selection {
        Selection::None => 0,
        Selection::Points(_) => 1,
        Selection::All => 3,
        _ => 2,
    };
    put_u64(kind, &mut out);
    put_u64(dims.len() as u64, &mut out);
    dims.iter().for_each(|&d| put_u64(d, &mut out));
    match selection {
        Selection::Points(points) => {
            let runs = selection.linear_runs(dims)?;
            put_u64((points.coordinates.len() / points.rank.max(1)) as u64, &mut out);
            for (start, len) in runs {
                (start..start + len).for_each(|i| put_u64(i, &mut out));
            }
        }
        Selection::Hyperslab(slab) if slab.iter().any(|d| d.count == UNLIMITED || d.block == UNLIMITED) => {
            put_u64(u64::MAX, &mut out);
            slab.iter().for_each(|d| put_u64(d.start, &mut out));
            slab.iter().for_each(|d| put_u64(d.stride, &mut out));
            slab.iter().for_each(|d| put_u64(d.count, &mut out));
            slab.iter().for_each(|d| put_u64(d.block, &mut out));
        }
        Selection::Hyperslab(_) | Selection::Blocks(_) => {
            let mut runs: Vec<(u64, u64)> = Vec::new();
            for (start, len) in rows(selection, dims)? {
                match runs.last_mut() {
                    Some((s, n)) if *s + *n == start => *n += len,
                    _ => runs.push((start, len)),
                }
            }
            put_u64(runs.len() as u64, &mut out);
            for (start, len) in runs {
                put_u64(start, &mut out);
                put_u64(len, &mut out);
            }
        }
        _ => {}
    }
    Ok(out)
}

/// The significant bits as a little-endian number of as many bytes, sign-extended if signed.
fn number(bytes: &[u8], t: &IntegerType, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(bytes);
    let n = &mut out[start..];
    match t.order {
        ByteOrder::Little => {}
        ByteOrder::Big => n.reverse(),
        ByteOrder::Vax => {
            n.reverse();
            n.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        }
    }
    if t.is_full(bytes.len()) {
        return;
    }
    let bits = bytes.len() * 8;
    let (offset, precision) = (usize::from(t.offset), usize::from(t.precision));
    let bit = |n: &[u8], i: usize| i < bits && n[i / 8] >> (i % 8) & 1 == 1;
    let extend = t.signed && precision > 0 && bit(n, offset + precision - 1);
    let source = n.to_vec();
    for i in 0..bits {
        let value = if i < precision { bit(&source, offset + i) } else { extend };
        let mask = 1 << (i % 8);
        if value { n[i / 8] |= mask } else { n[i / 8] &= !mask }
    }
}

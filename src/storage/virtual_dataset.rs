//! Virtual datasets: elements that are mapped to elements of other datasets.
//!
//! Every mapping pairs the i-th element of a selection of the virtual dataset with the i-th element of a selection of
//! its source. A read intersects the wanted elements with the former, and reads the latter at the same ordinals.
#![allow(unsafe_code)] // pieces of the output: mappings are read one after the other

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use super::{
    Store,
    dataset::DatasetCore,
    raw_data::{RawData, ReadOptions, Request, output::Output},
    resolve::Location,
};
use crate::{
    element::{SwapPlan, convert, is_convertible},
    error::{Error, ErrorKind, Result},
    model::{
        dataspace::{Dataspace, element_count},
        layout::VirtualMapping,
        link::Name,
        selection::{
            HyperslabDim, Selection, UNLIMITED,
            runs::{Pieces, Resolved, Run, Segment, for_each_run, push_within},
        },
    },
};

/// The source of a mapping, open.
#[derive(Debug)]
pub(crate) struct Source {
    store: Arc<Store>,
    core: DatasetCore,
}

/// Sources that were looked for, by file and dataset; `None` is missing.
pub(crate) type Sources = Mutex<FxHashMap<(Name, Name), Option<Arc<Source>>>>;

/// What was opened on behalf of one dataset: however often and by whatever name sources are mapped, each is opened
/// once.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// By file and address of the object header.
    opened: RefCell<FxHashMap<(usize, u64), Arc<Source>>>,
}

/// Most blocks of a mapping with `%b` in its names, and most pieces of one dimension of a selection.
const MAX_PIECES: u64 = 1 << 24;

fn check_depth(store: &Store, depth: u32) -> Result<()> {
    let allowed = store.reader.limits.virtual_depth;
    if depth >= allowed {
        return Err(Error::limit("nesting of virtual datasets", depth.into(), allowed.into()));
    }
    Ok(())
}

fn open(
    session: &Session,
    store: &Arc<Store>,
    file: &Name,
    dataset: &Name,
    depth: u32,
) -> Result<Arc<Source>> {
    check_depth(store, depth)?;
    let policy = &store.settings.policy.virtual_sources;
    let other = match file.as_bytes() {
        b"." => store.clone(),
        name => store.other(name, policy, "source file of a virtual dataset")?,
    };
    let found = Location::root(&other).resolve(dataset.as_bytes())?;
    let key = (Arc::as_ptr(&found.store) as usize, found.address);
    if let Some(source) = session.opened.borrow().get(&key) {
        return Ok(source.clone());
    }
    let header = found.store.header(found.address)?;
    let core = DatasetCore::open_in(&found.store, &header, session, depth + 1)?;
    let source = Arc::new(Source { store: found.store, core });
    session.opened.borrow_mut().insert(key, source.clone());
    Ok(source)
}

/// Errors by which a source counts as missing.
fn is_missing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound(_) | ErrorKind::Denied(_) | ErrorKind::Io(_) | ErrorKind::NotHdf5
    )
}

fn find(
    data: &Sources,
    store: &Arc<Store>,
    file: &Name,
    dataset: &Name,
    depth: u32,
) -> Result<Option<Arc<Source>>> {
    let lock = || data.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (file.clone(), dataset.clone());
    if let Some(known) = lock().get(&key) {
        return Ok(known.clone());
    }
    let source = match open(&Session::default(), store, file, dataset, depth) {
        Ok(source) => Some(source),
        Err(e) if is_missing(&e) => None,
        Err(e) => return Err(e),
    };
    lock().insert(key, source.clone());
    Ok(source)
}

/// The name with `%b` as a block number and `%%` as a percent sign.
pub(crate) fn substitute(name: &Name, block: Option<u64>) -> Result<Name> {
    let mut out = Vec::new();
    let mut bytes = name.as_bytes().iter();
    while let Some(&b) = bytes.next() {
        match (b, if b == b'%' { bytes.next() } else { None }) {
            (b'%', Some(b'b')) => out.extend(block.unwrap_or(0).to_string().bytes()),
            (b'%', Some(b'%')) => out.push(b'%'),
            (b'%', _) => return Err(Error::corrupt(format!("{name}: a percent sign without b or %"))),
            _ => out.push(b),
        }
    }
    Ok(Name::from(out))
}

pub(crate) fn has_block_number(name: &Name) -> bool {
    let mut bytes = name.as_bytes().iter();
    while let Some(&b) = bytes.next() {
        if b == b'%' && bytes.next() == Some(&b'b') {
            return true;
        }
    }
    false
}

fn is_printf(mapping: &VirtualMapping) -> bool {
    has_block_number(&mapping.file) || has_block_number(&mapping.dataset)
}

fn unlimited_dim(selection: &Selection) -> Option<(usize, HyperslabDim)> {
    match selection {
        Selection::Hyperslab(dims) => dims
            .iter()
            .enumerate()
            .find(|(_, d)| d.count == UNLIMITED || d.block == UNLIMITED)
            .map(|(i, d)| (i, *d)),
        _ => None,
    }
}

/// Selected elements of an unlimited dimension within an extent; the last block may be cut.
fn clipped_len(dim: &HyperslabDim, extent: u64) -> u64 {
    let left = extent.saturating_sub(dim.start);
    if dim.block == UNLIMITED || dim.stride <= dim.block {
        return left;
    }
    left / dim.stride * dim.block + (left % dim.stride).min(dim.block)
}

/// Extent that holds the first `len` selected elements of an unlimited dimension.
fn extent_for(dim: &HyperslabDim, len: u64) -> u64 {
    if len == 0 {
        return 0;
    }
    if dim.block == UNLIMITED || dim.stride <= dim.block {
        return dim.start.saturating_add(len);
    }
    let (full, rest) = ((len - 1) / dim.block, (len - 1) % dim.block + 1);
    full.saturating_mul(dim.stride).saturating_add(rest).saturating_add(dim.start)
}

/// The extent that the sources give to unlimited dimensions (the "last available" view, no gaps).
pub(crate) fn extend(
    store: &Arc<Store>,
    mappings: &[VirtualMapping],
    dataspace: &mut Dataspace,
    session: &Session,
    depth: u32,
) -> Result<()> {
    let max_dims = dataspace.max_dims();
    let Dataspace::Simple(extent) = dataspace else { return Ok(()) };
    let dims = extent.dims_mut();
    let stored = dims.to_vec();
    let mut needed = vec![0u64; dims.len()];
    let mut found: Vec<Option<u64>> = vec![None; dims.len()];
    for mapping in mappings {
        let Some((d, target)) = unlimited_dim(&mapping.target).filter(|(d, _)| *d < dims.len()) else {
            // The extent holds at least what is mapped without limit.
            if let Selection::Hyperslab(slab) = &mapping.target {
                for (n, s) in needed.iter_mut().zip(slab) {
                    let end = s.count.saturating_sub(1).saturating_mul(s.stride);
                    *n = (*n).max(end.saturating_add(s.block).saturating_add(s.start));
                }
            }
            continue;
        };
        let extent = if is_printf(mapping) {
            let mut blocks = 0;
            while blocks < MAX_PIECES {
                let file = substitute(&mapping.file, Some(blocks))?;
                let dataset = substitute(&mapping.dataset, Some(blocks))?;
                match open(session, store, &file, &dataset, depth) {
                    Ok(_) => blocks += 1,
                    Err(e) if is_missing(&e) => break,
                    Err(e) => return Err(e),
                }
            }
            match blocks.checked_sub(1) {
                None => 0,
                Some(n) => {
                    n.saturating_mul(target.stride).saturating_add(target.start).saturating_add(target.block)
                }
            }
        } else {
            let (file, dataset) = (substitute(&mapping.file, None)?, substitute(&mapping.dataset, None)?);
            match open(session, store, &file, &dataset, depth) {
                Ok(source) => {
                    // As libhdf5 does: of a source that is virtual itself, the extent that is stored.
                    let extents = source.core.stored_dims();
                    let len = match unlimited_dim(&mapping.source) {
                        Some((i, dim)) => clipped_len(&dim, extents.get(i).copied().unwrap_or(0)),
                        None => 0,
                    };
                    extent_for(&target, len)
                }
                Err(e) if is_missing(&e) => 0,
                Err(e) => return Err(e),
            }
        };
        found[d] = Some(found[d].unwrap_or(0).max(extent));
    }
    for d in 0..dims.len() {
        if let Some(extent) = found[d] {
            dims[d] = extent.max(needed[d]).min(max_dims[d].unwrap_or(u64::MAX));
        } else {
            dims[d] = stored[d];
        }
    }
    Ok(())
}

/// Sources that cannot be opened, with the reason.
pub(crate) fn missing(data: &RawData, store: &Arc<Store>) -> Result<Vec<(String, Error)>> {
    let mut out = Vec::new();
    let session = Session::default();
    // Of sources with a block number, the first one: how many there should be is not said.
    for mapping in &data.mappings {
        let (file, dataset) = (substitute(&mapping.file, None)?, substitute(&mapping.dataset, None)?);
        if let Err(e) = open(&session, store, &file, &dataset, 0) {
            out.push((format!("{file}:{dataset}"), e));
        }
    }
    Ok(out)
}

/// Reads a selection of a virtual dataset.
pub(crate) fn read(
    data: &RawData,
    store: &Arc<Store>,
    selection: &Resolved,
    out: &Output<'_>,
    options: ReadOptions,
) -> Result<()> {
    check_depth(store, options.depth)?;
    let dims = data.dims();
    let mut wanted = selection.runs(dims)?;
    for run in &wanted {
        let size = data.element_size as u64;
        let range = (run.target * size) as usize..((run.target + run.len) * size) as usize;
        // SAFETY: one piece at a time.
        unsafe { out.fill(range, data.fill.bytes())? };
    }
    wanted.sort_unstable_by_key(|run| run.source);
    let bounds = bounds(selection, &wanted, dims);
    let options = ReadOptions { depth: options.depth + 1, ..options };
    let reading = Reading { data, store, wanted: &wanted, bounds: &bounds, out, options };
    for mapping in &data.mappings {
        match unlimited_dim(&mapping.target) {
            Some((d, dim)) if is_printf(mapping) => {
                for block in 0..MAX_PIECES {
                    let start = block.saturating_mul(dim.stride).saturating_add(dim.start);
                    if start >= dims.get(d).copied().unwrap_or(0) {
                        break;
                    }
                    let mut target = mapping.target.clone();
                    if let Selection::Hyperslab(slab) = &mut target {
                        slab[d] =
                            HyperslabDim { start, stride: dim.block.max(1), count: 1, block: dim.block };
                    }
                    reading.mapping(mapping, &target, Some(block))?;
                }
            }
            _ => reading.mapping(mapping, &mapping.target, None)?,
        }
    }
    Ok(())
}

/// The box around the wanted elements: (low, high) in each dimension.
fn bounds(selection: &Resolved, wanted: &[Run], dims: &[u64]) -> Vec<(u64, u64)> {
    match selection {
        Resolved::Grid(axes) => axes.iter().map(|a| a.bounds()).collect(),
        Resolved::Runs(_) => {
            // Only the slowest dimension is narrowed.
            let row: u64 = dims.iter().skip(1).product::<u64>().max(1);
            let low = wanted.first().map_or(0, |r| r.source / row);
            let high = wanted.iter().map(|r| (r.source + r.len).div_ceil(row)).max().unwrap_or(0);
            dims.iter().enumerate().map(|(i, &d)| if i == 0 { (low, high.min(d)) } else { (0, d) }).collect()
        }
    }
}

struct Reading<'a> {
    data: &'a RawData,
    store: &'a Arc<Store>,
    /// Sorted by source: the place in the virtual dataset.
    wanted: &'a [Run],
    bounds: &'a [(u64, u64)],
    out: &'a Output<'a>,
    options: ReadOptions,
}

/// A selection of one side of a mapping.
enum Side {
    /// Segments in each dimension and the full shape of the selection.
    Grid { segments: Vec<Vec<Segment>>, shape: Vec<u64> },
    /// Runs, whose targets are ordinals.
    Runs(Vec<Run>),
}

impl Reading<'_> {
    fn mapping(&self, mapping: &VirtualMapping, target: &Selection, block: Option<u64>) -> Result<()> {
        let dims = self.data.dims();
        // Without the source the length of an unlimited dimension is not known, but whether it is touched is.
        let touched = side(target, dims, Some(self.bounds), None)?;
        if intersect(self.wanted, &touched, dims)?.is_empty() {
            return Ok(());
        }
        let file = substitute(&mapping.file, block)?;
        let dataset = substitute(&mapping.dataset, block)?;
        let source = find(&self.data.sources, self.store, &file, &dataset, self.options.depth)?;
        let Some(source) = source else { return Ok(()) };
        let raw = &source.core.raw;
        // Both sides of an unlimited mapping have as many slices as the shorter one.
        let slices = match (unlimited_dim(target), unlimited_dim(&mapping.source)) {
            (Some((d, t)), Some((i, s))) => {
                let target_len = clipped_len(&t, dims.get(d).copied().unwrap_or(0));
                Some(target_len.min(clipped_len(&s, raw.dims().get(i).copied().unwrap_or(0))))
            }
            _ => None,
        };
        let virtual_side = side(target, dims, Some(self.bounds), slices)?;
        let source_side = side(&mapping.source, raw.dims(), None, slices)?;
        let pieces = intersect(self.wanted, &virtual_side, dims)?;
        let runs = at_ordinals(&pieces, &source_side, raw.dims())?;
        if runs.is_empty() {
            return Ok(());
        }
        self.read_source(&source, runs)
    }

    fn read_source(&self, source: &Source, runs: Vec<Run>) -> Result<()> {
        let raw = &source.core.raw;
        let own = &self.data.datatype;
        if *source.core.datatype == **own {
            let request = Request { selection: &Resolved::Runs(runs), out: self.out };
            return raw.read_parts(&source.store, &[request], self.options);
        }
        let theirs = &source.core.datatype;
        if !is_convertible(theirs, own) {
            return Err(Error::unsupported(format!("source of {theirs} for a virtual dataset of {own}")));
        }
        let limits = &self.store.reader.limits;
        let total: u64 = runs.iter().map(|r| r.len).sum();
        let mut stored = limits.vec("elements of a source", total.saturating_mul(theirs.size as u64))?;
        stored.resize(total as usize * theirs.size, 0u8);
        let mut at = 0;
        let packed: Vec<Run> = runs
            .iter()
            .map(|r| {
                at += r.len;
                Run { target: at - r.len, ..*r }
            })
            .collect();
        let out = Output::new(&mut stored, true, &SwapPlan::Nothing);
        let request = Request { selection: &Resolved::Runs(packed.clone()), out: &out };
        raw.read_parts(&source.store, &[request], self.options)?;
        let size = own.size;
        let mut bytes = limits.vec("elements of a source", total.saturating_mul(size as u64))?;
        bytes.resize(total as usize * size, 0u8);
        for (from, to) in stored.chunks_exact(theirs.size.max(1)).zip(bytes.chunks_exact_mut(size.max(1))) {
            convert(theirs, from, own, to).ok_or_else(|| Error::type_mismatch(own, theirs))?;
        }
        for (run, from) in runs.iter().zip(&packed) {
            let from = from.target as usize * size;
            // SAFETY: one piece at a time.
            unsafe {
                self.out.put(run.target as usize * size, &bytes[from..from + run.len as usize * size])?
            };
        }
        Ok(())
    }
}

/// Segments of a selection within an extent. Targets are coordinates in the selection's own shape.
fn side(
    selection: &Selection,
    dims: &[u64],
    bounds: Option<&[(u64, u64)]>,
    slices: Option<u64>,
) -> Result<Side> {
    let slab = match selection {
        Selection::Hyperslab(slab) if slab.len() == dims.len() => slab.clone(),
        Selection::All => dims.iter().map(|&d| HyperslabDim::range(0, d)).collect(),
        _ => return Ok(Side::Runs(selection.resolve(dims)?.runs(dims)?)),
    };
    let mut segments = Vec::with_capacity(dims.len());
    let mut shape = Vec::with_capacity(dims.len());
    for (i, (s, &extent)) in slab.iter().zip(dims).enumerate() {
        let (low, high) = bounds.map_or((0, extent), |b| (b[i].0, b[i].1.min(extent)));
        let is_unlimited = s.count == UNLIMITED || s.block == UNLIMITED;
        let len = match (is_unlimited, slices) {
            (true, Some(slices)) => slices,
            (true, None) => clipped_len(s, extent),
            (false, _) => s.count.saturating_mul(s.block),
        };
        segments.push(dim_segments(s, len, low, high)?);
        shape.push(len);
    }
    Ok(Side::Grid { segments, shape })
}

/// The first `len` elements of one dimension, as far as they are in `low..high`.
fn dim_segments(dim: &HyperslabDim, len: u64, low: u64, high: u64) -> Result<Vec<Segment>> {
    let mut out: Vec<Segment> = Vec::new();
    let contiguous = dim.block == UNLIMITED || dim.stride <= dim.block || dim.count == 1;
    let (block, stride) = if contiguous { (len.max(1), len.max(1)) } else { (dim.block.max(1), dim.stride) };
    let mut i = if low > dim.start { (low - dim.start) / stride } else { 0 };
    loop {
        let before = i.saturating_mul(block);
        let start = i.saturating_mul(stride).saturating_add(dim.start);
        if before >= len || start >= high {
            return Ok(out);
        }
        let end = start.saturating_add(block.min(len - before)).min(high);
        let from = start.max(low);
        if from < end {
            out.push(Segment { source: from, target: before + (from - start), len: end - from });
        }
        if out.len() as u64 > MAX_PIECES {
            return Err(Error::limit("pieces of a selection", out.len() as u64, MAX_PIECES));
        }
        i += 1;
    }
}

/// Ordinals (as sources) and places in the result (as targets) of the wanted elements that a side selects.
fn intersect(wanted: &[Run], side: &Side, dims: &[u64]) -> Result<Vec<Run>> {
    let mut selected: Vec<Run> = Vec::new();
    match side {
        Side::Runs(runs) => selected.clone_from(runs),
        Side::Grid { segments, shape } => {
            if segments.iter().any(Vec::is_empty) {
                return Ok(Vec::new());
            }
            let pieces: Vec<Pieces<'_>> = segments.iter().map(|s| Pieces::List(s)).collect();
            element_count(shape)?;
            for_each_run(&pieces, dims, shape, &mut |run| push_within(&mut selected, run))?;
        }
    }
    selected.sort_unstable_by_key(|run| run.source);
    // Each element of the result is written by one source element: the targets of a read must not overlap.
    if selected.windows(2).any(|pair| pair[0].source + pair[0].len > pair[1].source) {
        return Err(Error::corrupt("a mapping selects an element of the virtual dataset twice"));
    }
    let (Some(first), Some(last)) = (selected.first(), selected.last()) else { return Ok(Vec::new()) };
    let (low, high) = (first.source, last.source + last.len);
    // The wanted runs are sorted by where they start; they may overlap.
    let longest = wanted.iter().map(|run| run.len).max().unwrap_or(0);
    let from = wanted.partition_point(|run| run.source.saturating_add(longest) <= low);
    let mut out = Vec::new();
    for a in wanted[from..].iter().take_while(|run| run.source < high) {
        let end = a.source + a.len;
        let k = selected.partition_point(|b| b.source + b.len <= a.source);
        for b in selected[k..].iter().take_while(|b| b.source < end) {
            let start = a.source.max(b.source);
            let len = end.min(b.source + b.len) - start;
            let run =
                Run { source: b.target + (start - b.source), target: a.target + (start - a.source), len };
            push_within(&mut out, run)?;
        }
    }
    Ok(out)
}

/// The elements of a side at these ordinals; ordinals beyond its end are left out.
fn at_ordinals(pieces: &[Run], side: &Side, dims: &[u64]) -> Result<Vec<Run>> {
    let mut out = Vec::new();
    match side {
        Side::Runs(runs) => {
            for piece in pieces {
                let (mut ordinal, mut target, mut left) = (piece.source, piece.target, piece.len);
                while left > 0 {
                    let at = runs.partition_point(|r| r.target + r.len <= ordinal);
                    let Some(run) = runs.get(at) else { break };
                    let skip = ordinal - run.target;
                    let len = left.min(run.len - skip);
                    out.push(Run { source: run.source + skip, target, len });
                    (ordinal, target, left) = (ordinal + len, target + len, left - len);
                }
            }
        }
        Side::Grid { segments, shape } => {
            if shape.is_empty() {
                return Ok(pieces.iter().filter(|p| p.source == 0).map(|p| Run { len: 1, ..*p }).collect());
            }
            let last = shape.len() - 1;
            let mut point = vec![0; shape.len()];
            for piece in pieces {
                let (mut ordinal, mut target, mut left) = (piece.source, piece.target, piece.len);
                while left > 0 {
                    super::chunk_index::coordinates(ordinal, shape, &mut point);
                    let len = left.min(shape[last].saturating_sub(point[last])).max(1);
                    push_row(&point, len, target, segments, dims, &mut out);
                    (ordinal, target, left) = (ordinal + len, target + len, left - len);
                }
            }
        }
    }
    Ok(out)
}

/// `len` elements along the last dimension, from the point of a selection's own shape on.
fn push_row(
    point: &[u64],
    mut len: u64,
    mut target: u64,
    segments: &[Vec<Segment>],
    dims: &[u64],
    out: &mut Vec<Run>,
) {
    let find = |d: usize, at: u64| {
        let i = segments[d].partition_point(|s| s.target + s.len <= at);
        segments[d]
            .get(i)
            .filter(|s| s.target <= at)
            .map(|s| (s.source + (at - s.target), s.len - (at - s.target)))
    };
    let last = point.len() - 1;
    let mut base = 0u64;
    for d in 0..last {
        let Some((coordinate, _)) = find(d, point[d]) else { return };
        base = base * dims[d] + coordinate;
    }
    let mut at = point[last];
    while len > 0 {
        let Some((coordinate, room)) = find(last, at) else { return };
        let n = len.min(room);
        out.push(Run { source: base * dims[last] + coordinate, target, len: n });
        (at, target, len) = (at + n, target + n, len - n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_block_numbers() {
        let name = Name::from("a%b_%%_%b");
        assert_eq!(substitute(&name, Some(12)).unwrap(), "a12_%_12");
        assert!(has_block_number(&name));
        assert!(!has_block_number(&Name::from("50%%b")));
        assert!(substitute(&Name::from("%d"), None).is_err());
    }

    #[test]
    fn extents_of_unlimited_dimensions() {
        let dim = HyperslabDim { start: 2, stride: 5, count: UNLIMITED, block: 3 };
        assert_eq!([2, 3, 5, 7, 8, 10, 12].map(|e| clipped_len(&dim, e)), [0, 1, 3, 3, 4, 6, 6]);
        for len in 1..20 {
            assert_eq!(clipped_len(&dim, extent_for(&dim, len)), len);
            assert_eq!(clipped_len(&dim, extent_for(&dim, len) - 1), len - 1);
        }
    }

    #[test]
    fn ordinals_pair_both_sides() {
        // Every second column of 3 x 8 is the left half of 3 x 8 in the source.
        let target = Selection::Hyperslab(vec![
            HyperslabDim::range(0, 3),
            HyperslabDim { start: 1, stride: 2, count: 4, block: 1 },
        ]);
        let source = Selection::Hyperslab(vec![HyperslabDim::range(0, 3), HyperslabDim::range(0, 4)]);
        let dims = [3, 8];
        let wanted = [Run { source: 8, target: 0, len: 8 }];
        let virtual_side = side(&target, &dims, Some(&[(1, 2), (0, 8)]), None).unwrap();
        let pieces = intersect(&wanted, &virtual_side, &dims).unwrap();
        assert_eq!(pieces.len(), 4);
        let runs = at_ordinals(&pieces, &side(&source, &dims, None, None).unwrap(), &dims).unwrap();
        let all: Vec<(u64, u64)> = runs.iter().map(|r| (r.source, r.target)).collect();
        assert_eq!(all, [(8, 1), (9, 3), (10, 5), (11, 7)]);
    }

    #[test]
    fn an_element_may_be_wanted_twice_but_not_mapped_twice() {
        let run = |source, target, len| Run { source, target, len };
        // Elements 0 to 9, then 5 and 1 again.
        let mut wanted = vec![run(0, 0, 10), run(5, 10, 1), run(1, 11, 1)];
        wanted.sort_unstable_by_key(|r| r.source);
        let even = Selection::Hyperslab(vec![HyperslabDim { start: 0, stride: 2, count: 5, block: 1 }]);
        let odd = Selection::Hyperslab(vec![HyperslabDim { start: 1, stride: 2, count: 5, block: 1 }]);
        let mut targets: Vec<u64> = Vec::new();
        for selection in [even, odd] {
            let side = side(&selection, &[10], Some(&[(0, 10)]), None).unwrap();
            targets.extend(intersect(&wanted, &side, &[10]).unwrap().iter().map(|r| r.target));
        }
        targets.sort_unstable();
        assert_eq!(targets, (0..12).collect::<Vec<_>>());
        let twice = Side::Runs(vec![run(0, 0, 2), run(1, 2, 1)]);
        assert!(intersect(&wanted, &twice, &[10]).is_err());
    }
}

//! What the fuzz target of h5flow does with its input: a plain function, which `tests/h5flow.rs` runs over the committed
//! corpus too. A panic, an abort, a hang, a huge allocation, or an answer that the model does not give is a finding.

use h5::{
    Dataset, File, Group, Limits, ObjectKind, Policy, Reach, Values,
    h5flow::{RefRegion, Sel, dereference_chain, print_attr, print_data, print_ref},
};

/// Bytes that begin as an HDF5 file does are one; others are tables, references and a request.
pub fn flow(data: &[u8]) {
    if data.starts_with(b"\x89HDF") { file(data) } else { tables(&mut Bytes(data)) }
}

/// Numbers out of bytes; zeros when there are no more.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u64 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u64::from(first)
    }
    /// Mostly small; seldom anything.
    fn number(&mut self) -> u64 {
        match self.next() {
            255 => (0..8).fold(0, |n, _| n << 8 | self.next()),
            254 => u64::MAX - self.next(),
            253 => self.next() << 32,
            252 => self.next() << 8,
            small => small,
        }
    }
    fn list(&mut self, below: u64) -> Vec<u64> {
        (0..self.next() % below).map(|_| self.number()).collect()
    }
    fn sel(&mut self) -> Sel {
        match self.next() % 4 {
            0 => Sel::Index(self.number()),
            1 => Sel::List(self.list(32)),
            2 => Sel::from(self.number() % 300..self.number() % 300),
            // One so long that it is refused, or of large numbers.
            _ => {
                let (start, step) = (self.number(), self.number());
                Sel::Slice { start, stop: start.saturating_add(step.saturating_mul(self.next())), step }
            }
        }
    }
}

struct Step {
    refs: Vec<[u64; 2]>,
    small: Option<Vec<[u32; 2]>>,
    direction: (usize, usize),
    regions: Option<Vec<RefRegion>>,
}

impl Step {
    fn of(bytes: &mut Bytes<'_>) -> Self {
        let flags = bytes.next();
        let refs: Vec<[u64; 2]> = (0..bytes.next() % 128).map(|_| [bytes.number(), bytes.number()]).collect();
        let small =
            refs.iter().map(|pair| Some([pair[0].try_into().ok()?, pair[1].try_into().ok()?])).collect();
        let region = |bytes: &mut Bytes<'_>| RefRegion { start: bytes.number(), stop: bytes.number() };
        let regions = (flags & 2 != 0).then(|| (0..bytes.next()).map(|_| region(bytes)).collect());
        let direction = if flags & 1 == 0 { (0, 1) } else { (1, 0) };
        Step { refs, small: if flags & 4 == 0 { small } else { None }, direction, regions }
    }

    /// Children of a parent in the order of the references; nothing if there is no such region.
    fn children(&self, parent: u64, clip: bool) -> Option<Vec<u64>> {
        let region = match &self.regions {
            None => RefRegion { start: 0, stop: u64::MAX },
            Some(regions) => match usize::try_from(parent).ok().and_then(|p| regions.get(p)) {
                Some(region) => *region,
                None if clip => RefRegion::default(),
                None => return None,
            },
        };
        let rows = (0u64..).zip(&self.refs).filter(|(row, _)| region.start <= *row && *row < region.stop);
        let own = rows.filter(|(_, pair)| pair[self.direction.0] == parent);
        Some(own.map(|(_, pair)| pair[self.direction.1]).collect())
    }
}

/// Every form of a request against a model that looks at all references for every parent.
fn tables(bytes: &mut Bytes<'_>) {
    let (flags, sel) = (bytes.next(), bytes.sel());
    let mut steps: Vec<Step> = (0..1 + bytes.next() % 3).map(|_| Step::of(bytes)).collect();
    // All of them have regions, or none.
    if steps.iter().any(|step| step.regions.is_none()) {
        steps.iter_mut().for_each(|step| step.regions = None);
    }
    let len = bytes.next();
    let rows: Vec<i32> = (0..len as i32).map(|i| 3 * i - 100).collect();
    let rows = Values::of(&rows).expect("numbers");
    let mask = (flags & 1 != 0).then(|| bytes.list(32).iter().map(|n| n % 2 == 1).collect::<Vec<bool>>());
    let mask = mask.filter(|_| sel.len() < 1000).map(|mut mask| {
        if flags & 2 != 0 {
            mask.resize(sel.len() as usize, false);
        }
        mask
    });

    let refs = steps.iter().map(|step| match &step.small {
        Some(small) => h5::h5flow::Refs::from(small),
        None => h5::h5flow::Refs::from(&step.refs),
    });
    let mut request = dereference_chain(sel.clone(), refs)
        .ref_directions(steps.iter().map(|step| step.direction))
        .data(&rows)
        .max_bytes(32 << 20);
    let regions: Option<Vec<_>> = steps.iter().map(|step| step.regions.as_ref()).collect();
    if let Some(regions) = regions {
        request = request.regions(regions);
    }
    if let Some(mask) = &mask {
        request = request.mask(mask.clone());
    }
    if sel.len() > 10_000 {
        let _ = request.ragged_indices();
        let _ = request.masked_values();
        return;
    }
    let Ok(parents) = sel.rows() else { return };
    let mut fits = mask.as_ref().is_none_or(|mask| mask.len() == parents.len());
    let mut model: Vec<Vec<u64>> = Vec::new();
    for (i, parent) in parents.iter().enumerate() {
        let left_out = mask.as_ref().is_some_and(|mask| mask.get(i).copied().unwrap_or(false));
        let mut found = if left_out { Vec::new() } else { vec![*parent] };
        for (at, step) in steps.iter().enumerate() {
            let clip = at == 0 && matches!(sel, Sel::Slice { .. });
            let children: Option<Vec<_>> = found.iter().map(|row| step.children(*row, clip)).collect();
            fits &= children.is_some();
            found = children.unwrap_or_default().concat();
            if found.len() > 1 << 16 {
                return;
            }
        }
        model.push(found);
    }
    match request.ragged_indices() {
        Ok(found) => {
            assert!(fits && found.iter().eq(model.iter().map(Vec::as_slice)), "{found:?} {model:?}");
        }
        Err(error) => assert!(!fits, "{error}"),
    }
    let there = fits && model.iter().flatten().all(|row| *row < len);
    let value = |row: &u64| 3 * *row as i32 - 100;
    match request.ragged::<i32>() {
        Ok(found) => {
            let model: Vec<Vec<i32>> = model.iter().map(|rows| rows.iter().map(value).collect()).collect();
            assert!(there && found.iter().eq(model.iter().map(Vec::as_slice)));
        }
        Err(error) => assert!(!there, "{error}"),
    }
    // As wide as the widest of each step.
    let is_large = |error: &h5::Error| matches!(error.kind(), h5::ErrorKind::Limit { .. });
    match (request.masked_values(), request.masked_indices()) {
        (Ok(found), Ok(indices)) => {
            assert!(there && found.mask == indices.mask && found.len() == parents.len());
            let values: Vec<i32> = found.data.to_vec().expect("the type of the rows");
            let width: usize = found.mask.shape()[1..].iter().product();
            let all: Vec<_> = values.iter().zip(&indices.data).zip(&found.mask).collect();
            for (cells, rows) in all.chunks(width.max(1)).zip(&model) {
                let mut have: Vec<(i32, u64)> =
                    cells.iter().filter(|(_, masked)| !**masked).map(|((v, i), _)| (**v, **i)).collect();
                let mut want: Vec<(i32, u64)> = rows.iter().map(|row| (value(row), *row)).collect();
                if steps.len() == 1 {
                    want.sort_unstable();
                } else {
                    have.sort_unstable();
                    want.sort_unstable();
                }
                assert_eq!(have, want);
            }
        }
        (Err(error), _) => assert!(!there || is_large(&error), "{error}"),
        (_, Err(error)) => assert!(!fits || is_large(&error), "{error}"),
    }
}

/// All references of a file, both ways round.
fn file(data: &[u8]) {
    let mut limits = Limits::default();
    limits.allocation = 16 << 20;
    limits.chunk = 4 << 20;
    let options =
        File::options().limits(limits).policy(Policy::all(Reach::None)).threads(1).ignore_write_flag(true);
    let Ok(root) = options.from_bytes(data.to_vec()).and_then(|file| file.root()) else { return };
    let _ = (print_data(&root), print_ref(&root), print_attr(&root));
    let mut paths = Vec::new();
    find(&root, "", 6, &mut paths);
    for path in paths.iter().take(8) {
        let Some((parent, child)) = path.trim_end_matches("/ref").split_once("/ref/") else { continue };
        for (names, direction) in [((parent, child), (0, 1)), ((child, parent), (1, 0))] {
            let region = format!("{}/ref/{}/ref_region", names.0, names.1);
            let datasets =
                [path.clone(), region, format!("{}/data", names.1)].map(|path| root.dataset(&path));
            if let [Ok(refs), Ok(region), Ok(data)] = datasets {
                request(&refs, &region, &data, direction);
            }
        }
    }
}

/// Paths of references, at most some.
fn find(group: &Group, path: &str, depth: u32, paths: &mut Vec<String>) {
    for link in group.links().into_iter().flatten().flatten().take(16) {
        let Ok(object) = group.follow(&link) else { continue };
        let path = format!("{path}/{}", link.name);
        match object.kind() {
            Ok(ObjectKind::Group) if depth > 0 => {
                if let Ok(group) = object.into_group() {
                    find(&group, &path, depth - 1, paths);
                }
            }
            Ok(ObjectKind::Dataset) if path.ends_with("/ref") && paths.len() < 64 => paths.push(path),
            _ => {}
        }
    }
}

fn request(refs: &Dataset, region: &Dataset, data: &Dataset, direction: (usize, usize)) {
    for sel in
        [Sel::from(0..40), Sel::List(vec![7, 0, 7, 1 << 40]), Sel::List(vec![3, 1, 30, 2]), Sel::Index(2)]
    {
        let all = dereference_chain(sel, [refs]).ref_direction(direction).data(data).max_bytes(16 << 20);
        let regions = all.clone().region(region);
        for request in [&regions, &all] {
            let masked = request.masked_values();
            let ragged = request.ragged_values();
            let indices = request.ragged_indices();
            if let (Ok(masked), Ok(ragged), Ok(indices)) = (&masked, &ragged, &indices) {
                let count = masked.mask.iter().filter(|masked| !**masked).count();
                assert!(count == indices.values().len() && ragged.offsets == *indices.offsets());
            }
            assert!(ragged.is_err() || indices.is_ok());
            let _ = request.clone().indices_only(true).masked_values();
        }
    }
}

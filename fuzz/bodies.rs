//! What the fuzz targets do with their input: plain functions, which `tests/fuzz_corpus.rs` runs over the committed
//! corpus too. Errors are fine; a panic, an abort, a hang or a huge allocation is a finding.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use h5::{Attribute, Dataset, Element, File, Limits, Object, ObjectKind, OpenOptions, Policy, Reach, Values};

/// Opens the bytes as a file and visits everything in it.
pub fn open_and_walk(data: &[u8]) {
    if let Ok(file) = options().from_bytes(data.to_vec()) {
        walk(&file);
    }
}

/// Opens the bytes in memory, mapped from a file and by positioned reads of it: all must give the same.
pub fn sources(data: &[u8]) {
    let path = std::env::temp_dir().join(format!("h5-fuzz-{}.h5", std::process::id()));
    std::fs::write(&path, data).expect("a temporary file");
    let expected = fingerprint(options().from_bytes(data.to_vec()));
    for mmap in [true, false] {
        assert_eq!(expected, fingerprint(options().mmap(mmap).open(&path)), "mmap: {mmap}");
    }
    let _ = std::fs::remove_file(&path);
}

fn fingerprint(file: h5::Result<File>) -> String {
    match file {
        Ok(file) => walk(&file),
        Err(error) => kind(&error),
    }
}

/// Limits under which a walk is short, and no other file is opened.
fn options() -> OpenOptions {
    let mut limits = Limits::default();
    limits.allocation = 16 << 20;
    limits.chunk = 4 << 20;
    File::options().limits(limits).policy(Policy::all(Reach::None)).threads(1).ignore_write_flag(true)
}

/// The kind of an error: its text names the file.
fn kind(error: &h5::Error) -> String {
    format!("{:?}", std::mem::discriminant(error.kind()))
}

/// What was found, so that two walks can be compared; and how much may still be visited.
struct Walk {
    found: String,
    seen: BTreeSet<u64>,
    objects: usize,
    bytes: u64,
}

/// Visits all objects that hard links lead to, at most some hundred, and says what was found.
fn walk(file: &File) -> String {
    let mut walk =
        Walk { found: format!("{:?}", file.info()), seen: BTreeSet::new(), objects: 400, bytes: 32 << 20 };
    let mut queue: Vec<_> = walk.note(file.object("/")).into_iter().collect();
    while let Some(object) = queue.pop() {
        if walk.objects == 0 {
            break;
        }
        walk.objects -= 1;
        if walk.seen.insert(object.address()) {
            queue.extend(walk.object(&object));
        }
    }
    walk.found
}

impl Walk {
    fn say(&mut self, what: impl std::fmt::Debug) {
        let _ = writeln!(self.found, "{what:?}");
    }

    /// The value of a result, whose error is noted.
    fn note<T>(&mut self, result: h5::Result<T>) -> Option<T> {
        result.map_err(|error| self.say(kind(&error))).ok()
    }

    /// Looks at everything of an object; the objects that its links lead to.
    fn object(&mut self, object: &Object) -> Vec<Object> {
        self.say((object.path(), object.address(), object.header_bytes()));
        let count = self.note(object.link_count());
        let comment = self.note(object.comment());
        let names = self.note(object.attribute_names());
        self.say((count, comment, names));
        for attribute in self.note(object.attributes()).unwrap_or_default() {
            if let Some(attribute) = self.note(attribute) {
                self.attribute(object, &attribute);
            }
        }
        match self.note(object.kind()) {
            Some(ObjectKind::Group) => self.group(object),
            Some(ObjectKind::Dataset) => {
                if let Some(dataset) = self.note(object.clone().into_dataset()) {
                    self.dataset(&dataset);
                }
                Vec::new()
            }
            _ => {
                if let Some(named) = self.note(object.clone().into_datatype()) {
                    self.say(named.datatype().to_string());
                }
                Vec::new()
            }
        }
    }

    fn group(&mut self, object: &Object) -> Vec<Object> {
        let mut objects = Vec::new();
        let Some(group) = self.note(object.clone().into_group()) else {
            return objects;
        };
        for link in self.note(group.links()).unwrap_or_default() {
            let Some(link) = self.note(link) else { continue };
            let again = self.note(group.link(&link.name));
            let target = self.note(group.follow(&link));
            self.say((&link, again.is_some(), target.is_some()));
            objects.extend(target);
        }
        objects
    }

    fn attribute(&mut self, object: &Object, attribute: &Attribute) {
        self.say((attribute.name(), attribute.datatype().to_string(), attribute.shape()));
        if let Some(values) = self.note(attribute.values()) {
            self.values(&values);
        }
        let again = self.note(object.attribute(attribute.name()));
        self.say(again.is_some());
    }

    fn dataset(&mut self, dataset: &Dataset) {
        self.say((dataset.datatype().to_string(), dataset.dataspace(), dataset.layout(), dataset.filters()));
        let stored = self.note(dataset.stored_bytes());
        let fill = dataset.fill_values();
        let missing = self.note(dataset.missing_sources());
        self.say((stored, fill.is_some(), missing.map(|m| m.len())));
        let chunks = self.note(dataset.chunks()).unwrap_or_default();
        for chunk in chunks.iter().take(8) {
            let bytes = self.note(dataset.read_chunk(&chunk.offset));
            self.say((chunk, hash(&bytes)));
        }
        if let Some(values) = self.note(dataset.values(h5::Selection::None)) {
            self.values(&values);
        }
        // The last element, by way of a selection; then all.
        let last: Vec<_> = dataset
            .shape()
            .iter()
            .map(|d| h5::HyperslabDim { start: d.saturating_sub(1), stride: 1, count: 1, block: 1 })
            .collect();
        let last = h5::Selection::Hyperslab(last);
        if let Some(values) = self.note(dataset.values(&last)) {
            self.values(&values);
        }
        let first = vec![h5::HyperslabDim { start: 0, stride: 1, count: 1, block: 1 }; dataset.shape().len()];
        let some = [last.clone(), h5::Selection::None, h5::Selection::Hyperslab(first), last];
        at_once::<i32>(dataset, &some);
        at_once::<f64>(dataset, &some);
        at_once::<String>(dataset, &some);
        let size = dataset.len().ok().and_then(|n| n.checked_mul(dataset.datatype().size as u64));
        if let Some(left) = size.and_then(|size| self.bytes.checked_sub(size)) {
            self.bytes = left;
            if let Some(values) = self.note(dataset.values(h5::Selection::All)) {
                self.values(&values);
            }
        }
    }

    fn values(&mut self, values: &Values) {
        self.say((values.shape(), values.len(), hash(values.bytes())));
        for element in values.iter().take(16) {
            self.element(&element, 0);
        }
    }

    fn element(&mut self, element: &Element<'_>, depth: usize) {
        let text = self.note(element.text());
        let reference = self.note(element.reference());
        self.say((
            element.integer(),
            element.float().map(f64::to_bits),
            element.enum_name(),
            text,
            reference,
        ));
        if depth < 4 {
            for (name, member) in element.members().take(16) {
                self.say(name);
                self.element(&member, depth + 1);
            }
            for inner in self.note(element.elements()).flatten().into_iter().flatten().take(16) {
                self.element(&inner, depth + 1);
            }
        }
    }
}

/// Several selections read together are what each of them is.
fn at_once<T: h5::H5Type + std::fmt::Debug>(dataset: &Dataset, selections: &[h5::Selection]) {
    if dataset.datatype().size > 1 << 20 {
        return; // Together they may be more than the limit.
    }
    let each = selections.iter().map(|selection| dataset.read_slice::<T>(selection));
    let each: Option<Vec<_>> = each.map(Result::ok).collect();
    let together = dataset.read_slices::<T>(selections).ok();
    assert_eq!(format!("{each:?}"), format!("{together:?}"));
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Every structure of the format that is not a message: what decodes must encode, and decode again to the same.
pub fn structures(data: &[u8]) {
    h5::internals::structures::structures(data);
}

/// The same for messages, datatypes, selections, references and mappings.
///
/// Input: what to decode (0 to 25 a message of that type, then the others), width of addresses, of lengths; the bytes.
pub fn messages(data: &[u8]) {
    use h5::internals::round_trip;
    let mut input = Input(data);
    let (what, offset, length) = (input.byte(), input.byte(), input.byte());
    let width = |byte: u8| [2, 4, 8][usize::from(byte % 3)];
    let (offset, length, bytes) = (width(offset), width(length), input.0);
    let outcome = match what % 40 {
        id @ 0..=25 => round_trip::message(id.into(), false, offset, length, bytes),
        26 => round_trip::message(3, true, offset, length, bytes),
        27 => round_trip::datatype(bytes),
        28 => round_trip::selection(bytes),
        29 => round_trip::virtual_mappings(bytes, offset, length),
        kind => round_trip::reference(kind - 30, bytes, offset),
    };
    if let Err(text) = outcome {
        panic!("{text}");
    }
}

/// Inflates a stream: the fast decoder, the plain one and zlib-rs must agree.
pub fn inflate(data: &[u8]) {
    h5::internals::fuzzing::inflate_any(data);
}

/// Undoes a pipeline of up to three filters on a stored chunk, in both ways there are, and applies one and undoes it.
///
/// Input: number of filters; for each its index in `FILTERS`, its number of parameters and these; the mask of filters
/// left out; element size; chunk size (three bytes); the stored bytes.
pub fn filters(data: &[u8]) {
    use h5::internals::{ChunkContext, FilterPipeline, FilterSpec, Scratch};
    const FILTERS: [u16; 16] =
        [1, 2, 3, 32000, 4, 5, 6, 307, 32004, 32008, 32015, 32022, 32023, 32001, 32026, 32013];
    /// Those of `FILTERS` that give back what they were given.
    const LOSSLESS: [u16; 9] = [1, 2, 3, 32000, 307, 32001, 32004, 32008, 32015];

    let mut input = Input(data);
    let mut pipeline = FilterPipeline::default();
    let mut lossless = true;
    for _ in 0..input.byte() % 4 {
        let index = usize::from(input.byte()) % FILTERS.len();
        lossless &= LOSSLESS.contains(&FILTERS[index]);
        let client_data = (0..input.byte() % 24).map(|_| input.number(4) as u32).collect();
        pipeline.filters.push(FilterSpec { id: FILTERS[index], optional: false, name: None, client_data });
    }
    let mask = u32::from(input.byte());
    let element_size = usize::from(input.byte()).max(1);
    let chunk_bytes = input.number(3) % (1 << 20);
    let context = ChunkContext { chunk_bytes, element_size };
    let stored = input.0;

    let mut destination = vec![0; chunk_bytes];
    let into = pipeline.decode_chunk_into(&context, mask, stored, &mut Scratch::default(), &mut destination);
    let mut scratch = Scratch::default();
    match pipeline.decode_chunk(&context, mask, stored, &mut scratch) {
        Ok(bytes) => {
            into.expect("decoding into a buffer fails where decoding does not");
            assert!(bytes == destination, "two ways of decoding, two results");
        }
        Err(error) => assert!(into.is_err(), "only decoding into a buffer does without: {error}"),
    }

    if !lossless {
        return;
    }
    let context = ChunkContext { chunk_bytes: stored.len(), element_size };
    let mut scratch = Scratch::default();
    if let Ok((encoded, mask)) = pipeline.encode_chunk(&context, stored, &mut scratch) {
        let mut scratch = Scratch::default();
        let decoded = pipeline.decode_chunk(&context, mask, encoded, &mut scratch);
        assert!(decoded.expect("what was encoded can be decoded") == stored, "not what was encoded");
    }
}

/// Takes numbers from the front of the input; zeros when it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.number(1) as u8
    }
    fn number(&mut self, width: usize) -> usize {
        let (bytes, rest) = self.0.split_at(width.min(self.0.len()));
        self.0 = rest;
        bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    }
}

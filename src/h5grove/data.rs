//! Arrays that are read while they are encoded.

use std::{fmt, sync::Arc};

use super::{
    dtype::Dtype,
    error::{Error, Result},
    selection::Slab,
};
use crate::{Dataset, Datatype, DatatypeClass, Element, Values};

/// Bytes that are read at once, if the chunks allow it.
const BLOCK: u64 = 4 << 20;
/// Bytes that are read at once at most, so that every chunk is decoded once.
const LARGE_BLOCK: u64 = 32 << 20;
/// Elements of variable length that are read at once.
const VARIABLE_BLOCK: u64 = 1 << 13;

/// Whether numbers are converted to what the typed arrays of JavaScript hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DtypeConversion {
    /// As in the file.
    #[default]
    Origin,
    /// Little-endian; halves become `f32`, long doubles `f64`.
    Safe,
}

impl DtypeConversion {
    /// From the parameter `dtype` of a query.
    ///
    /// # Errors
    /// `QueryArgumentError` unless it is `origin` or `safe`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "origin" => Ok(DtypeConversion::Origin),
            "safe" => Ok(DtypeConversion::Safe),
            _ => Err(Error::query(format!("Unsupported dtype {text}"))),
        }
    }
}

/// Called between two blocks; an error ends the reading.
pub type Check = Arc<dyn Fn() -> crate::Result<()> + Send + Sync>;

/// Elements of a dataset, which are read block by block when they are encoded.
#[derive(Clone)]
pub struct Data {
    source: Source,
    /// Type of the elements, arrays unfolded into the shape.
    datatype: Datatype,
    dtype: Dtype,
    /// Elements of `datatype` in one of the source.
    per_element: u64,
    shape: Vec<u64>,
    /// A scalar of numpy, not an array.
    is_scalar: bool,
    check: Option<Check>,
}

#[derive(Clone, Debug)]
enum Source {
    /// A null dataspace.
    Null,
    Dataset(Dataset, Slab),
    Values(Values),
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data")
            .field("dtype", &self.dtype.name())
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// Elements that were read at once.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    values: &'a Values,
    datatype: &'a Datatype,
    per_element: usize,
    /// Index of the first element in all that are read.
    pub(super) start: u64,
}

impl<'a> Block<'a> {
    /// Type of the elements.
    pub(super) fn datatype(&self) -> &'a Datatype {
        self.datatype
    }
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.values.bytes()
    }
    pub(super) fn len(&self) -> usize {
        self.values.len() * self.per_element
    }
    pub(super) fn element(&self, index: usize) -> Result<Option<Element<'a>>> {
        let per = self.per_element.max(1);
        let Some(mut element) = self.values.get(index / per) else { return Ok(None) };
        let (mut index, mut inside) = (index % per, per);
        while let DatatypeClass::Array { .. } = element.datatype().class {
            let Some(elements) = element.elements()? else { return Ok(None) };
            inside /= elements.len().max(1);
            match elements.get(index / inside.max(1)) {
                Some(next) => element = next,
                None => return Ok(None),
            }
            index %= inside.max(1);
        }
        Ok(Some(element))
    }
}

/// The elements of an array type, and its extent.
pub(super) fn unnest(datatype: &Datatype) -> (&Datatype, Vec<u64>) {
    let (mut base, mut all) = (datatype, Vec::new());
    while let DatatypeClass::Array { dims, base: inner } = &base.class {
        all.extend(dims.iter().map(|&d| u64::from(d)));
        base = inner;
    }
    (base, all)
}

fn product(shape: &[u64]) -> u64 {
    if shape.contains(&0) { 0 } else { shape.iter().fold(1u64, |n, &d| n.saturating_mul(d)) }
}

impl Data {
    /// All of a dataset, or a part of it.
    pub(super) fn of_dataset(dataset: &Dataset, selection: Option<&str>) -> Result<Self> {
        if dataset.dataspace().is_null() {
            if let Some(text) = selection {
                // A null dataspace has no dimensions.
                Slab::parse(text, &[])?;
            }
            return Ok(Data::null(dataset.datatype()));
        }
        let slab = match selection {
            Some(text) => Slab::parse(text, dataset.shape())?,
            None => Slab::whole(dataset.shape()),
        };
        let shape = slab.shape();
        if shape.is_empty()
            && let DatatypeClass::VarLen(base) = &dataset.datatype().class
            && Dtype::of(unnest(base).0).is_numeric()
        {
            // A scalar of variable length is the array of numbers that it holds.
            let mut out = None;
            for (selection, _) in slab.blocks(dataset.chunk_shape(), 1, 1) {
                let values = dataset.values(selection)?;
                if let Some(elements) = values.get(0).map(|e| e.elements()).transpose()?.flatten() {
                    out = Some(Values::new(
                        (**base).clone(),
                        [elements.len() as u64],
                        elements.bytes().get(..elements.len() * base.size).unwrap_or_default().to_vec(),
                    )?);
                }
            }
            if let Some(values) = out {
                return Ok(Data::of_values(values));
            }
        }
        let source = Source::Dataset(dataset.clone(), slab);
        Ok(Data::new(source, dataset.datatype(), shape))
    }

    /// Values that were read.
    pub(super) fn of_values(values: Values) -> Self {
        let (datatype, shape) = (values.datatype().clone(), values.shape().to_vec());
        Data::new(Source::Values(values), &datatype, shape)
    }

    /// Nothing, of this type.
    pub(super) fn null(datatype: &Datatype) -> Self {
        let mut data = Data::new(Source::Null, datatype, Vec::new());
        data.is_scalar = true;
        data
    }

    fn new(source: Source, datatype: &Datatype, mut shape: Vec<u64>) -> Self {
        let (base, inner) = unnest(datatype);
        shape.extend_from_slice(&inner);
        let dtype = Dtype::of(base);
        Data {
            source,
            // Numbers of numpy that are no arrays have the order of the machine.
            dtype: if shape.is_empty() && dtype.is_numeric() { dtype.little() } else { dtype },
            datatype: base.clone(),
            per_element: product(&inner),
            is_scalar: shape.is_empty(),
            shape,
            check: None,
        }
    }

    /// As one dimension; scalars stay what they are.
    pub(super) fn flattened(mut self) -> Self {
        if !self.is_scalar {
            self.shape = vec![product(&self.shape)];
        }
        self
    }

    /// Converted for the typed arrays of JavaScript.
    pub(super) fn converted(mut self, conversion: DtypeConversion) -> Result<Self> {
        if conversion == DtypeConversion::Safe {
            if !self.is_numeric() {
                return Err(Error::query("Unsupported dtype safe for non-numeric data"));
            }
            self.dtype = self.dtype.safe();
        }
        Ok(self)
    }

    /// With a function that is called between two blocks and may end the reading.
    pub fn with_check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Extent in each dimension.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The type of the elements as numpy calls it: `<f8`, `|S10`, `|O` ...
    pub fn dtype(&self) -> String {
        self.dtype.name()
    }

    /// Number of elements.
    pub fn len(&self) -> u64 {
        if self.is_null() { 0 } else { product(&self.shape) }
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True for the data of a null dataspace.
    pub fn is_null(&self) -> bool {
        matches!(self.source, Source::Null)
    }

    /// Bytes of the elements in memory; those of elements of variable length are not counted.
    pub fn nbytes(&self) -> u64 {
        self.len().saturating_mul(self.dtype.size as u64)
    }

    /// True if the elements are in other files than the dataset, or may be.
    pub fn may_lead_elsewhere(&self) -> bool {
        match &self.source {
            Source::Dataset(dataset, _) => {
                !dataset.external_files().is_empty()
                    || matches!(dataset.layout(), crate::Layout::Virtual { .. })
            }
            _ => false,
        }
    }

    /// Bytes that must be decoded in order to read the data once, each chunk as often as it is.
    pub fn decoded_bytes(&self) -> u64 {
        let stored = self.len().saturating_mul(self.datatype.size as u64);
        match &self.source {
            Source::Dataset(dataset, slab) => match dataset.chunk_shape() {
                Some(chunk) => {
                    let element = dataset.datatype().size as u64;
                    let chunk_bytes = chunk.iter().fold(element, |n, &c| n.saturating_mul(c));
                    let (budget, ceiling) = self.budget(dataset);
                    slab.decoded_chunks(chunk, budget, ceiling).saturating_mul(chunk_bytes).max(stored)
                }
                None => stored,
            },
            _ => stored,
        }
    }

    pub(super) fn is_numeric(&self) -> bool {
        !self.is_null() && self.dtype.is_numeric()
    }
    pub(super) fn is_scalar(&self) -> bool {
        self.is_scalar
    }
    pub(super) fn element_dtype(&self) -> &Dtype {
        &self.dtype
    }
    pub(super) fn datatype(&self) -> &Datatype {
        &self.datatype
    }

    fn budget(&self, dataset: &Dataset) -> (u64, u64) {
        let size = (dataset.datatype().size as u64).max(1);
        let elements = |bytes: u64| match dataset.datatype().is_fixed() {
            true => (bytes / size).max(1),
            false => VARIABLE_BLOCK,
        };
        (elements(BLOCK), elements(LARGE_BLOCK))
    }

    /// Calls `f` with all elements, in order. Those before `from` may be left out by whole blocks.
    pub(super) fn for_each_block(&self, from: u64, f: &mut dyn FnMut(Block<'_>) -> Result<()>) -> Result<()> {
        let per_element = self.per_element;
        let mut start = 0u64;
        let mut hand_on = |values: &Values, start: u64| {
            if let Some(check) = &self.check {
                check()?;
            }
            let per = usize::try_from(per_element).unwrap_or(usize::MAX);
            f(Block { values, datatype: &self.datatype, per_element: per, start })
        };
        match &self.source {
            Source::Null => Ok(()),
            Source::Values(values) => hand_on(values, 0),
            Source::Dataset(dataset, slab) => {
                let (budget, ceiling) = self.budget(dataset);
                for (selection, count) in slab.blocks(dataset.chunk_shape(), budget, ceiling) {
                    let end = start.saturating_add(count.saturating_mul(per_element));
                    if end > from {
                        if let Some(check) = &self.check {
                            check()?;
                        }
                        hand_on(&dataset.values(selection)?, start)?;
                    }
                    start = end;
                }
                Ok(())
            }
        }
    }
}

/// Calls a function for each of these numbers, on several threads if there are; the results are in order.
pub(super) fn in_parallel<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "parallel")]
    if count > 1 {
        use rayon::prelude::*;
        return (0..count).into_par_iter().map(f).collect();
    }
    (0..count).map(f).collect()
}

/// Hands on the results of a function for each of these numbers, in order, while further ones are worked out by other
/// threads. Few wait to be handed on.
pub(super) fn in_order<T: Send>(
    count: usize,
    f: impl Fn(usize) -> Result<T> + Sync + Send,
    mut each: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    #[cfg(feature = "parallel")]
    // A thread of the pool must not wait for others of the pool.
    if count > 1 && rayon::current_thread_index().is_none() {
        use std::{collections::BTreeMap, panic, sync::mpsc};
        return rayon::in_place_scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let f = &f;
            let begin = |i: usize| {
                let sender = sender.clone();
                scope.spawn(move |_| {
                    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| f(i)));
                    // Who does not want it any more has met an error.
                    let _ = sender.send((i, result));
                });
            };
            let ahead = (2 * rayon::current_num_threads() + 2).min(count);
            (0..ahead).for_each(begin);
            let mut ready = BTreeMap::new();
            for i in 0..count {
                let result = loop {
                    if let Some(result) = ready.remove(&i) {
                        break result;
                    }
                    let (j, result) = receiver.recv().map_err(std::io::Error::other)?;
                    ready.insert(j, result);
                };
                if i + ahead < count {
                    begin(i + ahead);
                }
                match result {
                    Ok(result) => each(result?)?,
                    Err(panicked) => panic::resume_unwind(panicked),
                }
            }
            Ok(())
        });
    }
    (0..count).try_for_each(|i| each(f(i)?))
}

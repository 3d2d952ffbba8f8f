//! Requests: what is dereferenced, and how the result is wanted.

use ndarray::{ArrayD, IxDyn};

use super::{
    links::{Links, Parents, Step},
    masked::{MaskedArray, MaskedValues, Offsets, Ragged, RaggedValues},
    numbers::{filled, room, zeros},
    place::Places,
    rows::{self, Table},
    sources::{Refs, Regions, Rows, Sel},
};
use crate::{ByteOrder, Datatype, DatatypeClass, Error, ErrorKind, H5Type, Result, Values};

/// Bytes of a result if nothing else is said.
const MAX_BYTES: u64 = 16 << 30;

/// What is to be loaded: made by [`dereference`] and [`dereference_chain`].
#[derive(Clone, Debug)]
pub struct Dereference<'a> {
    sel: Sel,
    steps: Vec<Step<'a>>,
    /// How many regions and directions were given, which must be as many as there are steps.
    given: (Option<usize>, Option<usize>),
    data: Option<Rows<'a>>,
    mask: Option<Vec<bool>>,
    indices_only: bool,
    max_bytes: u64,
}

/// Loads the rows of `data` that references give for the parents `sel`.
///
/// ```
/// # fn main() -> h5::Result<()> {
/// let refs: Vec<[u32; 2]> = vec![[1, 0], [2, 1]];
/// let letters = h5::Values::of(&[10, 20, 30, 40])?;
/// let request = h5::h5flow::dereference([0, 1, 2], &refs).data(&letters);
/// let rows = request.ragged::<i32>()?;
/// assert_eq!(rows.row(0), [0; 0]);
/// assert_eq!(rows.row(1), [10]);
/// assert_eq!(rows.row(2), [20]);
/// let masked = request.ref_direction((1, 0)).masked::<i32>()?;
/// assert_eq!(masked.data.shape(), [3, 1]);
/// assert_eq!(masked.mask.as_slice(), Some(&[false, false, true][..]));
/// # Ok(()) }
/// ```
pub fn dereference<'a>(sel: impl Into<Sel>, r#ref: impl Into<Refs<'a>>) -> Dereference<'a> {
    dereference_chain(sel, [r#ref])
}

/// Follows references from step to step: the children of one are the parents of the next. `data` is what the last step
/// refers to.
pub fn dereference_chain<'a, R: Into<Refs<'a>>>(
    sel: impl Into<Sel>,
    refs: impl IntoIterator<Item = R>,
) -> Dereference<'a> {
    let step = |refs: R| Step { refs: refs.into(), region: None, direction: (0, 1) };
    Dereference {
        sel: sel.into(),
        steps: refs.into_iter().map(step).collect(),
        given: (None, None),
        data: None,
        mask: None,
        indices_only: false,
        max_bytes: MAX_BYTES,
    }
}

impl<'a> Dereference<'a> {
    /// What the last step refers to.
    pub fn data(mut self, data: impl Into<Rows<'a>>) -> Self {
        self.data = Some(data.into());
        self
    }
    /// Where in the references those of each parent are, of a request of one step.
    pub fn region(self, region: impl Into<Regions<'a>>) -> Self {
        self.regions([region])
    }
    /// Where in the references those of each parent are, for each step.
    pub fn regions<R: Into<Regions<'a>>>(mut self, regions: impl IntoIterator<Item = R>) -> Self {
        let regions: Vec<Regions<'a>> = regions.into_iter().map(Into::into).collect();
        self.given.0 = Some(regions.len());
        for (step, region) in self.steps.iter_mut().zip(regions) {
            step.region = Some(region);
        }
        self
    }
    /// Parents that are left out: true where one is. As long as the selection.
    pub fn mask(mut self, mask: impl Into<Vec<bool>>) -> Self {
        self.mask = Some(mask.into());
        self
    }
    /// Columns of parents and of children in the references: (0, 1), the default, or (1, 0).
    pub fn ref_direction(self, direction: (usize, usize)) -> Self {
        self.ref_directions([direction])
    }
    /// Columns of parents and of children, for each step.
    pub fn ref_directions(mut self, directions: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let directions: Vec<_> = directions.into_iter().collect();
        self.given.1 = Some(directions.len());
        for (step, direction) in self.steps.iter_mut().zip(directions) {
            step.direction = direction;
        }
        self
    }
    /// The values are the numbers of the children, and `data` is not read: of
    /// [`masked_values`](Self::masked_values) and [`ragged_values`](Self::ragged_values), in the type that the
    /// references have.
    pub fn indices_only(mut self, only: bool) -> Self {
        self.indices_only = only;
        self
    }
    /// Bytes that a result may have, and the references that are looked through for it: 16 GiB if this is not said. A
    /// masked result is as wide as its widest parent; without regions all references of a dataset are looked through.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Numbers of the children, padded; ascending for each parent.
    ///
    /// # Errors
    /// `Shape` for a row that there is not, or a mask of another length; `Type`; `Usage`; `Limit`; `Corrupt`.
    pub fn masked_indices(&self) -> Result<MaskedArray<u64>> {
        let found = self.follow(true)?;
        let padded = self.padded(&found, size_of::<u64>())?;
        let data = padded.of_children(&found, 1, &found.children)?;
        Ok(MaskedArray { data: array(&padded.shape, data)?, mask: array(&padded.shape, padded.mask)? })
    }

    /// Rows, padded; ascending by the number of the child for each parent. `data` is of type `T`.
    ///
    /// # Errors
    /// As [`masked_indices`](Self::masked_indices); `Usage` without data.
    pub fn masked<T: H5Type + Clone + Default>(&self) -> Result<MaskedArray<T>> {
        let data = self.needs_data()?;
        let found = self.follow(true)?;
        let table = rows::typed::<T>(data, &found.children)?;
        let padded = self.padded(&found, table.per_row.saturating_mul(size_of::<T>()))?;
        let blank = |len| filled("values of a result", len, T::default());
        let elements = padded.of_rows(&found, table, blank)?;
        let shape = with_rows(&padded.shape, data);
        Ok(MaskedArray { data: array(&shape, elements)?, mask: array(&padded.shape, padded.mask)? })
    }

    /// Rows of a type known at run time, of fixed size; as [`masked`](Self::masked).
    ///
    /// # Errors
    /// As [`masked`](Self::masked); `Unsupported` for rows of variable length.
    pub fn masked_values(&self) -> Result<MaskedValues> {
        let dims = |shape: &[usize]| shape.iter().map(|&d| d as u64).collect::<Vec<_>>();
        if self.indices_only {
            let found = self.follow(true)?;
            let datatype = self.index_type();
            let padded = self.padded(&found, datatype.size)?;
            let bytes = index_bytes(&datatype, &found.children)?;
            let bytes = padded.of_children(&found, datatype.size, &bytes)?;
            let data = Values::new(datatype, dims(&padded.shape), bytes)?;
            return Ok(MaskedValues { data, mask: array(&padded.shape, padded.mask)? });
        }
        let data = self.needs_data()?;
        let found = self.follow(true)?;
        let table = rows::bytes(data, &found.children)?;
        let padded = self.padded(&found, table.per_row)?;
        let bytes = padded.of_rows(&found, table, zeros)?;
        let shape = dims(&with_rows(&padded.shape, data));
        let data = Values::new(data.datatype().clone(), shape, bytes)?;
        Ok(MaskedValues { data, mask: array(&padded.shape, padded.mask)? })
    }

    /// Numbers of the children of each parent, in the order of the references.
    ///
    /// # Errors
    /// As [`masked_indices`](Self::masked_indices).
    pub fn ragged_indices(&self) -> Result<Ragged<u64>> {
        let Found { steps, children } = self.follow(false)?;
        Ok(Ragged { offsets: Offsets { steps }, values: children, per_row: 1 })
    }

    /// Rows of each parent, in the order of the references. `data` is of type `T`.
    ///
    /// # Errors
    /// As [`masked`](Self::masked).
    pub fn ragged<T: H5Type + Clone>(&self) -> Result<Ragged<T>> {
        let data = self.needs_data()?;
        let found = self.follow(false)?;
        let table = rows::typed::<T>(data, &found.children)?;
        self.bounded(found.children.len(), table.per_row.saturating_mul(size_of::<T>()))?;
        let per_row = table.per_row;
        let values = table.into_rows_of(&found.children)?;
        Ok(Ragged { offsets: Offsets { steps: found.steps }, values, per_row })
    }

    /// Rows of a type known at run time, of fixed size; as [`ragged`](Self::ragged).
    ///
    /// # Errors
    /// As [`masked_values`](Self::masked_values).
    pub fn ragged_values(&self) -> Result<RaggedValues> {
        let data = if self.indices_only { None } else { Some(self.needs_data()?) };
        let found = self.follow(false)?;
        let count = found.children.len();
        let values = match data {
            None => {
                let datatype = self.index_type();
                let bytes = index_bytes(&datatype, &found.children)?;
                Values::new(datatype, [count as u64], bytes)?
            }
            Some(data) => {
                let table = rows::bytes(data, &found.children)?;
                self.bounded(count, table.per_row)?;
                let dims: Vec<u64> = with_rows(&[count], data).iter().map(|&d| d as u64).collect();
                Values::new(data.datatype().clone(), dims, table.into_bytes_of(&found.children)?)?
            }
        };
        Ok(RaggedValues { offsets: Offsets { steps: found.steps }, values })
    }

    fn needs_data(&self) -> Result<&Rows<'a>> {
        self.data
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Usage("rows without data to load them from".to_owned())))
    }

    /// Type of the numbers of the last references.
    fn index_type(&self) -> Datatype {
        match self.steps.last().map(|step| step.refs) {
            Some(Refs::Dataset(dataset)) => dataset.datatype().clone(),
            Some(Refs::U32(_)) => Datatype::integer(4, false, ByteOrder::NATIVE),
            _ => Datatype::integer(8, false, ByteOrder::NATIVE),
        }
    }

    fn bounded(&self, cells: usize, cell: usize) -> Result<()> {
        let wanted = (cells as u64).saturating_mul(cell.saturating_add(1) as u64);
        if wanted > self.max_bytes {
            return Err(Error::new(ErrorKind::Limit {
                what: "bytes of a result",
                wanted,
                allowed: self.max_bytes,
            }));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let usage = |text: String| Err(Error::new(ErrorKind::Usage(text)));
        if self.steps.is_empty() {
            return usage("a chain without references".to_owned());
        }
        for (what, given) in [("regions", self.given.0), ("ref_directions", self.given.1)] {
            if let Some(n) = given.filter(|&n| n != self.steps.len()) {
                return usage(format!("{n} {what} for {} steps", self.steps.len()));
            }
        }
        self.steps.iter().try_for_each(Step::check)
    }

    /// The children of all steps.
    fn follow(&self, sorted: bool) -> Result<Found> {
        self.check()?;
        let mut rows = self.sel.rows()?;
        if let Some(mask) = &self.mask
            && mask.len() != rows.len()
        {
            let text = format!("a mask of {} for {} selected rows", mask.len(), rows.len());
            return Err(Error::new(ErrorKind::Shape(text)));
        }
        let mut steps = Vec::with_capacity(self.steps.len());
        for (i, step) in self.steps.iter().enumerate() {
            let clip = i == 0 && matches!(self.sel, Sel::Slice { .. });
            let mask = if i == 0 { self.mask.as_deref() } else { None };
            let fits = |children: usize| self.bounded(children, size_of::<u64>());
            let Links { offsets, children } =
                step.links(Parents { rows: &rows, mask, clip }, sorted, &fits)?;
            steps.push(offsets);
            rows = children;
        }
        Ok(Found { steps, children: rows })
    }

    /// Where the children go in a padded result, whose values are `size` bytes.
    fn padded(&self, found: &Found, size: usize) -> Result<Padded> {
        let parents = found.steps.first().map_or(0, |s| s.len().saturating_sub(1));
        let (mut shape, mut total) = (vec![parents], parents);
        let mut places = Places::Rows { width: 1 };
        for (i, offsets) in found.steps.iter().enumerate() {
            let width = offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0).max(1);
            shape.push(width);
            total = total.saturating_mul(width);
            self.bounded(total, size)?;
            places = match i.checked_sub(1).and_then(|last| found.steps.get(last)) {
                None => Places::Rows { width },
                Some(last) => Places::Chosen { rows: places.of_children(last)?, width },
            };
        }
        let mask = places.mask(found.last(), total)?;
        Ok(Padded { shape, places, mask })
    }
}

/// Children of the last step, and the offsets of all.
struct Found {
    steps: Vec<Vec<usize>>,
    children: Vec<u64>,
}

impl Found {
    /// Offsets of the last step.
    fn last(&self) -> &[usize] {
        self.steps.last().map_or(&[], Vec::as_slice)
    }
}

/// The shape of a padded result, its mask, and where the children go.
struct Padded {
    shape: Vec<usize>,
    places: Places,
    mask: Vec<bool>,
}

impl Padded {
    /// Values that there are one of for every child, of `size` elements.
    fn of_children<E: H5Type + Copy>(&self, found: &Found, size: usize, values: &[E]) -> Result<Vec<E>> {
        let mut out = zeros::<E>(self.mask.len().saturating_mul(size))?;
        self.places.fill(found.last(), size, &mut out, &|_, span, to| {
            let from = values.get(span.start * size..span.end * size).unwrap_or_default();
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        });
        Ok(out)
    }

    /// Rows of children among blank ones.
    fn of_rows<E: Clone + Send + Sync>(
        &self,
        found: &Found,
        table: Table<'_, E>,
        blank: impl FnOnce(usize) -> Result<Vec<E>>,
    ) -> Result<Vec<E>> {
        if self.mask.len() == found.children.len() && table.is_just(&found.children) {
            return Ok(table.elements.into_owned());
        }
        let mut out = blank(self.mask.len().saturating_mul(table.per_row))?;
        self.places.fill(found.last(), table.per_row, &mut out, &|_, span, to| {
            table.copy(found.children.get(span).unwrap_or_default(), to);
        });
        Ok(out)
    }
}

fn with_rows(shape: &[usize], data: &Rows<'_>) -> Vec<usize> {
    shape.iter().copied().chain(data.dims().iter().skip(1).map(|&d| d as usize)).collect()
}

fn array<T>(shape: &[usize], elements: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), elements).map_err(|e| Error::new(ErrorKind::Shape(e.to_string())))
}

/// Numbers as a datatype of integers has them.
fn index_bytes(datatype: &Datatype, numbers: &[u64]) -> Result<Vec<u8>> {
    let DatatypeClass::Integer(integer) = &datatype.class else { return Ok(Vec::new()) };
    let size = datatype.size.min(8);
    let mut out = room("values of a result", numbers.len().saturating_mul(size))?;
    for number in numbers {
        match integer.order {
            ByteOrder::Big => out.extend_from_slice(&number.to_be_bytes()[8 - size..]),
            _ => out.extend_from_slice(&number.to_le_bytes()[..size]),
        }
    }
    Ok(out)
}

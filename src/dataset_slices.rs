//! Many selections of a dataset, read at once.
#![allow(unsafe_code)] // plain elements as bytes: only for types that promise it by `H5Type::POD`

use ndarray::ArrayD;

use crate::{
    dataset::Dataset,
    element::{H5Type, SwapPlan},
    error::{Error, Result},
    limits::try_vec,
    model::selection::{IntoSelection, runs::Resolved},
    read::array,
    storage::raw_data::{
        Request,
        output::{Output, bytes_of_mut, zeros},
    },
};

/// Selections that have been checked against the extent of a dataset.
struct Selected {
    resolved: Vec<Resolved>,
    shapes: Vec<Vec<u64>>,
    /// Elements of each.
    counts: Vec<usize>,
}

impl Selected {
    /// Elements of all.
    fn total(&self) -> usize {
        self.counts.iter().fold(0, |n, &count| n.saturating_add(count))
    }

    /// Shape of one behind the other, if all have the same.
    fn stacked(&self) -> Result<Vec<u64>> {
        let first = self.shapes.first().map_or(&[][..], |s| s);
        if let Some(i) = self.shapes.iter().position(|shape| shape != first) {
            let text = format!("{:?} cannot be stacked with {first:?}", self.shapes[i]);
            return Err(Error::shape(text).of_selection(i));
        }
        Ok([&[self.shapes.len() as u64], first].concat())
    }
}

impl Dataset {
    /// The elements of many selections, each as [`read_slice`](Self::read_slice) gives it: windows around events, rows
    /// of a list of indices, crops to train with. They may overlap, and differ in shape.
    ///
    /// All are read together, sorted by where they lie in the file: each chunk is found, read and decoded once, by as
    /// many threads as the file may use, however many selections want something of it. What is kept in memory beside
    /// the results does not depend on them, but for some bytes for each selection.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let file = h5::File::open("testdata/basic.h5")?;
    /// let temperature = file.dataset("/measurements/temperature")?;
    /// let rows = temperature.read_slices::<f64>([3, 0].map(|row| ndarray::s![row, ..]))?;
    /// assert_eq!(rows[1], temperature.read_slice::<f64>(ndarray::s![0, ..])?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`read_slice`](Self::read_slice), with [`Error::selection`]; `Limit` if all results together are larger than
    /// one may be.
    pub fn read_slices<T: H5Type>(
        &self,
        selections: impl IntoIterator<Item = impl IntoSelection>,
    ) -> Result<Vec<ArrayD<T>>> {
        let read = || {
            let this = self.fresh()?;
            let selected = this.select_each(selections)?;
            let results = match this.core().raw.plain::<T>()? {
                Some(swap) => {
                    let mut results =
                        selected.counts.iter().map(|&n| zeros::<T>(n)).collect::<Result<Vec<_>>>()?;
                    // SAFETY: `plain` says that `T` is plain; the memory is fresh and zeroed, padding included.
                    let memory = results.iter_mut().map(|result| unsafe { bytes_of_mut(result) });
                    this.read_each(&selected, memory, true, &swap)?;
                    results
                }
                None => this.decode_each(&selected)?,
            };
            results.into_iter().zip(&selected.shapes).map(|(result, shape)| array(result, shape)).collect()
        };
        self.as_object().named(read())
    }

    /// The elements of many selections of the same shape, one behind the other along a new first dimension, as numpy's
    /// `stack` has it: a batch of windows. As [`read_slices`](Self::read_slices) else. Without selections the shape is
    /// `[0]`.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let file = h5::File::open("testdata/basic.h5")?;
    /// let temperature = file.dataset("/measurements/temperature")?;
    /// let windows = [0, 2, 1].map(|row| ndarray::s![row..row + 2, 1..]);
    /// assert_eq!(temperature.read_stacked::<f64>(windows)?.shape(), [3, 2, 2]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`read_slices`](Self::read_slices); `Shape` if the shapes differ.
    pub fn read_stacked<T: H5Type>(
        &self,
        selections: impl IntoIterator<Item = impl IntoSelection>,
    ) -> Result<ArrayD<T>> {
        let read = || {
            let this = self.fresh()?;
            let selected = this.select_each(selections)?;
            let shape = selected.stacked()?;
            let elements = match this.core().raw.plain::<T>()? {
                Some(swap) => {
                    let mut elements = zeros::<T>(selected.total())?;
                    // SAFETY: as in `read_slices`.
                    let memory = unsafe { bytes_of_mut(&mut elements) };
                    this.read_each(&selected, this.pieces(&selected, memory), true, &swap)?;
                    elements
                }
                None => this.decode_each(&selected)?.into_iter().flatten().collect(),
            };
            array(elements, &shape)
        };
        self.as_object().named(read())
    }

    /// Reads what [`read_stacked`](Self::read_stacked) gives into the caller's buffer, in C order.
    ///
    /// # Errors
    /// As [`read_stacked`](Self::read_stacked); `Shape` if the buffer has another length. After an error the content
    /// of the buffer is arbitrary.
    pub fn read_stacked_into<T: H5Type>(
        &self,
        selections: impl IntoIterator<Item = impl IntoSelection>,
        buffer: &mut [T],
    ) -> Result<()> {
        let read = || {
            let this = self.fresh()?;
            let selected = this.select_each(selections)?;
            selected.stacked()?;
            let (wanted, count) = (selected.total(), buffer.len());
            if wanted != count {
                return Err(Error::shape(format!("a buffer of {count} for {wanted} elements")));
            }
            match this.core().raw.plain::<T>()?.filter(|_| T::datatype().has_no_padding()) {
                Some(swap) => {
                    // SAFETY: `plain` says that `T` is plain, and there is no padding: all bytes are initialised.
                    let memory = unsafe { bytes_of_mut(buffer) };
                    this.read_each(&selected, this.pieces(&selected, memory), false, &swap)
                }
                None => {
                    let elements = this.decode_each(&selected)?.into_iter().flatten();
                    buffer.iter_mut().zip(elements).for_each(|(slot, element)| *slot = element);
                    Ok(())
                }
            }
        };
        self.as_object().named(read())
    }

    fn select_each(&self, selections: impl IntoIterator<Item = impl IntoSelection>) -> Result<Selected> {
        let mut selected = Selected { resolved: Vec::new(), shapes: Vec::new(), counts: Vec::new() };
        let mut total = 0u64;
        for (i, selection) in selections.into_iter().enumerate() {
            let select = || {
                let (resolved, shape) = self.select(selection)?;
                let count = resolved.len()?;
                total = total.saturating_add(count);
                self.check_limit(total)?;
                selected.resolved.push(resolved);
                selected.shapes.push(shape);
                selected.counts.push(usize::try_from(count).unwrap_or(usize::MAX));
                Ok(())
            };
            select().map_err(|e: Error| e.of_selection(i))?;
        }
        Ok(selected)
    }

    /// Reads each selection into the memory at its turn.
    fn read_each<'a>(
        &self,
        selected: &Selected,
        memory: impl Iterator<Item = &'a mut [u8]>,
        zeroed: bool,
        swap: &SwapPlan,
    ) -> Result<()> {
        let outputs: Vec<Output<'_>> = memory.map(|memory| Output::new(memory, zeroed, swap)).collect();
        let requests = selected.resolved.iter().zip(&outputs);
        let requests: Vec<Request<'_>> =
            requests.map(|(selection, out)| Request { selection, out }).collect();
        self.read_requests(&requests)
    }

    /// The parts of the memory for each selection.
    fn pieces<'a>(&self, selected: &Selected, memory: &'a mut [u8]) -> impl Iterator<Item = &'a mut [u8]> {
        let mut rest = memory;
        selected.counts.iter().map(move |&count| {
            let (piece, behind) = std::mem::take(&mut rest).split_at_mut(self.stored_len(count as u64));
            rest = behind;
            piece
        })
    }

    /// Elements that are more than their bytes.
    fn decode_each<T: H5Type>(&self, selected: &Selected) -> Result<Vec<Vec<T>>> {
        let stored = |&count: &usize| zeros::<u8>(self.stored_len(count as u64));
        let mut stored = selected.counts.iter().map(stored).collect::<Result<Vec<_>>>()?;
        let memory = stored.iter_mut().map(|bytes| &mut bytes[..]);
        self.read_each(selected, memory, true, &SwapPlan::Nothing)?;
        // One for all: it counts what is taken from the heap.
        let heap = self.store().global_heap.session(&self.store().reader);
        let mut results = Vec::with_capacity(stored.len());
        for (i, (bytes, &count)) in stored.into_iter().zip(&selected.counts).enumerate() {
            let mut elements = try_vec("elements of a read", count as u64)?;
            let decoded = self.decode_elements(&bytes, &heap, |element| elements.push(element));
            decoded.map_err(|e| e.of_selection(i))?;
            results.push(elements);
        }
        Ok(results)
    }
}

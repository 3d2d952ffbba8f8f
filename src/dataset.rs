//! Datasets: arrays of elements.
#![allow(unsafe_code)] // plain elements as bytes: only for types that promise it by `H5Type::POD`

use std::{borrow::Cow, ops::Deref, sync::Arc};

use ndarray::{Array1, Array2, ArrayD, ArrayViewD, IxDyn};

use crate::{
    element::{H5Type, HeapArena, SwapPlan, Values, convert, gather, is_convertible},
    error::{Error, Result},
    filter::{ChunkContext, FilterSpec, Scratch},
    model::{
        dataspace::{Dataspace, element_count},
        datatype::Datatype,
        fill::Fill,
        layout::{ChunkIndexType, ExternalFile, Layout, VirtualMapping},
        selection::{IntoSelection, Selection, runs::Resolved},
    },
    object::{NamedDatatype, Object, committed},
    read::{array, one},
    storage::{
        chunk_index::ChunkEntry,
        dataset::DatasetCore,
        heap::global::HeapSession,
        raw_data::{
            ReadOptions, Request,
            output::{Output, bytes_of_mut, elements_of, room, zeros},
        },
        resolve::Location,
        virtual_dataset,
        write::Session,
    },
};

/// An array of elements of one datatype. Clones share it, its chunk table and its cache of decoded chunks.
#[derive(Clone, Debug)]
pub struct Dataset {
    object: Object,
    core: Arc<DatasetCore>,
    /// What this handle has made of the extent.
    extent: Option<Vec<u64>>,
}

impl Deref for Dataset {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.object
    }
}

/// A stored chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChunkInfo {
    /// Its first element, in each dimension.
    pub offset: Vec<u64>,
    /// Address in the file, relative to the base address.
    pub address: u64,
    /// Stored bytes.
    pub size: u64,
    /// Bit i: filter i was skipped for this chunk.
    pub filter_mask: u32,
}

impl Dataset {
    pub(crate) fn new(object: Object) -> Result<Self> {
        let (store, address) = (object.store(), object.address());
        let core = match store.session_data(address) {
            Some(session) => session.dataset(store, address, &Default::default(), 0),
            None => object.header().and_then(|header| DatasetCore::open(store, header)),
        };
        Self::of(object, core)
    }

    /// A dataset that was just made.
    pub(crate) fn made(object: Object) -> Result<Self> {
        let core = object
            .session()
            .and_then(|session| session.dataset(object.store(), object.address(), &Default::default(), 0));
        Self::of(object, core)
    }

    fn of(object: Object, core: Result<DatasetCore>) -> Result<Self> {
        let core = object.named(core)?;
        Ok(Dataset { object, extent: None, core: Arc::new(core) })
    }

    /// Type of the elements.
    pub fn datatype(&self) -> &Datatype {
        &self.core.datatype
    }
    /// The committed datatype that is its type, if it is one.
    ///
    /// # Errors
    /// `Corrupt` if that cannot be read.
    pub fn named_datatype(&self) -> Result<Option<NamedDatatype>> {
        committed(&self.object, self.core.committed)?.map(Object::into_datatype).transpose()
    }
    /// Address of the committed datatype that is its type, if it is one.
    pub fn named_datatype_address(&self) -> Option<u64> {
        self.core.committed
    }
    /// Extent.
    pub fn dataspace(&self) -> &Dataspace {
        &self.core.raw.dataspace
    }
    /// Extent in each dimension; empty for a scalar and for null.
    pub fn shape(&self) -> &[u64] {
        self.extent.as_deref().unwrap_or(self.core.raw.dims())
    }
    /// Largest extent in each dimension; `None` is unlimited.
    pub fn max_shape(&self) -> Vec<Option<u64>> {
        self.core.raw.dataspace.max_dims()
    }
    /// Number of elements.
    ///
    /// # Errors
    /// `Corrupt` if it exceeds 64 bits.
    pub fn len(&self) -> Result<u64> {
        if self.core.raw.dataspace.is_null() { Ok(0) } else { element_count(self.shape()) }
    }
    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.core.raw.dataspace.is_null() || self.shape().contains(&0)
    }
    /// How the raw data are stored.
    pub fn layout(&self) -> &Layout {
        &self.core.raw.layout
    }
    /// Extent of a chunk, if the dataset is chunked.
    pub fn chunk_shape(&self) -> Option<&[u64]> {
        match &self.core.raw.layout {
            Layout::Chunked(layout) => Some(&layout.chunk),
            _ => None,
        }
    }
    /// The index of the chunks, if the dataset is chunked.
    pub fn chunk_index(&self) -> Option<ChunkIndexType> {
        match &self.core.raw.layout {
            Layout::Chunked(layout) => Some(layout.index),
            _ => None,
        }
    }
    /// The filters, in the order in which they are applied on write.
    pub fn filters(&self) -> &[FilterSpec] {
        &self.core.raw.pipeline.filters
    }
    /// Fill value and times.
    pub fn fill(&self) -> &Fill {
        &self.core.raw.fill
    }
    /// The files that hold the raw data, if others do.
    pub fn external_files(&self) -> &[ExternalFile] {
        self.core.raw.external.as_ref().map_or(&[], |e| &e.files)
    }
    /// What a virtual dataset is put together from.
    pub fn virtual_mappings(&self) -> &[VirtualMapping] {
        &self.core.raw.mappings
    }
    /// The sources of a virtual dataset that cannot be opened, as `file:dataset`, with the reason. Their elements
    /// read as fill values.
    ///
    /// # Errors
    /// `Limit` if virtual datasets are nested too deeply.
    pub fn missing_sources(&self) -> Result<Vec<(String, Error)>> {
        self.object.named(virtual_dataset::missing(&self.core.raw, self.object.store()))
    }
    /// Bytes that the raw data take in this file.
    ///
    /// # Errors
    /// `Corrupt` if the index of the chunks cannot be read.
    pub fn stored_bytes(&self) -> Result<u64> {
        let this = self.fresh()?;
        self.object.named(this.core.raw.stored_bytes(self.object.store()))
    }

    /// This dataset with all that was written to it since the handle was made.
    pub(crate) fn fresh(&self) -> Result<Cow<'_, Dataset>> {
        let address = self.object.address();
        let store = self.object.store();
        let changed = match store.session_of(address) {
            // What sources of a virtual dataset hold, and how many there are, shows when they are opened.
            _ if store.session.is_some() && !self.core.raw.mappings.is_empty() => true,
            Some(session) => session.version(address)? != self.core.version,
            None => false,
        };
        if !changed {
            return Ok(Cow::Borrowed(self));
        }
        let location = Location { store: store.clone(), address };
        Ok(Cow::Owned(Dataset::new(Object::open(location, self.object.path().to_owned())?)?))
    }

    /// Brings extent, layout and the like up to date with what other handles have done to the dataset. What is read
    /// is always up to date.
    ///
    /// # Errors
    /// `Io` if what was written and not yet stored cannot be.
    pub fn refresh(&mut self) -> Result<()> {
        if let Cow::Owned(fresh) = self.fresh()? {
            *self = fresh;
        }
        Ok(())
    }

    /// The new extent in this handle; the rest is brought up to date when something is read.
    pub(crate) fn refresh_extent(&mut self) -> Result<()> {
        let (address, session) = self.address_and_session()?;
        self.extent = Some(session.dims(address)?);
        Ok(())
    }

    pub(crate) fn address_and_session(&self) -> Result<(u64, &Session)> {
        Ok((self.object.address(), self.object.session()?))
    }

    pub(crate) fn core(&self) -> &DatasetCore {
        &self.core
    }

    /// Reads several selections, each into a result of its own; with several an error says which one failed.
    pub(crate) fn read_requests(&self, requests: &[Request<'_>]) -> Result<()> {
        let store = self.object.store();
        self.core.raw.read(store, requests, ReadOptions { threads: store.settings.threads, depth: 0 })
    }

    fn read_resolved(&self, selection: &Resolved, out: &Output<'_>) -> Result<()> {
        self.read_requests(&[Request { selection, out }])
    }

    /// Fails if so many elements are more than may be allocated.
    pub(crate) fn check_limit(&self, count: u64) -> Result<()> {
        let allowed = self.object.store().reader.limits.allocation;
        match count.saturating_mul(self.core.raw.element_size as u64) {
            bytes if bytes > allowed => Err(Error::limit("bytes of a read", bytes, allowed)),
            _ => Ok(()),
        }
    }

    /// Bytes of the selected elements as they are stored, in a fresh vector.
    fn read_bytes(&self, selection: &Resolved, count: u64) -> Result<Vec<u8>> {
        self.check_limit(count)?;
        let mut out = zeros::<u8>(self.stored_len(count))?;
        self.read_resolved(selection, &Output::new(&mut out, true, &SwapPlan::Nothing))?;
        Ok(out)
    }

    /// Bytes of so many elements as they are stored.
    pub(crate) fn stored_len(&self, count: u64) -> usize {
        usize::try_from(count.saturating_mul(self.core.raw.element_size as u64)).unwrap_or(usize::MAX)
    }

    fn read_elements<T: H5Type>(&self, selection: &Resolved) -> Result<Vec<T>> {
        let count = selection.len()?;
        if let Some(swap) = self.core.raw.plain::<T>()? {
            self.check_limit(count)?;
            let mut out = zeros::<T>(usize::try_from(count).unwrap_or(usize::MAX))?;
            // SAFETY: `plain` says that `T` is plain; the memory is fresh and zeroed, padding included.
            let memory = unsafe { bytes_of_mut(&mut out) };
            self.read_resolved(selection, &Output::new(memory, true, &swap))?;
            return Ok(out);
        }
        let bytes = self.read_bytes(selection, count)?;
        let mut out = room("elements of a read", usize::try_from(count).unwrap_or(usize::MAX))?;
        let heap = self.object.store().global_heap.session(&self.object.store().reader);
        self.decode_elements(&bytes, &heap, |element| out.push(element))?;
        Ok(out)
    }

    /// Calls `f` with each of the stored elements.
    pub(crate) fn decode_elements<T: H5Type>(
        &self,
        bytes: &[u8],
        heap: &HeapSession<'_>,
        mut f: impl FnMut(T),
    ) -> Result<()> {
        let plan = T::plan(&self.core.datatype)?;
        for element in bytes.chunks_exact(self.core.raw.element_size.max(1)) {
            f(T::decode(&plan, element, heap)?);
        }
        Ok(())
    }

    fn whole(&self) -> Result<Resolved> {
        match self.core.raw.dataspace {
            Dataspace::Null => Ok(Resolved::Runs(Vec::new())),
            _ => Selection::All.resolve(self.shape()),
        }
    }

    pub(crate) fn select(&self, selection: impl IntoSelection) -> Result<(Resolved, Vec<u64>)> {
        if self.core.raw.dataspace.is_null() {
            return Err(Error::shape("a selection of a null dataspace"));
        }
        select(self.shape(), selection)
    }

    /// All elements in C order.
    ///
    /// # Errors
    /// `Type` if the datatype is another; `Limit`; `Corrupt`, `Truncated`, `Unsupported` naming chunk and filter.
    pub fn read_vec<T: H5Type>(&self) -> Result<Vec<T>> {
        let this = self.fresh()?;
        self.object.named(this.whole().and_then(|all| this.read_elements(&all)))
    }

    /// All elements, in the shape of the dataset.
    ///
    /// # Errors
    /// As [`read_vec`](Self::read_vec); `Shape` for a null dataspace.
    pub fn read<T: H5Type>(&self) -> Result<ArrayD<T>> {
        if self.core.raw.dataspace.is_null() {
            return self.object.named(Err(Error::shape("a null dataspace has no elements")));
        }
        let this = self.fresh()?;
        let elements = this.read_vec()?;
        self.object.named(array(elements, this.shape()))
    }

    /// All elements, in the shape of the dataset: the name of [`read`](Self::read) beside
    /// [`read_1d`](Self::read_1d) and [`read_2d`](Self::read_2d), for any number of dimensions.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_dyn<T: H5Type>(&self) -> Result<ArrayD<T>> {
        self.read()
    }

    /// All elements of a dataset of rank 1.
    ///
    /// # Errors
    /// As [`read`](Self::read); `Shape` for another rank.
    pub fn read_1d<T: H5Type>(&self) -> Result<Array1<T>> {
        let this = self.fresh()?;
        this.has_rank(1)?;
        Ok(Array1::from_vec(this.read_vec()?))
    }

    /// All elements of a dataset of rank 2.
    ///
    /// # Errors
    /// As [`read`](Self::read); `Shape` for another rank.
    pub fn read_2d<T: H5Type>(&self) -> Result<Array2<T>> {
        let this = self.fresh()?;
        this.has_rank(2)?;
        let shape = (this.shape()[0] as usize, this.shape()[1] as usize);
        let elements = this.read_vec()?;
        self.object.named(Array2::from_shape_vec(shape, elements).map_err(|e| Error::shape(e.to_string())))
    }

    fn has_rank(&self, rank: usize) -> Result<()> {
        if self.shape().len() == rank && !self.core.raw.dataspace.is_null() {
            return Ok(());
        }
        self.object.named(Err(Error::shape(format!("rank {} wanted, the shape is {:?}", rank, self.shape()))))
    }

    /// The only element.
    ///
    /// # Errors
    /// As [`read_vec`](Self::read_vec); `Shape` if there are none or several.
    pub fn read_scalar<T: H5Type>(&self) -> Result<T> {
        let this = self.fresh()?;
        if this.len()? != 1 {
            return self
                .object
                .named(Err(Error::shape(format!("one element wanted, the shape is {:?}", this.shape()))));
        }
        self.object.named(one(this.read_vec()?))
    }

    /// The selected elements. A hyperslab keeps its shape; `s![..]` drops indexed dimensions; points, unions and
    /// masks give one dimension.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let file = h5::File::open("testdata/basic.h5")?;
    /// let column: ndarray::ArrayD<f64> =
    ///     file.dataset("/measurements/temperature")?.read_slice(ndarray::s![.., 0])?;
    /// assert_eq!(column.shape(), [4]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`read_vec`](Self::read_vec); `Shape` if the selection does not fit.
    pub fn read_slice<T: H5Type>(&self, selection: impl IntoSelection) -> Result<ArrayD<T>> {
        let read = || {
            let this = self.fresh()?;
            let (resolved, shape) = this.select(selection)?;
            array(this.read_elements(&resolved)?, &shape)
        };
        self.object.named(read())
    }

    /// Reads all elements into the caller's buffer, in C order. Plain elements laid out as in the file (but for the
    /// byte order) go there without a copy; others are decoded first and then moved there.
    ///
    /// # Errors
    /// `Shape` if the buffer has another length; as [`read_vec`](Self::read_vec). After an error the content of the
    /// buffer is arbitrary.
    pub fn read_into<T: H5Type>(&self, buffer: &mut [T]) -> Result<()> {
        let this = self.fresh()?;
        self.object.named(this.whole().and_then(|all| this.read_resolved_into(&all, buffer)))
    }

    /// Reads the selected elements into the caller's buffer.
    ///
    /// # Errors
    /// As [`read_into`](Self::read_into).
    pub fn read_slice_into<T: H5Type>(&self, selection: impl IntoSelection, buffer: &mut [T]) -> Result<()> {
        let this = self.fresh()?;
        let read = || this.read_resolved_into(&this.select(selection)?.0, buffer);
        self.object.named(read())
    }

    fn read_resolved_into<T: H5Type>(&self, selection: &Resolved, buffer: &mut [T]) -> Result<()> {
        let count = selection.len()?;
        if count != buffer.len() as u64 {
            return Err(Error::shape(format!("a buffer of {} for {count} elements", buffer.len())));
        }
        match self.core.raw.plain::<T>()?.filter(|_| T::datatype().has_no_padding()) {
            Some(swap) => {
                // SAFETY: `plain` says that `T` is plain, and there is no padding: all bytes of the buffer are
                // initialised.
                let memory = unsafe { bytes_of_mut(buffer) };
                self.read_resolved(selection, &Output::new(memory, false, &swap))
            }
            None => {
                for (slot, element) in buffer.iter_mut().zip(self.read_elements(selection)?) {
                    *slot = element;
                }
                Ok(())
            }
        }
    }

    /// The elements where they lie in the mapped file, without a copy; `None` unless they are contiguous, in memory,
    /// aligned, and of exactly this type in the machine's byte order.
    pub fn view<T: H5Type>(&self) -> Option<ArrayViewD<'_, T>> {
        let Layout::Contiguous { address: Some(address), .. } = self.core.raw.layout else { return None };
        if !T::POD
            || self.core.raw.external.is_some()
            || SwapPlan::between(&T::datatype(), &self.core.datatype)? != SwapPlan::Nothing
        {
            return None;
        }
        let bytes = self.len().ok()?.checked_mul(size_of::<T>() as u64)?;
        let bytes = self.object.store().reader.slice(address, bytes)?;
        // SAFETY: `T::POD` promises that every bit pattern is a value.
        let elements = unsafe { elements_of(bytes)? };
        let shape: Vec<usize> = self.shape().iter().map(|&d| d as usize).collect();
        ArrayViewD::from_shape(IxDyn(&shape), elements).ok()
    }

    /// The bytes of the selected elements as they are stored, and the shape of what is selected.
    pub(crate) fn stored_elements(&self, selection: impl IntoSelection) -> Result<(Vec<u8>, Vec<u64>)> {
        let (resolved, shape) = self.select(selection)?;
        Ok((self.read_bytes(&resolved, element_count(&shape)?)?, shape))
    }

    /// The selected elements, whatever their type is.
    ///
    /// # Errors
    /// As [`read_slice`](Self::read_slice).
    pub fn values(&self, selection: impl IntoSelection) -> Result<Values> {
        let read = || {
            let this = self.fresh()?;
            let (bytes, shape) = this.stored_elements(selection)?;
            let store = self.object.store();
            let heap = store.global_heap.session(&store.reader);
            let mut arena = HeapArena::new(store.reader.sizes.offset);
            gather(&self.core.datatype, &bytes, &heap, &mut arena)?;
            Ok(Values::from_parts(self.core.datatype.clone(), shape, bytes, arena))
        };
        self.object.named(read())
    }

    /// The selected numbers, converted to numbers of type `T`: integers are clamped, fractions cut, floats rounded.
    ///
    /// # Errors
    /// `Type` if the elements or `T` are no numbers; as [`read_slice`](Self::read_slice).
    pub fn read_as<T: H5Type>(&self, selection: impl IntoSelection) -> Result<ArrayD<T>> {
        let (from, to) = (self.datatype(), T::datatype());
        let read = || {
            if !is_convertible(from, &to) {
                return Err(Error::type_mismatch(&to, from));
            }
            let this = self.fresh()?;
            let (resolved, shape) = this.select(selection)?;
            let count = element_count(&shape)?;
            let bytes = this.read_bytes(&resolved, count)?;
            let plan = T::plan(&to)?;
            let mut number = vec![0; to.size];
            let mut out = room("elements of a read", usize::try_from(count).unwrap_or(usize::MAX))?;
            for element in bytes.chunks_exact(from.size.max(1)) {
                convert(from, element, &to, &mut number).ok_or_else(|| Error::type_mismatch(&to, from))?;
                out.push(T::decode(&plan, &number, &HeapArena::default())?);
            }
            array(out, &shape)
        };
        self.object.named(read())
    }

    /// The fill value as one element, if the user has set one.
    pub fn fill_values(&self) -> Option<Values> {
        let bytes = self.core.raw.fill.bytes()?.to_vec();
        let store = self.object.store();
        let heap = store.global_heap.session(&store.reader);
        let mut arena = HeapArena::new(store.reader.sizes.offset);
        gather(&self.core.datatype, &bytes, &heap, &mut arena).ok()?;
        Some(Values::from_parts(self.core.datatype.clone(), Vec::new(), bytes, arena))
    }

    /// The stored chunks, in C order; none if the dataset is not chunked.
    ///
    /// # Errors
    /// `Corrupt` if the index cannot be read.
    pub fn chunks(&self) -> Result<Vec<ChunkInfo>> {
        let this = self.fresh()?;
        let Layout::Chunked(layout) = &this.core.raw.layout else { return Ok(Vec::new()) };
        let list = || {
            let mut out = Vec::new();
            this.core.raw.chunk_table(self.object.store(), layout)?.for_each(&mut |place, entry| {
                let offset = place.iter().zip(&layout.chunk).map(|(p, c)| p * c).collect();
                let ChunkEntry { address, size, mask } = entry;
                out.push(ChunkInfo { offset, address, size, filter_mask: mask });
                Ok(())
            })?;
            Ok(out)
        };
        self.object.named(list())
    }

    /// The stored bytes of the chunk that starts at this element, and its filter mask; `None` if it is not stored.
    ///
    /// # Errors
    /// `Usage` if the dataset is not chunked or no chunk starts there; `Truncated`.
    pub fn read_chunk_raw(&self, offset: &[u64]) -> Result<Option<(Vec<u8>, u32)>> {
        let read = || {
            let this = self.fresh()?;
            let Some(entry) = this.chunk_entry(offset)? else { return Ok(None) };
            let bytes = self.object.store().reader.bytes(entry.address, entry.size)?;
            Ok(Some((bytes.into_owned(), entry.mask)))
        };
        self.object.named(read())
    }

    /// The bytes of a whole chunk with its filters undone; `None` if it is not stored.
    ///
    /// # Errors
    /// As [`read_chunk_raw`](Self::read_chunk_raw); `Corrupt` or `Unsupported` naming the filter.
    pub fn read_chunk(&self, offset: &[u64]) -> Result<Option<Vec<u8>>> {
        let read = || {
            let this = self.fresh()?;
            let Layout::Chunked(layout) = &this.core.raw.layout else {
                return Err(Error::usage("the dataset is not chunked"));
            };
            let Some(entry) = this.chunk_entry(offset)? else { return Ok(None) };
            let store = self.object.store();
            let chunk_bytes = this.core.raw.chunk_bytes(store, layout)?;
            let context = ChunkContext { chunk_bytes, element_size: this.core.raw.element_size };
            let stored = store.reader.bytes(entry.address, entry.size)?;
            let mask = this.core.raw.filter_mask(layout, offset, entry.mask);
            let mut scratch = Scratch::default();
            let chunk = this.core.raw.pipeline.decode_chunk(&context, mask, &stored, &mut scratch);
            chunk.map(|c| Some(c.to_vec())).map_err(|e| e.of_chunk(offset))
        };
        self.object.named(read())
    }

    fn chunk_entry(&self, offset: &[u64]) -> Result<Option<ChunkEntry>> {
        let Layout::Chunked(layout) = &self.core.raw.layout else {
            return Err(Error::usage("the dataset is not chunked"));
        };
        let fits = offset.len() == layout.chunk.len()
            && offset.iter().zip(&layout.chunk).all(|(o, c)| o % c == 0)
            && offset.iter().zip(self.shape()).all(|(o, d)| o < d);
        if !fits {
            return Err(Error::usage(format!("no chunk starts at {offset:?}")));
        }
        let place: Vec<u64> = offset.iter().zip(&layout.chunk).map(|(o, c)| o / c).collect();
        Ok(self.core.raw.chunk_table(self.object.store(), layout)?.get(&place))
    }

    /// As the object that it is.
    pub fn as_object(&self) -> &Object {
        &self.object
    }
}

/// A selection of elements of an array of this extent, and the shape of what is selected.
pub(crate) fn select(dims: &[u64], selection: impl IntoSelection) -> Result<(Resolved, Vec<u64>)> {
    let (selection, shape) = selection.into_selection(dims)?;
    let resolved = selection.resolve(dims)?;
    let shape = match shape {
        Some(shape) => shape,
        None => resolved.shape()?,
    };
    Ok((resolved, shape))
}

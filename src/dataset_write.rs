//! Writing into datasets.

use crate::{
    dataset::{Dataset, select},
    element::{H5Type, Values},
    elements::{ToElements, encode},
    error::{Error, Result},
    filter::{ChunkContext, Scratch},
    model::selection::{HyperslabDim, IntoSelection, Selection, runs::Resolved},
};

impl Dataset {
    fn dims(&self) -> Result<Vec<u64>> {
        let (address, session) = self.address_and_session()?;
        if self.dataspace().is_null() {
            return Err(Error::shape("a null dataspace has no elements"));
        }
        session.dims(address)
    }

    fn write_elements<T: H5Type>(
        &self,
        selection: &Resolved,
        data: &(impl ToElements<T> + ?Sized),
    ) -> Result<()> {
        let (address, session) = self.address_and_session()?;
        let (elements, datatype) = (data.elements(), self.datatype());
        session.write(address, selection, &mut |heap, sink| {
            let bytes = encode(&elements, datatype, heap)?;
            sink(heap.0, &bytes)
        })
    }

    /// Replaces all elements by those of an array of the same shape.
    ///
    /// # Errors
    /// `Usage` if the file is open for reading; `Shape`; `Type` if the datatype is not that of `T`, but for the byte
    /// order; `Unsupported` for a virtual dataset; `Io`.
    pub fn write<T: H5Type>(&self, data: &(impl ToElements<T> + ?Sized)) -> Result<()> {
        let write = || {
            let dims = self.dims()?;
            if data.shape() != dims {
                return Err(Error::shape(format!("data of {:?} for {dims:?}", data.shape())));
            }
            self.write_elements(&Selection::All.resolve(&dims)?, data)
        };
        self.as_object().named(write())
    }

    /// Replaces the only element of a dataset.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_scalar<T: H5Type>(&self, value: &T) -> Result<()> {
        let write = || {
            let dims = self.dims()?;
            self.write_elements(&Selection::All.resolve(&dims)?, std::slice::from_ref(value))
        };
        self.as_object().named(write())
    }

    /// Replaces the selected elements by those of an array of the shape of the selection.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_slice<T: H5Type>(
        &self,
        data: &(impl ToElements<T> + ?Sized),
        selection: impl IntoSelection,
    ) -> Result<()> {
        let write = || {
            let (resolved, shape) = select(&self.dims()?, selection)?;
            if data.shape() != shape {
                return Err(Error::shape(format!("data of {:?} for a selection of {shape:?}", data.shape())));
            }
            self.write_elements(&resolved, data)
        };
        self.as_object().named(write())
    }

    /// Replaces the selected elements by values known at run time.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_values(&self, values: &Values, selection: impl IntoSelection) -> Result<()> {
        let write = || {
            let (address, session) = self.address_and_session()?;
            if values.datatype() != self.datatype() {
                return Err(Error::type_mismatch(self.datatype(), values.datatype()));
            }
            let (resolved, shape) = select(&self.dims()?, selection)?;
            if values.shape() != shape {
                return Err(Error::shape(format!("values of {:?} for {shape:?}", values.shape())));
            }
            session.write(address, &resolved, &mut |heap, sink| {
                let bytes = values.encode(heap)?;
                sink(heap.0, &bytes)
            })
        };
        self.as_object().named(write())
    }

    /// Stores the bytes of the chunk that starts at this element as they are: encoded by the filters of the dataset,
    /// but for those whose bit in `filter_mask` is set. They are not checked. Without filters they must be the elements
    /// of the whole chunk. [`read_chunk_raw`](Self::read_chunk_raw) is its counterpart.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    /// let file = h5::File::create_options().create_in(store)?;
    /// let from = h5::File::open("testdata/basic.h5")?.dataset("/measurements/counts")?;
    /// # let (shape, chunk) = (from.shape().to_vec(), from.chunk_shape().unwrap_or_default().to_vec());
    /// let root = file.root()?;
    /// let mut to = root.new_dataset_of(from.datatype().clone()).shape(shape).chunk(chunk);
    /// for filter in from.filters() {
    ///     to = to.filter(filter.clone());
    /// }
    /// let to = to.create("counts")?;
    /// for chunk in from.chunks()? {
    ///     if let Some((bytes, mask)) = from.read_chunk_raw(&chunk.offset)? {
    ///         to.write_chunk_raw(&chunk.offset, &bytes, mask)?;
    ///     }
    /// }
    /// # assert_eq!(to.values(h5::Selection::All)?.bytes(), from.values(h5::Selection::All)?.bytes());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Usage` if the dataset is not chunked, no chunk starts there, or the file is open for reading; `Shape` if an
    /// unfiltered chunk has another size; `Limit` for more bytes than a chunk can have; as [`write`](Self::write).
    pub fn write_chunk_raw(&self, offset: &[u64], bytes: &[u8], filter_mask: u32) -> Result<()> {
        let write = || {
            let (address, session) = self.address_and_session()?;
            session.write_chunk_raw(address, offset, bytes, filter_mask)
        };
        self.as_object().named(write())
    }

    /// A whole chunk as the filters of the dataset store it, and its filter mask: what
    /// [`write_chunk_raw`](Self::write_chunk_raw) takes. Nothing is written, so that several threads or programs can
    /// encode their chunks at once.
    ///
    /// # Errors
    /// `Usage` if the dataset is not chunked; `Shape` if these are not the bytes of a whole chunk; `Unsupported` for a
    /// filter that cannot be written.
    pub fn encode_chunk(&self, bytes: &[u8]) -> Result<(Vec<u8>, u32)> {
        let encode = || {
            let chunk = self.chunk_shape().ok_or_else(|| Error::usage("the dataset is not chunked"))?;
            let element_size = self.datatype().size;
            let chunk_bytes = chunk.iter().fold(element_size as u64, |n, &c| n.saturating_mul(c));
            if bytes.len() as u64 != chunk_bytes {
                return Err(Error::shape(format!("{} bytes for a chunk of {chunk_bytes}", bytes.len())));
            }
            let context = ChunkContext { chunk_bytes: bytes.len(), element_size };
            let pipeline = &self.core().raw.pipeline;
            if pipeline.filters.is_empty() {
                return Ok((bytes.to_vec(), 0));
            }
            let mut scratch = Scratch::default();
            let (encoded, mask) = pipeline.encode_chunk(&context, bytes, &mut scratch)?;
            Ok((encoded.to_vec(), mask))
        };
        self.as_object().named(encode())
    }

    /// Gives a chunked dataset another extent, within its largest shape. New elements hold the fill value; what lies
    /// outside a smaller extent is gone.
    ///
    /// # Errors
    /// `Usage` if the dataset is not chunked or the file is open for reading; `Shape` if it cannot have this extent;
    /// as [`write`](Self::write).
    pub fn resize(&mut self, shape: impl Into<Vec<u64>>) -> Result<()> {
        let resize = |shape: Vec<u64>| {
            let (address, session) = self.address_and_session()?;
            session.resize(address, &shape)
        };
        self.as_object().named(resize(shape.into()))?;
        self.refresh_extent()
    }

    /// Adds rows at the end of the first dimension: an array of rows, or one row.
    ///
    /// # Errors
    /// As [`resize`](Self::resize) and [`write`](Self::write).
    pub fn append<T: H5Type>(&mut self, rows: &(impl ToElements<T> + ?Sized)) -> Result<()> {
        let append = || {
            let (address, session) = self.address_and_session()?;
            let dims = session.dims(address)?;
            let shape = rows.shape();
            let count = match (dims.split_first(), shape.split_first()) {
                (Some((_, row)), Some((count, one))) if row == one => *count,
                (Some((_, row)), _) if row == shape => 1,
                _ => return Err(Error::shape(format!("rows of {shape:?} for a dataset of {dims:?}"))),
            };
            let start = dims.first().copied().unwrap_or(0);
            let mut grown = dims.clone();
            if let Some(first) = grown.first_mut() {
                *first = start.checked_add(count).ok_or_else(|| Error::shape("more than 2^64 rows"))?;
            }
            let mut slab: Vec<_> = grown.iter().map(|&d| HyperslabDim::range(0, d)).collect();
            slab[0] = HyperslabDim::range(start, count);
            let selection = Selection::Hyperslab(slab).resolve(&grown)?;
            let (elements, datatype) = (rows.elements(), self.datatype());
            session.append(address, &grown, &selection, &mut |heap, sink| {
                let bytes = encode(&elements, datatype, heap)?;
                sink(heap.0, &bytes)
            })
        };
        self.as_object().named(append())?;
        self.refresh_extent()
    }
}

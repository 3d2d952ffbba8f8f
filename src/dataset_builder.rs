//! Making groups, links and datasets.

use std::{marker::PhantomData, sync::Arc};

use crate::{
    dataset::Dataset,
    element::{H5Type, Values},
    elements::{Gathered, ToElements, encode},
    error::{Error, Result},
    filter::FilterSpec,
    group::Group,
    model::{
        dataspace::{Dataspace, Extent},
        datatype::Datatype,
        fill::{AllocationTime, FillTime},
        layout::{ExternalFile, VirtualMapping},
        link::Name,
        path::join,
        selection::Selection,
    },
    object::{NamedDatatype, Object, committed_key},
    storage::{
        external::ExternalTargets,
        object::ObjectKind,
        write::{Data, DatasetSpec, FilterRequest, NewLink, Order},
    },
};

impl Group {
    /// An object that was just made.
    fn child(&self, key: u64, kind: ObjectKind, path: &[u8]) -> Object {
        let object = self.as_object();
        Object::made(object.store(), key, kind, join(object.path(), &Name::from(path).to_text()))
    }

    /// Makes a group, and those above it that are missing.
    ///
    /// # Errors
    /// `Usage` if there is a link of that name, or the file is open for reading; `Unsupported` behind an external
    /// link.
    pub fn create_group(&self, path: impl AsRef<[u8]>) -> Result<Group> {
        self.new_group().create(path)
    }

    /// A group that is to be made with properties.
    pub fn new_group(&self) -> GroupBuilder {
        GroupBuilder { parent: self.clone(), links: Order::default(), attributes: Order::default() }
    }

    /// A dataset of elements of type `T` that is to be made in this group.
    pub fn new_dataset<T: H5Type>(&self) -> DatasetBuilder<'_, T> {
        DatasetBuilder::new(self, T::datatype())
    }

    /// A dataset of any datatype that is to be made in this group, and is written as [`Values`].
    pub fn new_dataset_of(&self, datatype: Datatype) -> DatasetBuilder<'_, Values> {
        DatasetBuilder::new(self, datatype)
    }

    /// Makes a committed datatype.
    ///
    /// # Errors
    /// As [`create_group`](Self::create_group); `Usage` for a datatype that cannot be stored.
    pub fn commit_datatype(&self, path: impl AsRef<[u8]>, datatype: Datatype) -> Result<NamedDatatype> {
        let path = path.as_ref();
        let made = self
            .session()
            .and_then(|session| session.new_datatype(self.as_object().address(), path, datatype));
        self.child(self.as_object().named(made)?, ObjectKind::Datatype, path).into_datatype()
    }

    fn new_link(&self, path: &[u8], link: NewLink) -> Result<()> {
        let object = self.as_object();
        object.named(object.session().and_then(|session| session.new_link(object.address(), path, link)))
    }

    /// Makes a link to a path, which need not exist.
    ///
    /// # Errors
    /// As [`create_group`](Self::create_group).
    pub fn link_soft(&self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<()> {
        self.new_link(name.as_ref(), NewLink::Soft(Name::from(target.as_ref())))
    }

    /// Makes one more link to an object of the same file.
    ///
    /// # Errors
    /// As [`create_group`](Self::create_group); `Usage` if the object is in another file.
    pub fn link_hard(&self, name: impl AsRef<[u8]>, target: &Object) -> Result<()> {
        let own = self.as_object();
        if !target.file().is_same(&own.file()) {
            return own.named(Err(Error::usage("a hard link to an object of another file")));
        }
        self.new_link(name.as_ref(), NewLink::Hard(target.address()))
    }

    /// Makes a link to a path in another file.
    ///
    /// # Errors
    /// As [`create_group`](Self::create_group).
    pub fn link_external(
        &self,
        name: impl AsRef<[u8]>,
        file: impl AsRef<[u8]>,
        path: impl AsRef<[u8]>,
    ) -> Result<()> {
        let (file, path) = (Name::from(file.as_ref()), Name::from(path.as_ref()));
        self.new_link(name.as_ref(), NewLink::External { file, path })
    }
}

/// A group that is to be made.
#[derive(Clone, Debug)]
pub struct GroupBuilder {
    parent: Group,
    links: Order,
    attributes: Order,
}

impl GroupBuilder {
    /// Keep the order in which links are made, and index it.
    pub fn track_creation_order(mut self, track: bool) -> Self {
        self.links = Order { tracked: track, indexed: track };
        self
    }
    /// Keep the order in which attributes are made, and index it.
    pub fn track_attribute_order(mut self, track: bool) -> Self {
        self.attributes = Order { tracked: track, indexed: track };
        self
    }
    /// Makes it.
    ///
    /// # Errors
    /// As [`Group::create_group`].
    pub fn create(&self, path: impl AsRef<[u8]>) -> Result<Group> {
        let (path, object) = (path.as_ref(), self.parent.as_object());
        let made = object
            .session()
            .and_then(|session| session.new_group(object.address(), path, self.links, self.attributes));
        Ok(Group::made(self.parent.child(object.named(made)?, ObjectKind::Group, path), self.links))
    }
}

/// A dataset that is to be made: see [`Group::new_dataset`].
#[derive(Debug)]
pub struct DatasetBuilder<'d, T> {
    parent: Group,
    spec: DatasetSpec,
    committed: Option<Object>,
    external: Vec<ExternalFile>,
    shape: Option<Vec<u64>>,
    max_shape: Option<Vec<Option<u64>>>,
    data: Option<Source<'d, T>>,
    data_shape: Option<Vec<u64>>,
    fill: Option<T>,
    elements: PhantomData<fn() -> T>,
}

/// Where the elements come from.
#[derive(Debug)]
enum Source<'d, T> {
    Elements(Gathered<'d, T>),
    Values(&'d Values),
}

impl<'d, T> DatasetBuilder<'d, T> {
    fn new(parent: &Group, datatype: Datatype) -> Self {
        let spec = DatasetSpec {
            datatype,
            committed: None,
            dataspace: Dataspace::Scalar,
            chunk: None,
            compact: false,
            external: None,
            mappings: Vec::new(),
            filters: Vec::new(),
            fill_value: None,
            fill_time: None,
            allocation: None,
            attribute_order: Order::default(),
        };
        let (committed, external, elements) = (None, Vec::new(), PhantomData);
        let (shape, max_shape, data, data_shape, fill) = (None, None, None, None, None);
        let parent = parent.clone();
        DatasetBuilder {
            parent,
            spec,
            committed,
            external,
            shape,
            max_shape,
            data,
            data_shape,
            fill,
            elements,
        }
    }

    /// Extent in each dimension; `[]` is one element without a dimension. That of the data if it is not given.
    pub fn shape(mut self, shape: impl IntoShape) -> Self {
        self.shape = Some(shape.into_shape());
        self
    }
    /// Largest extent in each dimension, `None` or `u64::MAX` for no bound. Such a dataset is chunked.
    pub fn max_shape(mut self, max: impl Into<Vec<Option<u64>>>) -> Self {
        self.max_shape = Some(max.into());
        self
    }
    /// May grow in every dimension without bounds.
    pub fn resizable(mut self) -> Self {
        self.max_shape = Some(Vec::new());
        self
    }
    /// No elements at all: a null dataspace.
    pub fn null(mut self) -> Self {
        self.spec.dataspace = Dataspace::Null;
        self
    }
    /// Type of the elements in the file, if not that of `T`: another byte order, or a string of fixed size.
    pub fn datatype(mut self, datatype: Datatype) -> Self {
        (self.spec.datatype, self.committed) = (datatype, None);
        self
    }
    /// The type of the elements is this committed datatype, which the dataset names instead of holding a copy.
    pub fn committed(mut self, datatype: &NamedDatatype) -> Self {
        (self.spec.datatype, self.committed) = (datatype.datatype().clone(), Some((**datatype).clone()));
        self
    }
    /// Extent of a chunk in each dimension.
    pub fn chunk(mut self, chunk: impl IntoShape) -> Self {
        self.spec.chunk = Some(chunk.into_shape());
        self
    }
    /// Stored in chunks, whose shape is chosen as h5py does it.
    pub fn chunked(mut self) -> Self {
        self.spec.chunk = Some(Vec::new());
        self
    }
    /// Stored in the object header; for up to 64 KiB.
    pub fn compact(mut self) -> Self {
        self.spec.compact = true;
        self
    }

    /// Stored in another file, which is no HDF5 file, from `offset` on; `size` bytes there belong to the dataset, or all
    /// from there on. Given several times, the elements go on from file to file.
    ///
    /// The policy says where such files may be: see [`CreateOptions::policy`](crate::CreateOptions::policy). They are
    /// made when the first element is written, and what is written to them does not wait for a flush. A name that is not
    /// absolute counts from the folder of the HDF5 file; libhdf5 counts from the working directory, unless
    /// `HDF5_EXTFILE_PREFIX` is `${ORIGIN}`.
    pub fn external(mut self, file: impl AsRef<[u8]>, offset: u64, size: impl Into<Option<u64>>) -> Self {
        self.external.push(ExternalFile { name: Name::from(file.as_ref()), offset, size: size.into() });
        self
    }
    /// Made of the elements of other datasets: the `source` elements of `dataset` in `file` appear, in order, at the
    /// `target` elements of this one. `file` is `.` for this file. Given several times, the mappings add up; what none
    /// leads to holds the fill value.
    ///
    /// Selections may be unlimited in one dimension; then both are. With `%b` in `file` or `dataset`, block `n` of an
    /// unlimited target is the source whose name has `n` there. HDF5 1.10 and later know such datasets, whatever the
    /// profile.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    /// # let file = h5::File::create_options().create_in(store)?;
    /// use h5::{HyperslabDim, Selection};
    /// let root = file.root()?;
    /// root.new_dataset::<i32>().with_data(&[1, 2]).create("a")?;
    /// root.new_dataset::<i32>().with_data(&[3, 4]).create("b")?;
    /// let part = |start| Selection::Hyperslab(vec![HyperslabDim::range(start, 2)]);
    /// let whole = root
    ///     .new_dataset::<i32>()
    ///     .shape(4)
    ///     .virtual_mapping(".", "/a", Selection::All, part(0))
    ///     .virtual_mapping(".", "/b", Selection::All, part(2))
    ///     .create("whole")?;
    /// assert_eq!(whole.read_vec::<i32>()?, [1, 2, 3, 4]);
    /// # Ok(()) }
    /// ```
    pub fn virtual_mapping(
        mut self,
        file: impl AsRef<[u8]>,
        dataset: impl AsRef<[u8]>,
        source: Selection,
        target: Selection,
    ) -> Self {
        let (file, dataset) = (Name::from(file.as_ref()), Name::from(dataset.as_ref()));
        self.spec.mappings.push(VirtualMapping { file, dataset, source, target });
        self
    }

    fn with_filter(mut self, filter: FilterRequest) -> Self {
        self.spec.filters.push(filter);
        self
    }
    /// Adds the shuffle filter: bytes of equal weight together, which makes numbers compress better.
    pub fn shuffle(self) -> Self {
        self.with_filter(FilterRequest::Shuffle)
    }
    /// Adds deflate (gzip), of level 0 to 9.
    pub fn deflate(self, level: u8) -> Self {
        self.with_filter(FilterRequest::Deflate(level))
    }
    /// Adds a checksum of every chunk.
    pub fn fletcher32(self) -> Self {
        self.with_filter(FilterRequest::Fletcher32)
    }
    /// Adds LZF compression, as h5py has it.
    pub fn lzf(self) -> Self {
        self.with_filter(FilterRequest::Lzf)
    }
    /// Adds szip compression, with nearest-neighbour preprocessing or without; pixels per block are even, up to 32.
    pub fn szip(self, nearest_neighbour: bool, pixels_per_block: u32) -> Self {
        self.with_filter(FilterRequest::Szip { nearest_neighbour, pixels_per_block })
    }
    /// Adds n-bit packing: only the significant bits of numbers are stored.
    pub fn nbit(self) -> Self {
        self.with_filter(FilterRequest::Nbit)
    }
    /// Adds scale-offset: integers in this many bits (0: as few as a chunk needs), floats with this many decimal
    /// digits behind the point.
    pub fn scale_offset(self, factor: i32) -> Self {
        self.with_filter(FilterRequest::ScaleOffset(factor))
    }
    /// Adds any filter that is known, with its parameters.
    pub fn filter(self, filter: FilterSpec) -> Self {
        self.with_filter(FilterRequest::Custom(filter))
    }
    /// When elements that are not written are filled.
    pub fn fill_time(mut self, time: FillTime) -> Self {
        self.spec.fill_time = Some(time);
        self
    }
    /// When storage is allocated.
    pub fn allocation_time(mut self, time: AllocationTime) -> Self {
        self.spec.allocation = Some(time);
        self
    }
    /// Keep the order in which attributes are made, and index it.
    pub fn track_attribute_order(mut self, track: bool) -> Self {
        self.spec.attribute_order = Order { tracked: track, indexed: track };
        self
    }

    fn finish(&self, data_shape: Option<&[u64]>) -> Result<DatasetSpec> {
        let mut spec = self.spec.clone();
        if spec.dataspace.is_null() {
            if self.shape.is_some() || self.data.is_some() {
                return Err(Error::usage("a null dataset has neither shape nor data"));
            }
            return Ok(spec);
        }
        let dims = match (&self.shape, data_shape) {
            (Some(shape), Some(data)) if shape != data => {
                return Err(Error::shape(format!("data of {data:?} for a dataset of {shape:?}")));
            }
            (Some(shape), _) => shape.clone(),
            (None, Some(data)) => data.to_vec(),
            (None, None) => return Err(Error::usage("a dataset needs a shape, or data")),
        };
        let max_dims = match &self.max_shape {
            Some(max) if max.is_empty() => Some(vec![None; dims.len()]),
            max => max.clone(),
        };
        let extent = Extent::new(&dims, max_dims.as_deref())?;
        spec.dataspace = if dims.is_empty() { Dataspace::Scalar } else { Dataspace::Simple(extent) };
        Ok(spec)
    }

    fn make(
        &self,
        path: Option<&[u8]>,
        data_shape: Option<&[u64]>,
        data: Option<Data<'_>>,
    ) -> Result<Dataset> {
        let object = self.parent.as_object();
        let made = object.session().and_then(|session| {
            let mut spec = self.finish(data_shape)?;
            spec.committed = committed_key(object, self.committed.as_ref())?;
            if !self.external.is_empty() {
                let targets = ExternalTargets::new(object.store(), self.external.clone())?;
                spec.external = Some(Arc::new(targets));
            }
            session.new_dataset(object.address(), path, spec, data)
        });
        let path = path.unwrap_or(b"(no name)");
        Dataset::made(self.parent.child(object.named(made)?, ObjectKind::Dataset, path))
    }
}

impl<'d, T: H5Type> DatasetBuilder<'d, T> {
    /// What elements hold that are not written.
    pub fn fill_value(mut self, value: T) -> Self {
        self.fill = Some(value);
        self
    }
    /// The elements; the shape is theirs if none is given.
    pub fn with_data(mut self, data: &'d (impl ToElements<T> + ?Sized)) -> Self {
        self.data_shape = Some(data.shape());
        self.data = Some(Source::Elements(data.elements()));
        self
    }
    /// Makes it, and writes the data.
    ///
    /// # Errors
    /// `Usage` or `Shape` for properties that do not fit each other; `Type` if the datatype is not that of the data;
    /// `Unsupported` for a fill value of variable length; as [`Group::create_group`].
    pub fn create(mut self, path: impl AsRef<[u8]>) -> Result<Dataset> {
        let path = Some(path.as_ref());
        let width = self.parent.as_object().store().reader.sizes.offset;
        self.spec.datatype = self.spec.datatype.with_addresses(width);
        if let Some(value) = self.fill.take() {
            let value = [value];
            let bytes = encode(&Gathered::Slice(&value), &self.spec.datatype, &mut NoHeap);
            self.spec.fill_value = Some(self.parent.as_object().named(bytes)?.into_owned());
        }
        let datatype = &self.spec.datatype;
        match &self.data {
            None => self.make(path, None, None),
            Some(Source::Values(values)) => self.make_values(path, values),
            Some(Source::Elements(elements)) => self.make(
                path,
                self.data_shape.as_deref(),
                Some(&mut |heap, sink| {
                    let bytes = encode(elements, datatype, heap)?;
                    sink(heap.0, &bytes)
                }),
            ),
        }
    }
}

impl<'d, T> DatasetBuilder<'d, T> {
    fn make_values(&self, path: Option<&[u8]>, values: &Values) -> Result<Dataset> {
        if *values.datatype() != self.spec.datatype {
            return Err(Error::type_mismatch(&self.spec.datatype, values.datatype()));
        }
        let data: Data<'_> = &mut |heap, sink| {
            let bytes = values.encode(heap)?;
            sink(heap.0, &bytes)
        };
        self.make(path, Some(values.shape()), Some(data))
    }
}

impl<'d> DatasetBuilder<'d, Values> {
    /// What elements hold that are not written: the bytes of one.
    pub fn fill_bytes(mut self, element: impl Into<Vec<u8>>) -> Self {
        self.spec.fill_value = Some(element.into());
        self
    }
    /// The elements; the shape is theirs if none is given.
    pub fn with_values(mut self, values: &'d Values) -> Self {
        self.data = Some(Source::Values(values));
        self
    }
    /// Makes it, and writes the values.
    ///
    /// # Errors
    /// `Usage` or `Shape` for properties that do not fit each other; `Type` if the values are of another datatype; as
    /// [`Group::create_group`].
    pub fn create(&self, path: impl AsRef<[u8]>) -> Result<Dataset> {
        match &self.data {
            Some(Source::Values(values)) => self.make_values(Some(path.as_ref()), values),
            _ => self.make(Some(path.as_ref()), None, None),
        }
    }
}

/// For values that must not have parts in the heap.
struct NoHeap;

impl crate::element::HeapWrite for NoHeap {
    fn offset_size(&self) -> usize {
        8
    }
    fn store(&mut self, _: &[u8]) -> Result<(u64, u32)> {
        Err(Error::unsupported("a fill value of variable length"))
    }
    fn settle(&mut self, _: u64) -> Result<u64> {
        Err(Error::unsupported("a reference as fill value"))
    }
}

/// Extents: a number, a tuple, an array, a slice or a vector of numbers.
pub trait IntoShape {
    /// The extents.
    fn into_shape(self) -> Vec<u64>;
}

impl IntoShape for Vec<u64> {
    fn into_shape(self) -> Vec<u64> {
        self
    }
}
impl IntoShape for &[u64] {
    fn into_shape(self) -> Vec<u64> {
        self.to_vec()
    }
}
impl IntoShape for &[usize] {
    fn into_shape(self) -> Vec<u64> {
        self.iter().map(|&d| d as u64).collect()
    }
}
impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self) -> Vec<u64> {
        self.iter().map(|&d| d as u64).collect()
    }
}
impl IntoShape for usize {
    fn into_shape(self) -> Vec<u64> {
        vec![self as u64]
    }
}
macro_rules! tuples {
    ($(($($name:ident: $t:ty),*))*) => {$(
        impl IntoShape for ($($t,)*) {
            fn into_shape(self) -> Vec<u64> {
                let ($($name,)*) = self;
                vec![$($name as u64),*]
            }
        }
    )*};
}
tuples! {
    (a: usize)
    (a: usize, b: usize)
    (a: usize, b: usize, c: usize)
    (a: usize, b: usize, c: usize, d: usize)
    (a: usize, b: usize, c: usize, d: usize, e: usize)
    (a: usize, b: usize, c: usize, d: usize, e: usize, f: usize)
}

//! Making datasets and references, and reading by names.

use super::{
    manager::{H5FlowDataManager, Item, absolute, data, has, reference, region},
    masked::MaskedValues,
    options::{Compression, RefLayout},
    request::dereference_chain,
    rows,
    sources::{Rows, Sel},
};
use crate::{AttributeValue, DatasetBuilder, Datatype, Error, ErrorKind, Group, H5Type, Result, Values};

impl H5FlowDataManager {
    /// Sets attributes of an object; a group is made if there is none. With several ranks this is collective, and
    /// what rank 0 gives is set.
    ///
    /// # Errors
    /// As [`Object::set_attr`](crate::Object::set_attr).
    pub fn set_attrs(&self, name: &str, attrs: &[(&str, &dyn AttributeValue)]) -> Result<()> {
        self.writing_once("set attributes", |_, files| {
            let file = self.route(files, name)?;
            if !has(file, name)? {
                file.root()?.create_group(name)?;
            }
            let object = file.object(name)?;
            attrs.iter().try_for_each(|(key, value)| value.set(&object, key.as_bytes()))
        })
    }

    /// Makes a dataset of rows of type `T`, unless there is one. With several ranks this is collective.
    ///
    /// # Errors
    /// `Type` or `Shape` if there is one of other rows; as [`Group::create_group`].
    pub fn create_dset<T: H5Type>(&self, dataset_name: &str) -> Result<()> {
        self.create_dset_of(dataset_name, T::datatype(), &[])
    }

    /// Makes a dataset of rows of a type known at run time, unless there is one. A row is an array of this shape.
    ///
    /// # Errors
    /// As [`create_dset`](Self::create_dset).
    pub fn create_dset_of(&self, dataset_name: &str, datatype: Datatype, shape: &[u64]) -> Result<()> {
        let path = data(dataset_name);
        self.writing_once("make a dataset", |_, files| {
            let file = self.route(files, &path)?;
            if has(file, &path)? {
                let there = file.dataset(&path)?;
                if *there.datatype() != datatype {
                    let (expected, found) = (datatype.to_string(), there.datatype().to_string());
                    return Err(Error::new(ErrorKind::Type { expected, found }));
                }
                if there.shape().get(1..) != Some(shape) {
                    let text = format!("rows of {shape:?} in a dataset of {:?}", there.shape());
                    return Err(Error::new(ErrorKind::Shape(text)));
                }
                return Ok(());
            }
            let dims: Vec<u64> = [0].into_iter().chain(shape.iter().copied()).collect();
            let max: Vec<Option<u64>> = [None].into_iter().chain(shape.iter().map(|&d| Some(d))).collect();
            self.table(&file.root()?, datatype, dims, max).create(&path)?;
            Ok(())
        })
    }

    fn table<'g>(
        &self,
        root: &'g Group,
        datatype: Datatype,
        dims: Vec<u64>,
        max: Vec<Option<u64>>,
    ) -> DatasetBuilder<'g, Values> {
        let builder = root.new_dataset_of(datatype).shape(dims).max_shape(max).chunked();
        match &self.options.compression {
            Compression::None => builder,
            Compression::Gzip(level) => builder.deflate(*level),
            Compression::Lzf => builder.lzf(),
            Compression::Filters(filters) => filters.iter().cloned().fold(builder, DatasetBuilder::filter),
        }
    }

    /// Makes references from a parent to a child, unless there are some. Both datasets must be there. With several
    /// ranks this is collective.
    ///
    /// # Errors
    /// `Usage` if there are references from the child to the parent; `NotFound`; as [`Group::create_group`].
    pub fn create_ref(&self, parent_dataset_name: &str, child_dataset_name: &str) -> Result<()> {
        let (parent, child) = (parent_dataset_name, child_dataset_name);
        self.writing_once("make references", |state, files| {
            let (path, back) = (reference(parent, child), reference(child, parent));
            if parent != child && self.has(files, &back)? {
                let text = format!("references between {parent} and {child} exist already, at {back}");
                return Err(Error::new(ErrorKind::Usage(text)));
            }
            if self.has(files, &path)? {
                return Ok(());
            }
            let dsets = [data(parent), data(child)].map(|path| self.route(files, &path)?.dataset(&path));
            let [parent_dset, child_dset] = dsets;
            let dsets = [parent_dset?, child_dset?];
            let size = match self.options.layout {
                RefLayout::Compatible => 4,
                RefLayout::Wide => 8,
            };
            let order = crate::ByteOrder::Little;
            let root = self.route(files, &path)?.root()?;
            let datatype = Datatype::integer(size, false, order);
            let refs = self.table(&root, datatype, vec![0, 2], vec![None, Some(2)]).create(&path)?;
            let regions = [region(parent, child), region(child, parent)];
            for (at, dset) in regions.iter().zip(&dsets) {
                let file = self.route(files, at)?;
                if has(file, at)? {
                    continue;
                }
                let rows = dset.shape().first().copied().unwrap_or(0);
                let root = file.root()?;
                let made = self.table(&root, super::region::datatype(size), vec![rows], vec![None]);
                made.fill_bytes(vec![0; 2 * size]).create(at)?.set_attr("ref", absolute(&path).as_str())?;
            }
            let [region0, region1] = &regions;
            for (key, value) in [
                ("dset0", data(parent)),
                ("dset1", data(child)),
                ("ref_region0", region0.clone()),
                ("ref_region1", region1.clone()),
            ] {
                refs.set_attr(key, absolute(&value).as_str())?;
            }
            state.forget();
            Ok(())
        })
    }

    /// Rows of a dataset, or what they refer to: `dm[names, sel]`. Without a selection, the dataset of one name, or
    /// what all its rows refer to.
    ///
    /// # Errors
    /// `NotFound`; as [`Dereference::masked_values`](super::Dereference::masked_values).
    pub fn get(&self, names: &[&str], sel: impl Into<Option<Sel>>) -> Result<Item> {
        match (names, sel.into()) {
            ([name], None) => Ok(Item::Dataset(self.get_dset(name)?)),
            ([name], Some(sel)) => {
                let dataset = self.get_dset(name)?;
                let values = match sel {
                    Sel::Slice { start, stop, step: 1 } => {
                        let len = dataset.shape().first().copied().unwrap_or(0);
                        let stop = stop.min(len);
                        dataset.values(start.min(stop)..stop)?
                    }
                    sel => {
                        let rows = sel.rows()?;
                        let table = rows::bytes(&Rows::Dataset(&dataset), &rows)?;
                        let mut dims = dataset.shape().to_vec();
                        if let Some(first) = dims.first_mut() {
                            *first = rows.len() as u64;
                        }
                        Values::new(dataset.datatype().clone(), dims, table.into_bytes_of(&rows)?)?
                    }
                };
                Ok(Item::Rows(values))
            }
            (names, Some(sel)) => Ok(Item::Masked(self.dereference(names, sel)?)),
            (names, None) => {
                let first =
                    names.first().ok_or_else(|| Error::new(ErrorKind::Usage("no name".to_owned())))?;
                let len = self.get_dset(first)?.shape().first().copied().unwrap_or(0);
                Ok(Item::Masked(self.dereference(names, 0..len)?))
            }
        }
    }

    /// What rows of the first dataset refer to in the last one, by way of those between.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn dereference(&self, names: &[&str], sel: impl Into<Sel>) -> Result<MaskedValues> {
        let pairs = names.windows(2);
        let refs = pairs.clone().map(|w| self.get_ref(w[0], w[1])).collect::<Result<Vec<_>>>()?;
        let regions = pairs.map(|w| self.get_ref_region(w[0], w[1])).collect::<Result<Vec<_>>>()?;
        let last = names.last().ok_or_else(|| Error::new(ErrorKind::Usage("no name".to_owned())))?;
        let data = self.get_dset(last)?;
        dereference_chain(sel, refs.iter().map(|(refs, _)| refs))
            .regions(&regions)
            .ref_directions(refs.iter().map(|(_, direction)| *direction))
            .data(&data)
            .masked_values()
    }
}

//! The data manager.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustc_hash::FxHashMap;

use super::{
    communicator::{self, Serial},
    files::{self, Mode, Turn},
    masked::MaskedValues,
    options::{Compression, ManagerOptions, RefLayout},
    region::RefRegion,
};
use crate::{
    Attribute, Dataset, Durability, Error, ErrorKind, File, Object, ObjectKind, Result, Selection, Values,
};

/// Datasets of rows, and the references between them, in a file: h5flow's data manager, with its names.
///
/// Threads share one: `reserve_data` hands out rows that nobody else gets, and they are written in parallel.
///
/// ```
/// # fn main() -> h5::Result<()> {
/// # let path = std::env::temp_dir().join(format!("h5-doc-flow-{}.h5", std::process::id()));
/// use h5::h5flow::H5FlowDataManager;
/// let dm = H5FlowDataManager::open(&path, "w")?;
/// dm.create_dset::<i64>("events")?;
/// dm.create_dset::<f32>("hits")?;
/// dm.create_ref("events", "hits")?;
/// let events = dm.reserve_data("events", 2)?;
/// dm.write_data("events", events, &[100i64, 101])?;
/// let hits = dm.reserve_data("hits", 3)?;
/// dm.write_data("hits", hits, &[0.5f32, 1.5, 2.5])?;
/// dm.write_ref("events", "hits", &[[0u64, 0], [1, 1], [1, 2]])?;
/// let found = dm.dereference(&["events", "hits"], 0..2)?;
/// assert_eq!(found.data.to_vec::<f32>()?, [0.5, 0.0, 1.5, 2.5]);
/// assert_eq!(found.mask.as_slice(), Some(&[false, true, false, false][..]));
/// dm.finish()?;
/// # std::fs::remove_file(path)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct H5FlowDataManager {
    pub(super) path: PathBuf,
    temp: Option<PathBuf>,
    pub(super) options: ManagerOptions,
    state: Mutex<State>,
}

/// What [`H5FlowDataManager::get`] finds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Item {
    /// A dataset of which no rows were asked for.
    Dataset(Dataset),
    /// Rows of one dataset.
    Rows(Values),
    /// Rows that others refer to.
    Masked(MaskedValues),
}

/// Open files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    main: File,
    temp: Option<File>,
}

/// Both datasets, and both tables of regions, of references; and where the references are.
#[derive(Clone, Debug)]
pub(super) struct RefInfo {
    pub(super) path: String,
    pub(super) dsets: [String; 2],
    pub(super) regions: [String; 2],
}

/// Regions that are known without reading them: rows from `first` on.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) first: u64,
    pub(super) regions: Vec<RefRegion>,
}

/// What is open, and what is known of it as long as nobody else can change it.
#[derive(Debug)]
pub(super) struct State {
    mode: Mode,
    files: Option<Files>,
    dsets: FxHashMap<String, Dataset>,
    pub(super) refs: FxHashMap<String, Arc<[RefInfo]>>,
    pub(super) windows: FxHashMap<String, Window>,
}

impl State {
    fn new(mode: Mode) -> Self {
        let (dsets, refs, windows) = Default::default();
        State { mode, files: None, dsets, refs, windows }
    }

    pub(super) fn forget(&mut self) {
        self.dsets.clear();
        self.refs.clear();
        self.windows.clear();
    }
}

fn not_found(path: &str) -> Error {
    Error::new(ErrorKind::NotFound(path.to_owned()))
}

/// True if an object is there; an error if that cannot be found out.
pub(super) fn has(file: &File, path: &str) -> Result<bool> {
    match file.object(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound(_)) => Ok(false),
        // Something that is no group is in the way.
        Err(e) if matches!(e.kind(), ErrorKind::Usage(_)) => Ok(false),
        Err(e) => Err(e),
    }
}

impl H5FlowDataManager {
    /// Options to open a file with.
    pub fn options() -> ManagerOptions {
        ManagerOptions {
            drop_list: Vec::new(),
            compression: Compression::None,
            layout: RefLayout::default(),
            shared: false,
            durability: Durability::default(),
            communicator: Arc::new(Serial),
        }
    }

    pub(super) fn with(
        path: PathBuf,
        temp: Option<PathBuf>,
        options: ManagerOptions,
        mode: Mode,
    ) -> Result<Self> {
        let manager = H5FlowDataManager { path, temp, options, state: Mutex::new(State::new(mode)) };
        if !manager.options.shared {
            manager.files(&mut manager.lock())?;
        }
        Ok(manager)
    }

    /// Opens a file: mode `r`, `r+`, `a`, `w`, `w-` or `x`.
    ///
    /// # Errors
    /// As [`ManagerOptions::open`].
    pub fn open(path: impl AsRef<Path>, mode: &str) -> Result<Self> {
        Self::options().open(path, mode)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files, opened if they are not.
    fn files(&self, state: &mut State) -> Result<Files> {
        if let Some(files) = &state.files {
            return Ok(files.clone());
        }
        let main = match self.options.shared {
            true => {
                let _turn = Turn::wait(&self.path)?;
                files::open_in_turn(&self.path, Mode::Read, self.options.durability)?
            }
            false => files::open(&self.path, state.mode, self.options.durability)?,
        };
        let temp = match &self.temp {
            Some(path) => Some(files::open(path, Mode::Append, Durability::None)?),
            None => None,
        };
        if state.mode != Mode::Read {
            // Opened again, it is this file.
            state.mode = Mode::ReadWrite;
        }
        let files = Files { main, temp };
        if !self.options.shared {
            state.files = Some(files.clone());
        }
        Ok(files)
    }

    /// Reads.
    pub(super) fn reading<R>(&self, f: impl FnOnce(&mut State, &Files) -> Result<R>) -> Result<R> {
        let mut state = self.lock();
        let files = self.files(&mut state)?;
        if !self.options.shared {
            return f(&mut state, &files);
        }
        // A handle that is kept keeps the file open, and writers waiting.
        state.forget();
        let done = f(&mut state, &files);
        state.forget();
        done
    }

    /// Changes the file: at once if it is shared, and then all or nothing.
    pub(super) fn writing<R>(&self, f: impl FnOnce(&mut State, &Files) -> Result<R>) -> Result<R> {
        let mut state = self.lock();
        if state.mode == Mode::Read {
            return Err(Error::new(ErrorKind::Usage("the file is open for reading".to_owned())));
        }
        if !self.options.shared {
            let files = self.files(&mut state)?;
            return f(&mut state, &files);
        }
        let _turn = Turn::wait(&self.path)?;
        let main = files::open_in_turn(&self.path, Mode::ReadWrite, self.options.durability)?;
        let files = Files { main: main.clone(), temp: None };
        state.forget();
        let done = f(&mut state, &files);
        state.forget();
        let done = done?;
        main.close()?;
        Ok(done)
    }

    /// Changes the file for all ranks: rank 0 does it, once.
    pub(super) fn writing_once(
        &self,
        what: &str,
        f: impl FnOnce(&mut State, &Files) -> Result<()>,
    ) -> Result<()> {
        communicator::once(&*self.options.communicator, what, || self.writing(f))
    }

    /// The file that has a path, or is to have it.
    pub(super) fn route<'f>(&self, files: &'f Files, path: &str) -> Result<&'f File> {
        match &files.temp {
            Some(temp) if self.is_dropped(path) && !has(&files.main, path)? => Ok(temp),
            _ => Ok(&files.main),
        }
    }

    fn is_dropped(&self, path: &str) -> bool {
        let parts =
            |path: &str| path.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let path = parts(path);
        self.options
            .drop_list
            .iter()
            .map(|entry| parts(entry))
            .any(|entry| !entry.is_empty() && path.windows(entry.len()).any(|window| window == entry))
    }

    pub(super) fn has(&self, files: &Files, path: &str) -> Result<bool> {
        has(self.route(files, path)?, path)
    }

    /// A dataset whose extent is what this manager made it.
    pub(super) fn dset(&self, state: &mut State, files: &Files, path: &str) -> Result<Dataset> {
        if let Some(dataset) = state.dsets.get(path) {
            return Ok(dataset.clone());
        }
        let dataset = self.route(files, path)?.dataset(path)?;
        state.dsets.insert(path.to_owned(), dataset.clone());
        Ok(dataset)
    }

    /// Gives a dataset more or fewer rows.
    pub(super) fn set_len(&self, state: &mut State, files: &Files, path: &str, len: u64) -> Result<()> {
        let mut dataset = self.dset(state, files, path)?;
        let mut shape = dataset.shape().to_vec();
        if let Some(first) = shape.first_mut() {
            *first = len;
        }
        dataset.resize(shape)?;
        state.dsets.insert(path.to_owned(), dataset);
        Ok(())
    }

    /// The file itself. What the manager knows of it is read again afterwards.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn fh(&self) -> Result<File> {
        self.reading(|state, files| {
            state.forget();
            Ok(files.main.clone())
        })
    }

    /// Writes everything to the file, which is then as it would be after [`close_file`](Self::close_file).
    ///
    /// # Errors
    /// `Io`.
    pub fn flush(&self) -> Result<()> {
        match &self.lock().files {
            Some(files) => files.main.flush(),
            None => Ok(()),
        }
    }

    /// Closes the file. The next call opens it again.
    ///
    /// # Errors
    /// `Io`.
    pub fn close_file(&self) -> Result<()> {
        let mut state = self.lock();
        state.forget();
        if let Some(Files { main, temp }) = state.files.take() {
            if let Some(temp) = temp {
                temp.close()?;
            }
            main.close()?;
        }
        Ok(())
    }

    /// Deletes what is on the drop list, closes the file, and removes the temporary one.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn finish(&self) -> Result<()> {
        if self.lock().mode != Mode::Read {
            self.options.drop_list.iter().try_for_each(|path| self.delete(path))?;
        }
        self.close_file()?;
        self.options.communicator.barrier()?;
        match &self.temp {
            Some(temp) if temp.exists() => Ok(std::fs::remove_file(temp)?),
            _ => Ok(()),
        }
    }

    /// Deletes an object, and the references of all datasets in it. What is in the temporary file stays until
    /// [`finish`](Self::finish). With several ranks this is collective.
    ///
    /// # Errors
    /// `Usage` if the file is open for reading; `Corrupt`.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.writing_once("delete an object", |state, files| {
            let refs = self.refs_of(state, files, name)?;
            let groups = refs.iter().flat_map(|info| &info.regions).map(|r| r.trim_end_matches("ref_region"));
            let paths: Vec<&str> = groups.map(|g| g.trim_end_matches('/')).chain([name]).collect();
            for path in paths {
                let file = self.route(files, path)?;
                if file.is_same(&files.main) && has(file, path)? {
                    file.root()?.unlink(path)?;
                }
            }
            state.forget();
            Ok(())
        })
    }

    /// True if there is an object at a path.
    ///
    /// # Errors
    /// `Corrupt` if the groups above it cannot be read.
    pub fn exists(&self, path: &str) -> Result<bool> {
        self.reading(|_, files| self.has(files, path))
    }

    /// True if there is a dataset of this name.
    ///
    /// # Errors
    /// As [`exists`](Self::exists).
    pub fn dset_exists(&self, dataset_name: &str) -> Result<bool> {
        self.exists(&data(dataset_name))
    }

    /// True if there are references between two datasets, whichever is the parent.
    ///
    /// # Errors
    /// As [`exists`](Self::exists).
    pub fn ref_exists(&self, parent_dataset_name: &str, child_dataset_name: &str) -> Result<bool> {
        Ok(self.exists(&reference(parent_dataset_name, child_dataset_name))?
            || self.exists(&reference(child_dataset_name, parent_dataset_name))?)
    }

    /// True if the parent has a table of regions for these references.
    ///
    /// # Errors
    /// As [`exists`](Self::exists).
    pub fn ref_region_exists(&self, parent_dataset_name: &str, child_dataset_name: &str) -> Result<bool> {
        self.exists(&region(parent_dataset_name, child_dataset_name))
    }

    /// True if an object is there and has an attribute of this name.
    ///
    /// # Errors
    /// As [`exists`](Self::exists).
    pub fn attr_exists(&self, name: &str, key: &str) -> Result<bool> {
        self.reading(|_, files| {
            let file = self.route(files, name)?;
            if !has(file, name)? {
                return Ok(false);
            }
            Ok(file.object(name)?.attribute_names()?.iter().any(|n| n.as_ref() == key.as_bytes()))
        })
    }

    /// The rows of a dataset: `NAME/data`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get_dset(&self, dataset_name: &str) -> Result<Dataset> {
        let path = data(dataset_name);
        self.reading(|_, files| self.route(files, &path)?.dataset(&path))
    }

    /// The attributes of an object.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt`.
    pub fn get_attrs(&self, name: &str) -> Result<Vec<Attribute>> {
        self.reading(|_, files| self.route(files, name)?.object(name)?.attributes()?.into_iter().collect())
    }

    /// The references between two datasets, and their direction: (0, 1), or (1, 0) if they were made the other way
    /// round.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get_ref(
        &self,
        parent_dataset_name: &str,
        child_dataset_name: &str,
    ) -> Result<(Dataset, (usize, usize))> {
        self.reading(|_, files| {
            let (path, direction) = self.find_ref(files, parent_dataset_name, child_dataset_name)?;
            Ok((self.route(files, &path)?.dataset(&path)?, direction))
        })
    }

    pub(super) fn find_ref(
        &self,
        files: &Files,
        parent: &str,
        child: &str,
    ) -> Result<(String, (usize, usize))> {
        for (path, direction) in [(reference(parent, child), (0, 1)), (reference(child, parent), (1, 0))] {
            if self.has(files, &path)? {
                return Ok((path, direction));
            }
        }
        Err(not_found(&format!("references between {parent} and {child}")))
    }

    /// All references of the datasets in an object.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn get_refs(&self, dataset_name: &str) -> Result<Vec<Dataset>> {
        self.reading(|state, files| {
            let refs = self.refs_of(state, files, dataset_name)?;
            refs.iter().map(|info| self.route(files, &info.path)?.dataset(&info.path)).collect()
        })
    }

    pub(super) fn refs_of(&self, state: &mut State, files: &Files, name: &str) -> Result<Arc<[RefInfo]>> {
        if let Some(refs) = state.refs.get(name) {
            return Ok(refs.clone());
        }
        let mut out = Vec::new();
        let file = self.route(files, name)?;
        if has(file, name)? {
            let object = file.object(name)?;
            if object.kind()? == ObjectKind::Group {
                super::print::visit(&object.into_group()?, &mut |path, object| {
                    if path.ends_with("/ref_region") && object.kind()? == ObjectKind::Dataset {
                        let of = text(&object, "ref")?;
                        let file = self.route(files, &of)?;
                        if has(file, &of)? {
                            let refs = file.object(&of)?;
                            let (a, b) = (text(&refs, "dset0")?, text(&refs, "dset1")?);
                            let (c, d) = (text(&refs, "ref_region0")?, text(&refs, "ref_region1")?);
                            out.push(RefInfo { path: of, dsets: [a, b], regions: [c, d] });
                        }
                    }
                    Ok(())
                })?;
            }
        }
        let refs: Arc<[RefInfo]> = out.into();
        state.refs.insert(name.to_owned(), refs.clone());
        Ok(refs)
    }

    /// The table of regions of the parent.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get_ref_region(&self, parent_dataset_name: &str, child_dataset_name: &str) -> Result<Dataset> {
        let path = region(parent_dataset_name, child_dataset_name);
        self.reading(|_, files| self.route(files, &path)?.dataset(&path))
    }

    /// The selection of rows.
    pub(super) fn slab(dataset: &Dataset, start: u64, stop: u64) -> Selection {
        super::region::intervals_of(&[(start, stop)], dataset.shape())
    }
}

/// Path of the rows of a dataset.
pub(super) fn data(name: &str) -> String {
    format!("{name}/data")
}

/// Path of references.
pub(super) fn reference(parent: &str, child: &str) -> String {
    format!("{parent}/ref/{child}/ref")
}

/// Path of a table of regions.
pub(super) fn region(parent: &str, child: &str) -> String {
    format!("{parent}/ref/{child}/ref_region")
}

pub(super) fn absolute(path: &str) -> String {
    format!("/{}", path.trim_start_matches('/'))
}

/// The text of an attribute.
pub(super) fn text(object: &Object, name: &str) -> Result<String> {
    object.attribute(name)?.read_scalar::<String>()
}

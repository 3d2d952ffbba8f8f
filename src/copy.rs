//! Copies of objects, within a file and from one file to another.

use std::{fmt, sync::Arc};

use crate::{
    copy_objects::Copier,
    dataset::Dataset,
    error::{Error, Result},
    group::Group,
    model::path::join,
    object::Object,
    storage::{
        resolve::Location,
        write::{FilterRequest, NewLink},
    },
};

/// Where the raw data of a copy are to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutChange {
    /// In the object header.
    Compact,
    /// In one piece.
    Contiguous,
    /// In chunks of this shape; of one that is chosen for it if that is empty.
    Chunked(Vec<u64>),
}

/// What is to be different in the copy of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatasetChange {
    /// Another layout.
    pub layout: Option<LayoutChange>,
    /// Other filters, in the order in which they are applied; none if the list is empty.
    pub filters: Option<Vec<FilterRequest>>,
}

impl DatasetChange {
    /// True if the copy is stored as the original.
    pub fn is_nothing(&self) -> bool {
        self.layout.is_none() && self.filters.is_none()
    }
}

type Choose = Arc<dyn Fn(&Dataset) -> Result<DatasetChange> + Send + Sync>;
type IfRefused = Arc<dyn Fn(&Dataset, &Error) -> bool + Send + Sync>;

/// How objects are copied; see [`Group::copy_from`].
#[derive(Clone, Default)]
pub struct CopyOptions {
    pub(crate) follow_soft: bool,
    pub(crate) follow_external: bool,
    pub(crate) shallow: bool,
    pub(crate) without_attributes: bool,
    change: DatasetChange,
    choose: Option<Choose>,
    if_refused: Option<IfRefused>,
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("follow_soft", &self.follow_soft)
            .field("follow_external", &self.follow_external)
            .field("shallow", &self.shallow)
            .field("without_attributes", &self.without_attributes)
            .field("change", &self.change)
            .finish_non_exhaustive()
    }
}

impl CopyOptions {
    /// Everything is copied as it is.
    pub fn new() -> Self {
        CopyOptions::default()
    }
    /// Copy what soft links lead to, instead of the links. One that leads nowhere is copied as a link.
    pub fn follow_soft_links(mut self, follow: bool) -> Self {
        self.follow_soft = follow;
        self
    }
    /// Copy what external links lead to, instead of the links. One that leads nowhere is copied as a link.
    pub fn follow_external_links(mut self, follow: bool) -> Self {
        self.follow_external = follow;
        self
    }
    /// Of a group, copy only its direct members: groups among them become empty ones.
    pub fn shallow(mut self, shallow: bool) -> Self {
        self.shallow = shallow;
        self
    }
    /// Leave the attributes out.
    pub fn without_attributes(mut self, without: bool) -> Self {
        self.without_attributes = without;
        self
    }
    /// Other filters for all datasets that can have some; none if the list is empty.
    pub fn filters(mut self, filters: Option<Vec<FilterRequest>>) -> Self {
        self.change.filters = filters;
        self
    }
    /// Another layout for all datasets.
    pub fn layout(mut self, layout: Option<LayoutChange>) -> Self {
        self.change.layout = layout;
        self
    }
    /// Ask for every dataset what is to be different in its copy, instead of [`filters`](Self::filters) and
    /// [`layout`](Self::layout) for all.
    pub fn each_dataset(
        mut self,
        choose: impl Fn(&Dataset) -> Result<DatasetChange> + Send + Sync + 'static,
    ) -> Self {
        self.choose = Some(Arc::new(choose));
        self
    }

    /// Asked when a change is not possible for a dataset: true to copy it as it is. If nobody is asked it is an error.
    pub fn if_refused(mut self, decide: impl Fn(&Dataset, &Error) -> bool + Send + Sync + 'static) -> Self {
        self.if_refused = Some(Arc::new(decide));
        self
    }

    pub(crate) fn may_keep(&self, dataset: &Dataset, error: &Error) -> bool {
        self.if_refused.as_ref().is_some_and(|decide| decide(dataset, error))
    }

    pub(crate) fn change_of(&self, dataset: &Dataset) -> Result<DatasetChange> {
        match &self.choose {
            Some(choose) => choose(dataset),
            None => Ok(self.change.clone()),
        }
    }
}

impl Group {
    /// Copies an object, of this file or of another one, into this group: a dataset, a committed datatype, or a group
    /// with all that is below it.
    ///
    /// Attributes, orders of creation, comments, fill values, layouts and filters are kept. What several hard links
    /// lead to is copied once, cycles stay cycles. Soft and external links are copied as links, external raw data and
    /// virtual datasets as what they name. References to what is copied refer to the copies; others are kept within one
    /// file, and become null from one file to another. Chunks are not decoded, unless filters or layout change, or
    /// elements have variable length or are references. Memory is bounded, however large the datasets are.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    /// use h5::{CopyOptions, File, FilterRequest};
    ///
    /// let from = File::open("testdata/basic.h5")?;
    /// let to = File::create_options().create_in(store)?;
    /// let options = CopyOptions::new().filters(Some(vec![FilterRequest::Shuffle, FilterRequest::Deflate(6)]));
    /// to.root()?.copy_from(&from.object("/measurements")?, "run42", &options)?;
    /// assert_eq!(to.dataset("/run42/temperature")?.filters().len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Usage` if there is a link of that name, a change makes no sense for a dataset, or the file is open for reading;
    /// `Unsupported` for what cannot be written; any error of reading. After an error nothing was added.
    pub fn copy_from(
        &self,
        source: &Object,
        name: impl AsRef<[u8]>,
        options: &CopyOptions,
    ) -> Result<Object> {
        let (own, name) = (self.as_object(), name.as_ref());
        let copy = || {
            let session = own.session()?;
            if own.location().resolve(name).is_ok() {
                let name = String::from_utf8_lossy(name);
                return Err(Error::usage(format!("there is a link {name} already")));
            }
            let mut copier = Copier::new(own.store(), options)?;
            let linked = copier
                .add(source)
                .and_then(|key| copier.run().map(|()| key))
                .and_then(|key| session.new_link(own.address(), name, NewLink::Hard(key)).map(|()| key));
            linked.inspect_err(|_| copier.abandon())
        };
        let key = own.named(copy())?;
        let location = Location { store: own.store().clone(), address: key };
        Object::open(location, join(own.path(), &String::from_utf8_lossy(name)))
    }

    /// Copies the attributes and all members of another group into this one, which stands for that one: references to
    /// it refer to this one. If this group is empty it also takes over the orders of creation and the comment.
    ///
    /// # Errors
    /// As [`copy_from`](Self::copy_from); `Usage` if this group has a member of the same name. After an error some
    /// members and attributes may have been added.
    pub fn copy_contents_from(&self, source: &Group, options: &CopyOptions) -> Result<()> {
        let own = self.as_object();
        let copy = || {
            own.session()?;
            if source.as_object().file().is_same(&own.file()) {
                return Err(Error::unsupported("copying the members of a group within a file"));
            }
            let mut copier = Copier::new(own.store(), options)?;
            copier.add_as(source.as_object(), own.address())?;
            copier.run()
        };
        own.named(copy())
    }
}

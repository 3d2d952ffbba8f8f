//! What groups, datasets and committed datatypes have in common: a place in a file, and attributes.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use crate::{
    attribute::Attribute,
    dataset::Dataset,
    error::{Context, Error, Result},
    file::File,
    format::message::{MessageType, comment::decode_comment},
    group::Group,
    model::{datatype::Datatype, link::Name, path::join},
    storage::{
        Store,
        attributes::{self, AttributeData},
        dataset::datatype_of,
        object::{ObjectHeader, ObjectKind as Kind},
        resolve::Location,
        space::{MetadataBytes, Tally},
    },
};

/// An object of a file, whatever it is. Clones share it.
#[derive(Clone, Debug)]
pub struct Object(Arc<Opened>);

/// What the clones of an object share.
#[derive(Debug)]
struct Opened {
    store: Arc<Store>,
    address: u64,
    header: Header,
    path: String,
}

/// The header of an object.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // walks open many, each within the one allocation of its object
enum Header {
    /// As the file has it.
    Stored(ObjectHeader),
    /// Of an object of a file that is being written: it is only made if someone asks for it.
    Session { kind: Kind, made: OnceLock<Box<ObjectHeader>> },
}

impl Header {
    fn of_session(kind: Kind) -> Self {
        Header::Session { kind, made: OnceLock::new() }
    }
}

/// Adds up what the metadata of objects of one file take, each block once, whichever objects claim it.
#[derive(Debug, Default)]
pub struct MetadataTally(Tally);

impl MetadataTally {
    /// Adds an object. After an error that of it is added which could be read.
    ///
    /// # Errors
    /// `Corrupt`, `Truncated` or `Unsupported` if a part cannot be read.
    pub fn add(&mut self, object: &Object) -> Result<()> {
        object.named(object.header().and_then(|header| self.0.add(object.store(), header)))
    }

    /// The sums.
    pub fn bytes(&self) -> MetadataBytes {
        self.0.bytes
    }
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A group of links.
    Group,
    /// A dataset.
    Dataset,
    /// A committed datatype.
    Datatype,
}

impl Object {
    pub(crate) fn open(location: Location, path: String) -> Result<Self> {
        let Location { store, address } = location;
        let found = match store.session_of(address) {
            None => match store.header(address) {
                Ok(header) => {
                    let header = Header::Stored(header);
                    return Ok(Object(Arc::new(Opened { store, address, header, path })));
                }
                Err(e) => Err(e),
            },
            Some(session) => session.look(address),
        };
        let (address, kind) = found.map_err(|e| e.of_object(&path).in_file(&store.name))?;
        Ok(Object(Arc::new(Opened { store, address, header: Header::of_session(kind), path })))
    }

    /// An object that was just made, by its key.
    pub(crate) fn made(store: &Arc<Store>, key: u64, kind: Kind, path: String) -> Self {
        let (store, header) = (store.clone(), Header::of_session(kind));
        Object(Arc::new(Opened { store, address: key, header, path }))
    }

    pub(crate) fn resolve(start: &Location, base: &str, path: &[u8]) -> Result<Self> {
        let shown = join(base, &Name::from(path).to_string());
        let location = start.resolve(path);
        let location = location.map_err(|e| e.of_object(&shown).in_file(&start.store.name))?;
        Object::open(location, shown)
    }

    /// The open file that it is in.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    pub(crate) fn header(&self) -> Result<&ObjectHeader> {
        match &self.0.header {
            Header::Stored(header) => Ok(header),
            Header::Session { made, .. } => match made.get() {
                Some(header) => Ok(header),
                None => {
                    let header = Box::new(self.0.store.header(self.0.address)?);
                    Ok(made.get_or_init(|| header))
                }
            },
        }
    }

    pub(crate) fn location(&self) -> Location {
        Location { store: self.store().clone(), address: self.address() }
    }

    pub(crate) fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|e| e.of_object(self.path()).in_file(&self.store().name))
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Address of its object header: its identity within the file.
    ///
    /// Of an object that was made since the file was opened it is a number that stands for it until the file is closed. Where one
    /// is stored as a reference, the address that the object will have for good is stored.
    pub fn address(&self) -> u64 {
        self.0.address
    }

    /// The edits of its file.
    pub(crate) fn session(&self) -> Result<&crate::storage::write::Session> {
        let session = self.store().session.as_ref();
        session.ok_or_else(|| Error::usage("the file is open for reading only"))
    }

    /// A reference to it, to be stored as an element of a dataset or attribute of the same file.
    pub fn reference(&self) -> crate::element::ObjectReference {
        crate::element::ObjectReference(Some(self.address()))
    }

    /// The file that it is in, which an external link may have led to.
    pub fn file(&self) -> File {
        File::of(self.store().clone())
    }

    /// What it is.
    ///
    /// # Errors
    /// `Corrupt` if it is none of the kinds that HDF5 has.
    pub fn kind(&self) -> Result<ObjectKind> {
        let kind = match &self.0.header {
            Header::Stored(header) => header.kind(),
            Header::Session { kind, .. } => Ok(*kind),
        };
        self.named(kind).map(|kind| match kind {
            Kind::Group => ObjectKind::Group,
            Kind::Dataset => ObjectKind::Dataset,
            Kind::Datatype => ObjectKind::Datatype,
        })
    }

    /// As a group.
    ///
    /// # Errors
    /// `Usage` if it is none.
    pub fn into_group(self) -> Result<Group> {
        match self.kind()? {
            ObjectKind::Group => Group::new(self),
            _ => self.named(Err(Error::usage("not a group"))),
        }
    }

    /// As a dataset.
    ///
    /// # Errors
    /// `Usage` if it is none; `Corrupt` or `Unsupported` if its description cannot be read.
    pub fn into_dataset(self) -> Result<Dataset> {
        match self.kind()? {
            ObjectKind::Dataset => Dataset::new(self),
            _ => self.named(Err(Error::usage("not a dataset"))),
        }
    }

    /// As a committed datatype.
    ///
    /// # Errors
    /// `Usage` if it is none; `Corrupt` or `Unsupported` if it cannot be read.
    pub fn into_datatype(self) -> Result<NamedDatatype> {
        match self.kind()? {
            ObjectKind::Datatype => {
                let datatype = self.header().and_then(|header| datatype_of(self.store(), header));
                let (datatype, _) = self.named(datatype)?;
                Ok(NamedDatatype { object: self, datatype })
            }
            _ => self.named(Err(Error::usage("not a committed datatype"))),
        }
    }

    /// Number of hard links that lead to it.
    ///
    /// # Errors
    /// `Corrupt` if the count cannot be read.
    pub fn link_count(&self) -> Result<u32> {
        let count = || match self.store().session_of(self.address()) {
            Some(session) => session.link_count(self.address()),
            None => self.header()?.reference_count(&self.store().reader),
        };
        self.named(count())
    }

    /// The comment on it.
    ///
    /// # Errors
    /// `Corrupt` if it cannot be read.
    pub fn comment(&self) -> Result<Option<String>> {
        let decode = |body: &[u8]| Ok(decode_comment(body)?.to_string());
        let comment =
            self.header().and_then(|header| header.content(self.store(), MessageType::Comment, decode));
        self.named(comment)
    }

    /// Calls `f` for every attribute, in the order of storage.
    fn for_each_attribute(&self, f: &mut dyn FnMut(Result<AttributeData>) -> Result<()>) -> Result<()> {
        match self.store().session_attributes(self.address()) {
            Some(session) => {
                let attributes = session.attributes(self.store(), self.address())?;
                attributes.into_iter().try_for_each(|attribute| f(Ok(attribute)))
            }
            None => attributes::for_each(self.store(), self.header()?, f),
        }
    }

    /// Its attributes, sorted by name. What cannot be read is an error at the end; it does not hide the others.
    ///
    /// # Errors
    /// `Corrupt` or `Truncated` if nothing of the list can be read.
    pub fn attributes(&self) -> Result<Vec<Result<Attribute>>> {
        let mut out = Vec::new();
        let listed = self.for_each_attribute(&mut |attribute| {
            out.push(self.named(attribute).map(|data| Attribute::new(self.clone(), data)));
            Ok(())
        });
        keep_what_was_found(self.named(listed), &mut out)?;
        out.sort_by(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => a.name().cmp(b.name()),
            (a, b) => b.is_ok().cmp(&a.is_ok()),
        });
        Ok(out)
    }

    /// Its attributes in the order in which they were created, if the object tracks that; in stored order where it says
    /// the same of several.
    ///
    /// # Errors
    /// `Unsupported` if the order is not tracked; `Corrupt` or `Truncated` if one cannot be read.
    pub fn attributes_by_creation(&self) -> Result<Vec<Attribute>> {
        if !self.attribute_creation_order().0 {
            return self.named(Err(Error::unsupported("the object does not track the order of attributes")));
        }
        let mut out = Vec::new();
        let listed = self.for_each_attribute(&mut |attribute| {
            out.push(Attribute::new(self.clone(), self.named(attribute)?));
            Ok(())
        });
        self.named(listed)?;
        out.sort_by_key(Attribute::creation_order);
        Ok(out)
    }

    /// The names of its attributes, sorted.
    ///
    /// # Errors
    /// `Corrupt` if the list cannot be read.
    pub fn attribute_names(&self) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        let listed = match self.store().session_attributes(self.address()) {
            Some(session) => session.attribute_names(self.address()).map(|found| names = found),
            None => self.header().and_then(|header| {
                attributes::for_each_name(self.store(), header, &mut |name| names.push(Name::from(name)))
            }),
        };
        self.named(listed)?;
        names.sort();
        Ok(names)
    }

    /// The attribute of that name.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` or `Unsupported` if it cannot be read.
    pub fn attribute(&self, name: impl AsRef<[u8]>) -> Result<Attribute> {
        let name = name.as_ref();
        let found = match self.store().session_attributes(self.address()) {
            Some(session) => session.attribute(self.store(), self.address(), name),
            None => self.header().and_then(|header| attributes::find(self.store(), header, name)),
        };
        let found = self.named(found)?;
        let missing = || Error::not_found(format!("attribute {}", Name::from(name)));
        self.named(found.ok_or_else(missing)).map(|data| Attribute::new(self.clone(), data))
    }

    /// Order of creation of the attributes: tracked, indexed.
    pub fn attribute_creation_order(&self) -> (bool, bool) {
        self.header().map_or((false, false), attributes::creation_order)
    }

    /// Bytes that its metadata take in the file: object header, links, attributes, index of chunks.
    ///
    /// # Errors
    /// `Corrupt`, `Truncated` or `Unsupported` if a part cannot be read.
    pub fn metadata_bytes(&self) -> Result<MetadataBytes> {
        let mut tally = MetadataTally::default();
        tally.add(self)?;
        Ok(tally.bytes())
    }

    /// Bytes of the object header with its continuations; 0 if the object was deleted.
    pub fn header_bytes(&self) -> u64 {
        let Ok(header) = self.header() else { return 0 };
        let rest: u64 = header.continuations.iter().map(|(_, len)| len).sum();
        header.prefix.total_len().saturating_add(rest)
    }
}

/// A datatype that is an object of the file.
#[derive(Clone, Debug)]
pub struct NamedDatatype {
    object: Object,
    datatype: Datatype,
}

impl NamedDatatype {
    /// The datatype.
    pub fn datatype(&self) -> &Datatype {
        &self.datatype
    }
}

impl Deref for NamedDatatype {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.object
    }
}

/// An error that ends a list does not hide what was found before it.
pub(crate) fn keep_what_was_found<T>(listed: Result<()>, found: &mut Vec<Result<T>>) -> Result<()> {
    match listed {
        Err(e) if !found.is_empty() => found.push(Err(e)),
        other => other?,
    }
    Ok(())
}

/// The key of a committed datatype that is to be the type of something in the file of `object`.
pub(crate) fn committed_key(object: &Object, datatype: Option<&Object>) -> Result<Option<u64>> {
    match datatype {
        Some(datatype) if !datatype.file().is_same(&object.file()) => {
            Err(Error::usage("a committed datatype of another file"))
        }
        datatype => Ok(datatype.map(|d| d.address())),
    }
}

/// The address of a committed datatype as an object of the same file.
pub(crate) fn committed(object: &Object, address: Option<u64>) -> Result<Option<Object>> {
    address
        .map(|address| {
            let location = Location { store: object.store().clone(), address };
            Object::open(location, format!("(datatype of {})", object.path())).of_object(object.path())
        })
        .transpose()
}

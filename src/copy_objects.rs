//! Copying of objects: first all are made, so that links and references find each other, then attributes and data.

use std::{collections::HashMap, sync::Arc};

use crate::{
    attribute::Attribute,
    copy::{CopyOptions, DatasetChange},
    element::{Transfer, has_references, widened},
    error::{Context, Error, Result},
    group::Group,
    model::{
        datatype::Datatype,
        link::{Link, LinkTarget, Name},
        path::join,
    },
    object::{Object, ObjectKind},
    storage::{
        Store,
        resolve::Location,
        write::{ImportAttribute, NewAttribute, Order, Session},
    },
};

/// Which object of which open file.
type Identity = (usize, u64);

/// An object that is being copied.
struct Copied {
    source: Location,
    path: String,
    /// What it is in the target.
    key: u64,
    kind: ObjectKind,
    /// Its raw data are stored as in the source.
    verbatim: bool,
}

/// What happens to problems.
pub(crate) trait Inspector {
    /// Decides on what is wrong with an object: an error ends the copy, else it goes on without that part.
    fn problem(&mut self, path: &str, error: Error) -> Result<()>;
    /// Decides on an object, or a link to one, of which nothing can be copied.
    fn lost(&mut self, path: &str, error: Error) -> Result<()> {
        self.problem(path, error)
    }
    /// Every chunk is decoded before it is copied, so that only sound ones are.
    fn verifies(&self) -> bool;
    /// An object begins to be copied.
    fn begins(&mut self, path: &str, kind: ObjectKind, address: u64);
}

/// The first problem is the end.
struct Strict;

impl Inspector for Strict {
    fn problem(&mut self, _: &str, error: Error) -> Result<()> {
        Err(error)
    }
    fn verifies(&self) -> bool {
        false
    }
    fn begins(&mut self, _: &str, _: ObjectKind, _: u64) {}
}

pub(crate) struct Copier<'o> {
    pub(crate) target: Arc<Store>,
    pub(crate) options: &'o CopyOptions,
    copies: HashMap<Identity, u64>,
    objects: Vec<Copied>,
    /// Objects that were made here; the one that was given is not among them.
    made: Vec<u64>,
    /// Groups whose members are still to be copied, by their place in `objects`.
    pending: Vec<usize>,
    inspector: Box<dyn Inspector + 'o>,
}

pub(crate) fn order((tracked, indexed): (bool, bool)) -> Order {
    Order { tracked, indexed }
}

fn identity(store: &Arc<Store>, address: u64) -> Identity {
    (Arc::as_ptr(store) as usize, address)
}

impl<'o> Copier<'o> {
    pub(crate) fn new(target: &Arc<Store>, options: &'o CopyOptions) -> Result<Self> {
        Self::inspected(target, options, Box::new(Strict))
    }

    pub(crate) fn inspected(
        target: &Arc<Store>,
        options: &'o CopyOptions,
        inspector: Box<dyn Inspector + 'o>,
    ) -> Result<Self> {
        Ok(Copier {
            target: target.clone(),
            options,
            copies: HashMap::new(),
            objects: Vec::new(),
            made: Vec::new(),
            pending: Vec::new(),
            inspector,
        })
    }

    pub(crate) fn session(&self) -> Result<&Session> {
        let session = self.target.session.as_ref();
        session.ok_or_else(|| Error::usage("the file is open for reading only"))
    }

    /// Gives back what was made.
    pub(crate) fn abandon(&self) {
        if let Ok(session) = self.session() {
            session.abandon(&self.made);
        }
    }

    /// Makes the copy of an object, still without content, unless there is one; its key.
    pub(crate) fn add(&mut self, object: &Object) -> Result<u64> {
        let identity = identity(object.store(), object.address());
        if let Some(key) = self.copies.get(&identity) {
            return Ok(*key);
        }
        let kind = object.kind()?;
        let attributes = order(object.attribute_creation_order());
        let mut verbatim = false;
        let key = match kind {
            ObjectKind::Group => {
                let group = object.clone().into_group()?;
                self.session()?.import_group(order(group.link_creation_order()), attributes)?
            }
            ObjectKind::Datatype => {
                let named = object.clone().into_datatype()?;
                let datatype = widened(named.datatype(), self.wider(object.store())?);
                self.session()?.import_datatype(datatype, attributes)?
            }
            ObjectKind::Dataset => {
                let dataset = object.clone().into_dataset()?;
                let change = self.options.change_of(&dataset)?;
                let mut made = self.dataset(&dataset, &change);
                if let Err(error) = &made
                    && !change.is_nothing()
                    && self.options.may_keep(&dataset, error)
                {
                    made = self.dataset(&dataset, &DatasetChange::default());
                }
                let key;
                (key, verbatim) = object.named(made)?;
                key
            }
        };
        self.made.push(key);
        self.note(object, key, kind, verbatim);
        Ok(key)
    }

    /// Makes an object that is there the copy of another one; both are groups.
    pub(crate) fn add_as(&mut self, object: &Object, key: u64) -> Result<()> {
        let group = object.clone().into_group()?;
        let (links, attributes) = (group.link_creation_order(), group.attribute_creation_order());
        self.session()?.adopt_orders(key, order(links), order(attributes))?;
        self.note(object, key, ObjectKind::Group, false);
        Ok(())
    }

    fn note(&mut self, object: &Object, key: u64, kind: ObjectKind, verbatim: bool) {
        let names = match &object.store().session {
            Some(session) => session.names_of(object.address()),
            None => vec![object.address()],
        };
        for name in names {
            self.copies.insert(identity(object.store(), name), key);
        }
        if kind == ObjectKind::Group && (!self.options.shallow || self.objects.is_empty()) {
            self.pending.push(self.objects.len());
        }
        self.inspector.begins(object.path(), kind, object.address());
        let (source, path) = (object.location(), object.path().to_owned());
        self.objects.push(Copied { source, path, key, kind, verbatim });
    }

    /// Copies the content of all that was added, and of all that it leads to.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.run_links()?;
        self.run_contents()
    }

    /// Copies the links of all groups that were added, and makes what they lead to.
    pub(crate) fn run_links(&mut self) -> Result<()> {
        while let Some(at) = self.pending.pop() {
            let Some(copied) = self.objects.get(at) else { continue };
            let (source, path, key) = (copied.source.clone(), copied.path.clone(), copied.key);
            self.links(&source, &path, key)?;
        }
        Ok(())
    }

    /// Copies attributes and data of all objects that were made.
    pub(crate) fn run_contents(&mut self) -> Result<()> {
        // What refers to objects comes last: their headers have about the size that they will have.
        for referring in [false, true] {
            let mut at = 0;
            // An attribute of a committed datatype may add one more object.
            while let Some(copied) = self.objects.get(at) {
                at += 1;
                let (source, path, key) = (copied.source.clone(), copied.path.clone(), copied.key);
                let (kind, verbatim) = (copied.kind, copied.verbatim);
                let copied = Object::open(source, path.clone())
                    .and_then(|object| self.content(object, key, kind, verbatim, referring));
                if let Err(error) = copied {
                    self.inspector.problem(&path, error)?;
                }
            }
        }
        Ok(())
    }

    fn content(
        &mut self,
        object: Object,
        key: u64,
        kind: ObjectKind,
        verbatim: bool,
        referring: bool,
    ) -> Result<()> {
        if !self.options.without_attributes {
            self.attributes(&object, key, referring)?;
        }
        if !referring {
            self.comment(&object, key)?;
        }
        self.tell_losses(&object)?;
        if kind == ObjectKind::Dataset {
            let dataset = object.into_dataset()?;
            if has_references(dataset.datatype()) == referring {
                let copied = self.refill(&dataset, key).and_then(|()| self.data(&dataset, key, verbatim));
                self.tell_losses(&dataset)?;
                dataset.as_object().named(copied)?;
            }
        }
        Ok(())
    }

    /// Tells what was passed over while an object was read.
    fn tell_losses(&mut self, object: &Object) -> Result<()> {
        for error in object.store().reader.take_losses() {
            self.inspector.problem(object.path(), error)?;
        }
        Ok(())
    }

    /// Whether an object was copied already.
    pub(crate) fn has(&self, store: &Arc<Store>, address: u64) -> bool {
        self.copies.contains_key(&identity(store, address))
    }

    pub(crate) fn lost(&mut self, path: &str, error: Error) -> Result<()> {
        self.inspector.lost(path, error)
    }

    pub(crate) fn problem(&mut self, path: &str, error: Error) -> Result<()> {
        self.inspector.problem(path, error)
    }

    pub(crate) fn verifies(&self) -> bool {
        self.inspector.verifies()
    }

    fn comment(&mut self, object: &Object, key: u64) -> Result<()> {
        match object.comment() {
            Ok(Some(comment)) if !comment.is_empty() => {
                self.session()?.set_comment(key, &Name::from(comment))
            }
            Ok(_) => Ok(()),
            Err(error) => self.inspector.problem(object.path(), error),
        }
    }

    fn links(&mut self, source: &Location, path: &str, key: u64) -> Result<()> {
        let listed = Object::open(source.clone(), path.to_owned()).and_then(Object::into_group);
        let listed = listed.and_then(|group| Ok((group.links()?, group)));
        let (links, group) = match listed {
            Ok(listed) => listed,
            Err(error) => return self.inspector.problem(path, error),
        };
        self.tell_losses(&group)?;
        let tracked = group.link_creation_order().0;
        for link in links {
            match link {
                Ok(link) => {
                    let name = link.name.to_string();
                    if let Err(error) = self.link(&group, path, key, link, tracked) {
                        self.inspector.lost(&join(path, &name), error)?;
                    }
                }
                Err(error) => self.inspector.problem(path, error)?,
            }
        }
        Ok(())
    }

    fn link(&mut self, group: &Group, path: &str, key: u64, link: Link, tracked: bool) -> Result<()> {
        let followed = match &link.target {
            LinkTarget::Hard(address) => {
                let known = self.copies.get(&identity(group.store(), *address)).copied();
                Some(match known {
                    Some(key) => Ok(key),
                    None => {
                        let location = Location { store: group.store().clone(), address: *address };
                        let object = Object::open(location, join(path, &link.name.to_string()));
                        object.and_then(|object| self.add(&object))
                    }
                })
            }
            LinkTarget::Soft(_) if self.options.follow_soft => self.follow(group, &link)?,
            LinkTarget::External { .. } if self.options.follow_external => self.follow(group, &link)?,
            _ => None,
        };
        let target = match followed {
            Some(key) => LinkTarget::Hard(key?),
            None => link.target.clone(),
        };
        let order = link.creation_order.filter(|_| tracked);
        let linked = self.session()?.import_link(key, &link.name, link.charset, order, &target);
        linked.of_object(&join(path, &link.name.to_string()))
    }

    /// The copy of what a link leads to; `None` if it leads nowhere.
    fn follow(&mut self, group: &Group, link: &Link) -> Result<Option<Result<u64>>> {
        match group.follow(link) {
            Ok(object) => Ok(Some(self.add(&object))),
            Err(_) => Ok(None),
        }
    }

    /// How many bytes longer addresses are in the target.
    pub(crate) fn wider(&self, source: &Store) -> Result<usize> {
        let (from, to) = (source.reader.sizes.offset, self.target.reader.sizes.offset);
        to.checked_sub(from)
            .map(usize::from)
            .ok_or_else(|| Error::unsupported("copying into a file with shorter addresses"))
    }

    /// The committed datatype at this address of the source, in the target.
    pub(crate) fn committed(&mut self, store: &Arc<Store>, address: Option<u64>) -> Result<Option<u64>> {
        let Some(address) = address else { return Ok(None) };
        if let Some(key) = self.copies.get(&identity(store, address)) {
            return Ok(Some(*key));
        }
        if Arc::ptr_eq(store, &self.target) {
            return Ok(Some(address));
        }
        let location = Location { store: store.clone(), address };
        let object = Object::open(location, format!("(datatype at {address:#x})"))?;
        self.add(&object).map(Some)
    }

    /// What an address of a file is in the target, for references.
    pub(crate) fn transfer<R>(
        &self,
        store: &Arc<Store>,
        lenient: bool,
        f: impl FnOnce(&mut Transfer<'_>) -> R,
    ) -> (R, u64) {
        let within = Arc::ptr_eq(store, &self.target);
        let object = |address: u64| {
            let copy = self.copies.get(&identity(store, address)).copied();
            copy.or_else(|| within.then_some(address))
        };
        let mut transfer = Transfer { object: &object, lenient, lost: 0 };
        let result = f(&mut transfer);
        (result, transfer.lost)
    }

    fn attributes(&mut self, object: &Object, key: u64, referring: bool) -> Result<()> {
        let attributes = match object.attributes() {
            Ok(attributes) => attributes,
            // Said once.
            Err(_) if referring => return Ok(()),
            Err(error) => return self.inspector.problem(object.path(), error),
        };
        for attribute in attributes {
            let copied = match attribute {
                Ok(attribute) if has_references(attribute.datatype()) == referring => self
                    .attribute(object, &attribute, key)
                    .map_err(|e| e.of_object(&format!("{}@{}", object.path(), attribute.name()))),
                Err(error) if !referring => Err(error),
                _ => Ok(()),
            };
            if let Err(error) = copied {
                self.inspector.problem(object.path(), error)?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self, object: &Object, attribute: &Attribute, key: u64) -> Result<()> {
        let committed = self.committed(object.store(), attribute.named_datatype_address())?;
        let datatype = &widened(attribute.datatype(), self.wider(object.store())?);
        let tracked = object.attribute_creation_order().0;
        let import = ImportAttribute {
            name: attribute.name(),
            charset: attribute.charset(),
            order: attribute.creation_order().filter(|_| tracked),
        };
        let values = attribute.values()?;
        let dataspace = attribute.dataspace();
        let lenient = self.verifies();
        let (made, lost) = self.transfer(object.store(), lenient, |transfer| {
            self.session()?.import_attribute(key, &import, &mut |heap| {
                let bytes = transfer.values(&values, heap)?.into();
                Ok(NewAttribute { datatype, committed, dataspace, bytes })
            })
        });
        made?;
        if lost > 0 {
            return Err(Error::corrupt(format!("{lost} parts of its elements cannot be found")));
        }
        Ok(())
    }
}

/// Bytes of an element of the copy.
pub(crate) fn element_size(datatype: &Datatype) -> u64 {
    datatype.size.max(1) as u64
}

//! Groups: links to other objects.

use std::ops::Deref;

use crate::{
    dataset::Dataset,
    error::{Context, Error, Result},
    model::{
        link::{Link, LinkTarget, Name},
        path::join,
    },
    object::{NamedDatatype, Object, keep_what_was_found},
    storage::{links::LinkStorage, resolve::Location, write::Order},
};

/// A group of links.
#[derive(Clone, Debug)]
pub struct Group {
    object: Object,
    storage: LinkStorage,
}

impl Deref for Group {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.object
    }
}

impl Group {
    pub(crate) fn new(object: Object) -> Result<Self> {
        let storage = match object.store().session_links(object.address()) {
            Some(session) => session.link_storage(object.address()),
            None => object.header().and_then(|header| LinkStorage::of(object.store(), header)),
        };
        let storage = object.named(storage)?;
        Ok(Group { object, storage })
    }

    /// A group that was just made.
    pub(crate) fn made(object: Object, order: Order) -> Self {
        let storage = LinkStorage::Session { dense: false, order: (order.tracked, order.indexed) };
        Group { object, storage }
    }

    /// Its links, sorted by name. What cannot be read is an error at the end; it does not hide the others.
    ///
    /// # Errors
    /// `Corrupt` or `Truncated` if nothing of the list can be read.
    pub fn links(&self) -> Result<Vec<Result<Link>>> {
        let mut out = Vec::new();
        let listed = self.object.header().and_then(|header| {
            self.storage.for_each(self.object.store(), header, &mut |link| {
                out.push(self.object.named(link));
                Ok(())
            })
        });
        keep_what_was_found(self.object.named(listed), &mut out)?;
        let sorted = out.is_sorted_by(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => a.name <= b.name,
            _ => false,
        });
        if !sorted {
            sort_by_name(&mut out);
        }
        Ok(out)
    }

    /// The links in the order in which they were created, if the group tracks that.
    ///
    /// # Errors
    /// `Unsupported` if the order is not tracked; as [`links`](Self::links).
    pub fn links_by_creation(&self) -> Result<Vec<Link>> {
        if !self.link_creation_order().0 {
            return self
                .object
                .named(Err(Error::unsupported("the group does not track the order of creation")));
        }
        let mut links = self.links()?.into_iter().collect::<Result<Vec<Link>>>()?;
        links.sort_by_key(|link| link.creation_order);
        Ok(links)
    }

    /// The names of its links, sorted.
    ///
    /// # Errors
    /// As [`links`](Self::links); a damaged link is left out.
    pub fn names(&self) -> Result<Vec<Name>> {
        Ok(self.links()?.into_iter().filter_map(|link| Some(link.ok()?.name)).collect())
    }

    /// The link of that name, not followed.
    ///
    /// # Errors
    /// `Corrupt` if the index of links cannot be read.
    pub fn link(&self, name: impl AsRef<[u8]>) -> Result<Option<Link>> {
        let header = self.object.header();
        let found = header.and_then(|header| self.storage.find(self.object.store(), header, name.as_ref()));
        self.object.named(found)
    }

    /// What a link of this group leads to.
    ///
    /// # Errors
    /// As [`object`](Self::object).
    pub fn follow(&self, link: &Link) -> Result<Object> {
        let path = join(self.object.path(), &link.name.to_text());
        if let LinkTarget::Hard(address) = link.target {
            return Object::open(Location { store: self.object.store().clone(), address }, path);
        }
        let mut hops = self.object.store().reader.limits.link_hops;
        let location = self.object.location().follow(&link.target, &mut hops);
        Object::open(location.of_object(&path).map_err(|e| e.in_file(&self.object.store().name))?, path)
    }

    /// The object at a path from here (from the root, if it starts with a slash). Links of all kinds are followed.
    ///
    /// # Errors
    /// `NotFound`; `Limit` if links form a loop; `Denied` if an external link leads where the policy forbids.
    pub fn object(&self, path: impl AsRef<[u8]>) -> Result<Object> {
        Object::resolve(&self.object.location(), self.object.path(), path.as_ref())
    }

    /// The group at a path from here.
    ///
    /// # Errors
    /// As [`object`](Self::object); `Usage` if it is no group.
    pub fn group(&self, path: impl AsRef<[u8]>) -> Result<Group> {
        self.object(path)?.into_group()
    }

    /// The dataset at a path from here.
    ///
    /// # Errors
    /// As [`object`](Self::object); `Usage` if it is no dataset.
    pub fn dataset(&self, path: impl AsRef<[u8]>) -> Result<Dataset> {
        self.object(path)?.into_dataset()
    }

    /// The committed datatype at a path from here.
    ///
    /// # Errors
    /// As [`object`](Self::object); `Usage` if it is no committed datatype.
    pub fn named_datatype(&self, path: impl AsRef<[u8]>) -> Result<NamedDatatype> {
        self.object(path)?.into_datatype()
    }

    /// Its members, sorted by name: name and object of each link. An object is opened when its turn comes.
    ///
    /// # Errors
    /// As [`links`](Self::links), of which a damaged one is left out; those that lead nowhere are errors in their
    /// own place.
    pub fn members(&self) -> Result<Members> {
        Ok(Members { group: self.clone(), links: self.links()?.into_iter() })
    }

    /// How the links are stored: `symtab`, `compact` or `dense`.
    pub fn link_storage(&self) -> &'static str {
        self.storage.name()
    }

    /// Order of creation of the links: tracked, indexed.
    pub fn link_creation_order(&self) -> (bool, bool) {
        self.storage.creation_order()
    }

    /// As the object that it is.
    pub fn as_object(&self) -> &Object {
        &self.object
    }
}

/// Sorts links by their names; those that could not be read come last.
fn sort_by_name(links: &mut [Result<Link>]) {
    // Links are long and names mostly differ in a few bytes: numbers are sorted, then each link goes to its place once.
    let first_bytes = |link: &Result<Link>| match link {
        Ok(link) => {
            let name = link.name.as_bytes();
            let mut first = [0; 8];
            let n = name.len().min(8);
            first[..n].copy_from_slice(&name[..n]);
            (false, u64::from_be_bytes(first))
        }
        Err(_) => (true, 0),
    };
    let name = |&(_, i): &(_, usize)| links[i].as_ref().ok().map(|link| &link.name);
    let mut order: Vec<_> = links.iter().map(first_bytes).zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| name(a).cmp(&name(b))).then(a.1.cmp(&b.1)));
    for i in 0..links.len() {
        // Where a link that had to make room went is told by the place that it left.
        let mut from = order[i].1;
        while from < i {
            from = order[from].1;
        }
        order[i].1 = from;
        links.swap(i, from);
    }
}

/// The members of a group; see [`Group::members`].
#[derive(Debug)]
pub struct Members {
    group: Group,
    links: std::vec::IntoIter<Result<Link>>,
}

impl Iterator for Members {
    type Item = (Name, Result<Object>);

    fn next(&mut self) -> Option<Self::Item> {
        let link = self.links.by_ref().flatten().next()?;
        let object = self.group.follow(&link);
        Some((link.name, object))
    }
}

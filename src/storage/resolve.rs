//! Paths become objects: links are followed, also into other files.

use std::sync::Arc;

use super::{Store, links::LinkStorage};
use crate::{
    error::{Error, Result},
    model::{
        link::{LinkTarget, Name},
        path::components,
    },
};

/// An object of a file.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) store: Arc<Store>,
    pub(crate) address: u64,
}

impl Location {
    pub(crate) fn root(store: &Arc<Store>) -> Self {
        Location { store: store.clone(), address: store.superblock.root }
    }

    /// The object at a path that starts here, or at the root if it starts with a slash.
    pub(crate) fn resolve(&self, path: &[u8]) -> Result<Location> {
        let mut hops = self.store.reader.limits.link_hops;
        self.walk(path, &mut hops)
    }

    fn walk(&self, path: &[u8], hops: &mut u32) -> Result<Location> {
        let mut here = if path.starts_with(b"/") { Location::root(&self.store) } else { self.clone() };
        for name in components(path) {
            let header = here.store.header(here.address)?;
            let missing = || Error::not_found(format!("{} in {}", Name::from(name), Name::from(path)));
            let storage = LinkStorage::of(&here.store, &header).map_err(|e| match e.kind() {
                crate::ErrorKind::Usage(_) => missing(),
                _ => e,
            })?;
            let link = storage.find(&here.store, &header, name)?.ok_or_else(missing)?;
            here = here.follow(&link.target, hops)?;
        }
        Ok(here)
    }

    /// What a link of this group leads to.
    pub(crate) fn follow(&self, target: &LinkTarget, hops: &mut u32) -> Result<Location> {
        if !matches!(target, LinkTarget::Hard(_)) {
            *hops = hops.checked_sub(1).ok_or_else(|| {
                let allowed = u64::from(self.store.reader.limits.link_hops);
                Error::limit("links followed (do they form a loop?)", allowed + 1, allowed)
            })?;
        }
        match target {
            LinkTarget::Hard(address) => Ok(Location { store: self.store.clone(), address: *address }),
            LinkTarget::Soft(path) => self.walk(path.as_bytes(), hops),
            LinkTarget::External { file, path } => {
                let policy = &self.store.settings.policy.external_links;
                let store = self.store.other(file.as_bytes(), policy, "file of an external link")?;
                Location::root(&store).walk(path.as_bytes(), hops)
            }
            LinkTarget::User { class, .. } => {
                Err(Error::unsupported(format!("user-defined link of class {class}")))
            }
        }
    }
}

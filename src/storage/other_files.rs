//! Files that a file names: external links, raw data, sources of virtual datasets. Where they are, and whether the policy
//! allows to open them.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use super::{
    Settings, Store,
    open::{open_path, source_of},
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::{Opener, Reach},
    source::{ByteSource, Locking},
};

impl Store {
    /// Another file that this one names, and its path, if the policy allows to open it.
    pub(crate) fn open_named(
        &self,
        name: &[u8],
        reach: &Reach,
        what: &str,
        mmap: bool,
    ) -> Result<(PathBuf, Arc<dyn ByteSource>)> {
        match reach {
            Reach::Through(opener) => self.open_through(opener, name, what),
            _ => {
                let path = self.locate(name, reach, what)?;
                let source = open_path(&path, mmap, Locking::Off)?;
                Ok((path, source))
            }
        }
    }

    fn open_through(
        &self,
        opener: &Opener,
        name: &[u8],
        what: &str,
    ) -> Result<(PathBuf, Arc<dyn ByteSource>)> {
        let shown = String::from_utf8_lossy(name);
        if name.is_empty() || name.contains(&0) {
            return Err(Error::corrupt(format!("{what} with the name {shown:?}")));
        }
        let Some(own) = &self.path else {
            return Err(Error::denied(format!("{what} {shown:?}: the file that names it has no folder")));
        };
        let folder = own.parent().unwrap_or(Path::new(""));
        let name = os_path(name)?;
        let mut refused = None;
        for candidate in candidates(folder, &name) {
            match opener.open_file(&candidate).map_err(Error::from).and_then(source_of) {
                Ok(source) => return Ok((candidate, source)),
                Err(e) => match e.kind() {
                    ErrorKind::Io(e) if e.kind() == io::ErrorKind::NotFound => {}
                    kind => {
                        refused.get_or_insert(Error::denied(format!("{what} {shown:?}: {kind}")));
                    }
                },
            }
        }
        Err(refused.unwrap_or_else(|| Error::not_found(format!("{what} {shown:?}"))))
    }

    /// The path of a file that this one names, if the policy allows to open it.
    fn locate(&self, name: &[u8], reach: &Reach, what: &str) -> Result<PathBuf> {
        let shown = String::from_utf8_lossy(name);
        let denied = |why: &str| Error::denied(format!("{what} {shown:?}: {why}"));
        if name.is_empty() || name.contains(&0) {
            return Err(Error::corrupt(format!("{what} with the name {shown:?}")));
        }
        if *reach == Reach::None {
            return Err(denied("no other files may be opened"));
        }
        let Some(own) = &self.path else {
            return Err(denied("a file that is not on disk has no folder to look in"));
        };
        // The folder that the file is really in; of one that is gone by now, that in which it was.
        let really = canonical(own).ok().and_then(|own| Some(own.parent()?.to_owned()));
        let was = || canonical(own.parent()?).ok();
        let folder = really.or_else(was).ok_or_else(|| denied("the folder of the file is gone"))?;
        let name = os_path(name)?;
        let root = match reach {
            Reach::Beside => Some(Cow::Borrowed(&*folder)),
            Reach::Below(root) => Some(Cow::Owned(canonical(root)?)),
            _ => None,
        };
        let mut refused = None;
        for candidate in candidates(&folder, &name) {
            let Ok(found) = canonical(&candidate) else { continue };
            if root.as_ref().is_some_and(|root| !found.starts_with(root)) {
                refused.get_or_insert("it lies outside the folder that is allowed");
            } else if found.is_file() {
                return Ok(found);
            } else {
                refused.get_or_insert("it is no regular file");
            }
        }
        match refused {
            Some(why) => Err(denied(why)),
            None => Err(Error::not_found(format!("{what} {shown:?}"))),
        }
    }

    /// Another HDF5 file that this one names; opened once.
    pub(crate) fn other(self: &Arc<Self>, name: &[u8], reach: &Reach, what: &str) -> Result<Arc<Store>> {
        let lock = || self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |path: &Path| lock().get(path).cloned();
        let (path, source) = match reach {
            Reach::Through(opener) => {
                let (path, source) = self.open_through(opener, name, what)?;
                if let Some(store) = known(&path) {
                    return Ok(store);
                }
                (path, source)
            }
            _ => {
                let path = self.locate(name, reach, what)?;
                // A file that is being written has its content in this session, and a lock that keeps others out.
                let own = self.session.as_ref().and(self.path.as_ref());
                if own.and_then(|own| canonical(own).ok()).is_some_and(|own| own == path) {
                    return Ok(self.clone());
                }
                if let Some(store) = known(&path) {
                    return Ok(store);
                }
                let source = open_path(&path, self.settings.mmap, self.settings.locking)?;
                (path, source)
            }
        };
        let shown = path.display().to_string();
        let settings = Settings { threads: self.settings.threads.min(1), ..self.settings.clone() };
        let store = Store::open(source, shown, Some(path.clone()), self.reader.limits.clone(), settings)?;
        lock().insert(path, store.clone());
        Ok(store)
    }
}

/// The path at which a file that `own` names may be written, as far as the policy allows it. It need not exist; the
/// folder must. Unlike a file that is read, it is where its name says, or nowhere.
pub(crate) fn place_for(own: Option<&Path>, name: &[u8], reach: &Reach, what: &str) -> Result<PathBuf> {
    let shown = String::from_utf8_lossy(name);
    let denied = |why: &str| Error::denied(format!("{what} {shown:?}: {why}"));
    if name.is_empty() || name.contains(&0) {
        return Err(Error::usage(format!("{what} with the name {shown:?}")));
    }
    let root = match reach {
        Reach::None => return Err(denied("no other files may be opened")),
        Reach::Through(_) => return Err(denied("no other files may be written")),
        Reach::Below(root) => Some(canonical(root)?),
        Reach::Beside | Reach::Anywhere => None,
    };
    let own = own.ok_or_else(|| denied("a file that is not on disk has no folder to look in"))?;
    let own = canonical(own)?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    let root = if *reach == Reach::Beside { Some(folder.to_owned()) } else { root };
    let path = folder.join(&*os_path(name)?);
    let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else {
        return Err(denied("it is no regular file"));
    };
    let parent = canonical(parent).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::not_found(format!("the folder of {what} {shown:?}")),
        _ => e.into(),
    })?;
    // A link in the place of the file may lead elsewhere.
    let path = match parent.join(file).symlink_metadata() {
        Ok(_) => canonical(&parent.join(file))?,
        Err(_) => parent.join(file),
    };
    if root.is_some_and(|root| !path.starts_with(root)) {
        return Err(denied("it lies outside the folder that is allowed"));
    }
    if path == own || path.metadata().is_ok_and(|m| !m.is_file()) {
        return Err(denied("it is no file of raw data"));
    }
    Ok(path)
}

/// Where HDF5 looks for a file: an absolute path as it is, then its last part beside the file that names it.
fn candidates(folder: &Path, name: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = name.file_name().filter(|_| name.is_absolute()).map(|file| folder.join(file));
    std::iter::once(folder.join(name)).chain(beside)
}

fn os_path(name: &[u8]) -> Result<Cow<'_, Path>> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(Cow::Borrowed(Path::new(std::ffi::OsStr::from_bytes(name))))
    }
    #[cfg(not(unix))]
    match std::str::from_utf8(name) {
        Ok(name) => Ok(Cow::Borrowed(Path::new(name))),
        Err(_) => Err(Error::unsupported("a file name that is not UTF-8")),
    }
}

/// The absolute path without symbolic links.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    #[cfg(not(target_os = "wasi"))]
    return path.canonicalize();
    // What the standard library calls is not in every C library for WASI.
    #[cfg(target_os = "wasi")]
    followed(path)
}

/// The same, by following each link.
#[cfg(any(target_os = "wasi", all(test, unix)))]
fn followed(path: &Path) -> io::Result<PathBuf> {
    use std::path::Component;

    /// As many as Linux follows.
    const LINKS: usize = 40;

    let parts = |path: &Path| path.components().rev().map(|c| c.as_os_str().to_owned()).collect::<Vec<_>>();
    let mut rest = parts(&std::path::absolute(path)?);
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => {
                found.pop();
            }
            Some(Component::Normal(name)) => {
                found.push(name);
                let metadata = match found.symlink_metadata() {
                    // A folder above those that a WASI process was given is no more than a name to it.
                    Err(_) if cfg!(target_os = "wasi") && !rest.is_empty() => continue,
                    metadata => metadata?,
                };
                if metadata.is_symlink() {
                    links += 1;
                    if links > LINKS {
                        return Err(io::Error::other("too many symbolic links"));
                    }
                    let target = found.read_link()?;
                    found.pop();
                    rest.extend(parts(&target));
                } else if !rest.is_empty() && !metadata.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
            }
            // The root: an absolute path replaces what was found.
            Some(other) => found.push(other),
            None => {}
        }
    }
    Ok(found)
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_are_followed_as_the_system_does() {
        let folder = std::env::temp_dir().join(format!("h5-canonical-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/file"), "x").unwrap();
        for (link, target) in [
            ("up", "a/.."),
            ("a/b/file", "../file"),
            ("over", "up/a/b"),
            ("far", "/"),
            ("loop", "pool"),
            ("pool", "loop"),
            ("nowhere", "a/c"),
        ] {
            symlink(target, folder.join(link)).unwrap();
        }
        let mut found = 0;
        for path in [
            "",
            ".",
            "a",
            "a/b/..",
            "a/./b",
            "a//b/",
            "a/b/file",
            "over/file",
            "over/../file",
            "up/up/up/over",
            "far",
            "far/..",
            "loop",
            "nowhere",
            "a/c",
            "a/file/..",
            "a/file/x",
            "../../../../../../../../..",
        ] {
            let path = folder.join(path);
            match (path.canonicalize(), followed(&path)) {
                (Ok(expected), Ok(path)) => {
                    assert_eq!(path, expected);
                    found += 1;
                }
                (expected, path) => assert!(expected.is_err() && path.is_err(), "{expected:?} {path:?}"),
            }
        }
        assert_eq!(found, 13);
        fs::remove_dir_all(&folder).unwrap();
    }
}

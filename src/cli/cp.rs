//! `h5 cp`: an object with all that is below it, from one file into another.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    change,
    fresh::{self, Fresh, ProfileChoice},
    target::{self, usage},
};
use crate::{Group, Object, OpenOptions, Result};

/// What is asked for.
pub(super) struct Options {
    pub(super) filters: Vec<String>,
    pub(super) layouts: Vec<String>,
    pub(super) profile: Option<ProfileChoice>,
    pub(super) follow_soft: bool,
    pub(super) follow_external: bool,
    pub(super) shallow: bool,
    pub(super) without_attributes: bool,
}

/// Splits `FILE:/PATH`; `FILE/PATH` too, if there is such a file.
fn split(argument: &Path) -> (PathBuf, Vec<u8>) {
    let (file, path) = target::split(argument);
    if path != b"/" || file.is_file() {
        return (file, path);
    }
    if let Some(text) = argument.to_str() {
        let colons: Vec<usize> = text.match_indices(':').map(|(i, _)| i).collect();
        let existing = colons.iter().find(|&&i| Path::new(&text[..i]).is_file());
        let rooted = colons.iter().rfind(|&&i| text[i + 1..].starts_with('/'));
        // C: is no file.
        let any = colons.iter().rfind(|&&i| i > 1);
        if let Some(&at) = existing.or(rooted).or(any) {
            let path = match &text[at + 1..] {
                "" => "/",
                path => path,
            };
            return (PathBuf::from(&text[..at]), path.as_bytes().to_vec());
        }
    }
    (file, path)
}

/// The last name of a path.
fn last_name(path: &[u8]) -> Option<&[u8]> {
    path.split(|&b| b == b'/').rfind(|name| !name.is_empty() && *name != b".")
}

/// Copies an object into a file, which is made if there is none.
///
/// # Errors
/// As reading and writing go.
pub(super) fn run(
    open: &OpenOptions,
    source: &Path,
    place: &Path,
    options: &Options,
    warn: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<()> {
    let (source_file, source_path) = split(source);
    let (target_file, target_path) = split(place);
    let exists = fs::exists(&target_file)?;
    // One file is opened once: whoever changes it keeps others out.
    let is_same = exists && fs::canonicalize(&target_file)? == fs::canonicalize(&source_file)?;
    let from = if is_same { open.open_rw(&source_file)? } else { open.open(&source_file)? };
    let object = from.object(&source_path)?;
    let copy = change::options(&from, &options.filters, &options.layouts, warn)?
        .follow_soft_links(options.follow_soft)
        .follow_external_links(options.follow_external)
        .shallow(options.shallow)
        .without_attributes(options.without_attributes);
    if exists {
        let to = if is_same { from.clone() } else { open.open_rw(&target_file)? };
        put(&object, &source_path, &to.root()?, &target_path, &copy)?;
        return to.close();
    }
    let fresh = Fresh::new(&target_file, &source_file)?;
    let to = fresh.create(fresh::profile(options.profile, &from), 0)?;
    put(&object, &source_path, &to.root()?, &target_path, &copy)?;
    to.close()?;
    fresh.keep()
}

/// Copies an object to a path: as that, or into the group that is there.
fn put(
    object: &Object,
    source_path: &[u8],
    root: &Group,
    path: &[u8],
    copy: &crate::CopyOptions,
) -> Result<()> {
    let within = path.ends_with(b"/") || root.group(path).is_ok();
    let mut path = path.to_vec();
    if within {
        match last_name(source_path) {
            Some(name) => {
                path.push(b'/');
                path.extend_from_slice(name);
            }
            // The root has no name: its members are copied.
            None if last_name(&path).is_none() => {
                return root.copy_contents_from(&object.clone().into_group()?, copy);
            }
            None => {
                return Err(usage("the root group has no name of its own: say how its copy is to be called"));
            }
        }
    }
    root.copy_from(object, &path, copy).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_paths() {
        let of = |text: &str| {
            let (file, path) = split(Path::new(text));
            (file.display().to_string(), String::from_utf8(path).unwrap())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(of("absent.h5:/a/b"), pair("absent.h5", "/a/b"));
        assert_eq!(of("absent.h5:a"), pair("absent.h5", "a"));
        assert_eq!(of("absent.h5:"), pair("absent.h5", "/"));
        assert_eq!(of("absent.h5"), pair("absent.h5", "/"));
        assert_eq!(of("Cargo.toml:/a:/b"), pair("Cargo.toml", "/a:/b"));
        assert_eq!(of("Cargo.toml/a/b"), pair("Cargo.toml", "/a/b"));
        assert_eq!(last_name(b"/a/b/"), Some(&b"b"[..]));
        assert_eq!(last_name(b"/"), None);
    }
}

//! Which file and which object in it an argument means.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{Attribute, Error, ErrorKind, File, Object, Result};

/// Splits `FILE/PATH`: the longest prefix that is an existing file, and the rest.
pub(super) fn split(argument: &Path) -> (PathBuf, Vec<u8>) {
    // Without trailing slashes, with which no path is a file.
    let plain: PathBuf = argument.components().collect();
    for file in plain.ancestors() {
        if fs::metadata(file).is_ok_and(|m| !m.is_dir()) {
            let mut path = vec![b'/'];
            for part in plain.strip_prefix(file).unwrap_or(Path::new("")).components() {
                if let Component::Normal(_) | Component::ParentDir = part {
                    if path.len() > 1 {
                        path.push(b'/');
                    }
                    path.extend_from_slice(part.as_os_str().as_encoded_bytes());
                }
            }
            return (file.to_owned(), path);
        }
    }
    (argument.to_owned(), vec![b'/'])
}

/// What a path in a file means.
pub(super) enum Found {
    /// `/path`
    Object(Object),
    /// `/path@name`
    Attribute(Attribute),
}

/// The object of a path, or the attribute after an `@` of it. A path without a leading slash starts at the root too.
pub(super) fn find(file: &File, path: &[u8]) -> Result<Found> {
    let missing = match file.object(path) {
        Ok(object) => return Ok(Found::Object(object)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => error,
        Err(error) => return Err(error),
    };
    let mut nearest = None;
    for (at, _) in path.iter().enumerate().rev().filter(|(_, b)| **b == b'@') {
        let object = if at == 0 { b"/" } else { &path[..at] };
        match file.object(object).and_then(|o| o.attribute(&path[at + 1..])) {
            Ok(attribute) => return Ok(Found::Attribute(attribute)),
            Err(error) => _ = nearest.get_or_insert(error),
        }
    }
    Err(nearest.unwrap_or(missing))
}

/// A request that makes no sense.
pub(super) fn usage(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage(text.into()))
}

/// A request that this command does not serve.
pub(super) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_existing_file_is_the_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("Cargo.toml");
        assert_eq!(split(&file), (file.clone(), b"/".to_vec()));
        assert_eq!(split(&file.join("a/b@c")), (file.clone(), b"/a/b@c".to_vec()));
        assert_eq!(split(&file.join("a//b/./c/")), (file, b"/a/b/c".to_vec()));
        assert_eq!(split(Path::new("Cargo.toml//")), (PathBuf::from("Cargo.toml"), b"/".to_vec()));
        let absent = root.join("absent.h5/a");
        assert_eq!(split(&absent), (absent, b"/".to_vec()));
        assert_eq!(split(root).0, root);
    }
}

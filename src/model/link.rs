//! Names and links.

use std::{
    borrow::{Borrow, Cow},
    fmt,
};

use smallvec::SmallVec;

use crate::model::datatype::Charset;

/// A name as the file holds it: bytes, in practice UTF-8.
///
/// It compares with `str` and displays as text; a byte that is not valid UTF-8 displays as `\xhh`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name(SmallVec<[u8; INLINE]>);

/// A name of up to so many bytes takes no allocation: as many as fit in the place of a `Vec`.
const INLINE: usize = 16;

impl Name {
    /// As it is displayed.
    pub(crate) fn to_text(&self) -> Cow<'_, str> {
        self.to_str().map_or_else(|| Cow::Owned(self.to_string()), Cow::Borrowed)
    }
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The text, if it is valid UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
    /// True if there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes bytes as text, a byte that is not part of valid UTF-8 as `\xhh`.
pub(crate) fn write_escaped(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    for part in bytes.utf8_chunks() {
        f.write_str(part.valid())?;
        for byte in part.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Names are compared by their bytes.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_str() {
            Some(text) => f.pad(text),
            None => write_escaped(f, &self.0),
        }
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}
impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
impl From<&str> for Name {
    fn from(s: &str) -> Self {
        Name(SmallVec::from_slice(s.as_bytes()))
    }
}
impl From<String> for Name {
    fn from(s: String) -> Self {
        Name(s.into_bytes().into())
    }
}
impl From<&[u8]> for Name {
    fn from(b: &[u8]) -> Self {
        Name(SmallVec::from_slice(b))
    }
}
impl From<Vec<u8>> for Name {
    fn from(b: Vec<u8>) -> Self {
        Name(b.into())
    }
}
impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other.as_bytes()
    }
}
impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == other.as_bytes()
    }
}

/// A link of a group: a name and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name within the group.
    pub name: Name,
    /// Character set of the name.
    pub charset: Charset,
    /// Position in the order of creation, if the group tracks it.
    pub creation_order: Option<i64>,
    /// What it leads to.
    pub target: LinkTarget,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkTarget {
    /// An object header at this address.
    Hard(u64),
    /// A path, looked up when followed.
    Soft(Name),
    /// A path in another file.
    External {
        /// Name of that file, as stored.
        file: Name,
        /// Path in it.
        path: Name,
    },
    /// A user-defined link of this class (65 to 255), with its uninterpreted content.
    User {
        /// Class of the link.
        class: u8,
        /// Its content.
        data: Vec<u8>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_is_shown_byte_by_byte() {
        assert_eq!(Name::from(&b"a\xffb\xc3"[..]).to_string(), "a\\xffb\\xc3");
        assert_eq!(Name::from("gr\u{fc}n"), "grün");
    }
}

//! Paths of objects: components between slashes.

/// The components of a path; empty ones and `.` are left out, as HDF5 does.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').filter(|c| !c.is_empty() && *c != b".")
}

/// The path of a child.
pub(crate) fn join(parent: &str, child: &str) -> String {
    if child.starts_with('/') {
        child.to_owned()
    } else {
        let mut path = String::with_capacity(parent.len() + 1 + child.len());
        path.push_str(parent);
        if !parent.ends_with('/') {
            path.push('/');
        }
        path.push_str(child);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_components_and_dots_are_left_out() {
        let parts: Vec<_> = components(b"//a/./b//..").collect();
        assert_eq!(parts, [&b"a"[..], b"b", b".."]);
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("/a", "b/c"), "/a/b/c");
    }
}

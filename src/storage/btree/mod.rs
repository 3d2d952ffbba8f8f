//! B-trees: version 1 (old groups, chunks) and version 2 (links, attributes, shared messages, chunks).

pub(crate) mod v1;
pub(crate) mod v2;

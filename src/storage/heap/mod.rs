//! Heaps: local (names), global (variable-length data), fractal (links, attributes, shared messages).

pub(crate) mod fractal;
pub(crate) mod global;
pub(crate) mod local;

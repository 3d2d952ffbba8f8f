//! `#[derive(H5Type)]`; see the `h5` crate.

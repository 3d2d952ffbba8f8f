//! From raw bytes to Rust arrays.

use ndarray::{ArrayD, Dimension, IxDyn};

use crate::error::{Error, Result};

/// Elements in C order as an array of this shape.
pub(crate) fn array<T>(elements: Vec<T>, shape: &[u64]) -> Result<ArrayD<T>> {
    let mut dims = IxDyn::zeros(shape.len());
    dims.slice_mut().iter_mut().zip(shape).for_each(|(d, &n)| *d = n as usize);
    ArrayD::from_shape_vec(dims, elements).map_err(|e| Error::shape(e.to_string()))
}

/// The only element.
pub(crate) fn one<T>(elements: Vec<T>) -> Result<T> {
    let count = elements.len();
    match elements.into_iter().next() {
        Some(element) if count == 1 => Ok(element),
        _ => Err(Error::shape(format!("one element wanted, there are {count}"))),
    }
}

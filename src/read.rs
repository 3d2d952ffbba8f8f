//! From raw bytes to Rust arrays.

use ndarray::{ArrayD, IxDyn};

use crate::error::{Error, Result};

/// Elements in C order as an array of this shape.
pub(crate) fn array<T>(elements: Vec<T>, shape: &[u64]) -> Result<ArrayD<T>> {
    let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), elements).map_err(|e| Error::shape(e.to_string()))
}

/// The only element.
pub(crate) fn one<T>(elements: Vec<T>) -> Result<T> {
    let count = elements.len();
    match elements.into_iter().next() {
        Some(element) if count == 1 => Ok(element),
        _ => Err(Error::shape(format!("one element wanted, there are {count}"))),
    }
}

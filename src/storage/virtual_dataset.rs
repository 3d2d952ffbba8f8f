//! Virtual datasets: elements that are mapped to elements of other datasets.

use std::sync::Arc;

use super::{
    Store,
    raw_data::{RawData, ReadOptions, output::Output},
};
use crate::{
    error::{Error, Result},
    model::{dataspace::Dataspace, layout::VirtualMapping, selection::runs::Resolved},
};

/// The extent that the sources give to unlimited dimensions.
pub(crate) fn extend(
    _store: &Arc<Store>,
    _mappings: &[VirtualMapping],
    _dataspace: &mut Dataspace,
    _depth: u32,
) -> Result<()> {
    Ok(())
}

/// Reads a selection of a virtual dataset.
pub(crate) fn read(
    _data: &RawData,
    _store: &Arc<Store>,
    _selection: &Resolved,
    _out: &Output<'_>,
    _options: ReadOptions,
) -> Result<()> {
    Err(Error::unsupported("virtual dataset"))
}

//! Fill values: what elements hold that were never written.

/// When the storage of a dataset is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AllocationTime {
    /// When the dataset is created.
    Early,
    /// When data are first written.
    Late,
    /// Chunk by chunk as data are written.
    Incremental,
}

/// When the fill value is written into allocated storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FillTime {
    /// On allocation.
    OnAllocation,
    /// Never.
    Never,
    /// On allocation, if a fill value was set by the user.
    IfSet,
}

/// The fill value itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FillValue {
    /// Undefined: elements never written may hold anything (zeros here).
    Undefined,
    /// The default: zeros.
    Default,
    /// One element of the dataset's datatype, as stored.
    User(Vec<u8>),
}

/// Fill value and the times of allocation and filling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fill {
    /// When storage is allocated.
    pub allocation: AllocationTime,
    /// When the value is written.
    pub time: FillTime,
    /// The value.
    pub value: FillValue,
}

impl Fill {
    /// The bytes of one fill element, if not all zero by definition.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.value {
            FillValue::User(v) if !v.is_empty() => Some(v),
            _ => None,
        }
    }
}

impl Fill {
    /// The bytes of an element that has no storage, if not all zero: none if nothing is ever to be filled.
    pub(crate) fn bytes_of_unwritten(&self) -> Option<&[u8]> {
        if self.time == FillTime::Never { None } else { self.bytes() }
    }
}

impl Default for Fill {
    fn default() -> Self {
        Fill { allocation: AllocationTime::Late, time: FillTime::IfSet, value: FillValue::Default }
    }
}

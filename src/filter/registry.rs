//! Which codec and which name belong to a registered identification.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

#[cfg(feature = "filter-bitgroom")]
use super::bitgroom;
#[cfg(feature = "filter-bitshuffle")]
use super::bitshuffle;
#[cfg(feature = "filter-blosc")]
use super::blosc;
#[cfg(feature = "filter-blosc2")]
use super::blosc2;
#[cfg(feature = "filter-bzip2")]
use super::bzip2;
#[cfg(feature = "filter-lz4")]
use super::lz4;
#[cfg(feature = "filter-zstd")]
use super::zstd;
use super::{Filter, deflate, fletcher32, lzf, nbit, scaleoffset, shuffle, szip};

/// Names of <https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md>, sorted by
/// identification.
const NAMES: &[(u16, &str)] = &[
    (1, "deflate"),
    (2, "shuffle"),
    (3, "fletcher32"),
    (4, "szip"),
    (5, "nbit"),
    (6, "scaleoffset"),
    (257, "hzip"),
    (258, "fpzip"),
    (305, "lzo"),
    (307, "bzip2"),
    (32000, "lzf"),
    (32001, "blosc"),
    (32002, "mafisc"),
    (32003, "snappy"),
    (32004, "lz4"),
    (32005, "apax"),
    (32006, "cbf"),
    (32007, "jpeg-xr"),
    (32008, "bitshuffle"),
    (32009, "spdp"),
    (32010, "lpc-rice"),
    (32011, "ccsds-123"),
    (32012, "jpeg-ls"),
    (32013, "zfp"),
    (32014, "fpzip"),
    (32015, "zstd"),
    (32016, "b3d"),
    (32017, "sz"),
    (32018, "fcidecomp"),
    (32019, "jpeg"),
    (32020, "vbz"),
    (32021, "fapec"),
    (32022, "bitgroom"),
    (32023, "granular bitround"),
    (32024, "sz3"),
    (32025, "delta-rice"),
    (32026, "blosc2"),
    (32027, "flac"),
    (32028, "sperr"),
    (32029, "terse/prolix"),
    (32030, "ffmpeg"),
    (32034, "htj2k"),
];

static ADDED: LazyLock<RwLock<HashMap<u16, &'static dyn Filter>>> = LazyLock::new(RwLock::default);
// While no filter has been added, `lookup` touches no lock.
static ANY_ADDED: AtomicBool = AtomicBool::new(false);

/// The name of a filter in the registry of the HDF Group, if it is known.
pub fn filter_name(id: u16) -> Option<&'static str> {
    NAMES.binary_search_by_key(&id, |entry| entry.0).ok().map(|at| NAMES[at].1)
}

/// The codec of a filter: one that [`register`] added, or one that is built in.
pub fn lookup(id: u16) -> Option<&'static dyn Filter> {
    if ANY_ADDED.load(Ordering::Acquire)
        && let Some(filter) = ADDED.read().unwrap_or_else(PoisonError::into_inner).get(&id)
    {
        return Some(*filter);
    }
    built_in(id)
}

/// Adds a codec for the rest of the process, for every file. It takes the place of an earlier one, built in or added.
pub fn register(id: u16, filter: impl Filter + 'static) {
    // Leaked, so that a lookup need not count references; bounded by how often a program registers.
    let filter: &'static dyn Filter = Box::leak(Box::new(filter));
    ADDED.write().unwrap_or_else(PoisonError::into_inner).insert(id, filter);
    ANY_ADDED.store(true, Ordering::Release);
}

/// Codecs of one file, which take the place of those of the process.
#[derive(Clone, Default)]
pub struct FilterSet(Option<Arc<HashMap<u16, Arc<dyn Filter>>>>);

impl FilterSet {
    /// Adds a codec.
    pub fn insert(&mut self, id: u16, filter: impl Filter + 'static) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(id, Arc::new(filter));
    }

    /// The codec of a filter: one of this set, or that of the process.
    pub fn lookup(&self, id: u16) -> Option<&dyn Filter> {
        match self.0.as_ref().and_then(|own| own.get(&id)) {
            Some(filter) => Some(&**filter),
            None => lookup(id).map(|filter| filter as &dyn Filter),
        }
    }
}

impl std::fmt::Debug for FilterSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().flat_map(|own| own.keys())).finish()
    }
}

fn built_in(id: u16) -> Option<&'static dyn Filter> {
    Some(match id {
        1 => &deflate::Deflate,
        2 => &shuffle::Shuffle,
        3 => &fletcher32::Fletcher32,
        4 => &szip::Szip,
        5 => &nbit::Nbit,
        6 => &scaleoffset::ScaleOffset,
        #[cfg(feature = "filter-bzip2")]
        307 => &bzip2::Bzip2,
        32000 => &lzf::Lzf,
        #[cfg(feature = "filter-blosc")]
        32001 => &blosc::Blosc,
        #[cfg(feature = "filter-lz4")]
        32004 => &lz4::Lz4,
        #[cfg(feature = "filter-bitshuffle")]
        32008 => &bitshuffle::Bitshuffle,
        #[cfg(feature = "filter-zfp")]
        32013 => &super::zfp::Zfp,
        #[cfg(feature = "filter-zstd")]
        32015 => &zstd::Zstd,
        #[cfg(feature = "filter-bitgroom")]
        32022 => &bitgroom::Quantiser("bitgroom"),
        #[cfg(feature = "filter-bitgroom")]
        32023 => &bitgroom::Quantiser("granular bitround"),
        #[cfg(feature = "filter-blosc2")]
        32026 => &blosc2::Blosc2,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_agree_with_the_codecs() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for &(id, name) in NAMES {
            assert_eq!(filter_name(id), Some(name));
            if let Some(filter) = built_in(id) {
                assert_eq!(filter.name(), name);
            }
        }
        assert_eq!(filter_name(0), None);
    }
}

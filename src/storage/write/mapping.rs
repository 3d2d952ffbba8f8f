//! Virtual datasets that are made: what their mappings may be, and the object of the global heap that holds them.

use super::{Profile, State};
use crate::{
    error::{Error, Result},
    format::{selection::SelectionStyle, virtual_mapping::encode_virtual_mappings},
    model::{
        layout::VirtualMapping,
        link::Name,
        selection::{Selection, UNLIMITED},
    },
    storage::virtual_dataset::{has_block_number, substitute},
};

/// How selections are written for the readers of a profile.
pub(crate) fn selection_style(profile: Profile) -> SelectionStyle {
    match profile {
        Profile::Compatible => SelectionStyle::V18,
        Profile::Modern => SelectionStyle::V110,
    }
}

/// What of a selection has no end.
#[derive(Clone, Copy, PartialEq)]
enum Endless {
    Nothing,
    Count,
    Block,
}

fn endless(selection: &Selection) -> Endless {
    let Selection::Hyperslab(dims) = selection else { return Endless::Nothing };
    match dims.iter().find(|d| d.count == UNLIMITED || d.block == UNLIMITED) {
        None => Endless::Nothing,
        Some(d) if d.block == UNLIMITED => Endless::Block,
        Some(_) => Endless::Count,
    }
}

/// Number of elements; `None` if it depends on the extent.
fn count(selection: &Selection) -> Option<u64> {
    let volume = |lens: &mut dyn Iterator<Item = u64>| lens.fold(1u64, u64::saturating_mul);
    match selection {
        Selection::None => Some(0),
        Selection::Hyperslab(_) if endless(selection) != Endless::Nothing => None,
        Selection::Hyperslab(dims) => Some(volume(&mut dims.iter().map(|d| d.count.saturating_mul(d.block)))),
        Selection::Blocks(blocks) => {
            let rank = blocks.rank;
            let each = blocks.corners.chunks_exact(2 * rank.max(1)).map(|block| {
                volume(&mut (0..rank).map(|i| block[i + rank].saturating_sub(block[i]).saturating_add(1)))
            });
            Some(each.fold(0, u64::saturating_add))
        }
        _ => None,
    }
}

fn check_name(name: &Name, what: &str) -> Result<()> {
    if name.as_bytes().is_empty() || name.as_bytes().contains(&0) {
        return Err(Error::usage(format!("{what} with the name {:?}", name.to_string())));
    }
    substitute(name, Some(0)).map(drop).map_err(|e| Error::usage(e.to_string()))
}

/// Checks a mapping by the rules of libhdf5. `dims` is the extent of the virtual dataset, `None` without a bound.
fn check(mapping: &VirtualMapping, max_dims: &[Option<u64>]) -> Result<()> {
    check_name(&mapping.file, "source file of a virtual dataset")?;
    check_name(&mapping.dataset, "source of a virtual dataset")?;
    for selection in [&mapping.source, &mapping.target] {
        if matches!(selection, Selection::Points(_)) {
            return Err(Error::unsupported("points as a selection of a virtual dataset"));
        }
    }
    let fits = match &mapping.target {
        Selection::Hyperslab(dims) => {
            dims.len() == max_dims.len()
                && dims.iter().zip(max_dims).all(|(d, max)| match (d.count, d.block, max) {
                    (UNLIMITED, ..) | (_, UNLIMITED, _) => true,
                    (count, block, Some(max)) => count
                        .checked_sub(1)
                        .and_then(|n| n.checked_mul(d.stride)?.checked_add(block)?.checked_add(d.start))
                        .is_some_and(|end| end <= *max),
                    (.., None) => true,
                })
        }
        Selection::Blocks(blocks) => {
            blocks.rank == max_dims.len()
                && blocks
                    .corners
                    .chunks_exact(blocks.rank.max(1))
                    .all(|corner| corner.iter().zip(max_dims).all(|(c, max)| max.is_none_or(|max| *c < max)))
        }
        _ => true,
    };
    if !fits {
        return Err(Error::shape(format!(
            "the target {:?} of a mapping does not fit in {max_dims:?}",
            mapping.target
        )));
    }
    let by_block = has_block_number(&mapping.file) || has_block_number(&mapping.dataset);
    match (endless(&mapping.target), endless(&mapping.source), by_block) {
        (Endless::Count, Endless::Nothing, true) => Ok(()),
        (.., true) => Err(Error::usage(
            "%b in the name of a source needs a target of blocks without end, and a source with one",
        )),
        (Endless::Nothing, Endless::Nothing, false) => match (count(&mapping.source), count(&mapping.target))
        {
            (Some(source), Some(target)) if source != target => {
                Err(Error::shape(format!("a mapping of {source} elements to {target}")))
            }
            _ => Ok(()),
        },
        (target, source, false) if target != Endless::Nothing && source != Endless::Nothing => Ok(()),
        _ => Err(Error::usage("a mapping without end needs that of both selections")),
    }
}

impl State {
    /// Stores the mappings of a virtual dataset: where they are.
    pub(super) fn store_mappings(
        &mut self,
        mappings: &[VirtualMapping],
        max_dims: &[Option<u64>],
    ) -> Result<Option<(u64, u32)>> {
        mappings.iter().try_for_each(|mapping| check(mapping, max_dims))?;
        let style = selection_style(self.profile);
        // Version 1 is for HDF5 2.0 and later.
        let object = encode_virtual_mappings(mappings, 0, style, self.sizes())?;
        let State { heap, tx, .. } = self;
        heap.store(tx, &object).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::selection::HyperslabDim;

    fn mapping(dataset: &str, source: Selection, target: Selection) -> VirtualMapping {
        VirtualMapping { file: Name::from("."), dataset: Name::from(dataset), source, target }
    }

    #[test]
    fn mappings_that_libhdf5_refuses() {
        let slab = |start, stride, count, block| {
            Selection::Hyperslab(vec![HyperslabDim { start, stride, count, block }])
        };
        let ok = |m: VirtualMapping| check(&m, &[Some(10)]).is_ok();
        assert!(ok(mapping("a", Selection::All, Selection::All)));
        assert!(ok(mapping("a", slab(0, 1, 1, 4), slab(6, 1, 1, 4))));
        assert!(!ok(mapping("a", slab(0, 1, 1, 4), slab(7, 1, 1, 4))), "beyond the end");
        assert!(!ok(mapping("a", slab(0, 1, 1, 4), slab(0, 1, 1, 5))), "other numbers of elements");
        assert!(!ok(mapping("", Selection::All, Selection::All)));
        assert!(!ok(mapping("a%d", Selection::All, Selection::All)));
        assert!(ok(mapping("a%%", Selection::All, Selection::All)));
        let endless = slab(0, 4, UNLIMITED, 4);
        assert!(ok(mapping("a%b", slab(0, 1, 1, 4), endless.clone())));
        assert!(ok(mapping("a%b", Selection::All, endless.clone())));
        assert!(!ok(mapping("a%b", Selection::All, slab(0, 1, 1, 4))));
        assert!(!ok(mapping("a", slab(0, 1, 1, 4), endless.clone())));
        assert!(ok(mapping("a", slab(0, 1, UNLIMITED, 1), endless)));
    }
}

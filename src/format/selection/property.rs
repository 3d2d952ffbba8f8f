//! Any selection -> bytes -> the same selection.

use proptest::prelude::*;

use super::{SelectionStyle, decode_selection, encode_selection};
use crate::model::selection::{Blocks, HyperslabDim, Points, Selection, UNLIMITED};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, 65_530u64..65_540, 4_294_967_290u64..4_294_967_300, Just(1 << 40)]
}

fn regular_dim() -> impl Strategy<Value = HyperslabDim> {
    (number(), number(), 0u64..9, number()).prop_map(|(start, gap, count, block)| HyperslabDim {
        start,
        stride: (block + gap).max(1),
        count,
        block,
    })
}

fn hyperslab() -> impl Strategy<Value = Selection> {
    (
        prop::collection::vec(regular_dim(), 1..6),
        prop::option::of((any::<prop::sample::Index>(), any::<bool>())),
    )
        .prop_map(|(mut dims, unlimited)| {
            if let Some((at, block)) = unlimited {
                let n = dims.len();
                let dim = &mut dims[at.index(n)];
                if block {
                    *dim = HyperslabDim { stride: 1, count: 1, block: UNLIMITED, ..*dim };
                } else {
                    dim.count = UNLIMITED;
                }
            }
            Selection::Hyperslab(dims)
        })
}

fn points() -> impl Strategy<Value = Selection> {
    (1usize..5, 0usize..6).prop_flat_map(|(rank, n)| {
        prop::collection::vec(number(), rank * n)
            .prop_map(move |coordinates| Selection::Points(Points { rank, coordinates }))
    })
}

fn blocks() -> impl Strategy<Value = Selection> {
    (1usize..5, 2usize..6).prop_flat_map(|(rank, n)| {
        let corners = (prop::collection::vec(number(), rank), prop::collection::vec(0u64..9, rank));
        prop::collection::vec(corners, n).prop_map(move |blocks| {
            let corners = blocks
                .into_iter()
                .flat_map(|(starts, sizes)| {
                    let ends: Vec<u64> = starts.iter().zip(sizes).map(|(a, b)| a + b).collect();
                    [starts, ends].concat()
                })
                .collect();
            Selection::Blocks(Blocks { rank, corners })
        })
    })
}

fn selection() -> impl Strategy<Value = Selection> {
    prop_oneof![Just(Selection::All), Just(Selection::None), points(), blocks(), hyperslab()]
}

/// The elements of a small selection, in whatever form.
fn elements(selection: &Selection) -> Vec<Vec<u64>> {
    let Selection::Blocks(Blocks { rank, corners }) = selection else {
        let Selection::Hyperslab(dims) = selection else { return Vec::new() };
        return dims.iter().fold(vec![vec![]], |all: Vec<Vec<u64>>, d| {
            let along = (0..d.count).flat_map(|i| (0..d.block).map(move |j| d.start + i * d.stride + j));
            all.iter().flat_map(|head| along.clone().map(move |c| [&head[..], &[c]].concat())).collect()
        });
    };
    let mut all = Vec::new();
    for block in corners.chunks(2 * rank) {
        let dim = |i: usize| HyperslabDim {
            start: block[i],
            stride: 1,
            count: 1,
            block: block[i + rank] - block[i] + 1,
        };
        all.extend(elements(&Selection::Hyperslab((0..*rank).map(dim).collect())));
    }
    all.sort();
    all
}

proptest! {
    #[test]
    fn survives(selection in selection(), cut in any::<prop::sample::Index>()) {
        let bytes = encode_selection(&selection, SelectionStyle::V112).unwrap();
        let (again, used) = decode_selection(&bytes).unwrap();
        // However it selects nothing, it reads as `None`.
        let nothing = matches!(&selection, Selection::Hyperslab(dims)
            if dims.iter().any(|d| d.count == 0 || d.block == 0));
        prop_assert_eq!(&again, if nothing { &Selection::None } else { &selection });
        prop_assert_eq!(used, bytes.len());
        prop_assert!(decode_selection(&bytes[..cut.index(bytes.len())]).is_err());
        for style in [SelectionStyle::V18, SelectionStyle::V110] {
            decode_selection(&encode_selection(&selection, style).unwrap()).unwrap();
        }
    }

    #[test]
    fn old_libraries_get_the_same_elements(
        dims in prop::collection::vec((0u64..9, 0u64..3, 0u64..4, 0u64..4), 1..4)
    ) {
        let dim = |&(start, gap, count, block): &(u64, u64, u64, u64)| HyperslabDim {
            start,
            stride: (block + gap).max(1),
            count,
            block,
        };
        let selection = Selection::Hyperslab(dims.iter().map(dim).collect());
        let bytes = encode_selection(&selection, SelectionStyle::V18).unwrap();
        let (again, _) = decode_selection(&bytes).unwrap();
        prop_assert_eq!(elements(&again), elements(&selection));
    }
}

//! Random tables and references against a model that looks at every reference for every parent.

use h5::{
    File,
    h5flow::{Compression, H5FlowDataManager, RefLayout, RefRegion, Sel, dereference_chain},
};
use proptest::prelude::*;

/// Children of a parent, in the order of the references.
fn children(refs: &[[u64; 2]], parent: u64, direction: (usize, usize)) -> Vec<u64> {
    refs.iter().filter(|r| r[direction.0] == parent).map(|r| r[direction.1]).collect()
}

fn arrays() -> impl Strategy<Value = (u64, u64, Vec<Vec<[u64; 2]>>)> {
    (1u64..40, 1u64..40).prop_flat_map(|(n, m)| {
        let pair = (0..n, 0..m).prop_map(|(a, b)| [a, b]);
        (Just(n), Just(m), prop::collection::vec(prop::collection::vec(pair, 0..40), 0..4))
    })
}

fn selection(n: u64) -> impl Strategy<Value = Sel> {
    prop_oneof![
        (0..n).prop_map(Sel::Index),
        (0..n, 0..n + 1, 1u64..4).prop_map(|(start, stop, step)| Sel::Slice { start, stop, step }),
        prop::collection::vec(0..n, 0..20).prop_map(Sel::List),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_request_gives_what_the_model_gives(
        ((n, m, batches), picked, flip, with_region, compression, wide, seed) in arrays().prop_flat_map(|a| {
            let side = a.0.min(a.1);
            (Just(a), selection(side), any::<bool>(), any::<bool>(), 0u8..3, any::<bool>(), any::<u64>())
        })
    ) {
        let path = super::scratch(&format!("model-{seed:x}"));
        let compression = [Compression::None, Compression::Gzip(1), Compression::Lzf][usize::from(compression)].clone();
        let layout = if wide { RefLayout::Wide } else { RefLayout::Compatible };
        let dm = H5FlowDataManager::options().compression(compression).ref_layout(layout).open(&path, "w").unwrap();
        dm.create_dset::<i64>("a").unwrap();
        dm.create_dset::<f64>("b/c").unwrap();
        dm.create_ref("a", "b/c").unwrap();
        let all: Vec<[u64; 2]> = batches.concat();
        let a: Vec<i64> = (0..n as i64).map(|i| 1000 + i).collect();
        let b: Vec<f64> = (0..m).map(|i| 0.5 * i as f64).collect();
        let rows = dm.reserve_data("a", n).unwrap();
        dm.write_data("a", rows, &a).unwrap();
        let rows = dm.reserve_data("b/c", m).unwrap();
        dm.write_data("b/c", rows, &b).unwrap();
        for (i, batch) in batches.iter().enumerate() {
            // Either way round.
            if i % 2 == 0 {
                dm.write_ref("a", "b/c", batch).unwrap();
            } else {
                let back: Vec<[u64; 2]> = batch.iter().map(|[a, b]| [*b, *a]).collect();
                dm.write_ref("b/c", "a", &back).unwrap();
            }
            if seed % 3 == 0 {
                dm.close_file().unwrap();
            }
        }
        let (names, direction) = if flip { (["b/c", "a"], (1, 0)) } else { (["a", "b/c"], (0, 1)) };
        let (refs, found) = dm.get_ref(names[0], names[1]).unwrap();
        prop_assert_eq!(found, direction);
        let table = dm.get_ref_region(names[0], names[1]).unwrap();
        let rows = picked.rows().unwrap();
        let mask: Vec<bool> = (0..rows.len()).map(|i| seed >> (i % 60) & 1 == 1).collect();
        let model: Vec<Vec<u64>> = rows.iter().map(|r| children(&all, *r, direction)).collect();

        // Regions are the tight hull.
        let len = if flip { m } else { n };
        for parent in 0..len {
            let at: Vec<u64> = (0u64..).zip(&all).filter(|(_, r)| r[direction.0] == parent).map(|(i, _)| i).collect();
            let tight = RefRegion { start: at.first().copied().unwrap_or(0), stop: at.last().map_or(0, |l| l + 1) };
            let value = table.values(parent..parent + 1).unwrap();
            let parts: Vec<u64> = value.get(0).unwrap().members().map(|(_, e)| e.integer().unwrap() as u64).collect();
            prop_assert_eq!(parts, [tight.start, tight.stop]);
        }

        let mut request = dereference_chain(picked, [&refs]).ref_direction(direction);
        if with_region {
            request = request.region(&table);
        }
        let ragged = request.ragged_indices().unwrap();
        for (i, expected) in model.iter().enumerate() {
            prop_assert_eq!(ragged.row(i), &expected[..]);
        }
        let data = dm.get_dset(names[1]).unwrap();
        let masked = request.clone().data(&data).mask(mask.clone()).masked_values().unwrap();
        let width = model.iter().zip(&mask).filter(|(_, m)| !**m).map(|(c, _)| c.len()).max().unwrap_or(0).max(1);
        prop_assert_eq!(masked.mask.shape(), &[rows.len(), width]);
        for (i, (children, masked_out)) in model.iter().zip(&mask).enumerate() {
            let mut children = if *masked_out { Vec::new() } else { children.clone() };
            children.sort_unstable();
            for j in 0..width {
                prop_assert_eq!(masked.mask[[i, j]], j >= children.len());
                if let Some(&child) = children.get(j) {
                    let value = masked.data.get(i * width + j).unwrap().float().unwrap();
                    prop_assert_eq!(value, if flip { a[child as usize] as f64 } else { b[child as usize] });
                }
            }
        }

        // There and back again.
        let back = dm.get_ref_region(names[1], names[0]).unwrap();
        let chain = dereference_chain(rows.clone(), [&refs, &refs]).ref_directions([direction, (direction.1, direction.0)]);
        let chain = if with_region { chain.regions([&table, &back]) } else { chain };
        let found = chain.masked_indices().unwrap();
        let ragged = chain.ragged_indices().unwrap();
        let other = (direction.1, direction.0);
        for (i, first) in model.iter().enumerate() {
            let expected: Vec<u64> = first.iter().flat_map(|c| children(&all, *c, other)).collect();
            prop_assert_eq!(ragged.row(i), &expected[..]);
        }
        prop_assert_eq!(found.count(), ragged.values().len());
        drop((refs, table, back, data));
        dm.finish().unwrap();
        prop_assert!(File::open(&path).is_ok());
        std::fs::remove_file(path).unwrap();
    }
}

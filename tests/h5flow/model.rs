//! Random tables and references against a model that looks at every reference for every parent.

use h5::{
    ErrorKind, File,
    h5flow::{
        Compression, H5FlowDataManager, RefLayout, RefRegion, Refs, Regions, Rows, Sel, dereference_chain,
    },
};
use proptest::prelude::*;

/// Children of a parent, in the order of the references.
fn children(refs: &[[u64; 2]], parent: u64, direction: (usize, usize)) -> Vec<u64> {
    refs.iter().filter(|r| r[direction.0] == parent).map(|r| r[direction.1]).collect()
}

/// All combinations.
fn all_of<A: Copy, B: Copy, C: Copy, D: Copy>(a: &[A], b: &[B], c: &[C], d: &[D]) -> Vec<(A, B, C, D)> {
    let mut out = Vec::new();
    for &a in a {
        for &b in b {
            for &c in c {
                out.extend(d.iter().map(|&d| (a, b, c, d)));
            }
        }
    }
    out
}

fn arrays() -> impl Strategy<Value = (u64, u64, Vec<Vec<[u64; 2]>>)> {
    (1u64..40, 1u64..40).prop_flat_map(|(n, m)| {
        let pair = (0..n, 0..m).prop_map(|(a, b)| [a, b]);
        (Just(n), Just(m), prop::collection::vec(prop::collection::vec(pair, 0..40), 0..4))
    })
}

fn selection(n: u64) -> impl Strategy<Value = Sel> {
    prop_oneof![
        4 => (0..n).prop_map(Sel::Index),
        4 => (0..n, 0..n + 1, 1u64..4).prop_map(|(start, stop, step)| Sel::Slice { start, stop, step }),
        4 => prop::collection::vec(0..n, 0..20).prop_map(Sel::List),
        // Rows that there are not. A negative one cannot be said.
        1 => (0..2 * n).prop_map(Sel::Index),
        1 => (0..2 * n, 0..3 * n).prop_map(|(start, stop)| Sel::from(start..stop)),
        1 => prop::collection::vec(0..n + 3, 0..20).prop_map(Sel::List),
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

        // All that a request can be made of.
        let data = dm.get_dset(names[1]).unwrap();
        let pairs = refs.read_as::<u64>(h5::Selection::All).unwrap().into_raw_vec_and_offset().0.as_chunks().0.to_vec();
        let small: Vec<[u32; 2]> = pairs.iter().map(|&[a, b]: &[u64; 2]| [a as u32, b as u32]).collect();
        let regions: Vec<RefRegion> = (0..len).map(|parent| {
            let at: Vec<u64> = (0u64..).zip(&all).filter(|(_, r)| r[direction.0] == parent).map(|(i, _)| i).collect();
            RefRegion { start: at.first().copied().unwrap_or(0), stop: at.last().map_or(0, |l| l + 1) }
        }).collect();
        let array = data.values(h5::Selection::All).unwrap();
        let value = |child: &u64| if flip { a[*child as usize] as f64 } else { b[*child as usize] };
        let numbers = |values: &h5::Values| -> Vec<f64> {
            values.iter().map(|e| e.float().or_else(|| e.integer().map(|i| i as f64)).unwrap()).collect()
        };
        for (refs, region, data, mask) in all_of(
            &[Refs::from(&refs), Refs::from(&pairs), Refs::from(&small)],
            &[None, Some(Regions::from(&table)), Some(Regions::from(&regions))],
            &[Rows::from(&data), Rows::from(&array)],
            &[None, Some(&mask)],
        ) {
            let mut request = dereference_chain(picked.clone(), [refs]).ref_direction(direction).data(data);
            if let Some(region) = region {
                request = request.region(region);
            }
            if let Some(mask) = mask {
                request = request.mask(mask.clone());
            }
            let masked_out = |i: usize| mask.is_some_and(|mask| mask[i]);
            // A table of regions must have the row, unless a slice ends behind it.
            let is_slice = matches!(picked, Sel::Slice { .. });
            let beyond = rows.iter().enumerate().any(|(i, row)| *row >= len && !masked_out(i));
            if beyond && region.is_some() && !is_slice {
                for refused in [request.masked_values().err(), request.ragged_indices().err()] {
                    prop_assert!(matches!(refused.unwrap().kind(), ErrorKind::Shape(_)));
                }
                continue;
            }
            let wanted = |i: usize| if masked_out(i) { &[][..] } else { &model[i][..] };

            let ragged = request.ragged_values().unwrap();
            let indices = request.ragged_indices().unwrap();
            let only = request.clone().indices_only(true).ragged_values().unwrap();
            prop_assert_eq!(numbers(&only.values), indices.values().iter().map(|i| *i as f64).collect::<Vec<f64>>());
            let values = numbers(&ragged.values);
            let typed: Vec<Vec<f64>> = if flip {
                request.ragged::<i64>().unwrap().iter().map(|r| r.iter().map(|v| *v as f64).collect()).collect()
            } else {
                request.ragged::<f64>().unwrap().iter().map(<[f64]>::to_vec).collect()
            };
            for i in 0..rows.len() {
                let expected: Vec<f64> = wanted(i).iter().map(value).collect();
                prop_assert_eq!(indices.row(i), wanted(i));
                prop_assert_eq!(&values[ragged.offsets.range(i)], &expected[..]);
                prop_assert_eq!(&typed[i], &expected);
            }

            let masked = request.masked_values().unwrap();
            let indices = request.masked_indices().unwrap();
            let only = request.clone().indices_only(true).masked_values().unwrap();
            let typed: Vec<f64> = if flip {
                request.masked::<i64>().unwrap().data.iter().map(|v| *v as f64).collect()
            } else {
                request.masked::<f64>().unwrap().data.iter().copied().collect()
            };
            let width = (0..rows.len()).map(|i| wanted(i).len()).max().unwrap_or(0).max(1);
            prop_assert_eq!(masked.mask.shape(), &[rows.len(), width]);
            prop_assert!(masked.mask == indices.mask && masked.mask == only.mask);
            let (values, only) = (numbers(&masked.data), numbers(&only.data));
            prop_assert_eq!(&values, &typed);
            for i in 0..rows.len() {
                let mut children = wanted(i).to_vec();
                children.sort_unstable();
                for j in 0..width {
                    prop_assert_eq!(masked.mask[[i, j]], j >= children.len());
                    let child = children.get(j);
                    prop_assert_eq!(values[i * width + j], child.map_or(0.0, value));
                    prop_assert_eq!(indices.data[[i, j]], child.copied().unwrap_or(0));
                    prop_assert_eq!(only[i * width + j], child.copied().unwrap_or(0) as f64);
                }
            }
            // A mask of another length.
            let wrong = request.mask(vec![false; rows.len() + 1]).masked_values();
            prop_assert!(matches!(wrong.unwrap_err().kind(), ErrorKind::Shape(_)));
        }

        // There and back again.
        let beyond = with_region && rows.iter().any(|row| *row >= len);
        let rows: Vec<u64> = if beyond { Vec::new() } else { rows };
        let model = if beyond { Vec::new() } else { model };
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

//! What metadata take in a file: the numbers are those of `H5Oget_info` of libhdf5, as h5py 3.16 gives them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use h5::{File, MetadataBytes, MetadataTally, ObjectKind};

macro_rules! file {
    ($name:literal) => {
        File::from_bytes(include_bytes!(concat!("../fuzz/corpus/open_and_walk/", $name, ".h5"))).unwrap()
    };
}

/// The metadata of the root and what is directly below it.
fn metadata(file: &File) -> MetadataBytes {
    let mut tally = MetadataTally::default();
    let root = file.root().unwrap();
    // Twice: each block counts once.
    for _ in 0..2 {
        tally.add(root.as_object()).unwrap();
        for (_, member) in root.members().unwrap() {
            if let Ok(member) = member {
                tally.add(&member).unwrap();
            }
        }
    }
    tally.bytes()
}

#[test]
fn metadata_are_counted_as_libhdf5_does() {
    let parts = |file: &File| {
        let m = metadata(file);
        (m.header, m.links, m.attributes, m.chunk_index)
    };
    assert_eq!(parts(&file!("attributes_dense")), (454, 0, 11426, 0));
    assert_eq!(parts(&file!("attributes_v0")), (336, 664, 0, 0));
    assert_eq!(parts(&file!("btree_v1")), (312, 992, 0, 2616));
    assert_eq!(parts(&file!("btree_v2")), (399, 0, 0, 2086));
    assert_eq!(parts(&file!("fixed_array")), (399, 0, 0, 166));
    assert_eq!(parts(&file!("user_block")), (336, 664, 0, 0));
    // libhdf5 adds the 178 bytes of the mappings of a virtual dataset, which are in a global heap.
    assert_eq!(parts(&file!("layouts_v0")), (1960, 1080, 0, 234 - 178));
    // Here libhdf5 leaves out the elements and addresses in the index block, which are 232 bytes.
    assert_eq!(parts(&file!("extensible_array")), (399, 0, 0, 566 + 232));
    let dense = metadata(&file!("groups_dense"));
    assert_eq!(dense.links, 1316);
}

#[test]
fn free_space_is_what_the_managers_say() {
    let space = file!("pages").space();
    assert_eq!((space.superblock, space.managers, space.free), (200, 252, 572));
    let space = file!("btree_v1").space();
    assert_eq!((space.superblock, space.managers, space.free), (96, 0, 0));
}

#[test]
fn damage_neither_panics_nor_counts_more_than_the_file_holds() {
    for good in [
        include_bytes!("../fuzz/corpus/open_and_walk/groups_symbol_table.h5").as_slice(),
        include_bytes!("../fuzz/corpus/open_and_walk/btree_v1.h5"),
        include_bytes!("../fuzz/corpus/open_and_walk/pages.h5"),
    ] {
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.to_vec();
            bad[at] ^= 0x55;
            let Ok(file) = File::options().ignore_write_flag(true).from_bytes(bad) else { continue };
            assert!(file.space().free <= good.len() as u64);
            let Ok(root) = file.root() else { continue };
            let mut tally = MetadataTally::default();
            let _ = tally.add(root.as_object());
            for link in root.links().into_iter().flatten().flatten() {
                if let Ok(object) = root.follow(&link)
                    && object.kind().is_ok_and(|kind| kind != ObjectKind::Datatype)
                {
                    let _ = tally.add(&object);
                }
            }
        }
    }
}

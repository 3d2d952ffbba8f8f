#![no_main]

#[path = "../../tests/common/model.rs"]
mod model;
#[path = "../../tests/common/scripts.rs"]
mod scripts;

const FIXTURES: [&[u8]; 15] = [
    include_bytes!("../../testdata/edit/v0.h5"),
    include_bytes!("../../testdata/edit/v0_small.h5"),
    include_bytes!("../../testdata/edit/v0_user.h5"),
    include_bytes!("../../testdata/edit/v1.h5"),
    include_bytes!("../../testdata/edit/v2.h5"),
    include_bytes!("../../testdata/edit/v2_order.h5"),
    include_bytes!("../../testdata/edit/v2_shared.h5"),
    include_bytes!("../../testdata/edit/v2_small.h5"),
    include_bytes!("../../testdata/edit/v3.h5"),
    include_bytes!("../../testdata/edit/v3_aggr.h5"),
    include_bytes!("../../testdata/edit/v3_image.h5"),
    include_bytes!("../../testdata/edit/v3_order.h5"),
    include_bytes!("../../testdata/edit/v3_page.h5"),
    include_bytes!("../../testdata/edit/v3_persist.h5"),
    include_bytes!("../../testdata/edit/v3_user.h5"),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&first, script)) = data.split_first() else { return };
    // Half of the scripts make a new file.
    let fixture = (first % 2 == 0).then(|| FIXTURES[usize::from(first / 2) % FIXTURES.len()]);
    scripts::run(fixture, &script[..script.len().min(2000)]);
});

//! The sessions of edits that are recorded.

use h5::{Profile, Result};
use ndarray::s;

use crate::record::{Session, Start, Steps};

type Edits = fn(&mut Steps<'_>) -> Result<()>;

/// The first session of created files: chunks, slices, attributes, strings, groups.
fn grow(s: &mut Steps<'_>) -> Result<()> {
    let root = s.file.root()?;
    s.flush()?;
    let mut x = root.new_dataset::<i32>().shape(0).resizable().chunk(8).deflate(1).create("x")?;
    let y = root.new_dataset::<i32>().shape(300).create("y")?;
    let text = root.new_dataset::<String>().shape(4).create("text")?;
    s.flush()?;
    let group = root.create_group("group")?;
    for round in 0..8 {
        x.append(&[round; 5])?;
        y.write_slice(&[round; 7], s![round as usize * 7..round as usize * 7 + 7])?;
        y.set_attr(format!("a{round}"), round)?;
        text.write_slice(&["t".repeat(round as usize + 1)], 1..2)?;
        for i in 0..3 {
            group.create_group(format!("{round} {i}"))?;
        }
        s.flush()?;
    }
    x.resize([3])?;
    s.flush()
}

/// Objects of a new file that are pinned by references, and deleted.
fn pinned(s: &mut Steps<'_>) -> Result<()> {
    let root = s.file.root()?;
    let a = root.create_group("a")?;
    let data = a.new_dataset::<i32>().shape(10).with_data(&[1; 10]).create("data")?;
    let log = a.new_dataset::<i32>().shape(4).resizable().chunk(3).create("log")?;
    let references = [a.as_object().reference(), data.as_object().reference(), log.as_object().reference()];
    root.new_dataset::<h5::ObjectReference>().with_data(&references).create("references")?;
    s.flush()?;
    for round in 0..4 {
        data.set_attr("round", round)?;
        data.write(&[round; 10])?;
        s.flush()?;
        log.write_slice(&[round; 2], 0..2)?;
        a.create_group(format!("g{round}"))?;
        s.flush()?;
    }
    a.rename("data", "renamed")?;
    a.unlink("g1")?;
    root.unlink("references")?;
    s.flush()?;
    root.unlink("a")?;
    s.flush()?;
    root.create_group("a")?.set_attr("again", 1)?;
    s.flush()
}

fn attributes(s: &mut Steps<'_>) -> Result<()> {
    let (root, plain) = (s.file.root()?, s.file.dataset("data/plain")?);
    root.set_attr("n", 8i64)?;
    s.flush()?;
    plain.set_attr("units", "metres")?;
    s.flush()?;
    plain.delete_attr("units")?;
    s.flush()?;
    root.rename_attr("title", "name")?;
    plain.set_attr("list", [1, 2, 3])?;
    s.flush()?;
    for i in 0..12 {
        plain.set_attr(format!("many {i}"), vec![i; 5])?;
    }
    s.flush()?;
    for i in 0..9 {
        plain.delete_attr(format!("many {i}"))?;
    }
    root.delete_attr("name")?;
    s.flush()
}

fn dense_attributes(s: &mut Steps<'_>) -> Result<()> {
    let labels = s.file.group("labels")?;
    labels.set_attr("a3", "another")?;
    s.flush()?;
    labels.rename_attr("a1", "one")?;
    labels.delete_attr("a2")?;
    s.flush()?;
    for i in 0..25 {
        labels.set_attr(format!("b{i}"), i)?;
    }
    s.flush()?;
    for name in labels.attribute_names()?.iter().skip(3) {
        labels.delete_attr(name)?;
    }
    s.flush()?;
    labels.set_attr("last", 1.5)?;
    s.flush()
}

fn many_links(s: &mut Steps<'_>) -> Result<()> {
    let (many, plain) = (s.file.group("many")?, s.file.dataset("data/plain")?);
    many.link_soft("another", "/data")?;
    s.flush()?;
    many.link_hard("hard", plain.as_object())?;
    s.flush()?;
    for i in 0..20 {
        many.create_group(format!("group {i}"))?;
    }
    s.flush()?;
    for i in 0..60 {
        many.unlink(format!("{} {i}", if i % 10 == 0 { "soft" } else { "link" }))?;
    }
    many.rename("group 3", "group three")?;
    s.flush()?;
    for name in many.names()?.iter().skip(4) {
        many.unlink(name)?;
    }
    s.flush()?;
    many.create_group("last")?;
    s.flush()
}

fn few_links(s: &mut Steps<'_>) -> Result<()> {
    let (root, few) = (s.file.root()?, s.file.group("few")?);
    few.link_soft("s", "data")?;
    s.flush()?;
    few.rename("below", "under")?;
    s.flush()?;
    few.move_link("under", &root, "data/under")?;
    s.flush()?;
    few.unlink("again")?;
    s.flush()?;
    for i in 0..10 {
        few.create_group(format!("g{i}"))?;
    }
    s.flush()?;
    for i in 0..8 {
        few.unlink(format!("g{i}"))?;
    }
    s.flush()
}

fn append(s: &mut Steps<'_>) -> Result<()> {
    let mut chunked = s.file.dataset("data/chunked")?;
    let mut packed = s.file.dataset("data/packed")?;
    let mut grid = s.file.dataset("data/grid")?;
    for round in 0..3 {
        chunked.append(&[round; 5])?;
        s.flush()?;
        packed.append(&[round; 9])?;
        grid.append(&[round; 6])?;
        s.flush()?;
    }
    grid.resize([9, 20])?;
    grid.write_slice(&ndarray::arr2(&[[1, 2], [3, 4]]), s![7..9, 17..19])?;
    s.flush()?;
    packed.append(&[9; 400])?;
    s.flush()
}

fn shrink(s: &mut Steps<'_>) -> Result<()> {
    let mut chunked = s.file.dataset("data/chunked")?;
    let mut packed = s.file.dataset("data/packed")?;
    let mut grid = s.file.dataset("data/grid")?;
    chunked.resize([11])?;
    s.flush()?;
    packed.resize([3])?;
    grid.resize([2, 4])?;
    s.flush()?;
    chunked.resize([30])?;
    s.flush()?;
    grid.resize([0, 4])?;
    s.flush()?;
    grid.resize([5, 4])?;
    packed.resize([100])?;
    s.flush()
}

fn slices(s: &mut Steps<'_>) -> Result<()> {
    let data = s.file.group("data")?;
    data.dataset("plain")?.write_slice(&[-1; 3], 4..7)?;
    s.flush()?;
    data.dataset("compact")?.write_slice(&[-2; 2], 1..3)?;
    s.flush()?;
    data.dataset("packed")?.write_slice(&[-3; 10], 5..15)?;
    data.dataset("unset")?.write_slice(&[-4; 4], 3..7)?;
    s.flush()?;
    data.dataset("fixed")?.write_slice(&ndarray::arr2(&[[5, 6]]), s![1..2, 1..3])?;
    data.dataset("typed")?.write_slice(&[7i32], 1..2)?;
    data.dataset("plain")?.write(&vec![3; 40])?;
    s.flush()?;
    data.dataset("compact")?.write(&[9; 6])?;
    s.flush()
}

fn strings(s: &mut Steps<'_>) -> Result<()> {
    let text = s.file.dataset("data/text")?;
    text.write_slice(&["new".to_owned()], 0..1)?;
    s.flush()?;
    text.write(&["a", "much longer text than it was before", "", "x"].map(str::to_owned))?;
    text.set_attr("words", ["another".to_owned(), "list".to_owned(), "of words".to_owned()])?;
    s.flush()?;
    let data = s.file.group("data")?;
    data.new_dataset::<Vec<i32>>().with_data(&[vec![1, 2], vec![], vec![3]]).create("ragged")?;
    s.flush()?;
    text.write_slice(&["y".repeat(5000)], 3..4)?;
    s.flush()
}

fn new_objects(s: &mut Steps<'_>) -> Result<()> {
    let root = s.file.root()?;
    root.create_group("new/nested/deep")?.set_attr("depth", 3)?;
    s.flush()?;
    let data = s.file.group("data")?;
    let mut log = data.new_dataset::<f64>().shape((0, 3)).resizable().chunk((4, 3)).lzf().create("log")?;
    data.new_dataset::<i32>().compact().with_data(&[1, 2, 3]).create("small")?;
    s.flush()?;
    for _ in 0..3 {
        log.append(&[0.5, 1.5, 2.5])?;
        log.set_attr("rows", log.shape()[0])?;
        s.flush()?;
    }
    let plain = s.file.dataset("data/plain")?;
    let references = [plain.as_object().reference(), log.as_object().reference()];
    root.new_dataset::<h5::ObjectReference>().with_data(&references).create("more references")?;
    root.set_attr("to", log.as_object().reference())?;
    s.flush()?;
    root.commit_datatype("types/another", plain.datatype().clone())?;
    s.flush()
}

fn deletions(s: &mut Steps<'_>) -> Result<()> {
    let root = s.file.root()?;
    root.unlink("data/chunked")?;
    s.flush()?;
    root.unlink("few")?;
    s.flush()?;
    root.unlink("data/typed")?;
    root.unlink("type")?;
    s.flush()?;
    // What was freed is used again.
    for i in 0..6 {
        let values = vec![i; 40];
        root.new_dataset::<i32>().with_data(&values).create(format!("data/new {i}"))?;
        s.flush()?;
    }
    root.unlink("data")?;
    s.flush()?;
    root.unlink("many")?;
    root.create_group("data")?;
    s.flush()
}

fn copies_of_links(s: &mut Steps<'_>) -> Result<()> {
    let root = s.file.root()?;
    let (data, grid) = (s.file.group("data")?, s.file.dataset("data/grid")?);
    root.link_hard("grid", grid.as_object())?;
    s.flush()?;
    root.link_hard("few/data", data.as_object())?;
    root.link_soft("way", "/few/data/grid")?;
    s.flush()?;
    data.unlink("grid")?;
    s.flush()?;
    root.unlink("data")?;
    s.flush()?;
    root.rename("few/data", "data")?;
    root.unlink("grid")?;
    s.flush()
}

/// Handles that are kept over many flushes; the file is closed and opened in between.
fn reopened(s: &mut Steps<'_>) -> Result<()> {
    for round in 0..4 {
        let root = s.file.root()?;
        let mut packed = s.file.dataset("data/packed")?;
        root.set_attr("n", round)?;
        s.flush()?;
        packed.append(&[round; 3])?;
        root.create_group(format!("round {round}"))?;
        s.flush()?;
        packed.set_attr("last", round)?;
        if round > 0 {
            root.unlink(format!("round {}", round - 1))?;
        }
        s.reopen()?;
    }
    Ok(())
}

/// A bit of everything in each flush.
fn mixed(s: &mut Steps<'_>) -> Result<()> {
    let (root, data) = (s.file.root()?, s.file.group("data")?);
    root.set_attr("n", 1)?;
    s.flush()?;
    let mut packed = s.file.dataset("data/packed")?;
    packed.append(&[4; 30])?;
    data.dataset("plain")?.set_attr("units", "s")?;
    data.dataset("text")?.write_slice(&["!".to_owned()], 2..3)?;
    root.unlink("few/soft")?;
    root.create_group("few/new")?;
    s.flush()?;
    root.unlink("data/unset")?;
    root.unlink("many/link 5")?;
    root.rename("labels", "many/labels")?;
    s.flush()?;
    s.file.group("many/labels")?.set_attr("a1", "x")?;
    s.reopen()?;
    s.file.root()?.unlink("references")?;
    s.file.group("data")?.new_dataset::<u8>().with_data(&[7; 30]).create("unset")?;
    s.flush()?;
    s.file.dataset("data/unset")?.set_attr("n", 2)?;
    s.flush()
}

/// Elements in the middle of a contiguous dataset that is too long to be copied.
fn in_place(s: &mut Steps<'_>) -> Result<()> {
    let data = s.file.group("data")?;
    let values: Vec<i32> = (0..20_000).collect();
    let long = data.new_dataset::<i32>().with_data(&values).create("long")?;
    s.flush()?;
    long.write_slice(&[-1; 4], 100..104)?;
    s.flush()?;
    long.write_slice(&vec![-2; 3000], 5000..8000)?;
    long.set_attr("changed", true)?;
    s.flush()
}

/// Changes that wait in the file, because they are long.
fn waiting(s: &mut Steps<'_>) -> Result<()> {
    let data = s.file.group("data")?;
    let long = data.new_dataset::<i32>().with_data(&vec![1; 700_000]).create("long")?;
    s.flush()?;
    long.write_slice(&vec![2; 300_000], 1000..301_000)?;
    long.write_slice(&[3; 10], 2000..2010)?;
    data.unlink("grid")?;
    s.flush()?;
    long.write_slice(&[4; 2], 5..7)?;
    s.flush()
}

const EVERYWHERE: [(&str, Edits); 12] = [
    ("attributes", attributes),
    ("dense attributes", dense_attributes),
    ("many links", many_links),
    ("few links", few_links),
    ("appends", append),
    ("shrinks", shrink),
    ("slices", slices),
    ("strings", strings),
    ("new objects", new_objects),
    ("deletions", deletions),
    ("copies of links", copies_of_links),
    ("reopened", reopened),
];

pub fn sessions() -> Vec<Session> {
    let mut out = Vec::new();
    let mut push = |name, start, edits: Edits, share| out.push(Session { name, start, edits, share });
    for profile in [Profile::Compatible, Profile::Modern] {
        push("grow", Start::Create(profile, 512), grow, 1.0);
        push("pinned", Start::Create(profile, 0), pinned, 1.0);
    }
    for fixture in ["v0", "v2", "v3"] {
        for (name, edits) in EVERYWHERE {
            push(name, Start::Fixture(fixture), edits, 1.0);
        }
    }
    let others = [
        "v0_user",
        "v0_small",
        "v1",
        "v2_order",
        "v2_small",
        "v2_shared",
        "v3_user",
        "v3_order",
        "v3_persist",
        "v3_aggr",
        "v3_page",
        "v3_image",
    ];
    for fixture in others {
        push("mixed", Start::Fixture(fixture), mixed, 1.0);
        push("deletions", Start::Fixture(fixture), deletions, 0.3);
    }
    for fixture in ["v1", "v2_order", "v3_order"] {
        push("dense attributes", Start::Fixture(fixture), dense_attributes, 0.3);
        push("many links", Start::Fixture(fixture), many_links, 0.3);
    }
    push("appends", Start::Fixture("v2_shared"), append, 0.3);
    push("few links", Start::Fixture("v2_shared"), few_links, 0.3);
    for fixture in ["v0", "v3"] {
        push("in place", Start::Fixture(fixture), in_place, 0.2);
    }
    push("waiting", Start::Fixture("v2"), waiting, 0.02);
    out
}

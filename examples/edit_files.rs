//! Changes many files in the same way: a dataset and an attribute are added, a link is deleted. For the check of
//! `.ci/edit_fidelity.py` that nothing else changes.
//!
//! Reads lines `FILE<TAB>LINK` (no link: none is deleted) and prints `FILE<TAB>edited|refused<TAB>reason`.

use std::io::BufRead;

use h5::{File, Policy, Reach};

const ADDED: &str = "h5_added";

fn edit(path: &str, link: &str) -> h5::Result<()> {
    let file = File::options().policy(Policy::all(Reach::Beside)).open_rw(path)?;
    let root = file.root()?;
    root.set_attr(ADDED, "an attribute")?;
    let data = ndarray::Array2::from_shape_fn((30, 4), |(i, k)| (i * 4 + k) as i32);
    root.new_dataset::<i32>().chunk([8, 4]).deflate(4).with_data(&data).create(ADDED)?;
    if !link.is_empty() {
        root.unlink(link)?;
    }
    file.close()
}

fn main() -> std::io::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (path, link) = line.split_once('\t').unwrap_or((&line, ""));
        let before = std::fs::read(path)?;
        match edit(path, link) {
            Ok(()) => println!("{path}\tedited\t"),
            Err(error) => {
                let same = if std::fs::read(path)? == before { "refused" } else { "DAMAGED" };
                println!("{path}\t{same}\t{}", error.to_string().replace(['\n', '\t'], " "));
            }
        }
    }
    Ok(())
}
